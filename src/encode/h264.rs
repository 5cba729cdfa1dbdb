//! The H.264 byte stream format (H.264 Annex B) taken apart, without copies. Pure.
//!
//! Used by the passthrough route, by the RTP packetizer, and by tests.

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
#[must_use]
pub const fn nals(stream: &[u8]) -> Nals<'_> {
    Nals {
        rest: stream,
        inside: false,
    }
}

/// Iterator made by [`nals`].
#[derive(Debug, Clone)]
pub struct Nals<'a> {
    /// What has not been looked at; begins behind a start code once `inside`.
    rest: &'a [u8],
    inside: bool,
}

impl<'a> Iterator for Nals<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let found = start_code(self.rest);
            let (before, after) = match found {
                Some(at) => (&self.rest[..at], &self.rest[at + 3..]),
                None => (self.rest, &[][..]),
            };
            let was_inside = std::mem::replace(&mut self.inside, found.is_some());
            self.rest = after;
            if was_inside {
                let nal = without_trailing_zeros(before);
                if !nal.is_empty() {
                    return Some(nal);
                }
            }
            found?;
        }
    }
}

/// Where the next `00 00 01` lies.
fn start_code(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some([a, b, c]) = bytes.get(at..at + 3) {
        // Most bytes are neither 0 nor 1, so most steps are three bytes long.
        if *c > 1 {
            at += 3;
        } else if *c == 1 {
            if *a == 0 && *b == 0 {
                return Some(at);
            }
            at += 3;
        } else {
            at += 1;
        }
    }
    None
}

fn without_trailing_zeros(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    &bytes[..end]
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
        fn arbitrary_bytes_never_panic_and_never_yield_a_start_code(stream: Vec<u8>) {
            for nal in nals(&stream) {
                prop_assert!(start_code(nal).is_none() && nal.last() != Some(&0));
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
                .filter(|unit| start_code(unit).is_none() && !unit.starts_with(&[0]))
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
