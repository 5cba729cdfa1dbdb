//! Decides whose token this is: JSON Web Tokens (RFC 7519), minted and verified.
//!
//! The law: `user_id`, `role`, `iat` and `exp` must all be there, and time comes in from outside. The
//! library checks the signature and nothing else; every other check is here, in one order. Which
//! algorithm counts is decided by the key that checks, never by the token.

use std::fmt;
use std::time::Duration;

use data_encoding::HEXLOWER;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::refusal::LONGEST;
use super::{Credential, Fingerprint, Principal, Refusal, Role, stream};
use crate::clock::Wall;

/// Bytes; HS256 wants a key no shorter than its hash (RFC 7518 §3.2).
pub const SHORTEST_SECRET: usize = 32;

/// Seconds by which the clock of whoever minted the token may be ahead of ours.
const CLOCK_SKEW_SECS: u64 = 60;

/// Characters of a foreign `jti`; a longer one is replaced by a hash.
const LONGEST_ID: usize = 128;

/// Bytes of the hash that names a token without `jti`: 128 bits, which nobody meets by chance.
const DERIVED_ID: usize = 16;

/// The claim of a refreshed token that holds the id of the first one.
const FAMILY: &str = "family";

/// The claim of a refreshed token that holds who vouched for the first one.
pub(super) const VIA: &str = "via";

/// A token's claims, signature checked.
pub type Claims = Map<String, Value>;

/// The secret of this installation, ready to mint and verify. Never shows it.
#[derive(Clone)]
pub struct Keyring {
    sign: EncodingKey,
    check: DecodingKey,
    rules: Validation,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(secret)")
    }
}

impl Keyring {
    /// A key for another purpose, told by `label`: HMAC-SHA-256 of the label under the secret, in base64. A label
    /// without a dot is never what a token signs, so neither can be made into the other.
    ///
    /// # Panics
    ///
    /// Never in practice: HMAC takes any key and any message.
    #[must_use]
    pub fn derive(&self, label: &str) -> String {
        jsonwebtoken::crypto::sign(label.as_bytes(), &self.sign, Algorithm::HS256)
            .expect("HMAC takes any key and any message")
    }
}

impl Keyring {
    /// A keyring over `secret`; `None` when that is shorter than [`SHORTEST_SECRET`].
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        if secret.len() < SHORTEST_SECRET {
            return None;
        }
        Some(Self {
            sign: EncodingKey::from_secret(secret),
            check: DecodingKey::from_secret(secret),
            rules: rules(Algorithm::HS256),
        })
    }

    /// A token for `user_id`, valid from `now` for `ttl`, in whole seconds, with a random id.
    #[must_use]
    pub fn mint(&self, user_id: &str, role: Role, ttl: Duration, now: Wall) -> String {
        self.sign(&claims_of(user_id, role, ttl, now))
    }

    /// A token with the rights of `who`, under the same id, for as long again as theirs was good for.
    ///
    /// What voids the first token voids this one, too: its id, its user, and the trusted key that signed it.
    #[must_use]
    pub fn renew(&self, who: &Principal, now: Wall) -> String {
        let mut claims = claims_of(&who.user_id, who.role, life(who), now);
        claims[FAMILY] = who.credential.id().into();
        if let Some(Fingerprint(print)) = who.signer {
            claims[VIA] = format!("{print:016x}").into();
        }
        self.sign(&claims)
    }

    /// # Panics
    ///
    /// Never in practice: a flat object of strings and integers always serialises, and HMAC takes any key.
    pub(super) fn sign(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.sign)
            .expect("a flat object of strings and integers serialises, and HMAC takes any key")
    }

    /// The claims of a token that carries our signature.
    pub(super) fn claims(&self, token: &str) -> Result<Claims, Refusal> {
        decode(token, &self.check, &self.rules)
    }

    /// Whose token this is, at `now`, by the secret alone: trusted keys and revocations are [`super::Judge`]'s.
    pub fn verify(&self, token: &str, now: Wall) -> Result<Principal, Refusal> {
        principal(&self.claims(token)?, token, None, now)
    }
}

/// How long the token of `who` was good for.
#[must_use]
pub fn life(who: &Principal) -> Duration {
    let secs = who.expires_at.as_secs();
    Duration::from_secs(secs.saturating_sub(who.issued_at.as_secs()))
}

/// The claims of a token for `user_id`, with a random id.
#[must_use]
pub fn claims_of(user_id: &str, role: Role, ttl: Duration, now: Wall) -> Value {
    json!({
        "user_id": user_id,
        "role": role.as_str(),
        "iat": now.as_secs(),
        "exp": now.as_secs().saturating_add(ttl.as_secs()),
        "jti": Uuid::new_v4().simple().to_string(),
    })
}

