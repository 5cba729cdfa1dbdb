//! A folder of recordings or snapshots, `<root>/<device>/<stem>.<extension>`: what can be asked of it.
//!
//! A stem is an identifier: it stands for one file, whichever device's folder that is in.

pub mod io;
pub mod memory;
pub mod pair;

use std::path::PathBuf;
use std::sync::Arc;

use super::names::Stem;
use super::quota::Why;
use crate::clock::Wall;
use crate::error::Result;

/// Begins the name of a file that is being written: no legal name begins with a dot. What is left of one is removed at
/// the next start.
pub const UNFINISHED: &str = ".unfinished-";

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its identifier.
    pub stem: Stem,
    /// The camera or stream it is of.
    pub device: String,
    /// Bytes.
    pub size: u64,
    /// When it was written last.
    pub modified: Wall,
    /// When it was made, where the file system remembers it.
    pub created: Option<Wall>,
    /// Where it lies.
    pub path: PathBuf,
}

/// How much files take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weight {
    /// Bytes that reading all of them gives.
    pub bytes: u64,
    /// Bytes of the medium that they take: less where there are holes in a file, more where a block is not filled.
    pub allocated: u64,
}

/// What happened to a file through the shelf.
#[derive(Debug, Clone, Copy)]
pub enum Happened<'a> {
    /// It has its name now; it may still be written.
    New(&'a Entry),
    /// It is gone.
    Deleted(&'a Entry, Why),
}

/// Whoever wants to know.
pub type Watcher = Box<dyn Fn(Happened<'_>) + Send + Sync>;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Entries at most.
    pub limit: usize,
    /// Entries to pass over.
    pub offset: usize,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The part, newest first.
    pub files: Vec<Entry>,
    /// Files in all.
    pub total: usize,
}

/// Orders: newest first; of the same moment, the greater name first.
pub fn sort(all: &mut [Entry]) {
    all.sort_unstable_by(|a, b| (b.modified, &b.stem).cmp(&(a.modified, &a.stem)));
}

/// Cuts a part out of what is in order.
#[must_use]
pub fn cut(sorted: &[Entry], page: Page) -> Listing {
    let part = sorted.iter().skip(page.offset).take(page.limit);
    Listing {
        files: part.cloned().collect(),
        total: sorted.len(),
    }
}

/// Orders and cuts.
#[must_use]
pub fn page(mut all: Vec<Entry>, page: Page) -> Listing {
    sort(&mut all);
    cut(&all, page)
}

/// A folder of files. Every call may wait for the disk: call it where blocking is allowed.
///
/// Errors of all: the disk's own, with the path.
pub trait Shelf: Send + Sync {
    /// The extension of its files, without a dot.
    fn extension(&self) -> &'static str;

    /// The folder.
    fn root(&self) -> PathBuf;

    /// The medium of the folder is not there: what is at its path is something else. Answers from memory.
    fn is_away(&self) -> bool {
        false
    }

    /// Something is wrong with the medium, and it is left alone: nothing is held open there. Answers from memory.
    fn is_troubled(&self) -> bool {
        self.is_away()
    }

    /// Every file. A folder that is not there yet is empty.
    fn all(&self) -> Result<Vec<Entry>>;

    /// Every file, in order, the newest first.
    fn sorted(&self) -> Result<Arc<[Entry]>> {
        let mut all = self.all()?;
        sort(&mut all);
        Ok(all.into())
    }

    /// What [`Shelf::sorted`] would give, where that is certain without looking at the disk. Does not wait.
    fn recall(&self) -> Option<Arc<[Entry]>> {
        None
    }

    /// One file.
    fn find(&self, stem: &Stem) -> Result<Option<Entry>>;

    /// Deletes a file; returns its size, `None` where there is none. Every file of ours that goes, goes here, and whoever
    /// watches hears why.
    fn delete(&self, stem: &Stem, why: Why) -> Result<Option<u64>>;

    /// The same, at the wish of `who`: where deletions are written down, under that name.
    fn delete_for(&self, stem: &Stem, why: Why, _who: &str) -> Result<Option<u64>> {
        self.delete(stem, why)
    }

    /// From now on `watcher` is told what happens to the files, by whoever does it and after it is done. It may wait for
    /// the disk, but not for the shelf.
    fn watch(&self, watcher: Watcher);

    /// Takes over `finished`, a file on the same file system, as `device`'s, under the first free name after `wish`.
    /// Whoever still writes it writes on.
    fn adopt(&self, device: &str, wish: &Stem, finished: &std::path::Path) -> Result<Entry>;

    /// Writes a new file whole, or not at all, under the first free name after `wish`.
    fn put(&self, device: &str, wish: &Stem, bytes: &[u8]) -> Result<Entry>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(stem: &str, modified: u64) -> Entry {
        Entry {
            stem: stem.parse().unwrap(),
            device: "camera0".to_owned(),
            size: 1,
            modified: Wall::from_secs(modified),
            created: None,
            path: PathBuf::new(),
        }
    }

    #[test]
    fn a_page_is_a_part_of_the_whole_and_the_newest_come_first() {
        let all = vec![entry("a", 1), entry("c", 3), entry("b1", 2), entry("b2", 2)];
        let names = |limit, offset| -> (Vec<String>, usize) {
            let part = page(all.clone(), Page { limit, offset });
            (
                part.files.iter().map(|e| e.stem.to_string()).collect(),
                part.total,
            )
        };
        assert_eq!(names(3, 0), (vec!["c".into(), "b2".into(), "b1".into()], 4));
        assert_eq!(names(3, 3), (vec!["a".into()], 4));
        assert_eq!(names(3, 9), (vec![], 4));
    }
}
