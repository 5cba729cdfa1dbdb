//! `GET /metrics`: every figure the service has, for Prometheus.
//!
//! The law: a question is answered from memory, so a scraper can neither wait for a camera nor hold
//! one up. Names and meanings stand in `docs/reference/metrics.md`; a test holds both together.

mod control;
mod doors;
pub mod exposition;
pub mod io;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use self::exposition::{Family, Kind, Page};
use crate::camera::{Camera, Counters, Device, Status};
use crate::clock::{Mono, Now};
use crate::latency::Stage;
use crate::recover::history::BOUNDS;
use crate::rpc::media::MediaState;
use crate::system::System;

/// Upper edges of the latency buckets, in units of 50 µs: fine where a picture's stages are, up to 10 s.
const EDGES: [u32; 21] = [
    2, 5, 10, 20, 50, 100, 150, 200, 300, 400, 600, 800, 1_000, 1_500, 2_000, 4_000, 10_000,
    20_000, 50_000, 100_000, 200_000,
];
const EDGE: Duration = Duration::from_micros(50);

/// What the kernel says of this process; `None` where it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Memory in RAM.
    pub resident_bytes: Option<u64>,
    /// CPU time of all threads, microseconds.
    pub cpu_micros: Option<u64>,
    /// Descriptors open.
    pub open_fds: Option<usize>,
}

/// Everything the page is written from.
#[derive(Debug)]
pub struct Facts<'a> {
    /// All cameras known.
    pub cameras: &'a [Camera],
    /// MediaMTX as last seen.
    pub media: &'a MediaState,
    /// Whether a viewer who comes now gets a picture.
    pub ready: bool,
    /// This process.
    pub process: Process,
    /// Bytes that WebSockets have waiting here, and may have; 0 = no limit.
    pub waiting: (usize, usize),
    /// Downloads that run.
    pub downloads: usize,
    /// The machine, the storage, and the calls.
    pub system: &'a System,
    /// When the program started.
    pub started: Mono,
    /// The moment of the question.
    pub now: Now,
    /// Version of the program.
    pub version: &'a str,
}

/// The page.
#[must_use]
pub fn page(facts: &Facts<'_>) -> String {
    let mut page = Page::default();
    service(facts, &mut page);
    cameras(facts, &mut page);
    counters(facts.cameras, &mut page);
    latency(facts.cameras, &mut page);
    recoveries(facts.cameras, &mut page);
    media(facts.media, &mut page);
    control::control(facts.system, &mut page);
    doors::doors(facts, &mut page);
    control::machine(facts.system, facts.now.mono, &mut page);
    control::samples(facts.system, &mut page);
    page.finish()
}

fn service(facts: &Facts<'_>, page: &mut Page) {
    let labels = [
        ("version", facts.version),
        ("architecture", std::env::consts::ARCH),
    ];
    page.family(
        "camera_service_build_info",
        Kind::Gauge,
        "The program; always 1.",
    )
    .add(&labels, 1);
    let uptime = facts.now.mono.since(facts.started).as_secs_f64();
    page.family(
        "camera_service_uptime_seconds",
        Kind::Gauge,
        "Time since the program started.",
    )
    .add(&[], uptime);
    page.family(
        "camera_service_ready",
        Kind::Gauge,
        "1 while a viewer who comes gets a picture; as /health/ready.",
    )
    .add(&[], u8::from(facts.ready));
    let process = facts.process;
    if let Some(bytes) = process.resident_bytes {
        page.family(
            "process_resident_memory_bytes",
            Kind::Gauge,
            "Memory of this process in RAM.",
        )
        .add(&[], bytes);
    }
    if let Some(micros) = process.cpu_micros {
        page.family(
            "process_cpu_seconds_total",
            Kind::Counter,
            "CPU time of this process.",
        )
        .add(&[], Duration::from_micros(micros).as_secs_f64());
    }
    if let Some(count) = process.open_fds {
        page.family(
            "process_open_fds",
            Kind::Gauge,
            "Descriptors this process has open.",
        )
        .add(&[], count);
    }
}

