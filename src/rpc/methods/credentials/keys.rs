//! `list_api_keys`, `create_api_key`, `revoke_api_key`.

use serde_json::{Map, Value, json};

use super::not_done;
use crate::access::Role;
use crate::access::store::keys::LONGEST_DESCRIPTION;
use crate::access::store::{Expiry, KeyRecord, Wanted};
use crate::clock::Wall;
use crate::error::Kind;
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::later;
use crate::rpc::params::{Param, Rule};
use crate::rpc::table::{Answer, Call, Method, Outcome};

const ROLES: Rule = Rule::OneOf(&["viewer", "operator", "admin"]);

/// `list_api_keys`.
pub const LIST: Method = Method {
    name: "list_api_keys",
    role: Some(Role::Admin),
    params: &[
        Param {
            name: "role",
            rule: ROLES,
            required: false,
            doc: "only keys of this role",
        },
        Param {
            name: "status",
            rule: Rule::OneOf(&["active", "revoked", "expired"]),
            required: false,
            doc: "only keys that stand so",
        },
    ],
    result: "ApiKeyList",
    errors: &[],
    doc: "Lists the API keys, newest first; never the keys themselves, which are not kept.",
    handler: |_, call| Outcome::Now(list(&call)),
};

/// `create_api_key`.
pub const CREATE: Method = Method {
    name: "create_api_key",
    role: Some(Role::Admin),
    params: &[
        Param {
            name: "role",
            rule: ROLES,
            required: true,
            doc: "what the key may do",
        },
        Param {
            name: "expiry",
            rule: Rule::Text,
            required: false,
            doc: "how long it lasts: 12h, 30d, 90d, 1y or never; api_key_management.default_expiry without it",
        },
        Param {
            name: "description",
            rule: Rule::Text,
            required: false,
            doc: "what it is for: one line of at most 200 characters",
        },
    ],
    result: "NewApiKey",
    errors: &[Code::InvalidState, Code::DependencyFailed],
    doc: "Makes an API key. The answer holds it for the only time.",
    handler: |_, call| create(&call).unwrap_or_else(|fault| Outcome::Now(Err(fault))),
};

/// `revoke_api_key`.
pub const REVOKE: Method = Method {
    name: "revoke_api_key",
    role: Some(Role::Admin),
    params: &[Param {
        name: "key_id",
        rule: Rule::Text,
        required: true,
        doc: "the key's id; list_api_keys names it",
    }],
    result: "ApiKey",
    errors: &[Code::NotFound, Code::DependencyFailed],
    doc: "Takes an API key's rights at once, on every connection and in every player.",
    handler: |_, call| revoke(&call),
};

/// A key as answers show it.
#[must_use]
pub fn shown(key: &KeyRecord, now: Wall) -> Map<String, Value> {
    let time = |secs: Option<u64>| secs.map(|secs| Wall::from_secs(secs).rfc3339());
    let shown = json!({
        "key_id": key.id,
        "role": key.role.as_str(),
        "description": key.description,
        "created_at": time(Some(key.created_at)),
        "expires_at": time(key.expires_at),
        "last_used": time(key.last_used),
        "usage_count": key.usage_count,
        "status": key.status(now).as_str(),
    });
    match shown {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn list(call: &Call) -> Answer {
    let now = call.now.wall;
    let (role, status) = (call.text("role"), call.text("status"));
    let keys: Vec<Value> = call
        .desk
        .office
        .keys()
        .iter()
        .rev()
        .filter(|key| role.is_empty() || key.role.as_str() == role)
        .filter(|key| status.is_empty() || key.status(now).as_str() == status)
        .map(|key| shown(key, now).into())
        .collect();
    Ok(json!({ "total": keys.len(), "keys": keys }))
}

fn create(call: &Call) -> Result<Outcome, Fault> {
    let description = call.text("description");
    if description.chars().count() > LONGEST_DESCRIPTION
        || description.chars().any(char::is_control)
    {
        return Err(Fault::param(
            "description",
            "max_length",
            "description is longer than one line of 200 characters",
            "send a shorter one",
        ));
    }
    let expiry = match call.text("expiry") {
        "" => call.desk.office.default_expiry(),
        text => text.parse::<Expiry>().map_err(|what| {
            Fault::param("expiry", "pattern", what, "send 30d, 90d, 1y or never")
        })?,
    };
    let wanted = Wanted {
        // The rule has let only roles through; the least of them is what a slip would cost.
        role: call.text("role").parse().unwrap_or(Role::Viewer),
        expiry,
        description: description.to_owned(),
    };
    let now = call.now.wall;
    Ok(later(
        call.desk.office.create_key(wanted, now),
        move |made| {
            let (record, text) = made.map_err(|e| not_done(&e))?;
            let mut answer = shown(&record, now);
            answer.insert("key".to_owned(), text.into());
            Ok(answer.into())
        },
    ))
}

fn revoke(call: &Call) -> Outcome {
    let now = call.now.wall;
    let id = call.text("key_id").to_owned();
    later(
        call.desk.office.revoke_key(&id, now),
        move |done| match done {
            Ok(key) => Ok(shown(&key, now).into()),
            Err(e) if e.kind() == Kind::Gone => {
                // Somebody may have sent the key itself: it must not come back in an answer.
                let secret = id.starts_with(crate::access::store::keys::PREFIX);
                let id: String = if secret {
                    "csk_…".to_owned()
                } else {
                    id.chars().take(64).collect()
                };
                Err(Fault::not_found(
                    "api_key",
                    &id,
                    "list_api_keys names them by key_id",
                ))
            }
            Err(e) => Err(not_done(&e)),
        },
    )
}
