//! The files of a chain: `<recordings>/.evidence/chain-000000000001.jsonl` and so on, one record a line.

pub mod io;

use std::path::{Path, PathBuf};

/// The hidden folder beneath the recordings' folder.
pub const FOLDER: &str = ".evidence";
/// The public key of whoever signs now, PEM, beside the chain.
pub const PUBLIC: &str = "public.pem";
/// A file that has so many bytes gets no further record.
pub const PART: u64 = 1 << 20;
/// So many files stay, even when none of their recordings is left.
pub const PARTS: usize = 16;

/// The name of the file whose first record has this number.
#[must_use]
pub fn part_name(first: u64) -> String {
    format!("chain-{first:012}.jsonl")
}

/// The number in a file's name; `None` when it is none of the chain's files.
#[must_use]
pub fn part_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("chain-")?.strip_suffix(".jsonl")?;
    let number = digits.parse().ok()?;
    (part_name(number) == name).then_some(number)
}

/// Which of the box's two chains: each medium must be proved by what lies on it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one on the recordings' medium.
    Medium,
    /// The one in the fallback.
    Fallback,
}

/// Where everything lies.
#[derive(Debug, Clone)]
pub struct Places {
    /// The chain and the public key, on the recordings' medium.
    pub chain: PathBuf,
    /// The private key and the newest record, on the data partition.
    pub private: PathBuf,
    /// Whose newest record and former key are meant; the key is both chains'.
    pub side: Side,
}

impl Places {
    /// Of a box's medium.
    #[must_use]
    pub fn new(recordings: &Path, data_dir: &Path) -> Self {
        Self {
            chain: recordings.join(FOLDER),
            private: data_dir.join("evidence"),
            side: Side::Medium,
        }
    }

    /// Of its fallback.
    #[must_use]
    pub fn of_fallback(recordings: &Path, data_dir: &Path) -> Self {
        Self {
            side: Side::Fallback,
            ..Self::new(recordings, data_dir)
        }
    }

    /// The private key of both chains, PEM (PKCS #8), mode 0600.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.private.join("key.pem")
    }

    /// The private key that signs in its place until this chain has handed over; there is none else. Each chain has its
    /// own: it may be long before the other one gets its next record.
    #[must_use]
    pub fn former_key(&self) -> PathBuf {
        self.private.join(match self.side {
            Side::Medium => "former.pem",
            Side::Fallback => "former-fallback.pem",
        })
    }

    /// Held by whoever makes, changes or hands over a key.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.private.join("lock")
    }

    /// The newest record, as its line.
    #[must_use]
    pub fn head(&self) -> PathBuf {
        self.private.join(match self.side {
            Side::Medium => "head.json",
            Side::Fallback => "head-fallback.json",
        })
    }

    /// The public key beside the chain.
    #[must_use]
    pub fn public(&self) -> PathBuf {
        self.chain.join(PUBLIC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_tells_its_first_record_and_nothing_else_is_one() {
        assert_eq!(part_number(&part_name(1)), Some(1));
        assert_eq!(part_number(&part_name(u64::MAX)), Some(u64::MAX));
        for bad in [
            "chain-1.jsonl",
            "chain-+00000000001.jsonl",
            "chain-000000000001.jsonl~",
            "public.pem",
        ] {
            assert_eq!(part_number(bad), None, "{bad}");
        }
    }
}
