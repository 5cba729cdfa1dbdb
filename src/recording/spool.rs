//! Where MediaMTX writes, and what its file names tell.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Wall;
use crate::mediamtx::paths::{Record, RecordFormat};

/// The hidden folder inside the recordings' folder: the same file system, so that a file can be renamed out of it.
const FOLDER: &str = ".recording";
/// Loss at most when the process dies, and the wait for a recording's file at least. Shorter ones make longer lists of parts,
/// which is what a player and the index read of a file.
const PART: Duration = Duration::from_millis(300);
/// How MediaMTX names a file.
const NAME: &str = "/%path/%s-%f";
/// The same.
const AGAIN: &str = "/./%path/%s-%f";
/// The longest MediaMTX offers: a recording is one file, up to a day.
pub const SEGMENT: Duration = Duration::from_secs(24 * 3600);
/// A part of 0.3 s at 100 Mbit/s, and room for a key frame.
const PART_BYTES: u64 = 32 << 20;

/// The folder MediaMTX writes `device` into.
#[must_use]
pub fn folder(root: &Path, device: &str) -> PathBuf {
    root.join(FOLDER).join(device)
}

/// The hidden folder of all devices.
#[must_use]
pub fn all(root: &Path) -> PathBuf {
    root.join(FOLDER)
}

/// How MediaMTX is told to record into `root`, in files of at most so long; `None` when the folder's name means something else to MediaMTX.
#[must_use]
pub fn record(root: &Path, segment: Duration) -> Option<Record> {
    let folder = all(root);
    let root = folder.to_str().filter(|text| !text.contains('%'))?;
    Some(Record {
        path: format!("{root}{NAME}"),
        format: RecordFormat::Fmp4,
        part: PART,
        segment,
        max_part_bytes: PART_BYTES,
    })
}

/// The same place in other words: MediaMTX begins a file anew where the words change, and at once.
#[must_use]
pub fn other_words(path: &str) -> String {
    match path.strip_suffix(AGAIN) {
        Some(rest) => format!("{rest}{NAME}"),
        None => path
            .strip_suffix(NAME)
            .map_or_else(|| path.to_owned(), |rest| format!("{rest}{AGAIN}")),
    }
}

/// When the first picture of a file was taken, which is its name there: seconds and microseconds.
#[must_use]
pub fn begun(file: &Path) -> Option<Wall> {
    let (secs, micros) = file.file_stem()?.to_str()?.split_once('-')?;
    let (secs, micros): (u64, u64) = (secs.parse().ok()?, micros.parse().ok()?);
    let nanos = secs
        .checked_mul(1_000_000_000)?
        .checked_add(micros.checked_mul(1000)?)?;
    Some(Wall::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_tells_its_first_pictures_time() {
        let begun = |name: &str| begun(Path::new(name)).map(Wall::as_nanos);
        assert_eq!(
            begun("/r/.recording/camera0/1790000000-000250.mp4"),
            Some(1_790_000_000_000_250_000)
        );
        for bad in [
            "/r/x.mp4",
            "/r/1-x.mp4",
            "/r/99999999999999999999-1.mp4",
            "/",
        ] {
            assert_eq!(begun(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_folder_whose_name_is_a_pattern_is_not_given_to_mediamtx() {
        let record = record(Path::new("/var/r"), SEGMENT).unwrap();
        assert_eq!(record.path, "/var/r/.recording/%path/%s-%f");
        let again = other_words(&record.path);
        assert_eq!(again, "/var/r/.recording/./%path/%s-%f");
        assert_eq!(other_words(&again), record.path);
        assert_eq!(super::record(Path::new("/var/%Y"), SEGMENT), None);
    }
}
