//! `get_camera_list`, `get_camera_status`, `get_camera_capabilities`.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{DEVICE, camera_of};
use crate::access::Role;
use crate::camera::{Camera, Device, Status};
use crate::clock::Now;
use crate::latency::Stage;
use crate::rpc::Desk;
use crate::rpc::error::Code;
use crate::rpc::links::Reached;
use crate::rpc::table::{Answer, Call, Method, Outcome};
use crate::units::Size;

/// `get_camera_list`.
pub const LIST: Method = Method {
    name: "get_camera_list",
    role: Some(Role::Viewer),
    params: &[],
    result: "CameraList",
    errors: &[],
    doc: "Lists every camera with its state and links.",
    handler: |_, call| Outcome::Now(Ok(list(&call))),
};

/// `get_camera_status`.
pub const STATUS: Method = Method {
    name: "get_camera_status",
    role: Some(Role::Viewer),
    params: &[DEVICE],
    result: "CameraStatus",
    errors: &[Code::NotFound],
    doc: "Tells one camera's state, figures and capabilities.",
    handler: |_, call| Outcome::Now(status(&call)),
};

/// `get_camera_capabilities`.
pub const CAPABILITIES: Method = Method {
    name: "get_camera_capabilities",
    role: Some(Role::Viewer),
    params: &[DEVICE],
    result: "Capabilities",
    errors: &[Code::NotFound],
    doc: "Tells every format, size and rate one camera offers.",
    handler: |_, call| Outcome::Now(capabilities(&call)),
};

fn list(call: &Call) -> Value {
    let cameras = call.desk.directory.list();
    let connected = cameras
        .iter()
        .filter(|c| c.status == Status::Connected)
        .count();
    let shown: Vec<Value> = cameras
        .iter()
        .map(|c| camera_json(&call.desk, &call.reached, c))
        .collect();
    json!({ "total": shown.len(), "connected": connected, "cameras": shown })
}

fn status(call: &Call) -> Answer {
    let camera = camera_of(call)?;
    let mut shown = camera_json(&call.desk, &call.reached, &camera);
    if let Some(latency) = latency(&camera, call.now) {
        shown["extensions"]["latency"] = latency;
    }
    shown["metrics"] = metrics(call, &camera);
    shown["capabilities"] = json!({
        "formats": formats(&camera),
        "resolutions": resolutions(&camera),
    });
    Ok(shown)
}

fn capabilities(call: &Call) -> Answer {
    let camera = camera_of(call)?;
    let rates: BTreeSet<u32> = camera
        .modes
        .iter()
        .flat_map(|m| &m.rates)
        .map(|r| r.rounded())
        .collect();
    let validation = match camera.status {
        Status::Disconnected { .. } => "DISCONNECTED",
        _ if camera.counters.captured.load(Relaxed) > 0 => "CONFIRMED",
        _ => "NONE",
    };
    Ok(json!({
        "device": camera.id.to_string(),
        "formats": formats(&camera),
        "resolutions": resolutions(&camera),
        "fps_options": rates.into_iter().rev().collect::<Vec<_>>(),
        "validation_status": validation,
    }))
}

/// A camera in the contract's shape, with links for this client.
#[must_use]
pub fn camera_json(desk: &Desk, reached: &Reached, camera: &Camera) -> Value {
    // Before the first opening the best answer is the first mode on offer, the one that is tried.
    let size = camera
        .format
        .map(|f| f.size)
        .or_else(|| camera.modes.first().map(|m| m.size))
        .unwrap_or(Size::new(0, 0));
    let rate = camera
        .format
        .map(|f| f.rate)
        .or_else(|| camera.modes.first()?.rates.first().copied());
    json!({
        "device": camera.id.to_string(),
        "status": camera.status.as_str(),
        "name": camera.name,
        "resolution": size.to_string(),
        "fps": rate.map_or(0, crate::units::Rate::rounded),
        "streams": {
            "rtsp": reached.rtsp(camera.id, desk.rtsp_port),
            "hls": reached.hls(camera.id),
            "webrtc": reached.webrtc(camera.id),
        },
        "extensions": extensions(camera),
    })
}

fn extensions(camera: &Camera) -> Value {
    let mut shown = Map::new();
    match &camera.status {
        Status::Connected => {}
        Status::Disconnected { reason } => {
            shown.insert("reason".to_owned(), reason.as_str().into());
            shown.insert(
                "action".to_owned(),
                "check the cable and the power of the camera, then plug it in again".into(),
            );
        }
        Status::Error { reason, action } => {
            shown.insert("reason".to_owned(), reason.as_str().into());
            shown.insert("action".to_owned(), action.as_str().into());
        }
    }
    if let Some(format) = camera.format {
        shown.insert("fps".to_owned(), format.rate.as_f64().into());
        shown.insert("pixel_format".to_owned(), format.pixel.to_string().into());
    }
    if let Some(route) = camera.route {
        shown.insert("route".to_owned(), route.as_str().into());
    }
    let driver = match &camera.device {
        Device::Test => "test",
        Device::V4l2 { driver, .. } => driver,
    };
    shown.insert("driver".to_owned(), driver.into());
    let counters = &camera.counters;
    shown.insert(
        "counters".to_owned(),
        json!({
            "captured": counters.captured.load(Relaxed),
            "dropped_by_driver": counters.dropped_by_driver.load(Relaxed),
            "damaged": counters.damaged.load(Relaxed),
            "encoded": counters.encoded.load(Relaxed),
            "sent": counters.sent.load(Relaxed),
            "unsent": counters.unsent.load(Relaxed),
        }),
    );
    Value::Object(shown)
}

/// How late pictures were in the last minute, by stage; `None` while none were sent.
fn latency(camera: &Camera, now: Now) -> Option<Value> {
    // Microseconds are exact enough, and short.
    let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let stages: Map<String, Value> = Stage::ALL
        .into_iter()
        .filter_map(|stage| {
            let found = camera.counters.latency.recent(stage, now.mono)?;
            let shown = json!({
                "p50_ms": millis(found.p50),
                "p95_ms": millis(found.p95),
                "p99_ms": millis(found.p99),
                "max_ms": millis(found.max),
                "frames": found.frames,
            });
            Some((stage.as_str().to_owned(), shown))
        })
        .collect();
    (!stages.is_empty()).then_some(Value::Object(stages))
}

fn metrics(call: &Call, camera: &Camera) -> Value {
    let media = call.desk.media.state();
    let path = media.paths.get(&camera.id.to_string());
    json!({
        "bytes_sent": path.map_or(0, |p| p.bytes_sent),
        "readers": path.map_or(0, |p| p.readers),
        "uptime": uptime(camera, call.now),
    })
}

fn uptime(camera: &Camera, now: Now) -> u64 {
    match camera.status {
        Status::Connected => now.mono.since(camera.since).as_secs(),
        _ => 0,
    }
}

fn formats(camera: &Camera) -> Vec<String> {
    let mut seen = Vec::new();
    for mode in camera.modes.iter() {
        let name = mode.pixel.to_string();
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

fn resolutions(camera: &Camera) -> Vec<String> {
    let mut sizes: Vec<Size> = camera.modes.iter().map(|m| m.size).collect();
    sizes.sort_by_key(|s| std::cmp::Reverse((s.pixels(), s.width)));
    sizes.dedup();
    sizes.iter().map(ToString::to_string).collect()
}
