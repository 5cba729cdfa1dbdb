//! The marks on the medium. Every call may wait for the disk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FOLDER, Known};
use crate::clock;
use crate::durable;
use crate::error::{Error, Kind, Result};
use crate::storage::medium::roots::{Place, Roots};
use crate::storage::names::Stem;

/// The marks in the folder of recordings.
#[derive(Debug)]
pub struct Marks {
    roots: Arc<Roots>,
    extension: &'static str,
    known: Known,
    /// Held while a mark is set, and while a file is deleted: nothing is protected that is going.
    gate: Mutex<()>,
}

impl Marks {
    /// Of the files with this extension beneath `roots`. Those that are there count at once. The mark of a file lies on
    /// the medium that the file lies on.
    #[must_use]
    pub fn new(roots: Arc<Roots>, extension: &'static str) -> Self {
        let marks = Self {
            roots,
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
        let mut stems = BTreeSet::new();
        for folder in self.folders() {
            let found = match fs::read_dir(&folder) {
                Ok(found) => found,
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                // None of its files is deleted while it is in trouble.
                Err(_) if self.is_excused(&folder) => continue,
                Err(e) => return Err(cannot("read", &folder, e)),
            };
            for entry in found {
                let name = entry.map_err(|e| cannot("read", &folder, e))?.file_name();
                let stem = name.to_str().and_then(|name| {
                    let stem = name.strip_suffix(self.extension)?.strip_suffix('.')?;
                    stem.parse().ok()
                });
                stems.extend(stem);
            }
        }
        self.known.set(stems.clone());
        Ok(stems)
    }

    /// Where there may be marks. Those on a medium that is away are away with its files.
    fn folders(&self) -> Vec<PathBuf> {
        let medium = (!self.roots.is_away()).then(|| self.roots.medium());
        let all = medium.into_iter().chain(self.roots.fallback());
        all.map(|root| root.join(FOLDER)).collect()
    }

    fn is_excused(&self, folder: &Path) -> bool {
        self.roots.place() != Place::Medium && !self.roots.is_in_fallback(folder)
    }

    /// Where the mark of a file may be. A medium in trouble is not asked for those of files in the fallback.
    fn folders_of(&self, stem: &Stem) -> Vec<PathBuf> {
        match self.roots.fallback() {
            Some(fallback) if self.roots.place() != Place::Medium && stem.is_in_fallback() => {
                vec![fallback.join(FOLDER)]
            }
            _ => self.folders(),
        }
    }

    /// Whether a file has the mark, as the medium says it now.
    ///
    /// # Errors
    /// What the disk says.
    pub fn has(&self, stem: &Stem) -> Result<bool> {
        for folder in self.folders_of(stem) {
            match self.path(&folder, stem).symlink_metadata() {
                Ok(_) => return Ok(true),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(cannot("read", &folder, e)),
            }
        }
        Ok(false)
    }

    /// Nothing is protected or deleted elsewhere while this is held.
    pub fn hold(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the mark of a file that lies at `file`; the medium has it when this comes back. Call it with
    /// [`Marks::hold`] held.
    ///
    /// # Errors
    /// What the disk says; the mark is as it was then.
    pub fn set(&self, stem: &Stem, file: &Path) -> Result<()> {
        let root = match self.roots.is_in_fallback(file) {
            true => self.roots.fallback(),
            false => None,
        };
        let folder = root.unwrap_or(self.roots.medium()).join(FOLDER);
        let text = format!("protected {}\n", clock::wall().rfc3339());
        durable::replace(&self.path(&folder, stem), text.as_bytes(), 0o600)
            .map_err(|e| cannot("write", &folder, e))?;
        self.known.put(stem, true);
        Ok(())
    }

    /// Takes the mark, wherever it is; as [`Marks::set`].
    ///
    /// # Errors
    /// What the disk says; the mark is as it was then.
    pub fn take(&self, stem: &Stem) -> Result<()> {
        for folder in self.folders_of(stem) {
            match fs::remove_file(self.path(&folder, stem)) {
                Ok(()) => File::open(&folder)
                    .and_then(|open| open.sync_all())
                    .map_err(|e| cannot("flush", &folder, e))?,
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(cannot("write", &folder, e)),
            }
        }
        self.known.put(stem, false);
        Ok(())
    }

    fn path(&self, folder: &Path, stem: &Stem) -> PathBuf {
        folder.join(stem.with(self.extension))
    }
}

fn cannot(what: &str, folder: &Path, source: io::Error) -> Error {
    Error::new(Kind::Config, format!("cannot {what} {}", folder.display()))
        .because(source)
        .action("look at the medium of the recordings with df and dmesg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_outlives_the_service_goes_with_a_copy_of_the_medium_and_can_be_taken() {
        let dir = std::env::temp_dir().join(format!("marks-{}", uuid::Uuid::new_v4()));
        let root = dir.join("recordings");
        let stem: Stem = "party".parse().unwrap();
        let at = |root: &Path| Arc::new(Roots::new(root.to_owned(), None));
        let marks = Marks::new(at(&root), "mp4");
        assert!(!marks.has(&stem).unwrap() && !marks.known().has(&stem));
        marks.set(&stem, &root.join("camera0/party.mp4")).unwrap();
        drop(marks);
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .arg(&root)
            .arg(dir.join("copy"))
            .status();
        assert!(copied.unwrap().success());
        for root in [root.clone(), dir.join("copy")] {
            let again = Marks::new(at(&root), "mp4");
            assert!(again.has(&stem).unwrap() && again.known().has(&stem));
        }
        let again = Marks::new(at(&root), "mp4");
        // What a power cut left of a mark that was being set is none; an empty file is one.
        fs::write(root.join(FOLDER).join(".x.mp4.new"), "").unwrap();
        fs::write(root.join(FOLDER).join("y.mp4"), "").unwrap();
        let names: Vec<String> = again.read().unwrap().iter().map(Stem::to_string).collect();
        assert_eq!(names, ["party", "y"]);
        again.take(&stem).unwrap();
        again.take(&stem).unwrap();
        assert!(!again.has(&stem).unwrap() && !again.known().has(&stem));
        fs::remove_dir_all(dir).unwrap();
    }
}
