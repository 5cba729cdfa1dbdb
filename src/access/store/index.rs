//! The document turned into look-ups: what every request asks.

use std::collections::HashMap;

use data_encoding::HEXLOWER;

use super::keys::hash;
use super::{KeyRecord, KeyStatus, Store, Target};
use crate::access::{Credential, Principal, Refusal};
use crate::clock::Wall;

/// Look-ups over one state of the document.
#[derive(Debug, Clone, Default)]
pub struct Index {
    store: Store,
    by_hash: HashMap<Vec<u8>, usize>,
    by_id: HashMap<String, usize>,
    tokens: HashMap<String, u64>,
    users: HashMap<String, u64>,
}

impl Index {
    /// Over `store`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        let mut index = Self::default();
        for (at, key) in store.keys.iter().enumerate() {
            // A hash that is none can never be met: the key is then as good as revoked.
            if let Ok(hash) = HEXLOWER.decode(key.hash.as_bytes()) {
                index.by_hash.insert(hash, at);
            }
            index.by_id.insert(key.id.clone(), at);
        }
        for revocation in &store.revoked {
            match &revocation.target {
                Target::Token(id) => index.tokens.insert(id.clone(), revocation.until),
                Target::User(user) => index.users.insert(user.clone(), revocation.at),
            };
        }
        index.store = store;
        index
    }

    /// What it is made of.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Whom an API key's text speaks for.
    pub fn open(&self, text: &str, now: Wall) -> Result<Principal, Refusal> {
        let key = self
            .by_hash
            .get(hash(text).as_slice())
            .and_then(|at| self.store.keys.get(*at))
            .ok_or(Refusal::UnknownKey)?;
        bearer(key, now)
    }

    /// Whether the credential of `who` still stands, and for what.
    pub fn again(&self, who: &Principal, now: Wall) -> Result<Principal, Refusal> {
        match &who.credential {
            Credential::ApiKey(id) => {
                let at = self.by_id.get(&**id).ok_or(Refusal::KeyRevoked)?;
                let key = self.store.keys.get(*at).ok_or(Refusal::KeyRevoked)?;
                bearer(key, now)
            }
            Credential::Token(id) => {
                let cut = self.users.get(&who.user_id);
                if self.tokens.contains_key(&**id)
                    || cut.is_some_and(|cut| who.issued_at.as_secs() <= *cut)
                {
                    return Err(Refusal::Revoked);
                }
                if who.expires_at <= now {
                    return Err(Refusal::Expired { at: who.expires_at });
                }
                Ok(who.clone())
            }
        }
    }
}

fn bearer(key: &KeyRecord, now: Wall) -> Result<Principal, Refusal> {
    match key.status(now) {
        KeyStatus::Revoked => Err(Refusal::KeyRevoked),
        KeyStatus::Expired => Err(Refusal::Expired { at: key.end() }),
        KeyStatus::Active => Ok(Principal {
            user_id: format!("key:{}", key.id),
            role: key.role,
            expires_at: key.end(),
            issued_at: Wall::from_secs(key.created_at),
            credential: Credential::ApiKey(key.id.as_str().into()),
            signer: None,
        }),
    }
}
