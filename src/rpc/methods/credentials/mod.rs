//! `refresh_token`, `revoke_token`, `get_stream_token`: tokens that are given out and taken back.
//!
//! Beyond the contract's methods, by its rule for such (§20.26).

pub mod keys;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::access::store::{LONGEST_TARGET, Target};
use crate::access::stream::{Direction, LIFE, may_be_published};
use crate::access::{Credential, Role};
use crate::camera::CameraId;
use crate::error::{Error, Kind};
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::later;
use crate::rpc::params::{Param, Rule, whole};
use crate::rpc::session::Session;
use crate::rpc::table::{Answer, Call, Method, Outcome};

/// Seconds a stream token is good for when nobody says.
const DEFAULT_LIFE: u64 = 60;

/// `get_stream_token`.
pub const STREAM_TOKEN: Method = Method {
    name: "get_stream_token",
    role: Some(Role::Viewer),
    params: &[
        Param {
            name: "device",
            rule: Rule::Text,
            required: true,
            doc: "the camera or stream, such as camera0; to publish, a name such as live-door: live- and 1 to 48 of a-z, 0-9 and -",
        },
        Param {
            name: "action",
            rule: Rule::OneOf(&["read", "publish"]),
            required: false,
            doc: "read (without it) or publish; publish needs the role operator",
        },
        Param {
            name: "ttl_s",
            rule: Rule::Integer { min: 1, max: 3600 },
            required: false,
            doc: "seconds the token opens the stream; 60 without it. What it has opened stays",
        },
    ],
    result: "StreamToken",
    errors: &[Code::NotFound],
    doc: "Gives a token for one stream in one direction, for an address that others may see. It is no login. What it has opened ends with the credential it was asked for with.",
    handler: |session, call| Outcome::Now(stream_token(session, &call)),
};

/// `refresh_token`.
pub const REFRESH: Method = Method {
    name: "refresh_token",
    role: Some(Role::Viewer),
    params: &[],
    result: "RefreshedToken",
    errors: &[Code::Unsupported],
    doc: "Gives a new token with the rights and the length of life of the one this connection is logged in with; authenticate with it to renew the connection. Both have one token_id, and revoking it ends both.",
    handler: |session, call| Outcome::Now(refresh(session, &call)),
};

/// `revoke_token`.
pub const REVOKE: Method = Method {
    name: "revoke_token",
    role: Some(Role::Viewer),
    params: &[
        Param {
            name: "token_id",
            rule: Rule::Text,
            required: false,
            doc: "the token's id; admin only",
        },
        Param {
            name: "user_id",
            rule: Rule::Text,
            required: false,
            doc: "every token of this user that was made until now; admin only",
        },
    ],
    result: "TokenRevoked",
    errors: &[Code::Unsupported, Code::DependencyFailed],
    doc: "Takes a token's rights at once, on every connection and in every player: without parameters those of the token this connection is logged in with.",
    handler: |session, call| {
        revoke(session, &call).unwrap_or_else(|fault| Outcome::Now(Err(fault)))
    },
};

fn stream_token(session: &Session, call: &Call) -> Answer {
    let now = call.now.wall;
    let who = session.login(now)?;
    let direction = match call.text("action") {
        "publish" => Direction::Publish,
        _ => Direction::Read,
    };
    if who.role < direction.role() {
        return Err(Fault::role(direction.role(), who.role));
    }
    let path = call.text("device");
    match direction {
        Direction::Publish if !may_be_published(path) => {
            return Err(Fault::param(
                "device",
                "pattern",
                "device is no name that may be published",
                "send live- and 1 to 48 of a-z, 0-9 and -, such as live-door",
            ));
        }
        Direction::Publish => {}
        Direction::Read => known(call, path)?,
    }
    let secs = call
        .params
        .get("ttl_s")
        .and_then(whole)
        .and_then(|n| u64::try_from(n).ok())
        .unwrap_or(DEFAULT_LIFE)
        .clamp(*LIFE.start(), *LIFE.end());
    let life = Duration::from_secs(secs);
    let made = call
        .desk
        .office
        .stream_token(&who, path, direction, life, now);
    Ok(json!({
        "token": made.token,
        "expires_at": made.expires_at.rfc3339(),
        "path": path,
        "action": direction.as_str(),
    }))
}

