//! The methods, one file per group; each row of the table stands beside its code.

pub mod audit;
pub mod cameras;
pub mod controls;
pub mod core;
pub mod events;
mod extensions;
pub mod running;
pub mod streams;
pub mod system;
pub mod video;

use std::str::FromStr;

use super::error::Fault;
use super::params::{Param, Rule};
use super::table::Call;
use crate::camera::{Camera, CameraId};

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
