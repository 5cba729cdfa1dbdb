//! Puts the samples of recordings one after the other.

use std::io::{ErrorKind, Read, Result, Seek};

use super::gather::{From, Gather};
use super::look::{Latest, first, reach};
use super::source::{Source, Track};
use super::{MOST_SAMPLES, Part, Piece, Plan, Refusal, Stretch, fragments, head, table};
use crate::clock::Wall;
use crate::recording::examine::Window;
use crate::recording::fmp4::bad;
use crate::recording::plain::fragment::{Found, Traits};
use crate::recording::plain::samples::{Chunk, Sample, Tables};
use crate::storage::names::Stem;

/// A second, in nanoseconds.
const SECOND: i128 = 1_000_000_000;
/// What a file notes of its beginning is more exact than what the file system tells. Where the two are further apart, a
/// clock was wrong or the file was copied, and what lists tell holds.
const NEAR: i128 = 5 * SECOND;
/// Recordings of one camera follow each other. By so much the beginning of one may seem to lie before the end of the
/// one before, where the file system tells it; what overlaps by more has the same pictures.
const BLUR: i128 = 2 * SECOND;
/// The same picture of two recordings may seem so far apart, at most.
const BLINK: i128 = SECOND / 20;
/// How far before the beginning its picture is looked for at first.
pub(super) const BACK: i128 = 2 * SECOND;
/// Samples of one chunk.
const CHUNK: u32 = 120;
/// Kinds of sample entries of one track.
const MOST_ENTRIES: usize = 16;

/// One track of the whole.
#[derive(Debug, Clone)]
pub(super) struct Out {
    handler: [u8; 4],
    pub scale: u32,
    pub trak: Vec<u8>,
    pub entries: Vec<Vec<u8>>,
    pub traits: Traits,
    pub tables: Tables,
}

impl Out {
    fn of(track: &Track) -> Self {
        Self {
            handler: track.handler,
            scale: track.scale,
            trak: track.trak.clone(),
            entries: Vec::new(),
            traits: track.traits,
            tables: Tables::default(),
        }
    }

    /// When its last sample ends.
    fn end(&self) -> u64 {
        let first = self.tables.first.unwrap_or_default();
        first.saturating_add(self.tables.duration())
    }
}

/// What became of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    /// Some or all of it is in the whole.
    Some,
    /// Nothing of it is.
    Nothing,
    /// There is a reason why there will be no whole; [`Joiner::finish`] tells it.
    Refused,
}

/// Takes recordings of one camera in the order of time.
#[derive(Debug)]
pub struct Joiner {
    stretch: Stretch,
    /// Of the first recording, with its `moov`.
    tracks: Vec<Out>,
    moov: Vec<u8>,
    /// The first picture; the whole counts from here.
    origin: Option<i128>,
    /// When the last picture ends.
    end: i128,
    parts: Vec<Part>,
    pieces: Vec<Piece>,
    /// Bytes of all samples, and how many they are.
    bytes: u64,
    count: usize,
    /// The last chunk: of which track, and where its next sample would have to lie.
    last: Option<(usize, usize, u64)>,
    /// The last part has no sound, and its file tells when it began.
    exact: bool,
    damaged: Vec<Stem>,
    refusal: Option<Refusal>,
    complete: bool,
}

fn nanos(at: Wall) -> i128 {
    i128::from(at.as_nanos())
}

