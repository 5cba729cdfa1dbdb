//! `add_external_stream`, `remove_external_stream`, `get_external_streams`, `discover_external_streams`,
//! `set_discovery_interval`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::access::Role;
use crate::error::{Error, Kind as Failure};
use crate::external::book::is_free_name;
use crate::external::discovery::{Find, View};
use crate::external::url::StreamUrl;
use crate::external::{Kind, Refusal, Stream};
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::later;
use crate::rpc::params::{Param, Rule};
use crate::rpc::table::{Answer, Call, Method, Outcome};

const STREAM_URL: Param = Param {
    name: "stream_url",
    rule: Rule::Text,
    required: true,
    doc: "rtsp:// or rtsps://, at most 2048 characters; user name and password in it are used and never shown again",
};

/// `add_external_stream`.
pub const ADD: Method = Method {
    name: "add_external_stream",
    role: Some(Role::Operator),
    params: &[
        STREAM_URL,
        Param {
            name: "stream_name",
            rule: Rule::Stream,
            required: true,
            doc: "its name, and that of its path: small letters, digits, _ and -",
        },
        Param {
            name: "stream_type",
            rule: Rule::OneOf(Kind::WORDS),
            required: false,
            doc: "what sends it; generic_rtsp where it is not given",
        },
    ],
    result: "ExternalStreamAdded",
    errors: &[Code::InvalidState, Code::DependencyFailed],
    doc: "Adds a stream of somebody else: MediaMTX pulls it from now on, and after every restart.",
    handler: |_, call| add(&call).unwrap_or_else(|fault| Outcome::Now(Err(fault))),
};

/// `remove_external_stream`.
pub const REMOVE: Method = Method {
    name: "remove_external_stream",
    role: Some(Role::Operator),
    params: &[STREAM_URL],
    result: "ExternalStreamRemoved",
    errors: &[Code::NotFound],
    doc: "Removes an added stream by its address, with or without the credentials; its viewers are cut off.",
    handler: |_, call| remove(&call).unwrap_or_else(|fault| Outcome::Now(Err(fault))),
};

/// `get_external_streams`.
pub const LIST: Method = Method {
    name: "get_external_streams",
    role: Some(Role::Viewer),
    params: &[],
    result: "ExternalStreams",
    errors: &[],
    doc: "Lists the added streams, and those that the last search found.",
    handler: |_, call| Outcome::Now(Ok(list(&call))),
};

/// `discover_external_streams`.
pub const DISCOVER: Method = Method {
    name: "discover_external_streams",
    role: Some(Role::Operator),
    params: &[
        flag(
            "skydio_enabled",
            "show Skydio drones; true where it is not given",
        ),
        flag(
            "generic_enabled",
            "show other streams; false where it is not given",
        ),
        flag(
            "force_rescan",
            "search even when the last search is no older than 30 s",
        ),
        flag(
            "include_offline",
            "show also what answered earlier and does not now",
        ),
    ],
    result: "Discovery",
    errors: &[Code::Unsupported],
    doc: "Searches the configured networks for streams and answers when the search is over; adds nothing.",
    handler: |_, call| discover(call),
};

/// `set_discovery_interval`.
pub const INTERVAL: Method = Method {
    name: "set_discovery_interval",
    role: Some(Role::Admin),
    params: &[Param {
        name: "scan_interval",
        rule: Rule::Number { min: 0, max: 86400 },
        required: true,
        doc: "seconds from the end of one search to the next; 0 searches on demand only",
    }],
    result: "DiscoveryInterval",
    errors: &[Code::Unsupported],
    doc: "Sets how often streams are searched for, until the service starts anew.",
    handler: |_, call| Outcome::Now(interval(&call)),
};

const fn flag(name: &'static str, doc: &'static str) -> Param {
    Param {
        name,
        rule: Rule::Bool,
        required: false,
        doc,
    }
}

fn address(call: &Call) -> Result<StreamUrl, Fault> {
    StreamUrl::parse(call.text(STREAM_URL.name)).map_err(|what| {
        Fault::param(
            STREAM_URL.name,
            "url",
            format!("stream_url is no address of a stream: {what}"),
            "send it as rtsp://192.168.42.10:5554/subject",
        )
    })
}

