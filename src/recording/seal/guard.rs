//! A shelf of which nothing is deleted before it is written down.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{SERVICE, Witness};
use crate::error::Result;
use crate::storage::names::Stem;
use crate::storage::quota::Why;
use crate::storage::shelf::{Entry, Shelf, Watcher};

/// The recordings' folder as one of its users has it.
pub struct Guarded {
    inner: Arc<dyn Shelf>,
    witness: Arc<dyn Witness>,
}

impl Guarded {
    /// The same folder; `witness` writes down what is deleted through it.
    #[must_use]
    pub fn new(inner: Arc<dyn Shelf>, witness: Arc<dyn Witness>) -> Self {
        Self { inner, witness }
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

    fn is_away(&self) -> bool {
        self.inner.is_away()
    }

    fn is_troubled(&self) -> bool {
        self.inner.is_troubled()
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

    fn delete(&self, stem: &Stem, why: Why) -> Result<Option<u64>> {
        self.delete_for(stem, why, SERVICE)
    }

    fn delete_for(&self, stem: &Stem, why: Why, who: &str) -> Result<Option<u64>> {
        let Some(entry) = self.inner.find(stem)? else {
            return Ok(None);
        };
        let mut deed = || self.inner.delete(stem, why);
        let word = why.as_str();
        self.witness.deleting(&entry, who, word, &mut deed)
    }

    fn watch(&self, watcher: Watcher) {
        self.inner.watch(watcher);
    }

    fn adopt(&self, device: &str, wish: &Stem, finished: &Path) -> Result<Entry> {
        self.inner.adopt(device, wish, finished)
    }

    fn put(&self, device: &str, wish: &Stem, bytes: &[u8]) -> Result<Entry> {
        self.inner.put(device, wish, bytes)
    }
}