/// Whether there is such a stream, or may be soon.
fn known(call: &Call, path: &str) -> Result<(), Fault> {
    let there = match path.parse::<CameraId>() {
        Ok(id) => call.desk.directory.get(id).is_some(),
        Err(_) => may_be_published(path) || call.desk.media.state().paths.contains_key(path),
    };
    if there {
        return Ok(());
    }
    let shown: String = path.chars().take(64).collect();
    Err(Fault::not_found(
        "stream",
        &shown,
        "get_camera_list and get_streams name them",
    ))
}

fn refresh(session: &Session, call: &Call) -> Answer {
    let now = call.now.wall;
    let who = session.login(now)?;
    let Credential::Token(id) = &who.credential else {
        return Err(no_token(
            "refresh_token",
            "an API key lasts until it ends; create_api_key makes another",
        ));
    };
    let (token, expires_at) = call.desk.office.renew(&who, now);
    Ok(json!({
        "token": token,
        "token_id": &**id,
        "role": who.role.as_str(),
        "expires_at": expires_at.rfc3339(),
    }))
}

fn revoke(session: &Session, call: &Call) -> Result<Outcome, Fault> {
    let now = call.now.wall;
    let who = session.login(now)?;
    let (target, known) = match (call.text("token_id"), call.text("user_id")) {
        ("", "") => {
            let target = who.credential.target().ok_or_else(|| {
                no_token(
                    "revoke_token",
                    "revoke_api_key takes the rights of an API key",
                )
            })?;
            (target, Some(Arc::clone(&who)))
        }
        (id, "") => (Target::Token(id.to_owned()), None),
        ("", user) => (Target::User(user.to_owned()), None),
        _ => {
            return Err(Fault::param(
                "user_id",
                "exactly_one",
                "both token_id and user_id came",
                "send one of them",
            ));
        }
    };
    if known.is_none() && who.role < Role::Admin {
        return Err(Fault::role(Role::Admin, who.role));
    }
    let (Target::Token(name) | Target::User(name)) = &target;
    if known.is_none() && name.len() > LONGEST_TARGET {
        let param = match &target {
            Target::Token(_) => "token_id",
            Target::User(_) => "user_id",
        };
        return Err(Fault::param(
            param,
            "max_length",
            format!("{param} is longer than {LONGEST_TARGET} bytes"),
            "send the id or name as the token has it",
        ));
    }
    let (token, user) = match &target {
        Target::Token(id) => (Some(id.clone()), None),
        Target::User(user) => (None, Some(user.clone())),
    };
    let work = call.desk.office.revoke(target, known.as_deref(), now);
    Ok(later(work, move |done| {
        done.map_err(|e| not_done(&e))?;
        Ok(json!({ "revoked": true, "token_id": token, "user_id": user }))
    }))
}

/// -32030: there is no token to do that with.
fn no_token(method: &str, suggestion: &str) -> Fault {
    Fault::new(
        Code::Unsupported,
        "not_a_token",
        "this connection is logged in with an API key, not with a token",
        suggestion,
    )
    .with("feature", format!("{method}:api_key"))
}

/// What a failure of the keeper means to a caller.
fn not_done(error: &Error) -> Fault {
    let next = error.next_action().unwrap_or("try again").to_owned();
    let what = super::running::without_action(error);
    match error.kind() {
        Kind::Refused => Fault::new(Code::InvalidState, "refused", what, next)
            .with("state", "FULL")
            .with("allowed_states", Value::Array(Vec::new())),
        _ => Fault::dependency("storage", what, next),
    }
}
