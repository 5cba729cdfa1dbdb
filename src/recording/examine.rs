//! What a recording's file tells of itself: codec, picture size, holes, and how far it is whole (ISO/IEC 14496-12,
//! 14496-15).
//!
//! Read are the heads of boxes, the `moov`, and of each fragment its `moof`: no picture. A damaged length ends the
//! reading, never the process; what came before it counts.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::time::Duration;

use super::fmp4::{self, Told, bad, body, boxes, head, inside, times, u32_at, u64_at};
use crate::clock::Wall;
use crate::units::Size;

/// Boxes looked at in one file: a day of parts of 0.3 s has 576,000.
const MOST_BOXES: u32 = 1_000_000;
/// Holes that are told of one file, the first ones.
pub const MOST_GAPS: usize = 100;
/// Bytes read ahead: as many as the `moof` of a usual part and the head behind it.
const WINDOW: usize = 2048;

/// A stretch of a recording without a picture: longer than a second, and than three pictures take otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Where the last picture before it stands, from the beginning.
    pub at: Duration,
    /// Until the next picture.
    pub length: Duration,
}

/// What a file tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// How long it plays.
    pub duration: Duration,
    /// Of its pictures, as RFC 6381 names it (`avc1.64001f`), or the sample entry alone (`hvc1`).
    pub codec: Option<String>,
    /// Of its pictures.
    pub size: Option<Size>,
    /// Holes, [`MOST_GAPS`] at most.
    pub gaps: Vec<Gap>,
    /// Its writer closed it.
    pub closed: bool,
    /// It ends in the middle of a box.
    pub torn: bool,
    /// There is nothing in it that plays.
    pub unplayable: bool,
    /// Bytes from the beginning to the end of the last whole fragment, or of the last whole box of a plain file.
    pub whole: u64,
    /// When its first picture was taken, as its writer was told.
    pub begun: Option<Wall>,
}

impl Facts {
    /// Of a file that cannot be read as a recording.
    #[must_use]
    pub fn unplayable() -> Self {
        Self {
            unplayable: true,
            ..Self::default()
        }
    }
}

/// Examines a file.
///
/// # Errors
/// What reading brings. A file that is no recording is none: it is [`Facts::unplayable`].
pub fn examine(file: &mut (impl Read + Seek)) -> io::Result<Facts> {
    match all_of(&mut Window::new(file)) {
        Err(e) if matches!(e.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            Ok(Facts::unplayable())
        }
        other => other,
    }
}

/// What the head alone tells, for a file that is still written: codec and size. How long it plays, and how far it is
/// whole, is in `told`.
#[must_use]
pub fn describe(file: &mut (impl Read + Seek), told: Told) -> Facts {
    let movie = find_movie(&mut Window::new(file)).ok();
    let track = movie.and_then(|(_, moov)| video(&moov));
    Facts {
        duration: told.duration,
        closed: told.closed,
        whole: told.whole,
        begun: told.begun,
        codec: track.as_ref().and_then(|t| t.codec.clone()),
        size: track.and_then(|t| t.size),
        ..Facts::default()
    }
}

fn all_of(file: &mut (impl Read + Seek)) -> io::Result<Facts> {
    let (end, moov) = find_movie(file)?;
    let length = file.seek(SeekFrom::End(0))?;
    let told = fmp4::read(file)?;
    let track = video(&moov).ok_or_else(|| bad("it has no track"))?;
    let fragmented = inside(&moov, b"mvex").is_some();
    let mut holes = Holes::new(track.scale);
    if !fragmented {
        track.table(&moov, &mut holes);
    }
    let whole = walk(file, end, length, |moof| track.fragment(moof, &mut holes))?;
    let torn = whole < length;
    let duration = match fragmented && torn && told.closed {
        // Its head tells what it was before it was cut.
        true => holes.span(),
        false => told.duration,
    };
    Ok(Facts {
        unplayable: duration.is_zero(),
        duration,
        gaps: holes.gaps(),
        closed: told.closed,
        torn,
        whole,
        begun: told.begun,
        codec: track.codec,
        size: track.size,
    })
}

