//! The medium: how full it is, when that is too full, and what is deleted for it.
//!
//! Nothing is deleted unless an administrator set a policy or the configuration sets quotas. A running recording never is,
//! nor a protected one, and nothing is deleted by its age while the clock is not believed.
//!
//! [`quota`] decides who goes, [`trust`] whether the clock is believed, [`order`] where files stand whose own time says
//! nothing, [`moments`] when files were truly taken, [`concern`] what people must know.

pub mod concern;
pub mod io;
pub mod marks;
pub mod medium;
pub mod moments;
pub mod names;
pub mod note;
pub mod order;
pub mod policy;
pub mod quota;
pub mod shelf;
pub mod space;
pub mod trust;
pub mod wear;

use moments::Moment;
use names::Stem;
use policy::Policy;
use quota::{Kind, Limits};
use shelf::Weight;
use space::Space;
use trust::Doubt;

use crate::clock::{Mono, Wall};
use crate::error::Later;

/// `get_storage_info`.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// The file system recordings lie on.
    pub space: Space,
    /// Everything in the recordings' folder.
    pub recordings: Weight,
    /// Everything in the snapshots' folder.
    pub snapshots: Weight,
    /// What an administrator set; the default where nobody has.
    pub policy: Policy,
    /// What limits files now: the configuration's quotas and the policy together.
    pub limits: Limits,
    /// Whether the clock is believed, which age-based deletion needs.
    pub clock: Result<(), Doubt>,
    /// Recordings that are protected.
    pub protected: usize,
    /// `storage.warn_percent`.
    pub warn_percent: u32,
    /// `storage.block_percent`.
    pub block_percent: u32,
    /// The fallback, where there is one.
    pub fallback: Option<Spare>,
}

/// The fallback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spare {
    /// Its folder of recordings.
    pub path: String,
    /// New files go there now.
    pub used: bool,
    /// The recordings that lie there.
    pub recordings: Weight,
}

impl Figures {
    /// The medium is fuller than `storage.warn_percent`.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.space.is_beyond(self.warn_percent)
    }

    /// The medium is so full that no recording may begin.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.space.is_beyond(self.block_percent)
    }
}

/// What a clean-up did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// There was a limit to go by.
    pub executed: bool,
    /// Files deleted.
    pub files: u64,
    /// Bytes they had.
    pub bytes: u64,
    /// One sentence for people.
    pub message: String,
}

/// What became of the wish to delete a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// It is gone; so many bytes it had.
    Done(u64),
    /// There is none of that name.
    Unknown,
    /// It runs.
    Running,
    /// It is protected.
    Protected,
}

/// Who looks after the medium.
pub trait Storage: Send + Sync {
    /// How full it is now.
    fn figures(&self) -> Later<Figures>;

    /// Whether a recording may begin: `None`, or why not.
    fn refusal(&self) -> Later<Option<String>>;

    /// Puts a policy in force and keeps it over restarts.
    fn set_policy(&self, policy: Policy) -> Later<()>;

    /// Deletes what the limits in force say, now.
    fn clean(&self) -> Later<Cleaned>;

    /// Deletes a recording because `who` asks for it.
    fn delete_recording(&self, stem: Stem, who: String) -> Later<Erased>;

    /// Protects a recording from every deletion, or no longer; false where there is none of that name.
    fn protect(&self, stem: Stem, protected: bool) -> Later<bool>;

    /// Whether a recording is protected; answers from memory.
    fn is_protected(&self, stem: &Stem) -> bool;

    /// Why nothing can be written now, if so; answers from memory.
    fn trouble(&self) -> Option<String>;

    /// What the wall clock would have shown at a moment of this run, were it right, as well as that is known; answers from
    /// memory.
    fn wall_of(&self, moment: Mono) -> Wall;

    /// A file has got its name. Its first picture was taken at `first`, where that is known, and the file itself tells
    /// `told`, where it tells anything. Returns when that was. May wait for the disk.
    fn began(&self, kind: Kind, stem: &Stem, first: Option<Mono>, told: Option<Wall>) -> Wall;

    /// When a file was taken, which tells `own` itself; answers from memory.
    fn moment(&self, kind: Kind, stem: &Stem, own: Option<Wall>) -> Moment;

    /// Whether there is no place for files: the medium is away, and nothing takes its place; answers from memory.
    fn is_away(&self) -> bool;
}

/// Tells which files have no off-site copy yet although one is wanted before they may go; answers from memory.
pub trait AwaitsCopy: Send + Sync {
    /// Whether the limits on what is kept wait for this file's copy.
    fn awaits(&self, kind: Kind, stem: &Stem) -> bool;
}

/// Tells which files must stay whatever a policy says; answers from memory.
pub trait Protect: Send + Sync {
    /// Whether this recording runs.
    fn is_running(&self, stem: &Stem) -> bool;

    /// Every file of a recording that runs.
    fn running(&self) -> std::collections::BTreeSet<Stem>;
}
