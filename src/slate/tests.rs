//! Tests of the slate as its viewers see it.

use openh264::decoder::Decoder;
use openh264::formats::YUVSource;
use proptest::prelude::*;

use super::layout::Layout;
use super::picture::Picture;
use super::*;
use crate::capture::testcard;
use crate::capture::{Colour, Frame, Matrix};
use crate::clock::{Now, Wall};
use crate::encode::Encoder;
use crate::encode::convert::Planar;
use crate::encode::h264::{Contents, NalKind, nals};
use crate::encode::software::Software;
use crate::units::BitRate;

const CAMERA: Settings = Settings {
    bitrate: BitRate::from_kbps(1000),
    gop: 60,
};

/// 2026-11-21 07:45:12 UTC, so many milliseconds after the camera was lost.
fn at(millis: u64) -> Now {
    let nanos = millis * 1_000_000;
    Now {
        mono: Mono::from_nanos(50_000_000_000 + nanos),
        wall: Wall::from_nanos(1_795_247_112_000_000_000 + nanos),
    }
}

fn text() -> Text {
    Text::no_picture("camera0", "the device was unplugged", at(0).mono)
}

fn format(width: u32, height: u32) -> Format {
    let base = testcard::format(Size::new(640, 480), Rate::fps(30)).unwrap();
    Format {
        size: Size::new(width, height),
        stride: width,
        ..base
    }
}

/// A picture in which every sample says where it is.
fn memory(width: usize, height: usize) -> Planar {
    let mut picture = Planar::new(width, height);
    let [y, cb, cr] = picture.planes_mut();
    for (at, v) in y.iter_mut().enumerate() {
        *v = u8::try_from(60 + at % width * 80 / width + at / width * 80 / height).unwrap();
    }
    cb.fill(64);
    cr.fill(208);
    picture
}

fn slate(last: Option<Planar>, format: Format) -> Slate {
    Slate::open(last, format, CAMERA, text(), at(0)).unwrap()
}

/// Copies the luma, Cb and Cr of the picture that a viewer sees.
fn seen(decoder: &mut Decoder, unit: &[u8]) -> Planar {
    let decoded = decoder.decode(unit).unwrap().unwrap();
    let mut last = None;
    let (luma, chroma, _) = decoded.strides();
    let planes = [
        (decoded.y(), luma),
        (decoded.u(), chroma),
        (decoded.v(), chroma),
    ];
    let kept = last::Kept { full_range: false };
    last::copy(planes, decoded.dimensions(), kept, &mut last);
    last.unwrap()
}

/// Mean luma on the strokes of a line of text and beside them.
fn legible(luma: &[u8], width: usize, line: &layout::Line) -> (f32, f32) {
    let sprite = line.pen.text(&line.text);
    let most = sprite.alpha.iter().max().copied().unwrap_or(0);
    let (mut ink, mut paper) = ((0.0, 0.0), (0.0, 0.0));
    for (row, covers) in sprite.alpha.chunks_exact(sprite.width).enumerate() {
        for (column, cover) in covers.iter().enumerate() {
            let Some(v) = luma.get((line.y + row) * width + line.x + column) else {
                continue;
            };
            let sum = match *cover {
                0 => &mut paper,
                cover if cover > most / 4 * 3 => &mut ink,
                _ => continue,
            };
            sum.0 += f32::from(*v);
            sum.1 += 1.0;
        }
    }
    (ink.0 / ink.1, paper.0 / paper.1)
}

const SINCE: &str = "since 2026-11-21 07:45:12 UTC";