fn cameras(facts: &Facts<'_>, page: &mut Page) {
    let mut family = page.family(
        "camera_service_camera_info",
        Kind::Gauge,
        "What a camera is; always 1.",
    );
    for camera in facts.cameras {
        let driver = match &camera.device {
            Device::Test => "test",
            Device::V4l2 { driver, .. } => driver,
        };
        let format = camera
            .format
            .map(|f| (f.size.to_string(), f.pixel.to_string()));
        let (size, pixel) = format.unwrap_or_default();
        family.add(
            &[
                ("camera", &camera.id.to_string()),
                ("name", &camera.name),
                ("driver", driver),
                ("route", camera.route.map_or("", |r| r.as_str())),
                ("resolution", &size),
                ("pixel_format", &pixel),
            ],
            1,
        );
    }
    let mut family = page.family(
        "camera_service_camera_status",
        Kind::Gauge,
        "1 for the status the camera has, 0 for the others.",
    );
    for camera in facts.cameras {
        for status in Status::WORDS {
            let id = camera.id.to_string();
            let is = u8::from(camera.status.as_str() == status);
            family.add(&[("camera", &id), ("status", status)], is);
        }
    }
    let since = |moment: Mono| facts.now.mono.since(moment).as_secs_f64();
    each(
        facts.cameras,
        page.family(
            "camera_service_camera_slate",
            Kind::Gauge,
            "1 while viewers see the slate instead of the picture.",
        ),
        |camera| Some(f64::from(u8::from(camera.slate_since.is_some()))),
    );
    each(
        facts.cameras,
        page.family(
            "camera_service_publishing_seconds",
            Kind::Gauge,
            "For how long MediaMTX has been taking this camera's pictures; 0 while it does not.",
        ),
        |camera| Some(camera.counters.publishing_since().map_or(0.0, since)),
    );
    each(
        facts.cameras,
        page.family(
            "camera_service_last_frame_timestamp_seconds",
            Kind::Gauge,
            "Unix time of the last frame taken.",
        ),
        |camera| {
            let nanos = camera.counters.last_frame_nanos.load(Relaxed);
            let wall = facts.now.wall_of(Mono::from_nanos(nanos));
            (nanos > 0).then(|| Duration::from_nanos(wall.as_nanos()).as_secs_f64())
        },
    );
}

/// One figure for each camera that has it.
fn each(cameras: &[Camera], mut family: Family<'_>, figure: impl Fn(&Camera) -> Option<f64>) {
    for camera in cameras {
        if let Some(value) = figure(camera) {
            family.add(&[("camera", &camera.id.to_string())], value);
        }
    }
}

/// A counter's name, its meaning, and where it stands.
type Counter = (&'static str, &'static str, fn(&Counters) -> &AtomicU64);

const COUNTERS: [Counter; 10] = [
    (
        "camera_service_frames_captured_total",
        "Frames taken from the driver.",
        |c| &c.captured,
    ),
    (
        "camera_service_frames_dropped_by_driver_total",
        "Frames the driver dropped: gaps in its sequence numbers.",
        |c| &c.dropped_by_driver,
    ),
    (
        "camera_service_frames_damaged_total",
        "Frames that could not be used.",
        |c| &c.damaged,
    ),
    (
        "camera_service_frames_repeated_total",
        "Frames the driver handed out once more; not coded again.",
        |c| &c.repeated,
    ),
    (
        "camera_service_buffers_requeued_total",
        "Buffers a driver refused at first and took the second time.",
        |c| &c.requeued,
    ),
    (
        "camera_service_frames_swallowed_total",
        "Frames the encoder took and gave nothing for.",
        |c| &c.swallowed,
    ),
    (
        "camera_service_frames_encoded_total",
        "Coded pictures made.",
        |c| &c.encoded,
    ),
    (
        "camera_service_frames_sent_total",
        "Coded pictures handed to the socket to MediaMTX in full.",
        |c| &c.sent,
    ),
    (
        "camera_service_frames_unsent_total",
        "Coded pictures given up because MediaMTX was away or too slow.",
        |c| &c.unsent,
    ),
    (
        "camera_service_sent_bytes_total",
        "Bytes of RTP handed to the socket to MediaMTX.",
        |c| &c.bytes_sent,
    ),
];

