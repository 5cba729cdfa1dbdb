//! The methods, one file per group; each row of the table stands beside its code.

pub mod audit;
pub mod cameras;
pub mod configuration;
pub mod controls;
pub mod core;
pub mod credentials;
pub mod downloads;
pub mod events;
mod extensions;
pub mod external;
mod files;
pub mod modes;
pub mod offsite;
pub mod range;
pub mod recordings;
pub mod running;
pub mod snapshots;
pub mod storage;
pub mod streams;
pub mod system;
pub mod video;

use std::str::FromStr;

use super::error::Fault;
use super::params::{Param, Rule};
use super::table::Call;
use crate::camera::{Camera, CameraId};
use crate::external::Stream as ExternalStream;

/// The parameter most methods share.
pub const DEVICE: Param = Param {
    name: "device",
    rule: Rule::Camera,
    required: true,
    doc: "the camera's id, such as camera0",
};

/// The camera named by `device`.
///
/// # Errors
/// -32010 where there is none of that name.
pub fn camera_of(call: &Call) -> Result<Camera, Fault> {
    let name = call.text(DEVICE.name);
    CameraId::from_str(name)
        .ok()
        .and_then(|id| call.desk.directory.get(id))
        .ok_or_else(|| Fault::not_found("camera", name, "get_camera_list names every camera"))
}

/// The parameter of methods that work with streams of somebody else, too.
pub const STREAM: Param = Param {
    name: "device",
    rule: Rule::Stream,
    required: true,
    doc: "the camera's id, such as camera0, or the name of an external stream",
};

/// What `device` names where [`STREAM`] is taken.
#[derive(Debug, Clone)]
pub enum Target {
    /// One of our cameras.
    Camera(Camera),
    /// A stream of somebody else.
    External(ExternalStream),
}

impl Target {
    /// Its name, which is that of its MediaMTX path.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Camera(camera) => camera.id.to_string(),
            Self::External(stream) => stream.name.clone(),
        }
    }
}

/// The camera or external stream named by `device`.
///
/// # Errors
/// -32010 where there is none of that name.
pub fn target_of(call: &Call) -> Result<Target, Fault> {
    let name = call.text(STREAM.name);
    match name.parse::<CameraId>() {
        Ok(_) => camera_of(call).map(Target::Camera),
        Err(_) => call
            .desk
            .external
            .get(name)
            .map(Target::External)
            .ok_or_else(|| {
                Fault::not_found(
                    "stream",
                    name,
                    "get_camera_list and get_external_streams name everything there is",
                )
            }),
    }
}