fn add(call: &Call) -> Result<Outcome, Fault> {
    let url = address(call)?;
    let name = call.text("stream_name").to_owned();
    if !is_free_name(&name) {
        return Err(Fault::param(
            "stream_name",
            "reserved",
            format!("{name} is kept for cameras or means every stream"),
            "choose another name, such as drone-1",
        ));
    }
    let kind = Kind::from_word(call.text("stream_type")).unwrap_or(Kind::Generic);
    let now = call.now.wall;
    let added = call.desk.external.add(&name, url, kind, now);
    Ok(later(added, move |added| match added {
        Ok(Ok(stream)) => Ok(json!({
            "stream_url": stream.url.shown(),
            "stream_name": stream.name,
            "stream_type": stream.kind.as_str(),
            "status": "ADDED",
            "timestamp": now.rfc3339(),
        })),
        Ok(Err(refusal)) => Err(taken(&name, &refusal)),
        Err(e) => Err(failed(&e)),
    }))
}

fn taken(name: &str, refusal: &Refusal) -> Fault {
    let (reason, state, allowed, details, next) = match refusal {
        Refusal::Name => (
            "name_taken",
            "ADDED",
            "ABSENT",
            format!("there is a stream {name} already"),
            "choose another name, or remove that one first",
        ),
        Refusal::Url(other) => (
            "url_taken",
            "ADDED",
            "ABSENT",
            format!("this address is the stream {other} already"),
            "use that one, or remove it first",
        ),
        Refusal::Full(most) => (
            "list_full",
            "FULL",
            "NOT_FULL",
            format!("there are {most} streams already, and no more are taken"),
            "remove one first",
        ),
    };
    Fault::new(Code::InvalidState, reason, details, next)
        .with("state", state)
        .with("allowed_states", json!([allowed]))
}

fn failed(e: &Error) -> Fault {
    let next = e.next_action().unwrap_or("see the service's log");
    match e.kind() {
        Failure::Refused | Failure::Gone => Fault::dependency("mediamtx", e.to_string(), next),
        _ => Fault::new(Code::InternalError, "internal_error", e.to_string(), next),
    }
}

fn remove(call: &Call) -> Result<Outcome, Fault> {
    let url = address(call)?;
    let now = call.now.wall;
    let removed = call.desk.external.remove(&url);
    Ok(later(removed, move |removed| match removed {
        Ok(Some(stream)) => Ok(json!({
            "stream_url": stream.url.shown(),
            "status": "REMOVED",
            "timestamp": now.rfc3339(),
        })),
        Ok(None) => Err(Fault::not_found(
            "stream",
            &url.shown(),
            "get_external_streams tells the addresses of all added ones",
        )),
        Err(e) => Err(failed(&e)),
    }))
}

fn list(call: &Call) -> Value {
    let finds = call.desk.external.finds();
    let added = call.desk.external.list();
    let known: Vec<String> = added.iter().map(|s| s.url.identity()).collect();
    let mut all: Vec<(Kind, Value)> = added
        .iter()
        .map(|s| (s.kind, of_added(call, s, &finds)))
        .collect();
    let new = finds
        .iter()
        .filter(|f| f.online && !known.contains(&identity(f)));
    all.extend(new.map(|f| (f.kind, of_find(f, false))));
    let of = |kind: Kind| -> Vec<&Value> {
        all.iter()
            .filter(|(k, _)| *k == kind)
            .map(|(_, v)| v)
            .collect()
    };
    json!({
        "external_streams": all.iter().map(|(_, v)| v).collect::<Vec<_>>(),
        "skydio_streams": of(Kind::Skydio),
        "generic_streams": of(Kind::Generic),
        "total_count": all.len(),
        "timestamp": call.now.wall.rfc3339(),
    })
}

fn identity(find: &Find) -> String {
    StreamUrl::parse(&find.url).map_or_else(|_| find.url.clone(), |url| url.identity())
}

fn of_added(call: &Call, stream: &Stream, finds: &[Find]) -> Value {
    let id = stream.url.identity();
    let find = finds.iter().find(|f| identity(f) == id);
    let media = call.desk.media.state();
    let path = media.paths.get(&stream.name).filter(|_| media.reachable);
    let ready = path.is_some_and(|p| p.ready);
    let (codec, metadata) = find.map_or(("unknown", "unknown"), |f| {
        (f.media.codec, f.media.metadata)
    });
    let view = find.map_or(View::Unknown, |f| f.view);
    // A stream that was never seen was last known of when it was added.
    let last = match (ready, stream.seen.last) {
        (true, _) => call.now.wall,
        (false, last) => last.unwrap_or(stream.added),
    };
    json!({
        "url": stream.url.shown(),
        "type": stream.kind.as_str(),
        "name": stream.name,
        "status": if ready { "DISCOVERED" } else { "ERROR" },
        "discovered_at": stream.added.rfc3339(),
        "last_seen": last.rfc3339(),
        "capabilities": capabilities(stream.kind, view, stream.url.port(), &stream.url.path(), codec, metadata),
        "extensions": {
            "added": true,
            "ready": ready,
            "since": stream.seen.since.rfc3339(),
            "readers": path.map_or(0, |p| p.readers),
            "streams": {
                "rtsp": call.reached.rtsp(&stream.name, call.desk.rtsp_port),
                "hls": call.reached.hls(&stream.name),
                "webrtc": call.reached.webrtc(&stream.name),
            },
        },
    })
}

