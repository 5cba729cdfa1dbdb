//! Reads the tables of a fragmented file (ISO/IEC 14496-12, 8.8).

use std::io::{Read, Result, Seek, SeekFrom};

use super::samples::{Chunk, Sample, Span, Tables};
use crate::recording::fmp4::{Head, bad, body, boxes, head, inside, times, u32_at, u64_at};

/// What a torn end may leave at most: one part of MediaMTX's. More is damage in the middle, which is not cut away.
const TORN: u64 = 64 << 20;

/// `sample_is_non_sync_sample` (8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// What `trex` or `tfhd` say of samples that say nothing themselves (8.8.3, 8.8.7).
#[derive(Debug, Clone, Copy, Default)]
struct Defaults {
    description: u32,
    duration: u32,
    size: u32,
    flags: u32,
}

/// One track.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub id: u32,
    /// Ticks per second.
    pub scale: u32,
    /// The body of its `trak`.
    pub trak: Vec<u8>,
    pub tables: Tables,
    defaults: Defaults,
}

/// All of a file.
#[derive(Debug, Clone)]
pub(super) struct Movie {
    /// The body of its `moov`.
    pub moov: Vec<u8>,
    pub tracks: Vec<Track>,
    /// Where the samples lie now.
    pub spans: Vec<Span>,
    /// Bytes of all spans.
    pub bytes: u64,
    /// Bytes of the file.
    pub length: u64,
}

/// Reads a file; `None`: it has no fragments.
pub(super) fn movie(file: &mut (impl Read + Seek)) -> Result<Option<Movie>> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut found: Option<Movie> = None;
    let mut pending: Option<(Vec<u8>, u64)> = None;
    let (mut at, mut whole, mut fragmented) = (0, 0, false);
    while let Some(next) = head(file, at, length)? {
        match &next.kind {
            b"moov" if found.is_none() => {
                let moov = body(file, next)?;
                if inside(&moov, b"mvex").is_none() {
                    return Ok(None);
                }
                found = Some(begun(moov).ok_or_else(|| bad("its moov box is damaged"))??);
                whole = next.end;
            }
            b"moof" => {
                fragmented = true;
                pending = Some((body(file, next)?, at));
            }
            b"mdat" => {
                let movie = found.as_mut().ok_or_else(|| bad("it has no moov box"))?;
                if let Some((moof, from)) = pending.take() {
                    movie.fragment(&moof, from, next)?;
                }
                whole = next.end;
            }
            _ => {}
        }
        at = next.end;
    }
    let mut movie = found.ok_or_else(|| bad("it has no moov box"))?;
    movie.length = length;
    let closed = inside(&movie.moov, b"mvhd")
        .and_then(times)
        .is_some_and(|(_, ticks)| ticks != 0);
    // A closed file may end in an index (mfra) behind its last fragment: `at` counts that, `whole` does not.
    let read = if closed { at.max(whole) } else { whole };
    if length - read > if closed { 0 } else { TORN } {
        return Err(bad("it is damaged in the middle"));
    }
    if !fragmented || movie.tracks.iter().all(|t| t.tables.sizes.is_empty()) {
        return Err(bad("it holds no sample"));
    }
    Ok(Some(movie))
}

/// A movie without its fragments; `None`: the `moov` is damaged.
fn begun(moov: Vec<u8>) -> Option<Result<Movie>> {
    let mut tracks: Vec<Track> = Vec::new();
    for (_, trak) in boxes(&moov).filter(|(kind, _)| kind == b"trak") {
        if inside(trak, b"edts").is_some() {
            return Some(Err(bad("it has an edit list, which is not carried over")));
        }
        let tkhd = inside(trak, b"tkhd")?;
        let id = u32_at(tkhd, if tkhd.first()? == &0 { 12 } else { 20 })?;
        let mdia = inside(trak, b"mdia")?;
        let (scale, _) = times(inside(mdia, b"mdhd")?)?;
        // What its samples are (8.5.2); the tables will stand beside it.
        inside(inside(inside(mdia, b"minf")?, b"stbl")?, b"stsd")?;
        if scale == 0 || tracks.iter().any(|t| t.id == id) {
            return None;
        }
        tracks.push(Track {
            id,
            scale,
            trak: trak.to_vec(),
            tables: Tables::default(),
            defaults: Defaults::default(),
        });
    }
    for (_, trex) in boxes(inside(&moov, b"mvex")?).filter(|(kind, _)| kind == b"trex") {
        let id = u32_at(trex, 4)?;
        for track in tracks.iter_mut().filter(|t| t.id == id) {
            track.defaults = Defaults {
                description: u32_at(trex, 8)?,
                duration: u32_at(trex, 12)?,
                size: u32_at(trex, 16)?,
                flags: u32_at(trex, 20)?,
            };
        }
    }
    Some(Ok(Movie {
        moov,
        tracks,
        spans: Vec::new(),
        bytes: 0,
        length: 0,
    }))
}

/// Reads numbers one after the other.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn u32(&mut self) -> Option<u32> {
        let value = u32_at(self.bytes, self.at)?;
        self.at += 4;
        Some(value)
    }

    fn u64(&mut self) -> Option<u64> {
        let value = u64_at(self.bytes, self.at)?;
        self.at += 8;
        Some(value)
    }
}

