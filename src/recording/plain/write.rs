//! Writes the head of a plain file (ISO/IEC 14496-12, 8.2 to 8.7).

use std::io::Result;

use super::Plan;
use super::read::{Movie, Track};
use super::samples::Tables;
use crate::recording::fmp4::{bad, boxes, inside, times};

/// What readers must understand (4.3): `iso4` for shifts below zero.
const FTYP: &[u8] = b"isom\0\0\x02\0isomiso2iso4mp41mp42";

/// The tables that are written anew; what else an `stbl` holds, above all `stsd`, stays as it is.
const ANEW: [&[u8; 4]; 8] = [
    b"stts", b"ctts", b"stss", b"stsc", b"stsz", b"stz2", b"stco", b"co64",
];

/// A box (4.2) around what is written inside.
fn boxed(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    inner: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let at = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    inner(out)?;
    let size = u32::try_from(out.len() - at).map_err(|_| bad("it has too many samples"))?;
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&size.to_be_bytes());
    }
    Ok(())
}

fn copied(out: &mut Vec<u8>, kind: &[u8; 4], inner: &[u8]) -> Result<()> {
    boxed(out, kind, |out| {
        out.extend(inner);
        Ok(())
    })
}

fn words(out: &mut Vec<u8>, words: impl IntoIterator<Item = u32>) {
    for word in words {
        out.extend(word.to_be_bytes());
    }
}

