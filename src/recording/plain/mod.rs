//! A recording as a plain MP4: all its tables in one `moov` that stands before the samples, no fragments.
//!
//! MediaMTX writes fragments (ISO/IEC 14496-12, 8.8), because a file that is cut off then plays up to the cut. Once it
//! is finished, [`Plan::of`] reads the heads of the fragments and says what the plain file is: its first bytes, and which
//! bytes of the fragmented file follow them. No sample is decoded or changed.

pub(super) mod fragment;
pub mod io;
pub(super) mod read;
pub(super) mod samples;
pub(super) mod write;

use std::io::{Read, Result, Seek};

pub use samples::Span;

/// How a plain file is made of a fragmented one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// `ftyp`, `moov` and the head of `mdat`.
    pub head: Vec<u8>,
    /// The parts of the fragmented file that follow, in order; they fill `mdat`.
    pub spans: Vec<Span>,
    /// Bytes of the fragmented file when it was read.
    pub length: u64,
}

impl Plan {
    /// Reads the heads of a fragmented file; `None`: it has none, it is plain already.
    ///
    /// What a power cut has torn at the end is left away, as players do.
    ///
    /// # Errors
    /// `InvalidData` when the file is no MP4, is damaged, holds no sample, or uses what MediaMTX never writes (an edit
    /// list); whatever reading brings.
    pub fn of(file: &mut (impl Read + Seek)) -> Result<Option<Self>> {
        let Some(movie) = read::movie(file)? else {
            return Ok(None);
        };
        write::plan(&movie).map(Some)
    }
}

#[cfg(test)]
pub(crate) mod tests;
