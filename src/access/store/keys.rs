//! API keys: made, revoked, replaced, swept.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Expiry, Store};
use crate::access::Role;
use crate::clock::Wall;
use crate::error::{Error, Kind, Result};

/// What every API key begins with.
pub const PREFIX: &str = "csk_";

/// Characters of a description.
pub const LONGEST_DESCRIPTION: usize = 200;

/// Keys whose records may be kept, the dead ones included.
const MOST: usize = 1000;

/// What the kernel's randomness gives for one key.
#[derive(Clone, Copy)]
pub struct Fresh {
    /// The secret: 256 bits.
    pub secret: [u8; 32],
    /// The public id: 64 bits.
    pub id: [u8; 8],
}

impl std::fmt::Debug for Fresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fresh")
    }
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyStatus {
    /// It opens.
    Active,
    /// Somebody took its rights.
    Revoked,
    /// Its time is over.
    Expired,
}

impl KeyStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Revoked, Self::Expired];

    /// The word in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl std::str::FromStr for KeyStatus {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a status: use active, revoked or expired"))
    }
}

/// One key, without the key. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its public id.
    pub id: String,
    /// SHA-256 of its text, in hexadecimal.
    pub hash: String,
    /// What it may do.
    pub role: Role,
    /// What it is for, in the words of whoever made it.
    pub description: String,
    /// When it was made.
    pub created_at: u64,
    /// When it ends; `None` = never.
    pub expires_at: Option<u64>,
    /// When it was revoked.
    pub revoked_at: Option<u64>,
    /// When it was last used, to the minute.
    pub last_used: Option<u64>,
    /// How often.
    pub usage_count: u64,
}

impl KeyRecord {
    /// How it stands at `now`.
    #[must_use]
    pub fn status(&self, now: Wall) -> KeyStatus {
        if self.revoked_at.is_some() {
            KeyStatus::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now.as_secs()) {
            KeyStatus::Expired
        } else {
            KeyStatus::Active
        }
    }

    /// When it ends; a key that never does ends beyond what time can count.
    #[must_use]
    pub fn end(&self) -> Wall {
        self.expires_at
            .map_or(Wall::from_nanos(u64::MAX), Wall::from_secs)
    }
}

/// The hash under which a key's text is kept.
///
/// SHA-256 and no slow password hash: the text holds 256 random bits, which nobody tries through. What
/// Argon2 and its like defend are secrets that people thought of, and there are none here. For the
/// same reason a lookup by hash gives nothing away: its time depends on bits of a hash that nobody can
/// steer.
#[must_use]
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// What a new key shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What it may do.
    pub role: Role,
    /// How long.
    pub expiry: Expiry,
    /// What for.
    pub description: String,
}

impl Store {
    /// Makes a key and gives its record and its text, which is kept nowhere else.
    ///
    /// # Errors
    /// `Refused` when the role has `most` active keys already.
    pub fn create(
        &mut self,
        wanted: &Wanted,
        most: usize,
        fresh: Fresh,
        now: Wall,
    ) -> Result<(KeyRecord, String)> {
        let active = self.active(wanted.role, now).count();
        if active >= most {
            return Err(Error::new(
                Kind::Refused,
                format!(
                    "the role {} has {active} active keys already",
                    wanted.role.as_str()
                ),
            )
            .action(
                "revoke one that is not needed, or raise api_key_management.max_keys_per_role",
            ));
        }
        self.add(wanted, wanted.expiry.end(now), fresh, now)
    }

    fn add(
        &mut self,
        wanted: &Wanted,
        expires_at: Option<u64>,
        fresh: Fresh,
        now: Wall,
    ) -> Result<(KeyRecord, String)> {
        if wanted.description.chars().count() > LONGEST_DESCRIPTION
            || wanted.description.chars().any(char::is_control)
        {
            return Err(Error::new(
                Kind::Refused,
                format!("a description is one line of at most {LONGEST_DESCRIPTION} characters"),
            ));
        }
        if self.keys.len() >= MOST {
            return Err(Error::new(
                Kind::Refused,
                format!("{MOST} keys are on record, most of them dead"),
            )
            .action("run camera-service keys cleanup"));
        }
        let id = format!("key_{}", HEXLOWER.encode(&fresh.id));
        if self.keys.iter().any(|key| key.id == id) {
            return Err(
                Error::new(Kind::Transient, "two keys would have one id".to_owned())
                    .action("try again"),
            );
        }
        let text = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&fresh.secret));
        let record = KeyRecord {
            id,
            hash: HEXLOWER.encode(&hash(&text)),
            role: wanted.role,
            description: wanted.description.clone(),
            created_at: now.as_secs(),
            expires_at,
            revoked_at: None,
            last_used: None,
            usage_count: 0,
        };
        self.keys.push(record.clone());
        Ok((record, text))
    }

    /// Takes a key's rights; one that has none any more stays as it is.
    ///
    /// # Errors
    /// `Gone` when there is no such key.
    pub fn revoke_key(&mut self, id: &str, now: Wall) -> Result<KeyRecord> {
        let key = self
            .keys
            .iter_mut()
            .find(|key| key.id == id)
            .ok_or_else(|| no_such_key(id))?;
        key.revoked_at.get_or_insert(now.as_secs());
        Ok(key.clone())
    }

    /// Replaces an active key by one with the same role, description and length of life.
    ///
    /// # Errors
    /// `Gone` when there is no such key, `Refused` when it is not active.
    pub fn rotate(&mut self, id: &str, fresh: Fresh, now: Wall) -> Result<(KeyRecord, String)> {
        let old = self.key(id).ok_or_else(|| no_such_key(id))?.clone();
        if old.status(now) != KeyStatus::Active {
            return Err(Error::new(
                Kind::Refused,
                format!("the key {id} is {}", old.status(now).as_str()),
            )
            .action("make a new one with camera-service keys generate"));
        }
        let wanted = Wanted {
            role: old.role,
            expiry: Expiry::Never,
            description: old.description,
        };
        let end = old.expires_at.map(|end| {
            now.as_secs()
                .saturating_add(end.saturating_sub(old.created_at))
        });
        let made = self.add(&wanted, end, fresh, now)?;
        self.revoke_key(id, now)?;
        Ok(made)
    }

    /// Drops the records of keys that have no rights any more, and gives them.
    pub fn sweep(&mut self, now: Wall) -> Vec<KeyRecord> {
        let (kept, dead) = std::mem::take(&mut self.keys)
            .into_iter()
            .partition(|key| key.status(now) == KeyStatus::Active);
        self.keys = kept;
        dead
    }

    /// The key of that id.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<&KeyRecord> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The keys of a role that open.
    pub fn active(&self, role: Role, now: Wall) -> impl Iterator<Item = &KeyRecord> {
        self.keys
            .iter()
            .filter(move |key| key.role == role && key.status(now) == KeyStatus::Active)
    }
}

/// `Gone`: there is no key of that id.
#[must_use]
pub fn no_such_key(id: &str) -> Error {
    let shown: String = id.chars().take(64).collect();
    let hint = if id.starts_with(PREFIX) {
        "this is the key itself; keys are named by their id, see camera-service keys list"
    } else {
        "camera-service keys list names them"
    };
    let shown = if id.starts_with(PREFIX) {
        "of that name".to_owned()
    } else {
        format!("{shown:?}")
    };
    Error::new(Kind::Gone, format!("there is no API key {shown}")).action(hint)
}
