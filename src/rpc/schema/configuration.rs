//! The shapes of the configuration's methods.

use serde_json::{Value, json};

use super::{closed, link, text, texts, told};

pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    let moment = || json!({ "type": "string", "format": "date-time" });
    let any = |meaning: &str| {
        json!({
            "type": ["string", "integer", "number", "boolean", "array", "object", "null"],
            "description": meaning,
        })
    };
    let list = |of: &str, meaning: &str| json!({ "type": "array", "items": link(of), "description": meaning });
    let mut refused = closed(&json!({
        "at": moment(),
        "mistakes": list("ConfigurationMistake", "all of them"),
    }));
    refused["type"] = json!(["object", "null"]);
    refused["description"] = "why the last reading was not taken; null when it was".into();
    let mut file = text();
    file["type"] = json!(["string", "null"]);
    file["description"] = "the file, as it was named; null where there is none".into();
    vec![
        (
            "Configuration",
            closed(&json!({
                "file": file,
                "read_at": moment(),
                "keys": list("ConfigurationKey", "every key but secrets"),
                "waiting": list("ConfigurationWait", "keys that a restart of the service would change"),
                "refused": refused,
            })),
        ),
        (
            "ConfigurationKey",
            closed(&json!({
                "key": told("string", "its path, such as camera.bitrate"),
                "value": any("what holds now"),
                "live": told("boolean", "a change acts without a restart"),
            })),
        ),
        (
            "ConfigurationWait",
            closed(&json!({
                "key": text(),
                "now": any("what holds until then; null for a secret"),
                "after_restart": any("what would hold then; null for a secret"),
            })),
        ),
        (
            "ConfigurationMistake",
            closed(&json!({ "place": text(), "what": text() })),
        ),
        (
            "ConfigurationReload",
            closed(&json!({
                "applied": { "type": "array", "items": text(), "description": "keys that act now" },
                "waiting": { "type": "array", "items": text(), "description": "keys that wait for a restart, with those of former readings" },
                "troubles": texts(),
            })),
        ),
    ]
}
