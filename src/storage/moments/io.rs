//! The book of moments in a file, the clocks it goes by, and the files' own times.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::{info, warn};

use super::{FILE, Moment, Moments, Reading};
use crate::clock::{self, Mono, Wall};
use crate::error::{self, Error, Result};
use crate::storage::medium::roots::Roots;
use crate::storage::order::Key;
use crate::storage::order::io::Paper;
use crate::storage::quota::Kind;
use crate::storage::shelf::{Entry, Shelf};
use crate::sys::boot;

/// Files whose times are set right at one look: each may be read for its length.
const AT_ONCE: usize = 64;
/// File systems keep times more or less exactly (FAT: 2 s); less than this is not worth a write.
const NEAR: Duration = Duration::from_millis(2);

/// How long a recording plays, as its file tells; `None` where it cannot be read.
pub type Length = Box<dyn Fn(&Path) -> Option<Duration> + Send + Sync>;

/// Knows when files were taken, and lets their own times say so. Every call may wait for the disk but
/// [`Timekeeper::moment`] and [`Timekeeper::wall_of`].
pub struct Timekeeper {
    paper: Paper,
    /// Whether the medium is there.
    roots: Arc<Roots>,
    shelves: [(Kind, Arc<dyn Shelf>); 2],
    length: Length,
    moments: Mutex<Moments>,
    /// Held from a change of the moments until its lines are on the medium: they lie there in the order of the changes.
    pen: Mutex<Pen>,
}

#[derive(Debug, Default)]
struct Pen {
    /// What lay on the medium has been taken in.
    learned: bool,
    /// Lines are missing on the medium: it was away, or did not take them.
    owing: bool,
    /// What each file's time was set to, or found to be.
    settled: BTreeMap<Key, (Wall, bool)>,
}

impl fmt::Debug for Timekeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timekeeper").field(&self.paper).finish()
    }
}

impl Timekeeper {
    /// Of the files on the two shelves; nothing is read yet.
    #[must_use]
    pub fn new(
        roots: Arc<Roots>,
        recordings: Arc<dyn Shelf>,
        snapshots: Arc<dyn Shelf>,
        length: Length,
    ) -> Self {
        // Without it every start is a boot of its own: what it leaves behind is not corrected any more.
        let boot = boot::id().unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
        Self {
            paper: Paper::new(roots.medium(), FILE),
            roots,
            shelves: [(Kind::Recording, recordings), (Kind::Snapshot, snapshots)],
            length,
            moments: Mutex::new(Moments::new(&boot)),
            pen: Mutex::default(),
        }
    }

