//! The key frame out of a fragment of fMP4 (ISO/IEC 14496-12 and -15), in Annex B. Pure.
//!
//! A damaged length ends the reading, never the process; what is copied is never more than was given.

use crate::encode::h264::{Contents, NalKind, push_nal};
use crate::recording::fmp4::{boxes, inside, u32_at};

/// Bytes of a visual sample entry before its boxes (14496-12 §12.1.3).
const VISUAL: usize = 78;

/// What the fragments of a stream need to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// The track of the picture.
    track: u32,
    /// Bytes of the length before each NAL unit.
    prefix: usize,
    /// The parameter sets that stand here and not in the stream.
    sets: Vec<Vec<u8>>,
}

/// Why a description cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// The picture is coded so (the sample entry's four letters).
    Codec(String),
    /// It cannot be read, or no picture is in it.
    Damaged,
}

impl Init {
    /// Reads `moov`.
    ///
    /// # Errors
    /// Why it is of no use.
    pub fn read(bytes: &[u8]) -> Result<Self, Unusable> {
        let moov = inside(bytes, b"moov").ok_or(Unusable::Damaged)?;
        let (track, entry) = boxes(moov)
            .filter(|(kind, _)| kind == b"trak")
            .find_map(|(_, trak)| picture(trak))
            .ok_or(Unusable::Damaged)?;
        let (kind, entry) = entry;
        if !matches!(&kind, b"avc1" | b"avc3") {
            return Err(Unusable::Codec(
                String::from_utf8_lossy(&kind).escape_default().to_string(),
            ));
        }
        entry
            .get(VISUAL..)
            .and_then(|rest| inside(rest, b"avcC"))
            .and_then(configuration)
            .map(|(prefix, sets)| Self {
                track,
                prefix,
                sets,
            })
            .ok_or(Unusable::Damaged)
    }

    /// The first picture of a file of fragments that a decoder can begin with, its parameter sets in front.
    #[must_use]
    pub fn key_picture(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut at = 0_usize;
        for (kind, inner) in boxes(bytes) {
            if &kind == b"moof" {
                let fragment = bytes.get(at..)?;
                for (_, traf) in boxes(inner).filter(|(kind, _)| kind == b"traf") {
                    if let Some(unit) = self.in_track(fragment, traf) {
                        return Some(unit);
                    }
                }
            }
            at = at.checked_add(inner.len())?.checked_add(8)?;
        }
        None
    }

    /// Looks through the samples of one track; offsets count from the beginning of its `moof`.
    fn in_track(&self, fragment: &[u8], traf: &[u8]) -> Option<Vec<u8>> {
        let tfhd = inside(traf, b"tfhd")?;
        let (flags, id) = (u32_at(tfhd, 0)?, u32_at(tfhd, 4)?);
        // An offset in the whole file, of which there is only a piece, is of no use (8.8.7).
        if id != self.track || flags & 1 != 0 {
            return None;
        }
        let before = [2, 8].iter().filter(|f| flags & **f != 0).count();
        let default = (flags & 0x10 != 0)
            .then(|| u32_at(tfhd, 8 + 4 * before))
            .flatten();
        for (_, trun) in boxes(traf).filter(|(kind, _)| kind == b"trun") {
            let mut from = usize::try_from(u32_at(trun, 8)?).ok()?;
            for size in sizes(trun, default)? {
                let to = from.checked_add(size?)?;
                let unit = self.annex_b(fragment.get(from..to)?)?;
                if Contents::of(&unit).is_keyframe() {
                    return Some(unit);
                }
                from = to;
            }
        }
        None
    }

    /// A sample (14496-15 §5.3.3) as an access unit in Annex B.
    fn annex_b(&self, sample: &[u8]) -> Option<Vec<u8>> {
        let mut stream = Vec::with_capacity(sample.len() + 64);
        let mut units = Vec::new();
        let mut sample = sample;
        while !sample.is_empty() {
            let (length, rest) = sample.split_at_checked(self.prefix)?;
            let length = length
                .iter()
                .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
            let (unit, rest) = rest.split_at_checked(length)?;
            units.push(unit);
            sample = rest;
        }
        let has = |kind| units.iter().any(|unit| NalKind::of(unit) == kind);
        let outside = !(has(NalKind::Sps) && has(NalKind::Pps));
        let sets = self.sets.iter().filter(|_| outside).map(Vec::as_slice);
        // A delimiter comes first or not at all, so it stays out.
        let units = units
            .iter()
            .copied()
            .filter(|unit| !unit.is_empty() && NalKind::of(unit) != NalKind::Delimiter);
        for unit in sets.chain(units) {
            push_nal(&mut stream, unit);
        }
        Some(stream)
    }
}

