//! Reads what is copied, without getting into the way of what is recorded; reads and writes the notes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hyper::body::Bytes;
use nix::fcntl::{OFlag, PosixFadviseAdvice, posix_fadvise};
use ring::digest::{Context, SHA256};

use crate::clock;
use crate::durable;
use crate::offsite::copied::Stamp;
use crate::offsite::secret::Access;

/// Bytes that are read at once.
const STEP: usize = 256 << 10;
/// Bytes that are digested in a second at most: a card is read some times as fast.
const RATE: u64 = 16 << 20;
/// Bytes of a piece of a body: the rate is held in such steps.
const PIECE: usize = 16 << 10;
/// Bytes of the record of copies at most: a million files.
const RECORD: u64 = 128 << 20;
/// Bytes of the note and of the access key's file at most.
const NOTE: u64 = 2 << 20;

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
}

fn of(found: &fs::Metadata) -> Stamp {
    let nanos = found.mtime().saturating_mul(1_000_000_000);
    Stamp {
        size: found.len(),
        modified: u64::try_from(nanos.saturating_add(found.mtime_nsec())).unwrap_or(0),
    }
}

/// What a file is now.
pub(in crate::offsite) fn stamp(path: &Path) -> io::Result<Stamp> {
    fs::symlink_metadata(path).map(|found| of(&found))
}

/// The SHA-256 of a file, in hexadecimal, and what the file was; `None` when `halt` is given.
pub(in crate::offsite) fn digest(
    path: &Path,
    halt: &AtomicBool,
) -> io::Result<Option<(String, Stamp)>> {
    let mut file = open(path)?;
    let before = of(&file.metadata()?);
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; STEP];
    let (begun, mut done) = (clock::mono(), 0_u64);
    loop {
        if halt.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        context.update(buffer.get(..read).unwrap_or_default());
        let from = done;
        done = done.saturating_add(u64::try_from(read).unwrap_or(0));
        forget(&file, from, done);
        let due = Duration::from_micros(done.saturating_mul(1_000_000) / RATE);
        thread::sleep(due.saturating_sub(clock::mono().since(begun)));
    }
    let hex = data_encoding::HEXLOWER.encode(context.finish().as_ref());
    Ok(Some((hex, before)))
}

/// A part of a file, in pieces.
pub(in crate::offsite) fn read(path: &Path, range: Range<u64>) -> io::Result<Vec<Bytes>> {
    let file = open(path)?;
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut whole = vec![0; length];
    file.read_exact_at(&mut whole, range.start)?;
    forget(&file, range.start, range.end);
    let mut whole = Bytes::from(whole);
    let mut pieces = Vec::with_capacity(length / PIECE + 1);
    while !whole.is_empty() {
        pieces.push(whole.split_to(whole.len().min(PIECE)));
    }
    Ok(pieces)
}

/// Nobody needs in memory what was copied. What a viewer reads at the same time is read once more, no harm.
fn forget(file: &File, from: u64, to: u64) {
    if let (Ok(from), Ok(length)) = (i64::try_from(from), i64::try_from(to - from)) {
        let _ = posix_fadvise(file, from, length, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    }
}

/// The notes in `<data_dir>/offsite`.
#[derive(Debug)]
pub(in crate::offsite) struct Notes {
    record: PathBuf,
    begun: PathBuf,
}

impl Notes {
    pub(in crate::offsite) fn new(data_dir: &Path) -> Self {
        let folder = data_dir.join("offsite");
        Self {
            record: folder.join("copied.jsonl"),
            begun: folder.join("upload.json"),
        }
    }

    /// The text of the record; empty where there is none.
    pub(in crate::offsite) fn record(&self) -> io::Result<String> {
        Ok(text(&self.record, RECORD)?.unwrap_or_default())
    }

    pub(in crate::offsite) fn write_record(&self, text: &str) -> io::Result<()> {
        durable::replace(&self.record, text.as_bytes(), 0o600)
    }

    /// Appends to the record; on the medium when this is back.
    pub(in crate::offsite) fn append(&self, line: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.record)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }

    pub(in crate::offsite) fn begun(&self) -> io::Result<Option<String>> {
        text(&self.begun, NOTE)
    }

    pub(in crate::offsite) fn write_begun(&self, text: &str) -> io::Result<()> {
        durable::replace(&self.begun, text.as_bytes(), 0o600)
    }

    /// A note that stays although its upload is over does no harm: the store knows none of that name then.
    pub(in crate::offsite) fn remove_begun(&self) {
        let _ = fs::remove_file(&self.begun);
    }
}

fn text(path: &Path, longest: u64) -> io::Result<Option<String>> {
    let Some(found) = durable::read(path, longest)? else {
        return Ok(None);
    };
    Ok(Some(String::from_utf8_lossy(&found.text).into_owned()))
}

/// Where the access key is: the configured file, else systemd's credential `offsite`; `None`: the environment.
pub(in crate::offsite) fn access_file(configured: &Path) -> Option<PathBuf> {
    if !configured.as_os_str().is_empty() {
        return Some(configured.to_owned());
    }
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    Some(PathBuf::from(folder).join("offsite")).filter(|file| file.exists())
}

/// Reads the access key.
///
/// # Errors
/// What is wrong, without a word of what stands there.
pub(in crate::offsite) fn access(configured: &Path) -> Result<Access, String> {
    let Some(file) = access_file(configured) else {
        let names = [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ];
        let lines =
            names.map(|name| format!("{name}={}\n", std::env::var(name).unwrap_or_default()));
        return Access::parse(&lines.concat()).map_err(|_| {
            "there is no access key: neither offsite.key_file nor systemd's credential offsite nor AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned()
        });
    };
    let shown = file.display();
    let found = durable::read(&file, NOTE)
        .map_err(|e| format!("the access key in {shown} cannot be read: {e}"))?
        .ok_or_else(|| format!("there is no file {shown} with the access key"))?;
    // systemd's own folder is closed to others; what it gives its files differs.
    if !configured.as_os_str().is_empty() && found.mode & 0o077 != 0 {
        return Err(format!(
            "others may read the access key in {shown} (mode {:o}): chmod 600 {shown}",
            found.mode
        ));
    }
    let text = String::from_utf8_lossy(&found.text);
    Access::parse(&text).map_err(|why| format!("the access key in {shown} cannot be used: {why}"))
}

/// The interface that packets leave by.
pub(in crate::offsite) fn way_out() -> Option<String> {
    let table = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    super::super::hold::way_out(&table("route"), &table("ipv6_route"))
}
