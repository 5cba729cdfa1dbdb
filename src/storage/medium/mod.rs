//! Where the file system of a folder is mounted, and whether it still is.
//!
//! A USB disk that is pulled leaves an empty folder behind, on the system's own disk. Who records on filled that one.

//!
//! [`choice`] decides whether files go onto it or into the fallback, [`roots`] tells everybody, `lookout` looks.

pub mod choice;
pub mod io;
pub mod lookout;
pub mod roots;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Remembers where the medium was.
#[derive(Debug, Default)]
pub struct Home(Option<PathBuf>);

impl Home {
    /// Takes where the folder's file system is mounted now; true: the one that it lay on is gone. One that is mounted
    /// over the folder later takes its place.
    pub fn is_gone(&mut self, mounted: &Path) -> bool {
        match &self.0 {
            Some(home) if home != mounted && home.starts_with(mounted) => true,
            Some(home) if home == mounted => false,
            _ => {
                self.0 = Some(mounted.to_owned());
                false
            }
        }
    }

    /// As [`Home::to_text`] wrote it for the same folder; nothing is remembered of another one.
    #[must_use]
    pub fn from_text(text: &str, folder: &Path) -> Self {
        let kept: Option<Kept> = serde_json::from_str(text).ok();
        let same = kept.filter(|kept| kept.folder == folder && folder.starts_with(&kept.mounted));
        Self(same.map(|kept| kept.mounted))
    }

    /// What is kept over a restart: the folder, and where its file system was mounted. `None` before the first look, and
    /// where a path is no text.
    #[must_use]
    pub fn to_text(&self, folder: &Path) -> Option<String> {
        let kept = Kept {
            folder: folder.to_owned(),
            mounted: self.0.clone()?,
        };
        serde_json::to_string_pretty(&kept).ok()
    }

    /// Where the medium is mounted, or was.
    #[must_use]
    pub fn mounted(&self) -> Option<&Path> {
        self.0.as_deref()
    }
}

/// Where the medium was mounted, over a restart.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    folder: PathBuf,
    mounted: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_was_pulled_is_missed_until_it_is_back_and_one_that_comes_later_is_welcome() {
        let mut home = Home::default();
        let looks: Vec<bool> = ["/", "/media/usb", "/", "/", "/media/usb", "/media"]
            .iter()
            .map(|at| home.is_gone(Path::new(at)))
            .collect();
        assert_eq!(looks, [false, false, true, true, false, true]);
    }

    #[test]
    fn a_disk_that_is_missing_at_the_start_is_missed_but_not_after_the_folder_was_set_anew() {
        let folder = Path::new("/media/usb");
        let mut home = Home::default();
        assert_eq!(home.to_text(folder), None);
        home.is_gone(folder);
        let text = home.to_text(folder).unwrap();
        assert!(Home::from_text(&text, folder).is_gone(Path::new("/")));
        assert!(!Home::from_text(&text, folder).is_gone(folder));
        for (text, folder) in [(text.as_str(), "/srv/recordings"), ("{", "/media/usb")] {
            assert!(!Home::from_text(text, Path::new(folder)).is_gone(Path::new("/")));
        }
    }
}