    fn moments(&self) -> MutexGuard<'_, Moments> {
        // What a panic left behind is a file that counts by its own time.
        self.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pen, with what lies on the medium taken in.
    fn pen(&self) -> MutexGuard<'_, Pen> {
        let mut pen = self.pen.lock().unwrap_or_else(PoisonError::into_inner);
        // A medium that is away is learned of when it is there.
        if !pen.learned && !self.roots.is_away() {
            match self.learn() {
                Ok(()) => pen.learned = true,
                Err(error) => {
                    warn!(%error, "it is not known yet which recordings were made while the clock was wrong");
                }
            }
        }
        pen
    }

    fn learn(&self) -> Result<()> {
        let text = self.paper.read()?;
        let mut there = BTreeSet::new();
        if !text.is_empty() {
            for (kind, shelf) in &self.shelves {
                there.extend(shelf.all()?.into_iter().map(|entry| (*kind, entry.stem)));
            }
        }
        let mut moments = self.moments();
        let own = moments.clone();
        moments.learn(&text, clock::boottime());
        // What has just come may not have been there yet.
        moments.keep(|key| there.contains(key) || own.is_noted(key));
        let kept = moments.to_text();
        drop(moments);
        if kept != text {
            self.paper.write(&kept)?;
        }
        Ok(())
    }

    fn keep(&self, pen: &mut Pen, lines: &str) {
        if lines.is_empty() && !pen.owing {
            return;
        }
        // Nothing is written beneath the place of a medium that is away, nor over a book that has not been read.
        if self.roots.is_away() || !pen.learned {
            pen.owing = true;
            return;
        }
        let kept = match pen.owing {
            true => self.paper.write(&self.moments().to_text()),
            false => self.paper.add(lines),
        };
        if let Err(error) = &kept
            && !pen.owing
        {
            warn!(%error, "after a restart, recordings made while the clock was wrong would not get their true times");
        }
        pen.owing = kept.is_err();
    }

    /// Looks at the clocks: whether the wall clock is believed, what it is at least by the newest file, and what runs.
    /// Sets right the times of files that do not run. Those that are the truth from now on come back,
    /// each with that of its last picture.
    pub fn look(&self, believed: bool, least: Wall, running: &BTreeSet<Key>) -> Vec<(Key, Wall)> {
        let mut pen = self.pen();
        let lines = self.moments().look(reading(), believed, least, running);
        self.keep(&mut pen, &lines);
        self.settle(&mut pen, running)
    }

    fn settle(&self, pen: &mut Pen, running: &BTreeSet<Key>) -> Vec<(Key, Wall)> {
        let due: Vec<(Key, Wall, bool)> = {
            let moments = self.moments();
            pen.settled
                .retain(|key, _| moments.get(key, None).at.is_some());
            let due = moments.noted().filter(|(key, at, right)| {
                !running.contains(key) && pen.settled.get(key) != Some(&(*at, *right))
            });
            let due = due.map(|(key, at, right)| (key.clone(), at, right));
            due.take(AT_ONCE).collect()
        };
        let mut truth = Vec::new();
        for (key, at, right) in due {
            let shelf = self.shelves.iter().find(|(kind, _)| *kind == key.0);
            let found = shelf.map(|(_, shelf)| shelf.find(&key.1)).transpose();
            match found {
                Ok(Some(Some(entry))) => {
                    match self.set(&entry, key.0, at) {
                        Ok(modified) if right => {
                            info!(file = %entry.path.display(), began = at.rfc3339(), "its time is right now");
                            truth.push((key.clone(), modified));
                        }
                        Ok(_) => {}
                        Err(error) => {
                            warn!(file = %entry.path.display(), %error, "its time cannot be set right: lists have it at a wrong place");
                        }
                    }
                    pen.settled.insert(key, (at, right));
                }
                Ok(_) => {
                    let lines = self.moments().gone(&key);
                    self.keep(pen, &lines);
                }
                // The medium is away: the next look finds it, or not.
                Err(_) => break,
            }
        }
        truth
    }

    /// Lets a file's own time be that of its last picture. Lists, age and downloads go by it.
    fn set(&self, entry: &Entry, kind: Kind, began: Wall) -> std::io::Result<Wall> {
        let length = match kind {
            Kind::Recording => (self.length)(&entry.path).unwrap_or_default(),
            Kind::Snapshot => Duration::ZERO,
        };
        set_time(&entry.path, entry.modified, began + length)?;
        Ok(began + length)
    }

    /// A file has got its name; as [`crate::storage::Storage::began`].
    pub fn began(&self, key: &Key, first: Option<Mono>, told: Option<Wall>, least: Wall) -> Wall {
        let mut pen = self.pen();
        let first = first.map(clock::boottime_of);
        let began = self.moments().began(key, (first, told), reading(), least);
        let (lines, at) = began;
        self.keep(&mut pen, &lines);
        if key.0 == Kind::Snapshot
            && let Err(error) = self.set_taken(key, at)
        {
            warn!(name = %key.1, %error, "the snapshot's file tells when it was written, and not when it was taken");
        }
        at
    }

    /// A snapshot is written a while after its picture was taken, and by a clock that may be wrong. Lists go by its file's
    /// time.
    fn set_taken(&self, key: &Key, at: Wall) -> Result<()> {
        for (_, shelf) in self.shelves.iter().filter(|(kind, _)| *kind == key.0) {
            if let Some(entry) = shelf.find(&key.1)? {
                set_time(&entry.path, entry.modified, at).map_err(|e| {
                    let what = format!("cannot set the time of {}", entry.path.display());
                    Error::new(error::Kind::Config, what)
                        .because(e)
                        .action("let the service's user own the file")
                })?;
            }
        }
        Ok(())
    }

    /// A file is gone.
    pub fn gone(&self, key: &Key) {
        let mut pen = self.pen();
        let lines = self.moments().gone(key);
        self.keep(&mut pen, &lines);
    }

    /// When a file was taken.
    #[must_use]
    pub fn moment(&self, key: &Key, own: Option<Wall>) -> Moment {
        self.moments().get(key, own)
    }

    /// What the wall clock would have shown at a moment.
    #[must_use]
    pub fn wall_of(&self, moment: Mono) -> Wall {
        let moment = clock::boottime_of(moment);
        self.moments().wall_of(moment, reading())
    }
}

/// Both clocks.
fn reading() -> Reading {
    Reading {
        boot: clock::boottime(),
        wall: clock::wall(),
    }
}

/// Sets the time at which a file was written last, unless it is that already.
fn set_time(path: &Path, is: Wall, at: Wall) -> std::io::Result<()> {
    let apart = Duration::from_nanos(is.as_nanos().abs_diff(at.as_nanos()));
    if apart <= NEAR {
        return Ok(());
    }
    let at: SystemTime = UNIX_EPOCH + Duration::from_nanos(at.as_nanos());
    File::open(path)?.set_modified(at)
}
