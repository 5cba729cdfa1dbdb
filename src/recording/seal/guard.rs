//! A shelf of which nothing is deleted before it is written down.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Witness;
use crate::error::Result;
use crate::storage::names::Stem;
use crate::storage::shelf::{Entry, Shelf};

/// The recordings' folder as one of its users has it.
pub struct Guarded {
    inner: Arc<dyn Shelf>,
    witness: Arc<dyn Witness>,
    by: &'static str,
    why: &'static str,
}

impl Guarded {
    /// The same folder; what is deleted through it is deleted by `by`, because of `why`, if nobody says better.
    #[must_use]
    pub fn new(
        inner: Arc<dyn Shelf>,
        witness: Arc<dyn Witness>,
        by: &'static str,
        why: &'static str,
    ) -> Self {
        Self {
            inner,
            witness,
            by,
            why,
        }
    }
}

impl std::fmt::Debug for Guarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}

impl Shelf for Guarded {
    fn extension(&self) -> &'static str {
        self.inner.extension()
    }

    fn root(&self) -> PathBuf {
        self.inner.root()
    }

    fn all(&self) -> Result<Vec<Entry>> {
        self.inner.all()
    }

    fn sorted(&self) -> Result<Arc<[Entry]>> {
        self.inner.sorted()
    }

    fn recall(&self) -> Option<Arc<[Entry]>> {
        self.inner.recall()
    }

    fn find(&self, stem: &Stem) -> Result<Option<Entry>> {
        self.inner.find(stem)
    }

    fn delete(&self, stem: &Stem) -> Result<Option<u64>> {
        self.delete_for(stem, self.by)
    }

    fn delete_for(&self, stem: &Stem, who: &str) -> Result<Option<u64>> {
        let Some(entry) = self.inner.find(stem)? else {
            return Ok(None);
        };
        let mut deed = || self.inner.delete(stem);
        self.witness.deleting(&entry, who, self.why, &mut deed)
    }

    fn adopt(&self, device: &str, wish: &Stem, finished: &Path) -> Result<Entry> {
        self.inner.adopt(device, wish, finished)
    }

    fn put(&self, device: &str, wish: &Stem, bytes: &[u8]) -> Result<Entry> {
        self.inner.put(device, wish, bytes)
    }
}
