//! How long an fMP4 file plays, read from the file itself (ISO/IEC 14496-12).
//!
//! A finished file says so in `moov/mvhd`. One that is still written, or that a power cut tore, has a zero there:
//! then the fragments tell. Only boxes' heads are read, and of a `moof` no more than `LARGEST`; a damaged length
//! ends the reading, never the process.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::time::Duration;

use crate::clock::Wall;

/// A `moov` or `moof` that claims more is damaged: 24 h at 240 pictures per second in one fragment would fit.
const LARGEST: u64 = 16 << 20;

/// What a file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// How long it plays.
    pub duration: Duration,
    /// Its writer closed it: the duration stands in its head.
    pub closed: bool,
    /// Bytes from the beginning to the end of the last whole fragment.
    pub whole: u64,
    /// When its first picture was taken, as its writer was told: MediaMTX's own box (`moov/udta/mtxi`), nanoseconds.
    pub begun: Option<Wall>,
}

/// A box's head.
#[derive(Clone, Copy)]
pub(in crate::recording) struct Head {
    /// Its type.
    pub kind: [u8; 4],
    /// Where its body begins.
    pub body: u64,
    /// Where it ends.
    pub end: u64,
}

/// One track: its time scale and, where its samples leave theirs out, their duration.
#[derive(Debug, Clone, Copy, Default)]
struct Track {
    id: u32,
    scale: u32,
    default: u32,
}

/// How far a growing file has been read, so that the next reading begins there. Of one file only.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    tracks: Vec<Track>,
    first: Option<Duration>,
    last: Duration,
    /// Where the last whole fragment ends; 0: nothing was read.
    whole: u64,
}

/// Reads a file from its beginning.
///
/// # Errors
/// `InvalidData` when it is no MP4 with a `moov`; whatever reading it brings.
pub fn read(file: &mut (impl Read + Seek)) -> io::Result<Told> {
    read_on(file, &mut Memory::default())
}

/// Reads a file whose beginning may have been read before.
///
/// # Errors
/// As [`read`].
pub fn read_on(file: &mut (impl Read + Seek), memory: &mut Memory) -> io::Result<Told> {
    let length = file.seek(SeekFrom::End(0))?;
    // The head is written anew when the file is closed, so it is read every time.
    let mut at = 0;
    let (head_end, begun) = loop {
        let head = head(file, at, length)?.ok_or_else(|| bad("it has no moov box"))?;
        if &head.kind == b"moov" {
            let body = body(file, head)?;
            let (duration, tracks) = moov(&body).ok_or_else(|| bad("its moov box is damaged"))?;
            let begun = begun(&body);
            if !duration.is_zero() {
                return Ok(Told {
                    duration,
                    closed: true,
                    whole: length,
                    begun,
                });
            }
            memory.tracks = tracks;
            break (head.end, begun);
        }
        if &head.kind == b"moof" {
            return Err(bad("it begins in the middle"));
        }
        at = head.end;
    };
    memory.whole = memory.whole.max(head_end);
    fragments(file, memory, length)?;
    Ok(Told {
        duration: memory.last.saturating_sub(memory.first.unwrap_or_default()),
        closed: false,
        whole: memory.whole,
        begun,
    })
}

/// Reads fragments from where the memory ends to the last whole one.
fn fragments(file: &mut (impl Read + Seek), memory: &mut Memory, length: u64) -> io::Result<()> {
    let mut pending = None;
    let mut at = memory.whole;
    while let Some(head) = head(file, at, length)? {
        match &head.kind {
            b"moof" => {
                // Torn or damaged: what came before is good.
                let Some(span) = body(file, head).ok().and_then(|b| moof(&b, &memory.tracks))
                else {
                    break;
                };
                pending = Some(span);
            }
            // The samples of the fragment before it.
            b"mdat" => {
                if let Some((begin, end)) = pending.take() {
                    memory.first = Some(memory.first.map_or(begin, |first| first.min(begin)));
                    memory.last = memory.last.max(end);
                }
                memory.whole = head.end;
            }
            _ => {}
        }
        at = head.end;
    }
    Ok(())
}

