//! What a power cut left of a recording: judges a file by what is in it.
//!
//! A recording that was open at the cut ends somewhere in a fragment, or in a page that the medium never got and that
//! reads as zeros. [`examine`] walks its boxes (ISO/IEC 14496-12, 8.8), and looks into the samples of the last fragments,
//! which are those that may not have been flushed. What comes before the first damage is good and stays.

pub mod io;
mod samples;

use std::collections::VecDeque;
use std::io::{Read, Result, Seek, SeekFrom};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::recording::fmp4::{Head, body, boxes, head, inside, times, u32_at};
use samples::Track;

/// Fragments whose samples are looked into: a minute of MediaMTX's. The kernel keeps nothing back for longer, flushed or
/// not.
const WINDOW: usize = 200;

/// A clock before this is wrong: the service was not yet written (2026-01-01).
const FIRST: Wall = Wall::from_secs(1_767_225_600);
/// The time of the last look is believed with so much leeway, for a clock that was put right.
const LEEWAY: u64 = 24 * 3600;
/// Files written so shortly before the last one may have been closed by their writer, and not by the medium.
const RECENT: u64 = 120;

/// What is known of a file before it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It was open when the service ended: noted as running, without a name, or written last of all.
    Suspect,
    /// Its writer closed it just now: all that was written is there, but a write may have failed in the middle.
    Closed,
    /// It may have been open.
    Unknown,
    /// It was looked at before, and has not been written to since.
    Clean,
}

/// What is kept from one run to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mark {
    /// When all files were looked into, in nanoseconds of the wall's clock.
    #[serde(default)]
    scrubbed_nanos: Option<u64>,
    /// When the service ended in order, with everything flushed. Taken back before anything is recorded anew.
    #[serde(default)]
    ended_nanos: Option<u64>,
}