fn wall(nanos: i128) -> Wall {
    Wall::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

/// Ticks of one clock in those of another.
fn scaled(ticks: u64, from: u32, to: u32) -> Option<u64> {
    if from == to {
        return Some(ticks);
    }
    u64::try_from(u128::from(ticks) * u128::from(to) / u128::from(from.max(1))).ok()
}

impl Joiner {
    /// Nothing yet.
    #[must_use]
    pub const fn new(stretch: Stretch) -> Self {
        Self {
            stretch,
            tracks: Vec::new(),
            moov: Vec::new(),
            origin: None,
            end: 0,
            parts: Vec::new(),
            pieces: Vec::new(),
            bytes: 0,
            count: 0,
            last: None,
            exact: false,
            damaged: Vec::new(),
            refusal: None,
            complete: false,
        }
    }

    /// Takes what of `file` lies in the stretch. `begun` is when its first picture was taken, as lists tell it. A file
    /// that grows is taken up to its last whole fragment; one that is damaged, up to the damage.
    ///
    /// # Errors
    /// What reading brings. That a file is damaged is none: see [`Plan::damaged`].
    pub fn take(
        &mut self,
        stem: &Stem,
        begun: Wall,
        file: &mut (impl Read + Seek),
    ) -> Result<Took> {
        if self.refusal.is_some() {
            return Ok(Took::Refused);
        }
        let parts = self.parts.len();
        let done = self.read(stem, begun, &mut Window::new(file));
        if self.refusal.is_some() {
            return Ok(Took::Refused);
        }
        if let Err(error) = done {
            match error.kind() {
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                    self.damaged.push(stem.clone());
                }
                _ => return Err(error),
            }
        }
        Ok(match self.parts.len() > parts {
            true => Took::Some,
            false => Took::Nothing,
        })
    }

    fn read(&mut self, stem: &Stem, told: Wall, file: &mut (impl Read + Seek)) -> Result<()> {
        let source = Source::open(file)?;
        let Some(lead) = source.tracks.get(source.lead) else {
            return Ok(());
        };
        let Some(first) = first(file, &source)? else {
            return Ok(());
        };
        let noted = source.noted.map(nanos);
        let told = nanos(told);
        let noted = noted.filter(|n| (n - told).abs() <= NEAR);
        let begun = noted.unwrap_or(told);
        // Sound has other places where it can begin.
        let alone = source.tracks.len() == 1 && self.tracks.len() <= 1;
        let exact = noted.is_some() && alone;
        let in_nanos =
            |ticks: u64, scale: u32| i128::from(ticks) * SECOND / i128::from(scale.max(1));
        let zero = begun - in_nanos(first, lead.scale);
        let scales: Vec<u32> = source.tracks.iter().map(|t| t.scale).collect();
        let time = |track: usize, ticks: u64| {
            let scale = scales.get(track).copied().unwrap_or(1);
            zero + in_nanos(ticks, scale)
        };
        let blur = if exact && self.exact { 4 * BLINK } else { BLUR };
        let from = match self.follows(begun, blur) {
            true => From::AtOrBefore(nanos(self.stretch.start)),
            false => From::After(self.end),
        };
        let until = nanos(self.stretch.end);
        if begun >= until {
            return Ok(());
        }
        let from = match from {
            From::After(end) if alone => From::After(self.cut(file, &source, zero, end)?),
            from => from,
        };
        let at = match (source.fragmented, from) {
            (true, From::AtOrBefore(from)) => reach(file, &source, zero, from)?,
            (true, From::After(from)) => {
                fragments::before(file, &source, ticks(zero, from - BACK, lead.scale))?
            }
            (false, _) => 0,
        };
        let mut emit = Emit::new(self, stem, &source);
        let mut gather = Gather::new(source.lead, from, until, &time, |found: Found| {
            emit.one(found, time(found.track, found.time))
        });
        let walked = match source.fragmented {
            true => fragments::walk(file, &source, at, &mut gather),
            false => table::walk(&source, &mut gather),
        };
        let finished = match gather.open {
            true => Ok(()),
            false => gather.finish(),
        };
        let over = gather.over;
        drop(gather);
        let taken = emit.part.is_some();
        if taken {
            self.exact = exact;
        }
        if over || taken {
            self.complete = over || (self.complete && !taken);
        }
        walked.and(finished)
    }

    /// Where to change to a recording that has some of the same pictures: at its last one before `end` that needs no other.
    /// What is there of the whole from then on is taken back, so that nothing is missing where the two meet.
    fn cut(
        &mut self,
        file: &mut (impl Read + Seek),
        source: &Source,
        zero: i128,
        end: i128,
    ) -> Result<i128> {
        let Some(lead) = source.tracks.get(source.lead) else {
            return Ok(end);
        };
        let scale = lead.scale;
        let mut latest = Latest {
            until: ticks(zero, end, scale),
            seen: None,
            over: false,
        };
        let mut back = BACK;
        while latest.seen.is_none() {
            latest.over = false;
            let from = ticks(zero, end - back, scale);
            match source.fragmented {
                true => {
                    let at = fragments::before(file, source, from)?;
                    fragments::walk(file, source, at, &mut latest)?;
                }
                false => table::walk(source, &mut latest)?,
            }
            if from == 0 || !source.fragmented {
                break;
            }
            back = back.saturating_mul(4);
        }
        let length = |ticks: u64| i128::from(ticks) * SECOND / i128::from(scale.max(1));
        // One that goes no further has nothing that is missed.
        let Some((seen, lasts)) = latest.seen.filter(|_| latest.over) else {
            return Ok(end);
        };
        let at = zero + length(seen);
        // The same picture of both may seem some milliseconds apart.
        let near = length(u64::from(lasts) / 2).min(BLINK);
        if self
            .parts
            .last()
            .is_none_or(|part| nanos(part.begin) + near >= at)
        {
            return Ok(end);
        }
        self.take_back(at - near);
        Ok(at)
    }

    /// Takes back all pictures from a moment on; there is one track.
    fn take_back(&mut self, from: i128) {
        let (Some(origin), [out]) = (self.origin, &mut self.tracks[..]) else {
            return;
        };
        let from = ticks(origin, from, out.scale);
        while out.tables.last().is_some_and(|(begins, _)| begins >= from)
            && let Some(size) = out.tables.pop()
        {
            self.bytes -= u64::from(size);
            self.count -= 1;
        }
        let bytes = self.bytes;
        while self.pieces.pop_if(|piece| piece.at >= bytes).is_some() {}
        self.last = None;
        self.end = origin + i128::from(out.end()) * SECOND / i128::from(out.scale.max(1));
        if let Some(part) = self.parts.last_mut() {
            part.end = wall(self.end);
        }
    }

    /// Whether a recording that begins then follows the last one, which it may seem to touch.
    fn follows(&self, begun: i128, blur: i128) -> bool {
        self.parts.last().is_none_or(|last| {
            let middle = i128::midpoint(nanos(last.begin), nanos(last.end));
            begun >= self.end || (begun + blur >= self.end && begun > middle)
        })
    }

    /// The whole.
    ///
    /// # Errors
    /// Why there is none.
    pub fn finish(self) -> std::result::Result<Plan, Refusal> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let begin = self.parts.first().ok_or(Refusal::Nothing)?.begin;
        // What it is made of has been read, so that nothing but too much of it is left.
        let head = head::written(&self.moov, &self.tracks, begin, self.bytes)
            .map_err(|_| Refusal::TooMany)?;
        Ok(Plan {
            head,
            pieces: self.pieces,
            samples: self.bytes,
            parts: self.parts,
            damaged: self.damaged,
            complete: self.complete,
        })
    }
}

