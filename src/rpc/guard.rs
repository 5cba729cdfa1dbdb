//! What stands between a message and its method: whose box it is, how often one may ask, and what is written
//! down about it.
//!
//! The order in [`super::dispatch`] is envelope → method → owner → login → limit → role → params. Method names
//! are public, so a mistyped one is told before anything else. The limit comes after the login, because only
//! then is it known whose it is; and before role and params, because those are what a flood would have us work
//! on. What is refused before the limit costs its sender a token, too.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::error::{Code, Fault};
use super::session::{Login, Session};
use super::table::{Answer, Method};
use crate::access::Role;
use crate::access::audit::{self, Audit, Entry, Nowhere, Verdict};
use crate::access::claim::{AlwaysOwned, Owner};
use crate::access::limits::bucket::Pace;
use crate::access::limits::{Gate, Meter, Rules, Wait, Who};
use crate::clock::{Now, Wall};

/// Calls of `ping` of one connection in a second that are not counted.
const PINGS: u32 = 10;

/// The three that are asked; the HTTP doors ask the same ones.
#[derive(Clone)]
pub struct Guard {
    /// Counts requests and failed logins.
    pub limits: Arc<dyn Meter>,
    /// Keeps what privileged users did.
    pub audit: Arc<dyn Audit>,
    /// Knows whether the box is anybody's.
    pub owner: Arc<dyn Owner>,
}

impl Default for Guard {
    /// No limit, nothing kept, an owned box.
    fn default() -> Self {
        Self {
            limits: Arc::new(Gate::new(Rules::NONE)),
            audit: Arc::new(Nowhere),
            owner: Arc::new(AlwaysOwned),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

impl Guard {
    /// -32001 while the box is nobody's. For HTTP requests that need credentials, too.
    ///
    /// # Errors
    /// The fault with reason `unclaimed` and the next action.
    pub fn owned(&self) -> Result<(), Fault> {
        if self.owner.is_unclaimed() {
            return Err(Fault::new(
                Code::AuthFailed,
                "unclaimed",
                "this box is nobody's yet",
                "open its page and type in the code that its console and log show, or run `camera-service token` on the box",
            ));
        }
        Ok(())
    }

    /// Counts one request of whoever is logged in, else of the address.
    ///
    /// # Errors
    /// [`Wait`] when it is one too many.
    pub fn request(&self, login: Option<&Login>, from: IpAddr, now: Now) -> Result<(), Wait> {
        let who = login.map_or(Who::Address(from), |l| Who::User(&l.user_id, l.role));
        self.limits.request(who, now.mono)
    }
}

/// Whether a call must be written down: privileged methods, whoever tried.
pub(super) fn is_privileged(row: &Method) -> bool {
    row.role.is_some_and(|role| role >= Role::Operator)
}

/// Counts `ping` of a connection; false: it is one too many and counts like any other call.
pub(super) fn ping_is_free(session: &mut Session, now: Now) -> bool {
    Pace::new(PINGS, Duration::from_secs(1), PINGS)
        .is_none_or(|pace| session.pings.take(pace, now.mono).is_ok())
}

/// The id of what somebody showed; never the thing itself.
fn credential(login: &Login) -> String {
    login.credential.id().to_owned()
}

/// What is still to be written down about a call under way. Dropped unfinished it is written as unknown.
pub(super) struct Ticket {
    audit: Arc<dyn Audit>,
    entry: Option<Entry>,
}

impl Ticket {
    pub(super) fn new(
        guard: &Guard,
        row: &Method,
        login: Option<&Login>,
        from: IpAddr,
        params: &Map<String, Value>,
        at: Wall,
    ) -> Self {
        Self {
            audit: Arc::clone(&guard.audit),
            entry: Some(Entry {
                at,
                who: login.map(|l| l.user_id.clone()).unwrap_or_default(),
                credential: login.map(credential),
                from: Some(from),
                method: row.name.to_owned(),
                target: audit::target(params),
                verdict: Verdict::Unknown,
            }),
        }
    }

    /// Names who it was, where that is known only now.
    pub(super) fn by(&mut self, login: &Login) {
        if let Some(entry) = &mut self.entry {
            entry.who.clone_from(&login.user_id);
            entry.credential = Some(credential(login));
        }
    }

    /// Writes down how it went.
    pub(super) fn close(mut self, answer: &Answer) {
        if let Some(mut entry) = self.entry.take() {
            entry.verdict = match answer {
                Ok(_) => Verdict::Ok,
                Err(fault) => Verdict::Refused {
                    code: fault.code().number(),
                    reason: fault.reason().to_owned(),
                },
            };
            self.audit.record(entry);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.audit.record(entry);
        }
    }
}
