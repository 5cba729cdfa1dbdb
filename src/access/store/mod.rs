//! What is known of API keys and revocations: one document, and what may be done to it.
//!
//! A key's text is shown once and kept nowhere; the document holds a hash of it. Everything here is
//! bounded: keys by the limit per role, revocations by their end and by number.

pub mod expiry;
pub mod index;
pub mod io;
pub mod keys;
pub mod usage;

pub use expiry::Expiry;
pub use index::Index;
pub use keys::{Fresh, KeyRecord, KeyStatus, Wanted};

use serde::{Deserialize, Serialize};

use super::{Credential, Principal};
use crate::clock::Wall;
use crate::error::{Error, Kind, Result};

/// The form of the document; a higher one is of a newer version of this program.
const VERSION: u32 = 1;

/// Revocations there may be at once.
pub const MOST_REVOKED: usize = 10_000;

/// Bytes of the id or name that a revocation names.
pub const LONGEST_TARGET: usize = 256;

/// Seconds a revocation is kept whose token's end is not known: the longest life a token is minted with.
const LONGEST_LIFE_SECS: u64 = 10 * 366 * 86_400;

/// What a revocation takes the rights from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The tokens of this id.
    Token(String),
    /// Every token of this user that was made until now.
    User(String),
}

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Of what.
    pub target: Target,
    /// When, in seconds since the epoch.
    pub at: u64,
    /// When it may be forgotten, because what it is about would have ended by then.
    pub until: u64,
}

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Store {
    /// The keys, oldest first.
    pub keys: Vec<KeyRecord>,
    /// The revocations, oldest first.
    pub revoked: Vec<Revocation>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    keys: Vec<KeyRecord>,
    revoked: Vec<Revocation>,
}

impl Store {
    /// Reads a document.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let read: Document =
            serde_json::from_slice(text).map_err(|e| format!("is damaged: {e}"))?;
        if read.version != VERSION {
            return Err(format!(
                "is of version {}, and this program knows version {VERSION}",
                read.version
            ));
        }
        let mut ids: Vec<&str> = read.keys.iter().map(|k| k.id.as_str()).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("is damaged: two keys have one id".to_owned());
        }
        Ok(Self {
            keys: read.keys,
            revoked: read.revoked,
        })
    }

    /// Writes it; the same bytes for the same content.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let document = Document {
            version: VERSION,
            keys: self.keys.clone(),
            revoked: self.revoked.clone(),
        };
        // Structures of strings and integers always have a JSON form.
        let mut text = serde_json::to_vec_pretty(&document).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// Takes the rights from the tokens of an id, or from all tokens of a user made until `now`.
    ///
    /// `known` is the token itself where it is at hand: then the revocation ends with the last token
    /// that could have been made of it by refreshing.
    ///
    /// # Errors
    /// `Refused` when there are too many already, or the name is too long.
    pub fn revoke(&mut self, target: Target, known: Option<&Principal>, now: Wall) -> Result<()> {
        let (Target::Token(name) | Target::User(name)) = &target;
        if name.is_empty() || name.len() > LONGEST_TARGET {
            return Err(Error::new(
                Kind::Refused,
                format!("an id or name to revoke has 1 to {LONGEST_TARGET} bytes"),
            )
            .action("revoke the token by its id or its text"));
        }
        let now = now.as_secs();
        self.forget(now);
        let until = known.map_or(now.saturating_add(LONGEST_LIFE_SECS), |who| {
            let life = super::token::life(who).as_secs();
            now.saturating_add(life).max(who.expires_at.as_secs())
        });
        if let Some(old) = self.revoked.iter_mut().find(|r| r.target == target) {
            old.at = now;
            old.until = old.until.max(until);
            return Ok(());
        }
        if self.revoked.len() >= MOST_REVOKED {
            return Err(Error::new(
                Kind::Refused,
                format!("{MOST_REVOKED} tokens and users are revoked already"),
            )
            .action("revoke whole users instead of single tokens, or make a new secret, which voids every token"));
        }
        self.revoked.push(Revocation {
            target,
            at: now,
            until,
        });
        Ok(())
    }

    /// Drops the revocations of what has ended by itself; `now` in seconds.
    fn forget(&mut self, now: u64) {
        self.revoked.retain(|r| r.until > now);
    }
}

impl Credential {
    /// What a revocation of it would name; an API key is revoked in its record instead.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        match self {
            Self::Token(id) => Some(Target::Token(id.to_string())),
            Self::ApiKey(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