fn counters(cameras: &[Camera], page: &mut Page) {
    for (name, help, of) in COUNTERS {
        let mut family = page.family(name, Kind::Counter, help);
        for camera in cameras {
            let count = of(&camera.counters).load(Relaxed);
            family.add(&[("camera", &camera.id.to_string())], count);
        }
    }
    let help = "Of those sent, pictures that had waited for MediaMTX; no latency counts them.";
    let mut family = page.family("camera_service_frames_sent_late_total", Kind::Counter, help);
    for camera in cameras {
        let late = camera.counters.latency.late();
        family.add(&[("camera", &camera.id.to_string())], late);
    }
}

fn latency(cameras: &[Camera], page: &mut Page) {
    let help = "How long pictures took from stage to stage; edges are met within 3 %.";
    let mut family = page.family(
        "camera_service_frame_latency_seconds",
        Kind::Histogram,
        help,
    );
    let edges = EDGES.map(|edge| EDGE * edge);
    for camera in cameras {
        let id = camera.id.to_string();
        for stage in Stage::ALL {
            let totals = camera.counters.latency.totals(stage);
            let (under, all) = totals.up_to(edges);
            let buckets = edges.iter().map(Duration::as_secs_f64).zip(under);
            let labels = [("camera", id.as_str()), ("stage", stage.as_str())];
            family.histogram(&labels, buckets, all, totals.sum.as_secs_f64());
        }
    }
}

fn recoveries(cameras: &[Camera], page: &mut Page) {
    let help = "How long faults lasted until the picture was back; faults never seen are left out.";
    let mut family = page.family("camera_service_recovery_seconds", Kind::Histogram, help);
    for camera in cameras {
        let id = camera.id.to_string();
        for (class, figures) in camera.mended().figures().filter(|(_, f)| f.count > 0) {
            let labels = [("camera", id.as_str()), ("fault", class.as_str())];
            let mut under = 0;
            let buckets = BOUNDS.iter().zip(figures.buckets).map(|(bound, count)| {
                under += count;
                (bound.as_secs_f64(), under)
            });
            family.histogram(&labels, buckets, figures.count, figures.total.as_secs_f64());
        }
    }
}

fn media(media: &MediaState, page: &mut Page) {
    page.family(
        "camera_service_mediamtx_up",
        Kind::Gauge,
        "1 while MediaMTX answers.",
    )
    .add(&[], u8::from(media.reachable));
    if let Some(version) = &media.version {
        page.family(
            "camera_service_mediamtx_info",
            Kind::Gauge,
            "The MediaMTX that answers; always 1.",
        )
        .add(&[("version", version)], 1);
    }
    let mut family = page.family(
        "camera_service_path_readers",
        Kind::Gauge,
        "Readers MediaMTX has on a path, of all protocols.",
    );
    for (path, state) in &media.paths {
        family.add(&[("path", path)], state.readers);
    }
    let mut family = page.family(
        "camera_service_path_received_bytes_total",
        Kind::Counter,
        "Bytes MediaMTX received from a path's publisher.",
    );
    for (path, state) in &media.paths {
        family.add(&[("path", path)], state.bytes_received);
    }
    let mut family = page.family(
        "camera_service_path_sent_bytes_total",
        Kind::Counter,
        "Bytes MediaMTX sent to a path's readers.",
    );
    for (path, state) in &media.paths {
        family.add(&[("path", path)], state.bytes_sent);
    }
}
