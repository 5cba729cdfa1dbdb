//! When a log file is full, what its lines may be, and how the files are called. Pure.
//!
//! The law: the files together never have more bytes than files × size, and a line is in one file whole or, where it
//! is too long for any, cut and marked; it never goes on in the next file.

use std::path::{Path, PathBuf};

use crate::config::FILE_SIZES;

/// Bytes of a line; a longer one is cut.
pub const LONGEST_LINE: usize = *FILE_SIZES.start() as usize / 4;
/// What a cut line ends with.
const CUT: &[u8] = b" [cut]\n";

/// The bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The present file.
    pub path: PathBuf,
    /// Bytes of a file.
    pub size: u64,
    /// Files, the present one among them; at least one.
    pub files: u32,
}

/// What to do with the next line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Append it to the present file.
    Append,
    /// Begin a new file, then append it.
    Turn,
}

/// What to do with a line of `line` bytes while the present file has `present`.
#[must_use]
pub const fn step(bounds: &Bounds, present: u64, line: u64) -> Step {
    if present > 0 && present.saturating_add(line) > bounds.size {
        Step::Turn
    } else {
        Step::Append
    }
}

/// The line as it is written: bounded, and with exactly one line end, at its end.
#[must_use]
pub fn fit(line: &[u8]) -> Vec<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if line.len() < LONGEST_LINE {
        return [line, b"\n"].concat();
    }
    let mut end = LONGEST_LINE - CUT.len();
    // Not inside a letter of UTF-8 (RFC 3629: what goes on begins with the bits 10).
    while end > 0 && line[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    [&line[..end], CUT].concat()
}

/// The name of a file: 0 is the present one, 1 the one before it, …
#[must_use]
pub fn name(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// What makes room for a new file: moves in their order, each over what was there.
#[must_use]
pub fn moves(bounds: &Bounds) -> Vec<(PathBuf, PathBuf)> {
    (1..bounds.files)
        .rev()
        .map(|n| (name(&bounds.path, n - 1), name(&bounds.path, n)))
        .collect()
}

/// The number of a file of this log, to find those that are too many: `box.log.7` is 7.
#[must_use]
pub fn number(path: &Path, name: &str) -> Option<u32> {
    let digits = name
        .strip_prefix(path.file_name()?.to_str()?)?
        .strip_prefix('.')?;
    let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn bounds(size: u64, files: u32) -> Bounds {
        Bounds {
            path: "/log/box.log".into(),
            size,
            files,
        }
    }

    /// A disk in memory, driven as the writer drives a real one.
    #[derive(Default)]
    struct Disk(BTreeMap<PathBuf, Vec<u8>>);

    impl Disk {
        fn write(&mut self, bounds: &Bounds, line: &[u8]) {
            let line = fit(line);
            let present = self.0.get(&bounds.path).map_or(0, |f| f.len() as u64);
            if step(bounds, present, line.len() as u64) == Step::Turn {
                for (from, to) in moves(bounds) {
                    if let Some(file) = self.0.remove(&from) {
                        self.0.insert(to, file);
                    }
                }
                // With one file only there is nowhere to move it.
                self.0.remove(&bounds.path);
            }
            self.0.entry(bounds.path.clone()).or_default().extend(line);
        }
    }

    proptest! {
        #[test]
        fn files_stay_bounded_and_hold_the_newest_lines_whole_and_in_order(
            lengths in proptest::collection::vec(0_usize..20_000, 1..120),
            size in 65_536_u64..100_000,
            files in 1_u32..5,
        ) {
            let bounds = bounds(size, files);
            let mut disk = Disk::default();
            let mut all = Vec::new();
            for (n, length) in lengths.into_iter().enumerate() {
                let line = format!("{n} {}\n", "x".repeat(length)).into_bytes();
                disk.write(&bounds, &line);
                all.push(fit(&line));
            }
            prop_assert!(disk.0.len() <= files as usize);
            prop_assert!(disk.0.values().all(|f| f.len() as u64 <= size));
            let kept: Vec<u8> = (0..files)
                .rev()
                .filter_map(|n| disk.0.get(&name(&bounds.path, n)))
                .flatten()
                .copied()
                .collect();
            prop_assert!(all.concat().ends_with(&kept), "a line is torn, lost or moved");
            prop_assert!(kept.ends_with(all.last().unwrap()), "the newest line is there");
        }

        #[test]
        fn a_line_that_is_too_long_is_cut_between_letters_and_marked(text in "[aä😀\n]{0,9000}") {
            let long = text.repeat(4);
            let fitted = fit(long.as_bytes());
            prop_assert!(fitted.len() <= LONGEST_LINE);
            prop_assert!(std::str::from_utf8(&fitted).is_ok());
            prop_assert_eq!(fitted.ends_with(CUT), long.strip_suffix('\n').unwrap_or(&long).len() >= LONGEST_LINE);
        }
    }

    #[test]
    fn files_of_this_log_are_told_from_others() {
        let path = Path::new("/log/box.log");
        assert_eq!(name(path, 2), Path::new("/log/box.log.2"));
        assert_eq!(number(path, "box.log.12"), Some(12));
        for other in [
            "box.log",
            "box.log.",
            "box.log.01",
            "box.log.1.gz",
            "other.log.1",
        ] {
            assert_eq!(number(path, other), None, "{other}");
        }
    }
}
