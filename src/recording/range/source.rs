//! What a recording is, before its samples: its tracks, and when it says it began.

use std::io::{Read, Result, Seek, SeekFrom};

use crate::clock::Wall;
use crate::recording::fmp4::{bad, body, boxes, head, inside, times, u32_at, u64_at};
use crate::recording::plain::fragment::Traits;

/// Boxes before the first fragment that are passed over.
const MOST_BEFORE: usize = 64;

/// One track.
#[derive(Debug, Clone)]
pub(super) struct Track {
    /// `vide`, `soun` …
    pub handler: [u8; 4],
    /// Ticks per second.
    pub scale: u32,
    /// The body of its `trak`.
    pub trak: Vec<u8>,
    /// Its sample entries, each a whole box.
    pub entries: Vec<Vec<u8>>,
    pub traits: Traits,
    /// So much later than the others it begins, in its ticks (8.6.6).
    pub late: u64,
}

/// A recording.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The body of its `moov`.
    pub moov: Vec<u8>,
    pub tracks: Vec<Track>,
    /// Which of them leads: the first with pictures, else the first.
    pub lead: usize,
    /// When its first sample was taken, as its writer noted it.
    pub noted: Option<Wall>,
    /// Where the box behind `moov` stands.
    pub behind: u64,
    /// Bytes of the file.
    pub length: u64,
    /// Its samples stand in fragments.
    pub fragmented: bool,
}

impl Source {
    /// Reads the head of a file.
    pub(super) fn open(file: &mut (impl Read + Seek)) -> Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        let mut at = 0;
        for _ in 0..MOST_BEFORE {
            let next = head(file, at, length)?.ok_or_else(|| bad("it has no moov box"))?;
            if &next.kind == b"moov" {
                let moov = body(file, next)?;
                return Self::of(moov, next.end, length)
                    .ok_or_else(|| bad("its moov box is damaged"))?;
            }
            at = next.end;
        }
        Err(bad("it has no moov box"))
    }

    fn of(moov: Vec<u8>, behind: u64, length: u64) -> Option<Result<Self>> {
        let (scale, _) = times(inside(&moov, b"mvhd")?)?;
        let mvex = inside(&moov, b"mvex");
        let mut tracks: Vec<Track> = Vec::new();
        for (_, trak) in boxes(&moov).filter(|(kind, _)| kind == b"trak") {
            let tkhd = inside(trak, b"tkhd")?;
            let id = u32_at(tkhd, if tkhd.first()? == &0 { 12 } else { 20 })?;
            let mdia = inside(trak, b"mdia")?;
            let (ticks, _) = times(inside(mdia, b"mdhd")?)?;
            let stsd = inside(inside(inside(mdia, b"minf")?, b"stbl")?, b"stsd")?;
            if ticks == 0 || tracks.iter().any(|t| t.traits.id == id) {
                return None;
            }
            let late = match inside(trak, b"edts") {
                None => 0,
                Some(edts) => match late(inside(edts, b"elst")?, scale, ticks) {
                    // A writer of fragments says it in their times.
                    Some(late) if late == 0 || mvex.is_none() => late,
                    _ => return Some(Err(bad("it has an edit list that is not carried over"))),
                },
            };
            tracks.push(Track {
                handler: inside(mdia, b"hdlr")
                    .and_then(|hdlr| hdlr.get(8..12)?.try_into().ok())
                    .unwrap_or_default(),
                scale: ticks,
                trak: trak.to_vec(),
                entries: boxes(stsd.get(8..)?)
                    .map(|(kind, inner)| super::head::boxed(&kind, inner))
                    .collect(),
                traits: Traits::of(id),
                late,
            });
        }
        for (_, trex) in boxes(mvex.unwrap_or_default()).filter(|(kind, _)| kind == b"trex") {
            let traits = Traits::told(trex)?;
            for track in tracks.iter_mut().filter(|t| t.traits.id == traits.id) {
                track.traits = traits;
            }
        }
        if tracks.is_empty() {
            return None;
        }
        let pictures = tracks.iter().position(|t| &t.handler == b"vide");
        Some(Ok(Self {
            lead: pictures.unwrap_or(0),
            noted: noted(&moov),
            fragmented: mvex.is_some(),
            moov,
            tracks,
            behind,
            length,
        }))
    }
}

/// What MediaMTX notes of a file (`udta/mtxi`): version and flags, whose it is (16 bytes), its number, the time of its first
/// sample on the stream's own clock, and on the wall's, in nanoseconds.
fn noted(moov: &[u8]) -> Option<Wall> {
    let mtxi = inside(inside(moov, b"udta")?, b"mtxi")?;
    Some(Wall::from_nanos(u64_at(mtxi, 36)?)).filter(|at| at.as_nanos() > 0)
}

/// The one edit list that this service writes (8.6.6): nothing for so long, then all of the track. In the track's ticks;
/// `None`: another one.
fn late(elst: &[u8], movie: u32, ticks: u32) -> Option<u64> {
    let wide = elst.first()? != &0;
    let row = if wide { 20 } else { 12 };
    let rows = elst.get(8..)?.chunks_exact(row);
    if rows.len() > 2 || movie == 0 {
        return None;
    }
    let mut late = 0;
    for (number, row) in rows.enumerate() {
        let (lasts, from) = if wide {
            (u64_at(row, 0)?, u64_at(row, 8)?.cast_signed())
        } else {
            let from = u32_at(row, 4)?.cast_signed();
            (u64::from(u32_at(row, 0)?), i64::from(from))
        };
        match (number, from) {
            (0, -1) => {
                let scaled = u128::from(lasts) * u128::from(ticks) / u128::from(movie);
                late = u64::try_from(scaled).ok()?;
            }
            (_, 0) => {}
            _ => return None,
        }
    }
    Some(late)
}
