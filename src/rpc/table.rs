//! The table: every method once, with everything that is known of it.
//!
//! Dispatch, validation and `rpc.discover` read it; nothing about a method is written elsewhere.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Desk;
use super::error::{Code, Fault};
use super::links::Reached;
use super::methods::{
    audit, cameras, configuration, controls, core, credentials, downloads, events, external, modes,
    offsite, range, recordings, snapshots, storage, streams, system, video,
};
use super::params::Param;
use super::session::Session;
use crate::access::Role;
use crate::clock::Now;

/// What a method gives: a value or a fault.
pub type Answer = Result<Value, Fault>;

/// How a method answers.
pub enum Outcome {
    /// At once.
    Now(Answer),
    /// After a while; other requests of the connection go on meanwhile.
    Later(Pin<Box<dyn Future<Output = Answer> + Send>>),
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(answer) => f.debug_tuple("Now").field(answer).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// One checked call.
#[derive(Debug)]
pub struct Call {
    /// What methods may look at.
    pub desk: Arc<Desk>,
    /// Where the client reached us.
    pub reached: Arc<Reached>,
    /// When the call came.
    pub now: Now,
    /// The parameters, checked against the method's row.
    pub params: Map<String, Value>,
}

impl Call {
    /// A string parameter that the row's rule has let through; empty when it is absent.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.params
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// The code behind a method. It must not block; what takes time goes into [`Outcome::Later`].
pub type Handler = fn(&mut Session, Call) -> Outcome;

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// Its name on the wire.
    pub name: &'static str,
    /// The least role; `None` for methods that need no login.
    pub role: Option<Role>,
    /// What it takes.
    pub params: &'static [Param],
    /// The name of the result's schema in [`super::schema`].
    pub result: &'static str,
    /// Errors beyond those every method may give.
    pub errors: &'static [Code],
    /// One line for the document.
    pub doc: &'static str,
    /// The code.
    pub handler: Handler,
}

/// The errors every method may give.
pub const UNIVERSAL: &[Code] = &[
    Code::InvalidRequest,
    Code::MethodNotFound,
    Code::InvalidParams,
    Code::InternalError,
    Code::AuthFailed,
    Code::PermissionDenied,
    Code::RateLimited,
];

/// Every method there is.
pub const METHODS: &[Method] = &[
    core::PING,
    core::AUTHENTICATE,
    cameras::LIST,
    cameras::STATUS,
    cameras::CAPABILITIES,
    controls::GET,
    controls::SET,
    video::GET,
    video::SET,
    video::KEYFRAME_NOW,
    streams::URL,
    streams::LIST,
    credentials::STREAM_TOKEN,
    credentials::REFRESH,
    credentials::REVOKE,
    credentials::keys::LIST,
    credentials::keys::CREATE,
    credentials::keys::REVOKE,
    events::SUBSCRIBE,
    events::UNSUBSCRIBE,
    events::STATS,
    system::STATUS,
    system::READINESS,
    system::INFO,
    system::METRICS,
    audit::LOG,
    downloads::DOWNLOAD_URL,
    range::RANGE_URL,
    configuration::GET,
    configuration::RELOAD,
    recordings::START,
    recordings::STOP,
    recordings::LIST,
    recordings::INFO,
    recordings::DELETE,
    modes::GET,
    modes::SET,
    snapshots::TAKE,
    snapshots::LIST,
    snapshots::INFO,
    snapshots::DELETE,
    storage::INFO,
    storage::SET_POLICY,
    storage::CLEAN,
    storage::PROTECT,
    offsite::STATUS,
    streams::START,
    streams::STOP,
    streams::STATUS,
    external::DISCOVER,
    external::ADD,
    external::REMOVE,
    external::LIST,
    external::INTERVAL,
    core::DISCOVER,
];
