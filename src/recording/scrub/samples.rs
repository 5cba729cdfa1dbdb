//! Whether the samples of a fragment are there: tables that fit their `mdat`, and bytes that somebody wrote.

use std::io::{Read, Result, Seek};
use std::ops::Range;

use crate::recording::fmp4::{Head, boxes, inside, u32_at, u64_at};

/// A part of MediaMTX's is 32 MiB at most; larger ones are somebody else's and believed.
const LARGEST: u64 = 64 << 20;
/// What media lose at once.
const SECTOR: usize = 512;
/// Zeros at the end of a NAL unit that some encoders leave there (rbsp trailing data).
const PADDING: usize = 32;

/// How a track is coded, as far as damage shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// NAL units behind lengths of so many bytes (ISO/IEC 14496-15); three zeros in a row occur in none (H.264 7.3.1).
    Nal(usize),
    /// Other pictures: no coder makes a sector of zeros.
    Picture,
    /// Silence may be zeros.
    Other,
}

/// One track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Track {
    pub id: u32,
    /// Bytes of a sample that does not tell its own (`trex`).
    pub size: u32,
    coding: Coding,
}

impl Track {
    /// Reads a `trak`; `None`: it is damaged.
    pub(super) fn of(trak: &[u8]) -> Option<Self> {
        let tkhd = inside(trak, b"tkhd")?;
        let id = u32_at(tkhd, if tkhd.first()? == &0 { 12 } else { 20 })?;
        Some(Self {
            id,
            size: 0,
            coding: coding(inside(trak, b"mdia")?).unwrap_or(Coding::Other),
        })
    }
}

fn coding(mdia: &[u8]) -> Option<Coding> {
    let stsd = inside(inside(inside(mdia, b"minf")?, b"stbl")?, b"stsd")?;
    let (kind, entry) = boxes(stsd.get(8..)?).next()?;
    // Behind the fields of a VisualSampleEntry (12.1.3).
    let inner = entry.get(78..).unwrap_or_default();
    let length = |kind: &[u8; 4], at: usize| {
        let bits = inside(inner, kind)?.get(at)? & 3;
        Some(Coding::Nal(usize::from(bits) + 1))
    };
    Some(match &kind {
        b"avc1" | b"avc3" => length(b"avcC", 4)?,
        b"hvc1" | b"hev1" => length(b"hvcC", 21)?,
        _ if inside(mdia, b"hdlr")?.get(8..12) == Some(b"vide") => Coding::Picture,
        _ => Coding::Other,
    })
}

/// Whether the fragment whose `moof` stands at `from` is good.
pub(super) fn fit(
    file: &mut (impl Read + Seek),
    moof: Head,
    from: u64,
    mdat: Head,
    tracks: &[Track],
) -> Result<bool> {
    let Ok(tables) = crate::recording::fmp4::body(file, moof) else {
        return Ok(false);
    };
    let Some(samples) = samples(&tables, from, mdat, tracks) else {
        return Ok(false);
    };
    if mdat.end - mdat.body > LARGEST {
        return Ok(true);
    }
    let mut bytes = Vec::new();
    file.seek(std::io::SeekFrom::Start(mdat.body))?;
    file.take(mdat.end - mdat.body).read_to_end(&mut bytes)?;
    Ok(samples.iter().all(|(coding, range)| {
        let part = |at: u64| usize::try_from(at - mdat.body).ok();
        let inner = part(range.start).zip(part(range.end));
        inner
            .and_then(|(begin, end)| bytes.get(begin..end))
            .is_some_and(|sample| is_written(*coding, sample, range.start))
    }))
}