/// Where the `moov` ends, and its body.
fn find_movie(file: &mut (impl Read + Seek)) -> io::Result<(u64, Vec<u8>)> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut at = 0;
    for _ in 0..MOST_BOXES {
        let head = head(file, at, length)?.ok_or_else(|| bad("it has no moov box"))?;
        match &head.kind {
            b"moov" => return Ok((head.end, body(file, head)?)),
            b"moof" => return Err(bad("it begins in the middle")),
            _ => at = head.end,
        }
    }
    Err(bad("it has too many boxes"))
}

/// Looks at every box from `at` on; gives the end of the last one that is whole, and with its samples. `fragment` is
/// shown each `moof` whose samples are there, and tells whether it makes sense.
fn walk(
    file: &mut (impl Read + Seek),
    mut at: u64,
    length: u64,
    mut fragment: impl FnMut(&[u8]) -> Option<()>,
) -> io::Result<u64> {
    let mut whole = at;
    let mut pending: Option<Vec<u8>> = None;
    for _ in 0..MOST_BOXES {
        let Some(head) = head(file, at, length)? else {
            break;
        };
        at = head.end;
        match &head.kind {
            b"moof" => {
                let Ok(moof) = body(file, head) else { break };
                pending = Some(moof);
            }
            b"mdat" => {
                if let Some(moof) = pending.take()
                    && fragment(&moof).is_none()
                {
                    break;
                }
                whole = head.end;
            }
            _ if pending.is_none() => whole = head.end,
            _ => {}
        }
    }
    Ok(whole)
}

/// The track with the pictures.
struct Track {
    id: u32,
    scale: u32,
    /// How long a sample lasts that does not say so.
    default: u32,
    codec: Option<String>,
    size: Option<Size>,
}

/// The first track of pictures; where none says that it is one, the first track.
fn video(moov: &[u8]) -> Option<Track> {
    let traks = || boxes(moov).filter(|(kind, _)| kind == b"trak");
    let shows = |trak: &[u8]| {
        let handler = inside(trak, b"mdia").and_then(|mdia| inside(mdia, b"hdlr"));
        handler.and_then(|h| h.get(8..12)) == Some(b"vide")
    };
    let (_, trak) = traks()
        .find(|(_, trak)| shows(trak))
        .or_else(|| traks().next())?;
    let tkhd = inside(trak, b"tkhd")?;
    let id = u32_at(tkhd, if tkhd.first()? == &0 { 12 } else { 20 })?;
    let (scale, _) = times(inside(inside(trak, b"mdia")?, b"mdhd")?)?;
    let trex = boxes(inside(moov, b"mvex").unwrap_or_default())
        .find(|(kind, trex)| kind == b"trex" && u32_at(trex, 4) == Some(id));
    let entry = tables(trak).and_then(|stbl| boxes(inside(stbl, b"stsd")?.get(8..)?).next());
    Some(Track {
        id,
        scale: (scale > 0).then_some(scale)?,
        default: trex.and_then(|(_, t)| u32_at(t, 12)).unwrap_or(0),
        codec: entry.map(|(kind, entry)| codec(kind, entry)),
        size: entry.and_then(|(_, entry)| picture(entry)),
    })
}

fn tables(trak: &[u8]) -> Option<&[u8]> {
    inside(inside(inside(trak, b"mdia")?, b"minf")?, b"stbl")
}

/// Width and height of a VisualSampleEntry (12.1.3).
fn picture(entry: &[u8]) -> Option<Size> {
    let number = |at: usize| {
        let two: [u8; 2] = entry.get(at..at + 2)?.try_into().ok()?;
        Some(u32::from(u16::from_be_bytes(two)))
    };
    let (width, height) = (number(24)?, number(26)?);
    (width > 0 && height > 0).then(|| Size::new(width, height))
}

