//! A small text that survives a power cut: it is there whole, old or new, or not at all.

pub mod io;

use crate::error::Result;

/// Where the text is kept. Both calls may wait for the disk.
pub trait Note: Send + Sync {
    /// The text; `None` before the first one was written.
    fn read(&self) -> Result<Option<String>>;

    /// Replaces it.
    fn write(&self, text: &str) -> Result<()>;
}
