//! All cameras of the box: starts and stops their pipelines as devices come and go.

pub mod io;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::camera::{Camera, CameraId, Counters, Device, Mode, Status};
use crate::clock::Mono;
use crate::config;
use crate::units::{BitRate, Rate, Size};

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
}

impl Settings {
    /// Encoder target.
    #[must_use]
    pub const fn bitrate(&self) -> BitRate {
        self.camera.bitrate
    }
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
