//! What a chain has said so far: where it ends, and which recordings stand in it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::record::{Digest, NOTHING, Record, What, hex};

/// Where a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It began, or is being changed by the service: nothing is said of its content.
    Open,
    /// Its content is sealed.
    Sealed,
}

/// What the service keeps of its chain in memory: some 40 bytes for each recording that is not deleted.
#[derive(Debug, Default)]
pub struct Book {
    /// The number of the last record.
    pub seq: u64,
    /// The digest of its line.
    pub last: Digest,
    /// The key that signs what follows.
    pub key: Option<String>,
    /// The last record that was removed by the service itself.
    pub pruned: u64,
    /// Names by a hash that nobody outside can foresee, with the number of the record they stand in.
    names: HashMap<u64, (Stand, u64)>,
    hash: RandomState,
}

impl Book {
    /// Where a recording stands; `None`: the chain does not know it, or knows that it was deleted.
    #[must_use]
    pub fn stand(&self, stem: &str) -> Option<Stand> {
        let found = self.names.get(&self.hash.hash_one(stem))?;
        Some(found.0)
    }

    /// Recordings that are not deleted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no recording is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The lowest number of a record that is still needed.
    #[must_use]
    pub fn needed_from(&self) -> u64 {
        let standing = self.names.values().map(|(_, seq)| *seq);
        standing.min().unwrap_or(u64::MAX)
    }

    /// Goes on with a record and the digest of its line. Says what does not follow from what came before.
    ///
    /// # Errors
    /// The same in words. It is taken nevertheless: the service goes on with what is there, `verify` judges it.
    pub fn take(&mut self, record: &Record, line: Digest) -> Result<(), String> {
        let first = self.seq == 0 && self.last == NOTHING;
        let jump = match &record.what {
            What::Break { lost, .. } => {
                lost.map_or(0, |[from, to]| to.saturating_sub(from).saturating_add(1))
            }
            _ => 0,
        };
        let follows = record.prev == hex(&self.last)
            && record.seq == self.seq.saturating_add(jump).saturating_add(1);
        let said = if follows || (first && jump == 0) {
            Ok(())
        } else {
            Err(format!(
                "record {} does not follow on record {}",
                record.seq, self.seq
            ))
        };
        self.seq = self.seq.max(record.seq);
        self.last = line;
        self.key = Some(record.key.clone());
        match &record.what {
            What::Begin { stem, .. } | What::Reopen { stem, .. } => {
                self.set(stem, Stand::Open, record.seq);
            }
            What::Seal { stem, .. } => self.set(stem, Stand::Sealed, record.seq),
            What::Delete { stem, .. } => {
                self.names.remove(&self.hash.hash_one(stem));
            }
            What::Rotate { next } => self.key = Some(next.clone()),
            What::Prune { through, .. } => self.pruned = self.pruned.max(*through),
            What::Break { .. } => {}
        }
        said
    }

    fn set(&mut self, stem: &str, stand: Stand, seq: u64) {
        self.names.insert(self.hash.hash_one(stem), (stand, seq));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64, prev: Digest, what: What) -> Record {
        Record {
            v: 1,
            seq,
            prev: hex(&prev),
            at: String::new(),
            key: "k".to_owned(),
            what,
        }
    }

    fn begin(stem: &str) -> What {
        What::Begin {
            device: "camera0".to_owned(),
            stem: stem.to_owned(),
            found: false,
        }
    }

    #[test]
    fn a_recording_is_known_from_its_beginning_until_it_is_deleted() {
        let mut book = Book::default();
        book.take(&record(1, NOTHING, begin("a")), [1; 32]).unwrap();
        book.take(&record(2, [1; 32], begin("b")), [2; 32]).unwrap();
        assert_eq!(
            (book.stand("a"), book.needed_from()),
            (Some(Stand::Open), 1)
        );
        let gone = What::Delete {
            device: "camera0".to_owned(),
            stem: "a".to_owned(),
            by: "ada".to_owned(),
            why: "asked".to_owned(),
        };
        book.take(&record(3, [2; 32], gone), [3; 32]).unwrap();
        assert_eq!(
            (book.stand("a"), book.needed_from(), book.len()),
            (None, 2, 1)
        );
        assert_eq!((book.seq, book.last), (3, [3; 32]));
    }

    #[test]
    fn what_does_not_follow_is_said_and_a_break_may_jump_as_far_as_it_says() {
        let mut book = Book::default();
        book.take(&record(1, NOTHING, begin("a")), [1; 32]).unwrap();
        let lost = What::Break {
            why: "x".to_owned(),
            lost: Some([2, 7]),
        };
        book.take(&record(8, [1; 32], lost), [8; 32]).unwrap();
        let said = book.take(&record(10, [8; 32], begin("b")), [10; 32]);
        assert_eq!(said.unwrap_err(), "record 10 does not follow on record 8");
        assert!(
            book.take(&record(11, [9; 32], begin("c")), [11; 32])
                .is_err()
        );
    }
}
