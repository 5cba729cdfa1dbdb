//! Stream tokens: short-lived, for one path in one direction, and good for nothing else.
//!
//! A stream token opens; what it opened stays as long as the credential behind it stands. It is
//! signed with the secret of this installation and says whose word it carries, so that revoking that
//! credential also ends whatever the stream token has opened.

use std::fmt;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::token::{Claims, VIA, fingerprint, in_time, moment, role, text};
use super::{Credential, Fingerprint, Keyring, Principal, Refusal, Role};
use crate::clock::Wall;

/// The claim that makes a token a stream token; holds the path.
pub(super) const CLAIM: &str = "stream";

/// Seconds a stream token may be good for.
pub const LIFE: std::ops::RangeInclusive<u64> = 1..=3600;

/// Which way the stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the bearer.
    Read,
    /// From the bearer.
    Publish,
}

impl Direction {
    /// The word in tokens and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
        }
    }

    /// The least role.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Publish => Role::Operator,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether `path` is one that bearers of stream tokens may publish: `^live-[a-z0-9-]{1,48}$`.
#[must_use]
pub fn may_be_published(path: &str) -> bool {
    path.strip_prefix("live-").is_some_and(|name| {
        (1..=48).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

/// A fresh stream token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamToken {
    /// Its text.
    pub token: String,
    /// Until when it opens the stream.
    pub expires_at: Wall,
}

/// What a stream token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The path it is for.
    pub path: String,
    /// The direction it is for.
    pub direction: Direction,
    /// Whose word it carries; not yet judged.
    pub bearer: Principal,
}

impl Keyring {
    /// A stream token on the word of `who`, good for `life`, but never longer than `who` is.
    #[must_use]
    pub fn mint_stream(
        &self,
        who: &Principal,
        path: &str,
        direction: Direction,
        life: Duration,
        now: Wall,
    ) -> StreamToken {
        // Whole seconds, as the claim has them.
        let expires_at = Wall::from_secs((now + life).min(who.expires_at).as_secs());
        let mut claims = json!({
            CLAIM: path,
            "action": direction.as_str(),
            "iat": now.as_secs(),
            "exp": expires_at.as_secs(),
            "jti": Uuid::new_v4().simple().to_string(),
            "user_id": who.user_id,
            "role": who.role.as_str(),
            "by": who.credential.kind(),
            "id": who.credential.id(),
            "since": who.issued_at.as_secs(),
            "until": who.expires_at.as_secs(),
        });
        if let Some(Fingerprint(print)) = who.signer {
            claims[VIA] = format!("{print:016x}").into();
        }
        StreamToken {
            token: self.sign(&claims),
            expires_at,
        }
    }
}

/// Reads the claims of a stream token that our secret has signed.
pub(super) fn ticket(claims: &Claims, now: Wall) -> Result<Ticket, Refusal> {
    let path = text(claims, CLAIM)?.to_owned();
    let direction = match text(claims, "action")? {
        "read" => Direction::Read,
        "publish" => Direction::Publish,
        _ => return Err(Refusal::Missing("action")),
    };
    in_time(moment(claims, "iat")?, moment(claims, "exp")?, now)?;
    let id = text(claims, "id")?.into();
    let credential = match text(claims, "by")? {
        "api_key" => Credential::ApiKey(id),
        "jwt" => Credential::Token(id),
        _ => return Err(Refusal::Missing("by")),
    };
    let bearer = Principal {
        user_id: text(claims, "user_id")?.to_owned(),
        role: role(claims)?,
        expires_at: moment(claims, "until")?,
        issued_at: moment(claims, "since")?,
        credential,
        signer: claims.get(VIA).map(fingerprint).transpose()?,
    };
    Ok(Ticket {
        path,
        direction,
        bearer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_secs(1_800_000_000);

    fn keyring() -> Keyring {
        Keyring::new(b"0123456789abcdef0123456789abcdef").unwrap()
    }

    fn ann() -> Principal {
        let token = keyring().mint("ann", Role::Operator, Duration::from_secs(100), NOW);
        keyring().verify(&token, NOW).unwrap()
    }

    #[test]
    fn a_stream_token_says_path_direction_and_bearer_and_ends_with_the_bearer_at_the_latest() {
        let ann = ann();
        let mint = |secs| {
            let life = Duration::from_secs(secs);
            keyring().mint_stream(&ann, "live-door", Direction::Publish, life, NOW)
        };
        let short = mint(60);
        assert_eq!(short.expires_at, Wall::from_secs(1_800_000_060));
        let claims = keyring().claims(&short.token).unwrap();
        let read = ticket(&claims, NOW).unwrap();
        assert_eq!(read.bearer, ann);
        assert_eq!(
            (read.path.as_str(), read.direction),
            ("live-door", Direction::Publish)
        );
        assert!(matches!(
            ticket(&claims, short.expires_at),
            Err(Refusal::Expired { .. })
        ));
        assert_eq!(mint(3600).expires_at, ann.expires_at);
    }

    #[test]
    fn a_stream_token_is_no_login() {
        let token = keyring().mint_stream(
            &ann(),
            "camera0",
            Direction::Read,
            Duration::from_secs(60),
            NOW,
        );
        assert_eq!(
            keyring().verify(&token.token, NOW),
            Err(Refusal::StreamOnly)
        );
    }

    #[test]
    fn only_live_names_may_be_published() {
        for good in [
            "live-a",
            "live-front-door-2",
            &format!("live-{}", "x".repeat(48)),
        ] {
            assert!(may_be_published(good), "{good}");
        }
        for bad in [
            "live-",
            "live",
            "camera0",
            "live-A",
            "live-a/b",
            "xlive-a",
            "live-a\n",
            &format!("live-{}", "x".repeat(49)),
        ] {
            assert!(!may_be_published(bad), "{bad}");
        }
    }
}
