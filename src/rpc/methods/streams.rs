//! `get_stream_url`, `get_streams`, `start_streaming`, `stop_streaming`, `get_stream_status`.
//!
//! A camera publishes all the time and MediaMTX pulls external streams all the time, so starting marks the stream as
//! watched and stopping takes the mark away ([`crate::viewing`]); neither touches anybody's picture.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{STREAM, Target, target_of};
use crate::access::Role;
use crate::camera::Status;
use crate::health::facts::CameraFact;
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::own_pid;
use crate::rpc::media::{MediaState, PathState};
use crate::rpc::table::{Answer, Call, Method, Outcome};
use crate::viewing::UNWATCHED;

/// `get_stream_url`.
pub const URL: Method = Method {
    name: "get_stream_url",
    role: Some(Role::Viewer),
    params: &[STREAM],
    result: "StreamUrl",
    errors: &[Code::NotFound],
    doc: "Tells where the stream of a camera or external source is and whether it can be watched; starts nothing.",
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

/// `start_streaming`.
pub const START: Method = Method {
    name: "start_streaming",
    role: Some(Role::Operator),
    params: &[STREAM],
    result: "StreamStart",
    errors: &[Code::NotFound, Code::DependencyFailed],
    doc: "Marks a stream as watched. The mark ends with stop_streaming, or when nobody has read the stream for auto_close_after.",
    handler: |_, call| Outcome::Now(start(&call)),
};

/// `stop_streaming`.
pub const STOP: Method = Method {
    name: "stop_streaming",
    role: Some(Role::Operator),
    params: &[STREAM],
    result: "StreamStop",
    errors: &[Code::NotFound, Code::InvalidState],
    doc: "Takes the mark of start_streaming away. Viewers and recordings go on.",
    handler: |_, call| Outcome::Now(stop(&call)),
};

/// `get_stream_status`.
pub const STATUS: Method = Method {
    name: "get_stream_status",
    role: Some(Role::Viewer),
    params: &[STREAM],
    result: "StreamStatus",
    errors: &[Code::NotFound],
    doc: "Tells whether a stream is sent and watched, since when, and how fast it is.",
    handler: |_, call| Outcome::Now(status(&call)),
};

/// A source that MediaMTX has pulled in vain for so long is in trouble; before, it is being started.
const GRACE: Duration = Duration::from_secs(10);

/// Everything known of one stream at this moment.
struct Stream {
    name: String,
    target: Target,
    media: MediaState,
    path: PathState,
    /// MediaMTX has the path.
    exists: bool,
    /// The source's own picture flows: a slate keeps MediaMTX's path ready without one.
    delivers: bool,
}

impl Stream {
    fn of(call: &Call) -> Result<Self, Fault> {
        let target = target_of(call)?;
        let name = target.name();
        let media = call.desk.media.state();
        let found = media
            .reachable
            .then(|| media.paths.get(&name).cloned())
            .flatten();
        let exists = found.is_some();
        let path = found.unwrap_or_default();
        let delivers = match &target {
            Target::Camera(camera) => path.ready && CameraFact::of(camera).delivers(call.now.mono),
            Target::External(_) => path.ready,
        };
        Ok(Self {
            name,
            target,
            media,
            path,
            exists,
            delivers,
        })
    }

    /// Why there is no picture although there should be one.
    fn trouble(&self, call: &Call) -> Option<String> {
        if !self.media.reachable {
            let reason = self.media.last_reason.clone();
            return Some(reason.unwrap_or_else(|| "MediaMTX does not answer".to_owned()));
        }
        match &self.target {
            Target::Camera(camera) => match &camera.status {
                Status::Error { reason, .. } => Some(reason.clone()),
                Status::Connected => {
                    let (part, silent) = CameraFact::of(camera).silence(call.now.mono)?;
                    Some(format!(
                        "nothing came from {part} for {:.1} s",
                        silent.as_secs_f64()
                    ))
                }
                Status::Disconnected { .. } => None,
            },
            Target::External(stream) => {
                let since = call.now.wall.as_nanos().saturating_sub(
                    stream
                        .seen
                        .since
                        .max(call.now.wall_of(self.media.since))
                        .as_nanos(),
                );
                let late = Duration::from_nanos(since) > GRACE;
                (!self.path.ready && late)
                    .then(|| "MediaMTX does not get the stream from its source".to_owned())
            }
        }
    }
}

fn url(call: &Call) -> Answer {
    let stream = Stream::of(call)?;
    let failed = !stream.media.reachable
        || matches!(&stream.target, Target::Camera(c) if matches!(c.status, Status::Error { .. }));
    let status = match (stream.delivers, failed) {
        (_, true) => "ERROR",
        (true, false) => "READY",
        (false, false) => "NOT_READY",
    };
    Ok(json!({
        "device": stream.name,
        "stream_name": stream.name,
        "stream_url": call.reached.rtsp(&stream.name, call.desk.rtsp_port),
        "available": stream.delivers,
        "active_consumers": stream.path.readers,
        "stream_status": status,
    }))
}

fn start(call: &Call) -> Answer {
    let stream = Stream::of(call)?;
    if !stream.media.reachable {
        return Err(media_away(&stream.media));
    }
    // A slate is shown to viewers, too, and they stay for the picture that follows it.
    if !stream.path.ready {
        let (part, why) = match &stream.target {
            Target::Camera(camera) => (
                "camera",
                camera.publish_trouble.clone().unwrap_or_else(|| {
                    let reason = match &camera.status {
                        Status::Connected => "its stream has not reached MediaMTX yet",
                        Status::Disconnected { reason } | Status::Error { reason, .. } => reason,
                    };
                    reason.to_owned()
                }),
            ),
            Target::External(_) => (
                "external_stream",
                "MediaMTX does not get the stream from its source".to_owned(),
            ),
        };
        let next = "wait some seconds and try again; get_stream_status tells when it is ready";
        return Err(Fault::dependency(
            part,
            format!("{} sends nothing: {why}", stream.name),
            next,
        ));
    }
    let mark = call.desk.viewing.begin(&stream.name, call.now);
    Ok(json!({
        "device": stream.name,
        "stream_name": stream.name,
        "stream_url": call.reached.rtsp(&stream.name, call.desk.rtsp_port),
        "status": "STARTED",
        "start_time": mark.start.rfc3339(),
        "auto_close_after": format!("{}s", UNWATCHED.as_secs()),
    }))
}

fn stop(call: &Call) -> Answer {
    let stream = Stream::of(call)?;
    let Some(mark) = call.desk.viewing.end(&stream.name) else {
        return Err(Fault::new(
            Code::InvalidState,
            "not_streaming",
            format!(
                "nobody has started {}, or its mark ended by itself",
                stream.name
            ),
            "call start_streaming first; viewers need neither",
        )
        .with("state", "INACTIVE")
        .with("allowed_states", json!(["ACTIVE"])));
    };
    let readers = match stream.path.readers {
        0 => "nobody watches it now".to_owned(),
        1 => "1 viewer goes on watching".to_owned(),
        n => format!("{n} viewers go on watching"),
    };
    let continues = stream.path.ready || stream.path.readers > 0;
    let goes_on = match (&stream.target, continues) {
        (Target::Camera(_), true) => "the camera goes on publishing",
        (Target::External(_), true) => "MediaMTX goes on pulling it",
        (_, false) => "nothing is sent at the moment",
    };
    Ok(json!({
        "device": stream.name,
        "stream_name": stream.name,
        "status": "STOPPED",
        "start_time": mark.start.rfc3339(),
        "end_time": call.now.wall.rfc3339(),
        "duration": whole_seconds(mark.age(call.now.mono)),
        "stream_continues": continues,
        "message": format!("the stream is no longer marked as watched; {goes_on}, {readers}"),
    }))
}

fn status(call: &Call) -> Answer {
    let stream = Stream::of(call)?;
    let mark = call.desk.viewing.mark(&stream.name);
    let trouble = stream.trouble(call);
    let watched = mark.is_some() || stream.path.readers > 0;
    let word = match (&trouble, watched, stream.path.ready) {
        (Some(_), ..) => "ERROR",
        (None, false, _) => "INACTIVE",
        (None, true, true) => "ACTIVE",
        (None, true, false) => "STARTING",
    };
    // Whoever sends: a thread of ours, or for an external stream MediaMTX.
    let (pid, sending_for, frames) = match &stream.target {
        Target::Camera(camera) => (
            Some(own_pid()),
            camera
                .counters
                .publishing_since()
                .map(|since| call.now.mono.since(since)),
            camera
                .counters
                .sent
                .load(std::sync::atomic::Ordering::Relaxed),
        ),
        Target::External(external) => {
            let nanos = call.now.wall.as_nanos();
            let since = Duration::from_nanos(nanos.saturating_sub(external.seen.since.as_nanos()));
            (None, stream.path.ready.then_some(since), 0)
        }
    };
    let sending = sending_for.is_some();
    let speed = sending
        .then(|| call.desk.viewing.speed(&stream.name))
        .flatten();
    let fps = speed.and_then(|s| s.fps);
    let counted = |n: u64| if sending { n } else { 0 };
    let mut extensions = Map::new();
    extensions.insert("marked".to_owned(), mark.is_some().into());
    if let Some(fps) = fps {
        extensions.insert("fps".to_owned(), ((fps * 1000.0).round() / 1000.0).into());
    }
    if let Some(reason) = trouble {
        extensions.insert("reason".to_owned(), reason.into());
    }
    Ok(json!({
        "device": stream.name,
        "stream_name": stream.name,
        "status": word,
        "ready": stream.delivers,
        "ffmpeg_process": {
            "running": sending,
            "pid": pid.filter(|_| sending),
            "uptime": sending_for.map(|d| d.as_secs()),
        },
        "mediamtx_path": {
            "exists": stream.exists,
            "ready": stream.path.ready,
            "readers": stream.path.readers,
        },
        "metrics": {
            "bytes_sent": counted(stream.path.bytes_sent),
            "frames_sent": counted(frames),
            "bitrate": speed.map_or(0, |s| s.bitrate),
            "fps": fps.map_or(0, whole),
        },
        "start_time": mark.map(|m| m.start.rfc3339()),
        "extensions": extensions,
    }))
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_millis() >= 500)
}

/// Frames per second as the contract has them. A measured rate is small and never negative.
fn whole(rate: f64) -> u64 {
    whole_seconds(Duration::try_from_secs_f64(rate).unwrap_or_default())
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
