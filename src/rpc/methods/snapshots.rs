//! `take_snapshot`, `list_snapshots`, `get_snapshot_info`, `delete_snapshot`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::files::{self, PAGE};
use super::recordings::state;
use super::streams::media_away;
use super::{STREAM, Target, target_of};
use crate::access::Role;
use crate::camera::{Camera, Status};
use crate::error::{Error, Kind};
use crate::external::Stream;
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::{known_or_later, later};
use crate::rpc::params::{Param, Rule};
use crate::rpc::table::{Call, Method, Outcome};
use crate::snapshot::{EXTENSION, Of, Snapshot};
use crate::storage::quota;

/// Where they are downloaded.
const KIND: (&str, &str) = ("snapshots", EXTENSION);

/// An external stream that has been away for less, or was added so recently, is waited for.
const SOON: Duration = Duration::from_secs(5);

const FILENAME: Param = Param {
    name: "filename",
    rule: Rule::File(EXTENSION),
    required: true,
    doc: "the snapshot's name, with or without extension",
};

/// `take_snapshot`.
pub const TAKE: Method = Method {
    name: "take_snapshot",
    role: Some(Role::Operator),
    params: &[
        STREAM,
        Param {
            required: false,
            doc: "a name for it; a taken one gets -2, -3 and so on. Absent: the camera and the time in UTC",
            ..FILENAME
        },
    ],
    result: "Snapshot",
    errors: &[Code::NotFound, Code::InvalidState, Code::DependencyFailed],
    doc: "Writes the picture of now of a camera or an external stream as a JPEG file.",
    handler: |_, call| take(&call).unwrap_or_else(|fault| Outcome::Now(Err(fault))),
};

/// `list_snapshots`.
pub const LIST: Method = Method {
    name: "list_snapshots",
    role: Some(Role::Viewer),
    params: PAGE,
    result: "SnapshotList",
    errors: &[],
    doc: "Lists snapshots, the newest first.",
    handler: |_, call| list(call),
};

/// `get_snapshot_info`.
pub const INFO: Method = Method {
    name: "get_snapshot_info",
    role: Some(Role::Viewer),
    params: &[FILENAME],
    result: "SnapInfo",
    errors: &[Code::NotFound],
    doc: "Tells the size of one snapshot.",
    handler: |_, call| info(&call),
};

/// `delete_snapshot`.
pub const DELETE: Method = Method {
    name: "delete_snapshot",
    role: Some(Role::Operator),
    params: &[FILENAME],
    result: "Deleted",
    errors: &[Code::NotFound],
    doc: "Deletes one snapshot.",
    handler: |_, call| delete(&call),
};

fn take(call: &Call) -> Result<Outcome, Fault> {
    let target = target_of(call)?;
    let device = target.name();
    let (of, failed): (_, fn(&str, &Error) -> Fault) = match &target {
        Target::Camera(camera) => {
            is_there(camera)?;
            (Of::Camera(camera.id), failed)
        }
        Target::External(stream) => {
            comes_in(call, stream)?;
            (Of::External(stream.name.clone()), external_failed)
        }
    };
    let name = files::stem(call, EXTENSION);
    let work = call.desk.snapshots.take(of, name);
    Ok(later(work, move |came| {
        came.map(|snapshot| taken(&device, &snapshot))
            .map_err(|error| failed(&device, &error))
    }))
}

/// A camera that can be asked.
fn is_there(camera: &Camera) -> Result<(), Fault> {
    match &camera.status {
        Status::Connected => Ok(()),
        Status::Disconnected { reason } => Err(state(
            "camera_disconnected",
            "DISCONNECTED",
            &["CONNECTED"],
            format!("{} is not there: {reason}", camera.id),
            "plug it in; camera_status_update tells when it is back",
        )),
        Status::Error { reason, action } => Err(Fault::dependency(
            "camera",
            reason.as_str(),
            action.as_str(),
        )),
    }
}

