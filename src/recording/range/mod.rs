//! A stretch of time of one camera as one plain MP4, over all recordings that lie in it.
//!
//! No sample is decoded or changed, and no file is written: a [`Plan`] is the first bytes of that MP4 (`ftyp`, `moov` with
//! all tables, the head of `mdat`) and the list of which bytes of which recording follow them. So its length is known
//! before the first byte goes out, and any range of bytes can be read by itself.
//!
//! It begins with the last picture at or before the beginning that needs no other one (IDR), and ends with the last
//! sample that begins before the end. Time is true: where nothing was recorded, the picture before it stands for so
//! long. ISO/IEC 14496-12, 8.6.1.2 has no other word for a hole, and all players know this one.
//!
//! `source` reads what a recording is, `fragments` and `table` its samples (fragmented and plain), `gather` chooses, `look` looks
//! ahead, `join` puts them one after the other, `head` writes the first bytes.

mod fragments;
mod gather;
mod head;
mod join;
mod look;
mod source;
mod table;

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::Wall;
use crate::storage::names::Stem;

pub use join::{Joiner, Took};

/// The longest stretch. At 90 kHz a sample can last 13 h, which a hole may have to.
pub const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// Samples of all tracks together: the tables of so many take some 25 MB.
const MOST_SAMPLES: usize = 2_000_000;

/// From when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// The first moment.
    pub start: Wall,
    /// The moment after the last.
    pub end: Wall,
}

/// Why two moments are no [`Stretch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoStretch {
    /// The end is not after the beginning.
    Backwards,
    /// Longer than [`LONGEST`].
    TooLong,
}

impl Stretch {
    /// From `start` to `end`.
    ///
    /// # Errors
    /// As [`NoStretch`] says.
    pub fn new(start: Wall, end: Wall) -> Result<Self, NoStretch> {
        if end <= start {
            Err(NoStretch::Backwards)
        } else if end > start + LONGEST {
            Err(NoStretch::TooLong)
        } else {
            Ok(Self { start, end })
        }
    }
}

/// A moment as RFC 3339 writes it, with any offset; `None` for what is none, or lies before 1970.
#[must_use]
pub fn moment(text: &str) -> Option<Wall> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let nanos = u64::try_from(at.unix_timestamp_nanos()).ok()?;
    Some(Wall::from_nanos(nanos))
}

/// What of one recording is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The recording.
    pub stem: Stem,
    /// When its first picture in it was taken.
    pub begin: Wall,
    /// When its last picture in it ends.
    pub end: Wall,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing was recorded there.
    Nothing,
    /// The codec changed in between, which no player takes in one track.
    Changed {
        /// When.
        at: Wall,
        /// Sample entry before.
        from: String,
        /// Sample entry then.
        to: String,
    },
    /// There are more samples than a plan takes.
    TooMany,
}

/// Bytes of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    /// Where they stand in `mdat`, counted from its first sample.
    at: u64,
    /// Which of [`Plan::parts`].
    part: usize,
    /// Where they begin in that recording.
    from: u64,
}

/// Bytes that stand one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice<'a> {
    /// These.
    Made(&'a [u8]),
    /// Those of a recording.
    Of {
        /// Which of [`Plan::parts`].
        part: usize,
        /// Where they begin.
        from: u64,
        /// How many.
        length: u64,
    },
}

/// A plain MP4 that is nowhere: its first bytes, and where the others lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    head: Vec<u8>,
    pieces: Vec<Piece>,
    /// Bytes behind the head.
    samples: u64,
    /// The recordings in it, in the order of time.
    pub parts: Vec<Part>,
    /// Recordings that lie there and could not be read, or not to their end.
    pub damaged: Vec<Stem>,
    /// It goes to the end that was asked for: what is written to the last recording from now on does not change it.
    pub complete: bool,
}

impl Plan {
    /// Its bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.head.len() as u64 + self.samples
    }

    /// `ftyp`, `moov` and the head of `mdat`.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// When its first picture was taken.
    #[must_use]
    pub fn begin(&self) -> Wall {
        self.parts.first().map_or(Wall::from_nanos(0), |p| p.begin)
    }

    /// When its last picture ends.
    #[must_use]
    pub fn end(&self) -> Wall {
        self.parts.last().map_or(Wall::from_nanos(0), |p| p.end)
    }

    /// Where nothing was recorded between two recordings, for longer than a second: from when, for how long.
    pub fn holes(&self) -> impl Iterator<Item = (Wall, Duration)> {
        self.parts.windows(2).filter_map(|two| {
            let [before, after] = two else { return None };
            let hole = after.begin.as_nanos().checked_sub(before.end.as_nanos())?;
            (hole > 1_000_000_000).then_some((before.end, Duration::from_nanos(hole)))
        })
    }

    /// Memory it takes, about.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.head.len() + self.pieces.len() * size_of::<Piece>()
    }

    /// What stands from `at` on, as far as it lies together; `None` at the end.
    #[must_use]
    pub fn slice(&self, at: u64) -> Option<Slice<'_>> {
        let made = usize::try_from(at).ok().and_then(|at| self.head.get(at..));
        if let Some(made) = made.filter(|made| !made.is_empty()) {
            return Some(Slice::Made(made));
        }
        let at = at.checked_sub(self.head.len() as u64)?;
        if at >= self.samples {
            return None;
        }
        let next = self.pieces.partition_point(|piece| piece.at <= at);
        let piece = self.pieces.get(next.checked_sub(1)?)?;
        let end = self.pieces.get(next).map_or(self.samples, |next| next.at);
        Some(Slice::Of {
            part: piece.part,
            from: piece.from + (at - piece.at),
            length: end - at,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
