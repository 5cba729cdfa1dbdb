//! The machine-readable strip at the foot of the test picture. Pure.
//!
//! Anyone who can decode the stream can read from every picture which one it is and when it was
//! taken, and so measure loss, order and latency without our help. `tools/timecode.py` does.
//!
//! **Layout.** 40 columns × 3 rows of cells along the bottom edge. Column `k` covers the pixels
//! from `round(k·width/40)` up to `round((k+1)·width/40)`, halves rounded up; the strip begins at
//! line `height − round(3·width/40)` and its rows are cut the same way. A cell is one bit: luma 235
//! for 1, luma 16 for 0, chroma 128.
//!
//! **Content.** 120 bits, row by row, left to right, most significant bit first: the sync byte
//! `0xCA`, the frame counter (32 bits), `CLOCK_REALTIME` at capture in units of 100 µs since the
//! Unix epoch (48 bits), and the CRC-32 of zlib over the ten bytes of counter and time (32 bits).
//!
//! **Reading.** A cell's value is the mean of its central half in both directions; the threshold
//! lies midway between the means of the sync byte's ones and zeros.

use std::fmt;

use crate::clock::Wall;

/// Cells in a row.
pub const COLUMNS: usize = 40;
/// Rows of cells.
pub const ROWS: usize = 3;
/// Bits in all.
pub const BITS: usize = COLUMNS * ROWS;
/// First byte of every strip.
pub const SYNC: u8 = 0xCA;
/// Luma of a 1.
pub const ONE: u8 = 235;
/// Luma of a 0.
pub const ZERO: u8 = 16;
/// Ones and zeros of the sync byte must lie at least this far apart.
pub const CONTRAST: f32 = 60.0;

const BYTES: usize = BITS / 8;
const TICK_NANOS: u64 = 100_000;

/// What a strip says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timecode {
    /// The source's frame counter.
    pub counter: u32,
    /// Time of capture; the strip carries it to 100 µs.
    pub captured: Wall,
}

/// Why a picture's strip cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The picture has no room for a strip, or the buffer is shorter than the picture.
    TooSmall,
    /// Black and white lie too close together: no strip, or a ruined one.
    Contrast,
    /// The first byte is not the sync byte.
    Sync,
    /// A bit is wrong somewhere.
    Crc,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooSmall => "the picture is too small for a time code",
            Self::Contrast => "no time code in the picture: too little contrast",
            Self::Sync => "no time code in the picture: the sync byte is missing",
            Self::Crc => "the time code is damaged: its checksum is wrong",
        })
    }
}

impl std::error::Error for Unreadable {}

/// Where cell border `k` lies in a picture `width` pixels wide.
const fn border(k: usize, width: usize) -> usize {
    (k * width + COLUMNS / 2) / COLUMNS
}

/// Lines the strip takes at the foot of a picture `width` pixels wide.
#[must_use]
pub const fn strip_height(width: usize) -> usize {
    border(ROWS, width)
}

/// CRC-32 as zlib computes it (reflected 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}