#[test]
fn a_viewer_sees_the_last_picture_dimmed_and_reads_what_why_and_since_when() {
    for (width, height) in [(160, 120), (320, 180), (640, 480), (1280, 720), (480, 640)] {
        let last = memory(width, height);
        let mut slate = slate(
            Some(last.clone()),
            format(
                u32::try_from(width).unwrap(),
                u32::try_from(height).unwrap(),
            ),
        );
        let mut decoder = Decoder::new().unwrap();
        let mut picture = None;
        for beat in 0..6 {
            let unit = slate.next(false, at(200 * beat)).unwrap();
            picture = Some(seen(&mut decoder, unit.data));
        }
        let picture = picture.unwrap();
        let text = text();
        let layout = Layout::new(width, height, [&text.what, &text.why, SINCE]);
        let said: Vec<&str> = layout.lines.iter().map(|line| &*line.text).collect();
        assert_eq!(
            said.join(" "),
            "No picture from camera0 the device was unplugged since 2026-11-21 07:45:12 UTC"
        );
        for line in &layout.lines {
            let (ink, paper) = legible(picture.planes()[0], width, line);
            assert!(
                ink > 120.0 && paper < 60.0,
                "{width}x{height} {:?}: ink {ink}, paper {paper}",
                line.text
            );
        }
        // In the corners, away from the band, the memory of the camera.
        for (x, y) in [
            (4, 4),
            (width - 5, 4),
            (4, height - 5),
            (width - 5, height - 5),
        ] {
            let [was, is] = [&last, &picture].map(|p| f32::from(p.planes()[0][y * width + x]));
            let expected = 16.0 + (was - 16.0) * 0.4;
            assert!(
                (is - expected).abs() < 6.0,
                "{width}x{height} {x},{y}: {is} of {was}"
            );
            let chroma = y / 2 * (width / 2) + x / 2;
            let [_, cb, cr] = picture.planes().map(|p| p[chroma.min(p.len() - 1)]);
            assert!(cb.abs_diff(102) < 6 && cr.abs_diff(160) < 6, "{cb} {cr}");
        }
    }
}

#[test]
fn without_a_last_picture_the_words_stand_on_a_dark_one() {
    let mut slate = slate(None, format(320, 240));
    let mut decoder = Decoder::new().unwrap();
    let unit = slate.next(false, at(0)).unwrap();
    let picture = seen(&mut decoder, unit.data);
    let [y, cb, _] = picture.planes();
    assert!(y[0] < 50 && y[0] > 16 && cb[0].abs_diff(128) < 4);
    assert!(y.iter().any(|v| *v > 200), "no words");
}

fn parameter_sets(unit: &[u8]) -> Vec<Vec<u8>> {
    let wanted = |nal: &&[u8]| matches!(NalKind::of(nal), NalKind::Sps | NalKind::Pps);
    nals(unit).filter(wanted).map(<[u8]>::to_vec).collect()
}

#[test]
fn on_the_software_route_viewers_get_the_parameter_sets_they_already_have() {
    let webcam = Colour {
        matrix: Matrix::Bt601,
        range: Range::Full,
        srgb: true,
    };
    let film = Colour {
        matrix: Matrix::Bt709,
        range: Range::Limited,
        srgb: false,
    };
    for (width, height) in [(160, 120), (161, 97), (640, 480), (854, 480), (1280, 720)] {
        for (rate, kbps, gop, colour) in [
            (Rate::fps(5), 200, 10, webcam),
            (Rate::fps(30), 1000, 60, film),
            (Rate::new(30_000, 1001).unwrap(), 2500, 30, webcam),
            (Rate::fps(60), 8000, 120, film),
        ] {
            let format = Format {
                pixel: PixelFormat::Yuyv,
                size: Size::new(width, height),
                stride: 2 * (width + 1),
                rate,
                colour,
            };
            let settings = Settings {
                bitrate: BitRate::from_kbps(kbps),
                gop,
            };
            let mut camera = Software::open(format, settings).unwrap();
            let frame = Frame {
                data: &vec![99; (2 * (width + 1) * height) as usize],
                sequence: 0,
                captured: at(0).mono,
            };
            let known = parameter_sets(camera.encode(&frame, true).unwrap().unwrap().data);
            assert_eq!(known.len(), 2);
            let mut slate = Slate::open(None, format, settings, text(), at(0)).unwrap();
            for idr in 0..3 {
                let unit = slate.next(true, at(200 * idr)).unwrap();
                assert_eq!(
                    parameter_sets(unit.data),
                    known,
                    "{width}x{height} {rate} {kbps}"
                );
            }
        }
    }
}

