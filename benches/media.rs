//! What a frame costs on this machine, from pixels to H.264, and from there into the socket.
//!
//! `cargo bench --bench media -- [SIZE [FRAMES [KBIT/S [FILE.h264 [FRAME.jpg]]]]]`

mod publish;
#[expect(clippy::unwrap_used, dead_code, reason = "shared with the tests")]
#[path = "../tests/support/rtsp.rs"]
mod rtsp;

use std::io::Write;

use nix::time::{ClockId, clock_gettime};

use camera_service::capture::testcard::{self, picture::Picture};
use camera_service::capture::{Format, Frame, PixelFormat, Range};
use camera_service::clock::{self, Mono, Now, Wall};
use camera_service::encode::convert::{Planar, convert};
use camera_service::encode::jpeg::Jpeg;
use camera_service::encode::{Settings, open};
use camera_service::slate::{Slate, Text, last_picture};
use camera_service::units::{BitRate, Rate, Size};

/// Time this thread has been at work, whatever else the machine does.
fn worked() -> Mono {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every Linux has this clock");
    let of = |v: i64| u64::try_from(v).unwrap_or(0);
    Mono::from_nanos(of(time.tv_sec()) * 1_000_000_000 + of(time.tv_nsec()))
}

/// Times of one step, in microseconds.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn of<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let begin = clock::mono();
        let result = step();
        self.0.push(clock::mono().since(begin).as_secs_f64() * 1e6);
        result
    }

    /// Like [`Times::of`], in time at work.
    fn work<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let begin = worked();
        let result = step();
        self.0.push(worked().since(begin).as_secs_f64() * 1e6);
        result
    }

    fn show(mut self, what: &str) {
        self.0.sort_unstable_by(f64::total_cmp);
        let at = |percent: usize| self.0[(self.0.len() - 1) * percent / 100];
        let mean = self.0.iter().sum::<f64>() / self.0.len() as f64;
        println!(
            "{what:34} mean {mean:7.0}  p50 {:7.0}  p99 {:7.0} µs",
            at(50),
            at(99)
        );
    }
}

/// A texture that pans and is never still: what a waving tree does to an encoder.
fn pan(data: &mut [u8], width: usize, number: usize) {
    for (at, v) in data.iter_mut().enumerate() {
        let (x, y) = (at % width + 5 * number, at / width + 2 * number);
        let wave = (x * 3 + y * 2) % 128 + (x * y / 64) % 64;
        *v = u8::try_from(32 + wave).unwrap_or(255);
    }
}

fn code(
    what: &str,
    format: Format,
    kbps: u32,
    frames: usize,
    mut file: Option<std::fs::File>,
    mut draw: impl FnMut(usize, Mono) -> Vec<u8>,
) {
    let settings = Settings {
        bitrate: BitRate::from_kbps(kbps),
        gop: 60,
    };
    let mut encoder = open(format, settings).expect("an encoder");
    let (mut times, mut bytes) = (Times::default(), 0);
    for number in 0..frames {
        let captured = Mono::from_nanos(number as u64 * 1_000_000_000 / 30);
        let frame = Frame {
            data: &draw(number, captured),
            sequence: 0,
            captured,
        };
        if let Some(unit) = times.of(|| encoder.encode(&frame, false)).expect("coded") {
            bytes += unit.data.len();
            if let Some(file) = &mut file {
                file.write_all(unit.data).expect("room on the disk");
            }
        }
    }
    let rate = bytes as f64 * 8.0 * 30.0 / frames as f64 / 1000.0;
    times.show(&format!("{what}, {rate:.0} of {kbps} kbit/s"));
}

