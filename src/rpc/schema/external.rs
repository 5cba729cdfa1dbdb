//! Streams of somebody else.

use serde_json::{Value, json};

use super::{closed, count, link, text, texts, told, words};
use crate::external::Kind;

pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    let streams = || json!({ "type": "array", "items": link("ExternalStream") });
    vec![
        ("ExternalStream", stream()),
        (
            "ExternalStreamAdded",
            closed(&json!({
                "stream_url": told("string", "without credentials"),
                "stream_name": text(),
                "stream_type": words(Kind::WORDS),
                "status": words(&["ADDED", "ERROR"]),
                "timestamp": moment(),
            })),
        ),
        (
            "ExternalStreamRemoved",
            closed(&json!({
                "stream_url": told("string", "without credentials"),
                "status": words(&["REMOVED", "ERROR"]),
                "timestamp": moment(),
            })),
        ),
        (
            "ExternalStreams",
            closed(&json!({
                "external_streams": streams(),
                "skydio_streams": streams(),
                "generic_streams": streams(),
                "total_count": count(),
                "timestamp": moment(),
            })),
        ),
        (
            "Discovery",
            closed(&json!({
                "discovered_streams": streams(),
                "skydio_streams": streams(),
                "generic_streams": streams(),
                "scan_timestamp": moment(),
                "total_found": count(),
                "discovery_options": closed(&json!({
                    "skydio_enabled": { "type": "boolean" },
                    "generic_enabled": { "type": "boolean" },
                    "force_rescan": { "type": "boolean" },
                    "include_offline": { "type": "boolean" },
                })),
                "scan_duration": told("string", "such as 2.5s"),
                "errors": texts(),
            })),
        ),
        (
            "DiscoveryInterval",
            closed(&json!({
                "scan_interval": told("number", "seconds; 0 = on demand"),
                "status": words(&["UPDATED", "ERROR"]),
                "message": text(),
                "timestamp": moment(),
            })),
        ),
    ]
}

fn moment() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn stream() -> Value {
    let mut extensions = closed(&json!({
        "added": told("boolean", "it is in the list, and MediaMTX pulls it"),
        "ready": told("boolean", "of an added one: it can be watched"),
        "since": told("string", "of an added one: since when it is ready, or is not"),
        "readers": told("integer", "of an added one"),
        "streams": link("Streams"),
    }));
    extensions["required"] = json!(["added"]);
    closed(&json!({
        "url": told("string", "without credentials"),
        "type": words(Kind::WORDS),
        "name": told("string", "of one that is not added: a name it could get"),
        "status": words(&["DISCOVERED", "ERROR"]),
        "discovered_at": moment(),
        "last_seen": moment(),
        "capabilities": closed(&json!({
            "protocol": text(),
            "format": text(),
            "source": text(),
            "stream_type": words(&["eo", "ir", "unknown"]),
            "port": count(),
            "stream_path": text(),
            "codec": text(),
            "metadata": text(),
        })),
        "extensions": extensions,
    }))
}
