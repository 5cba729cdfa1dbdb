//! The book of places in a file, and the clock that it goes by.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{info, warn};

use super::times::{Times, newest};
use super::{Book, Key};
use crate::clock::{self, Wall};
use crate::durable;
use crate::error::{Error, Kind, Result};
use crate::storage::medium::roots::{Place as Used, Roots};
use crate::storage::quota::Place;
use crate::storage::trust::{Doubt, Sight};

/// Its name in the recordings' folder: hidden, so that it is no camera's folder.
pub const FILE: &str = ".order";

/// Where a book lies.
#[derive(Debug)]
pub struct Paper(PathBuf);

impl Paper {
    /// A file of this name in the recordings' folder.
    #[must_use]
    pub fn new(root: &Path, name: &str) -> Self {
        Self(root.join(name))
    }

    /// Reads it; empty when there is none.
    ///
    /// # Errors
    /// What the disk says, with the path.
    pub fn read(&self) -> Result<String> {
        match fs::read(&self.0) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(e) => Err(self.cannot("read", e)),
        }
    }

    /// Writes it anew, without what was struck; what is empty is removed.
    ///
    /// # Errors
    /// What the disk says, with the path; the former one stays then.
    pub fn write(&self, text: &str) -> Result<()> {
        if text.is_empty() {
            return match fs::remove_file(&self.0) {
                Err(e) if e.kind() != ErrorKind::NotFound => Err(self.cannot("remove", e)),
                _ => Ok(()),
            };
        }
        durable::replace(&self.0, text.as_bytes(), 0o600).map_err(|e| self.cannot("write", e))
    }

    /// Adds lines; they are on the medium when this comes back.
    ///
    /// # Errors
    /// What the disk says, with the path.
    pub fn add(&self, lines: &str) -> Result<()> {
        let write = || {
            let mut file = OpenOptions::new().append(true).open(&self.0)?;
            file.write_all(lines.as_bytes())?;
            file.sync_data()
        };
        match write() {
            // The first line makes the file, and its folder where that is missing.
            Err(e) if e.kind() == ErrorKind::NotFound => {
                durable::replace(&self.0, lines.as_bytes(), 0o600)
            }
            other => other,
        }
        .map_err(|e| self.cannot("write", e))
    }

    fn cannot(&self, what: &str, source: std::io::Error) -> Error {
        Error::new(Kind::Config, format!("cannot {what} {}", self.0.display()))
            .because(source)
            .action("look at the medium of the recordings with df and dmesg")
    }
}

/// How the clock is looked at, given the newest time that can be believed.
pub type Eyes = Box<dyn Fn(Option<Wall>) -> Sight + Send + Sync>;

/// Every file and its time, as the medium has it.
pub type Listed = Vec<(Key, Wall)>;

/// Knows the clock, and whose time cannot be believed. Every call may wait for the disk but [`Chronicle::verdict`] and
/// [`Chronicle::place`].
pub struct Chronicle {
    paper: Paper,
    eyes: Eyes,
    times: Mutex<Times>,
    list: Box<dyn Fn() -> Result<Listed> + Send + Sync>,
    /// Whether the medium is there.
    roots: Arc<Roots>,
}

impl fmt::Debug for Chronicle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chronicle").field(&self.paper).finish()
    }
}

