//! Tests of the software route.

use super::*;
use crate::capture::Range;
use crate::capture::testcard::{self, picture::Picture, timecode};
use crate::clock::{Mono, Wall};
use crate::encode::h264::{Contents, NalKind, nals};
use crate::encode::sps::{Signal, Sps};
use crate::units::{BitRate, Rate, Size};
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;

fn settings(kbps: u32, gop: u32) -> Settings {
    Settings {
        bitrate: BitRate::from_kbps(kbps),
        gop,
    }
}

/// Codes `count` pictures of the test camera and hands each coded one to `see`.
fn run(size: Size, kbps: u32, gop: u32, count: u32, mut see: impl FnMut(u32, &AccessUnit<'_>)) {
    let format = testcard::format(size, Rate::fps(30)).unwrap();
    let mut picture = Picture::new(format);
    let mut encoder = Software::open(format, settings(kbps, gop)).unwrap();
    for number in 0..count {
        let passed = u64::from(number) * 33_333_333;
        let frame = Frame {
            data: picture.draw(number, Wall::from_nanos(1_790_000_000_000_000_000 + passed)),
            sequence: number,
            captured: Mono::from_nanos(passed),
        };
        let unit = encoder.encode(&frame, false).unwrap().unwrap();
        assert_eq!(unit.captured, frame.captured);
        see(number, &unit);
    }
}

#[test]
fn every_time_code_survives_half_a_megabit_per_second_in_order() {
    for size in [Size::new(640, 480), Size::new(1280, 720)] {
        let mut decoder = Decoder::new().unwrap();
        let mut bytes = 0;
        run(size, 500, 30, 75, |number, unit| {
            bytes += unit.data.len();
            let decoded = decoder.decode(unit.data).unwrap().unwrap();
            let (width, height) = decoded.dimensions();
            let code = timecode::decode(decoded.y(), width, height, decoded.strides().0);
            let counter = code.map(|code| code.counter);
            assert_eq!(counter, Ok(number), "{size}, frame {number}");
        });
        let kbps = bytes * 8 * 30 / 75 / 1000;
        assert!(kbps < 900, "{size}: {kbps} kbit/s is far above 500");
    }
}

#[test]
fn parameter_sets_precede_every_idr_and_the_gop_is_kept() {
    let mut keyframes = Vec::new();
    run(Size::new(320, 180), 500, 10, 31, |number, unit| {
        let contents = Contents::of(unit.data);
        assert_eq!(contents.idr, contents.is_keyframe(), "frame {number}");
        assert_eq!(contents.idr, unit.keyframe, "frame {number}");
        let slices = nals(unit.data).filter(|nal| NalKind::of(nal).is_picture());
        assert_eq!(slices.count(), 1, "one slice a picture");
        if unit.keyframe {
            keyframes.push(number);
        }
    });
    assert_eq!(keyframes, [0, 10, 20, 30]);
}

#[test]
fn a_forced_idr_comes_with_the_very_frame_that_asked() {
    let format = testcard::format(Size::new(320, 180), Rate::fps(30)).unwrap();
    let mut picture = Picture::new(format);
    let mut encoder = Software::open(format, settings(500, 1000)).unwrap();
    let mut keyframes = Vec::new();
    for number in 0..12 {
        let frame = Frame {
            data: picture.draw(number, Wall::from_secs(u64::from(number))),
            sequence: number,
            captured: Mono::from_nanos(u64::from(number) * 33_000_000),
        };
        let unit = encoder.encode(&frame, matches!(number, 0 | 5)).unwrap();
        if unit.unwrap().keyframe {
            keyframes.push(number);
        }
    }
    assert_eq!(keyframes, [0, 5]);
}

fn flat(pixel: PixelFormat, size: Size, colour: Colour) -> (Format, Vec<u8>) {
    let (w, h) = (size.width as usize, size.height as usize);
    let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
    let (y, cb, cr) = (90, 110, 160);
    let data = match pixel {
        PixelFormat::Yuyv => [y, cb, y, cr].repeat(cw * h),
        PixelFormat::Uyvy => [cb, y, cr, y].repeat(cw * h),
        PixelFormat::Nv12 => [vec![y; 2 * cw * h], [cb, cr].repeat(cw * ch)].concat(),
        _ => [vec![y; 2 * cw * h], vec![cb; cw * ch], vec![cr; cw * ch]].concat(),
    };
    let stride = match pixel {
        PixelFormat::Yuyv | PixelFormat::Uyvy => 4 * cw,
        _ => 2 * cw,
    };
    let format = Format {
        pixel,
        size,
        stride: u32::try_from(stride).unwrap(),
        rate: Rate::fps(30),
        colour,
    };
    (format, data)
}

const WEBCAM: Colour = Colour {
    matrix: Matrix::Bt601,
    range: Range::Limited,
    srgb: true,
};

fn coded(format: Format, data: &[u8]) -> Vec<u8> {
    let mut encoder = Software::open(format, settings(1000, 30)).unwrap();
    let frame = Frame {
        data,
        sequence: 0,
        captured: Mono::default(),
    };
    encoder
        .encode(&frame, false)
        .unwrap()
        .unwrap()
        .data
        .to_vec()
}

#[test]
fn all_layouts_of_one_picture_decode_to_the_same_colour_also_with_odd_sizes() {
    use PixelFormat::{Nv12, Uyvy, Yu12, Yuyv};
    for pixel in [Yuyv, Uyvy, Nv12, Yu12] {
        for size in [Size::new(160, 96), Size::new(161, 97)] {
            let (format, data) = flat(pixel, size, WEBCAM);
            let stream = coded(format, &data);
            let mut decoder = Decoder::new().unwrap();
            let decoded = decoder.decode(&stream).unwrap().unwrap();
            assert_eq!(decoded.dimensions(), (160, 96), "{pixel} {size}");
            let seen = [decoded.y()[0], decoded.u()[0], decoded.v()[0]];
            for (seen, sent) in seen.into_iter().zip([90, 110, 160]) {
                assert!(
                    seen.abs_diff(sent) <= 2,
                    "{pixel} {size}: {seen} for {sent}"
                );
            }
        }
    }
}

#[test]
fn the_sps_says_what_the_colours_mean() {
    let hd = Colour {
        matrix: Matrix::Bt709,
        range: Range::Limited,
        srgb: false,
    };
    let sd = Colour {
        matrix: Matrix::Bt601,
        ..hd
    };
    let full = Colour {
        range: Range::Full,
        ..WEBCAM
    };
    for (colour, expected) in [
        (hd, [1, 1, 1]),
        (sd, [6, 6, 6]),
        (WEBCAM, [1, 13, 6]),
        (full, [1, 13, 6]),
    ] {
        let (format, data) = flat(PixelFormat::Nv12, Size::new(640, 360), colour);
        let stream = coded(format, &data);
        let sps = nals(&stream).find_map(Sps::parse).unwrap();
        let [primaries, transfer, matrix] = expected;
        let signal = Signal {
            full_range: false,
            primaries,
            transfer,
            matrix,
        };
        assert_eq!(sps.colour, Some(signal), "{colour:?}");
        assert_eq!(sps.size, Size::new(640, 360));
        assert_eq!(
            (sps.profile, sps.constraints & 0x40),
            (66, 0x40),
            "constrained baseline"
        );
    }
}

#[test]
fn a_short_frame_is_one_lost_frame() {
    let (format, data) = flat(PixelFormat::Yuyv, Size::new(160, 96), WEBCAM);
    let mut encoder = Software::open(format, settings(1000, 30)).unwrap();
    let frame = |data| Frame {
        data,
        sequence: 0,
        captured: Mono::default(),
    };
    let error = encoder.encode(&frame(&data[..100]), false).unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
    let unit = encoder.encode(&frame(&data), false).unwrap().unwrap();
    assert!(unit.keyframe);
}

#[test]
fn the_colour_bars_come_back_as_they_were_drawn() {
    let size = Size::new(640, 480);
    let mut decoder = Decoder::new().unwrap();
    let mut worst = 0;
    let drawn = testcard::picture::bars(&testcard::format(size, Rate::fps(30)).unwrap());
    run(size, 1000, 30, 20, |_, unit| {
        let decoded = decoder.decode(unit.data).unwrap().unwrap();
        let (stride, half, _) = decoded.strides();
        for (x, y, [luma, cb, cr]) in drawn {
            let at = y / 2 * half + x / 2;
            let seen = [
                decoded.y()[y * stride + x],
                decoded.u()[at],
                decoded.v()[at],
            ];
            for (seen, sent) in seen.into_iter().zip([luma, cb, cr]) {
                worst = worst.max(seen.abs_diff(sent));
            }
        }
    });
    assert!(worst <= 2, "a bar is off by {worst}");
}
