//! The shape of `get_offsite_status`.

use serde_json::{Value, json};

use super::{told, words};
use crate::offsite::State;

pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    vec![("OffsiteStatus", status())]
}

fn status() -> Value {
    let or_null = |kind: &str, what: &str| json!({ "type": [kind, "null"], "description": what });
    let time = |what: &str| json!({ "type": ["string", "null"], "format": "date-time", "description": what });
    let object = |fields: Value, what: &str| {
        let names: Vec<String> = fields
            .as_object()
            .map(|fields| fields.keys().cloned().collect())
            .unwrap_or_default();
        json!({
            "type": ["object", "null"],
            "description": what,
            "properties": fields,
            "required": names,
            "additionalProperties": false,
        })
    };
    json!({
        "type": "object",
        "properties": {
            "configured": told("boolean", "a store is configured; without one only state follows"),
            "state": words(State::WORDS),
            "store": told("string", "bucket, prefix and address"),
            "waiting_files": told("integer", "files without a copy"),
            "waiting_bytes": told("integer", "their bytes"),
            "copied_files": told("integer", "copied and verified since the start, those found at the store included"),
            "sent_bytes": told("integer", "sent since the start, failed attempts included"),
            "bytes_per_second": told("integer", "over the last ten seconds"),
            "current": object(
                json!({
                    "object": told("string", "its name in the store"),
                    "bytes": told("integer", "of the file"),
                    "stored_bytes": told("integer", "in whole parts that the store has"),
                }),
                "what is being copied",
            ),
            "last_success": time("when a copy was verified last"),
            "last_error": object(
                json!({
                    "time": { "type": "string", "format": "date-time" },
                    "code": told("string", "a word for programs"),
                    "cause": told("string", "what was wrong"),
                    "action": told("string", "what to do next"),
                    "lasts": told("boolean", "it is not over"),
                }),
                "what failed last",
            ),
            "failures_in_a_row": told("integer", "of the store; 0 while it serves"),
            "next_try": time("when the store is asked again, where it is left alone"),
            "keep_until_copied": told("boolean", "limits on what is kept wait for the copy"),
            "deleted_without_copy": or_null("integer", "files that had to go because the medium was full, since the start"),
        },
        "required": ["configured", "state"],
        "additionalProperties": false,
    })
}
