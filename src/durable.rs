//! Small files that stay whole: after a power cut the former text is there or the new one, never half of either.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// Replaces what is in `path` by `text`, with the permission bits `mode`. Blocks until the medium has it.
///
/// The folder is made when it is missing (mode 0700). What root writes belongs to the folder's owner, so that the
/// service can read what its command line wrote.
///
/// # Errors
/// What the system says. The former file stays then, and nothing is left beside it.
pub fn replace(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    make(folder)?;
    let folder = File::open(folder)?;
    // Writers wait for each other, other processes' too: so one temporary name is enough, and no cut leaves more
    // than one rest. A file system without locks is written by the service alone.
    let folder = match Flock::lock(folder, FlockArg::LockExclusive) {
        Ok(locked) => locked,
        Err((folder, _)) => return write(&folder, path, text, mode),
    };
    write(&folder, path, text, mode)
}

/// What lies in a file. Shown by nobody: it may be a secret.
#[expect(missing_debug_implementations, reason = "it may be a secret")]
pub struct Content {
    /// Permission bits, those of special meaning among them.
    pub mode: u32,
    /// The bytes.
    pub text: Vec<u8>,
}

/// Reads a file, but no further than one byte beyond `longest`: whoever gets more than that has not got all. `None`
/// where there is no file.
///
/// # Errors
/// What the system says.
pub fn read(path: &Path, longest: u64) -> io::Result<Option<Content>> {
    let file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mode = file.metadata()?.mode() & 0o7777;
    let mut text = Vec::new();
    file.take(longest.saturating_add(1))
        .read_to_end(&mut text)?;
    Ok(Some(Content { mode, text }))
}

fn write(folder: &File, path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let fresh = fresh(path);
    // A rest of a write that was cut may have another mode.
    match fs::remove_file(&fresh) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)
        .and_then(|mut file| {
            give_to_owner(&file, &folder.metadata()?)?;
            file.write_all(text)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // Half a file is of use to nobody.
        let _ = fs::remove_file(&fresh);
    }
    written?;
    folder.sync_all()
}

/// Makes a folder and those above it, each on the medium before the next.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().ok_or(ErrorKind::InvalidInput)?;
    make(above)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(()),
        other => other?,
    }
    let above = File::open(above)?;
    give_to_owner(&File::open(folder)?, &above.metadata()?)?;
    above.sync_all()
}

fn give_to_owner(file: &File, of: &fs::Metadata) -> io::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    fchown(file, Some(of.uid()), Some(of.gid()))
}

/// `keys.json` → `.keys.json.new`: in the same folder, for a rename crosses no mounts.
fn fresh(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::thread;

    use super::*;

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("durable-{}", uuid::Uuid::new_v4()))
    }

    #[test]
    fn the_last_text_is_there_with_its_mode_and_nothing_beside_it() {
        let dir = folder();
        let path = dir.join("state/keys.json");
        replace(&path, b"one", 0o644).unwrap();
        // What a cut left behind, open to everybody.
        fs::write(fresh(&path), "half").unwrap();
        fs::set_permissions(fresh(&path), fs::Permissions::from_mode(0o666)).unwrap();
        replace(&path, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(dir.join("state")).unwrap().mode() & 0o777,
            0o700
        );
        assert_eq!(fs::read_dir(dir.join("state")).unwrap().count(), 1);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_file_is_read_no_further_than_it_may_be_long() {
        let dir = folder();
        let path = dir.join("list.json");
        assert!(read(&path, 9).unwrap().is_none());
        replace(&path, b"twelve bytes", 0o640).unwrap();
        let found = read(&path, 12).unwrap().unwrap();
        assert_eq!(
            (found.mode, found.text.as_slice()),
            (0o640, &b"twelve bytes"[..])
        );
        assert_eq!(read(&path, 9).unwrap().unwrap().text.len(), 10);
        assert!(read(&dir, 9).is_err(), "a folder is no file");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn many_writers_leave_one_whole_text() {
        let dir = folder();
        let path = dir.join("list.json");
        thread::scope(|all| {
            for letter in b'a'..b'i' {
                let path = &path;
                all.spawn(move || {
                    for _ in 0..5 {
                        replace(path, &[letter; 10_000], 0o600).unwrap();
                        let seen = fs::read(path).unwrap();
                        assert_eq!(seen.len(), 10_000);
                        assert!(seen.iter().all(|b| *b == seen[0]), "two texts in one file");
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_cannot_be_written_leaves_the_former_text() {
        let dir = folder();
        let path = dir.join("list.json");
        replace(&path, b"former", 0o600).unwrap();
        // A folder in the way of the temporary file.
        fs::create_dir(fresh(&path)).unwrap();
        assert!(replace(&path, b"new", 0o600).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"former");
        fs::remove_dir_all(dir).unwrap();
    }
}