fn codec(kind: [u8; 4], entry: &[u8]) -> String {
    let plain = |byte: &u8| {
        let shown = char::from(*byte);
        if shown.is_ascii_graphic() { shown } else { '?' }
    };
    let name: String = kind.iter().map(plain).collect();
    // RFC 6381, 3.3: profile, constraints and level, as they stand in the AVCDecoderConfigurationRecord.
    let record = entry.get(78..).and_then(|inner| inside(inner, b"avcC"));
    match record.and_then(|r| r.get(1..4)) {
        Some([profile, constraints, level]) if name.starts_with("avc") => {
            format!("{name}.{profile:02x}{constraints:02x}{level:02x}")
        }
        _ => name,
    }
}

impl Track {
    /// A plain file's pictures: its `stts` (8.6.1.2).
    fn table(&self, moov: &[u8], holes: &mut Holes) {
        let trak = boxes(moov).find(|(kind, trak)| {
            let id = || {
                let tkhd = inside(trak, b"tkhd")?;
                u32_at(tkhd, if tkhd.first()? == &0 { 12 } else { 20 })
            };
            kind == b"trak" && id() == Some(self.id)
        });
        let stts = trak
            .and_then(|(_, trak)| tables(trak))
            .and_then(|stbl| inside(stbl, b"stts"));
        let rows = stts.and_then(|stts| stts.get(8..)).unwrap_or_default();
        let mut at = 0;
        for row in rows.chunks_exact(8) {
            let (Some(count), Some(lasts)) = (u32_at(row, 0), u32_at(row, 4)) else {
                return;
            };
            at = holes.run(at, count, lasts);
        }
    }

    /// The pictures of one fragment; `None` where it makes no sense.
    fn fragment(&self, moof: &[u8], holes: &mut Holes) -> Option<()> {
        for (_, traf) in boxes(moof).filter(|(kind, _)| kind == b"traf") {
            let tfhd = inside(traf, b"tfhd")?;
            let (flags, id) = (u32_at(tfhd, 0)?, u32_at(tfhd, 4)?);
            if id != self.id {
                continue;
            }
            // 8.8.7: base data offset, description index, then the default duration.
            let place = 8 + if flags & 1 != 0 { 8 } else { 0 } + if flags & 2 != 0 { 4 } else { 0 };
            let default = match flags & 8 {
                0 => self.default,
                _ => u32_at(tfhd, place)?,
            };
            let tfdt = inside(traf, b"tfdt")?;
            let mut at = match tfdt.first()? {
                0 => u64::from(u32_at(tfdt, 4)?),
                _ => u64_at(tfdt, 4)?,
            };
            holes.resume(at);
            for (_, trun) in boxes(traf).filter(|(kind, _)| kind == b"trun") {
                at = run(trun, default, at, holes)?;
            }
        }
        Some(())
    }
}

/// The samples of one `trun` (8.8.8); gives when the next one begins.
fn run(trun: &[u8], default: u32, mut at: u64, holes: &mut Holes) -> Option<u64> {
    let (flags, count) = (u32_at(trun, 0)?, u32_at(trun, 4)?);
    if flags & 0x100 == 0 {
        return Some(holes.run(at, count, default));
    }
    let head = 8 + if flags & 1 != 0 { 4 } else { 0 } + if flags & 4 != 0 { 4 } else { 0 };
    let fields = [0x100, 0x200, 0x400, 0x800];
    let fields = fields.iter().filter(|f| flags & **f != 0).count();
    let rows = trun.get(head..)?.chunks_exact(4 * fields);
    let count = usize::try_from(count).ok().filter(|c| *c <= rows.len())?;
    for row in rows.take(count) {
        at = holes.run(at, 1, u32_at(row, 0)?);
    }
    Some(at)
}

/// Looks for holes in pictures that come one after the other. A writer that had no picture for a while made the one
/// before last so long, or let the next fragment begin later.
struct Holes {
    /// Ticks of a second.
    scale: u32,
    first: Option<u64>,
    /// When the next picture is due.
    next: u64,
    /// Pictures that last no longer than a second, and their ticks together.
    usual: (u64, u64),
    /// Those that last longer, likewise.
    long: (u64, u64),
    /// The first of those, and of the leaps between fragments.
    found: Vec<(u64, u64)>,
}

impl Holes {
    const fn new(scale: u32) -> Self {
        Self {
            scale,
            first: None,
            next: 0,
            usual: (0, 0),
            long: (0, 0),
            found: Vec::new(),
        }
    }

