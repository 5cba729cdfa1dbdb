//! The judge: whose credential is this, and does it still stand? Answers from memory.

use super::store::Index;
use super::store::keys::PREFIX;
use super::stream::{self, Direction, Ticket};
use super::token::principal;
use super::trusted::TrustedKeys;
use super::{Keyring, Principal, Refusal, Role};
use crate::clock::Wall;

/// What a good credential opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// Whatever the role allows.
    Login(Principal),
    /// One stream in one direction, on somebody's word.
    Stream(Ticket),
}

impl From<Principal> for Grant {
    fn from(who: Principal) -> Self {
        Self::Login(who)
    }
}

impl Grant {
    /// Whose rights they are, if this opens `path` in `direction`.
    ///
    /// # Errors
    /// Why not.
    pub fn for_stream(self, path: &str, direction: Direction) -> Result<Principal, Refusal> {
        match self {
            Self::Stream(ticket) if ticket.path == path && ticket.direction == direction => {
                if ticket.bearer.role < direction.role() {
                    return Err(Refusal::RoleTooLow);
                }
                Ok(ticket.bearer)
            }
            Self::Stream(_) => Err(Refusal::WrongStream),
            // Viewer is the least of the roles: whoever has one may watch.
            Self::Login(who) if direction == Direction::Read && who.role >= Role::Viewer => Ok(who),
            Self::Login(_) => Err(Refusal::NeedsStreamToken),
        }
    }
}

/// One state of everything that is known about credentials.
#[derive(Debug, Clone)]
pub struct Judge {
    /// The secret of this installation.
    pub keyring: Keyring,
    /// The public keys beside it.
    pub trusted: TrustedKeys,
    /// API keys and revocations.
    pub index: Index,
}

impl Judge {
    /// What `text` opens at `now`: an API key, a token, a stream token.
    pub fn open(&self, text: &str, now: Wall) -> Result<Grant, Refusal> {
        if text.starts_with(PREFIX) {
            return self.index.open(text, now).map(Grant::Login);
        }
        // The header is not to be believed yet; it only says which key to try.
        let kid = (text.len() <= super::refusal::LONGEST)
            .then(|| jsonwebtoken::decode_header(text).ok()?.kid)
            .flatten();
        let named = kid.as_deref().and_then(|kid| self.trusted.named(kid));
        let (claims, signer) = match named {
            Some(key) => (key.claims(text)?, Some(key.fingerprint())),
            None => {
                let claims = self.keyring.claims(text).map_err(|refusal| match refusal {
                    // Another algorithm with another key: the key is what is unknown.
                    Refusal::Algorithm if kid.is_some() => Refusal::UntrustedKey,
                    other => other,
                })?;
                (claims, None)
            }
        };
        if signer.is_none() && claims.contains_key(stream::CLAIM) {
            let mut ticket = stream::ticket(&claims, now)?;
            ticket.bearer = self.again(&ticket.bearer, now)?;
            return Ok(Grant::Stream(ticket));
        }
        let who = principal(&claims, text, signer, now)?;
        self.again(&who, now).map(Grant::Login)
    }

    /// Whom `text` logs in at `now`.
    pub fn login(&self, text: &str, now: Wall) -> Result<Principal, Refusal> {
        match self.open(text, now)? {
            Grant::Login(who) => Ok(who),
            Grant::Stream(_) => Err(Refusal::StreamOnly),
        }
    }

    /// Whether a credential that was good still is, and what it allows now.
    pub fn again(&self, who: &Principal, now: Wall) -> Result<Principal, Refusal> {
        if who.signer.is_some_and(|print| !self.trusted.has(print)) {
            return Err(Refusal::UntrustedKey);
        }
        self.index.again(who, now)
    }

    /// Whether the two would judge anything differently.
    #[must_use]
    pub fn differs(&self, other: &Self) -> bool {
        let rights = |judge: &Self| {
            let mut store = judge.index.store().clone();
            for key in &mut store.keys {
                // How often a key was used, and what it is for, gives no rights.
                key.last_used = None;
                key.usage_count = 0;
                key.description.clear();
            }
            let named = |k: &super::trusted::TrustedKey| (k.kid().to_owned(), k.fingerprint());
            let trusted: Vec<_> = judge.trusted.all().iter().map(named).collect();
            (store, trusted)
        };
        rights(self) != rights(other)
    }
}

#[cfg(test)]
mod tests;