#[test]
fn who_joins_gets_a_key_frame_at_once_and_else_as_often_as_from_the_camera() {
    let mut slate = slate(None, format(160, 120));
    let mut keyframes = Vec::new();
    for beat in 0..32 {
        let unit = slate.next(beat == 13, at(200 * beat)).unwrap();
        assert_eq!(Contents::of(unit.data).is_keyframe(), unit.keyframe);
        if unit.keyframe {
            keyframes.push(beat);
        }
    }
    // The camera: 60 frames at 30 a second; the slate: 10 at 5.
    assert_eq!(keyframes, [0, 10, 13, 23]);
    let slow = Rate::new(1, 10).unwrap();
    assert_eq!(settings(CAMERA, slow).gop, 3000);
    assert_eq!(settings(CAMERA, Rate::fps(1000)).gop, 1);
}

#[test]
fn a_size_that_openh264_refuses_becomes_the_nearest_of_the_same_shape() {
    for (asked, expected) in [
        ((640, 480), (640, 480)),
        ((641, 481), (640, 480)),
        ((16, 16), (16, 16)),
        ((3840, 2160), (3840, 2160)),
        ((2160, 3840), (2160, 3840)),
        ((4096, 2160), (3840, 2024)),
        ((4056, 3040), (2880, 2160)),
        ((3040, 4056), (2160, 2880)),
        ((8, 8), (16, 16)),
        ((64, 8), (128, 16)),
        ((16_000, 8), (3840, 16)),
        ((0, 0), (16, 16)),
    ] {
        let coded = coded(format(asked.0, asked.1));
        assert_eq!((coded.size.width, coded.size.height), expected, "{asked:?}");
    }
    // And the encoder agrees.
    for (width, height) in [
        (8, 8),
        (17, 16),
        (161, 97),
        (16_000, 8),
        (90, 160),
        (4056, 3040),
    ] {
        let last = memory(100, 60);
        let mut slate = slate(Some(last), format(width, height));
        let size = coded(format(width, height)).size;
        let mut decoder = Decoder::new().unwrap();
        let unit = slate.next(false, at(0)).unwrap();
        let picture = seen(&mut decoder, unit.data);
        let expected = (size.width as usize, size.height as usize);
        assert_eq!(picture.dimensions(), expected, "{width}x{height}");
    }
}

#[test]
fn times_grow_even_when_the_clock_stands_still_or_runs_back() {
    let mut slate = slate(None, format(64, 64));
    let mut before = None;
    for millis in [0, 0, 0, 200, 200, 150, 100, 400, 400, 1000] {
        let captured = slate.next(false, at(millis)).unwrap().captured;
        assert!(Some(captured) > before, "at {millis} ms");
        before = Some(captured);
    }
    assert!(before <= Some(at(1000).mono));
}

#[test]
fn five_frames_a_second_are_due_and_who_was_late_is_not_made_to_catch_up() {
    let mut cadence = Cadence::new(at(0).mono);
    let mut frame = |millis: u64| {
        let stamp = cadence.frame(at(millis).mono);
        [stamp, cadence.due()].map(|at_| at_.since(at(0).mono).as_millis())
    };
    assert_eq!(frame(0), [0, 200]);
    assert_eq!(frame(203), [200, 400], "a little late: the rhythm stays");
    assert_eq!(frame(2_345), [2_345, 2_545], "very late: it starts anew");
    assert_eq!(frame(2_400), [2_400, 2_600], "early: the next one waits");
}

#[test]
fn the_sign_moves_with_every_frame_and_nothing_else_does() {
    for last in [None, Some(memory(320, 240))] {
        let coded = coded(format(320, 240));
        let mut picture = Picture::new(last.as_ref(), coded, text(), at(0));
        let mut before = picture.draw(0, at(0)).to_vec();
        let rest = before.clone();
        for beat in 1..12 {
            let now = picture.draw(beat, at(200 * u64::from(beat))).to_vec();
            let moved = before.iter().zip(&now).filter(|(a, b)| a != b).count();
            assert!((10..600).contains(&moved), "{moved} samples");
            if beat % 5 == 0 {
                assert!(now == rest, "a trace of earlier frames is left");
            }
            before = now;
        }
    }
}