type Entry<'a> = ([u8; 4], &'a [u8]);

/// The id and the first sample entry of a track, if it is one of pictures.
fn picture(trak: &[u8]) -> Option<(u32, Entry<'_>)> {
    let tkhd = inside(trak, b"tkhd")?;
    let id = u32_at(tkhd, if tkhd.first()? == &0 { 12 } else { 20 })?;
    let mdia = inside(trak, b"mdia")?;
    if inside(mdia, b"hdlr")?.get(8..12)? != b"vide" {
        return None;
    }
    let stsd = inside(inside(inside(mdia, b"minf")?, b"stbl")?, b"stsd")?;
    Some((id, boxes(stsd.get(8..)?).next()?))
}

/// Length of the prefix and parameter sets of an `avcC` (14496-15 §5.3.2.1).
fn configuration(avcc: &[u8]) -> Option<(usize, Vec<Vec<u8>>)> {
    let prefix = usize::from(avcc.get(4)? & 3) + 1;
    let mut sets = Vec::new();
    let mut at = 5;
    for mask in [0x1F, 0xFF] {
        let count = avcc.get(at)? & mask;
        at += 1;
        for _ in 0..count {
            let length = usize::from(u16::from_be_bytes([*avcc.get(at)?, *avcc.get(at + 1)?]));
            at += 2;
            sets.push(avcc.get(at..at + length)?.to_vec());
            at += length;
        }
    }
    Some((prefix, sets))
}

