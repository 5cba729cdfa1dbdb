//! Where the NAL units of an Annex B byte stream lie.
//!
//! H.264 Annex B: each NAL unit follows a start code `00 00 01`; zero bytes before a start code and
//! at the end are padding (`leading_zero_8bits`, `trailing_zero_8bits`).

use std::ops::Range;

/// Byte ranges of the NAL units in `data`, start codes and padding left out; empty ones skipped.
pub fn ranges(data: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = start_code(data, 0).map(|at| at + 3);
    std::iter::from_fn(move || {
        loop {
            let from = start?;
            let next = start_code(data, from);
            start = next.map(|at| at + 3);
            let mut to = next.unwrap_or(data.len());
            while to > from && data[to - 1] == 0 {
                to -= 1;
            }
            if to > from {
                return Some(from..to);
            }
        }
    })
}

/// The position of the first `00 00 01` at or after `from`.
fn start_code(data: &[u8], from: usize) -> Option<usize> {
    // Look at every third byte only: a byte above 1 there rules out three positions.
    let mut at = from + 2;
    while let Some(&byte) = data.get(at) {
        match byte {
            0 => at += 1,
            1 if data[at - 1] == 0 && data[at - 2] == 0 => return Some(at - 2),
            _ => at += 3,
        }
    }
    None
}

/// `nal_unit_type` of a NAL unit (H.264 §7.4.1); 0 for an empty one.
#[must_use]
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |b| b & 0x1F)
}

/// `nal_unit_type` of a sequence parameter set.
pub const SPS: u8 = 7;
/// `nal_unit_type` of a picture parameter set.
pub const PPS: u8 = 8;
/// `nal_unit_type` of an access unit delimiter.
pub const AUD: u8 = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn padding_and_both_start_code_lengths_are_not_part_of_a_nal() {
        let data = [
            0, 0, 0, 1, 0x67, 9, 0, 0, 1, 0x68, 1, 0, 0, 0, 1, 0x65, 0, 1, 2, 0, 0,
        ];
        let nals: Vec<&[u8]> = ranges(&data).map(|r| &data[r]).collect();
        assert_eq!(nals, [&[0x67, 9][..], &[0x68, 1], &[0x65, 0, 1, 2]]);
    }

    #[test]
    fn bytes_without_a_start_code_hold_no_nal() {
        assert_eq!(ranges(&[]).count(), 0);
        assert_eq!(ranges(&[1, 2, 3, 0, 0]).count(), 0);
        assert_eq!(ranges(&[0, 0, 1]).count(), 0);
    }

    proptest! {
        #[test]
        fn the_skipping_search_finds_what_the_plain_one_finds(
            data in proptest::collection::vec(0u8..3, 0..64), from in 0usize..8,
        ) {
            let plain = (from..data.len().saturating_sub(2)).find(|&i| data[i..i + 3] == [0, 0, 1]);
            prop_assert_eq!(start_code(&data, from), plain);
        }
    }
}