impl Mark {
    /// Reads it; a damaged one marks nothing.
    #[must_use]
    pub fn of(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Writes it.
    #[must_use]
    pub fn to_text(self) -> String {
        serde_json::to_string(&self).unwrap_or_default()
    }

    /// All files were looked into at `now`; a clock that is obviously wrong marks nothing.
    #[must_use]
    pub fn scrubbed(now: Wall) -> Option<Self> {
        (now >= FIRST).then(|| Self {
            scrubbed_nanos: Some(now.as_nanos()),
            ended_nanos: None,
        })
    }

    /// The service ends at `now` in order; likewise.
    #[must_use]
    pub fn ended(self, now: Wall) -> Option<Self> {
        (now >= FIRST && self.scrubbed_nanos.is_some()).then(|| Self {
            ended_nanos: Some(now.as_nanos()),
            ..self
        })
    }

    /// The same while the service runs; `None`: it is that already.
    #[must_use]
    pub fn begun(self) -> Option<Self> {
        self.ended_nanos.map(|_| Self {
            ended_nanos: None,
            ..self
        })
    }

    /// How far a file is trusted that was written last at `modified`; `newest`: when any of them was.
    #[must_use]
    pub fn trust(self, modified: Wall, newest: Wall, now: Wall) -> Trust {
        // Neither a mark from the future nor a time from before the service tells anything.
        let told = |nanos: Option<u64>| {
            let mark = nanos.map(Wall::from_nanos);
            mark.filter(|mark| (FIRST..=now).contains(mark) && modified >= FIRST)
        };
        let clean = |mark: Wall| modified.as_secs().saturating_add(LEEWAY) < mark.as_secs();
        if told(self.ended_nanos).is_some_and(|ended| modified <= ended) {
            Trust::Clean
        } else if newest.as_secs().saturating_sub(modified.as_secs()) <= RECENT {
            Trust::Suspect
        } else if told(self.scrubbed_nanos).is_some_and(clean) {
            Trust::Clean
        } else {
            Trust::Unknown
        }
    }
}

/// What is to be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: all of it is good, or it is none of MediaMTX's.
    Sound,
    /// It is good up to there.
    Cut {
        /// Bytes that stay.
        at: u64,
        /// Its writer closed it, so its head tells a duration that it does not have any more: where that stands, and how
        /// many bytes it has. Zeros there let its fragments tell.
        head: Option<(u64, usize)>,
    },
    /// Nothing in it plays.
    Unplayable(&'static str),
}

/// Judges a file by how far it is trusted. One whose writer says in its head that it closed it is believed, unless it is
/// suspect or was closed just now.
///
/// # Errors
/// What reading brings; a damaged file is a verdict and no error.
pub fn examine(file: &mut (impl Read + Seek), trust: Trust) -> Result<Verdict> {
    let length = file.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Ok(Verdict::Unplayable("it is empty"));
    }
    let (moov, at) = match beginning(file, length)? {
        Beginning::Moov(moov, at) => (moov, at),
        Beginning::Foreign => return Ok(Verdict::Sound),
        Beginning::Damaged(why) => return Ok(Verdict::Unplayable(why)),
    };
    if boxes(&moov)
        .map(|(_, inner)| inner.len() + 8)
        .sum::<usize>()
        != moov.len()
    {
        return Ok(Verdict::Unplayable("its moov box is damaged"));
    }
    if inside(&moov, b"mvex").is_none() {
        // A plain file is written beside and flushed before it gets its name.
        return Ok(Verdict::Sound);
    }
    let Some(told) = Told::of(&moov) else {
        return Ok(Verdict::Unplayable("its moov box is damaged"));
    };
    if told.closed.is_some() && matches!(trust, Trust::Unknown | Trust::Clean) {
        return Ok(Verdict::Sound);
    }
    let window = match trust {
        Trust::Closed => 0,
        _ => WINDOW,
    };
    let end = walk(file, at.end, length, &told.tracks, window)?;
    Ok(match end {
        Some(end) if end == length => Verdict::Sound,
        Some(end) => Verdict::Cut {
            at: end,
            head: told.closed.map(|(place, bytes)| (at.body + place, bytes)),
        },
        None => Verdict::Unplayable("it has no whole fragment"),
    })
}

