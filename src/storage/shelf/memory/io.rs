//! Watches the folder with inotify(7), and asks before each use whether anything has happened.
//!
//! A client that asks for the list again and again would have the disk read each time, on another thread. The kernel
//! notes what happens to a folder before whoever did it goes on: while it has noted nothing, the list is what reading
//! would give. What it cannot note (another machine's writes to a network drive, writes through a mapping, a medium
//! mounted over the folder) is seen after a second.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::clock::{self, Mono};
use crate::error::Result;
use crate::storage::shelf::Entry;
use crate::sys::inotify::{CONTENTS, NAMES};

/// How long a list is believed without a word from the kernel.
const BELIEVED: Duration = Duration::from_secs(1);

/// Longer lists are read each time: some 200 bytes a file are kept for the others.
const MOST: usize = 2000;

/// A list and whoever watches over it.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// One for good: to close it may take the kernel some time. Absent until the first list, or where there is none
    /// to be had.
    eyes: Option<Inotify>,
    list: Option<(Arc<[Entry]>, Mono)>,
}

impl Memory {
    /// The list, if it is certain. Never waits: while another is reading the folder, there is none.
    pub fn recall(&self) -> Option<Arc<[Entry]>> {
        let mut kept = match self.0.try_lock() {
            Ok(kept) => kept,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        kept.certain(clock::mono())
    }

    /// Reads the folder at `root` by `read`, which gives the list and the folders it read. Of several callers at once
    /// one reads.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn learn(
        &self,
        root: &Path,
        folders: impl FnOnce() -> Result<Vec<PathBuf>>,
        read: impl FnOnce() -> Result<Vec<Entry>>,
    ) -> Result<Arc<[Entry]>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::mono();
        if let Some(list) = kept.certain(now) {
            return Ok(list);
        }
        // First watched, then read: what happens in between is noted.
        let watched = kept.watch(root, folders);
        let list: Arc<[Entry]> = read()?.into();
        if watched.is_some() && list.len() <= MOST {
            kept.list = Some((Arc::clone(&list), now));
        }
        Ok(list)
    }
}

impl Kept {
    fn certain(&mut self, now: Mono) -> Option<Arc<[Entry]>> {
        let (list, read) = self.list.as_ref()?;
        // One event is enough, whatever it says; no events and no error is the word that all is as it was.
        let quiet = self
            .eyes
            .as_ref()
            .is_some_and(|eyes| matches!(eyes.read_events(), Err(Errno::EAGAIN)));
        if quiet && now.since(*read) < BELIEVED {
            return Some(Arc::clone(list));
        }
        self.list = None;
        None
    }

    /// `None` where the kernel cannot watch: then nothing is remembered.
    fn watch(&mut self, root: &Path, folders: impl FnOnce() -> Result<Vec<PathBuf>>) -> Option<()> {
        self.list = None;
        let eyes = match self.eyes.take() {
            Some(eyes) => eyes,
            None => Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?,
        };
        let eyes = self.eyes.insert(eyes);
        // What was noted before the folder is read anew is no news.
        while matches!(eyes.read_events(), Ok(_) | Err(Errno::EINTR)) {}
        // Each watch notes one event and is done: a file that grows for hours fills no queue.
        let names = NAMES | AddWatchFlags::IN_ONESHOT;
        // The root is made when the first file comes. Until then what is above it is watched for that.
        let there = || root.ancestors().find(|folder| folder.is_dir());
        let nearest = there()?;
        eyes.add_watch(nearest, names).ok()?;
        if there() != Some(nearest) {
            return None;
        }
        for folder in folders().ok()? {
            eyes.add_watch(&folder, names | CONTENTS).ok()?;
        }
        Some(())
    }
}