fn number(count: usize) -> u32 {
    // No table is longer than there are samples, and those are counted.
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What the plain file of a movie is.
pub(in crate::recording) fn plan(movie: &Movie) -> Result<Plan> {
    let mut head = Vec::new();
    copied(&mut head, b"ftyp", FTYP)?;
    // Where samples begin depends on how long the head is, which does not depend on where they begin.
    let before = head.len();
    moov(&mut head, movie, 0)?;
    let begin = (head.len() + 16) as u64;
    head.truncate(before);
    moov(&mut head, movie, begin)?;
    // A 64-bit length (4.2): a day is larger than 4 GB.
    words(&mut head, [1]);
    head.extend(b"mdat");
    let length = movie
        .bytes
        .checked_add(16)
        .ok_or_else(|| bad("it is too large"))?;
    head.extend(length.to_be_bytes());
    Ok(Plan {
        head,
        spans: movie.spans.clone(),
        length: movie.length,
    })
}

/// `ticks` of one clock in those of another, rounded up so that no sample is cut.
fn scaled(ticks: u64, from: u32, to: u32) -> Result<u64> {
    let from = u128::from(from.max(1));
    u64::try_from((u128::from(ticks) * u128::from(to)).div_ceil(from))
        .map_err(|_| bad("its times are damaged"))
}

/// When a track begins, in nanoseconds of the fragments' clock; `None`: it has no sample.
fn begins(track: &Track) -> Result<Option<u64>> {
    let first = track.tables.first;
    first
        .map(|first| scaled(first, track.scale, 1_000_000_000))
        .transpose()
}

fn moov(out: &mut Vec<u8>, movie: &Movie, begin: u64) -> Result<()> {
    let damaged = || bad("its moov box is damaged");
    let mvhd = inside(&movie.moov, b"mvhd").ok_or_else(damaged)?;
    let (scale, _) = times(mvhd).filter(|(s, _)| *s != 0).ok_or_else(damaged)?;
    let mut first = u64::MAX;
    for track in &movie.tracks {
        first = first.min(begins(track)?.unwrap_or(u64::MAX));
    }
    // Of each track: how much later than the first one it begins, and how long it plays, in the movie's ticks.
    let mut edits = Vec::new();
    for track in &movie.tracks {
        let late = begins(track)?.map_or(0, |at| at - first);
        let late = u64::try_from(u128::from(late) * u128::from(scale) / 1_000_000_000)
            .map_err(|_| damaged())?;
        edits.push((late, scaled(track.tables.duration(), track.scale, scale)?));
    }
    let longest = edits
        .iter()
        .map(|(late, plays)| late.saturating_add(*plays))
        .max();
    let mut traks = movie.tracks.iter().zip(&edits);
    boxed(out, b"moov", |out| {
        for (kind, inner) in boxes(&movie.moov) {
            match &kind {
                b"mvhd" => boxed(out, b"mvhd", |out| {
                    retimed(out, inner, 4, longest.unwrap_or_default()).ok_or_else(damaged)
                })?,
                b"mvex" => {}
                b"trak" => {
                    let (track, edit) = traks.next().ok_or_else(damaged)?;
                    boxed(out, b"trak", |out| trak(out, track, *edit, begin))?;
                }
                _ => copied(out, &kind, inner)?,
            }
        }
        Ok(())
    })
}

/// An `mvhd`, `tkhd` or `mdhd` (8.2.2, 8.3.2, 8.4.2) with another duration: `between` bytes stand between its two times
/// and the duration. One that does not fit into 32 bits makes it version 1.
fn retimed(out: &mut Vec<u8>, inner: &[u8], between: usize, duration: u64) -> Option<()> {
    let narrow = inner.first()? == &0;
    let (time, at) = if narrow {
        (4, 12 + between)
    } else {
        (8, 20 + between)
    };
    let rest = inner.get(at + time..)?;
    let middle = inner.get(4 + 2 * time..at)?;
    // All ones stand for "unknown".
    match u32::try_from(duration)
        .ok()
        .filter(|d| narrow && *d < u32::MAX)
    {
        Some(short) => {
            out.extend(inner.get(..at)?);
            out.extend(short.to_be_bytes());
        }
        None => {
            out.push(1);
            out.extend(inner.get(1..4)?);
            for n in 0..2 {
                let moment = inner.get(4 + n * time..4 + (n + 1) * time)?;
                out.extend(std::iter::repeat_n(0, 8 - time));
                out.extend(moment);
            }
            out.extend(middle);
            out.extend(duration.to_be_bytes());
        }
    }
    out.extend(rest);
    Some(())
}

fn trak(out: &mut Vec<u8>, track: &Track, (late, plays): (u64, u64), begin: u64) -> Result<()> {
    let damaged = || bad("its moov box is damaged");
    for (kind, inner) in boxes(&track.trak) {
        match &kind {
            b"tkhd" => {
                let all = late.saturating_add(plays);
                boxed(out, b"tkhd", |out| {
                    retimed(out, inner, 8, all).ok_or_else(damaged)
                })?;
                if late > 0 {
                    boxed(out, b"edts", |out| edit_list(out, late, plays))?;
                }
            }
            b"mdia" => boxed(out, b"mdia", |out| {
                for (kind, inner) in boxes(inner) {
                    match &kind {
                        b"mdhd" => boxed(out, b"mdhd", |out| {
                            retimed(out, inner, 4, track.tables.duration()).ok_or_else(damaged)
                        })?,
                        b"minf" => boxed(out, b"minf", |out| minf(out, inner, track, begin))?,
                        _ => copied(out, &kind, inner)?,
                    }
                }
                Ok(())
            })?,
            _ => copied(out, &kind, inner)?,
        }
    }
    Ok(())
}

/// Nothing for so long, then all of the track (8.6.6): keeps a sound that begins later than the picture in step.
fn edit_list(out: &mut Vec<u8>, late: u64, plays: u64) -> Result<()> {
    boxed(out, b"elst", |out| {
        words(out, [1 << 24, 2]);
        for (lasts, from) in [(late, -1_i64), (plays, 0)] {
            out.extend(lasts.to_be_bytes());
            out.extend(from.to_be_bytes());
            words(out, [1 << 16]);
        }
        Ok(())
    })
}

fn minf(out: &mut Vec<u8>, inner: &[u8], track: &Track, begin: u64) -> Result<()> {
    for (kind, inner) in boxes(inner) {
        if &kind != b"stbl" {
            copied(out, &kind, inner)?;
            continue;
        }
        boxed(out, b"stbl", |out| {
            for (kind, inner) in boxes(inner).filter(|(kind, _)| !ANEW.contains(&kind)) {
                copied(out, &kind, inner)?;
            }
            tables(out, &track.tables, begin)
        })?;
    }
    Ok(())
}

fn tables(out: &mut Vec<u8>, tables: &Tables, begin: u64) -> Result<()> {
    // 8.6.1.2
    boxed(out, b"stts", |out| {
        let runs = tables.durations();
        words(out, [0, number(runs.len())]);
        words(
            out,
            runs.into_iter().flat_map(|(count, lasts)| [count, lasts]),
        );
        Ok(())
    })?;
    // 8.6.1.3; without shifts it is left out.
    if tables.shifts.iter().any(|(_, shift)| *shift != 0) {
        let signed = tables.shifts.iter().any(|(_, shift)| *shift < 0);
        boxed(out, b"ctts", |out| {
            words(out, [u32::from(signed) << 24, number(tables.shifts.len())]);
            for (count, shift) in &tables.shifts {
                let shift = if signed {
                    i32::try_from(*shift).map(i32::cast_unsigned)
                } else {
                    u32::try_from(*shift)
                };
                words(
                    out,
                    [*count, shift.map_err(|_| bad("its times are damaged"))?],
                );
            }
            Ok(())
        })?;
    }
    // 8.6.2; without it each sample is a sync sample.
    if tables.syncs.len() < tables.sizes.len() {
        boxed(out, b"stss", |out| {
            words(out, [0, number(tables.syncs.len())]);
            words(out, tables.syncs.iter().copied());
            Ok(())
        })?;
    }
    // 8.7.4: a row for each chunk that is not like the one before it.
    boxed(out, b"stsc", |out| {
        let mut rows: Vec<[u32; 3]> = Vec::new();
        for (chunk, number) in tables.chunks.iter().zip(1..) {
            let like = |row: &[u32; 3]| row[1] == chunk.samples && row[2] == chunk.description;
            if !rows.last().is_some_and(like) {
                rows.push([number, chunk.samples, chunk.description]);
            }
        }
        words(out, [0, number(rows.len())]);
        words(out, rows.into_iter().flatten());
        Ok(())
    })?;
    // 8.7.3
    boxed(out, b"stsz", |out| {
        words(out, [0, 0, number(tables.sizes.len())]);
        words(out, tables.sizes.iter().copied());
        Ok(())
    })?;
    // 8.7.5
    boxed(out, b"co64", |out| {
        words(out, [0, number(tables.chunks.len())]);
        for chunk in &tables.chunks {
            out.extend(chunk.at.saturating_add(begin).to_be_bytes());
        }
        Ok(())
    })
}
