//! Kinds of failure. The kind says what to do; the text says what happened, where, and what next.

use std::fmt;

/// What a failure asks for. Recovery switches on this and on nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The same call again may succeed: re-queue, skip the frame, poll once more.
    Transient,
    /// The device or connection must be closed and opened again.
    Reopen,
    /// The part below us is gone for now (unplugged, not listening): wait until it says it is back.
    Gone,
    /// The caller asked for something that cannot be.
    Refused,
    /// The configuration or the installation is wrong; a human must change it.
    Config,
    /// A bug or a broken platform.
    Internal,
}

/// A failure with its kind, its sentence and, where one is known, the next action.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    what: String,
    action: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A [`Result`] that takes a while.
pub type Later<T> = std::pin::Pin<Box<dyn Future<Output = Result<T>> + Send>>;

impl Error {
    /// A failure: `what` is a lower-case sentence without a full stop that names the place.
    #[must_use]
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            action: None,
            source: None,
        }
    }

    /// Adds what the reader should do next.
    #[must_use]
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Adds the failure beneath this one.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the failure asks for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What happened, without the failure beneath it and without the next action.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The next action, if one is known.
    #[must_use]
    pub fn next_action(&self) -> Option<&str> {
        self.action.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        if let Some(action) = &self.action {
            write!(f, " ({action})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