/// An external stream that comes in, or may do so in a moment.
fn comes_in(call: &Call, stream: &Stream) -> Result<(), Fault> {
    let media = call.desk.media.state();
    if !media.reachable {
        return Err(media_away(&media));
    }
    let ready = media.paths.get(&stream.name).is_some_and(|p| p.ready);
    let away = call
        .now
        .wall
        .as_nanos()
        .saturating_sub(stream.seen.since.as_nanos());
    if ready || stream.seen.ready || Duration::from_nanos(away) < SOON {
        return Ok(());
    }
    Err(not_ready(&stream.name))
}

fn not_ready(name: &str) -> Fault {
    state(
        "stream_not_ready",
        "NOT_READY",
        &["READY"],
        format!("MediaMTX does not get {name} from its source"),
        "get_stream_status tells when it comes in; check its source and its address",
    )
}

fn taken(device: &str, snapshot: &Snapshot) -> Value {
    json!({
        "device": device,
        "filename": snapshot.stem.as_str(),
        "status": "SUCCESS",
        "timestamp": snapshot.at.rfc3339(),
        "file_size": snapshot.size,
        "file_path": snapshot.path.display().to_string(),
    })
}

fn failed(_: &str, error: &Error) -> Fault {
    let dependency = match error.kind() {
        Kind::Config => "storage",
        _ => "camera",
    };
    Fault::dependency(
        dependency,
        error.to_string(),
        error
            .next_action()
            .unwrap_or("get_camera_status tells how the camera is; try again"),
    )
}

fn external_failed(device: &str, error: &Error) -> Fault {
    let dependency = match error.kind() {
        Kind::Gone => return not_ready(device),
        Kind::Config => "storage",
        Kind::Reopen => "mediamtx",
        _ => "external_stream",
    };
    Fault::dependency(
        dependency,
        error.to_string(),
        error
            .next_action()
            .unwrap_or("get_stream_status tells how the stream is; try again"),
    )
}

fn list(call: Call) -> Outcome {
    let page = files::page(&call);
    known_or_later(call.desk.snapshots.list(page), move |came| {
        let listing = came.map_err(|e| files::disk(&e))?;
        let all = listing.files.iter();
        let all = all.map(|entry| {
            let storage = &call.desk.storage;
            let moment = storage.moment(quota::Kind::Snapshot, &entry.stem, Some(entry.modified));
            let time = moment.standing.as_str();
            (entry, json!({ "device": entry.device, "time": time }))
        });
        Ok(files::list(all, listing.total, page, KIND))
    })
}

fn info(call: &Call) -> Outcome {
    let Some(stem) = files::stem(call, EXTENSION) else {
        return Outcome::Now(Err(absent(call)));
    };
    let storage = Arc::clone(&call.desk.storage);
    later(
        call.desk.snapshots.info(stem.clone()),
        move |came| match came.map_err(|e| files::disk(&e))? {
            Some(entry) => {
                let moment =
                    storage.moment(quota::Kind::Snapshot, &entry.stem, Some(entry.modified));
                let at = moment.at.unwrap_or(entry.modified);
                Ok(json!({
                    "filename": entry.stem.as_str(),
                    "file_size": entry.size,
                    "created_time": at.rfc3339(),
                    "download_url": files::url(KIND.0, &entry.stem, KIND.1),
                    "extensions": { "device": entry.device, "time": moment.standing.as_str() },
                }))
            }
            None => Err(files::no_such("snapshot", &stem, LIST.name)),
        },
    )
}

fn delete(call: &Call) -> Outcome {
    let Some(stem) = files::stem(call, EXTENSION) else {
        return Outcome::Now(Err(absent(call)));
    };
    later(
        call.desk.snapshots.delete(stem.clone()),
        move |came| match came.map_err(|e| files::disk(&e))? {
            true => Ok(files::deleted(&stem)),
            false => Err(files::no_such("snapshot", &stem, LIST.name)),
        },
    )
}

/// Cannot be reached: the row's rule has let the name through.
fn absent(call: &Call) -> Fault {
    Fault::not_found(
        "snapshot",
        call.text("filename"),
        "list_snapshots names every snapshot",
    )
}