/// Where the samples lie, by the tables; `None`: these are damaged, or tell of bytes outside the `mdat`.
fn samples(
    moof: &[u8],
    from: u64,
    mdat: Head,
    tracks: &[Track],
) -> Option<Vec<(Coding, Range<u64>)>> {
    let mut found = Vec::new();
    let mut behind = from;
    let most = usize::try_from(mdat.end - mdat.body).unwrap_or(usize::MAX);
    for (_, traf) in boxes(moof).filter(|(kind, _)| kind == b"traf") {
        // 8.8.7: base data offset, description index, default duration, default size.
        let tfhd = inside(traf, b"tfhd")?;
        let (flags, id) = (u32_at(tfhd, 0)?, u32_at(tfhd, 4)?);
        let track = tracks.iter().find(|track| track.id == id)?;
        let place = |flag: u32| {
            let before = [(0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4)];
            let before = before.iter().take_while(|(f, _)| *f != flag);
            8 + before
                .filter(|(f, _)| flags & f != 0)
                .map(|(_, n)| n)
                .sum::<usize>()
        };
        let base = match flags {
            f if f & 0x1 != 0 => u64_at(tfhd, 8)?,
            f if f & 0x2_0000 != 0 => from,
            _ => behind,
        };
        let default = match flags & 0x10 {
            0 => track.size,
            _ => u32_at(tfhd, place(0x10))?,
        };
        inside(traf, b"tfdt")?;
        let mut at = base;
        for (_, trun) in boxes(traf).filter(|(kind, _)| kind == b"trun") {
            // 8.8.8: flags, count, data offset, first flags; then a row for each sample.
            let (flags, count) = (u32_at(trun, 0)?, u32_at(trun, 4)?);
            let mut row = 8;
            if flags & 0x1 != 0 {
                at = base.checked_add_signed(i64::from(u32_at(trun, row)?.cast_signed()))?;
                row += 4;
            }
            row += if flags & 0x4 != 0 { 4 } else { 0 };
            let width: usize = [0x100, 0x200, 0x400, 0x800]
                .iter()
                .filter(|f| flags & **f != 0)
                .map(|_| 4)
                .sum();
            for _ in 0..count {
                let size = match flags & 0x200 {
                    0 => default,
                    _ => u32_at(trun, row + if flags & 0x100 != 0 { 4 } else { 0 })?,
                };
                // Every row must be there, also one that tells no size.
                trun.get(row..row + width)?;
                row += width;
                let end = at.checked_add(u64::from(size))?;
                if at < mdat.body || end > mdat.end || found.len() > most {
                    return None;
                }
                found.push((track.coding, at..end));
                at = end;
            }
        }
        behind = at;
    }
    Some(found)
}

/// Whether somebody wrote all of a sample that begins at `place` of its file.
fn is_written(coding: Coding, sample: &[u8], place: u64) -> bool {
    match coding {
        Coding::Other => true,
        Coding::Picture => !has_empty_sector(sample, place),
        Coding::Nal(width) => {
            let mut rest = sample;
            let mut place = place;
            while !rest.is_empty() {
                let Some((length, behind)) = rest.split_at_checked(width) else {
                    return false;
                };
                let length = length
                    .iter()
                    .fold(0_usize, |sum, b| sum << 8 | usize::from(*b));
                let Some((unit, behind)) = behind.split_at_checked(length) else {
                    return false;
                };
                place += width as u64;
                if !is_unit(unit, place) {
                    return false;
                }
                place += length as u64;
                rest = behind;
            }
            true
        }
    }
}

/// Whether a NAL unit can have been written as it stands there.
fn is_unit(unit: &[u8], place: u64) -> bool {
    // forbidden_zero_bit
    if unit.first().is_none_or(|head| head & 0x80 != 0) {
        return false;
    }
    let mut zeros = 0;
    for byte in unit {
        match byte {
            0 => zeros += 1,
            _ if zeros >= 3 => return false,
            _ => zeros = 0,
        }
    }
    // What a coder leaves at the end is short, and does not begin where a sector does.
    let begin = place + (unit.len() - zeros) as u64;
    zeros < 3 || (zeros < PADDING && !begin.is_multiple_of(SECTOR as u64))
}

fn has_empty_sector(sample: &[u8], place: u64) -> bool {
    let skip = usize::try_from(place.next_multiple_of(SECTOR as u64) - place).unwrap_or(usize::MAX);
    let sectors = sample.get(skip..).unwrap_or_default();
    sectors
        .chunks_exact(SECTOR)
        .any(|sector| sector.iter().all(|byte| *byte == 0))
}
