//! Who may do what: roles, tokens, and the answer to "may this one read that stream?".

pub mod audit;
pub mod claim;
pub mod io;
pub mod limits;
pub mod token;

pub use token::{Keyring, Principal, Refusal};

/// Roles, each including the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees pictures and states.
    Viewer,
    /// Also acts: snapshots, recordings, streams.
    Operator,
    /// Also administers.
    Admin,
}

impl Role {
    /// The word in tokens and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The `permissions` array of an authentication answer.
    #[must_use]
    pub const fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Viewer => &["view"],
            Self::Operator => &["view", "control"],
            Self::Admin => &["view", "control", "admin"],
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        [Self::Viewer, Self::Operator, Self::Admin]
            .into_iter()
            .find(|r| r.as_str() == s)
            .ok_or_else(|| format!("{s:?} is not a role: use viewer, operator or admin"))
    }
}
