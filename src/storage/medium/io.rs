//! Asks the kernel about the file system of a folder.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

use crate::error::{Error, Kind, Result};
use crate::storage::space::Space;

/// The file that is written to see whether one can be.
const PROBE: &str = ".probe";

/// What it says.
#[derive(Debug, Clone)]
pub struct Medium {
    /// How full it is.
    pub space: Space,
    /// Nothing can be written to it.
    pub read_only: bool,
    /// Where it is mounted.
    pub mounted: PathBuf,
}

/// The file system of `folder`, or of the nearest folder above it that is there.
///
/// # Errors
/// What the kernel says, with the path.
pub fn ask(folder: &Path) -> Result<Medium> {
    let there = folder
        .ancestors()
        .find(|p| p.is_dir())
        .unwrap_or(Path::new("/"));
    let cannot = |source: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(
            Kind::Config,
            format!("cannot ask the file system of {}", there.display()),
        )
        .because(source)
        .action("look at the medium with df and dmesg")
    };
    let found = statvfs(there).map_err(|e| cannot(e.into()))?;
    Ok(Medium {
        // Wider types on 32-bit boards than there, hence `from`.
        space: Space::of(
            wide(found.fragment_size()),
            wide(found.blocks()),
            wide(found.blocks_free()),
            wide(found.blocks_available()),
        ),
        read_only: found.flags().contains(FsFlags::ST_RDONLY),
        mounted: mounted(there).map_err(|e| cannot(e.into()))?,
    })
}

/// Whether a file can be written in `folder` now and reaches the medium; leaves none. A full medium is none that fails.
///
/// # Errors
/// What the kernel says.
pub fn try_to_write(folder: &Path) -> io::Result<()> {
    let path = folder.join(PROBE);
    let write = || {
        fs::create_dir_all(folder)?;
        let mut file = File::create(&path)?;
        // More than a file system keeps within an inode: it takes a block of its own.
        file.write_all(&[0x5a; 4096])?;
        file.sync_all()
    };
    let written = write();
    let removed = match fs::remove_file(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    };
    let full =
        |e: &io::Error| matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    match written {
        Err(e) if full(&e) => removed,
        Err(e) => Err(e),
        Ok(()) => removed,
    }
}

/// The topmost folder above `there` on the same file system.
fn mounted(there: &Path) -> io::Result<PathBuf> {
    let there = there.canonicalize()?;
    let device = there.metadata()?.dev();
    let mut at = there.as_path();
    while let Some(above) = at.parent() {
        if above.metadata()?.dev() != device {
            break;
        }
        at = above;
    }
    Ok(at.to_owned())
}

fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_file_system_above_it() {
        let here = std::env::temp_dir();
        let (one, other) = (ask(&here).unwrap(), ask(&here.join("not/yet")).unwrap());
        assert_eq!(one.mounted, other.mounted);
        assert_eq!(one.space.total, other.space.total);
        assert_eq!(
            ask(Path::new("/proc/self")).unwrap().mounted,
            Path::new("/proc")
        );
    }
}
