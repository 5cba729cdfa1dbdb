//! The marks on the medium. Every call may wait for the disk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{FOLDER, Known};
use crate::clock;
use crate::durable;
use crate::error::{Error, Kind, Result};
use crate::storage::names::Stem;

/// The marks in the folder of recordings.
#[derive(Debug)]
pub struct Marks {
    folder: PathBuf,
    extension: &'static str,
    known: Known,
    /// Held while a mark is set, and while a file is deleted: nothing is protected that is going.
    gate: Mutex<()>,
}

impl Marks {
    /// Of the files with this extension beneath `root`. Those that are there count at once.
    #[must_use]
    pub fn new(root: &std::path::Path, extension: &'static str) -> Self {
        let marks = Self {
            folder: root.join(FOLDER),
            extension,
            known: Known::default(),
            gate: Mutex::new(()),
        };
        if let Err(error) = marks.read() {
            tracing::warn!(%error, "which recordings are protected cannot be read; none is deleted by itself until it can");
        }
        marks
    }

    /// Those known, from memory.
    #[must_use]
    pub const fn known(&self) -> &Known {
        &self.known
    }

    /// Reads them anew.
    ///
    /// # Errors
    /// What the disk says: then nothing is known of what is protected, and nothing may be deleted by itself.
    pub fn read(&self) -> Result<BTreeSet<Stem>> {
        let found = match fs::read_dir(&self.folder) {
            Ok(found) => found,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.known.set(BTreeSet::new());
                return Ok(BTreeSet::new());
            }
            Err(e) => return Err(self.cannot("read", e)),
        };
        let mut stems = BTreeSet::new();
        for entry in found {
            let name = entry.map_err(|e| self.cannot("read", e))?.file_name();
            let stem = name.to_str().and_then(|name| {
                let stem = name.strip_suffix(self.extension)?.strip_suffix('.')?;
                stem.parse().ok()
            });
            stems.extend(stem);
        }
        self.known.set(stems.clone());
        Ok(stems)
    }

    /// Whether a file has the mark, as the medium says it now.
    ///
    /// # Errors
    /// What the disk says.
    pub fn has(&self, stem: &Stem) -> Result<bool> {
        match self.path(stem).symlink_metadata() {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(self.cannot("read", e)),
        }
    }

    /// Nothing is protected or deleted elsewhere while this is held.
    pub fn hold(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets or takes the mark; the medium has it when this comes back. Call it with [`Marks::hold`] held.
    ///
    /// # Errors
    /// What the disk says; the mark is as it was then.
    pub fn set(&self, stem: &Stem, protected: bool) -> Result<()> {
        if protected {
            let text = format!("protected {}\n", clock::wall().rfc3339());
            durable::replace(&self.path(stem), text.as_bytes(), 0o600)
                .map_err(|e| self.cannot("write", e))?;
        } else {
            match fs::remove_file(self.path(stem)) {
                Ok(()) => File::open(&self.folder)
                    .and_then(|folder| folder.sync_all())
                    .map_err(|e| self.cannot("flush", e))?,
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(self.cannot("write", e)),
            }
        }
        self.known.put(stem, protected);
        Ok(())
    }

    fn path(&self, stem: &Stem) -> PathBuf {
        self.folder.join(stem.with(self.extension))
    }

    fn cannot(&self, what: &str, source: io::Error) -> Error {
        Error::new(
            Kind::Config,
            format!("cannot {what} {}", self.folder.display()),
        )
        .because(source)
        .action("look at the medium of the recordings with df and dmesg")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_outlives_the_service_goes_with_a_copy_of_the_medium_and_can_be_taken() {
        let dir = std::env::temp_dir().join(format!("marks-{}", uuid::Uuid::new_v4()));
        let root = dir.join("recordings");
        let stem: Stem = "party".parse().unwrap();
        let marks = Marks::new(&root, "mp4");
        assert!(!marks.has(&stem).unwrap() && !marks.known().has(&stem));
        marks.set(&stem, true).unwrap();
        drop(marks);
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .arg(&root)
            .arg(dir.join("copy"))
            .status();
        assert!(copied.unwrap().success());
        for root in [root.clone(), dir.join("copy")] {
            let again = Marks::new(&root, "mp4");
            assert!(again.has(&stem).unwrap() && again.known().has(&stem));
        }
        let again = Marks::new(&root, "mp4");
        // What a power cut left of a mark that was being set is none; an empty file is one.
        fs::write(root.join(FOLDER).join(".x.mp4.new"), "").unwrap();
        fs::write(root.join(FOLDER).join("y.mp4"), "").unwrap();
        let names: Vec<String> = again.read().unwrap().iter().map(Stem::to_string).collect();
        assert_eq!(names, ["party", "y"]);
        again.set(&stem, false).unwrap();
        again.set(&stem, false).unwrap();
        assert!(!again.has(&stem).unwrap() && !again.known().has(&stem));
        fs::remove_dir_all(dir).unwrap();
    }
}