/// The library's rules for a key of `algorithm`: the signature, and nothing else.
pub(super) fn rules(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    rules
}

/// The claims of `token`, if `key` made its signature in the way that `rules` demand.
pub(super) fn decode(
    token: &str,
    key: &DecodingKey,
    rules: &Validation,
) -> Result<Claims, Refusal> {
    if token.len() > LONGEST {
        return Err(Refusal::TooLong);
    }
    let read =
        jsonwebtoken::decode::<Claims>(token, key, rules).map_err(|e| refusal(e.kind(), token))?;
    // What a header calls critical must be understood or the token refused (RFC 7515 §4.1.11). We understand none.
    if read.header.crit.is_some() {
        return Err(Refusal::Algorithm);
    }
    Ok(read.claims)
}

/// Whom `claims` speak for; `signer` is the trusted key that signed them, if it was not our secret.
pub(super) fn principal(
    claims: &Claims,
    token: &str,
    signer: Option<Fingerprint>,
    now: Wall,
) -> Result<Principal, Refusal> {
    if claims.contains_key(stream::CLAIM) {
        return Err(Refusal::StreamOnly);
    }
    let user_id = text(claims, "user_id")?.to_owned();
    let role = role(claims)?;
    let issued_at = moment(claims, "iat")?;
    let expires_at = moment(claims, "exp")?;
    in_time(issued_at, expires_at, now)?;
    // Only our own signature may say whose word it passes on.
    let (family, via) = match signer {
        None => (claims.get(FAMILY), claims.get(VIA).map(fingerprint)),
        Some(_) => (None, None),
    };
    let id = family
        .or(claims.get("jti"))
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty() && id.len() <= LONGEST_ID)
        .map_or_else(|| derived_id(token), str::to_owned);
    Ok(Principal {
        user_id,
        role,
        expires_at,
        issued_at,
        credential: Credential::Token(id.into()),
        signer: signer.or(via.transpose()?),
    })
}

pub(super) fn text<'a>(claims: &'a Claims, name: &'static str) -> Result<&'a str, Refusal> {
    claims
        .get(name)
        .and_then(Value::as_str)
        .filter(|s| !s.trim().is_empty())
        .ok_or(Refusal::Missing(name))
}

pub(super) fn role(claims: &Claims) -> Result<Role, Refusal> {
    let role = text(claims, "role")?;
    role.parse()
        .map_err(|_| Refusal::UnknownRole(role.chars().take(64).collect()))
}

pub(super) fn fingerprint(value: &Value) -> Result<Fingerprint, Refusal> {
    value
        .as_str()
        .and_then(|hex| u64::from_str_radix(hex, 16).ok())
        .map(Fingerprint)
        .ok_or(Refusal::Missing(VIA))
}

pub(super) fn in_time(issued: Wall, expires: Wall, now: Wall) -> Result<(), Refusal> {
    if expires <= now {
        return Err(Refusal::Expired { at: expires });
    }
    if issued.as_secs() > now.as_secs().saturating_add(CLOCK_SKEW_SECS) {
        return Err(Refusal::NotYet { issued });
    }
    Ok(())
}

/// The id of a token that carries none: a hash of what is signed.
///
/// The signature is left out. Of an ES256 signature anybody can compute a second valid form, and the
/// same token would have two names, one of them not revoked.
fn derived_id(token: &str) -> String {
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    let hash = Sha256::digest(signed.as_bytes());
    format!("sha256-{}", HEXLOWER.encode(&hash[..DERIVED_ID]))
}

/// A NumericDate (RFC 7519 §2): seconds since the epoch, perhaps with a fraction, which is cut off.
pub(super) fn moment(claims: &Claims, name: &'static str) -> Result<Wall, Refusal> {
    let value = claims.get(name).ok_or(Refusal::Missing(name))?;
    let secs = value.as_u64().or_else(|| {
        let secs = value.as_f64().filter(|s| *s >= 0.0)?;
        // Duration does the conversion so that no cast can wrap; it refuses what does not fit.
        Some(Duration::try_from_secs_f64(secs).ok()?.as_secs())
    });
    secs.map(Wall::from_secs).ok_or(Refusal::Missing(name))
}

