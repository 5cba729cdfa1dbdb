//! The index of recordings: what the folder holds, and what each file is, so that nobody has to read 100,000 files for
//! the first fifty names.
//!
//! It is a cache. The truth is the files; the index may be lost, cut off or damaged at any time, and is then made anew
//! from them. It lies beside them (`<recordings>/.index`), so that a medium that changes hands carries its own. Nothing
//! is ever deleted because of what stands in it, and nothing is hidden because of what does not: until it has been
//! compared with the folder after a start, and whenever it cannot be trusted or written, the folder itself is read.
//!
//! The pure parts are here: `row` what is kept of a file and how a damaged row is known, `notes` what the kernel's
//! words ask for, `merge` where files that grow stand, `schema` the tables, `both` a list of two folders. `book` compares and answers, `db` is the database, `eyes` watch the folder.

pub mod book;
pub mod both;
pub mod db;
pub mod eyes;
pub mod io;
pub mod merge;
pub mod notes;
pub mod row;
pub mod schema;

use super::examine::Facts;
use crate::storage::shelf::Entry;

/// A recording in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The file.
    pub entry: Entry,
    /// What it is; `None` until it has been examined, and while it grows.
    pub facts: Option<Facts>,
}

/// A part of the list of recordings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// The part, newest first.
    pub files: Vec<Item>,
    /// Recordings in all.
    pub total: usize,
}
