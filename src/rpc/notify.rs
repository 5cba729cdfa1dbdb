//! Notifications: messages of ours that nobody asked for and nobody answers.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Desk;
use super::links::Reached;
use super::methods::cameras;
use crate::camera::Camera;
use crate::events::{Event, Topic};

/// Those that a connection gets without having asked. None can be called.
pub const NAMES: &[&str] = &[
    "camera_status_update",
    "recording_status_update",
    "events_dropped",
];

/// `camera_status_update`: a camera came, went, failed or changed its format.
#[must_use]
pub fn camera_status_update(desk: &Desk, reached: &Reached, camera: &Camera) -> String {
    let params: Value = cameras::camera_json(desk, reached, camera);
    json!({ "jsonrpc": "2.0", "method": "camera_status_update", "params": params }).to_string()
}

/// `recording_status_update`, where the event is one of a recording that began, ended or failed.
#[must_use]
pub fn recording_status_update(event: &Event) -> Option<String> {
    let status = match (event.topic, event.status()) {
        (Topic::RecordingStart, _) => "STARTED",
        (Topic::RecordingStop, _) => "STOPPED",
        (Topic::RecordingError, Some("FAILED")) => "FAILED",
        (Topic::RecordingError, _) => "ERROR",
        _ => return None,
    };
    let seconds = match event.data.get("duration").and_then(Value::as_f64) {
        Some(seconds) if event.topic != Topic::RecordingStart => (seconds + 0.5).max(0.0),
        _ => 0.0,
    };
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let filename = event.data.get("filename").and_then(Value::as_str);
    Some(
        json!({
            "jsonrpc": "2.0",
            "method": "recording_status_update",
            "params": {
                "device": event.device.as_deref().unwrap_or_default(),
                "status": status,
                "filename": filename.unwrap_or_default(),
                "duration": duration.as_secs(),
            },
        })
        .to_string(),
    )
}

/// `events_dropped`: this client took its events too slowly; so many that were older than the next one are lost.
#[must_use]
pub fn events_dropped(count: u64) -> String {
    json!({ "jsonrpc": "2.0", "method": "events_dropped", "params": { "count": count } })
        .to_string()
}

/// A topic's notification: the method is the topic.
#[must_use]
pub fn topic(event: &Event) -> String {
    let mut params = Map::new();
    if let Some(device) = &event.device {
        params.insert("device".to_owned(), device.as_str().into());
    }
    params.insert("timestamp".to_owned(), event.at.rfc3339().into());
    for (name, value) in &event.data {
        params.entry(name.as_str()).or_insert_with(|| value.clone());
    }
    // Durations are whole seconds on the wire (contract §3, §20.10); the exact one stands beside them.
    if let Some(exact) = event.data.get("duration").and_then(Value::as_f64) {
        let exact = Duration::try_from_secs_f64(exact).unwrap_or_default();
        let whole = exact.saturating_add(Duration::from_millis(500)).as_secs();
        let millis = u64::try_from(exact.as_millis()).unwrap_or(u64::MAX);
        params.insert("duration".to_owned(), whole.into());
        params.insert("extensions".to_owned(), json!({ "duration_ms": millis }));
    }
    json!({ "jsonrpc": "2.0", "method": event.topic.as_str(), "params": params }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_topic_is_the_method_and_the_events_fields_are_the_params() {
        let event = Event::new(Topic::CameraStatusChange, Wall::from_secs(1_790_000_000))
            .of("camera0")
            .with("status", "ERROR");
        let wanted = json!({
            "jsonrpc": "2.0",
            "method": "camera.status_change",
            "params": { "device": "camera0", "timestamp": "2026-09-21T14:13:20.000Z", "status": "ERROR" },
        });
        assert_eq!(read(&topic(&event)), wanted);
        let system = Event::new(Topic::SystemStartup, Wall::from_secs(0));
        assert_eq!(read(&topic(&system))["params"].get("device"), None);
    }

    #[test]
    fn a_duration_is_whole_seconds_and_exact_beside_it() {
        let stop = Event::new(Topic::RecordingStop, Wall::from_secs(1)).with("duration", 3.066);
        let params = read(&topic(&stop))["params"].take();
        assert_eq!(params["duration"], 3);
        assert_eq!(params["extensions"], json!({ "duration_ms": 3066 }));
    }

    #[test]
    fn a_recording_is_told_to_everybody_in_the_contracts_four_fields() {
        let of = |topic| {
            Event::new(topic, Wall::from_secs(1))
                .of("camera0")
                .with("filename", "camera0_2026-01-01_00-00-00")
                .with("duration", 12.6)
                .with("file_size", 7)
        };
        let params =
            |event: &Event| read(&recording_status_update(event).unwrap())["params"].take();
        assert_eq!(
            params(&of(Topic::RecordingStart)),
            json!({ "device": "camera0", "status": "STARTED", "filename": "camera0_2026-01-01_00-00-00", "duration": 0 })
        );
        assert_eq!(
            params(&of(Topic::RecordingStop)),
            json!({ "device": "camera0", "status": "STOPPED", "filename": "camera0_2026-01-01_00-00-00", "duration": 13 })
        );
        let failed = of(Topic::RecordingError).with("status", "FAILED");
        assert_eq!(params(&failed)["status"], "FAILED");
        assert_eq!(params(&of(Topic::RecordingError))["status"], "ERROR");
        assert_eq!(recording_status_update(&of(Topic::RecordingProgress)), None);
    }
}