pub(in crate::recording) fn bad(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// The box at `at`; `None` at the end of the file, or when it is not whole.
pub(in crate::recording) fn head(
    file: &mut (impl Read + Seek),
    at: u64,
    length: u64,
) -> io::Result<Option<Head>> {
    if length.saturating_sub(at) < 8 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    let mut first = [0; 8];
    file.read_exact(&mut first)?;
    let [s0, s1, s2, s3, kind @ ..] = first;
    let (size, taken) = match u32::from_be_bytes([s0, s1, s2, s3]) {
        0 => (length - at, 8),
        1 if length - at >= 16 => {
            let mut large = [0; 8];
            file.read_exact(&mut large)?;
            (u64::from_be_bytes(large), 16)
        }
        size => (u64::from(size), 8),
    };
    let end = at
        .checked_add(size)
        .filter(|end| size >= taken && *end <= length);
    Ok(end.map(|end| Head {
        kind,
        body: at + taken,
        end,
    }))
}

pub(in crate::recording) fn body(file: &mut (impl Read + Seek), head: Head) -> io::Result<Vec<u8>> {
    let size = head.end - head.body;
    if size > LARGEST {
        return Err(bad("a box of it is too large"));
    }
    file.seek(SeekFrom::Start(head.body))?;
    let mut bytes = Vec::new();
    file.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The boxes inside a body.
pub(crate) fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let size = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let kind: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
        let inner = bytes.get(8..size)?;
        bytes = bytes.get(size..)?;
        Some((kind, inner))
    })
}

/// What is in the first box of a kind inside a body.
pub(crate) fn inside<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes)
        .find(|(k, _)| k == kind)
        .map(|(_, inner)| inner)
}

/// The number at a place, as all of them big-endian.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

pub(in crate::recording) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_be_bytes(eight.try_into().ok()?))
}

/// `ticks` of a clock of `scale` per second.
fn span(ticks: u64, scale: u32) -> Option<Duration> {
    let nanos =
        u128::from(ticks) * 1_000_000_000 / u128::from(std::num::NonZero::new(scale)?.get());
    Some(Duration::from_nanos(u64::try_from(nanos).ok()?))
}

/// Time scale and duration of an `mvhd` or `mdhd` (8.2.2, 8.4.2): the two have the same places.
pub(in crate::recording) fn times(bytes: &[u8]) -> Option<(u32, u64)> {
    match bytes.first()? {
        0 => Some((u32_at(bytes, 12)?, u64::from(u32_at(bytes, 16)?))),
        _ => Some((u32_at(bytes, 20)?, u64_at(bytes, 24)?)),
    }
}

/// The duration in its `mvhd`, and the tracks.
fn moov(bytes: &[u8]) -> Option<(Duration, Vec<Track>)> {
    let (scale, ticks) = times(inside(bytes, b"mvhd")?)?;
    // All ones: unknown (8.2.2.3).
    let unknown = ticks == u64::from(u32::MAX) || ticks == u64::MAX;
    let duration = if unknown {
        Duration::ZERO
    } else {
        span(ticks, scale)?
    };
    let mut tracks = Vec::new();
    for (_, trak) in boxes(bytes).filter(|(kind, _)| kind == b"trak") {
        let tkhd = inside(trak, b"tkhd")?;
        let id = u32_at(tkhd, if tkhd.first()? == &0 { 12 } else { 20 })?;
        let (scale, _) = times(inside(inside(trak, b"mdia")?, b"mdhd")?)?;
        tracks.push(Track {
            id,
            scale,
            default: 0,
        });
    }
    for (_, trex) in boxes(inside(bytes, b"mvex").unwrap_or_default()).filter(|(k, _)| k == b"trex")
    {
        let (id, default) = (u32_at(trex, 4)?, u32_at(trex, 12)?);
        for track in tracks.iter_mut().filter(|t| t.id == id) {
            track.default = default;
        }
    }
    Some((duration, tracks))
}

