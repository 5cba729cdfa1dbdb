//! `start_recording`, `stop_recording`, `list_recordings`, `get_recording_info`, `delete_recording`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::files::{self, PAGE};
use super::{STREAM, Target, target_of};
use crate::access::Role;
use crate::camera::Status;
use crate::clock::Wall;
use crate::config::PRE_EVENT;
use crate::error::{Error, Kind};
use crate::offsite::Offsite;
use crate::recording::examine::{Facts, Gap};
use crate::recording::{
    Deletion, EXTENSION, Format, Info, Order, Origin, Start, Started, Stop, Stopped, begun,
};
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::{known_or_later, later};
use crate::rpc::params::{Param, Rule, whole};
use crate::rpc::table::{Call, Method, Outcome};
use crate::storage::moments::Moment;
use crate::storage::names::Stem;
use crate::storage::quota::Kind as Of;

/// Where they are downloaded.
const KIND: (&str, &str) = ("recordings", EXTENSION);
const FILENAME: Param = Param {
    name: "filename",
    rule: Rule::File(EXTENSION),
    required: true,
    doc: "the recording's name, with or without extension",
};

/// `start_recording`.
pub const START: Method = Method {
    name: "start_recording",
    role: Some(Role::Operator),
    params: &[
        STREAM,
        Param {
            name: "duration",
            rule: Rule::Number {
                min: 1,
                max: 86_400,
            },
            required: false,
            doc: "seconds after which it ends by itself; absent: when stop_recording is called",
        },
        Param {
            name: "format",
            rule: Rule::OneOf(&["fmp4", "mp4", "mkv"]),
            required: false,
            doc: "the container: fmp4 (the default) is fragmented MP4, mp4 a plain MP4 with its head in front, made when it stops; mkv is not built",
        },
        Param {
            required: false,
            doc: "a name for it; a taken one gets -2, -3 and so on. Absent: the camera and the time in UTC",
            ..FILENAME
        },
        Param {
            name: "pre_event_ms",
            rule: Rule::within(&PRE_EVENT),
            required: false,
            doc: "milliseconds before this call at which it begins, as far as pictures are held; at most recording.pre_event_ms of the configuration, which is what an absent one means for cameras",
        },
    ],
    result: "RecStart",
    errors: &[
        Code::NotFound,
        Code::InvalidState,
        Code::Unsupported,
        Code::DependencyFailed,
    ],
    doc: "Records a camera or an external stream; answers when the file is on the disk and grows.",
    handler: |_, call| start(&call).unwrap_or_else(|fault| Outcome::Now(Err(fault))),
};

/// `stop_recording`.
pub const STOP: Method = Method {
    name: "stop_recording",
    role: Some(Role::Operator),
    params: &[STREAM],
    result: "RecStop",
    errors: &[Code::NotFound, Code::InvalidState, Code::DependencyFailed],
    doc: "Ends the recording of a camera or an external stream; answers when the file is finished. A plain MP4 is waited for 5 s; then format is fmp4, and extensions.finalising says that it is still being made.",
    handler: |_, call| stop(&call).unwrap_or_else(|fault| Outcome::Now(Err(fault))),
};

/// `list_recordings`.
pub const LIST: Method = Method {
    name: "list_recordings",
    role: Some(Role::Viewer),
    params: PAGE,
    result: "RecordingList",
    errors: &[],
    doc: "Lists recordings, the newest first, those that run included. What a file holds is null until it has been examined, which a recording is when it ends.",
    handler: |_, call| list(call),
};

/// `get_recording_info`.
pub const INFO: Method = Method {
    name: "get_recording_info",
    role: Some(Role::Viewer),
    params: &[FILENAME],
    result: "RecInfo",
    errors: &[Code::NotFound],
    doc: "Tells size, duration and more of one recording; of one that runs, as far as it has got.",
    handler: |_, call| info(&call),
};

/// `delete_recording`.
pub const DELETE: Method = Method {
    name: "delete_recording",
    role: Some(Role::Operator),
    params: &[FILENAME],
    result: "Deleted",
    errors: &[Code::NotFound, Code::InvalidState],
    doc: "Deletes one recording that neither runs nor is protected.",
    handler: |session, call| {
        // The row's role has let the session through, so there is one.
        let who = session.login(call.now.wall);
        let who = who.map_or_else(|_| String::new(), |login| login.user_id.clone());
        delete(&call, &who)
    },
};

