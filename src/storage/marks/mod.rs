//! Which recordings are protected: never deleted, neither by a policy nor by a quota nor by hand.
//!
//! The mark of `party.mp4` is the file `.protected/party.mp4` in the recordings' folder; that it is there is the mark,
//! whatever is in it, so a power cut cannot leave half of one. It lies on the medium beside what it protects, so it goes
//! where the recordings go and needs no index. An extended attribute would not: USB sticks (FAT, exFAT) have none, `cp` and
//! most archives leave it behind, and the plain file that takes a recording's name would come without.

pub mod io;

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use super::names::Stem;

/// The hidden folder of the marks, in the recordings' folder.
pub const FOLDER: &str = ".protected";

/// The marks as they were read last; answers from memory.
#[derive(Debug, Default)]
pub struct Known(RwLock<BTreeSet<Stem>>);

impl Known {
    /// Whether it is protected.
    #[must_use]
    pub fn has(&self, stem: &Stem) -> bool {
        let stems = self.0.read().unwrap_or_else(PoisonError::into_inner);
        stems.contains(stem)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn set(&self, stems: BTreeSet<Stem>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = stems;
    }

    fn put(&self, stem: &Stem, protected: bool) {
        let mut stems = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if protected {
            stems.insert(stem.clone());
        } else {
            stems.remove(stem);
        }
    }
}
