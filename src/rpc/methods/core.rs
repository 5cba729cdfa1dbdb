//! `ping`, `authenticate`, `rpc.discover`: what works before a login.

use serde_json::json;

use crate::access::store::keys::PREFIX;
use crate::rpc::discover;
use crate::rpc::error::Fault;
use crate::rpc::params::{Param, Rule};
use crate::rpc::session::Session;
use crate::rpc::table::{Answer, Call, METHODS, Method, Outcome};

/// `ping`.
pub const PING: Method = Method {
    name: "ping",
    role: None,
    params: &[],
    result: "Pong",
    errors: &[],
    doc: "Answers \"pong\": the connection and the service are alive.",
    handler: |_, _| Outcome::Now(Ok("pong".into())),
};

/// `authenticate`.
pub const AUTHENTICATE: Method = Method {
    name: "authenticate",
    role: None,
    params: &[
        Param {
            name: "auth_token",
            rule: Rule::Text,
            required: false,
            doc: "the token, or an API key; required unless token is sent",
        },
        Param {
            name: "token",
            rule: Rule::Text,
            required: false,
            doc: "the same as auth_token, as older clients call it",
        },
        Param {
            name: "auth_type",
            rule: Rule::OneOf(&["jwt", "api_key"]),
            required: false,
            doc: "what the token is; told from its text when absent",
        },
    ],
    result: "AuthResult",
    errors: &[],
    doc: "Logs this connection in until the token or API key ends or is revoked; again with a new token to renew.",
    handler: |session, call| Outcome::Now(authenticate(session, &call)),
};

/// `rpc.discover`.
pub const DISCOVER: Method = Method {
    name: "rpc.discover",
    role: None,
    params: &[],
    result: "OpenRpc",
    errors: &[],
    doc: "Describes every method as an OpenRPC document.",
    handler: |_, _| Outcome::Now(Ok(discover::document(METHODS))),
};

fn authenticate(session: &mut Session, call: &Call) -> Answer {
    let token = match (call.text("auth_token"), call.text("token")) {
        ("", "") => {
            return Err(Fault::param(
                "auth_token",
                "required",
                "auth_token is missing",
                "add auth_token: the token, or an API key",
            ));
        }
        (token, "") | ("", token) => token,
        _ => {
            return Err(Fault::param(
                "token",
                "exactly_one",
                "both auth_token and token came",
                "send auth_token only",
            ));
        }
    };
    let is_key = token.starts_with(PREFIX);
    match call.text("auth_type") {
        "jwt" if is_key => {
            return Err(Fault::auth(
                "token_invalid",
                "this is an API key, and auth_type says jwt",
            ));
        }
        "api_key" if !is_key => {
            return Err(Fault::auth(
                "token_invalid",
                "this is no API key, and auth_type says api_key",
            ));
        }
        _ => {}
    }
    let now = call.now.wall;
    let judge = &call.desk.verifier;
    let generation = judge.generation();
    let judged = judge.verify(token, now);
    let id = session.id().to_owned();
    let login = session.log_in(judge, generation, judged, now)?;
    Ok(json!({
        "authenticated": true,
        "role": login.role.as_str(),
        "permissions": login.role.permissions(),
        "expires_at": login.expires_at.rfc3339(),
        "session_id": id,
    }))
}
