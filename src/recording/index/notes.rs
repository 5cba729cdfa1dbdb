//! What the kernel has noted of the folder since it was last asked, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::recording::EXTENSION;
use crate::storage::names::Stem;

/// One word of the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// Something happened to a name in a device's folder. `grows`: it was written to, and is not done yet.
    File {
        /// The folder.
        device: String,
        /// The name.
        name: String,
        /// Only that.
        grows: bool,
    },
    /// A device's folder came, went, or became another one.
    Folder(String),
    /// Something was missed, or the recordings' folder itself is another one now.
    Lost,
}

/// Files that something happened to, each one once, whatever happened: what it was, the files tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notes {
    /// By device and identifier; true: it only grew.
    files: BTreeMap<(String, Stem), bool>,
    folders: BTreeSet<String>,
    /// Devices' folders in which anything happened, to recordings or not.
    stirred: BTreeSet<String>,
    lost: bool,
}

impl Notes {
    /// Takes a word down. Names that are no recording's are passed over.
    pub fn take(&mut self, noted: Noted) {
        match noted {
            Noted::File {
                device,
                name,
                grows,
            } => {
                if !grows {
                    self.stirred.insert(device.clone());
                }
                let stem = name.strip_suffix(EXTENSION);
                let stem = stem
                    .and_then(|s| s.strip_suffix('.'))
                    .and_then(|s| s.parse().ok());
                if let Some(stem) = stem {
                    let only = self.files.entry((device, stem)).or_insert(true);
                    *only &= grows;
                }
            }
            Noted::Folder(device) if is_device(&device) => {
                self.folders.insert(device);
            }
            Noted::Folder(_) => {}
            Noted::Lost => self.lost = true,
        }
    }

    /// Nothing happened.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        !self.lost && self.files.is_empty() && self.folders.is_empty()
    }

    /// The folder must be gone through anew.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.lost
    }

    /// The device folders to go through, once.
    pub fn folders(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.folders)
    }

    /// The device folders that anything happened in, once.
    pub fn stirred(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.stirred)
    }

    /// The files to look at, once, and whether they only grew. Those are left, unless `growing`, for whoever wants their
    /// size.
    pub fn files(&mut self, growing: bool) -> Vec<(String, Stem, bool)> {
        let mut now = Vec::new();
        self.files.retain(|(device, stem), grows| {
            let wanted = growing || !*grows;
            if wanted {
                now.push((device.clone(), stem.clone(), *grows));
            }
            !wanted
        });
        now
    }
}

/// Whether a folder of this name is a device's; hidden ones are MediaMTX's and ours.
#[must_use]
pub fn is_device(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, grows: bool) -> Noted {
        Noted::File {
            device: "camera0".to_owned(),
            name: name.to_owned(),
            grows,
        }
    }

    fn names(files: &[(String, Stem, bool)]) -> Vec<(&str, bool)> {
        files
            .iter()
            .map(|(_, stem, grows)| (stem.as_str(), *grows))
            .collect()
    }

    #[test]
    fn a_file_that_grows_waits_until_somebody_asks_or_it_is_done() {
        let mut notes = Notes::default();
        for noted in [
            file("a.mp4", true),
            file("b.mp4", true),
            file("b.mp4", false),
        ] {
            notes.take(noted);
        }
        assert_eq!(names(&notes.files(false)), [("b", false)]);
        assert_eq!(names(&notes.files(true)), [("a", true)]);
        assert!(notes.is_quiet());
    }

    #[test]
    fn what_is_no_recording_is_no_news() {
        let mut notes = Notes::default();
        for name in [".unfinished-1", "a.txt", "ä.mp4", ".mp4", "mp4"] {
            notes.take(file(name, false));
        }
        notes.take(Noted::Folder(".index".to_owned()));
        assert!(notes.is_quiet());
        notes.take(Noted::Folder("camera0".to_owned()));
        notes.take(Noted::Lost);
        assert!(notes.is_lost() && notes.folders().len() == 1);
    }
}
