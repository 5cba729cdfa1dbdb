//! Who may do what: roles, tokens, API keys, and the answer to "may this one read that stream?".
//!
//! ```text
//! the secret ─► token ─┐
//! trusted/*.pem ───────┼─► judge: whose is this text? does it still stand? ─► sockets, MediaMTX's questions
//! keys.json ─► store ──┘      ▲
//!                             └── live (io): notices changes on disk, counts use, writes
//! ```

pub mod audit;
pub mod claim;
pub mod io;
pub mod judge;
pub mod limits;
pub mod live;
pub mod office;
pub mod refusal;
pub mod secret;
pub mod store;
pub mod stream;
pub mod token;
pub mod trusted;

pub use judge::{Grant, Judge};
pub use office::Office;
pub use refusal::Refusal;
pub use token::Keyring;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Wall;

/// What somebody showed, by its public name: never the secret part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Credential {
    /// A token, by its id: the claim `jti`, else one derived from the token's text. A token that
    /// was refreshed keeps the id of the first one, so revoking that id takes them all.
    Token(Arc<str>),
    /// An API key, by its id.
    ApiKey(Arc<str>),
}

impl Credential {
    /// The id alone.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Token(id) | Self::ApiKey(id) => id,
        }
    }

    /// `jwt` or `api_key`, as `authenticate` calls them.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "jwt",
            Self::ApiKey(_) => "api_key",
        }
    }
}

/// The first 64 bits of a hash over a trusted public key: tells whether it is still the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u64);

/// Who a good credential speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The claim `user_id`; of an API key `key:` and its id.
    pub user_id: String,
    /// What they may do.
    pub role: Role,
    /// When the rights end.
    pub expires_at: Wall,
    /// When they were given: the claim `iat`, or when the API key was made.
    pub issued_at: Wall,
    /// By what they are known.
    pub credential: Credential,
    /// The trusted key that vouches for them; `None` where this installation itself does.
    pub signer: Option<Fingerprint>,
}

impl Principal {
    /// Somebody whom this installation itself vouches for, with a token whose id is `user_id`.
    #[must_use]
    pub fn plain(user_id: &str, role: Role, expires_at: Wall) -> Self {
        Self {
            user_id: user_id.to_owned(),
            role,
            expires_at,
            issued_at: Wall::default(),
            credential: Credential::Token(user_id.into()),
            signer: None,
        }
    }
}

/// Roles, each including the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees pictures and states.
    Viewer,
    /// Also acts: snapshots, recordings, streams.
    Operator,
    /// Also administers.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

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
        Self::ALL
            .into_iter()
            .find(|r| r.as_str() == s)
            .ok_or_else(|| format!("{s:?} is not a role: use viewer, operator or admin"))
    }
}