enum Beginning {
    /// The body of the `moov`, and where the box is.
    Moov(Vec<u8>, Head),
    /// No MP4: somebody copied it here.
    Foreign,
    Damaged(&'static str),
}

fn beginning(file: &mut (impl Read + Seek), length: u64) -> Result<Beginning> {
    let mut at = 0;
    loop {
        let Some(next) = head(file, at, length)? else {
            let mut kind = Vec::new();
            file.seek(SeekFrom::Start(at.saturating_add(4)))?;
            file.take(4).read_to_end(&mut kind)?;
            let kind: Option<[u8; 4]> = kind.try_into().ok();
            let foreign = |kind: [u8; 4]| !is_begun(&kind);
            return Ok(match kind.is_some_and(foreign) && at == 0 {
                true => Beginning::Foreign,
                false => Beginning::Damaged("it ends before its moov box"),
            });
        };
        match &next.kind {
            b"moov" => {
                return Ok(match body(file, next) {
                    Ok(moov) => Beginning::Moov(moov, next),
                    Err(_) => Beginning::Damaged("its moov box is damaged"),
                });
            }
            b"moof" => return Ok(Beginning::Damaged("it begins in the middle")),
            kind if is_known(kind) => at = next.end,
            [0, 0, 0, 0] => return Ok(Beginning::Damaged("it holds zeros")),
            kind if at == 0 && !is_begun(kind) => return Ok(Beginning::Foreign),
            _ => return Ok(Beginning::Damaged("it ends before its moov box")),
        }
    }
}

/// The types that may stand at the outermost level beside `moov` and `moof`.
const KNOWN: [&[u8; 4]; 15] = [
    b"ftyp", b"styp", b"sidx", b"ssix", b"emsg", b"prft", b"free", b"skip", b"uuid", b"mdat",
    b"meta", b"udta", b"mfra", b"wide", b"pdin",
];

fn is_known(kind: &[u8; 4]) -> bool {
    KNOWN.contains(&kind)
}

/// Whether this is how a file of ours may begin. A write that did not arrive as a whole leaves zeros, from any byte on.
fn is_begun(kind: &[u8; 4]) -> bool {
    let zeros = kind.iter().rev().take_while(|byte| **byte == 0).count();
    let (written, _) = kind.split_at(kind.len() - zeros);
    let mut all = KNOWN.into_iter().chain([b"moov", b"moof"]);
    all.any(|known| known.starts_with(written))
}

/// What the `moov` tells.
struct Told {
    /// Where in its body the duration stands, and its bytes, if there is one: the file was closed.
    closed: Option<(u64, usize)>,
    tracks: Vec<Track>,
}

impl Told {
    fn of(moov: &[u8]) -> Option<Self> {
        let mvhd = inside(moov, b"mvhd")?;
        let (_, ticks) = times(mvhd)?;
        let (place, bytes, unknown) = match mvhd.first()? {
            0 => (16, 4, u64::from(u32::MAX)),
            _ => (24, 8, u64::MAX),
        };
        let open = ticks == 0 || ticks == unknown;
        // Boxes are slices of what they lie in.
        let begin = mvhd.as_ptr().addr().checked_sub(moov.as_ptr().addr())?;
        let place = u64::try_from(begin).ok()? + place;
        let tracks = boxes(moov).filter(|(kind, _)| kind == b"trak");
        let mut tracks = tracks
            .map(|(_, trak)| Track::of(trak))
            .collect::<Option<Vec<_>>>()?;
        for (_, trex) in boxes(inside(moov, b"mvex")?).filter(|(kind, _)| kind == b"trex") {
            let (id, size) = (u32_at(trex, 4)?, u32_at(trex, 16)?);
            for track in tracks.iter_mut().filter(|track| track.id == id) {
                track.size = size;
            }
        }
        Some(Self {
            closed: (!open).then_some((place, bytes)),
            tracks,
        })
    }
}

/// Where the last good fragment ends; `None`: there is none. The end of the file where everything is good. The samples of
/// so many fragments at the end are looked into.
fn walk(
    file: &mut (impl Read + Seek),
    begin: u64,
    length: u64,
    tracks: &[Track],
    window: usize,
) -> Result<Option<u64>> {
    // With where the fragment before it ends.
    let mut last: VecDeque<(Head, u64, Head, Option<u64>)> = VecDeque::new();
    let (mut at, mut good) = (begin, None);
    let mut pending = None;
    let mut whole = false;
    while let Some(next) = head(file, at, length)? {
        match (&next.kind, pending.take()) {
            (b"moof", None) => pending = Some((next, at)),
            (b"mdat", Some((moof, from))) => {
                last.push_back((moof, from, next, good));
                if last.len() > window {
                    last.pop_front();
                }
                good = Some(next.end);
            }
            (kind, None) if is_known(kind) => {}
            // Two heads without samples, or what was never a box.
            _ => break,
        }
        at = next.end;
        whole = at == length && pending.is_none();
    }
    for (moof, from, mdat, before) in last {
        if !samples::fit(file, moof, from, mdat, tracks)? {
            // Whatever comes behind the first damage was not flushed either.
            return Ok(before);
        }
    }
    Ok(good.map(|good| if whole { length } else { good }))
}

/// What became of the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scrubbed {
    /// Files looked into.
    pub examined: u64,
    /// Files cut.
    pub cut: u64,
    /// Bytes cut off.
    pub bytes: u64,
    /// Files put aside.
    pub aside: u64,
    /// Files that could not be read, or not be changed.
    pub failed: u64,
    /// What it took.
    pub took: Duration,
}

#[cfg(test)]
mod tests;