impl Movie {
    /// Takes a whole fragment: the body of the `moof` that stands at `from`, and the `mdat` behind it.
    fn fragment(&mut self, moof: &[u8], from: u64, mdat: Head) -> Result<()> {
        let damaged = || bad("one of its fragments is damaged");
        // Where the samples of a traf without a base begin: behind those of the one before it (8.8.7.1).
        let mut behind = from;
        for (_, traf) in boxes(moof).filter(|(kind, _)| kind == b"traf") {
            let tfhd = inside(traf, b"tfhd").ok_or_else(damaged)?;
            let (id, base, defaults) = self.track_head(tfhd, from, behind).ok_or_else(damaged)?;
            let Some(index) = self.tracks.iter().position(|t| t.id == id) else {
                return Err(bad("one of its fragments is of a track it does not have"));
            };
            let truns = || boxes(traf).filter(|(kind, _)| kind == b"trun");
            if truns().next().is_none() {
                continue;
            }
            let mut time = inside(traf, b"tfdt")
                .and_then(|tfdt| match tfdt.first()? {
                    0 => u32_at(tfdt, 4).map(u64::from),
                    _ => u64_at(tfdt, 4),
                })
                .ok_or_else(damaged)?;
            let mut at = base;
            for (_, trun) in truns() {
                at = self.run(index, trun, (base, at), &mut time, defaults, mdat)?;
            }
            behind = at;
        }
        Ok(())
    }

    /// A `tfhd` (8.8.7): the track, where its data begins, and its defaults.
    fn track_head(&self, tfhd: &[u8], moof: u64, behind: u64) -> Option<(u32, u64, Defaults)> {
        let mut fields = Fields { bytes: tfhd, at: 0 };
        let (flags, id) = (fields.u32()?, fields.u32()?);
        let known = self.tracks.iter().find(|t| t.id == id);
        let mut defaults = known.map(|t| t.defaults).unwrap_or_default();
        let base = if flags & 0x1 != 0 {
            fields.u64()?
        } else if flags & 0x2_0000 != 0 {
            moof
        } else {
            behind
        };
        for (flag, field) in [
            (0x2, &mut defaults.description),
            (0x8, &mut defaults.duration),
            (0x10, &mut defaults.size),
            (0x20, &mut defaults.flags),
        ] {
            if flags & flag != 0 {
                *field = fields.u32()?;
            }
        }
        Some((id, base, defaults))
    }

    /// A `trun` (8.8.8), which is one chunk of the plain file; returns where its data ends.
    fn run(
        &mut self,
        index: usize,
        trun: &[u8],
        (base, behind): (u64, u64),
        time: &mut u64,
        defaults: Defaults,
        mdat: Head,
    ) -> Result<u64> {
        let damaged = || bad("one of its fragments is damaged");
        let track = self.tracks.get_mut(index).ok_or_else(damaged)?;
        let mut fields = Fields { bytes: trun, at: 0 };
        let flags = fields.u32().ok_or_else(damaged)?;
        let count = fields.u32().ok_or_else(damaged)?;
        let begin = if flags & 0x1 != 0 {
            let offset = fields.u32().ok_or_else(damaged)?;
            base.checked_add_signed(i64::from(offset.cast_signed()))
        } else {
            Some(behind)
        };
        let begin = begin.ok_or_else(damaged)?;
        let first_flags = if flags & 0x4 != 0 {
            Some(fields.u32().ok_or_else(damaged)?)
        } else {
            None
        };
        // Where neither a row nor a byte of data stands for a sample, any count could be told (8.8.8.1).
        if flags & 0xF00 == 0 && defaults.size == 0 && count > 0 {
            return Err(bad("one of its fragments has samples without a byte"));
        }
        let mut end = begin;
        for n in 0..count {
            let mut field = |flag: u32, otherwise: u32| match flags & flag {
                0 => Ok(otherwise),
                _ => fields.u32().ok_or_else(damaged),
            };
            let duration = field(0x100, defaults.duration)?;
            let size = field(0x200, defaults.size)?;
            let own = match first_flags {
                Some(first) if n == 0 => first,
                _ => defaults.flags,
            };
            let own = field(0x400, own)?;
            let shift = field(0x800, 0)?;
            let sample = Sample {
                duration,
                size,
                shift: match flags >> 24 {
                    0 => i64::from(shift),
                    _ => i64::from(shift.cast_signed()),
                },
                sync: own & NON_SYNC == 0,
            };
            end = end.checked_add(u64::from(size)).ok_or_else(damaged)?;
            // Checked as it grows, so that an absurd count ends here.
            if begin < mdat.body || end > mdat.end {
                return Err(bad("the samples of one of its fragments lie outside it"));
            }
            track.tables.push(*time, sample)?;
            *time = time.checked_add(u64::from(duration)).ok_or_else(damaged)?;
        }
        if count > 0 {
            track.tables.chunks.push(Chunk {
                at: self.bytes,
                samples: count,
                description: defaults.description,
            });
            let length = end - begin;
            self.bytes += length;
            match self.spans.last_mut() {
                Some(last) if last.at + last.length == begin => last.length += length,
                _ => self.spans.push(Span { at: begin, length }),
            }
        }
        Ok(end)
    }
}
