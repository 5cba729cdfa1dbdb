//! All cameras of the box: starts and stops their pipelines as devices come and go.

pub mod io;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::camera::change::Identity;
use crate::camera::{Camera, CameraId, Counters, Device, Mode, Status};
use crate::clock::Mono;
use crate::config;
use crate::kept::Shelf;
use crate::kept::wishes::Wishes;
use crate::stream::Limits;
use crate::units::{BitRate, Rate, Size};

/// What may pass from a trigger until its first picture is out.
const UNTIL_OUT: Duration = Duration::from_secs(2);

/// What every pipeline of the box shares.
#[derive(Debug, Clone)]
pub struct Settings {
    /// MediaMTX's RTSP listener, as we reach it.
    pub rtsp: SocketAddr,
    /// Whom we publish as.
    pub publish_user: String,
    /// With which secret, new at every start.
    pub publish_password: String,
    /// What is asked of devices.
    pub camera: config::Camera,
    /// The test camera, if it is wanted.
    pub test: Option<(Size, Rate)>,
    /// Where what clients set on cameras is kept.
    pub kept: Arc<dyn Shelf>,
    /// What is held for recordings that begin in the past.
    pub held: config::Held,
}

impl Settings {
    /// Encoder target.
    #[must_use]
    pub const fn bitrate(&self) -> BitRate {
        self.camera.bitrate
    }

    /// What a camera's second path may hold: what is wanted, two groups of pictures more because what leaves is always
    /// a whole one, and what may pass until the first picture of a recording is out.
    #[must_use]
    pub fn second_limits(&self) -> Limits {
        let groups = Duration::from_secs(u64::from(2 * self.camera.keyframe_seconds));
        Limits {
            ring_bytes: self.held.bytes,
            ring_span: self.held.span + groups + UNTIL_OUT,
            ..Limits::default()
        }
    }

    /// What is asked of the picture of a device, or of the test camera.
    #[must_use]
    pub fn wishes(&self, device: &Device) -> Wishes {
        let (size, rate) = match (device, self.test) {
            (Device::Test, Some(test)) => test,
            _ => (self.camera.size, Rate::fps(self.camera.fps)),
        };
        Wishes {
            bitrate: self.bitrate(),
            keyframe_seconds: self.camera.keyframe_seconds,
            size,
            rate,
        }
    }
}

/// What the test camera's settings are found by.
#[must_use]
pub fn test_identity() -> Identity {
    Identity {
        driver: "camera-service".to_owned(),
        bus: String::new(),
        card: "Test camera".to_owned(),
        index: 0,
    }
}

/// What the configuration asks of a fleet that runs.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// Another picture of every camera, those that come later among them.
    Wishes(config::Camera),
    /// The test camera comes, goes, or is another.
    Test(Option<(Size, Rate)>),
}

/// A camera of which nothing is known yet but that it is there.
#[must_use]
pub fn newcomer(
    id: CameraId,
    name: String,
    device: Device,
    modes: Arc<[Mode]>,
    now: Mono,
) -> Camera {
    Camera {
        id,
        name,
        device,
        status: Status::Disconnected {
            reason: "being opened".to_owned(),
        },
        format: None,
        route: None,
        route_why: None,
        slate_since: None,
        fault: None,
        avoided: None,
        history: Default::default(),
        remote: None,
        publish_trouble: None,
        modes,
        since: now,
        counters: Arc::new(Counters::default()),
    }
}
