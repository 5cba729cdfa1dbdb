//! Tests of the last picture.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::capture::Frame;
use crate::capture::testcard::{self, picture::Picture, timecode};
use crate::clock::Wall;
use crate::encode::h264::{NalKind, nals, push_nal};
use crate::encode::software::Software;
use crate::encode::{Encoder, Settings};
use crate::units::{BitRate, Rate, Size};

const MAIN: &[u8] = include_bytes!("../../testdata/main.h264");
const HIGH: &[u8] = include_bytes!("../../testdata/high.h264");

/// No clock ever says that it is late.
fn patient(group: &[Vec<u8>]) -> Option<Planar> {
    let units = group.iter().map(Vec::as_slice);
    last_picture(units, Duration::from_secs(1), Mono::default)
}

/// A stream with one slice a picture as access units.
fn units(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut found = vec![Vec::new()];
    for nal in nals(stream) {
        push_nal(found.last_mut().unwrap(), nal);
        if NalKind::of(nal).is_picture() {
            found.push(Vec::new());
        }
    }
    found.pop();
    found
}

/// Coded pictures of the test camera, numbered from 0.
fn test_card(size: Size, count: u32) -> Vec<Vec<u8>> {
    let format = testcard::format(size, Rate::fps(30)).unwrap();
    let settings = Settings {
        bitrate: BitRate::from_kbps(800),
        gop: 1000,
    };
    let mut picture = Picture::new(format);
    let mut encoder = Software::open(format, settings).unwrap();
    let mut code = |number: u32| {
        let frame = Frame {
            data: picture.draw(number, Wall::from_secs(1_790_000_000)),
            sequence: number,
            captured: Mono::from_nanos(u64::from(number) * 33_000_000),
        };
        encoder
            .encode(&frame, false)
            .unwrap()
            .unwrap()
            .data
            .to_vec()
    };
    (0..count).map(&mut code).collect()
}

fn number(picture: &Planar) -> u32 {
    let (width, height) = picture.dimensions();
    let code = timecode::decode(picture.planes()[0], width, height, width);
    code.unwrap().counter
}

#[test]
fn the_last_of_the_pictures_that_were_sent_is_found() {
    for size in [Size::new(160, 90), Size::new(640, 480)] {
        let picture = patient(&test_card(size, 12)).unwrap();
        let even = (size.width as usize, size.height as usize & !1);
        assert_eq!(picture.dimensions(), even);
        assert_eq!(number(&picture), 11);
    }
}

#[test]
fn who_has_no_more_time_gets_the_picture_decoded_so_far() {
    let group = test_card(Size::new(160, 90), 12);
    for (patience, expected) in [(0, 0), (3, 2), (100, 11)] {
        let ticks = Cell::new(0);
        let clock = || {
            ticks.set(ticks.get() + 1);
            Mono::from_nanos(ticks.get() - 1)
        };
        let units = group.iter().map(Vec::as_slice);
        let picture = last_picture(units, Duration::from_nanos(patience), clock);
        assert_eq!(number(&picture.unwrap()), expected);
    }
}

#[test]
fn half_a_frame_from_a_device_that_was_pulled_leaves_the_picture_before_it() {
    let mut group = test_card(Size::new(160, 90), 12);
    group[11].truncate(5);
    assert_eq!(number(&patient(&group).unwrap()), 10);
    group[7] = vec![0, 0, 1, 0x41, 0xFF, 0xFF, 0xFF, 0xFF];
    assert_eq!(number(&patient(&group).unwrap()), 6);
}

#[test]
fn what_does_not_start_with_a_key_frame_has_no_picture() {
    let group = test_card(Size::new(160, 90), 3);
    assert!(patient(&group[1..]).is_none());
    assert!(patient(&[]).is_none());
    assert!(patient(&[Vec::new(), group[0].clone()]).is_none());
}

