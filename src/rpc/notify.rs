//! Notifications: messages of ours that nobody asked for and nobody answers.

use serde_json::{Value, json};

use super::Desk;
use super::links::Reached;
use super::methods::cameras;
use crate::camera::Camera;

/// The names on the wire; none can be called.
pub const NAMES: &[&str] = &["camera_status_update"];

/// `camera_status_update`: a camera came, went, failed or changed its format.
#[must_use]
pub fn camera_status_update(desk: &Desk, reached: &Reached, camera: &Camera) -> String {
    let params: Value = cameras::camera_json(desk, reached, camera);
    json!({ "jsonrpc": "2.0", "method": "camera_status_update", "params": params }).to_string()
}