/// A moment in ticks of a track whose zero is at `zero`.
pub(super) fn ticks(zero: i128, at: i128, scale: u32) -> u64 {
    let ticks = (at - zero).max(0).saturating_mul(i128::from(scale)) / SECOND;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// Takes the chosen samples of one recording.
struct Emit<'a> {
    joiner: &'a mut Joiner,
    source: &'a Source,
    stem: &'a Stem,
    /// Its place among the parts, once it has one.
    part: Option<usize>,
    /// Of each of its tracks: the track of the whole, and what its first sample's time became.
    ways: Vec<Option<Way>>,
}

#[derive(Debug, Clone)]
struct Way {
    to: usize,
    first: Option<(u64, u64)>,
    /// What its sample entries are called in the whole.
    entries: Vec<Option<u32>>,
}

impl<'a> Emit<'a> {
    fn new(joiner: &'a mut Joiner, stem: &'a Stem, source: &'a Source) -> Self {
        if joiner.parts.is_empty() {
            joiner.tracks = source.tracks.iter().map(Out::of).collect();
            joiner.moov.clone_from(&source.moov);
            joiner.origin = None;
        }
        let mut taken = vec![false; joiner.tracks.len()];
        let ways = source.tracks.iter().map(|track| {
            let mut same = joiner.tracks.iter().zip(&taken);
            let to = same.position(|(out, taken)| !taken && out.handler == track.handler)?;
            if let Some(taken) = taken.get_mut(to) {
                *taken = true;
            }
            Some(Way {
                to,
                first: None,
                entries: vec![None; track.entries.len()],
            })
        });
        Self {
            ways: ways.collect(),
            joiner,
            source,
            stem,
            part: None,
        }
    }