/// From when to when a fragment plays, over all its tracks.
fn moof(bytes: &[u8], tracks: &[Track]) -> Option<(Duration, Duration)> {
    let mut whole: Option<(Duration, Duration)> = None;
    for (_, traf) in boxes(bytes).filter(|(kind, _)| kind == b"traf") {
        let tfhd = inside(traf, b"tfhd")?;
        let (flags, id) = (u32_at(tfhd, 0)?, u32_at(tfhd, 4)?);
        let Some(track) = tracks.iter().find(|t| t.id == id) else {
            continue;
        };
        // 8.8.7: base data offset, description index, then the default duration.
        let at = 8 + if flags & 1 != 0 { 8 } else { 0 } + if flags & 2 != 0 { 4 } else { 0 };
        let default = if flags & 8 != 0 {
            u32_at(tfhd, at)?
        } else {
            track.default
        };
        let tfdt = inside(traf, b"tfdt")?;
        let begin = match tfdt.first()? {
            0 => u64::from(u32_at(tfdt, 4)?),
            _ => u64_at(tfdt, 4)?,
        };
        let mut end = begin;
        for (_, trun) in boxes(traf).filter(|(kind, _)| kind == b"trun") {
            end = end.checked_add(samples(trun, default)?)?;
        }
        let (begin, end) = (span(begin, track.scale)?, span(end, track.scale)?);
        whole = Some(whole.map_or((begin, end), |(b, e)| (b.min(begin), e.max(end))));
    }
    whole
}

/// The time of the first picture in a `moov`: an `mtxi` box is version and flags, the stream's UUID, the segment's number,
/// its decode time and its wall time, of 8 bytes each.
fn begun(moov: &[u8]) -> Option<Wall> {
    let mtxi = inside(inside(moov, b"udta")?, b"mtxi")?;
    let nanos = u64_at(mtxi, 4 + 16 + 8 + 8)?;
    // It is a signed number: of a clock before 1970 nothing is believed.
    let sound = nanos > 0 && i64::try_from(nanos).is_ok();
    sound.then(|| Wall::from_nanos(nanos))
}

