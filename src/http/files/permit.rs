//! Links that carry their own permission, for browsers that follow a plain link and send no header.
//!
//! `?expires=…&user=…&signature=…`: seconds since 1970, who asked for the link, and HMAC-SHA-256 over
//! kind, file name, both of those, each with its length before it, so that none can lend letters to
//! its neighbour. The key comes from the installation's secret and signs nothing else.

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;

use super::Kind;
use super::name::{decode, encode};
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

    /// The query that opens `filename` until `until`.
    #[must_use]
    pub fn query(&self, kind: Kind, filename: &str, user: &str, until: Wall) -> String {
        let tag = hmac::sign(&self.0, &message(kind, filename, user, until.as_secs()));
        format!(
            "expires={}&user={}&signature={}",
            until.as_secs(),
            encode(user),
            BASE64URL_NOPAD.encode(tag.as_ref())
        )
    }

    /// Whose link this is. `None` where the query carries no signature at all.
    #[must_use]
    pub fn check(
        &self,
        kind: Kind,
        filename: &str,
        query: &str,
        now: Wall,
    ) -> Option<Result<String, Refusal>> {
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
            hmac::verify(&self.0, &message(kind, filename, &user, expires), &tag).ok()?;
            Some((user, Wall::from_secs(expires)))
        };
        Some(match judged() {
            None => Err(Refusal::Invalid),
            Some((_, until)) if until <= now => Err(Refusal::Expired),
            Some((user, _)) => Ok(user),
        })
    }
}

fn message(kind: Kind, filename: &str, user: &str, expires: u64) -> Vec<u8> {
    let mut message = Vec::with_capacity(64 + filename.len() + user.len());
    for part in [
        kind.as_str().as_bytes(),
        filename.as_bytes(),
        user.as_bytes(),
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

    fn signer() -> Signer {
        Signer::new(b"0123456789abcdef0123456789abcdef")
    }

    #[test]
    fn a_link_opens_its_file_for_its_time_and_names_who_asked() {
        let query = signer().query(Kind::Recording, "a.mp4", "ann & bob", UNTIL);
        let check = |kind, name, now| signer().check(kind, name, &query, now);
        assert_eq!(
            check(Kind::Recording, "a.mp4", NOW),
            Some(Ok("ann & bob".to_owned()))
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
        let query = signer().query(Kind::Recording, "a.mp4", "ann", UNTIL);
        let check = |query: &str| signer().check(Kind::Recording, "a.mp4", query, NOW);
        for changed in [
            query.replace("expires=18", "expires=19"),
            query.replace("user=ann", "user=bob"),
            query.replace("user=ann&", ""),
            query.replace("signature=", "signature=A"),
            "signature=".to_owned(),
        ] {
            assert_eq!(check(&changed), Some(Err(Refusal::Invalid)), "{changed}");
        }
        assert_eq!(check("t=5"), None);
        assert_eq!(check(""), None);
        // A player may add what is its own.
        assert_eq!(check(&format!("t=5&{query}")), Some(Ok("ann".to_owned())));
    }

    proptest! {
        #[test]
        fn no_query_is_taken_for_a_good_one(query in "(expires=[0-9]{0,12}&|user=[a-z%]{0,5}&|signature=[A-Za-z0-9_-]{0,50}|.){0,5}") {
            prop_assert!(!matches!(signer().check(Kind::Recording, "a.mp4", &query, NOW), Some(Ok(_))));
        }
    }
}
