//! The text in a file.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use super::Note;
use crate::durable;
use crate::error::{Error, Kind, Result};

/// A file that is longer is none of ours.
const LONGEST: u64 = 1 << 20;

/// A [`Note`] in a file of its own.
#[derive(Debug)]
pub struct Paper {
    path: PathBuf,
}

impl Paper {
    /// At `path`; its folder is made when it is written first.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Note for Paper {
    fn read(&self) -> Result<Option<String>> {
        let mut text = String::new();
        let read =
            File::open(&self.path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
        match read {
            Ok(_) => Ok(Some(text)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(
                Error::new(Kind::Config, format!("cannot read {}", self.path.display()))
                    .because(e)
                    .action("let the service's user own it, or delete it"),
            ),
        }
    }

    fn write(&self, text: &str) -> Result<()> {
        durable::replace(&self.path, text.as_bytes(), 0o600).map_err(|e| {
            Error::new(
                Kind::Config,
                format!("cannot write {}", self.path.display()),
            )
            .because(e)
            .action("make room on storage.data_dir, and let the service's user own it")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_written_last_is_read_and_before_that_nothing() {
        let dir = std::env::temp_dir().join(format!("note-{}", uuid::Uuid::new_v4()));
        let note = Paper::new(dir.join("state/recordings.json"));
        assert_eq!(note.read().unwrap(), None);
        note.write("one").unwrap();
        note.write("two").unwrap();
        assert_eq!(note.read().unwrap().as_deref(), Some("two"));
        let left = fs::read_dir(dir.join("state")).unwrap().count();
        assert_eq!(left, 1, "a half-written file was left behind");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_note_that_cannot_be_written_says_where() {
        let said = Paper::new("/proc/nowhere/note.json".into())
            .write("x")
            .unwrap_err();
        assert!(
            said.to_string().contains("/proc/nowhere/note.json"),
            "{said}"
        );
    }
}
