//! What it costs to publish a picture, to measure that, and to hold the last seconds of pictures.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use camera_service::camera::Counters;
use camera_service::clock::{self, Mono};
use camera_service::encode::AccessUnit;
use camera_service::latency::{Latency, Recorder, Stage, Stamps};
use camera_service::pipeline::chain::Timing;
use camera_service::stream::ring::Ring;
use camera_service::stream::{Limits, Publisher, State, Target};

use super::Times;
use super::rtsp::Sink;

/// From one frame to the next.
const FRAME: Duration = Duration::from_millis(33);

/// Prints every row but [`hold`]'s.
pub(crate) fn rows() {
    record();
    for bytes in [8_000, 60_000] {
        push(bytes);
    }
}

/// Four stages of a picture into their histograms.
fn record() {
    const TIMES: u32 = 100_000;
    let (latency, mut recorder) = (Latency::default(), Recorder::default());
    let mut spans: Vec<Duration> = (0..21)
        .map(|round| {
            let begin = clock::mono();
            for n in 0..u64::from(TIMES) {
                // A frame every 33 ms, so the halves take turns as often as they would.
                let frame = (round * u64::from(TIMES) + n) * 33_000_000;
                let at = |micros: u64| Mono::from_nanos(frame + micros * 1000);
                let stamps = Stamps {
                    captured: at(0),
                    dequeued: at(2_000 + n % 500),
                    encoded: at(9_000 + n % 3_000),
                };
                recorder.sent(black_box(&latency), &stamps, at(13_000));
            }
            clock::mono().since(begin)
        })
        .collect();
    spans.sort_unstable();
    let each = spans[spans.len() / 2] / TIMES;
    let share = each.as_secs_f64() / FRAME.as_secs_f64();
    println!(
        "{:34} {} ns a frame, {share:.1e} of {} ms",
        "record 4 stages",
        each.as_nanos(),
        FRAME.as_millis()
    );
}

/// One picture into a loopback socket that somebody reads, and its copy into the ring.
fn push(bytes: usize) {
    let sink = Sink::start();
    let target = Target {
        addr: sink.addr,
        path: "camera0".to_owned(),
        user: String::new(),
        password: String::new(),
    };
    let counters = Arc::new(Counters::default());
    let limits = Limits {
        // Thousands of pictures a second are no backlog here.
        catch_up: u32::MAX,
        ..Limits::default()
    };
    let mut publisher = Publisher::new(target, Arc::clone(&counters), limits);
    let (mut pushing, mut copying) = (Times::default(), Times::default());
    let mut copy = vec![0; bytes];
    let mut live = 0;
    while live < 3000 {
        let mut data = vec![7; bytes];
        data[..5].copy_from_slice(&[0, 0, 0, 1, 0x65]);
        copying.of(|| black_box(&mut copy).copy_from_slice(black_box(&data)));
        let now = clock::now();
        let unit = AccessUnit {
            data: &data,
            keyframe: true,
            captured: now.mono,
        };
        let timing = Timing {
            dequeued: now.mono,
            encoded: now.mono,
        };
        if matches!(publisher.state(), State::Recording { .. }) {
            pushing.of(|| publisher.push(&unit, Some(timing), now));
            live += 1;
        } else {
            publisher.push(&unit, Some(timing), now);
        }
        // The reader gets its turn; the socket is empty again when the next one comes.
        std::thread::sleep(Duration::from_micros(500));
        publisher.on_ready(clock::now());
    }
    pushing.show(&format!("push {bytes} bytes"));
    copying.show("  of which at most: its copy");
    let sent = counters.latency.recent(Stage::Send, clock::mono());
    if let Some(sent) = sent {
        println!(
            "  encoded to sent                  p50 {:?} p99 {:?} of {} frames",
            sent.p50, sent.p99, sent.frames
        );
    }
}

/// Ten minutes of 2 Mbit/s through a ring of 8 MiB that reaches back 4 s. To be called first, while
/// the allocator has no memory left over that it could use without asking the kernel.
pub(crate) fn hold() {
    let before = resident();
    let mut ring = Ring::new(8 << 20, Duration::from_secs(4));
    let picture = vec![1; 50_000];
    let mut most = 0;
    for n in 0..18_000u64 {
        let wobble = usize::try_from(n * 7919 % 2000).unwrap_or(0);
        let bytes = if n % 30 == 0 { 40_000 } else { 6_000 } + wobble;
        let at = Mono::from_nanos(n * 33_333_333);
        let stamps = Stamps {
            captured: at,
            dequeued: at,
            encoded: at,
        };
        while let Some(count) = ring.must_evict(bytes, at) {
            ring.evict(count);
        }
        ring.reserve(bytes, stamps, n % 30 == 0).expect("room");
        ring.store(&picture[..bytes]);
        let held = (ring.first()..ring.next()).filter_map(|n| ring.get(n));
        most = most.max(held.map(|h| h.data.len()).sum());
    }
    println!(
        "{:34} {} KiB resident for {} KiB of pictures at most",
        "ring, 10 min of 2 Mbit/s",
        resident().saturating_sub(before) >> 10,
        most >> 10
    );
}

/// Bytes of this process in RAM, as `/proc/self/smaps_rollup` says exactly.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("procfs");
    let line = text.lines().find_map(|l| l.strip_prefix("Rss:"));
    let kib = line.and_then(|l| l.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.expect("a number") << 10
}
