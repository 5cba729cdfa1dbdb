//! The H.264 byte stream format (H.264 Annex B) taken apart, without copies. Pure.
//!
//! Used by the passthrough route, by the RTP packetizer, and by tests.

use std::ops::Range;

/// What a NAL unit carries (H.264 Table 7-1), as far as we care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NalKind {
    /// Slice of a picture that needs others.
    Slice,
    /// Slice of a picture that starts anew.
    Idr,
    /// Supplemental enhancement information.
    Sei,
    /// Sequence parameter set.
    Sps,
    /// Picture parameter set.
    Pps,
    /// Access unit delimiter.
    Delimiter,
    /// Bytes to be thrown away.
    Filler,
    /// Anything else, with its number.
    Other(u8),
}

impl NalKind {
    /// The kind of a NAL unit; an empty one is `Other(0)`.
    #[must_use]
    pub fn of(nal: &[u8]) -> Self {
        match nal.first().map_or(0, |header| header & 0x1F) {
            1 => Self::Slice,
            5 => Self::Idr,
            6 => Self::Sei,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::Delimiter,
            12 => Self::Filler,
            other => Self::Other(other),
        }
    }

    /// True for coded picture data (NAL types 1 to 5).
    #[must_use]
    pub const fn is_picture(self) -> bool {
        matches!(self, Self::Slice | Self::Idr | Self::Other(2..=4))
    }
}

/// The NAL units of a byte stream, without start codes and trailing zeros.
///
/// Three- and four-byte start codes may be mixed; bytes before the first one and empty units are
/// passed over. The slices borrow from `stream`.
pub fn nals(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    ranges(stream).map(|range| &stream[range])
}

/// Where the units of [`nals`] lie in `stream`, for those who must keep positions, not borrows.
pub fn ranges(stream: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = start_code(stream, 0).map(|at| at + 3);
    std::iter::from_fn(move || {
        loop {
            let from = start?;
            let next = start_code(stream, from);
            start = next.map(|at| at + 3);
            let mut to = next.unwrap_or(stream.len());
            while to > from && stream[to - 1] == 0 {
                to -= 1;
            }
            if to > from {
                return Some(from..to);
            }
        }
    })
}

/// The position of the first `00 00 01` at or after `from`.
fn start_code(stream: &[u8], from: usize) -> Option<usize> {
    // Look at every third byte only: a byte above 1 there rules out three positions.
    let mut at = from + 2;
    while let Some(&byte) = stream.get(at) {
        match byte {
            0 => at += 1,
            1 if stream[at - 1] == 0 && stream[at - 2] == 0 => return Some(at - 2),
            _ => at += 3,
        }
    }
    None
}

/// What an access unit contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contents {
    /// An IDR slice: decoding can start here once parameter sets are known.
    pub idr: bool,
    /// A sequence parameter set.
    pub sps: bool,
    /// A picture parameter set.
    pub pps: bool,
    /// Coded picture data of any kind.
    pub picture: bool,
}

impl Contents {
    /// Looks through an access unit.
    #[must_use]
    pub fn of(access_unit: &[u8]) -> Self {
        let mut contents = Self::default();
        for nal in nals(access_unit) {
            let kind = NalKind::of(nal);
            contents.idr |= kind == NalKind::Idr;
            contents.sps |= kind == NalKind::Sps;
            contents.pps |= kind == NalKind::Pps;
            contents.picture |= kind.is_picture();
        }
        contents
    }

    /// True when a decoder that knows nothing can start here.
    #[must_use]
    pub const fn is_keyframe(self) -> bool {
        self.idr && self.sps && self.pps
    }
}

/// Appends one NAL unit with a four-byte start code.
pub fn push_nal(stream: &mut Vec<u8>, nal: &[u8]) {
    stream.extend_from_slice(&[0, 0, 0, 1]);
    stream.extend_from_slice(nal);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(stream: &[u8]) -> Vec<&[u8]> {
        nals(stream).collect()
    }

    #[test]
    fn three_and_four_byte_start_codes_and_trailing_zeros_are_no_part_of_a_nal() {
        let stream = [
            9, 9, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 0, 1, 0x65, 0, 0, 3, 1, 0, 0,
        ];
        let expected: [&[u8]; 3] = [&[0x67, 1], &[0x68, 2], &[0x65, 0, 0, 3, 1]];
        assert_eq!(all(&stream), expected);
    }

    #[test]
    fn empty_units_and_streams_without_a_start_code_give_nothing() {
        assert!(all(&[]).is_empty());
        assert!(all(&[0, 0, 0]).is_empty());
        assert!(all(&[1, 2, 3, 4]).is_empty());
        assert!(all(&[0, 0, 1, 0, 0, 1, 0, 0, 0, 1]).is_empty());
    }

    #[test]
    fn a_keyframe_needs_idr_and_both_parameter_sets() {
        let idr = [0, 0, 1, 0x65, 0x88];
        assert!(Contents::of(&idr).idr);
        assert!(!Contents::of(&idr).is_keyframe());
        let full = [
            0, 0, 0, 1, 0x67, 66, 0, 0, 0, 1, 0x68, 1, 0, 0, 0, 1, 0x65, 0x88,
        ];
        assert!(Contents::of(&full).is_keyframe());
        assert!(!Contents::of(&[0, 0, 1, 0x67, 66]).picture);
    }

    proptest! {
        #[test]
        fn the_skipping_search_finds_what_the_plain_one_finds(
            data in proptest::collection::vec(0u8..3, 0..64), from in 0usize..8,
        ) {
            let plain = (from..data.len().saturating_sub(2)).find(|&i| data[i..i + 3] == [0, 0, 1]);
            prop_assert_eq!(start_code(&data, from), plain);
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_never_yield_a_start_code(stream: Vec<u8>) {
            for nal in nals(&stream) {
                prop_assert!(start_code(nal, 0).is_none() && nal.last() != Some(&0));
            }
        }

        #[test]
        fn what_is_pushed_comes_back(
            units in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), 0..=255_u8], 1..40), 0..8),
            short: bool,
        ) {
            let clean: Vec<Vec<u8>> = units
                .into_iter()
                .map(|mut unit| { unit.push(0x80); unit })
                .filter(|unit| start_code(unit, 0).is_none() && !unit.starts_with(&[0]))
                .collect();
            let mut stream = Vec::new();
            for unit in &clean {
                if short { stream.extend_from_slice(&[0, 0, 1]); stream.extend_from_slice(unit); }
                else { push_nal(&mut stream, unit); }
            }
            prop_assert_eq!(all(&stream), clean);
        }
    }
}
