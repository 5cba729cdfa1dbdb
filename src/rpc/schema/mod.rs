//! The shapes of results as JSON Schema; the OpenRPC document refers to them by name.

mod configuration;
mod credentials;
mod downloads;
mod events;
mod external;
mod guard;
mod offsite;
mod records;
mod streams;
mod system;

use serde_json::{Map, Value, json};

use crate::latency::Stage;
use crate::recover::FaultClass;

/// Every shape by name.
#[must_use]
pub fn all() -> Map<String, Value> {
    base()
        .into_iter()
        .chain(credentials::shapes())
        .chain(guard::shapes())
        .chain(downloads::shapes())
        .chain(configuration::shapes())
        .chain(streams::shapes())
        .chain(external::shapes())
        .chain(events::shapes())
        .chain(system::shapes())
        .chain(records::shapes())
        .chain(offsite::shapes())
        .map(|(name, shape)| (name.to_owned(), shape))
        .collect()
}

fn base() -> Vec<(&'static str, Value)> {
    vec![
        ("Pong", json!({ "type": "string", "const": "pong" })),
        ("AuthResult", auth_result()),
        (
            "Streams",
            closed(&json!({ "rtsp": text(), "hls": text(), "webrtc": text() })),
        ),
        ("Camera", closed(&camera_fields())),
        ("CameraExtensions", camera_extensions()),
        (
            "StageLatency",
            closed(&json!({
                "p50_ms": told("number", "half of the pictures took no longer, within 3 %"),
                "p95_ms": told("number", "95 of a hundred took no longer"),
                "p99_ms": told("number", "99 of a hundred took no longer"),
                "max_ms": told("number", "the longest; exact"),
                "frames": told("integer", "pictures counted; those that waited for MediaMTX are not"),
            })),
        ),
        ("Recovery", recovery()),
        (
            "CameraList",
            closed(&json!({
                "cameras": { "type": "array", "items": link("Camera") },
                "total": count(),
                "connected": count(),
            })),
        ),
        ("CameraStatus", camera_status()),
        (
            "Capabilities",
            closed(&json!({
                "device": text(),
                "formats": texts(),
                "resolutions": texts(),
                "fps_options": { "type": "array", "items": count() },
                "validation_status": words(&["NONE", "DISCONNECTED", "CONFIRMED"]),
            })),
        ),
        (
            "CameraControls",
            closed(&json!({
                "device": text(),
                "controls": { "type": "array", "items": link("CameraControl") },
            })),
        ),
        ("CameraControl", camera_control()),
        (
            "MenuItem",
            closed(&json!({ "value": { "type": "integer" }, "name": text() })),
        ),
        (
            "Video",
            closed(&json!({
                "device": text(),
                "bitrate_kbps": { "type": ["integer", "null"], "minimum": 0, "description": "null where the camera codes by itself" },
                "keyframe_seconds": { "type": ["integer", "null"], "minimum": 0, "description": "null likewise" },
                "resolution": { "type": "string", "pattern": "^[0-9]+x[0-9]+$" },
                "fps": count(),
                "seamless": {
                    "type": "boolean",
                    "description": "the last change took no pause: the same stream went on",
                },
            })),
        ),
        (
            "KeyframeRequest",
            closed(&json!({ "device": text(), "requested": { "type": "boolean" } })),
        ),
        (
            "OpenRpc",
            json!({ "type": "object", "description": "an OpenRPC document" }),
        ),
    ]
}

fn auth_result() -> Value {
    closed(&json!({
        "authenticated": { "type": "boolean" },
        "role": words(&["viewer", "operator", "admin"]),
        "permissions": texts(),
        "expires_at": { "type": "string", "format": "date-time" },
        "session_id": { "type": "string", "format": "uuid" },
    }))
}

fn camera_fields() -> Value {
    json!({
        "device": text(),
        "status": words(&["CONNECTED", "DISCONNECTED", "ERROR"]),
        "name": text(),
        "resolution": { "type": "string", "pattern": "^[0-9]+x[0-9]+$" },
        "fps": count(),
        "streams": link("Streams"),
        "extensions": link("CameraExtensions"),
    })
}

fn camera_status() -> Value {
    let mut fields = camera_fields();
    fields["metrics"] = closed(&json!({
        "bytes_sent": count(),
        "readers": count(),
        "uptime": count(),
    }));
    fields["capabilities"] = closed(&json!({ "formats": texts(), "resolutions": texts() }));
    closed(&fields)
}

