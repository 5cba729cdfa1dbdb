//! What is known at one moment.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::camera::{Camera, CameraId, Directory, Status};
use crate::capture::PixelFormat;
use crate::clock::{Mono, Now};
use crate::pipeline::chain::Part;
use crate::recover::{Avoided, Ongoing};
use crate::rpc::media::MediaState;
use crate::system::alarms::Alarm;
use crate::system::{Storage, System};

/// A connected camera from which nothing came for so long is frozen.
pub const FROZEN_AFTER: Duration = Duration::from_secs(2);
/// Slower cameras get so many frames.
const SLOW_FRAMES: u32 = 4;

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
    /// When its last access unit was made, if ever.
    pub last_unit: Option<Mono>,
    /// The time from one frame to the next, once it was opened.
    pub interval: Option<Duration>,
    /// What it delivers, as V4L2 calls it, once it was opened.
    pub pixel_format: Option<PixelFormat>,
    /// Frames taken so far.
    pub frames: u64,
    /// Why its pictures do not reach MediaMTX, while they do not.
    pub publish_trouble: Option<String>,
    /// Since when viewers see the slate, if they do.
    pub slate_since: Option<Mono>,
    /// The fault that keeps its picture away, while one does.
    pub fault: Option<Ongoing>,
    /// The hardware encoder that it does without.
    pub avoided: Option<Avoided>,
}

impl CameraFact {
    /// Reads a camera's figures.
    #[must_use]
    pub fn of(camera: &Camera) -> Self {
        Self {
            id: camera.id,
            status: camera.status.clone(),
            since: camera.since,
            last_frame: moment(&camera.counters.last_frame_nanos),
            last_unit: moment(&camera.counters.last_unit_nanos),
            interval: camera.format.map(|f| f.rate.interval()),
            pixel_format: camera.format.map(|f| f.pixel),
            publish_trouble: camera.publish_trouble.clone(),
            frames: camera.counters.captured.load(Relaxed),
            slate_since: camera.slate_since,
            fault: camera.fault,
            avoided: camera.avoided,
        }
    }

    /// The half that is silent although the status says connected, and for how long; `None` when both live.
    #[must_use]
    pub fn silence(&self, now: Mono) -> Option<(Part, Duration)> {
        let patience = self.patience();
        // What has just connected gets its time.
        let age = |last: Option<Mono>| now.since(last.unwrap_or_default().max(self.since));
        [
            (Part::Capture, self.last_frame),
            (Part::Encoder, self.last_unit),
        ]
        .map(|(part, last)| (part, age(last)))
        .into_iter()
        .find(|(_, age)| *age > patience)
    }

    /// From when on it is silent if nothing comes any more.
    #[must_use]
    pub fn silent_from(&self) -> Mono {
        let from = |last: Option<Mono>| last.unwrap_or_default().max(self.since) + self.patience();
        from(self.last_frame).min(from(self.last_unit))
    }

    fn patience(&self) -> Duration {
        self.interval
            .map_or(FROZEN_AFTER, |i| (i * SLOW_FRAMES).max(FROZEN_AFTER))
    }

    /// Whether the camera's own picture flows now: not the slate, and not one that stands still.
    #[must_use]
    pub fn delivers(&self, now: Mono) -> bool {
        self.status == Status::Connected
            && self.slate_since.is_none()
            && self.silence(now).is_none()
    }
}

fn moment(nanos: &AtomicU64) -> Option<Mono> {
    match nanos.load(Relaxed) {
        0 => None,
        nanos => Some(Mono::from_nanos(nanos)),
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
    /// The storage as last seen; `None` while it has not been.
    pub storage: Option<Storage>,
    /// When the program started.
    pub started: Mono,
    /// The moment of the question.
    pub now: Now,
    /// Version of the program.
    pub version: &'static str,
    /// What parts of the service know to be wrong with themselves.
    pub alarms: Vec<Alarm>,
    /// What else people should know, a sentence each; no fault.
    pub notes: Vec<String>,
}

impl Facts {
    /// Everything known at this moment, from memory. `now` is asked last, so that no frame is younger
    /// than the question.
    pub fn gather(
        directory: &Directory,
        media: MediaState,
        system: &System,
        now: impl FnOnce() -> Now,
    ) -> Self {
        let cameras = directory.list();
        let storage = system.storage();
        let now = now();
        Self {
            cameras: cameras.iter().map(CameraFact::of).collect(),
            expected: system.expected(),
            media,
            storage,
            alarms: system.alarms.now(now.wall),
            notes: Vec::new(),
            started: system.about.started,
            version: env!("CARGO_PKG_VERSION"),
            now,
        }
    }

    /// How old the figures of the storage are, or for how long they have been waited for.
    #[must_use]
    pub fn storage_age(&self) -> Duration {
        let seen = self.storage.map_or(self.started, |storage| storage.at);
        self.now.mono.since(seen)
    }
}
