//! The shapes of subscriptions and of what they bring.

use serde_json::{Value, json};

use super::{closed, count, text, texts, told, words};
use crate::events::subject::Subject;

pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    let topic_counts = {
        let mut shape = json!({ "type": "object", "additionalProperties": count() });
        shape["description"] = "subscriptions by topic; topics nobody wants are left out".into();
        shape
    };
    vec![
        (
            "Subscribed",
            closed(&json!({
                "subscribed": { "type": "boolean" },
                "topics": topics(),
                "filters": { "type": "object" },
            })),
        ),
        (
            "Unsubscribed",
            closed(&json!({ "unsubscribed": { "type": "boolean" }, "topics": topics() })),
        ),
        (
            "SubscriptionStats",
            closed(&json!({
                "global_stats": closed(&json!({
                    "total_subscriptions": told("integer", "pairs of a client and a topic"),
                    "active_clients": told("integer", "clients with at least one subscription"),
                    "topic_counts": topic_counts,
                })),
                "client_topics": topics(),
                "client_id": text(),
            })),
        ),
        (
            "RecordingUpdate",
            closed(&json!({
                "device": text(),
                "status": words(&["STARTED", "STOPPED", "ERROR", "FAILED"]),
                "filename": told("string", "the recording's name, without extension"),
                "duration": told("integer", "seconds; 0 when it has begun"),
            })),
        ),
        ("Event", event()),
    ]
}

fn event() -> Value {
    json!({
        "type": "object",
        "properties": {
            "device": told("string", "the camera or stream it concerns, where it concerns one"),
            "timestamp": { "type": "string", "format": "date-time" },
            "extensions": { "type": "object" },
        },
        "required": ["timestamp"],
        "additionalProperties": true,
    })
}

fn topics() -> Value {
    let all: Vec<&str> = Subject::all().map(Subject::as_str).collect();
    let mut shape = texts();
    shape["items"] = words(&all);
    shape
}
