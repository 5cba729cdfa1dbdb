//! When the file is turned over, and how often it is pushed to the disk.

use std::time::Duration;

use crate::clock::Mono;

/// Bytes of one file.
pub const FILE_BYTES: u64 = 1 << 20;

/// Files in all: `audit.jsonl`, then `audit.1.jsonl` …, the higher the older.
pub const FILES: usize = 4;

/// A line is on the disk at the latest so long after it was written.
pub const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The name of the file that was turned over `age` times.
#[must_use]
pub fn file_name(age: usize) -> String {
    match age {
        0 => "audit.jsonl".to_owned(),
        age => format!("audit.{age}.jsonl"),
    }
}

/// Renames from and to, in order, that make room for a new file; the oldest is replaced.
#[must_use]
pub fn renames() -> Vec<(String, String)> {
    (0..FILES - 1)
        .rev()
        .map(|age| (file_name(age), file_name(age + 1)))
        .collect()
}

/// What is due for the open file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ledger {
    bytes: u64,
    unsynced_since: Option<Mono>,
}

impl Ledger {
    /// A file that is already so long.
    #[must_use]
    pub const fn of(bytes: u64) -> Self {
        Self {
            bytes,
            unsynced_since: None,
        }
    }

    /// Whether the file must be turned over before `more` bytes go in.
    #[must_use]
    pub const fn is_full_for(&self, more: u64) -> bool {
        self.bytes > 0 && self.bytes + more > FILE_BYTES
    }

    /// So many bytes were written.
    pub const fn wrote(&mut self, bytes: u64, now: Mono) {
        self.bytes += bytes;
        if self.unsynced_since.is_none() {
            self.unsynced_since = Some(now);
        }
    }

    /// All of it is on the disk.
    pub const fn synced(&mut self) {
        self.unsynced_since = None;
    }

    /// When the file must be pushed to the disk, if anything is not there yet.
    #[must_use]
    pub fn sync_at(&self) -> Option<Mono> {
        self.unsynced_since.map(|since| since + SYNC_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_files_and_the_oldest_goes() {
        let name = |n: usize| file_name(n);
        assert_eq!(
            renames(),
            [(name(2), name(3)), (name(1), name(2)), (name(0), name(1))]
        );
    }

    #[test]
    fn a_file_is_full_before_it_is_too_long_and_even_a_huge_line_has_a_place() {
        assert!(Ledger::of(FILE_BYTES).is_full_for(1));
        assert!(!Ledger::of(FILE_BYTES - 5).is_full_for(5));
        assert!(!Ledger::of(0).is_full_for(2 * FILE_BYTES));
    }

    #[test]
    fn it_is_synced_a_second_after_the_first_line_not_the_last() {
        let at = |millis: u64| Mono::from_nanos(millis * 1_000_000);
        let mut ledger = Ledger::of(0);
        assert_eq!(ledger.sync_at(), None);
        ledger.wrote(10, at(100));
        ledger.wrote(10, at(900));
        assert_eq!(ledger.sync_at(), Some(at(1100)));
        ledger.synced();
        assert_eq!(ledger.sync_at(), None);
    }
}
