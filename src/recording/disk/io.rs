//! Looks into MediaMTX's folder, measures files, makes them durable. Every call may wait for the disk.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::recording::examine::{self, Facts};
use crate::recording::fmp4::{self, Memory, Told};

/// An empty file that nobody has written to for so long is what a full medium left.
const EMPTY: Duration = Duration::from_secs(10);

/// The files in `folder` that hold something, oldest name first; those that never will are removed.
pub(in crate::recording) fn fresh(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let Ok(meta) = path.symlink_metadata() else {
            continue;
        };
        if !meta.is_file()
            || path
                .extension()
                .is_none_or(|e| e != super::super::EXTENSION)
        {
            continue;
        }
        if meta.len() > 0 {
            found.push(path);
        } else if meta
            .modified()
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > EMPTY))
        {
            // Whether it goes now or next time is the same.
            let _ = fs::remove_file(&path);
        }
    }
    found.sort();
    Ok(found)
}

/// The devices MediaMTX has written for.
pub(in crate::recording) fn devices(spool: &Path) -> Vec<String> {
    let entries = fs::read_dir(spool).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Removes what is in `folder`: the files of a recording that was never one.
pub(in crate::recording) fn clear(folder: &Path) {
    for path in fresh(folder).unwrap_or_default() {
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(file = %path.display(), %error, "cannot be removed");
        }
    }
}

/// How long a file plays, read from where `memory` ends. One that cannot be read as a recording plays nothing.
pub(in crate::recording) fn measure(path: &Path, memory: &mut Memory) -> Told {
    File::open(path)
        .and_then(|mut file| fmp4::read_on(&mut file, memory))
        .unwrap_or_default()
}

/// How long a file plays; `None` where it cannot be read as a recording.
pub(crate) fn length(path: &Path) -> Option<Duration> {
    let told = File::open(path).and_then(|mut file| fmp4::read(&mut file));
    told.ok().map(|told| told.duration)
}

/// What the head of a file that is still written tells, beside what was measured.
pub(in crate::recording) fn describe(path: &Path, told: Told) -> Facts {
    let known = Facts {
        duration: told.duration,
        begun: told.begun,
        ..Facts::default()
    };
    File::open(path).map_or(known, |mut file| examine::describe(&mut file, told))
}

/// Makes a finished file durable, where that is possible.
pub(in crate::recording) fn flush(path: &Path) {
    if let Err(error) = File::open(path).and_then(|file| file.sync_all()) {
        tracing::warn!(file = %path.display(), %error, "cannot be flushed");
    }
}
