//! `get_stream_url`, `get_streams`.

use serde_json::{Value, json};

use super::{DEVICE, camera_of};
use crate::access::Role;
use crate::camera::Status;
use crate::health::facts::CameraFact;
use crate::rpc::error::{Code, Fault};
use crate::rpc::media::MediaState;
use crate::rpc::table::{Answer, Call, Method, Outcome};

/// `get_stream_url`.
pub const URL: Method = Method {
    name: "get_stream_url",
    role: Some(Role::Viewer),
    params: &[DEVICE],
    result: "StreamUrl",
    errors: &[Code::NotFound],
    doc: "Tells where a camera's stream is and whether it can be watched; starts nothing.",
    handler: |_, call| Outcome::Now(url(&call)),
};

/// `get_streams`.
pub const LIST: Method = Method {
    name: "get_streams",
    role: Some(Role::Viewer),
    params: &[],
    result: "StreamList",
    errors: &[Code::DependencyFailed],
    doc: "Lists every stream MediaMTX knows.",
    handler: |_, call| Outcome::Now(list(&call)),
};

fn url(call: &Call) -> Answer {
    let camera = camera_of(call)?;
    let media = call.desk.media.state();
    let path = media
        .reachable
        .then(|| media.paths.get(&camera.id.to_string()))
        .flatten();
    // A slate keeps MediaMTX's path ready without a picture: only the camera's own one counts.
    let ready = path.is_some_and(|p| p.ready) && CameraFact::of(&camera).delivers(call.now.mono);
    let failed = !media.reachable || matches!(camera.status, Status::Error { .. });
    let status = match (ready, failed) {
        (_, true) => "ERROR",
        (true, false) => "READY",
        (false, false) => "NOT_READY",
    };
    Ok(json!({
        "device": camera.id.to_string(),
        "stream_name": camera.id.to_string(),
        "stream_url": call.reached.rtsp(camera.id, call.desk.rtsp_port),
        "available": ready,
        "active_consumers": path.map_or(0, |p| p.readers),
        "stream_status": status,
    }))
}

fn list(call: &Call) -> Answer {
    let media = call.desk.media.state();
    if !media.reachable {
        return Err(media_away(&media));
    }
    let streams: Vec<Value> = media
        .paths
        .iter()
        .map(|(name, path)| {
            let shown = name
                .parse()
                .ok()
                .and_then(|id| call.desk.directory.get(id))
                .is_none_or(|camera| CameraFact::of(&camera).delivers(call.now.mono));
            json!({
                "name": name,
                "source": path.source.as_deref().unwrap_or(""),
                "ready": path.ready && shown,
                "readers": path.readers,
                "bytes_sent": path.bytes_sent,
            })
        })
        .collect();
    Ok(streams.into())
}

/// -32050: MediaMTX does not answer.
#[must_use]
pub fn media_away(media: &MediaState) -> Fault {
    Fault::dependency(
        "mediamtx",
        media
            .last_reason
            .clone()
            .unwrap_or_else(|| "MediaMTX does not answer".to_owned()),
        "wait some seconds, the service restarts it; GET /health/mediamtx tells how it is",
    )
}