/// The strip's 120 bits as 15 bytes.
#[must_use]
pub fn encode_bits(code: Timecode) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[0] = SYNC;
    bytes[1..5].copy_from_slice(&code.counter.to_be_bytes());
    bytes[5..11].copy_from_slice(&(code.captured.as_nanos() / TICK_NANOS).to_be_bytes()[2..]);
    let crc = crc32(&bytes[1..11]);
    bytes[11..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// The code of 120 bits, if sync and checksum are right.
///
/// # Errors
/// [`Unreadable::Sync`] or [`Unreadable::Crc`].
pub fn decode_bits(bytes: &[u8; BYTES]) -> Result<Timecode, Unreadable> {
    if bytes[0] != SYNC {
        return Err(Unreadable::Sync);
    }
    let number = |range: std::ops::Range<usize>| {
        bytes[range]
            .iter()
            .fold(0_u64, |n, b| (n << 8) | u64::from(*b))
    };
    if u64::from(crc32(&bytes[1..11])) != number(11..15) {
        return Err(Unreadable::Crc);
    }
    Ok(Timecode {
        counter: u32::try_from(number(1..5)).unwrap_or(u32::MAX),
        captured: Wall::from_nanos(number(5..11).saturating_mul(TICK_NANOS)),
    })
}

/// Draws the strip into a luma plane of `width` × `height`; a plane without room is left alone.
///
/// The chroma beneath must be 128 already.
pub fn draw(luma: &mut [u8], width: usize, height: usize, stride: usize, code: Timecode) {
    let bits = encode_bits(code);
    let Some(top) = fits(luma.len(), width, height, stride) else {
        return;
    };
    for row in 0..ROWS {
        let first = (top + border(row, width)) * stride;
        let lines = border(row + 1, width) - border(row, width);
        for column in 0..COLUMNS {
            let bit = row * COLUMNS + column;
            let one = bits[bit / 8] >> (7 - bit % 8) & 1 == 1;
            luma[first + border(column, width)..first + border(column + 1, width)].fill(if one {
                ONE
            } else {
                ZERO
            });
        }
        for line in 1..lines {
            luma.copy_within(first..first + width, first + line * stride);
        }
    }
}

/// Reads the strip of a luma plane.
///
/// # Errors
/// Says why the picture carries no strip that can be trusted.
pub fn decode(
    luma: &[u8],
    width: usize,
    height: usize,
    stride: usize,
) -> Result<Timecode, Unreadable> {
    let top = fits(luma.len(), width, height, stride).ok_or(Unreadable::TooSmall)?;
    let mut means = [0.0_f32; BITS];
    for (bit, mean) in means.iter_mut().enumerate() {
        let (row, column) = (bit / COLUMNS, bit % COLUMNS);
        let across = central(border(column, width), border(column + 1, width));
        let down = central(top + border(row, width), top + border(row + 1, width));
        let count = across.len() * down.len();
        let sum: usize = down
            .flat_map(|y| &luma[y * stride + across.start..y * stride + across.end])
            .map(|v| usize::from(*v))
            .sum();
        *mean = sum as f32 / count as f32;
    }
    let mean_of = |wanted: u8| {
        let of: Vec<f32> = (0..8)
            .filter(|bit| SYNC >> (7 - bit) & 1 == wanted)
            .map(|bit| means[bit])
            .collect();
        of.iter().sum::<f32>() / of.len() as f32
    };
    let (ones, zeros) = (mean_of(1), mean_of(0));
    if ones - zeros < CONTRAST {
        return Err(Unreadable::Contrast);
    }
    let threshold = f32::midpoint(ones, zeros);
    let mut bytes = [0; BYTES];
    for (bit, mean) in means.iter().enumerate() {
        bytes[bit / 8] |= u8::from(*mean > threshold) << (7 - bit % 8);
    }
    decode_bits(&bytes)
}

/// The central half of a span; never empty when the span is not.
const fn central(from: usize, to: usize) -> std::ops::Range<usize> {
    let margin = (to - from) / 4;
    from + margin..to - margin
}

/// The strip's first line, when plane and picture have room for it.
const fn fits(len: usize, width: usize, height: usize, stride: usize) -> Option<usize> {
    let strip = strip_height(width);
    if width < COLUMNS || height < strip || stride < width || len < (height - 1) * stride + width {
        return None;
    }
    Some(height - strip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(counter: u32, tick: u64) -> Timecode {
        Timecode {
            counter,
            captured: Wall::from_nanos(tick * TICK_NANOS),
        }
    }

    fn drawn(width: usize, height: usize, stride: usize, code: Timecode) -> Vec<u8> {
        let mut luma = vec![90; stride * height];
        draw(&mut luma, width, height, stride, code);
        luma
    }

    #[test]
    fn the_bits_are_those_of_the_written_layout() {
        // From Python: struct.pack and zlib.crc32.
        let bits = encode_bits(code(0x0001_0203, 17_900_000_001_234));
        assert_eq!(bits[0], 0xCA);
        assert_eq!(bits[1..5], [0, 1, 2, 3]);
        assert_eq!(bits[5..11], [0x10, 0x47, 0xAB, 0x24, 0x3C, 0xD2]);
        assert_eq!(bits[11..], 0xD039_5D28_u32.to_be_bytes());
    }

    #[test]
    fn the_checksum_is_that_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn cells_follow_the_rounded_borders_also_where_the_width_is_no_multiple_of_forty() {
        // 854 / 40 = 21.35: border 1 at 21, 2 at 43, 3 at 64; sync 0xCA = 1100 1010.
        let luma = drawn(854, 480, 864, code(1, 2));
        let line = &luma[(480 - 64) * 864..];
        assert_eq!(luma[(480 - 65) * 864], 90, "nothing above the strip");
        assert_eq!(line[42], ONE);
        assert_eq!(line[43], ZERO);
        assert_eq!(border(4, 854), 85);
        assert_eq!(line[85], ONE);
        assert_eq!(line[84], ZERO);
    }

    #[test]
    fn a_plain_picture_and_a_small_one_are_refused() {
        assert_eq!(
            decode(&[90; 640 * 480], 640, 480, 640),
            Err(Unreadable::Contrast)
        );
        assert_eq!(
            decode(&[90; 32 * 32], 32, 32, 32),
            Err(Unreadable::TooSmall)
        );
        assert_eq!(decode(&[90; 100], 640, 480, 640), Err(Unreadable::TooSmall));
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_read_back(
            counter: u32, tick in 0..1_u64 << 47, width in 40..400_usize, extra in 0..70_usize,
        ) {
            let (height, stride) = (width.div_ceil(2), width + extra);
            let luma = drawn(width, height, stride, code(counter, tick));
            prop_assert_eq!(decode(&luma, width, height, stride), Ok(code(counter, tick)));
        }

        #[test]
        fn noise_of_a_third_of_the_contrast_does_not_hurt(counter: u32, seed: u32) {
            let mut luma = drawn(320, 180, 320, code(counter, 7));
            let mut state = u64::from(seed) | 1;
            for v in &mut luma {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let noise = u8::try_from(state >> 57).unwrap() >> 1;
                *v = if state & 1 << 40 == 0 { v.saturating_add(noise) } else { v.saturating_sub(noise) };
            }
            prop_assert_eq!(decode(&luma, 320, 180, 320), Ok(code(counter, 7)));
        }

        #[test]
        fn one_wrong_cell_is_refused(counter: u32, tick in 0..1_u64 << 47, bit in 8..BITS) {
            let mut bytes = encode_bits(code(counter, tick));
            bytes[bit / 8] ^= 1 << (7 - bit % 8);
            prop_assert_eq!(decode_bits(&bytes), Err(Unreadable::Crc));
        }

        #[test]
        fn garbage_never_panics(luma: Vec<u8>, w in 0..200_usize, h in 0..200_usize, s in 0..300_usize) {
            let _ = decode(&luma, w, h, s);
        }
    }
}
