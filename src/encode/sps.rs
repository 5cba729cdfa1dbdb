//! The sequence parameter set (H.264 7.3.2.1, Annex E) as far as a publisher needs it: profile,
//! level, picture size, meaning of the colours. Pure.

use super::h264::NalKind;
use crate::units::Size;

/// What a sequence parameter set says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    /// `profile_idc`: 66 baseline, 77 main, 100 high.
    pub profile: u8,
    /// The constraint flags, as the byte between profile and level.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
    /// Picture size after cropping.
    pub size: Size,
    /// The VUI's colour description; `None` when the stream says nothing.
    pub colour: Option<Signal>,
}

/// The VUI's `video_signal_type` (H.264 Tables E-3 to E-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// `video_full_range_flag`.
    pub full_range: bool,
    /// `colour_primaries`, 2 when unspecified.
    pub primaries: u8,
    /// `transfer_characteristics`, 2 when unspecified.
    pub transfer: u8,
    /// `matrix_coefficients`, 2 when unspecified.
    pub matrix: u8,
}

impl Sps {
    /// Reads an SPS NAL unit, header byte included. `None` when it is no SPS or makes no sense.
    #[must_use]
    pub fn parse(nal: &[u8]) -> Option<Self> {
        if NalKind::of(nal) != NalKind::Sps {
            return None;
        }
        let mut bits = Bits::new(nal.get(1..)?);
        let [profile, constraints, level] = [bits.byte()?, bits.byte()?, bits.byte()?];
        bits.ue()?; // seq_parameter_set_id
        let chroma = if HIGH_PROFILES.contains(&profile) {
            high(&mut bits)?
        } else {
            1
        };
        bits.ue()?; // log2_max_frame_num_minus4
        match bits.ue()? {
            0 => {
                bits.ue()?;
            }
            1 => {
                bits.flag()?;
                bits.ue()?; // signed values have the same length
                bits.ue()?;
                let cycle = bits.ue()?;
                for _ in 0..cycle.min(255) {
                    bits.ue()?;
                }
            }
            _ => {}
        }
        bits.ue()?; // max_num_ref_frames
        bits.flag()?;
        let columns = bits.ue()?.checked_add(1)?;
        let rows = bits.ue()?.checked_add(1)?;
        let frames_only = bits.flag()?;
        if !frames_only {
            bits.flag()?;
        }
        bits.flag()?; // direct_8x8_inference_flag
        let fields = if frames_only { 1 } else { 2 };
        let (mut width, mut height) = (
            columns.checked_mul(16)?,
            rows.checked_mul(16)?.checked_mul(fields)?,
        );
        if bits.flag()? {
            let across = if matches!(chroma, 1 | 2) { 2 } else { 1 };
            let down = fields * if chroma == 1 { 2 } else { 1 };
            let [left, right, top, bottom] = [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?];
            let off = |a: u32, b: u32, unit: u32| a.checked_add(b)?.checked_mul(unit);
            width = width.checked_sub(off(left, right, across)?)?;
            height = height.checked_sub(off(top, bottom, down)?)?;
        }
        let colour = if bits.flag()? {
            signal(&mut bits)?
        } else {
            None
        };
        let plausible = (1..=16_384).contains(&width) && (1..=16_384).contains(&height);
        plausible.then_some(Self {
            profile,
            constraints,
            level,
            size: Size::new(width, height),
            colour,
        })
    }
}

