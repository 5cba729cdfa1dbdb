//! One message in, one answer out, checked in the contract's order ([`super::guard`] has it); what the resource,
//! the state and MediaMTX say is the method's own business.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Desk;
use super::envelope::{Id, Request, parse};
use super::error::{Code, Fault};
use super::guard::{self, Ticket};
use super::links::Reached;
use super::methods::core;
use super::params;
use super::session::Session;
use super::table::{Answer, Call, Method, Outcome};
use crate::access::limits::Wait;
use crate::clock::{Mono, Now};
use crate::nearest::nearest;
use crate::system::System;
use crate::system::calls::{Ending, UNKNOWN};
use crate::system::doors::{Limited, Login};

/// Everything a call needs besides the session and the message.
#[derive(Debug, Clone)]
pub struct Room {
    /// The methods on offer; [`super::table::METHODS`] outside tests.
    pub methods: &'static [Method],
    /// What methods may look at.
    pub desk: Arc<Desk>,
    /// Where the client reached us.
    pub reached: Arc<Reached>,
    /// Where the client is.
    pub from: IpAddr,
}

/// What became of a message: how it answers, and to whom.
#[derive(Debug)]
pub struct Turn {
    /// The answer or the promise of one.
    pub outcome: Outcome,
    /// Where it goes.
    pub reply: Reply,
    /// It was refused because it was beyond its sender's limits. Many of these are a flood.
    pub beyond: bool,
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
    let mut method = UNKNOWN;
    let (id, admitted) = match parse(message) {
        Err(broken) => {
            let counted = count(room, session, now);
            (Some(broken.id), Err((broken.fault, counted.is_err())))
        }
        Ok(request) => {
            let row = room.methods.iter().find(|row| row.name == request.method);
            method = row.map_or(UNKNOWN, |row| row.name);
            let Request { id, method, params } = request;
            (id, admit(room, session, (&method, row), params, now))
        }
    };
    let (outcome, beyond) = match admitted {
        Ok((row, call, ticket)) => (run(room, row, session, call, ticket), false),
        Err((fault, beyond)) => (Outcome::Now(Err(fault)), beyond),
    };
    Turn {
        outcome,
        reply: Reply {
            id,
            arrived: now.mono,
            method,
            system: Arc::clone(&room.desk.system),
        },
        beyond,
    }
}

/// Counts a request of whoever is there.
fn count(room: &Room, session: &Session, now: Now) -> Result<(), Wait> {
    let login = session.login(now.wall).ok();
    room.desk.guard.request(login.as_deref(), room.from, now)
}

/// Why a message is refused, and whether it was beyond its sender's limit.
type Refusal = (Fault, bool);

fn admit(
    room: &Room,
    session: &mut Session,
    (name, known): (&str, Option<&'static Method>),
    came: super::envelope::Params,
    now: Now,
) -> Result<(&'static Method, Call, Option<Ticket>), Refusal> {
    let guard = &room.desk.guard;
    let login = session.login(now.wall);
    let checked = known
        .ok_or_else(|| no_such_method(room.methods, name))
        .and_then(|row| match &login {
            Err(nobody) if row.role.is_some() => {
                guard.owned()?;
                Err(nobody.clone())
            }
            _ => Ok(row),
        });
    let login = login.ok();
    let is = |method: &Method| name == method.name;
    let free = checked.is_ok()
        && (is(&core::AUTHENTICATE) || (is(&core::PING) && guard::ping_is_free(session, now)));
    let counted = if free {
        Ok(())
    } else {
        guard.request(login.as_deref(), room.from, now)
    };
    let row = checked.map_err(|fault| (fault, counted.is_err()))?;
    let doors = &room.desk.system.doors;
    counted.map_err(|wait| {
        doors.limited.count(Limited::Requests);
        (Fault::rate_limited(wait, "requests"), true)
    })?;
    if is(&core::AUTHENTICATE) {
        guard.limits.attempt(room.from, now.mono).map_err(|wait| {
            doors.limited.count(Limited::Logins);
            doors.logins.count(Login::LockedOut);
            (Fault::rate_limited(wait, "failed logins"), true)
        })?;
    }
    let ticket = |params: &Map<String, Value>| {
        (guard::is_privileged(row) || is(&core::AUTHENTICATE))
            .then(|| Ticket::new(guard, row, login.as_deref(), room.from, params, now.wall))
    };
    if let (Some(required), Some(have)) = (row.role, login.as_ref().map(|l| l.role))
        && have < required
    {
        let fault = Fault::role(required, have);
        let refused = Err(fault.clone());
        if let Some(ticket) = ticket(&Map::new()) {
            ticket.close(&refused);
        }
        return Err((fault, false));
    }
    match params::check(row.params, came) {
        Ok(params) => {
            let ticket = ticket(&params);
            let call = Call {
                desk: Arc::clone(&room.desk),
                reached: Arc::clone(&room.reached),
                now,
                params,
            };
            Ok((row, call, ticket))
        }
        Err(fault) => {
            if is(&core::AUTHENTICATE) {
                guard.limits.attempt_was_good(room.from);
            } else if let Some(ticket) = ticket(&Map::new()) {
                ticket.close(&Err(fault.clone()));
            }
            Err((fault, false))
        }
    }
}

fn run(
    room: &Room,
    row: &Method,
    session: &mut Session,
    call: Call,
    ticket: Option<Ticket>,
) -> Outcome {
    let now = call.now;
    // A bug in one method must cost one answer, not the connection.
    let outcome =
        catch_unwind(AssertUnwindSafe(|| (row.handler)(session, call))).unwrap_or_else(|_| {
            Outcome::Now(Err(Fault::new(
                Code::InternalError,
                "internal_error",
                format!("the method {} failed by a fault of its own", row.name),
                "try again; report it with the service's log if it stays",
            )))
        });
    let outcome = match outcome {
        Outcome::Now(answer) if row.name == core::AUTHENTICATE.name => {
            return Outcome::Now(logged_in(room, session, answer, ticket, now));
        }
        other => other,
    };
    match (outcome, ticket) {
        (outcome, None) => outcome,
        (Outcome::Now(answer), Some(ticket)) => {
            ticket.close(&answer);
            Outcome::Now(answer)
        }
        (Outcome::Later(work), Some(ticket)) => {
            Outcome::Later(Box::pin(work.inspect(move |answer| ticket.close(answer))))
        }
    }
}

/// What a login leaves behind: its attempt is taken back unless it failed, it is written down, and it shows
/// that somebody owns the box.
fn logged_in(
    room: &Room,
    session: &Session,
    answer: Answer,
    ticket: Option<Ticket>,
    now: Now,
) -> Answer {
    let guard = &room.desk.guard;
    let failed = matches!(&answer, Err(fault) if fault.code() == Code::AuthFailed);
    if !failed {
        guard.limits.attempt_was_good(room.from);
    }
    let doors = &room.desk.system.doors;
    if answer.is_ok() {
        doors.logins.count(Login::Good);
        guard.owner.seen_owner();
    } else if failed {
        doors.logins.count(Login::Failed);
    }
    let answer = answer.map_err(|fault| match guard.owned() {
        Err(unclaimed) if failed => unclaimed,
        _ => fault,
    });
    if let Some(mut ticket) = ticket {
        if answer.is_ok()
            && let Ok(login) = session.login(now.wall)
        {
            ticket.by(&login);
        }
        ticket.close(&answer);
    }
    answer
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
pub(crate) mod tests;