    fn one(&mut self, found: Found, at: i128) -> Result<()> {
        let damaged = || bad("its samples make no sense");
        let Some(Some(way)) = self.ways.get_mut(found.track) else {
            // A track that the first recording does not have.
            return Ok(());
        };
        let track = self.source.tracks.get(found.track).ok_or_else(damaged)?;
        let is_lead = found.track == self.source.lead;
        let joiner = &mut *self.joiner;
        if joiner.count >= MOST_SAMPLES {
            joiner.refusal = Some(Refusal::TooMany);
            return Err(damaged());
        }
        let description = described(joiner, way, track, found.description, at)?;
        let origin = *joiner.origin.get_or_insert(at);
        let out = joiner.tracks.get_mut(way.to).ok_or_else(damaged)?;
        let (from, to) = *way
            .first
            .get_or_insert_with(|| (found.time, ticks(origin, at, out.scale).max(out.end())));
        let since = |time: u64| scaled(time.checked_sub(from)?, track.scale, out.scale);
        let time = since(found.time).and_then(|t| t.checked_add(to));
        let next = found.time.checked_add(found.sample.duration.into());
        let next = next.and_then(since).and_then(|t| t.checked_add(to));
        let (time, next) = time.zip(next).ok_or_else(damaged)?;
        let shift = found.sample.shift.unsigned_abs();
        let shift = scaled(shift, track.scale, out.scale).and_then(|s| i64::try_from(s).ok());
        let sample = Sample {
            duration: u32::try_from(next - time).map_err(|_| damaged())?,
            size: found.sample.size,
            shift: shift.ok_or_else(damaged)? * found.sample.shift.signum(),
            sync: found.sample.sync,
        };
        out.tables.push(time, sample)?;
        let size = u64::from(found.sample.size);
        let part = *self.part.get_or_insert_with(|| {
            joiner.parts.push(Part {
                stem: self.stem.clone(),
                begin: wall(at),
                end: wall(at),
            });
            joiner.parts.len() - 1
        });
        let place = (way.to, part, found.at);
        match out.tables.chunks.last_mut() {
            Some(chunk)
                if joiner.last == Some(place)
                    && chunk.description == description
                    && chunk.samples < CHUNK =>
            {
                chunk.samples += 1;
            }
            _ => out.tables.chunks.push(Chunk {
                at: joiner.bytes,
                samples: 1,
                description,
            }),
        }
        let follows = joiner.pieces.last().is_some_and(|piece| {
            piece.part == part && piece.from + (joiner.bytes - piece.at) == found.at
        });
        if !follows && size > 0 {
            joiner.pieces.push(Piece {
                at: joiner.bytes,
                part,
                from: found.at,
            });
        }
        joiner.last = Some((way.to, part, found.at + size));
        joiner.bytes += size;
        joiner.count += 1;
        if is_lead {
            let lasts = i128::from(found.sample.duration) * SECOND / i128::from(track.scale.max(1));
            joiner.end = joiner.end.max(at + lasts);
            if let Some(part) = joiner.parts.last_mut() {
                part.end = wall(at + lasts);
            }
        }
        Ok(())
    }
}

/// What a sample entry is called in the whole, where it may be new.
fn described(
    joiner: &mut Joiner,
    way: &mut Way,
    track: &Track,
    description: u32,
    at: i128,
) -> Result<u32> {
    let damaged = || bad("its samples have no description");
    // Left out, it is the first (8.8.3.1).
    let index = usize::try_from(description.max(1) - 1).map_err(|_| damaged())?;
    let known = way.entries.get_mut(index).ok_or_else(damaged)?;
    if let Some(known) = known {
        return Ok(*known);
    }
    let entry = track.entries.get(index).ok_or_else(damaged)?;
    let out = joiner.tracks.get_mut(way.to).ok_or_else(damaged)?;
    let word = |entry: &[u8]| {
        let word = entry.get(4..8).unwrap_or_default();
        String::from_utf8_lossy(word).into_owned()
    };
    let place = match out.entries.iter().position(|e| e == entry) {
        Some(place) => place,
        None => {
            let before = out.entries.first().map(|e| word(e));
            if let Some(from) = before.filter(|from| *from != word(entry)) {
                joiner.refusal = Some(Refusal::Changed {
                    at: wall(at),
                    from,
                    to: word(entry),
                });
                return Err(damaged());
            }
            if out.entries.len() >= MOST_ENTRIES {
                joiner.refusal = Some(Refusal::TooMany);
                return Err(damaged());
            }
            out.entries.push(entry.clone());
            out.entries.len() - 1
        }
    };
    let number = u32::try_from(place + 1).map_err(|_| damaged())?;
    *known = Some(number);
    Ok(number)
}
