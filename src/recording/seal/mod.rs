//! Evidence that recordings are as they were when they ended.
//!
//! Each finished recording's file is digested (SHA-256) and the digest appended to a chain of records: each names the
//! digest of the one before it and is signed (Ed25519, RFC 8032) with a key that never leaves the data partition. What
//! the service deletes or changes itself it records there, too, before it does. `camera-service verify` ([`verify`])
//! needs the medium and the public key only. `docs/evidence.md` says what that proves and what it does not.
//!
//! [`record`] is one line, [`chain`] their files, [`book`] what the service remembers of them; `todo` decides what is
//! to be sealed when, and `io` does it. [`guard`] stands before every deletion. Where there is a fallback, it has a chain of
//! its own ([`both`]).

pub mod book;
pub mod both;
pub mod chain;
pub mod figures;
pub mod guard;
pub mod io;
pub mod keys;
pub mod record;
pub mod todo;
pub mod verify;

use crate::error::Result;
use crate::storage::names::Stem;
use crate::storage::shelf::Entry;

/// Who deletes what nobody asked for, as records say it.
pub const SERVICE: &str = "service";

/// A deletion that is about to be made: gives what [`Shelf::delete`](crate::storage::shelf::Shelf::delete) gives.
pub type Deed<'a> = &'a mut dyn FnMut() -> Result<Option<u64>>;

/// Who writes down what becomes of recordings.
pub trait Witness: Send + Sync {
    /// Files began, and files are finished. Does not wait.
    fn changed(&self, began: &[Stem], ended: &[Stem]);

    /// The service is about to change a finished file. May wait for the disk; comes back when that is written down.
    fn rewriting(&self, entry: &Entry, why: &str);

    /// The service is about to delete a file: writes down who wants it and why, then does it. May wait for the disk.
    ///
    /// # Errors
    /// The deed's own. What cannot be written down now is later: a full medium must not keep files.
    fn deleting(&self, entry: &Entry, by: &str, why: &str, deed: Deed<'_>) -> Result<Option<u64>>;
}

/// Writes nothing down.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Witness for Nobody {
    fn changed(&self, _: &[Stem], _: &[Stem]) {}

    fn rewriting(&self, _: &Entry, _: &str) {}

    fn deleting(&self, _: &Entry, _: &str, _: &str, deed: Deed<'_>) -> Result<Option<u64>> {
        deed()
    }
}
