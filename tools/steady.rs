//! Counts heap allocations of the running data plane: real cameras, the real camera threads, a real MediaMTX.
//!
//!     steady --rtsp 127.0.0.1:8554 --warm-up 100 --frames 1000
//!
//! Prints one line of JSON: for each camera the frames, and for each thread how often it allocated and freed while those
//! frames passed. The law it watches: a camera's thread allocates nothing per frame.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use camera_service::camera::Directory;
use camera_service::clock;
use camera_service::config;
use camera_service::encode::Choice;
use camera_service::error::{Error, Kind, Result};
use camera_service::pipeline::fleet;
use camera_service::units::{BitRate, Size};
use clap::{Parser, ValueEnum};
use nix::unistd::gettid;
use serde_json::json;

/// Threads that can be told apart; later ones share the last seat.
const SEATS: usize = 64;

/// What one thread did.
struct Seat {
    thread: AtomicU64,
    taken: AtomicU64,
    given: AtomicU64,
    bytes: AtomicU64,
}

#[expect(
    clippy::declare_interior_mutable_const,
    reason = "it is the array's initial value only"
)]
const EMPTY: Seat = Seat {
    thread: AtomicU64::new(0),
    taken: AtomicU64::new(0),
    given: AtomicU64::new(0),
    bytes: AtomicU64::new(0),
};
static ALL: [Seat; SEATS] = [EMPTY; SEATS];
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    // Constant and without a destructor: looking at it allocates nothing.
    static SEAT: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn seat() -> &'static Seat {
    let mine = SEAT.try_with(|seat| {
        if seat.get() == usize::MAX {
            seat.set(NEXT.fetch_add(1, Relaxed).min(SEATS - 1));
            let thread = u64::try_from(gettid().as_raw()).unwrap_or_default();
            ALL[seat.get()].thread.store(thread, Relaxed);
        }
        seat.get()
    });
    &ALL[mine.unwrap_or(SEATS - 1)]
}

/// The system's allocator, watched.
struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator can be had in no other way; every call is handed on unchanged"
)]
// SAFETY: each method hands its arguments to the system's allocator and returns what that returned.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        seat().taken.fetch_add(1, Relaxed);
        seat().bytes.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        seat().given.fetch_add(1, Relaxed);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        seat().taken.fetch_add(1, Relaxed);
        seat().bytes.fetch_add(new_size as u64, Relaxed);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[derive(Parser)]
#[command(about = "Counts heap allocations of the running data plane")]
struct Cli {
    /// A MediaMTX that lets anybody publish.
    #[arg(long)]
    rtsp: SocketAddr,
    /// Frames before counting begins.
    #[arg(long, default_value_t = 100)]
    warm_up: u64,
    /// Frames to count over.
    #[arg(long, default_value_t = 1000)]
    frames: u64,
    /// Picture size wished for.
    #[arg(long, default_value = "640x480")]
    size: Size,
    /// Frames per second wished for.
    #[arg(long, default_value_t = 30)]
    fps: u32,
    /// Encoder.
    #[arg(long, value_enum, default_value_t = Encoder::Auto)]
    encoder: Encoder,
}

#[derive(Clone, Copy, ValueEnum)]
enum Encoder {
    Auto,
    Copy,
    Software,
}

/// Allocations, releases and bytes by thread id.
type Snapshot = BTreeMap<u64, [u64; 3]>;

fn snapshot() -> Snapshot {
    ALL.iter()
        .filter(|seat| seat.thread.load(Relaxed) != 0)
        .map(|seat| {
            let figures = [&seat.taken, &seat.given, &seat.bytes].map(|n| n.load(Relaxed));
            (seat.thread.load(Relaxed), figures)
        })
        .collect()
}

/// What the kernel calls a thread of this process.
fn name(thread: u64) -> String {
    std::fs::read_to_string(format!("/proc/self/task/{thread}/comm"))
        .map_or_else(|_| "gone".to_owned(), |text| text.trim().to_owned())
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::INFO)
        .init();
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(wanted: &Cli) -> Result<()> {
    let directory = Arc::new(Directory::default());
    let mut camera = config::Config::default().camera;
    camera.size = wanted.size;
    camera.fps = wanted.fps;
    camera.bitrate = BitRate::from_kbps(2000);
    camera.encoder = match wanted.encoder {
        Encoder::Auto => Choice::Auto,
        Encoder::Copy => Choice::Copy,
        Encoder::Software => Choice::Software,
    };
    let settings = fleet::Settings {
        rtsp: wanted.rtsp,
        publish_user: String::new(),
        publish_password: String::new(),
        camera,
        test: None,
        kept: Arc::new(camera_service::kept::Nowhere),
        held: config::Config::default().held(),
    };
    let fleet = fleet::io::start(settings, Arc::clone(&directory))?;
    let sent = || -> u64 {
        let cameras = directory.list();
        cameras
            .iter()
            .map(|c| c.counters.sent.load(Relaxed))
            .min()
            .unwrap_or(0)
    };
    wait(wanted.warm_up, &sent)?;
    let (begin, from) = (snapshot(), sent());
    wait(from + wanted.frames, &sent)?;
    let (end, frames) = (snapshot(), sent() - from);

    let mut threads = Vec::new();
    for (thread, after) in &end {
        let before = begin.get(thread).copied().unwrap_or_default();
        let [taken, given, bytes] = [0, 1, 2].map(|i| after[i] - before[i]);
        let name = name(*thread);
        threads.push(
            json!({ "thread": name, "allocations": taken, "releases": given, "bytes": bytes }),
        );
    }
    let cameras: Vec<_> = directory
        .list()
        .iter()
        .map(|c| json!({ "camera": c.id.to_string(), "route": c.route.map(|r| r.as_str()), "why": c.route_why }))
        .collect();
    println!(
        "{}",
        json!({ "frames": frames, "cameras": cameras, "threads": threads })
    );
    drop(fleet);
    Ok(())
}

/// Until so many access units went out.
fn wait(frames: u64, sent: &dyn Fn() -> u64) -> Result<()> {
    let mut last = (0, clock::mono());
    while sent() < frames {
        if sent() > last.0 {
            last = (sent(), clock::mono());
        } else if clock::mono().since(last.1) > Duration::from_secs(30) {
            let what = format!("no access unit went out for 30 s; {} did before", last.0);
            return Err(Error::new(Kind::Internal, what));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