impl Chronicle {
    /// Of the files that `list` gives; nothing is read yet.
    pub fn new(
        roots: Arc<Roots>,
        eyes: Eyes,
        list: impl Fn() -> Result<Listed> + Send + Sync + 'static,
    ) -> Self {
        Self {
            paper: Paper::new(roots.medium(), FILE),
            roots,
            eyes,
            times: Mutex::default(),
            list: Box::new(list),
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        // What a panic left behind is a file without a place: it counts by its own time.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The book and the clock, with what lies on the medium read into it, `but` what has just come.
    fn learned(&self, but: Option<&Key>) -> MutexGuard<'_, Times> {
        let mut times = self.times();
        // A medium that is away is learned of when it is there.
        if times.is_learned() || self.roots.is_away() {
            return times;
        }
        let read = || {
            let mut book = Book::from_text(&self.paper.read()?);
            let listed = (self.list)()?;
            let there: BTreeSet<&Key> = listed.iter().map(|(key, _)| key).collect();
            let lines = book.len();
            book.keep(|key| there.contains(key));
            if book.len() != lines {
                self.paper.write(&book.to_text())?;
            }
            let own = listed
                .iter()
                .filter(|(key, _)| book.place(key).is_none() && Some(key) != but);
            let newest = newest(own.map(|(_, at)| *at));
            Ok::<_, Error>((book, newest))
        };
        match read() {
            Ok((book, newest)) => times.learn(book, newest, clock::now()),
            Err(error) => {
                warn!(%error, "the order of recordings is not known yet; none is deleted by its age");
            }
        }
        times
    }

    /// Whether the clock was believed at the last look; from memory.
    ///
    /// # Errors
    /// Why not.
    pub fn verdict(&self) -> Result<(), Doubt> {
        self.times().verdict()
    }

    /// The place of a file whose own time cannot be believed; from memory.
    #[must_use]
    pub fn place(&self, key: &Key) -> Option<Place> {
        self.times().place(key)
    }

    /// Takes a look at the clock while these files are being written.
    ///
    /// # Errors
    /// Why the clock is not believed.
    pub fn look(&self, running: BTreeSet<Key>) -> Result<(), Doubt> {
        let mut times = self.learned(None);
        let before = times.verdict();
        let sight = (self.eyes)(times.newest());
        let seen = times.look(sight, running);
        self.keep(&seen.lines);
        drop(times);
        if let Some(step) = seen.step {
            let direction = if step.forward { "forward" } else { "back" };
            warn!(
                by_s = step.by.as_secs_f64(),
                direction, "the clock was set to another time"
            );
        }
        match (before, seen.verdict) {
            (Err(_), Ok(())) => {
                info!("the clock is believed: files are deleted by their age where that is set")
            }
            (before, Err(doubt)) if before != Err(doubt) => {
                info!(why = doubt.words(), "nothing is deleted by its age");
            }
            _ => {}
        }
        seen.verdict
    }

    /// What the time is at least, by the last moment that could be believed.
    #[must_use]
    pub fn least(&self) -> Wall {
        self.times().least(clock::now())
    }

    /// The own times of these files are the truth now: they need no places.
    pub fn corrected(&self, files: &[(Key, Wall)]) {
        let lines = self.times().corrected(files, clock::now());
        self.keep(&lines);
    }

    /// A file has got its name.
    pub fn written(&self, key: &Key) {
        let mut times = self.learned(Some(key));
        let sight = (self.eyes)(times.newest());
        let lines = times.written(key, sight);
        self.keep(&lines);
    }

    /// A file is gone.
    pub fn gone(&self, key: &Key) {
        let lines = self.times().gone(key);
        self.keep(&lines);
    }

    /// What lies on the medium now.
    pub fn listed(&self, listed: &[(Key, Wall)]) {
        let lines = self.times().listed(listed, clock::wall());
        self.keep(&lines);
    }

    fn keep(&self, lines: &str) {
        // Nothing is written to what lies beneath the place of a medium that is away.
        // And one that fails is left alone.
        if lines.is_empty() || self.roots.place() != Used::Medium {
            return;
        }
        if let Err(error) = self.paper.add(lines) {
            warn!(%error, "after a restart, files that were written while the clock was wrong would count by their own times");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::storage::quota::Kind as Of;

    #[test]
    fn lines_are_added_and_the_book_is_read_again() {
        let dir = std::env::temp_dir().join(format!("order-{}", uuid::Uuid::new_v4()));
        let paper = Paper::new(&dir, FILE);
        assert!(paper.read().unwrap().is_empty());
        let mut book = Book::default();
        for name in ["a", "b"] {
            let key = (Of::Snapshot, name.parse().unwrap());
            let line = book.doubt(&key, Wall::from_secs(5), 0).unwrap();
            paper.add(&line).unwrap();
        }
        assert_eq!(paper.read().unwrap(), book.to_text());
        book.keep(|_| false);
        paper.write(&book.to_text()).unwrap();
        assert!(!dir.join(FILE).exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
