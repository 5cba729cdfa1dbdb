//! Shapes of tokens and API keys.

use serde_json::{Value, json};

use super::{closed, count, link, told, words};

pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    let role = || words(&["viewer", "operator", "admin"]);
    let time = || json!({ "type": "string", "format": "date-time" });
    let maybe = |kind: &str| json!({ "type": [kind, "null"] });
    let key = || {
        json!({
            "key_id": told("string", "how the key is called; it opens nothing"),
            "role": role(),
            "description": told("string", "what it is for"),
            "created_at": time(),
            "expires_at": { "type": ["string", "null"], "description": "null: never" },
            "last_used": { "type": ["string", "null"], "description": "null: never" },
            "usage_count": count(),
            "status": words(&["active", "revoked", "expired"]),
        })
    };
    let mut new = key();
    new["key"] = told(
        "string",
        "the key itself; it is shown this once and kept nowhere",
    );
    vec![
        (
            "StreamToken",
            closed(&json!({
                "token": told("string", "for ?token= of an RTSP address, for Authorization: Bearer, or as a password"),
                "expires_at": time(),
                "path": told("string", "the stream it is for"),
                "action": words(&["read", "publish"]),
            })),
        ),
        (
            "RefreshedToken",
            closed(&json!({
                "token": told("string", "the new token"),
                "token_id": told("string", "the id of both, for revoke_token"),
                "role": role(),
                "expires_at": time(),
            })),
        ),
        (
            "TokenRevoked",
            closed(&json!({
                "revoked": { "type": "boolean" },
                "token_id": maybe("string"),
                "user_id": maybe("string"),
            })),
        ),
        ("ApiKey", closed(&key())),
        ("NewApiKey", closed(&new)),
        (
            "ApiKeyList",
            closed(&json!({
                "keys": { "type": "array", "items": link("ApiKey") },
                "total": count(),
            })),
        ),
    ]
}