fn camera_extensions() -> Value {
    let stages: Map<String, Value> = Stage::ALL
        .into_iter()
        .map(|stage| (stage.as_str().to_owned(), link("StageLatency")))
        .collect();
    let mut latency = closed(&stages.into());
    latency["description"] =
        "how late pictures were in the last 30 to 60 s, by stage; only in get_camera_status".into();
    let mut shape = closed(&json!({
        "reason": text(),
        "action": text(),
        "fps": { "type": "number" },
        "route": text(),
        "route_why": told("string", "why that route and no better one"),
        "slate": told("boolean", "viewers see the last picture dimmed, with the reason"),
        "pixel_format": text(),
        "driver": text(),
        "counters": closed(&json!({
            "captured": count(),
            "dropped_by_driver": count(),
            "damaged": count(),
            "repeated": count(),
            "requeued": count(),
            "encoded": count(),
            "swallowed": count(),
            "sent": count(),
            "unsent": count(),
        })),
        "latency": latency,
        "recovery": link("Recovery"),
    }));
    shape["required"] = json!(["driver", "slate", "counters"]);
    shape
}

fn recovery() -> Value {
    let fault = || {
        let names: Vec<&str> = FaultClass::ALL.iter().map(|class| class.as_str()).collect();
        words(&names)
    };
    let rung = || words(&["wait", "requeue", "restream", "reopen", "reprobe"]);
    let mut now = closed(&json!({ "fault": fault(), "rung": rung(), "for_s": count() }));
    now["type"] = json!(["object", "null"]);
    now["description"] = "the fault that keeps the picture away, and the last cure tried".into();
    let mended = closed(&json!({
        "fault": fault(),
        "rung": rung(),
        "took_ms": told("integer", "from the last picture before to the first after it"),
        "ago_s": count(),
    }));
    closed(&json!({
        "now": now,
        "mended": told("integer", "faults mended since the service started"),
        "last": { "type": "array", "items": mended, "description": "the last sixteen, newest first" },
    }))
}

fn camera_control() -> Value {
    let said = |text: &str, mut shape: Value| {
        shape["description"] = text.into();
        shape
    };
    let value = || json!({ "type": ["integer", "boolean", "null"] });
    let whole = || json!({ "type": "integer" });
    let mut shape = closed(&json!({
        "name": said("how set_camera_controls calls it", text()),
        "label": said("the driver's name for people", text()),
        "type": words(&["integer", "boolean", "menu", "button"]),
        "min": said("of an integer", whole()),
        "max": said("of an integer", whole()),
        "step": said("of an integer: permitted values are this far apart, counted from min", count()),
        "menu": { "type": "array", "items": link("MenuItem"), "description": "of a menu" },
        "value": said("the value now: a number, of a boolean true or false, of a button null", value()),
        "default": said("the camera's default, as value", value()),
        "inactive": said("it has no effect now, because an automatic mode rules it", json!({ "type": "boolean" })),
        "read_only": said("it cannot be set", json!({ "type": "boolean" })),
    }));
    shape["required"] = json!([
        "name",
        "label",
        "type",
        "value",
        "default",
        "inactive",
        "read_only"
    ]);
    shape
}

/// An object with exactly these members.
pub(super) fn closed(properties: &Value) -> Value {
    let required: Vec<&String> = properties
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

pub(super) fn link(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn texts() -> Value {
    json!({ "type": "array", "items": text() })
}

pub(super) fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

pub(super) fn told(kind: &str, meaning: &str) -> Value {
    json!({ "type": kind, "description": meaning })
}

pub(super) fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Says where `value` departs from the named shape; knows as much JSON Schema as is used here.
    pub(crate) fn departure(name: &str, value: &Value) -> Option<String> {
        check(&link(name), value, name)
    }

    fn check(shape: &Value, value: &Value, at: &str) -> Option<String> {
        if let Some(target) = shape["$ref"].as_str() {
            let name = target.rsplit('/').next()?;
            return check(&all()[name], value, at);
        }
        let is = |kind: &str| match kind {
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" if shape["minimum"] == 0 => value.is_u64(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            "null" => value.is_null(),
            _ => false,
        };
        let right = match &shape["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
            kind => is(kind.as_str()?),
        };
        if !right {
            return Some(format!("{at}: {value} is no {}", shape["type"]));
        }
        if let Some(allowed) = shape["enum"].as_array()
            && !allowed.contains(value)
        {
            return Some(format!("{at}: {value} is none of {allowed:?}"));
        }
        for (i, item) in value.as_array().into_iter().flatten().enumerate() {
            if let Some(found) = check(&shape["items"], item, &format!("{at}[{i}]")) {
                return Some(found);
            }
        }
        if shape["additionalProperties"] == false {
            let members = value.as_object()?;
            for name in shape["required"].as_array()? {
                if !members.contains_key(name.as_str()?) {
                    return Some(format!("{at}: {name} is missing"));
                }
            }
            for (name, member) in members {
                let Some(inner) = shape["properties"].get(name) else {
                    return Some(format!("{at}: {name} is not documented"));
                };
                if let Some(found) = check(inner, member, &format!("{at}.{name}")) {
                    return Some(found);
                }
            }
        }
        None
    }
}
