//! What it costs to prove that recordings are as they were.
//!
//! `cargo bench --bench evidence -- [FOLDER [MIB]]`: a file of so many MiB is made in the folder, which lies on the medium
//! that is asked about.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use camera_service::clock::{self, Mono};
use camera_service::recording::seal::chain::Places;
use camera_service::recording::seal::chain::io::Chain;
use camera_service::recording::seal::io::digest_file;
use camera_service::recording::seal::record::{What, hex};
use camera_service::recording::seal::verify::io::Medium;
use camera_service::recording::seal::verify::{Known, verify};
use nix::time::{ClockId, clock_gettime};

/// Bytes a second of a camera of 4 Mbit/s.
const CAMERA: f64 = 500_000.0;
/// What the service reads a second at most.
const RATE: u64 = 8 << 20;
const RECORDS: u32 = 1000;

/// Time this thread has been at work, in the kernel, too.
fn worked() -> Mono {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every Linux has this clock");
    let of = |v: i64| u64::try_from(v).unwrap_or(0);
    Mono::from_nanos(of(time.tv_sec()) * 1_000_000_000 + of(time.tv_nsec()))
}

/// Time at work and time that passed.
fn timed<T>(step: impl FnOnce() -> T) -> (T, Duration, Duration) {
    let (work, wall) = (worked(), clock::mono());
    let done = step();
    (done, worked().since(work), clock::mono().since(wall))
}

fn main() {
    let given: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let folder = given
        .first()
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join(format!("bench-evidence-{}", std::process::id()));
    let mib: u64 = given.get(1).and_then(|n| n.parse().ok()).unwrap_or(64);
    fs::create_dir_all(folder.join("camera0")).expect("the folder can be made");
    let film = folder.join("camera0/film.mp4");
    let mut file = File::create(&film).expect("the file can be made");
    let piece: Vec<u8> = (0..1_u32 << 20)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    for _ in 0..mib {
        file.write_all(&piece).expect("there is room");
    }
    file.sync_all().expect("the medium takes it");
    let bytes = mib << 20;
    let never = AtomicBool::new(false);

    for (what, rate) in [
        ("as fast as it goes", None),
        ("as the service does it", Some(RATE)),
    ] {
        let (digest, work, wall) = timed(|| digest_file(&film, rate, &never));
        let digest = digest.expect("the file can be read").expect("nobody halts");
        let share = work.as_secs_f64() * CAMERA / bytes as f64 * 100.0;
        println!(
            "digest, {what:23} {:7.0} MB/s at work, {:6.1} MB/s in time, {share:.3} % of a core at 4 Mbit/s  ({})",
            bytes as f64 / 1e6 / work.as_secs_f64(),
            bytes as f64 / 1e6 / wall.as_secs_f64(),
            &hex(&digest)[..8],
        );
    }

    let places = Places::new(&folder, &folder.join("data"));
    let mut chain = Chain::open(places.clone()).expect("a fresh chain");
    let ((), work, wall) = timed(|| {
        for number in 0..RECORDS {
            let what = What::Seal {
                device: "camera0".to_owned(),
                stem: format!("camera0_2026-11-21_10-15-{number}"),
                size: 30_000_000,
                sha256: hex(&[0xab; 32]),
                begin: clock::wall().rfc3339(),
                end: clock::wall().rfc3339(),
                late: false,
            };
            chain
                .append(vec![what], clock::wall())
                .expect("the medium takes it");
        }
    });
    println!(
        "a record, signed and flushed    {:7.0} µs at work, {:6.0} µs in time, {} bytes",
        work.as_secs_f64() * 1e6 / f64::from(RECORDS),
        wall.as_secs_f64() * 1e6 / f64::from(RECORDS),
        chain_bytes(&places) / u64::from(RECORDS),
    );
    let (opened, work, _) = timed(|| Chain::open(places));
    println!(
        "a record, read at the start     {:7.1} µs at work{}",
        work.as_secs_f64() * 1e6 / f64::from(RECORDS),
        if opened.is_ok() { "" } else { " (it failed)" },
    );
    let medium = Medium::new(&folder);
    let (_, work, _) = timed(|| verify(&medium, &Known::default(), &|line| line.is_signed()));
    println!(
        "a record, verified              {:7.1} µs at work",
        work.as_secs_f64() * 1e6 / f64::from(RECORDS),
    );
    fs::remove_dir_all(folder).expect("what was made can be removed");
}

fn chain_bytes(places: &Places) -> u64 {
    let files = fs::read_dir(&places.chain).into_iter().flatten().flatten();
    files.filter_map(|f| Some(f.metadata().ok()?.len())).sum()
}
