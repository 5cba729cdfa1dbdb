//! `get_range_url`: a link to a stretch of time of one camera, over all its recordings.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::STREAM;
use crate::access::Role;
use crate::clock::Wall;
use crate::http::files::range::{Ready, Trouble, stretch};
use crate::recording::range::{LONGEST, Part, Stretch};
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::later;
use crate::rpc::params::{Param, Rule, whole};
use crate::rpc::session::Session;
use crate::rpc::table::{Call, Method, Outcome};

/// Life of a link when none is asked for: time to look at it.
const LIFE: Duration = Duration::from_secs(3600);
/// Recordings and holes that are named, the first ones.
const NAMED: usize = 100;

/// `get_range_url`.
pub const RANGE_URL: Method = Method {
    name: "get_range_url",
    role: Some(Role::Viewer),
    params: &[
        STREAM,
        Param {
            name: "start",
            rule: Rule::Text,
            required: true,
            doc: "from when, as RFC 3339 writes it, with any offset",
        },
        Param {
            name: "end",
            rule: Rule::Text,
            required: false,
            doc: "until when, likewise; this or duration",
        },
        Param {
            name: "duration",
            rule: Rule::Number {
                min: 0,
                max: 43_200,
            },
            required: false,
            doc: "for how many seconds, in the place of end",
        },
        Param {
            name: "ttl_s",
            rule: Rule::Integer {
                min: 1,
                max: 86_400,
            },
            required: false,
            doc: "seconds the link is good for; 3600 when absent, never longer than this login",
        },
    ],
    result: "RangeUrl",
    errors: &[Code::NotFound, Code::InvalidState, Code::DependencyFailed],
    doc: "A link to what was recorded of a camera or stream from one moment to another, 12 hours at most, as one MP4 over all recordings. It begins at the key frame at or before the start.",
    handler: |session, call| match range_url(session, &call) {
        Ok(outcome) => outcome,
        Err(fault) => Outcome::Now(Err(fault)),
    },
};

fn range_url(session: &Session, call: &Call) -> Result<Outcome, Fault> {
    let device = call.text("device").to_owned();
    let end = call.params.get("end").and_then(Value::as_str);
    let seconds = call.params.get("duration").and_then(Value::as_f64);
    let wanted = stretch(call.text("start"), end, seconds).map_err(|details| {
        let param = match () {
            () if details.starts_with("start") => "start",
            () if seconds.is_some() => "duration",
            () => "end",
        };
        let hours = LONGEST.as_secs() / 3600;
        let next = format!(
            "send start and end such as 2026-11-21T10:15:00Z, or start and duration in seconds, {hours} hours at most"
        );
        Fault::param(param, "range", details, next)
    })?;
    let login = session.login(call.now.wall)?;
    let life = call.params.get("ttl_s").and_then(whole);
    let life = life
        .and_then(|secs| u64::try_from(secs).ok())
        .unwrap_or(LIFE.as_secs());
    let until = Wall::from_secs(call.now.wall.as_secs().saturating_add(life));
    // Whole seconds go into the signature; the answer says the same.
    let until = Wall::from_secs(until.min(login.expires_at).as_secs());
    let (ranges, reached) = (Arc::clone(&call.desk.ranges), Arc::clone(&call.reached));
    let work = ranges.find(&device, wanted);
    Ok(later(work, move |came| match came {
        Ok(Ok(ready)) => {
            // What is written from now on would make it another one with each request.
            let end = match ready.plan.complete {
                true => wanted.end,
                false => ready.plan.end().min(wanted.end),
            };
            let linked = Stretch { end, ..wanted };
            let path = ranges.link(&device, linked, &login, until);
            let mut told = told(&ready);
            told["url"] = format!("{}{path}", reached.origin()).into();
            told["download_url"] = path.into();
            told["expires_at"] = until.rfc3339().into();
            Ok(told)
        }
        Ok(Err(trouble)) => Err(fault(&device, &trouble)),
        Err(error) => Err(Fault::dependency(
            "storage",
            error.to_string(),
            "check the disk of recordings",
        )),
    }))
}

fn millis(from: Wall, until: Wall) -> u64 {
    until.as_nanos().saturating_sub(from.as_nanos()) / 1_000_000
}

fn told(ready: &Ready) -> Value {
    let plan = &ready.plan;
    let part = |part: &Part| {
        json!({
            "filename": part.stem.as_str(),
            "start_time": part.begin.rfc3339(),
            "end_time": part.end.rfc3339(),
        })
    };
    let gap = |(at, lasts): (Wall, Duration)| json!({ "start_time": at.rfc3339(), "length_ms": millis(at, at + lasts) });
    json!({
        "device": ready.device,
        "filename": ready.filename(),
        "file_size": plan.size(),
        "start_time": plan.begin().rfc3339(),
        "end_time": plan.end().rfc3339(),
        "duration_ms": millis(plan.begin(), plan.end()),
        "complete": plan.complete,
        "recordings": plan.parts.iter().take(NAMED).map(part).collect::<Vec<_>>(),
        "gaps": plan.holes().take(NAMED).map(gap).collect::<Vec<_>>(),
        "damaged": plan.damaged.iter().take(NAMED).map(|stem| stem.as_str()).collect::<Vec<_>>(),
    })
}

fn fault(device: &str, trouble: &Trouble) -> Fault {
    let sentence = trouble.sentence(device);
    // What it is, and what to do.
    let (what, next) = sentence.rsplit_once("; ").unwrap_or((&sentence, &sentence));
    match trouble {
        Trouble::Nothing { before, after } => Fault::new(Code::NotFound, "not_found", what, next)
            .with("resource", "recording")
            .with("id", device)
            .with("nearest_before", before.map(Wall::rfc3339))
            .with("nearest_after", after.map(Wall::rfc3339)),
        Trouble::Changed { at, .. } => Fault::new(Code::InvalidState, "codec_changed", what, next)
            .with("state", "CODEC_CHANGED")
            .with("allowed_states", vec!["SAME_CODEC"])
            .with("at", at.rfc3339()),
        Trouble::TooMany => Fault::param("end", "range", what, next),
        Trouble::Busy => Fault::dependency("storage", what, next),
    }
}