fn fnv(picture: &Planar) -> u64 {
    let bytes = picture.planes().concat();
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[test]
fn main_and_high_profile_with_cabac_cropping_and_full_range_decode_to_what_ffmpeg_decodes() {
    for (stream, expected) in [(MAIN, 0x1108_7be8_6840_cedc), (HIGH, 0x844a_afbc_f14a_f3ce)] {
        let picture = patient(&units(stream)).unwrap();
        assert_eq!(picture.dimensions(), (100, 52));
        assert_eq!(fnv(&picture), expected);
    }
}

/// Writes bits, most significant first.
#[derive(Default)]
struct Bits(Vec<u8>, u32);

impl Bits {
    fn put(&mut self, count: u32, value: u32) -> &mut Self {
        for bit in (0..count).rev() {
            if self.1 == 0 {
                self.0.push(0);
                self.1 = 8;
            }
            self.1 -= 1;
            *self.0.last_mut().unwrap() |= u8::from(value >> bit & 1 == 1) << self.1;
        }
        self
    }

    fn ue(&mut self, value: u32) -> &mut Self {
        let length = 32 - (value + 1).leading_zeros();
        self.put(length - 1, 0).put(length, value + 1)
    }

    /// The NAL unit, with the stop bit and emulation prevention.
    fn nal(&mut self, header: u8) -> Vec<u8> {
        self.put(1, 1);
        let mut nal = vec![0, 0, 0, 1, header];
        for byte in &self.0 {
            if nal.ends_with(&[0, 0]) && *byte <= 3 {
                nal.push(3);
            }
            nal.push(*byte);
        }
        nal
    }
}

/// Parameter sets of a constrained baseline stream of 2×2 macroblocks, or as many as are asked for.
fn parameters(columns: u32, rows: u32) -> Vec<u8> {
    let mut sps = Bits::default();
    sps.put(8, 66).put(8, 0xC0).put(8, 10).ue(0); // profile, constraints, level, id
    sps.ue(0).ue(2).ue(1).put(1, 0); // frame_num of 4 bits, order = decoding order, 1 reference
    sps.ue(columns - 1).ue(rows - 1).put(4, 0b1100); // frames only, direct 8x8, no crop, no VUI
    let mut pps = Bits::default();
    pps.ue(0).ue(0).put(2, 0).ue(0).ue(0).ue(0).put(3, 0); // CAVLC, one group, no weights
    pps.ue(0).ue(0).ue(0).put(3, 0b100); // QP 26; deblocking can be switched off
    [sps.nal(0x67), pps.nal(0x68)].concat()
}

fn slice(kind: u32, frame: u32) -> Bits {
    let mut slice = Bits::default();
    slice.ue(0).ue(kind).ue(0).put(4, frame); // first macroblock, type, PPS, frame_num
    slice
}

#[test]
fn uncompressed_macroblocks_and_skipped_ones_decode_to_what_was_written() {
    let mut idr = slice(7, 0);
    idr.ue(0).put(2, 0).ue(0).ue(1); // idr_pic_id, reference marking, QP, no deblocking
    for block in 0..4 {
        idr.ue(25); // I_PCM
        while idr.1 != 0 {
            idr.put(1, 0);
        }
        for sample in 0..384 {
            idr.put(
                8,
                if sample < 256 {
                    50 * block + 20
                } else {
                    90 + 10 * block
                },
            );
        }
    }
    let mut skipped = slice(5, 1);
    skipped.put(3, 0).ue(0).ue(1).ue(4); // no override, no reordering, sliding window; QP; skip 4
    let group = [
        [parameters(2, 2), idr.nal(0x65)].concat(),
        skipped.nal(0x41),
    ];
    let picture = patient(&group).unwrap();
    assert_eq!(picture.dimensions(), (32, 32));
    let [y, cb, _] = picture.planes();
    let corners = [0, 31, 31 * 32, 31 * 32 + 31].map(|at| y[at]);
    assert_eq!(corners, [20, 70, 120, 170]);
    assert_eq!([cb[0], cb[255]], [90, 120]);
}

#[test]
fn a_picture_larger_than_4k_is_refused_before_it_takes_memory() {
    let mut unit = parameters(1000, 1000);
    push_nal(&mut unit, &[0x65, 0x88, 0x84, 0x21]);
    assert!(patient(&[unit]).is_none());
    let kept = Kept { full_range: false };
    assert!(check(&parameters(3840 / 16, 2160 / 16), kept).is_some());
    let mut scalable = parameters(2, 2);
    scalable[4] = 0x6F;
    assert!(check(&scalable, kept).is_none());
}

/// What a damaged cable or a hostile device makes of a stream.
#[derive(Debug, Clone)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Drop(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Splice(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    use any as a;
    prop_oneof![
        6 => (a::<prop::sample::Index>(), 1u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        1 => a::<prop::sample::Index>().prop_map(Damage::Cut),
        1 => a::<prop::sample::Index>().prop_map(Damage::Drop),
        1 => (a::<prop::sample::Index>(), a::<prop::sample::Index>()).prop_map(|(a, b)| Damage::Swap(a, b)),
        1 => (a::<prop::sample::Index>(), 0usize..3).prop_map(|(at, from)| Damage::Splice(at, from)),
        1 => (a::<prop::sample::Index>(), prop::collection::vec(a::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

fn damaged(group: &mut Vec<Vec<u8>>, damage: Damage, others: &[Vec<Vec<u8>>]) {
    if group.is_empty() {
        return;
    }
    let units = group.len();
    // Half the damage goes to the first unit: there are the parameter sets.
    let pick = |at: &prop::sample::Index| at.index(2 * units).saturating_sub(units);
    match damage {
        Damage::Flip(at, bits) => {
            let unit = &mut group[pick(&at)];
            if !unit.is_empty() {
                let byte = at.index(unit.len());
                unit[byte] ^= bits;
            }
        }
        Damage::Cut(at) => {
            let unit = &mut group[pick(&at)];
            unit.truncate(at.index(unit.len() + 1));
        }
        Damage::Drop(at) => drop(group.remove(pick(&at))),
        Damage::Swap(a, b) => group.swap(a.index(units), b.index(units)),
        Damage::Splice(at, from) => {
            let other = &others[from % others.len()];
            group.insert(at.index(units), other[at.index(other.len())].clone());
        }
        Damage::Insert(at, bytes) => {
            let unit = &mut group[pick(&at)];
            let at = at.index(unit.len() + 1);
            unit.splice(at..at, bytes);
        }
    }
}

fn groups() -> &'static [Vec<Vec<u8>>] {
    static GROUPS: std::sync::OnceLock<Vec<Vec<Vec<u8>>>> = std::sync::OnceLock::new();
    GROUPS.get_or_init(|| {
        let card = test_card(Size::new(160, 90), 6);
        vec![card, units(MAIN), units(HIGH)]
    })
}

proptest! {
    #[test]
    fn a_damaged_or_hostile_stream_never_harms(
        which in 0usize..3,
        damages in prop::collection::vec(damage(), 1..8),
    ) {
        let mut group = groups()[which].clone();
        for damage in damages {
            damaged(&mut group, damage, groups());
        }
        if let Some(picture) = patient(&group) {
            let (width, height) = picture.dimensions();
            prop_assert_eq!(picture.planes()[0].len(), width * height);
        }
    }

    #[test]
    fn noise_never_harms(stream in prop::collection::vec(any::<u8>(), 0..400), head: bool) {
        let mut unit = if head { parameters(4, 3) } else { vec![0, 0, 1, 0x67] };
        unit.extend([0, 0, 1, 0x65]);
        unit.extend(&stream);
        unit.extend([0, 0, 1, 0x68, 0xCE, 0x38, 0x80]);
        patient(&[unit, stream]);
    }
}
