//! Links that carry their own permission, for browsers that follow a plain link and send no header.
//!
//! `?expires=…&user=…&by=…&signature=…`: seconds since 1970, who asked for the link, the credential they had (so that
//! the link ends with it), and HMAC-SHA-256 over kind, file name and all of those, each with its length before it, so
//! that none can lend letters to its neighbour. The key comes from the installation's secret and signs nothing else.

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;

use super::Kind;
use super::name::{decode, encode};
use crate::access::{Credential, Fingerprint, Principal, Role};
use crate::clock::Wall;

/// Signs links and knows its own again. Never shows its key.
#[derive(Clone)]
pub struct Signer(hmac::Key);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(secret)")
    }
}

/// Why a link does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It was good once.
    Expired,
    /// It is not one of ours, or was changed.
    Invalid,
}

impl Signer {
    /// A signer over a key that only this installation knows.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The query that opens `filename` until `until`, on the word of `who`.
    #[must_use]
    pub fn query(&self, kind: Kind, filename: &str, who: &Principal, until: Wall) -> String {
        let (user, by) = (who.user_id.as_str(), written(who));
        let tag = hmac::sign(
            &self.0,
            &message(kind, filename, user, &by, until.as_secs()),
        );
        format!(
            "expires={}&user={}&by={}&signature={}",
            until.as_secs(),
            encode(user),
            encode(&by),
            BASE64URL_NOPAD.encode(tag.as_ref())
        )
    }

    /// On whose word this link was made: their credential is still to be judged. Their role is the least there is,
    /// and their rights end with the link. `None` where the query carries no signature at all.
    #[must_use]
    pub fn check(
        &self,
        kind: Kind,
        filename: &str,
        query: &str,
        now: Wall,
    ) -> Option<Result<Principal, Refusal>> {
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(n, _)| *n == name).map(|(_, v)| v)
        };
        let signature = value("signature")?;
        let judged = || {
            let expires: u64 = value("expires")?.parse().ok()?;
            let user = decode(value("user")?)?;
            let tag = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
            // In constant time.
            let by = decode(value("by")?)?;
            let message = message(kind, filename, &user, &by, expires);
            hmac::verify(&self.0, &message, &tag).ok()?;
            read(&by, user, Wall::from_secs(expires))
        };
        Some(match judged() {
            None => Err(Refusal::Invalid),
            Some(who) if who.expires_at <= now => Err(Refusal::Expired),
            Some(who) => Ok(who),
        })
    }
}

/// A credential in one word: kind, moment it was given, the trusted key behind it if one is, and its id, which may
/// hold dots of its own.
fn written(who: &Principal) -> String {
    let signer = who
        .signer
        .map(|Fingerprint(print)| format!("{print:016x}"))
        .unwrap_or_default();
    let (kind, id) = (who.credential.kind(), who.credential.id());
    format!("{kind}.{}.{signer}.{id}", who.issued_at.as_secs())
}

fn read(by: &str, user_id: String, expires_at: Wall) -> Option<Principal> {
    let mut parts = by.splitn(4, '.');
    let kind = parts.next()?;
    let issued_at = Wall::from_secs(parts.next()?.parse().ok()?);
    let signer = match parts.next()? {
        "" => None,
        print => Some(Fingerprint(u64::from_str_radix(print, 16).ok()?)),
    };
    let id = parts.next()?.into();
    Some(Principal {
        user_id,
        role: Role::Viewer,
        expires_at,
        issued_at,
        credential: match kind {
            "jwt" => Credential::Token(id),
            "api_key" => Credential::ApiKey(id),
            _ => return None,
        },
        signer,
    })
}

fn message(kind: Kind, filename: &str, user: &str, by: &str, expires: u64) -> Vec<u8> {
    let mut message = Vec::with_capacity(64 + filename.len() + user.len() + by.len());
    for part in [
        kind.as_str().as_bytes(),
        filename.as_bytes(),
        user.as_bytes(),
        by.as_bytes(),
        &expires.to_be_bytes(),
    ] {
        message.extend_from_slice(&(part.len() as u64).to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Wall = Wall::from_secs(1_800_000_000);
    const UNTIL: Wall = Wall::from_secs(1_800_000_300);

    fn who(name: &str) -> Principal {
        Principal {
            issued_at: Wall::from_secs(1_799_999_000),
            ..Principal::plain(name, Role::Viewer, UNTIL)
        }
    }

    fn signer() -> Signer {
        Signer::new(b"0123456789abcdef0123456789abcdef")
    }

    #[test]
    fn a_link_opens_its_file_for_its_time_and_names_who_asked() {
        let query = signer().query(Kind::Recording, "a.mp4", &who("ann & bob"), UNTIL);
        let check = |kind, name, now| signer().check(kind, name, &query, now);
        assert_eq!(
            check(Kind::Recording, "a.mp4", NOW),
            Some(Ok(who("ann & bob")))
        );
        assert_eq!(
            check(Kind::Recording, "a.mp4", UNTIL),
            Some(Err(Refusal::Expired))
        );
        for (kind, name) in [(Kind::Snapshot, "a.mp4"), (Kind::Recording, "b.mp4")] {
            assert_eq!(check(kind, name, NOW), Some(Err(Refusal::Invalid)));
        }
        let elsewhere = Signer::new(b"another installation's secret!!!");
        assert_eq!(
            elsewhere.check(Kind::Recording, "a.mp4", &query, NOW),
            Some(Err(Refusal::Invalid))
        );
        assert_eq!(format!("{elsewhere:?}"), "Signer(secret)");
    }

    #[test]
    fn no_part_can_be_changed_or_left_out() {
        let query = signer().query(Kind::Recording, "a.mp4", &who("ann"), UNTIL);
        let check = |query: &str| signer().check(Kind::Recording, "a.mp4", query, NOW);
        for changed in [
            query.replace("expires=18", "expires=19"),
            query.replace("user=ann", "user=bob"),
            query.replace("user=ann&", ""),
            query.replace("by=jwt", "by=api_key"),
            query.replace("by=jwt.1799999000..ann&", ""),
            query.replace(".ann&", ".bob&"),
            query.replace("signature=", "signature=A"),
            "signature=".to_owned(),
        ] {
            assert_eq!(check(&changed), Some(Err(Refusal::Invalid)), "{changed}");
        }
        assert_eq!(check("t=5"), None);
        assert_eq!(check(""), None);
        // A player may add what is its own.
        assert_eq!(check(&format!("t=5&{query}")), Some(Ok(who("ann"))));
    }

    #[test]
    fn a_link_carries_the_credential_it_was_made_with() {
        for (credential, signer_of_it) in [
            (Credential::Token("a.b..c".into()), None),
            (
                Credential::Token("x".into()),
                Some(Fingerprint(0xfedc_ba98_7654_3210)),
            ),
            (Credential::ApiKey("key_00".into()), None),
        ] {
            let who = Principal {
                credential,
                signer: signer_of_it,
                ..who("ann")
            };
            let query = signer().query(Kind::Snapshot, "a.jpg", &who, UNTIL);
            let found = signer().check(Kind::Snapshot, "a.jpg", &query, NOW);
            assert_eq!(found, Some(Ok(who)));
        }
    }

    proptest! {
        #[test]
        fn no_query_is_taken_for_a_good_one(query in "(expires=[0-9]{0,12}&|user=[a-z%]{0,5}&|signature=[A-Za-z0-9_-]{0,50}|.){0,5}") {
            prop_assert!(!matches!(signer().check(Kind::Recording, "a.mp4", &query, NOW), Some(Ok(_))));
        }
    }
}
