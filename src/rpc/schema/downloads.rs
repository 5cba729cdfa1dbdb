//! Links to files.

use serde_json::{Value, json};

use super::{closed, count, text, told};

pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    vec![(
        "DownloadUrl",
        closed(&json!({
            "filename": text(),
            "file_size": count(),
            "url": told("string", "the whole link, built on the name the client used to reach the service"),
            "download_url": told("string", "path and query of the same link"),
            "expires_at": { "type": "string", "format": "date-time" },
        })),
    )]
}
