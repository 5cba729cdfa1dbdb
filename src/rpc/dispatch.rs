//! One message in, one answer out, checked in the contract's order: envelope, method, login, role,
//! params; what the resource, the state and MediaMTX say is the method's own business.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Desk;
use super::envelope::{Id, Request, parse};
use super::error::{Code, Fault};
use super::links::Reached;
use super::params;
use super::session::Session;
use super::table::{Answer, Call, Method, Outcome};
use crate::clock::{Mono, Now};
use crate::nearest::nearest;
use crate::system::System;
use crate::system::calls::{Ending, UNKNOWN};

/// Everything a call needs besides the session and the message.
#[derive(Debug, Clone)]
pub struct Room {
    /// The methods on offer; [`super::table::METHODS`] outside tests.
    pub methods: &'static [Method],
    /// What methods may look at.
    pub desk: Arc<Desk>,
    /// Where the client reached us.
    pub reached: Arc<Reached>,
}

/// What became of a message: how it answers, and to whom.
#[derive(Debug)]
pub struct Turn {
    /// The answer or the promise of one.
    pub outcome: Outcome,
    /// Where it goes.
    pub reply: Reply,
}

/// Where an answer goes: to a request's id, or nowhere.
#[derive(Debug)]
pub struct Reply {
    id: Option<Id>,
    arrived: Mono,
    method: &'static str,
    system: Arc<System>,
}

/// Takes one message of a connection.
pub fn accept(room: &Room, session: &mut Session, message: &str, now: Now) -> Turn {
    let arrived = now.mono;
    match parse(message) {
        Err(broken) => Turn {
            outcome: Outcome::Now(Err(broken.fault)),
            reply: Reply {
                id: Some(broken.id),
                arrived,
                method: UNKNOWN,
                system: Arc::clone(&room.desk.system),
            },
        },
        Ok(Request { id, method, params }) => {
            let known = room.methods.iter().find(|row| row.name == method);
            let outcome = admit(room, session, &method, params, now).map_or_else(
                |fault| Outcome::Now(Err(fault)),
                |(row, call)| run(row, session, call),
            );
            Turn {
                outcome,
                reply: Reply {
                    id,
                    arrived,
                    method: known.map_or(UNKNOWN, |row| row.name),
                    system: Arc::clone(&room.desk.system),
                },
            }
        }
    }
}

fn admit(
    room: &Room,
    session: &Session,
    name: &str,
    came: super::envelope::Params,
    now: Now,
) -> Result<(&'static Method, Call), Fault> {
    let row = room
        .methods
        .iter()
        .find(|m| m.name == name)
        .ok_or_else(|| no_such_method(room.methods, name))?;
    if let Some(required) = row.role {
        let have = session.login(now.wall)?.role;
        if have < required {
            return Err(Fault::role(required, have));
        }
    }
    let params = params::check(row.params, came)?;
    let call = Call {
        desk: Arc::clone(&room.desk),
        reached: Arc::clone(&room.reached),
        now,
        params,
    };
    Ok((row, call))
}

fn run(row: &Method, session: &mut Session, call: Call) -> Outcome {
    // A bug in one method must cost one answer, not the connection.
    catch_unwind(AssertUnwindSafe(|| (row.handler)(session, call))).unwrap_or_else(|_| {
        Outcome::Now(Err(Fault::new(
            Code::InternalError,
            "internal_error",
            format!("the method {} failed by a fault of its own", row.name),
            "try again; report it with the service's log if it stays",
        )))
    })
}

fn no_such_method(methods: &[Method], name: &str) -> Fault {
    let shown: String = name.chars().take(64).collect();
    let suggestion = nearest(name, methods.iter().map(|m| m.name)).map_or_else(
        || "rpc.discover lists every method".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    Fault::new(
        Code::MethodNotFound,
        "method_not_found",
        format!("there is no method {shown:?}"),
        suggestion,
    )
}

#[derive(Serialize)]
struct Metadata<'a> {
    processing_time_ms: f64,
    server_timestamp: String,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Response<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
    id: &'a RawValue,
    metadata: Metadata<'a>,
}

impl Reply {
    /// Counts the call, and gives the text to send; `None` for a notification, whatever became of it.
    #[must_use]
    pub fn render(&self, answer: &Answer, now: Now) -> Option<String> {
        let ending = answer.as_ref().map_or_else(Fault::ending, |_| Ending::Good);
        let took = now.mono.since(self.arrived);
        self.system.calls.count(self.method, ending, took, now.mono);
        let id = self.id.as_ref()?;
        let response = Response {
            jsonrpc: "2.0",
            result: answer.as_ref().ok(),
            error: answer.as_ref().err().map(|f| f.to_json(id.text())),
            id: id.as_json(),
            metadata: Metadata {
                processing_time_ms: took.as_secs_f64() * 1000.0,
                server_timestamp: now.wall.rfc3339(),
                request_id: id.text(),
            },
        };
        // Maps with string keys and finite numbers always have a JSON form.
        serde_json::to_string(&response).ok()
    }
}

#[cfg(test)]
mod tests;
