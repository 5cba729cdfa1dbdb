//! `get_recording_mode`, `set_recording_mode`; not in the contract.

use serde_json::{Value, json};

use super::files;
use super::{DEVICE, camera_of};
use crate::access::Role;
use crate::recording::modes::{Mode, Standing, Wish};
use crate::recording::schedule::Schedule;
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::later;
use crate::rpc::params::{Param, Rule};
use crate::rpc::table::{Call, Method, Outcome};

/// The word for the configuration's mode.
const DEFAULT: &str = "default";

/// `get_recording_mode`.
pub const GET: Method = Method {
    name: "get_recording_mode",
    role: Some(Role::Viewer),
    params: &[DEVICE],
    result: "RecordingMode",
    errors: &[Code::NotFound],
    doc: "Tells when a camera is recorded by itself, and whether it is now, and why.",
    handler: |_, call| {
        Outcome::Now(camera_of(&call).map(|camera| {
            let standing = call.desk.modes.standing(camera.id);
            told(&camera.id.to_string(), &standing)
        }))
    },
};

/// `set_recording_mode`.
pub const SET: Method = Method {
    name: "set_recording_mode",
    role: Some(Role::Admin),
    params: &[
        DEVICE,
        Param {
            name: "mode",
            rule: Rule::OneOf(&["manual", "continuous", "scheduled", DEFAULT]),
            required: true,
            doc: "manual: when somebody asks; continuous: always; scheduled: in the windows of schedule; default: as recording.mode of the configuration says",
        },
        Param {
            name: "schedule",
            rule: Rule::Text,
            required: false,
            doc: "for scheduled: weekly windows in the time zone of the configuration, such as mon-fri 22:00-06:00; sat,sun 00:00-24:00. One over midnight belongs to the day on which it begins",
        },
    ],
    result: "RecordingMode",
    errors: &[Code::NotFound, Code::DependencyFailed],
    doc: "Says when a camera is recorded by itself; holds over restarts and unplugging. What the mode before has begun and this one does not want ends; what somebody asked for goes on.",
    handler: |_, call| set(&call).unwrap_or_else(|fault| Outcome::Now(Err(fault))),
};

fn set(call: &Call) -> Result<Outcome, Fault> {
    let camera = camera_of(call)?.id;
    let wish = wish(call)?;
    Ok(later(call.desk.modes.set(camera, wish), move |came| {
        let standing = came.map_err(|e| files::disk(&e))?;
        Ok(told(&camera.to_string(), &standing))
    }))
}

fn wish(call: &Call) -> Result<Option<Wish>, Fault> {
    let word = call.text("mode");
    let given = call.params.contains_key("schedule");
    let mode = (word != DEFAULT)
        .then(|| word.parse::<Mode>())
        .transpose()
        .map_err(|e| Fault::param("mode", "enum", e, "send one of the words it names"))?;
    match (mode == Some(Mode::Scheduled), given) {
        (true, false) => Err(Fault::param(
            "schedule",
            "required",
            "without windows nothing would ever be recorded",
            "send schedule with windows such as mon-fri 22:00-06:00",
        )),
        (false, true) => Err(Fault::param(
            "schedule",
            "unexpected",
            format!("mode {word} has no windows"),
            "send mode: scheduled, or leave schedule out",
        )),
        _ => {
            let schedule = call.text("schedule").parse::<Schedule>();
            let schedule = schedule.ok().filter(|s| given != s.is_empty());
            let schedule = schedule.ok_or_else(|| {
                let said = call.text("schedule").parse::<Schedule>();
                let said = said
                    .err()
                    .unwrap_or_else(|| "schedule has no window".to_owned());
                Fault::param(
                    "schedule",
                    "pattern",
                    said,
                    "write each window as days and times, with ; between two windows",
                )
            })?;
            Ok(mode.map(|mode| Wish { mode, schedule }))
        }
    }
}

fn told(device: &str, standing: &Standing) -> Value {
    let scheduled = standing.wish.mode == Mode::Scheduled;
    json!({
        "device": device,
        "mode": standing.wish.mode.as_str(),
        "schedule": scheduled.then(|| standing.wish.schedule.to_string()),
        "time_zone": standing.zone,
        "from_configuration": !standing.own,
        "wanted": standing.reason.records(),
        "reason": standing.reason.as_str(),
        "recording": standing.records,
    })
}