/// The sizes of a `trun`'s samples (8.8.8); `None` without the offset of the first. A size that is told nowhere, or
/// is nothing, is `None`, too: so it ends where the bytes end, whatever the count says.
fn sizes(
    trun: &[u8],
    default: Option<u32>,
) -> Option<impl Iterator<Item = Option<usize>> + use<'_>> {
    let (flags, count) = (u32_at(trun, 0)?, u32_at(trun, 4)?);
    if flags & 1 == 0 {
        return None;
    }
    let head = if flags & 4 == 0 { 12 } else { 16 };
    let field = |flag| usize::from(flags & flag != 0) * 4;
    let row = field(0x100) + field(0x200) + field(0x400) + field(0x800);
    let (told, at) = (field(0x200) > 0, field(0x100));
    let one = move |number: u32| {
        if !told {
            return default;
        }
        let from = usize::try_from(number).ok()?.checked_mul(row)?;
        u32_at(trun, from.checked_add(head)?.checked_add(at)?)
    };
    Some((0..count).map(move |number| usize::try_from(one(number)?).ok().filter(|s| *s > 0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::h264::nals;
    use proptest::prelude::*;

    const SPS: &[u8] = &[0x67, 0x42, 0xC0, 0x0C];
    const PPS: &[u8] = &[0x68, 0xCE];
    const IDR: &[u8] = &[0x65, 1, 2, 3];
    const SLICE: &[u8] = &[0x41, 9];

    fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let inner = parts.concat();
        let size = u32::try_from(inner.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, &inner].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_be_bytes()).collect()
    }

    /// As MediaMTX writes it.
    fn moov(codec: &[u8; 4]) -> Vec<u8> {
        let avcc: &[u8] = &[
            1, 0x42, 0xC0, 0x0C, 0xFF, 0xE1, 0, 4, 0x67, 0x42, 0xC0, 0x0C, 1, 0, 2, 0x68, 0xCE,
        ];
        let entry = boxed(codec, &[&[0; VISUAL], &boxed(b"avcC", &[avcc])]);
        let stsd = boxed(b"stsd", &[&words(&[0, 1]), &entry]);
        let minf = boxed(b"minf", &[&boxed(b"stbl", &[&stsd])]);
        let hdlr = |kind: &[u8]| boxed(b"hdlr", &[&words(&[0, 0]), kind, &[0; 13]]);
        let track = |id, kind: &[u8]| {
            let tkhd = boxed(b"tkhd", &[&words(&[3, 0, 0, id, 0, 0]), &[0; 60]]);
            boxed(
                b"trak",
                &[&tkhd, &boxed(b"mdia", &[&hdlr(kind), minf.as_slice()])],
            )
        };
        let tracks = [track(1, b"soun"), track(2, b"vide")].concat();
        [
            boxed(b"ftyp", &[b"mp42"]),
            boxed(b"moov", &[&boxed(b"mvhd", &[&[0; 100]]), &tracks]),
        ]
        .concat()
    }

    fn sample(units: &[&[u8]]) -> Vec<u8> {
        let unit =
            |unit: &&[u8]| [&words(&[u32::try_from(unit.len()).unwrap()])[..], unit].concat();
        units.iter().flat_map(unit).collect()
    }

    fn fragment(samples: &[Vec<u8>]) -> Vec<u8> {
        let tfhd = boxed(b"tfhd", &[&words(&[0x0002_0000, 2])]);
        let rows: Vec<u32> = samples
            .iter()
            .flat_map(|s| [6000, u32::try_from(s.len()).unwrap(), 0, 0])
            .collect();
        let count = u32::try_from(samples.len()).unwrap();
        let traf = |offset| {
            let trun = boxed(
                b"trun",
                &[&words(&[0x0100_0701 | 0x800, count, offset]), &words(&rows)],
            );
            boxed(b"moof", &[&boxed(b"traf", &[&tfhd, &trun])])
        };
        let length = u32::try_from(traf(0).len()).unwrap();
        [traf(length + 8), boxed(b"mdat", &[&samples.concat()])].concat()
    }

    fn units(stream: &[u8]) -> Vec<&[u8]> {
        nals(stream).collect()
    }

    #[test]
    fn parameter_sets_come_from_the_description_when_the_stream_has_none() {
        let init = Init::read(&moov(b"avc1")).unwrap();
        let file = fragment(&[sample(&[&[9, 0x10], IDR]), sample(&[SLICE])]);
        assert_eq!(units(&init.key_picture(&file).unwrap()), [SPS, PPS, IDR]);
    }

    #[test]
    fn parameter_sets_of_the_stream_are_the_newer_ones() {
        let init = Init::read(&moov(b"avc3")).unwrap();
        let newer: &[u8] = &[0x67, 0x64, 1, 2];
        let file = fragment(&[sample(&[newer, PPS, IDR])]);
        assert_eq!(units(&init.key_picture(&file).unwrap()), [newer, PPS, IDR]);
    }

    #[test]
    fn a_key_frame_in_a_later_fragment_is_found_and_none_is_none() {
        let init = Init::read(&moov(b"avc1")).unwrap();
        let first = fragment(&[sample(&[SLICE]), sample(&[SLICE])]);
        assert_eq!(init.key_picture(&first), None);
        let file = [first, fragment(&[sample(&[SLICE]), sample(&[IDR])])].concat();
        assert_eq!(units(&init.key_picture(&file).unwrap()), [SPS, PPS, IDR]);
    }

    #[test]
    fn another_codec_is_named() {
        let named = Err(Unusable::Codec("hvc1".to_owned()));
        assert_eq!(Init::read(&moov(b"hvc1")), named);
        assert_eq!(Init::read(b"no film"), Err(Unusable::Damaged));
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic(at in 0_usize..2000, byte: u8, cut in 0_usize..2000) {
            let mut head = moov(b"avc1");
            let mut file = fragment(&[sample(&[SLICE]), sample(&[IDR])]);
            for bytes in [&mut head, &mut file] {
                let length = bytes.len();
                bytes[at % length] = byte;
                bytes.truncate(cut.max(1));
            }
            if let Ok(init) = Init::read(&head) {
                let _ = init.key_picture(&file);
            }
            let _ = Init::read(&moov(b"avc1")).unwrap().key_picture(&file);
        }
    }
}
