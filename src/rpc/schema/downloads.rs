//! Links to files.

use serde_json::{Value, json};

use super::{closed, count, text, told};

pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    vec![
        ("RangeUrl", range()),
        (
            "DownloadUrl",
            closed(&json!({
                "filename": text(),
                "file_size": count(),
                "url": told("string", "the whole link, built on the name the client used to reach the service"),
                "download_url": told("string", "path and query of the same link"),
                "expires_at": { "type": "string", "format": "date-time" },
            })),
        ),
    ]
}

fn range() -> Value {
    let moment = || json!({ "type": "string", "format": "date-time" });
    let list = |of: &Value| json!({ "type": "array", "items": closed(of) });
    closed(&json!({
        "device": text(),
        "filename": told("string", "the name it is downloaded under"),
        "file_size": count(),
        "start_time": { "type": "string", "format": "date-time", "description": "when its first picture was taken: a key frame at or before the start" },
        "end_time": { "type": "string", "format": "date-time", "description": "when its last picture ends" },
        "duration_ms": count(),
        "complete": told("boolean", "it goes to the end that was asked for; false: it ends with the last recording, which may grow"),
        "recordings": list(&json!({ "filename": text(), "start_time": moment(), "end_time": moment() })),
        "gaps": list(&json!({ "start_time": moment(), "length_ms": count() })),
        "damaged": { "type": "array", "items": text(), "description": "recordings of that time that could not be read, or not to their end" },
        "url": told("string", "the whole link, built on the name the client used to reach the service"),
        "download_url": told("string", "path and query of the same link"),
        "expires_at": moment(),
    }))
}
