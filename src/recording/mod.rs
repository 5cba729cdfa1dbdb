//! Recordings: who asks for one, which run, and what lies on the disk.
//!
//! MediaMTX writes them, as fragmented MP4, one file for a recording. It writes into a hidden folder, and as soon as a
//! file is there it gets its name in the folder people see, while MediaMTX goes on writing. A file that begins anew (the
//! camera's thread or MediaMTX was started again) becomes `name-2`, `name-3` …: nothing is ever overwritten.

pub mod adopt;
pub mod bridge;
pub mod disk;
pub mod examine;
pub mod flush;
pub mod fmp4;
pub mod follow;
pub mod index;
pub mod io;
pub mod ledger;
pub mod modes;
pub mod plain;
pub mod range;
pub mod schedule;
pub mod scrub;
pub mod seal;
pub mod session;
pub mod spool;
pub mod stall;
pub mod track;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::clock::Wall;
use crate::error::Later;
use crate::storage::Protect;
use crate::storage::names::Stem;
use crate::storage::shelf::{Entry, Page};
use examine::Facts;
use index::Inventory;

/// The extension of recordings.
pub const EXTENSION: &str = "mp4";

/// What the finished file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Fragmented MP4, as MediaMTX writes it.
    #[default]
    Fmp4,
    /// A plain MP4 with `moov` in front, made when the recording ends.
    Mp4,
}

impl Format {
    /// All that can be asked for.
    pub const ALL: [Self; 2] = [Self::Fmp4, Self::Mp4];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fmp4 => "fmp4",
            Self::Mp4 => "mp4",
        }
    }
}

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The camera or stream; its path in MediaMTX.
    pub device: String,
    /// The name wished for.
    pub name: Option<Stem>,
    /// Ends by itself after so long.
    pub duration: Option<Duration>,
    /// What the finished file is.
    pub format: Format,
    /// It begins so long before it was asked for, as far as pictures are held.
    pub lead: Duration,
    /// Who wants it.
    pub origin: Origin,
}

/// Who wants a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// A client, until it is ended.
    #[default]
    Call,
    /// The camera's mode; it goes on as a new recording again and again.
    Mode,
    /// The service, where a medium lost what another recording had of the last seconds.
    Bridge,
}

/// A recording that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its identifier.
    pub stem: Stem,
    /// When its first picture was taken.
    pub start: Wall,
    /// When it ends by itself.
    pub until: Option<Wall>,
    /// So long before it was asked for.
    pub lead: Duration,
}

/// What became of an [`Order`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Its file is on the disk and grows.
    Started(Started),
    /// One is running, beginning or ending there.
    Busy {
        /// `STARTING`, `RECORDING` or `STOPPING`.
        state: &'static str,
    },
    /// The medium is too full, in words.
    Full(String),
}

/// A finished recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Its identifier.
    pub stem: Stem,
    /// When its first picture was taken.
    pub start: Wall,
    /// When its last picture was taken.
    pub end: Wall,
    /// What it plays, all files together.
    pub duration: Duration,
    /// Bytes, all files together.
    pub size: u64,
    /// Its files, in order: one, unless it was interrupted.
    pub files: Vec<Info>,
    /// What the files are now.
    pub format: Format,
    /// They are still being made plain.
    pub finalising: bool,
}

/// What became of the wish to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It is finished.
    Stopped(Stopped),
    /// None runs there.
    Idle {
        /// `IDLE`, `STARTING` or `STOPPING`.
        state: &'static str,
    },
}

/// One file of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The file.
    pub entry: Entry,
    /// How long it plays now.
    pub duration: Duration,
    /// What else it is; of one that runs, what its head and its fragments tell by now.
    pub facts: Facts,
    /// It is part of a recording that runs.
    pub running: bool,
}

impl Info {
    /// When its first picture was taken, as the file tells, or as far as the disk does.
    #[must_use]
    pub fn created(&self) -> Wall {
        let disk = || begun(self.entry.created, self.entry.modified, self.duration);
        self.facts.begun.unwrap_or_else(disk)
    }
}

/// When the first picture of a file was taken, as far as the disk tells.
pub(crate) fn begun(created: Option<Wall>, modified: Wall, duration: Duration) -> Wall {
    let played = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    // One that was made plain, or copied, was made after its last picture was written.
    let created = created.filter(|at| *at <= modified);
    created.unwrap_or_else(|| Wall::from_nanos(modified.as_nanos().saturating_sub(played)))
}

/// What became of the wish to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Done,
    /// There is none of that name.
    Unknown,
    /// It runs.
    Running,
    /// It is protected.
    Protected,
}

/// Recordings, as the methods ask for them.
pub trait Recordings: Send + Sync {
    /// The longest lead of a recording: how long pictures of cameras are held. Zero: none are.
    fn longest_lead(&self) -> Duration;

    /// Starts one; comes back when its file is on the disk.
    fn start(&self, order: Order) -> Later<Start>;

    /// The state of the one of `device` that begins, runs or ends; answers from memory.
    fn state(&self, device: &str) -> Option<&'static str>;

    /// Ends the one that runs of `device`; comes back when its file is finished.
    fn stop(&self, device: &str) -> Later<Stop>;

    /// What lies on the disk, the running ones included.
    fn list(&self, page: Page) -> Later<Arc<Inventory>>;

    /// One of them.
    fn info(&self, stem: Stem) -> Later<Option<Info>>;

    /// Deletes one that does not run, because `who` wants it.
    fn delete(&self, stem: Stem, who: &str) -> Later<Deletion>;

    /// Whether a file is part of a recording that runs; answers from memory.
    fn is_running(&self, stem: &Stem) -> bool;

    /// What was done against power cuts since the service started; answers from memory.
    fn durability(&self) -> Durability;

    /// Whether a file has been recorded and is being made a plain MP4; answers from memory.
    fn is_finalising(&self, stem: &Stem) -> bool;
}

/// What was done against power cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durability {
    /// Flushes of growing files that succeeded.
    pub flushes: u64,
    /// Flushes that failed.
    pub failures: u64,
    /// The longest flush.
    pub longest_flush: Duration,
    /// Files whose torn end was cut off.
    pub repaired: u64,
    /// Files that lie aside because nothing of them plays, those of former runs among them.
    pub quarantined: u64,
}

/// Which files belong to recordings that run.
#[derive(Debug, Default)]
pub struct Running(RwLock<BTreeSet<Stem>>);

impl Running {
    /// Replaces them; gives those that are new, and those that are not among them any more.
    pub fn set(&self, stems: BTreeSet<Stem>) -> (Vec<Stem>, Vec<Stem>) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let began = stems.difference(&held).cloned().collect();
        let ended = held.difference(&stems).cloned().collect();
        *held = stems;
        (began, ended)
    }
}

impl Protect for Running {
    fn is_running(&self, stem: &Stem) -> bool {
        let stems = self.0.read().unwrap_or_else(PoisonError::into_inner);
        stems.contains(stem)
    }

    fn running(&self) -> BTreeSet<Stem> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
