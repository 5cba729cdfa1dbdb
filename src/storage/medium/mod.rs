//! Where the file system of a folder is mounted, and whether it still is.
//!
//! A USB disk that is pulled leaves an empty folder behind, on the system's own disk. Who records on filled that one.

pub mod io;

use std::path::{Path, PathBuf};

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
}
