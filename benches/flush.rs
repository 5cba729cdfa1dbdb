//! What it costs to keep growing recordings flushed: `cargo bench --bench flush [FOLDER [CAMERAS [SECONDS]]]`, on the medium of FOLDER.
//!
//! Writers do as MediaMTX does, one write a part of 0.3 s. First at a camera's pace: how long writes and flushes
//! take, and what the device gets to write for each byte of video. Then as fast as the medium takes it: what flushing leaves
//! of that. Figures land in target/bench/flush.jsonl; nothing is asserted.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use camera_service::clock;
use camera_service::events::bus::Bus;
use camera_service::recording::flush::io::Flusher;
use serde_json::{Value, json};

/// 4 Mbit/s for 0.3 s.
const PART: usize = 150_000;
const PACE: Duration = Duration::from_millis(300);
/// As fast as it goes, for so long.
const FAST: Duration = Duration::from_secs(8);

fn main() {
    let mut words = std::env::args().skip(1).filter(|a| !a.starts_with('-'));
    let folder = words.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let mut number = |else_: usize| words.next().map_or(else_, |word| word.parse().unwrap());
    let (cameras, seconds) = (number(4), number(20));
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench/flush.jsonl");
    fs::create_dir_all(out.parent().unwrap()).unwrap();
    let mut out = OpenOptions::new()
        .create(true)
        .append(true)
        .open(out)
        .unwrap();
    for fast in [false, true] {
        for every in [0, 2000, 600, 300] {
            let line = measure(&folder, every, fast, cameras, seconds * 10 / 3);
            println!("{line}");
            writeln!(out, "{line}").unwrap();
        }
    }
}

fn measure(folder: &Path, every: u64, fast: bool, cameras: usize, parts: usize) -> Value {
    let root = folder.join(format!("flush-bench-{}", uuid::Uuid::new_v4()));
    fs::create_dir_all(&root).unwrap();
    // What was written before must not be counted.
    nix::unistd::sync();
    let device = root.metadata().unwrap().dev();
    let flusher = Flusher::new(root.clone(), Duration::from_millis(every)).unwrap();
    let worker = flusher.start(Arc::new(Bus::default())).unwrap();
    let (begin, before) = (clock::mono(), sectors(device));
    let writers: Vec<_> = (0..cameras)
        .map(|n| {
            let spool = root.join(format!(".recording/camera{n}"));
            thread::spawn(move || write(&spool, fast, parts))
        })
        .collect();
    let mut times: Vec<Duration> = Vec::new();
    for writer in writers {
        times.extend(writer.join().unwrap());
    }
    let took = clock::mono().since(begin);
    let figures = flusher.figures();
    let since = |before| sectors(device).map(|now: u64| (now - before) * 512);
    let by_the_end = before.and_then(since);
    // What waits counts, too: the rest of the video, and what a journal has not brought to its place yet.
    nix::unistd::sync();
    let in_all = before.and_then(since);
    drop(worker);
    fs::remove_dir_all(root).unwrap();
    times.sort();
    let payload = times.len() * PART;
    let micros = |percent: usize| times[(times.len() - 1) * percent / 100].as_micros();
    json!({
        "pace": if fast { "as fast as it goes" } else { "4 Mbit/s each" },
        "cameras": cameras,
        "flush_interval_ms": every,
        "mb_per_s": (payload as f64 / took.as_secs_f64() / 1e4).round() / 100.0,
        "write_p50_us": micros(50),
        "write_p99_us": micros(99),
        "write_max_us": micros(100),
        "flushes_per_s": (figures.flushes as f64 / took.as_secs_f64() * 100.0).round() / 100.0,
        "longest_flush_ms": figures.longest.as_millis(),
        "payload_bytes": payload,
        "device_bytes_by_the_end": by_the_end,
        "device_bytes": in_all,
        "written_for_payload": in_all.map(|bytes| (bytes as f64 / payload as f64 * 1000.0).round() / 1000.0),
    })
}

/// Writes parts; how long each write took.
fn write(spool: &Path, fast: bool, parts: usize) -> Vec<Duration> {
    fs::create_dir_all(spool).unwrap();
    let mut file = File::create(spool.join("1790000000-000000.mp4")).unwrap();
    let part = vec![0x5a; PART];
    let begin = clock::mono();
    let mut times = Vec::new();
    loop {
        let now = clock::mono();
        let gone = now.since(begin);
        if (fast && gone > FAST) || (!fast && times.len() == parts) {
            return times;
        }
        file.write_all(&part).unwrap();
        times.push(clock::mono().since(now));
        if !fast {
            thread::sleep(
                (PACE * u32::try_from(times.len()).unwrap())
                    .saturating_sub(clock::mono().since(begin)),
            );
        }
    }
}

/// Sectors that a block device was given to write, with all its users.
fn sectors(device: u64) -> Option<u64> {
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let text = fs::read_to_string("/proc/diskstats").ok()?;
    let line = text.lines().find(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(&major.to_string()) && words.next() == Some(&minor.to_string())
    })?;
    line.split_whitespace().nth(9)?.parse().ok()
}