/// -32020 for what cannot be done in this state.
pub(super) fn state(
    reason: &str,
    is: &str,
    allowed: &[&str],
    details: String,
    next: &str,
) -> Fault {
    Fault::new(Code::InvalidState, reason, details, next)
        .with("state", is)
        .with(
            "allowed_states",
            allowed.iter().map(|s| Value::from(*s)).collect::<Vec<_>>(),
        )
}

fn format_of(word: &str) -> Result<Format, Fault> {
    let built = Format::ALL.into_iter().find(|f| f.as_str() == word);
    built.ok_or_else(|| {
        Fault::new(
            Code::Unsupported,
            "unsupported_format",
            format!("recordings cannot be made as {word}"),
            "ask for mp4, or leave format out: an fmp4 recording is an .mp4 file that browsers and players play",
        )
        .with("feature", format!("format:{word}"))
    })
}

fn start(call: &Call) -> Result<Outcome, Fault> {
    let target = target_of(call)?;
    let format = match call.params.get("format").and_then(Value::as_str) {
        None => Format::default(),
        Some(word) => format_of(word)?,
    };
    let device = target.name();
    if let Target::Camera(camera) = &target
        && let Status::Disconnected { reason } = &camera.status
    {
        return Err(state(
            "camera_disconnected",
            "DISCONNECTED",
            &["CONNECTED", "ERROR"],
            format!("{device} is not there: {reason}"),
            "plug it in; camera_status_update tells when it is back",
        ));
    }
    if let Some(is) = call.desk.recordings.state(&device) {
        return Err(busy(&device, is));
    }
    let media = call.desk.media.state();
    if !media.reachable {
        return Err(Fault::dependency(
            "mediamtx",
            media
                .last_reason
                .unwrap_or_else(|| "MediaMTX does not answer".to_owned()),
            "GET /health tells how MediaMTX is; it is started again by itself",
        ));
    }
    let lead = lead(call, &target)?;
    let seconds = call.params.get("duration").and_then(Value::as_f64);
    let order = Order {
        device: device.clone(),
        name: files::stem(call, EXTENSION),
        duration: seconds.and_then(|s| Duration::try_from_secs_f64(s).ok()),
        format,
        lead,
        origin: Origin::Call,
    };
    Ok(later(
        call.desk.recordings.start(order),
        move |came| match came {
            Ok(Start::Started(started)) => Ok(started_json(&device, &started, format)),
            Ok(Start::Busy { state: is }) => Err(busy(&device, is)),
            Ok(Start::Full(why)) => Err(Fault::dependency(
                "storage",
                why,
                "delete recordings, or set a retention policy with set_retention_policy",
            )),
            Err(error) => Err(failed(&error)),
        },
    ))
}

/// How long before the call the recording begins.
fn lead(call: &Call, target: &Target) -> Result<Duration, Fault> {
    let longest = match target {
        Target::Camera(_) => call.desk.recordings.longest_lead(),
        Target::External(_) => Duration::ZERO,
    };
    let Some(asked) = call.params.get("pre_event_ms").and_then(whole) else {
        return Ok(longest);
    };
    let asked = Duration::from_millis(u64::try_from(asked).unwrap_or_default());
    if asked <= longest {
        return Ok(asked);
    }
    let (details, next) = match target {
        Target::External(stream) => (
            format!("pictures of {} come from elsewhere, and none are held", stream.name),
            "leave pre_event_ms out for external streams".to_owned(),
        ),
        Target::Camera(_) if longest.is_zero() => (
            "no pictures are held: recording.pre_event_ms of the configuration is 0".to_owned(),
            "set recording.pre_event_ms in the configuration and restart the service, or leave pre_event_ms out".to_owned(),
        ),
        Target::Camera(_) => (
            format!("pictures are held for {} ms", longest.as_millis()),
            format!(
                "send pre_event_ms up to {}, or raise recording.pre_event_ms in the configuration",
                longest.as_millis()
            ),
        ),
    };
    Err(
        Fault::new(Code::Unsupported, "pre_event_not_held", details, next)
            .with("feature", "pre_event")
            .with("pre_event_ms", millis(longest)),
    )
}

