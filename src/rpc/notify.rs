//! Notifications: messages of ours that nobody asked for and nobody answers.

use serde_json::{Value, json};

use super::Desk;
use super::links::Reached;
use super::methods::cameras;
use crate::camera::Camera;

/// The names on the wire; none can be called.
pub const NAMES: &[&str] = &["camera_status_update", "events_dropped"];

/// `camera_status_update`: a camera came, went, failed or changed its format.
#[must_use]
pub fn camera_status_update(desk: &Desk, reached: &Reached, camera: &Camera) -> String {
    let params: Value = cameras::camera_json(desk, reached, camera);
    json!({ "jsonrpc": "2.0", "method": "camera_status_update", "params": params }).to_string()
}

/// `events_dropped`: this client took its events too slowly; so many that were older than the next one are lost.
#[must_use]
pub fn events_dropped(count: u64) -> String {
    json!({ "jsonrpc": "2.0", "method": "events_dropped", "params": { "count": count } })
        .to_string()
}
