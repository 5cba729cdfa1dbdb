//! The samples of a plain recording, by its tables (ISO/IEC 14496-12, 8.6.1, 8.6.2, 8.7).

use std::io::Result;

use super::gather::Sink;
use super::source::{Source, Track};
use crate::recording::fmp4::{bad, inside, u32_at, u64_at};
use crate::recording::plain::fragment::Found;
use crate::recording::plain::samples::Sample;

/// Runs of equal values, read one value at a time (8.6.1).
struct Runs<'a> {
    rows: std::slice::ChunksExact<'a, u8>,
    left: u32,
    value: u32,
}

impl<'a> Runs<'a> {
    fn of(table: Option<&'a [u8]>) -> Self {
        let rows = table.and_then(|table| table.get(8..)).unwrap_or_default();
        Self {
            rows: rows.chunks_exact(8),
            left: 0,
            value: 0,
        }
    }

    fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            let row = self.rows.next()?;
            (self.left, self.value) = (u32_at(row, 0)?, u32_at(row, 4)?);
        }
        self.left -= 1;
        Some(self.value)
    }
}

/// The tables of one track, read from the beginning to the end.
struct Reader<'a> {
    durations: Runs<'a>,
    shifts: Option<Runs<'a>>,
    signed: bool,
    /// Numbers of sync samples; `None`: all are.
    syncs: Option<std::slice::ChunksExact<'a, u8>>,
    /// The next of them.
    sync: Option<u32>,
    /// Of all samples; 0: see `sizes`.
    size: u32,
    sizes: &'a [u8],
    count: u32,
    /// Samples read.
    done: u32,
    time: u64,
    chunks: std::slice::ChunksExact<'a, u8>,
    wide: bool,
    /// First chunk, samples in each, description: the row that holds, and those behind it.
    row: (u32, u32),
    rows: std::iter::Peekable<std::slice::ChunksExact<'a, u8>>,
    chunk: u32,
}

impl<'a> Reader<'a> {
    fn of(track: &'a Track) -> Option<Self> {
        let stbl = inside(inside(inside(&track.trak, b"mdia")?, b"minf")?, b"stbl")?;
        let stsz = inside(stbl, b"stsz")?;
        let (offsets, wide) = match inside(stbl, b"co64") {
            Some(co64) => (co64, true),
            None => (inside(stbl, b"stco")?, false),
        };
        let ctts = inside(stbl, b"ctts");
        let mut syncs =
            inside(stbl, b"stss").map(|stss| stss.get(8..).unwrap_or_default().chunks_exact(4));
        let sync = syncs.as_mut().and_then(|s| s.next());
        Some(Self {
            durations: Runs::of(inside(stbl, b"stts")),
            shifts: ctts.map(|ctts| Runs::of(Some(ctts))),
            signed: ctts.and_then(|ctts| ctts.first()).is_some_and(|v| *v != 0),
            sync: sync.and_then(|row| u32_at(row, 0)),
            syncs,
            size: u32_at(stsz, 4)?,
            sizes: stsz.get(12..)?,
            count: u32_at(stsz, 8)?,
            done: 0,
            time: track.late,
            chunks: offsets.get(8..)?.chunks_exact(if wide { 8 } else { 4 }),
            wide,
            row: (0, 0),
            rows: inside(stbl, b"stsc")?.get(8..)?.chunks_exact(12).peekable(),
            chunk: 0,
        })
    }

    /// Where the next chunk begins.
    fn chunk(&mut self) -> Option<u64> {
        let at = self.chunks.next()?;
        self.chunk = self.chunk.checked_add(1)?;
        let number = self.chunk;
        while let Some(row) = self
            .rows
            .next_if(|row| u32_at(row, 0).is_some_and(|first| first <= number))
        {
            self.row = (u32_at(row, 4)?, u32_at(row, 8)?);
        }
        if self.wide {
            u64_at(at, 0)
        } else {
            u32_at(at, 0).map(u64::from)
        }
    }

    /// The next sample; `None`: the tables do not go on.
    fn sample(&mut self) -> Option<(u64, Sample)> {
        let number = self.done;
        if number >= self.count {
            return None;
        }
        let size = match self.size {
            0 => u32_at(self.sizes, usize::try_from(number).ok()?.checked_mul(4)?)?,
            size => size,
        };
        let duration = self.durations.next()?;
        let shift = match &mut self.shifts {
            None => 0,
            Some(shifts) => shifts.next()?,
        };
        self.done += 1;
        let sync = match &mut self.syncs {
            None => true,
            Some(syncs) => {
                let is = self.sync == Some(self.done);
                if is {
                    self.sync = syncs.next().and_then(|row| u32_at(row, 0));
                }
                is
            }
        };
        let time = self.time;
        self.time = time.checked_add(u64::from(duration))?;
        let shift = if self.signed {
            i64::from(shift.cast_signed())
        } else {
            i64::from(shift)
        };
        let sample = Sample {
            duration,
            size,
            shift,
            sync,
        };
        Some((time, sample))
    }
}

/// Shows all samples in the order of their bytes, until `sink` has enough.
pub(super) fn walk(source: &Source, sink: &mut impl Sink) -> Result<()> {
    let damaged = || bad("its tables are damaged");
    let readers = source.tracks.iter().map(Reader::of);
    let mut readers: Vec<Reader<'_>> = readers.collect::<Option<_>>().ok_or_else(damaged)?;
    // Of each track, where its next chunk begins.
    let mut next: Vec<Option<u64>> = readers.iter_mut().map(Reader::chunk).collect();
    loop {
        let first = next.iter().enumerate();
        let first = first.filter_map(|(track, at)| Some((*at.as_ref()?, track)));
        let Some((mut at, track)) = first.min() else {
            return Ok(());
        };
        let reader = readers.get_mut(track).ok_or_else(damaged)?;
        let (samples, description) = reader.row;
        for n in 0..samples {
            // More are told than there are: the last chunk's row, too, holds for it alone.
            let Some((time, sample)) = reader.sample() else {
                break;
            };
            let end = at.checked_add(u64::from(sample.size));
            let end = end
                .filter(|end| *end <= source.length)
                .ok_or_else(damaged)?;
            sink.show(Found {
                track,
                time,
                sample,
                at,
                description,
                begins_run: n == 0,
            })?;
            at = end;
        }
        if sink.has_enough() {
            return Ok(());
        }
        let follows = match reader.done >= reader.count {
            true => None,
            false => reader.chunk(),
        };
        if let Some(place) = next.get_mut(track) {
            *place = follows;
        }
    }
}