const HIGH_PROFILES: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// The part that only the high profiles have; gives `chroma_format_idc`.
fn high(bits: &mut Bits<'_>) -> Option<u32> {
    let chroma = bits.ue()?;
    if chroma == 3 {
        bits.flag()?;
    }
    bits.ue()?;
    bits.ue()?;
    bits.flag()?;
    if bits.flag()? {
        for list in 0..if chroma == 3 { 12 } else { 8 } {
            if bits.flag()? {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(chroma)
}

fn scaling_list(bits: &mut Bits<'_>, length: u32) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..length {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// The beginning of the VUI, up to the colours.
fn signal(bits: &mut Bits<'_>) -> Option<Option<Signal>> {
    const EXTENDED_SAR: u8 = 255;
    if bits.flag()? && bits.byte()? == EXTENDED_SAR {
        bits.take(32)?;
    }
    if bits.flag()? {
        bits.flag()?; // overscan
    }
    if !bits.flag()? {
        return Some(None);
    }
    bits.take(3)?; // video_format
    let full_range = bits.flag()?;
    let [primaries, transfer, matrix] = if bits.flag()? {
        [bits.byte()?, bits.byte()?, bits.byte()?]
    } else {
        [2; 3]
    };
    Some(Some(Signal {
        full_range,
        primaries,
        transfer,
        matrix,
    }))
}

/// Reads bits, most significant first, and skips emulation prevention bytes (H.264 7.4.1).
#[derive(Debug, Clone)]
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bits of the byte at `at` already read.
    used: u32,
    zeros: u32,
}

impl<'a> Bits<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            used: 0,
            zeros: 0,
        }
    }

    fn flag(&mut self) -> Option<bool> {
        let mut byte = *self.bytes.get(self.at)?;
        if self.used == 0 {
            if self.zeros >= 2 && byte == 3 {
                self.at += 1;
                self.zeros = 0;
                byte = *self.bytes.get(self.at)?;
            }
            self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
        }
        let bit = byte >> (7 - self.used) & 1 == 1;
        self.used = (self.used + 1) % 8;
        if self.used == 0 {
            self.at += 1;
        }
        Some(bit)
    }

    fn take(&mut self, count: u32) -> Option<u64> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | u64::from(self.flag()?)))
    }

    fn byte(&mut self) -> Option<u8> {
        u8::try_from(self.take(8)?).ok()
    }

    /// Unsigned Exp-Golomb (H.264 9.1).
    fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 32 {
                return None;
            }
        }
        u32::try_from((1_u64 << zeros) - 1 + self.take(zeros)?).ok()
    }

    /// Signed Exp-Golomb (H.264 9.1.1).
    fn se(&mut self) -> Option<i64> {
        let k = i64::from(self.ue()?);
        Some(if k % 2 == 1 { k / 2 + 1 } else { -(k / 2) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes what [`Bits`] reads.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn take(&mut self, count: u32, value: u64) -> &mut Self {
            self.0
                .extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
            self
        }

        fn ue(&mut self, value: u32) -> &mut Self {
            let value = u64::from(value) + 1;
            let length = 64 - value.leading_zeros();
            self.take(length - 1, 0).take(length, value)
        }

        fn nal(&self, header: u8) -> Vec<u8> {
            let mut nal = vec![header];
            let mut zeros = 0;
            for bits in self.0.chunks(8) {
                let byte = (0..8).fold(0, |byte, bit| {
                    byte << 1 | u8::from(bits.get(bit).copied().unwrap_or(bit == bits.len()))
                });
                if zeros >= 2 && byte <= 3 {
                    nal.push(3);
                    zeros = 0;
                }
                nal.push(byte);
                zeros = if byte == 0 { zeros + 1 } else { 0 };
            }
            nal
        }
    }

    fn written(sps: &Sps) -> Vec<u8> {
        let mut w = Writer::default();
        let (columns, rows) = (sps.size.width.div_ceil(16), sps.size.height.div_ceil(16));
        w.take(8, sps.profile.into())
            .take(8, sps.constraints.into());
        w.take(8, sps.level.into()).ue(0);
        if sps.profile == 100 {
            w.ue(1).ue(0).ue(0).take(2, 0);
        }
        w.ue(0)
            .ue(2)
            .ue(1)
            .take(1, 0)
            .ue(columns - 1)
            .ue(rows - 1)
            .take(2, 3);
        let (right, bottom) = (columns * 16 - sps.size.width, rows * 16 - sps.size.height);
        w.take(1, 1).ue(0).ue(right / 2).ue(0).ue(bottom / 2);
        w.take(1, 1).take(2, 0);
        match sps.colour {
            None => w.take(1, 0),
            Some(s) => w
                .take(1, 1)
                .take(3, 5)
                .take(1, s.full_range.into())
                .take(1, 1)
                .take(8, s.primaries.into())
                .take(8, s.transfer.into())
                .take(8, s.matrix.into()),
        };
        w.take(5, 0);
        w.nal(0x67)
    }

    #[test]
    fn other_units_and_cut_ones_are_no_sps() {
        assert_eq!(Sps::parse(&[]), None);
        assert_eq!(Sps::parse(&[0x68, 1, 2, 3]), None);
        assert_eq!(Sps::parse(&[0x67, 66, 0xC0, 30]), None);
    }

    #[test]
    fn emulation_prevention_bytes_are_not_data() {
        let mut bits = Bits::new(&[0, 0, 3, 1, 0, 0, 3]);
        assert_eq!(bits.take(24), Some(1));
        assert_eq!(bits.take(16), Some(0));
        assert_eq!(bits.flag(), None);
    }

    #[test]
    fn signed_numbers_alternate() {
        let mut w = Writer::default();
        for k in 0..5 {
            w.ue(k);
        }
        let nal = w.nal(0);
        let mut bits = Bits::new(&nal[1..]);
        let read: Vec<i64> = (0..5).map(|_| bits.se().unwrap()).collect();
        assert_eq!(read, [0, 1, -1, 2, -2]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            high: bool, constraints: u8, level: u8, w in 1..2000_u32, h in 1..2000_u32,
            colour in proptest::option::of((any::<bool>(), any::<[u8; 3]>())),
        ) {
            let sps = Sps {
                profile: if high { 100 } else { 66 },
                constraints,
                level,
                size: Size::new(2 * w, 2 * h),
                colour: colour.map(|(full_range, [primaries, transfer, matrix])| Signal {
                    full_range, primaries, transfer, matrix,
                }),
            };
            prop_assert_eq!(Sps::parse(&written(&sps)), Some(sps));
        }

        #[test]
        fn garbage_never_panics(mut nal: Vec<u8>) {
            nal.insert(0, 0x67);
            let _ = Sps::parse(&nal);
            if let Some(profile) = nal.get_mut(1) { *profile = 100; }
            let _ = Sps::parse(&nal);
        }
    }
}
