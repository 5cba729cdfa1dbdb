//! An answer of our own making: status, headers, a body that is there already.

pub mod io;

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::clock::Wall;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers besides length and date.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Body.
    pub body: Cow<'static, [u8]>,
}

impl Reply {
    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Cow::Borrowed(&[]),
        }
    }

    /// A JSON answer, never cached.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        let mut reply = Self::empty(status)
            .header("content-type", "application/json")
            .header("cache-control", "no-cache, no-store, must-revalidate")
            .header("x-content-type-options", "nosniff");
        reply.body = Cow::Owned(body.to_string().into_bytes());
        reply
    }

    /// The contract's error body: what went wrong, with the next action in the same sentence.
    #[must_use]
    pub fn error(status: u16, message: &str, now: Wall) -> Self {
        Self::json(
            status,
            &json!({ "error": message, "timestamp": now.rfc3339(), "status": status }),
        )
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
