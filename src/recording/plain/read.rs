//! Reads the tables of a fragmented file (ISO/IEC 14496-12, 8.8).

use std::io::{Read, Result, Seek, SeekFrom};

use super::fragment::{Traits, samples_of};
use super::samples::{Chunk, Span, Tables};
use crate::recording::fmp4::{Head, bad, body, boxes, head, inside, times, u32_at};

/// What a torn end may leave at most: one part of MediaMTX's. More is damage in the middle, which is not cut away.
const TORN: u64 = 64 << 20;

/// One track.
#[derive(Debug, Clone)]
pub(in crate::recording) struct Track {
    /// Ticks per second.
    pub scale: u32,
    /// The body of its `trak`.
    pub trak: Vec<u8>,
    pub tables: Tables,
    /// What its fragments are read by.
    pub traits: Traits,
}

/// All of a file.
#[derive(Debug, Clone)]
pub(in crate::recording) struct Movie {
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
pub(in crate::recording) fn begun(moov: Vec<u8>) -> Option<Result<Movie>> {
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
        if scale == 0 || tracks.iter().any(|t| t.traits.id == id) {
            return None;
        }
        tracks.push(Track {
            scale,
            trak: trak.to_vec(),
            tables: Tables::default(),
            traits: Traits::of(id),
        });
    }
    for (_, trex) in boxes(inside(&moov, b"mvex")?).filter(|(kind, _)| kind == b"trex") {
        let traits = Traits::told(trex)?;
        for track in tracks.iter_mut().filter(|t| t.traits.id == traits.id) {
            track.traits = traits;
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

impl Movie {
    /// Takes a whole fragment: the body of the `moof` that stands at `from`, and the `mdat` behind it.
    fn fragment(&mut self, moof: &[u8], from: u64, mdat: Head) -> Result<()> {
        let traits: Vec<Traits> = self.tracks.iter().map(|t| t.traits).collect();
        samples_of(moof, from, mdat, &traits, &mut |found| {
            let track = self.tracks.get_mut(found.track);
            let track = track.ok_or_else(|| bad("one of its fragments is damaged"))?;
            track.tables.push(found.time, found.sample)?;
            // A `trun` is one chunk of the plain file.
            if found.begins_run {
                track.tables.chunks.push(Chunk {
                    at: self.bytes,
                    samples: 0,
                    description: found.description,
                });
            }
            if let Some(chunk) = track.tables.chunks.last_mut() {
                chunk.samples = chunk.samples.saturating_add(1);
            }
            let length = u64::from(found.sample.size);
            self.bytes = self.bytes.saturating_add(length);
            match self.spans.last_mut() {
                Some(last) if last.at + last.length == found.at => last.length += length,
                _ => self.spans.push(Span {
                    at: found.at,
                    length,
                }),
            }
            Ok(())
        })
    }
}
