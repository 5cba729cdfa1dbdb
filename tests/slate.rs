//! A camera, its slate, and the camera again as one stream, as a viewer gets them over one connection.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its assumption breaks"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use camera_service::capture::testcard::{self, picture::Picture};
use camera_service::capture::{Format, Frame};
use camera_service::clock::{Mono, Now, Wall};
use camera_service::encode::{Settings, open};
use camera_service::slate::{Slate, Text, last_picture};
use camera_service::units::{BitRate, Rate, Size};

const SETTINGS: Settings = Settings {
    bitrate: BitRate::from_kbps(1000),
    gop: 30,
};

fn at(millis: u64) -> Now {
    Now {
        mono: Mono::from_nanos(1_000_000_000 + millis * 1_000_000),
        wall: Wall::from_nanos(1_795_247_112_000_000_000 + millis * 1_000_000),
    }
}

/// Coded frames of the test camera.
fn camera(format: Format, count: u32) -> Vec<Vec<u8>> {
    let mut picture = Picture::new(format);
    let mut encoder = open(format, SETTINGS).unwrap();
    let mut code = |number: u32| {
        let now = at(u64::from(number) * 33);
        let frame = Frame {
            data: picture.draw(number, now.wall),
            sequence: number,
            captured: now.mono,
        };
        let unit = encoder.encode(&frame, number == 0).unwrap().unwrap();
        unit.data.to_vec()
    };
    (0..count).map(&mut code).collect()
}

fn slate(format: Format, last: &[Vec<u8>], count: u64) -> Vec<Vec<u8>> {
    let units = last.iter().map(Vec::as_slice);
    let last = last_picture(units, Duration::from_secs(1), Mono::default);
    assert!(last.is_some());
    let text = Text::no_picture("camera0", "the device was unplugged", at(0).mono);
    let mut slate = Slate::open(last, format, SETTINGS, text, at(0)).unwrap();
    let mut code = |beat: u64| {
        let unit = slate.next(beat == 7, at(200 * beat)).unwrap();
        unit.data.to_vec()
    };
    (0..count).map(&mut code).collect()
}

/// Frames that ffmpeg decodes from a stream, and what it complains about.
fn decoded(stream: &[u8]) -> (usize, String) {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-err_detect", "explode"])
        .args(["-f", "h264", "-i", "-", "-fps_mode", "passthrough"])
        .args(["-f", "framemd5", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffmpeg is needed for this test");
    let mut input = ffmpeg.stdin.take().unwrap();
    let stream = stream.to_vec();
    let feeder = std::thread::spawn(move || input.write_all(&stream));
    let output = ffmpeg.wait_with_output().unwrap();
    let _ = feeder.join().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let frames = text.lines().filter(|line| !line.starts_with('#')).count();
    (frames, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn camera_slate_and_camera_again_are_one_stream_without_a_fault() {
    for size in [Size::new(640, 480), Size::new(320, 180)] {
        let format = testcard::format(size, Rate::fps(30)).unwrap();
        let camera = camera(format, 35);
        let slate = slate(format, &camera[30..], 12);
        let stream = [camera.concat(), slate.concat(), camera.concat()].concat();
        assert_eq!(decoded(&stream), (35 + 12 + 35, String::new()), "{size}");
    }
}

#[test]
fn a_camera_that_codes_by_itself_may_have_other_parameter_sets() {
    let fixture = include_bytes!("fixtures/rtsp_testsrc_320x180_25fps.h264");
    let size = Size::new(320, 180);
    let format = testcard::format(size, Rate::fps(25)).unwrap();
    let camera = camera(format, 3);
    let slate = slate(format, &camera, 12);
    let stream = [&fixture[..], &slate.concat(), fixture].concat();
    assert_eq!(decoded(&stream), (50 + 12 + 50, String::new()));
}
