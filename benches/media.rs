//! What a frame costs on this machine, from the test camera to H.264.
//!
//! `cargo bench --bench media -- [SIZE [FRAMES [KBIT/S [FILE.h264 [FILE.yuv]]]]]`

use std::io::Write;

use camera_service::capture::Frame;
use camera_service::capture::testcard::{self, picture::Picture};
use camera_service::clock::{self, Mono, Wall};
use camera_service::encode::{Encoder, Settings, software::Software};
use camera_service::units::{BitRate, Rate, Size};

fn percentile(sorted: &[u64], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100] as f64 / 1000.0
}

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let arg = |at: usize| args.get(at).map(String::as_str);
    let size: Size = arg(0).unwrap_or("1280x720").parse().expect("a size");
    let frames: u64 = arg(1).unwrap_or("150").parse().expect("a number of frames");
    let kbps: u32 = arg(2).unwrap_or("2000").parse().expect("kbit/s");
    let mut file = arg(3).map(|path| std::fs::File::create(path).expect("a writable file"));
    let mut raw = arg(4).map(|path| std::fs::File::create(path).expect("a writable file"));

    let format = testcard::format(size, Rate::fps(30)).expect("a format");
    let mut picture = Picture::new(format);
    let settings = Settings {
        bitrate: BitRate::from_kbps(kbps),
        gop: 60,
    };
    let mut encoder = Software::open(format, settings).expect("an encoder");
    let (mut drawing, mut coding, mut bytes) = (Vec::new(), Vec::new(), 0);
    let start = Wall::from_secs(1_790_000_000);
    for number in 0..frames {
        let passed = number * 1_000_000_000 / 30;
        let begin = clock::mono();
        let data = picture.draw(
            u32::try_from(number).expect("few frames"),
            Wall::from_nanos(start.as_nanos() + passed),
        );
        let drawn = clock::mono();
        let frame = Frame {
            data,
            sequence: 0,
            captured: Mono::from_nanos(passed),
        };
        let coded = encoder.encode(&frame, false).expect("a coded frame");
        let end = clock::mono();
        drawing.push(u64::try_from(drawn.since(begin).as_nanos()).expect("short"));
        coding.push(u64::try_from(end.since(drawn).as_nanos()).expect("short"));
        if let Some(unit) = coded {
            bytes += unit.data.len();
            if let Some(file) = &mut file {
                file.write_all(unit.data).expect("room on the disk");
            }
        }
        if let Some(raw) = &mut raw {
            raw.write_all(data).expect("room on the disk");
        }
    }
    drawing.sort_unstable();
    coding.sort_unstable();
    println!(
        "{size} {frames} frames: drawing p50 {:.0} p99 {:.0} µs; coding p50 {:.0} p99 {:.0} µs; {:.0} kbit/s of {kbps}",
        percentile(&drawing, 50),
        percentile(&drawing, 99),
        percentile(&coding, 50),
        percentile(&coding, 99),
        bytes as f64 * 8.0 * 30.0 / frames as f64 / 1000.0,
    );
}
