//! Decides who may publish, read or steer: the answer to MediaMTX's authorisation callback.
//!
//! MediaMTX asks from inside the one loop that serves all its paths, so the answer must come from memory, in
//! milliseconds. It never caches: DESCRIBE and SETUP of one viewer are two questions. Any answer but 2xx is a
//! no; MediaMTX itself turns the no into a challenge when the client sent no credentials at all, and into a
//! pause of up to 4 s when it sent wrong ones.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use data_encoding::BASE64;
use serde::Deserialize;

use crate::access::stream::{Direction, may_be_published};
use crate::access::{Grant, Principal, Refusal, secret};
use crate::camera::CameraId;

/// The user name under which this service itself publishes and steers.
pub const SERVICE_USER: &str = "camera-service";

/// Bytes of one question; MediaMTX's own questions are below a tenth of it.
pub const LONGEST: usize = 64 * 1024;

/// The secret of one run of this service, made at its start and kept in memory only.
///
/// It counts on loopback, and from the box's own address where RTSP listens on that one alone.
#[derive(Clone)]
pub struct Secret {
    text: String,
    own: Option<IpAddr>,
}

impl Secret {
    /// From the output of a good random source, as text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self { text, own: None }
    }

    /// The same, counting from `own`, too.
    #[must_use]
    pub const fn also_from(mut self, own: IpAddr) -> Self {
        self.own = Some(own);
        self
    }

    /// Whether it counts for somebody who comes from `ip`.
    fn counts_from(&self, ip: &str) -> bool {
        ip.parse::<IpAddr>().is_ok_and(|ip| {
            let ip = ip.to_canonical();
            ip.is_loopback() || self.own == Some(ip)
        })
    }

    /// Both as HTTP wants them (RFC 7617): the value of `authorization`.
    #[must_use]
    pub fn basic(&self) -> String {
        let pair = format!("{SERVICE_USER}:{}", self.password());
        format!("Basic {}", BASE64.encode(pair.as_bytes()))
    }

    /// The password that goes with [`SERVICE_USER`].
    #[must_use]
    pub fn password(&self) -> &str {
        &self.text
    }

    /// Whether `text` is the secret, in a time that tells nothing about where they differ.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        !self.text.is_empty() && secret::same(self.text.as_bytes(), text.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Send a stream.
    Publish,
    /// Watch one.
    Read,
    /// Watch a recording.
    Playback,
    /// Use the control API.
    Api,
    /// Read the metrics.
    Metrics,
    /// Read profiles.
    Pprof,
    /// Something that a newer version knows.
    #[serde(other)]
    Unknown,
}

/// One question of MediaMTX. Holds credentials: never log it.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// The address of the client; `<nil>` when MediaMTX does not know it.
    #[serde(default)]
    pub ip: String,
    /// User name of Basic credentials.
    #[serde(default)]
    pub user: String,
    /// Password of Basic credentials.
    #[serde(default)]
    pub password: String,
    /// Bearer token, or what MediaMTX takes for one.
    #[serde(default)]
    pub token: String,
    /// What they want to do.
    pub action: Action,
    /// On which path.
    #[serde(default)]
    pub path: String,
    /// By which protocol.
    #[serde(default)]
    pub protocol: String,
    /// The id of the connection or session, as the control API shows it.
    #[serde(default)]
    pub id: Option<String>,
    /// The query of the URL, without the question mark.
    #[serde(default)]
    pub query: String,
    /// What the client says it is.
    #[serde(default)]
    pub user_agent: String,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("ip", &self.ip)
            .field("action", &self.action)
            .field("path", &self.path)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// Who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// This service itself.
    Service,
    /// Whoever the token speaks for.
    Bearer(Principal),
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allow {
        /// Who it is.
        who: Who,
        /// A viewer joins this camera: its encoder should make a key frame, or the viewer waits for the next.
        wants_keyframe: Option<CameraId>,
    },
    /// No.
    Deny {
        /// 400 for a question nobody can read, 401 when better credentials could help, 403 when none can.
        status: u16,
        /// For MediaMTX's log and ours; holds no secret.
        reason: String,
    },
}

impl Decision {
    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Allow { .. } => 204,
            Self::Deny { status, .. } => *status,
        }
    }

    fn deny(status: u16, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Deny { status, reason }
    }
}

/// Answers the body of one callback. `verify` says what a credential opens; it must not block.
pub fn answer<G: Into<Grant>>(
    body: &[u8],
    secret: &Secret,
    verify: impl Fn(&str) -> Result<G, Refusal>,
) -> Decision {
    match read(body) {
        Ok(question) => decide(&question, secret, verify),
        Err(no) => no,
    }
}

/// Reads the body of one callback.
///
/// # Errors
/// The no that answers a body nobody can read.
pub fn read(body: &[u8]) -> Result<Question, Decision> {
    if body.len() > LONGEST {
        return Err(Decision::deny(400, "the question is too long"));
    }
    serde_json::from_slice::<Question>(body)
        .map_err(|e| Decision::deny(400, format!("cannot read the question: {e}")))
}

/// Answers one question.
pub fn decide<G: Into<Grant>>(
    question: &Question,
    secret: &Secret,
    verify: impl Fn(&str) -> Result<G, Refusal>,
) -> Decision {
    let direction = match question.action {
        Action::Read | Action::Playback => Some(Direction::Read),
        Action::Publish if may_be_published(&question.path) => Some(Direction::Publish),
        _ => None,
    };
    let wants_keyframe = (question.action == Action::Read)
        .then(|| question.path.parse().ok())
        .flatten();
    if question.user == SERVICE_USER && secret.is(&question.password) {
        if !secret.counts_from(&question.ip) {
            return Decision::deny(403, "the service's own credentials count on loopback only");
        }
        let who = Who::Service;
        return Decision::Allow {
            who,
            wants_keyframe,
        };
    }
    let credentials = credentials(question);
    let Some(direction) = direction else {
        let status = if credentials.is_empty() { 401 } else { 403 };
        return Decision::deny(status, "only camera-service itself may do this");
    };
    let mut refused = None;
    for credential in &credentials {
        let opened = verify(credential).and_then(|grant| match (grant.into(), question.action) {
            // A stream token says read and means what is on now.
            (Grant::Stream(_), Action::Playback) => Err(Refusal::WrongStream),
            (grant, _) => grant.for_stream(&question.path, direction),
        });
        match opened {
            Ok(principal) => {
                let who = Who::Bearer(principal);
                return Decision::Allow {
                    who,
                    wants_keyframe,
                };
            }
            Err(refusal) => {
                refused.get_or_insert(refusal);
            }
        }
    }
    Decision::deny(
        401,
        refused.map_or_else(|| "a token is needed".to_owned(), |r| r.to_string()),
    )
}

/// Everything in the question that may be a token, most deliberate first, each once.
fn credentials(question: &Question) -> Vec<Cow<'_, str>> {
    let mut found: Vec<Cow<'_, str>> = Vec::new();
    let queried = question.query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        matches!(name, "token" | "jwt").then(|| percent_decoded(value))
    });
    let given = [&question.token, &question.password];
    for credential in given
        .map(|s| Cow::Borrowed(s.as_str()))
        .into_iter()
        .chain(queried.take(2))
    {
        if !credential.is_empty() && !found.contains(&credential) {
            found.push(credential);
        }
    }
    found
}

/// `%XX` decoded (RFC 3986 §2.1); `+` stays, for this is a token and not a form. Broken escapes stay, too.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let digit = |b: Option<&u8>| {
        b.and_then(|b| char::from(*b).to_digit(16))
            .and_then(|d| u8::try_from(d).ok())
    };
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