/// What it costs to have no picture: the last group is decoded once, then five frames a second. In
/// time at work.
fn slate(format: Format, kbps: u32, frames: usize) {
    let settings = Settings {
        bitrate: BitRate::from_kbps(kbps),
        gop: 60,
    };
    let at = |millis: u64| Now {
        mono: Mono::from_nanos(millis * 1_000_000),
        wall: Wall::from_nanos(1_790_000_000_000_000_000 + millis * 1_000_000),
    };
    let mut picture = Picture::new(format);
    let mut encoder = open(format, settings).expect("an encoder");
    let mut group = Vec::new();
    for number in 0..60 {
        let now = at(u64::from(number) * 33);
        let frame = Frame {
            data: picture.draw(number, now.wall),
            sequence: number,
            captured: now.mono,
        };
        let unit = encoder.encode(&frame, false).expect("coded");
        group.extend(unit.map(|unit| unit.data.to_vec()));
    }
    let (mut decode, mut start) = (Times::default(), Times::default());
    let (mut keyframes, mut others, mut bytes) = (Times::default(), Times::default(), 0);
    let last = decode.work(|| {
        let units = group.iter().map(Vec::as_slice);
        last_picture(units, std::time::Duration::from_secs(60), clock::mono)
    });
    let text = Text::no_picture("camera0", "the device was unplugged", at(0).mono);
    let slate = start.work(|| Slate::open(last, format, settings, text, at(0)));
    let mut slate = slate.expect("a slate");
    for beat in 0..frames as u64 {
        let begin = worked();
        let unit = slate.next(false, at(200 * beat)).expect("coded");
        let times = if unit.keyframe {
            &mut keyframes
        } else {
            &mut others
        };
        times.0.push(worked().since(begin).as_secs_f64() * 1e6);
        bytes += unit.data.len();
    }
    decode.show("slate: decode a group of 60");
    start.show("slate: open");
    keyframes.show("slate: key frame, every tenth");
    let rate = bytes as f64 * 8.0 * 5.0 / frames as f64 / 1000.0;
    others.show(&format!("slate: frame, {rate:.0} kbit/s in all"));
}

fn main() {
    publish::hold();
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let arg = |at: usize| args.get(at).map(String::as_str);
    let size: Size = arg(0).unwrap_or("1280x720").parse().expect("a size");
    let frames: usize = arg(1).unwrap_or("150").parse().expect("a number");
    let kbps: u32 = arg(2).unwrap_or("2000").parse().expect("kbit/s");
    let file = arg(3).map(|path| std::fs::File::create(path).expect("a writable file"));
    let (width, height) = (size.width as usize, size.height as usize);
    let format = testcard::format(size, Rate::fps(30)).expect("a format");
    println!("{size}, {frames} frames");

    let mut picture = Picture::new(format);
    let mut drawing = Times::default();
    let start = Wall::from_secs(1_790_000_000).as_nanos();
    code(
        "code test card",
        format,
        kbps,
        frames,
        file,
        |number, at| {
            let wall = Wall::from_nanos(start + at.as_nanos());
            let number = u32::try_from(number).expect("few frames");
            drawing.of(|| picture.draw(number, wall).len());
            picture.draw(number, wall).to_vec()
        },
    );
    drawing.show("draw test card");
    let mut data = vec![128; width * height * 3 / 2];
    code(
        "code panning texture",
        format,
        kbps,
        frames,
        None,
        |number, _| {
            pan(&mut data[..width * height], width, number);
            data.clone()
        },
    );

    slate(format, kbps, frames);

    let mut planar = Planar::new(width, height);
    for (pixel, range, bytes, stride) in [
        (PixelFormat::Yuyv, Range::Limited, 2, 2),
        (PixelFormat::Yuyv, Range::Full, 2, 2),
        (PixelFormat::Uyvy, Range::Limited, 2, 2),
        (PixelFormat::Nv12, Range::Limited, 2, 1),
        (PixelFormat::Yu12, Range::Full, 2, 1),
    ] {
        let mut format = format;
        format.pixel = pixel;
        format.stride = size.width * stride;
        format.colour.range = range;
        let data = vec![77; width * height * bytes];
        let mut times = Times::default();
        for _ in 0..frames {
            times
                .of(|| convert(&format, &data, &mut planar))
                .expect("converted");
        }
        times.show(&format!("convert {pixel} {range:?}"));
    }
    if let Some(path) = arg(4) {
        let data = std::fs::read(path).expect("a JPEG");
        let (mut jpeg, mut times) = (Jpeg::new(), Times::default());
        for _ in 0..frames {
            times
                .of(|| jpeg.decode(&data, Range::Full, &mut planar))
                .expect("decoded");
        }
        times.show(&format!("decode JPEG of {} bytes", data.len()));
    }
    publish::rows();
}
