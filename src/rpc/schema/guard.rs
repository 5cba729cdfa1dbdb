//! The shapes of the audit log and of what tells a slow client that it lost something.

use serde_json::{Value, json};

use super::{closed, count, link, text, told};

pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    let perhaps = |meaning: &str| json!({ "type": ["string", "null"], "description": meaning });
    vec![
        ("EventsDropped", closed(&json!({ "count": count() }))),
        (
            "AuditLog",
            closed(&json!({
                "entries": { "type": "array", "items": link("AuditEntry") },
                "total": count(),
                "limit": count(),
                "offset": count(),
            })),
        ),
        (
            "AuditEntry",
            closed(&json!({
                "time": text(),
                "who": told("string", "the user id; empty while nobody is known"),
                "credential": perhaps("the id of the token or key, never the token"),
                "from": perhaps("the address; null: on the box itself"),
                "method": told("string", "the method; claim; or audit, for a line about the log itself"),
                "target": perhaps("the camera, file or key it was about"),
                "result": told("string", "ok, the error's code, unknown (the client left before it was done), or lost"),
                "reason": perhaps("the error's reason"),
            })),
        ),
    ]
}
