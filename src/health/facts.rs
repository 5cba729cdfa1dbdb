//! What is known at one moment.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::camera::{Camera, CameraId, Status};
use crate::capture::PixelFormat;
use crate::clock::{Mono, Now};
use crate::rpc::media::MediaState;

/// What health needs to know of a camera.
#[derive(Debug, Clone)]
pub struct CameraFact {
    /// Which.
    pub id: CameraId,
    /// Its state.
    pub status: Status,
    /// Since when it is in that state.
    pub since: Mono,
    /// When its last frame was taken, if ever.
    pub last_frame: Option<Mono>,
    /// The time from one frame to the next, once it was opened.
    pub interval: Option<Duration>,
    /// What it delivers, as V4L2 calls it, once it was opened.
    pub pixel_format: Option<PixelFormat>,
    /// Frames taken so far.
    pub frames: u64,
    /// Why its pictures do not reach MediaMTX, while they do not.
    pub publish_trouble: Option<String>,
}

impl CameraFact {
    /// Reads a camera's figures.
    #[must_use]
    pub fn of(camera: &Camera) -> Self {
        Self {
            id: camera.id,
            status: camera.status.clone(),
            since: camera.since,
            last_frame: match camera.counters.last_frame_nanos.load(Relaxed) {
                0 => None,
                nanos => Some(Mono::from_nanos(nanos)),
            },
            interval: camera.format.map(|f| f.rate.interval()),
            pixel_format: camera.format.map(|f| f.pixel),
            publish_trouble: camera.publish_trouble.clone(),
            frames: camera.counters.captured.load(Relaxed),
        }
    }
}

/// Everything health judges by.
#[derive(Debug, Clone)]
pub struct Facts {
    /// All cameras known.
    pub cameras: Vec<CameraFact>,
    /// The cameras that must deliver.
    pub expected: Vec<CameraId>,
    /// MediaMTX as last seen.
    pub media: MediaState,
    /// When the program started.
    pub started: Mono,
    /// The moment of the question.
    pub now: Now,
    /// Version of the program.
    pub version: &'static str,
}