/// What the library's complaint means. It cannot read a header naming an algorithm it does not know
/// (such as `none`), so a token of three parts whose header fails is asked for its `alg`.
fn refusal(kind: &ErrorKind, token: &str) -> Refusal {
    match kind {
        ErrorKind::InvalidSignature => Refusal::BadSignature,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm
        | ErrorKind::MissingAlgorithm => Refusal::Algorithm,
        ErrorKind::Json(e)
            if token.split('.').count() == 3 && e.to_string().contains("variant") =>
        {
            Refusal::Algorithm
        }
        _ => Refusal::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Wall = Wall::from_secs(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn keyring() -> Keyring {
        Keyring::new(b"0123456789abcdef0123456789abcdef").unwrap()
    }

    fn signed(claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &keyring().sign).unwrap()
    }

    #[test]
    fn a_minted_token_names_its_bearer_until_the_second_it_expires() {
        let token = keyring().mint("ann", Role::Operator, HOUR, NOW);
        let who = keyring().verify(&token, NOW).unwrap();
        assert_eq!((who.user_id.as_str(), who.role), ("ann", Role::Operator));
        assert_eq!(who.expires_at, Wall::from_secs(1_800_003_600));
        let last = Wall::from_nanos(who.expires_at.as_nanos() - 1);
        assert!(keyring().verify(&token, last).is_ok());
        assert_eq!(
            keyring().verify(&token, who.expires_at),
            Err(Refusal::Expired { at: who.expires_at })
        );
    }

    #[test]
    fn what_a_header_calls_critical_is_not_passed_over() {
        let claims = claims_of("ann", Role::Viewer, HOUR, NOW);
        let mut header = Header::new(Algorithm::HS256);
        let token = jsonwebtoken::encode(&header, &claims, &keyring().sign).unwrap();
        assert!(keyring().verify(&token, NOW).is_ok());
        for crit in [vec![], vec!["b64".to_owned()], vec!["exp".to_owned()]] {
            header.crit = Some(crit);
            let token = jsonwebtoken::encode(&header, &claims, &keyring().sign).unwrap();
            assert_eq!(keyring().verify(&token, NOW), Err(Refusal::Algorithm));
        }
    }

    #[test]
    fn a_token_signed_with_another_secret_or_changed_by_one_byte_is_refused() {
        let other = Keyring::new(b"another secret that is long enough").unwrap();
        let token = other.mint("ann", Role::Admin, HOUR, NOW);
        assert_eq!(keyring().verify(&token, NOW), Err(Refusal::BadSignature));

        let good = keyring().mint("ann", Role::Viewer, HOUR, NOW);
        let better = keyring().mint("ann", Role::Admin, HOUR, NOW);
        let stolen = good.rsplit('.').next().unwrap();
        let body = better.rsplit_once('.').unwrap().0;
        assert_eq!(
            keyring().verify(&format!("{body}.{stolen}"), NOW),
            Err(Refusal::BadSignature)
        );
    }

    #[test]
    fn only_hs256_is_accepted_whatever_the_header_claims() {
        // {"alg":"none","typ":"JWT"} . {"user_id":"ann","role":"admin","iat":0,"exp":99999999999} . (empty)
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJ1c2VyX2lkIjoiYW5uIiwicm9sZSI6ImFkbWluIiwiaWF0IjowLCJleHAiOjk5OTk5OTk5OTk5fQ.";
        assert_eq!(keyring().verify(none, NOW), Err(Refusal::Algorithm));
        // {"alg":"RS256"} over the same body.
        let rs256 = "eyJhbGciOiJSUzI1NiJ9.eyJ1c2VyX2lkIjoiYW5uIiwicm9sZSI6ImFkbWluIiwiaWF0IjowLCJleHAiOjk5OTk5OTk5OTk5fQ.AAAA";
        assert_eq!(keyring().verify(rs256, NOW), Err(Refusal::Algorithm));
        let claims = json!({"user_id":"ann","role":"admin","iat":0,"exp":99_999_999_999_u64});
        let hs512 =
            jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &keyring().sign).unwrap();
        assert_eq!(keyring().verify(&hs512, NOW), Err(Refusal::Algorithm));
    }

    #[test]
    fn every_claim_is_required_and_its_type_is_checked() {
        let whole =
            json!({"user_id":"ann","role":"viewer","iat":1_800_000_000,"exp":1_800_000_060});
        assert!(keyring().verify(&signed(&whole), NOW).is_ok());
        for claim in ["user_id", "role", "iat", "exp"] {
            for wrong in [None, Some(json!(null)), Some(json!(""))] {
                let mut claims = whole.clone();
                match wrong {
                    None => drop(claims.as_object_mut().unwrap().remove(claim)),
                    Some(value) => claims[claim] = value,
                }
                assert_eq!(
                    keyring().verify(&signed(&claims), NOW),
                    Err(Refusal::Missing(claim)),
                    "{claims}"
                );
            }
        }
    }

    #[test]
    fn a_role_nobody_defined_gives_no_rights() {
        let claims = json!({"user_id":"ann","role":"root","iat":0,"exp":1_900_000_000});
        assert_eq!(
            keyring().verify(&signed(&claims), NOW),
            Err(Refusal::UnknownRole("root".to_owned()))
        );
    }

    #[test]
    fn a_clock_a_minute_ahead_is_forgiven_and_a_second_more_is_not() {
        let from = |secs| keyring().mint("ann", Role::Viewer, HOUR, Wall::from_secs(secs));
        assert!(keyring().verify(&from(1_800_000_060), NOW).is_ok());
        assert_eq!(
            keyring().verify(&from(1_800_000_061), NOW),
            Err(Refusal::NotYet {
                issued: Wall::from_secs(1_800_000_061)
            })
        );
    }

    #[test]
    fn fractional_dates_of_other_minters_are_understood_and_absurd_ones_are_not() {
        let with = |exp: Value| {
            signed(&json!({"user_id":"ann","role":"viewer","iat":1_799_999_999.25,"exp":exp}))
        };
        assert!(keyring().verify(&with(json!(1_800_000_060.5)), NOW).is_ok());
        for exp in [json!(-1), json!(-0.5), json!("1900000000")] {
            assert_eq!(
                keyring().verify(&with(exp), NOW),
                Err(Refusal::Missing("exp"))
            );
        }
        // Beyond what nanoseconds can count: for ever, not a wrap to the past.
        assert!(keyring().verify(&with(json!(u64::MAX)), NOW).is_ok());
    }

    #[test]
    fn a_derived_key_is_told_by_secret_and_label_and_is_no_part_of_a_token() {
        let other = Keyring::new(b"another secret that is long enough").unwrap();
        let key = keyring().derive("links 1");
        assert_eq!(key, keyring().derive("links 1"));
        assert_ne!(key, keyring().derive("links 2"));
        assert_ne!(key, other.derive("links 1"));
        assert_eq!(key.len(), 43, "256 bits in base64");
    }

    #[test]
    fn a_text_beyond_the_bound_is_refused_unread_and_a_short_secret_makes_no_keyring() {
        let long = "a".repeat(LONGEST + 1);
        assert_eq!(keyring().verify(&long, NOW), Err(Refusal::TooLong));
        assert!(Keyring::new(&[b'x'; SHORTEST_SECRET - 1]).is_none());
        assert_eq!(format!("{:?}", keyring()), "Keyring(secret)");
    }

    #[test]
    fn every_token_of_ours_has_an_id_of_its_own_and_one_without_is_named_by_what_is_signed() {
        let id = |token: &str| {
            let who = keyring().verify(token, NOW).unwrap();
            who.credential.id().to_owned()
        };
        let mint = || keyring().mint("ann", Role::Viewer, HOUR, NOW);
        assert_ne!(id(&mint()), id(&mint()));
        let mut claims = json!({"user_id":"ann","role":"viewer","iat":0,"exp":1_900_000_000});
        let bare = signed(&claims);
        assert_eq!(id(&bare), id(&bare));
        assert_eq!(
            id(&bare),
            derived_id(&format!("{}.another", bare.rsplit_once('.').unwrap().0))
        );
        claims["jti"] = "x".repeat(LONGEST_ID + 1).into();
        assert!(id(&signed(&claims)).starts_with("sha256-"));
        claims["jti"] = "job-7".into();
        assert_eq!(id(&signed(&claims)), "job-7");
    }

    #[test]
    fn a_renewed_token_has_the_rights_the_life_and_the_id_of_the_first() {
        let first = keyring().mint("ann", Role::Operator, HOUR, NOW);
        let first = keyring().verify(&first, NOW).unwrap();
        let later = Wall::from_secs(NOW.as_secs() + 1800);
        let mut who = first.clone();
        who.signer = Some(Fingerprint(7));
        let second = keyring()
            .verify(&keyring().renew(&who, later), later)
            .unwrap();
        assert_eq!(second.credential, first.credential);
        assert_eq!(
            (second.user_id.as_str(), second.role),
            ("ann", Role::Operator)
        );
        assert_eq!(second.expires_at, later + HOUR);
        assert_eq!(second.signer, Some(Fingerprint(7)));
    }

    proptest! {
        #[test]
        fn no_text_is_taken_for_a_token_nor_makes_the_check_panic(
            text in "\\PC{0,200}|[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}"
        ) {
            prop_assert!(keyring().verify(&text, NOW).is_err());
        }
    }
}