    /// A fragment begins.
    fn resume(&mut self, at: u64) {
        let late = at.saturating_sub(self.next);
        if self.first.is_some() && late > u64::from(self.scale) {
            self.note(self.next, late);
        }
        self.first.get_or_insert(at);
    }

    /// Pictures that last equally long; gives when the next is due.
    fn run(&mut self, at: u64, count: u32, lasts: u32) -> u64 {
        self.first.get_or_insert(at);
        let all = u64::from(count) * u64::from(lasts);
        let end = at.saturating_add(all);
        let sum = match lasts > self.scale {
            true => &mut self.long,
            false => &mut self.usual,
        };
        *sum = (
            sum.0.saturating_add(count.into()),
            sum.1.saturating_add(all),
        );
        if lasts > self.scale {
            let room = MOST_GAPS.saturating_sub(self.found.len());
            for number in (0..u64::from(count)).take(room) {
                self.note(
                    at.saturating_add(number * u64::from(lasts)),
                    u64::from(lasts),
                );
            }
        }
        self.next = self.next.max(end);
        end
    }

    fn note(&mut self, at: u64, length: u64) {
        if self.found.len() < MOST_GAPS {
            self.found.push((at, length));
        }
    }

    fn time(&self, ticks: u64) -> Duration {
        let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(self.scale.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// From the first picture to the end of the last.
    fn span(&self) -> Duration {
        self.time(self.next.saturating_sub(self.first.unwrap_or(self.next)))
    }

    /// The holes: of a camera with a picture every five seconds, five seconds are none.
    fn gaps(&self) -> Vec<Gap> {
        let (count, ticks) = match self.usual.0 {
            0 => self.long,
            _ => self.usual,
        };
        let usual = ticks.checked_div(count).unwrap_or(0);
        let first = self.first.unwrap_or(0);
        let is_hole = |found: &&(u64, u64)| found.1 > usual.saturating_mul(3);
        let gap = |(at, length): &(u64, u64)| Gap {
            at: self.time(at.saturating_sub(first)),
            length: self.time(*length),
        };
        self.found.iter().filter(is_hole).map(gap).collect()
    }
}

/// Reads a little ahead, so that a fragment costs one call to the system and not six. A seek costs none.
pub(super) struct Window<'a, F> {
    file: &'a mut F,
    length: Option<u64>,
    at: u64,
    /// What was read, and where it begins.
    held: (u64, Vec<u8>),
}

impl<'a, F> Window<'a, F> {
    pub(super) const fn new(file: &'a mut F) -> Self {
        Self {
            file,
            length: None,
            at: 0,
            held: (0, Vec::new()),
        }
    }
}

impl<F: Read + Seek> Read for Window<'_, F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let inside = |held: &(u64, Vec<u8>), at: u64| {
            let skipped = usize::try_from(at.checked_sub(held.0)?).ok()?;
            (skipped < held.1.len()).then_some(skipped)
        };
        if inside(&self.held, self.at).is_none() {
            self.file.seek(SeekFrom::Start(self.at))?;
            let mut bytes = std::mem::take(&mut self.held.1);
            bytes.resize(WINDOW.max(out.len().min(1 << 16)), 0);
            let read = self.file.read(&mut bytes)?;
            bytes.truncate(read);
            self.held = (self.at, bytes);
        }
        let from = inside(&self.held, self.at).unwrap_or(self.held.1.len());
        let there = &self.held.1[from..];
        let count = there.len().min(out.len());
        out[..count].copy_from_slice(&there[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl<F: Read + Seek> Seek for Window<'_, F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match (to, self.length) {
            (SeekFrom::Start(at), _) => at,
            (SeekFrom::End(0), Some(length)) => length,
            (SeekFrom::Current(by), _) => self
                .at
                .checked_add_signed(by)
                .ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?,
            (to @ SeekFrom::End(by), _) => {
                let at = self.file.seek(to)?;
                if by == 0 {
                    self.length = Some(at);
                }
                at
            }
        };
        Ok(self.at)
    }
}

#[cfg(test)]
pub(crate) mod tests;