/// -32020: one recording of a device at a time.
fn busy(device: &str, is: &str) -> Fault {
    state(
        "already_recording",
        is,
        &["IDLE"],
        format!(
            "{device} has a recording already: it is {}",
            is.to_lowercase()
        ),
        "call stop_recording first, or let it run",
    )
}

fn failed(error: &Error) -> Fault {
    let dependency = match error.kind() {
        Kind::Gone | Kind::Refused => "mediamtx",
        _ => "storage",
    };
    Fault::dependency(
        dependency,
        error.to_string(),
        error
            .next_action()
            .unwrap_or("GET /health tells how MediaMTX is; its words are in the service's log"),
    )
}

fn started_json(device: &str, started: &Started, format: Format) -> Value {
    json!({
        "device": device,
        "filename": started.stem.as_str(),
        "status": "RECORDING",
        "start_time": started.start.rfc3339(),
        "format": format.as_str(),
        "extensions": {
            "ends_at": started.until.map(|until| until.rfc3339()),
            "pre_event_ms": millis(started.lead),
        },
    })
}

fn stop(call: &Call) -> Result<Outcome, Fault> {
    let device = target_of(call)?.name();
    let work = call.desk.recordings.stop(&device);
    Ok(later(work, move |came| match came {
        Ok(Stop::Stopped(stopped)) => Ok(stopped_json(&device, &stopped)),
        Ok(Stop::Idle { state: is }) => Err(state(
            "not_recording",
            is,
            &["RECORDING"],
            format!("no recording of {device} can be stopped now"),
            "start one with start_recording",
        )),
        Err(error) => Err(failed(&error)),
    }))
}

fn stopped_json(device: &str, stopped: &Stopped) -> Value {
    let files: Vec<Value> = stopped
        .files
        .iter()
        .map(|file| {
            json!({
                "filename": file.entry.stem.as_str(),
                "file_size": file.entry.size,
                "duration_ms": millis(file.duration),
            })
        })
        .collect();
    json!({
        "device": device,
        "filename": stopped.stem.as_str(),
        "status": "STOPPED",
        "start_time": stopped.start.rfc3339(),
        "end_time": stopped.end.rfc3339(),
        "duration": seconds(stopped.duration),
        "file_size": stopped.size,
        "format": stopped.format.as_str(),
        "extensions": {
            "duration_ms": millis(stopped.duration),
            "files": files,
            "finalising": stopped.finalising,
        },
    })
}

fn list(call: Call) -> Outcome {
    let page = files::page(&call);
    known_or_later(call.desk.recordings.list(page), move |came| {
        let listing = came.map_err(|e| files::disk(&e))?;
        let all = listing.files.iter();
        let all = all.map(|item| {
            let running = call.desk.recordings.is_running(&item.entry.stem);
            // What was known of it before it grew on is not what it is.
            let facts = item.facts.as_ref().filter(|_| !running);
            let finalising = call.desk.recordings.is_finalising(&item.entry.stem);
            let mut told = facts_json(facts, running, finalising);
            told["device"] = item.entry.device.as_str().into();
            told["recording"] = running.into();
            let held = call.desk.storage.is_protected(&item.entry.stem);
            told["protected"] = held.into();
            let disk = || begun(item.entry.created, item.entry.modified, facts?.duration).into();
            let own = facts.and_then(|f| f.begun).or_else(disk);
            let storage = &call.desk.storage;
            let moment = storage.moment(Of::Recording, &item.entry.stem, own);
            told["start_time"] = moment.at.map(Wall::rfc3339).into();
            told["time"] = moment.standing.as_str().into();
            told["offsite"] = offsite(&*call.desk.offsite, &item.entry.stem);
            (&item.entry, told)
        });
        Ok(files::list(all, listing.total, page, KIND))
    })
}