fn of_find(find: &Find, added: bool) -> Value {
    json!({
        "url": find.url,
        "type": find.kind.as_str(),
        "name": find.name,
        "status": if find.online { "DISCOVERED" } else { "ERROR" },
        "discovered_at": find.discovered.rfc3339(),
        "last_seen": find.last_seen.rfc3339(),
        "capabilities": capabilities(find.kind, find.view, find.port, &find.path, find.media.codec, find.media.metadata),
        "extensions": { "added": added },
    })
}

fn capabilities(
    kind: Kind,
    view: View,
    port: u16,
    path: &str,
    codec: &str,
    metadata: &str,
) -> Value {
    let (format, source) = match kind {
        Kind::Skydio => ("stanag4609", "skydio_uav"),
        Kind::Generic => ("rtsp", "generic_rtsp"),
    };
    json!({
        "protocol": "rtsp",
        "format": format,
        "source": source,
        "stream_type": view.as_str(),
        "port": port,
        "stream_path": path,
        "codec": codec,
        "metadata": metadata,
    })
}

/// -32030: the installation does not want networks searched.
fn off() -> Fault {
    Fault::new(
        Code::Unsupported,
        "feature_disabled",
        "searching for external streams is switched off in the configuration",
        "set external_discovery.enabled to true; add_external_stream works without",
    )
    .with("feature", "external_discovery")
}

fn discover(call: Call) -> Outcome {
    if !call.desk.external.is_discovery_on() {
        return Outcome::Now(Err(off()));
    }
    let asked = |name: &str, default: bool| {
        call.params
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or(default)
    };
    let skydio = asked("skydio_enabled", true);
    let generic = asked("generic_enabled", false);
    let force = asked("force_rescan", false);
    let offline = asked("include_offline", false);
    let searched = call.desk.external.discover(force);
    later(searched, move |searched| -> Answer {
        let scan = searched.map_err(|e| failed(&e))?;
        let added: Vec<String> = call
            .desk
            .external
            .list()
            .iter()
            .map(|s| s.url.identity())
            .collect();
        let of = |kind: Kind, wanted: bool| -> Vec<Value> {
            scan.finds
                .iter()
                .filter(|f| wanted && f.kind == kind && (f.online || offline))
                .map(|f| of_find(f, added.contains(&identity(f))))
                .collect()
        };
        let skydio_streams = of(Kind::Skydio, skydio);
        let generic_streams = of(Kind::Generic, generic);
        let all: Vec<&Value> = skydio_streams.iter().chain(&generic_streams).collect();
        Ok(json!({
            "total_found": all.len(),
            "discovered_streams": all,
            "skydio_streams": skydio_streams,
            "generic_streams": generic_streams,
            "scan_timestamp": scan.at.rfc3339(),
            "discovery_options": {
                "skydio_enabled": skydio,
                "generic_enabled": generic,
                "force_rescan": force,
                "include_offline": offline,
            },
            "scan_duration": format!("{:.1}s", scan.took.as_secs_f64()),
            "errors": scan.errors,
        }))
    })
}

fn interval(call: &Call) -> Answer {
    let given = call.params.get("scan_interval").cloned();
    let seconds = given.as_ref().and_then(Value::as_f64).unwrap_or_default();
    if seconds > 0.0 && !call.desk.external.is_discovery_on() {
        return Err(off());
    }
    // The rule has seen to it that this is no negative number and at most a day.
    let every = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    call.desk.external.set_interval(every);
    let message = if every.is_zero() {
        "streams are searched for on demand only".to_owned()
    } else {
        format!("streams are searched for every {seconds} s, until the service starts anew")
    };
    Ok(json!({
        "scan_interval": given,
        "status": "UPDATED",
        "message": message,
        "timestamp": call.now.wall.rfc3339(),
    }))
}