/// The sum of a `trun`'s sample durations (8.8.8).
fn samples(trun: &[u8], default: u32) -> Option<u64> {
    let (flags, count) = (u32_at(trun, 0)?, u32_at(trun, 4)?);
    if flags & 0x100 == 0 {
        return u64::from(count).checked_mul(u64::from(default));
    }
    let head = 8 + if flags & 1 != 0 { 4 } else { 0 } + if flags & 4 != 0 { 4 } else { 0 };
    let fields = [0x100, 0x200, 0x400, 0x800]
        .iter()
        .filter(|f| flags & **f != 0)
        .count();
    let rows = trun.get(head..)?.chunks_exact(4 * fields);
    let count = usize::try_from(count).ok()?;
    if rows.len() < count {
        return None;
    }
    rows.take(count).try_fold(0_u64, |sum, row| {
        sum.checked_add(u64::from(u32_at(row, 0)?))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    pub(crate) fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let inner = parts.concat();
        let size = u32::try_from(inner.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, &inner].concat()
    }

    pub(crate) fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_be_bytes()).collect()
    }

    /// `ftyp` and `moov` of one track at 90 kHz, as MediaMTX writes them; `millis` in `mvhd`.
    pub(crate) fn head(millis: u32) -> Vec<u8> {
        let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, millis]), &[0; 80]]);
        let tkhd = boxed(b"tkhd", &[&words(&[3, 0, 0, 1, 0, 0]), &[0; 60]]);
        let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 90_000, 0, 0])]);
        let trak = boxed(b"trak", &[&tkhd, &boxed(b"mdia", &[&mdhd])]);
        let trex = boxed(b"trex", &[&words(&[0, 1, 1, 0, 0, 0])]);
        let moov = boxed(b"moov", &[&mvhd, &trak, &boxed(b"mvex", &[&trex])]);
        [boxed(b"ftyp", &[b"isom"]), moov].concat()
    }

    /// A fragment from `begin` on with samples of these durations, in 1/90000 s.
    pub(crate) fn fragment(begin: u32, durations: &[u32]) -> Vec<u8> {
        let tfhd = boxed(b"tfhd", &[&words(&[0x0002_0000, 1])]);
        let tfdt = boxed(b"tfdt", &[&words(&[0x0100_0000, 0, begin])]);
        let rows: Vec<u32> = durations.iter().flat_map(|d| [*d, 1]).collect();
        let count = u32::try_from(durations.len()).unwrap();
        let trun = boxed(b"trun", &[&words(&[0x301, count, 0]), &words(&rows)]);
        let moof = boxed(b"moof", &[&boxed(b"traf", &[&tfhd, &tfdt, &trun])]);
        [moof, boxed(b"mdat", &[&vec![7; durations.len()]])].concat()
    }

    fn told(bytes: &[u8]) -> io::Result<Told> {
        read(&mut Cursor::new(bytes))
    }

    #[test]
    fn a_closed_file_plays_as_long_as_its_head_says() {
        let file = [head(3250), fragment(0, &[3000; 30])].concat();
        let whole = file.len() as u64;
        let expected = Told {
            duration: Duration::from_millis(3250),
            closed: true,
            whole,
            begun: None,
        };
        assert_eq!(told(&file).unwrap(), expected);
    }

    #[test]
    fn a_running_file_plays_as_long_as_its_fragments() {
        let file = [
            head(0),
            fragment(0, &[3000; 30]),
            fragment(90_000, &[4500; 10]),
        ]
        .concat();
        let found = told(&file).unwrap();
        assert_eq!(
            (found.duration, found.closed),
            (Duration::from_millis(1500), false)
        );
        assert_eq!(found.whole, file.len() as u64);
        assert_eq!(told(&head(0)).unwrap().duration, Duration::ZERO);
    }

    #[test]
    fn a_torn_file_plays_to_its_last_whole_fragment_wherever_it_was_torn() {
        let good = [head(0), fragment(0, &[3000; 30])].concat();
        let file = [good.clone(), fragment(90_000, &[3000; 30])].concat();
        for torn in good.len()..file.len() {
            let found = told(&file[..torn]).unwrap();
            assert_eq!(found.duration, Duration::from_secs(1), "torn at {torn}");
            assert_eq!(found.whole, good.len() as u64);
        }
    }

    #[test]
    fn a_growing_file_is_not_read_twice_and_its_end_is_noticed() {
        let mut file = [head(0), fragment(0, &[3000; 30])].concat();
        let mut memory = Memory::default();
        let mut told = |file: &[u8]| read_on(&mut Cursor::new(file), &mut memory).unwrap();
        assert_eq!(told(&file).duration, Duration::from_secs(1));
        // Whoever read it again would stumble over this.
        let begin = head(0).len();
        file[begin..].fill(0);
        file.extend(fragment(90_000, &[3000; 60]));
        assert_eq!(told(&file).duration, Duration::from_secs(3));
        let torn = fragment(270_000, &[3000; 30]);
        let whole = file.len();
        file.extend(&torn[..20]);
        assert_eq!(told(&file).duration, Duration::from_secs(3));
        file.truncate(whole);
        file.extend(torn);
        assert_eq!(told(&file).duration, Duration::from_secs(4));
        file[..begin].copy_from_slice(&head(4000));
        assert!(told(&file).closed);
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        for bad in [
            &b""[..],
            b"hello, this is no video at all",
            &fragment(0, &[1]),
        ] {
            assert_eq!(told(bad).unwrap_err().kind(), ErrorKind::InvalidData);
        }
    }

    #[test]
    fn sizes_beyond_the_file_and_absurd_counts_end_the_reading() {
        let mut large = [head(0), fragment(0, &[3000; 30])].concat();
        let end = large.len();
        large.extend([
            0, 0, 0, 1, b'm', b'o', b'o', b'f', 255, 255, 255, 255, 255, 255, 255, 255,
        ]);
        assert_eq!(told(&large).unwrap().whole, end as u64);
        let mut lying = fragment(90_000, &[3000; 30]);
        let trun = lying.windows(4).position(|w| w == b"trun").unwrap();
        lying[trun + 8..trun + 12].copy_from_slice(&[255; 4]);
        let file = [head(0), fragment(0, &[3000; 30]), lying].concat();
        assert_eq!(told(&file).unwrap().duration, Duration::from_secs(1));
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic_or_read_for_ever(at in 0_usize..900, byte: u8, cut in 0_usize..900) {
            let mut file = [head(0), fragment(0, &[3000; 30]), fragment(90_000, &[3000; 30])].concat();
            let length = file.len();
            file[at % length] = byte;
            file.truncate(cut.max(1));
            let _ = told(&file);
        }
    }
}