/// What `extensions` tell of a file. All is null, and the flag `pending` is there, until it has been examined.
fn facts_json(facts: Option<&Facts>, running: bool, finalising: bool) -> Value {
    let is = |flag: fn(&Facts) -> bool| facts.is_some_and(flag);
    let flags = [
        ("closed", is(|f| f.closed)),
        // The end of what is being written is not torn, and what has just begun will play.
        ("torn", !running && is(|f| f.torn)),
        ("unplayable", !running && is(|f| f.unplayable)),
        ("finalising", finalising),
        ("pending", !running && facts.is_none()),
    ];
    let flags: Vec<&str> = flags
        .iter()
        .filter(|(_, is)| *is)
        .map(|(word, _)| *word)
        .collect();
    let size = facts.and_then(|f| f.size);
    let gap = |gap: &Gap| json!({ "at_ms": millis(gap.at), "length_ms": millis(gap.length) });
    json!({
        "duration_ms": facts.map(|f| millis(f.duration)),
        "codec": facts.and_then(|f| f.codec.as_deref()),
        "width": size.map(|s| s.width),
        "height": size.map(|s| s.height),
        // Of one that runs they are not known before it ends.
        "gaps": facts.filter(|_| !running).map(|f| f.gaps.iter().map(gap).collect::<Vec<_>>()),
        "flags": flags,
    })
}

fn info(call: &Call) -> Outcome {
    let Some(stem) = files::stem(call, EXTENSION) else {
        return Outcome::Now(Err(absent(call)));
    };
    let storage = Arc::clone(&call.desk.storage);
    let recordings = Arc::clone(&call.desk.recordings);
    let copies = Arc::clone(&call.desk.offsite);
    later(recordings.info(stem.clone()), move |came| {
        match came.map_err(|e| files::disk(&e))? {
            Some(info) => {
                let held = storage.is_protected(&info.entry.stem);
                let own = Some(info.created());
                let moment = storage.moment(Of::Recording, &info.entry.stem, own);
                let finalising = recordings.is_finalising(&stem);
                let mut told = info_json(&info, finalising, held, moment);
                told["extensions"]["offsite"] = offsite(&*copies, &info.entry.stem);
                Ok(told)
            }
            None => Err(files::no_such("recording", &stem, LIST.name)),
        }
    })
}

/// How far the off-site copy of a recording is.
fn offsite(copies: &dyn Offsite, stem: &Stem) -> Value {
    copies.stand(&(Of::Recording, stem.clone())).as_str().into()
}

fn info_json(info: &Info, finalising: bool, protected: bool, moment: Moment) -> Value {
    let created = moment.at.unwrap_or_else(|| info.created()).rfc3339();
    let mut told = facts_json(Some(&info.facts), info.running, finalising);
    told["device"] = info.entry.device.as_str().into();
    told["recording"] = info.running.into();
    told["protected"] = protected.into();
    told["whole_bytes"] = info.facts.whole.into();
    told["start_time"] = created.as_str().into();
    told["time"] = moment.standing.as_str().into();
    json!({
        "filename": info.entry.stem.as_str(),
        "file_size": info.entry.size,
        "duration": seconds(info.duration),
        "created_time": created,
        "download_url": files::url(KIND.0, &info.entry.stem, KIND.1),
        "extensions": told,
    })
}

fn delete(call: &Call, who: &str) -> Outcome {
    let Some(stem) = files::stem(call, EXTENSION) else {
        return Outcome::Now(Err(absent(call)));
    };
    later(
        call.desk.recordings.delete(stem.clone(), who),
        move |came| match came.map_err(|e| files::disk(&e))? {
            Deletion::Done => Ok(files::deleted(&stem)),
            Deletion::Unknown => Err(files::no_such("recording", &stem, LIST.name)),
            Deletion::Running => Err(state(
                "still_recording",
                "RECORDING",
                &["STOPPED"],
                format!("{stem} is being recorded, or is not finished yet"),
                "call stop_recording first; a plain MP4 that is still being made can be deleted when it is",
            )),
            Deletion::Protected => Err(state(
                "protected",
                "PROTECTED",
                &["STOPPED"],
                format!("{stem} is protected from being deleted"),
                "take the protection off with protect_recording and protected: false first",
            )),
        },
    )
}

/// Cannot be reached: the row's rule has let the name through.
fn absent(call: &Call) -> Fault {
    Fault::not_found(
        "recording",
        call.text("filename"),
        "list_recordings names every recording",
    )
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whole seconds, rounded.
fn seconds(duration: Duration) -> u64 {
    duration
        .saturating_add(Duration::from_millis(500))
        .as_secs()
}
