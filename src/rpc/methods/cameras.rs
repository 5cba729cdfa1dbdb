//! `get_camera_list`, `get_camera_status`, `get_camera_capabilities`.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use super::extensions::{extensions, figures};
use super::{DEVICE, camera_of};
use crate::access::Role;
use crate::camera::{Camera, Status};
use crate::clock::{Mono, Now};
use crate::health::facts::CameraFact;
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
    let cameras: Vec<Camera> = call
        .desk
        .directory
        .list()
        .into_iter()
        .map(|camera| seen(camera, call.now.mono))
        .collect();
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
    let camera = seen(camera_of(call)?, call.now.mono);
    let mut shown = camera_json(&call.desk, &call.reached, &camera);
    if let Value::Object(extensions) = &mut shown["extensions"] {
        extensions.append(&mut figures(&camera, call.now));
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

/// The camera as it is at this moment: a thread that hangs in a driver cannot say so itself.
fn seen(mut camera: Camera, now: Mono) -> Camera {
    if camera.status == Status::Connected
        && let Some((part, silent)) = CameraFact::of(&camera).silence(now)
    {
        camera.status = Status::Error {
            reason: format!("nothing came from {part} for {:.1} s", silent.as_secs_f64()),
            action: "wait some seconds, the service mends what it can; if it lasts, GET /health tells more"
                .to_owned(),
        };
    }
    camera
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
