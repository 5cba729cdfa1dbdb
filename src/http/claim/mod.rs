//! `POST /claim`: what is asked, and what is answered.
//!
//! `{"code": "ABCDE-12345", "user": "ann"}` (`user` may be left out) gives 200 `{"token", "role": "admin",
//! "expires_at"}`. 400: no such object. 403: not the code. 410: the box is somebody's. 429 with `Retry-After`:
//! too many tries.

pub mod io;

use serde_json::{Map, Value, json};

use super::reply::Reply;
use crate::access::claim::{Denied, Grant};
use crate::clock::Wall;

/// Whom the token is for when nobody is named.
const NOBODY: &str = "admin";
/// Characters of a name.
const LONGEST_NAME: usize = 64;

/// A claim as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The code as it was typed.
    pub code: String,
    /// Whom the token is for.
    pub user: String,
}

/// Reads the body.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read(body: &[u8]) -> Result<Request, String> {
    let fields: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|_| "send one JSON object such as {\"code\": \"ABCDE-12345\"}".to_owned())?;
    if let Some(other) = fields
        .keys()
        .find(|k| !["code", "user"].contains(&k.as_str()))
    {
        let other: String = other.chars().take(LONGEST_NAME).collect();
        return Err(format!(
            "there is no field {other:?}; send code, and user if you like"
        ));
    }
    let code = fields.get("code").and_then(Value::as_str);
    let code = code.ok_or_else(|| "send the code as a string in the field code".to_owned())?;
    let user = match fields.get("user") {
        None | Some(Value::Null) => NOBODY,
        Some(Value::String(name)) => name.trim(),
        Some(_) => return Err("send the user as a string".to_owned()),
    };
    let plain =
        (1..=LONGEST_NAME).contains(&user.chars().count()) && !user.chars().any(char::is_control);
    if !plain {
        return Err(format!(
            "a user's name has 1 to {LONGEST_NAME} characters, none of them a control character"
        ));
    }
    Ok(Request {
        code: code.to_owned(),
        user: user.to_owned(),
    })
}

/// The answer.
#[must_use]
pub fn answer(claimed: &Result<Grant, Denied>, now: Wall) -> Reply {
    let refuse = |status, message: &str| Reply::error(status, message, now);
    match claimed {
        Ok(grant) => Reply::json(
            200,
            &json!({
                "token": grant.token,
                "role": "admin",
                "expires_at": grant.expires_at.rfc3339(),
            }),
        ),
        Err(Denied::Owned) => refuse(
            410,
            "this box is somebody's already; ask its owner for a token, or make one on it with `camera-service token`",
        ),
        Err(Denied::WrongCode) => refuse(
            403,
            "this is not the code; it stands on the box's console and in its log, and `camera-service claim-code` prints it",
        ),
        Err(Denied::TooOften(wait)) => refuse(429, "too many codes were tried; wait and try again")
            .header("retry-after", wait.secs().to_string()),
        Err(Denied::Failed(error)) => refuse(500, &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::limits::Wait;
    use std::time::Duration;

    #[test]
    fn a_code_is_enough_and_a_name_may_be_given() {
        let request = read(br#"{"code":"ABCDE-12345"}"#).unwrap();
        assert_eq!(
            (request.code.as_str(), request.user.as_str()),
            ("ABCDE-12345", "admin")
        );
        assert_eq!(read(br#"{"code":"x","user":" Ann "}"#).unwrap().user, "Ann");
    }

    #[test]
    fn what_is_no_claim_is_told_how_one_looks() {
        for body in [
            &b""[..],
            b"[]",
            b"{}",
            br#"{"code":7}"#,
            br#"{"code":"x","user":""}"#,
            br#"{"code":"x","user":"a\nb"}"#,
            br#"{"code":"x","role":"admin"}"#,
            b"\xff",
        ] {
            let said = read(body).unwrap_err();
            assert!(said.contains("send") || said.contains("name"), "{said}");
        }
    }

    #[test]
    fn each_refusal_has_its_status_and_a_lockout_its_end() {
        let now = Wall::from_secs(1);
        assert_eq!(answer(&Err(Denied::Owned), now).status, 410);
        assert_eq!(answer(&Err(Denied::WrongCode), now).status, 403);
        let reply = answer(
            &Err(Denied::TooOften(Wait(Duration::from_millis(11_001)))),
            now,
        );
        assert_eq!(reply.status, 429);
        assert!(
            reply.headers.contains(&("retry-after", "12".into())),
            "{reply:?}"
        );
    }
}