#[test]
fn the_reason_may_change_while_the_picture_stays() {
    let last = memory(320, 240);
    let coded = coded(format(320, 240));
    let mut changed = Picture::new(Some(&last), coded, text(), at(0));
    changed.draw(3, at(600));
    let other = Text {
        why: "the cable works, but the camera sends nothing; a much longer reason".to_owned(),
        ..text()
    };
    changed.retitle(other.clone(), at(700));
    let mut fresh = Picture::new(Some(&last), coded, other, at(700));
    assert!(changed.draw(4, at(800)) == fresh.draw(4, at(800)));
    changed.retitle(text(), at(900));
    let mut fresh = Picture::new(Some(&last), coded, text(), at(900));
    assert!(changed.draw(5, at(1000)) == fresh.draw(5, at(1000)));
}

#[test]
fn with_an_unset_clock_the_seconds_count_on_the_picture() {
    let coded = coded(format(320, 240));
    let unset = |millis: u64| Now {
        wall: Wall::from_nanos(millis * 1_000_000),
        ..at(millis)
    };
    let mut picture = Picture::new(None, coded, text(), unset(0));
    let said = |picture: &Picture| picture.layout().lines.last().unwrap().text.clone();
    let first = picture.draw(0, unset(0)).to_vec();
    assert_eq!(said(&picture), "for 0 s");
    let second = picture.draw(0, unset(1000)).to_vec();
    assert_eq!(said(&picture), "for 1 s");
    assert!(first != second);
    picture.draw(0, at(2000));
    assert_eq!(said(&picture), SINCE);
}

#[test]
fn a_reason_too_long_is_cut_and_says_so_while_the_rest_stays() {
    for (width, height) in [(160, 120), (640, 480), (3840, 2160)] {
        let why = "ioctl VIDIOC_STREAMON failed ".repeat(40);
        let layout = Layout::new(width, height, ["No picture from camera0", &why, SINCE]);
        let of = |paragraph: usize| -> Vec<&str> {
            let lines = layout.lines.iter().filter(|l| l.paragraph == paragraph);
            lines.map(|line| &*line.text).collect()
        };
        assert_eq!(of(0).concat(), "No picture from camera0");
        assert!(of(1).last().unwrap().ends_with('…'));
        assert_eq!(of(2).join(" "), SINCE);
    }
}

#[test]
fn a_word_without_a_space_is_broken_where_the_line_ends() {
    let why = "/dev/v4l/by-path/platform-3f980000.usb-usb-0:1.3:1.0-video-index0";
    let layout = Layout::new(640, 480, ["", why, ""]);
    let lines: Vec<&str> = layout.lines.iter().map(|line| &*line.text).collect();
    assert!(lines.len() > 1);
    assert_eq!(lines.concat(), why);
}

proptest! {
    #[test]
    fn no_text_on_no_size_is_drawn_outside_the_band(
        (width, height) in (8u32..250, 8u32..250),
        what in "\\PC{0,40}|.{0,200}",
        why in "\\PC{0,40}|[a-z ]{0,600}",
        beat: u32,
        wall: u64,
    ) {
        let coded = coded(format(width, height));
        let (width, height) = (coded.size.width as usize, coded.size.height as usize);
        let text = Text { what, why, since: Mono::from_nanos(wall / 3) };
        let now = Now { wall: Wall::from_nanos(wall), ..at(0) };
        let mut picture = Picture::new(None, coded, text, now);
        let (from, to) = picture.layout().band;
        prop_assert!(from <= to && to <= height);
        let room = width as f32 * 0.95 + 1.0;
        for line in &picture.layout().lines {
            prop_assert!(line.pen.measure(&line.text) + line.x as f32 <= room, "{:?}", line.text);
        }
        let frame = picture.draw(beat, now);
        let rows = frame[..width * height].chunks_exact(width).enumerate();
        for (y, row) in rows.filter(|(y, _)| *y < from || *y >= to) {
            prop_assert!(row.iter().all(|v| *v == picture::BLANK), "row {y} beside {from}..{to}");
        }
    }
}
