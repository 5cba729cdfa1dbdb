//! Decides whose token this is: JSON Web Tokens signed with HS256 (RFC 7519), minted and verified.
//!
//! The law: `user_id`, `role`, `iat` and `exp` must all be there, and time comes in from outside. The
//! library checks the signature and nothing else; every other check is here, in one order.

use std::fmt;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};

use super::Role;
use crate::clock::Wall;

/// Bytes; a longer text is refused unread. Ours are near 250 bytes.
pub const LONGEST: usize = 8 * 1024;

/// Bytes; HS256 wants a key no shorter than its hash (RFC 7518 §3.2).
pub const SHORTEST_SECRET: usize = 32;

/// Seconds by which the clock of whoever minted the token may be ahead of ours.
const CLOCK_SKEW_SECS: u64 = 60;

/// Who a valid token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The claim `user_id`.
    pub user_id: String,
    /// What they may do.
    pub role: Role,
    /// When the rights end.
    pub expires_at: Wall,
}

/// Why a token is not accepted. Its text may be shown to whoever sent the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It does not read as a JSON Web Token.
    Malformed,
    /// Longer than [`LONGEST`].
    TooLong,
    /// Signed in another way than HS256, or not at all.
    Algorithm,
    /// Signed with another secret, or changed on the way.
    BadSignature,
    /// A claim is absent or of the wrong type.
    Missing(&'static str),
    /// The role is none of ours.
    UnknownRole(String),
    /// Its time is over.
    Expired {
        /// When that was.
        at: Wall,
    },
    /// It was made in the future, more than a minute ahead.
    NotYet {
        /// When it says it was made.
        issued: Wall,
    },
}

impl Refusal {
    /// The word for programs, as `reason` of an authentication error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "token_expired",
            Self::NotYet { .. } => "token_not_yet_valid",
            Self::Malformed
            | Self::TooLong
            | Self::Algorithm
            | Self::BadSignature
            | Self::Missing(_)
            | Self::UnknownRole(_) => "token_invalid",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the token is not a JSON Web Token"),
            Self::TooLong => write!(f, "the token is longer than {LONGEST} bytes"),
            Self::Algorithm => f.write_str("the token is not signed with HS256"),
            Self::BadSignature => {
                f.write_str("the signature of the token does not fit the secret of this device")
            }
            Self::Missing(claim) => {
                write!(f, "the claim {claim:?} is absent or of the wrong type")
            }
            Self::UnknownRole(role) => {
                write!(f, "{role:?} is not a role: use viewer, operator or admin")
            }
            Self::Expired { at } => write!(f, "the token expired at {}", at.rfc3339()),
            Self::NotYet { issued } => write!(
                f,
                "the token says it was issued at {}, which this device's clock has not reached: check both clocks",
                issued.rfc3339()
            ),
        }
    }
}

impl std::error::Error for Refusal {}

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
        let mut rules = Validation::new(Algorithm::HS256);
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        rules.validate_nbf = false;
        rules.validate_aud = false;
        Some(Self {
            sign: EncodingKey::from_secret(secret),
            check: DecodingKey::from_secret(secret),
            rules,
        })
    }

    /// A token for `user_id`, valid from `now` for `ttl`, in whole seconds.
    ///
    /// # Panics
    ///
    /// Never in practice: a flat object of strings and integers always serialises, and HMAC takes any key.
    #[must_use]
    pub fn mint(&self, user_id: &str, role: Role, ttl: Duration, now: Wall) -> String {
        let claims = json!({
            "user_id": user_id,
            "role": role.as_str(),
            "iat": now.as_secs(),
            "exp": now.as_secs().saturating_add(ttl.as_secs()),
        });
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign)
            .expect("a flat object of strings and integers serialises, and HMAC takes any key")
    }

    /// Whose token this is, at `now`.
    pub fn verify(&self, token: &str, now: Wall) -> Result<Principal, Refusal> {
        if token.len() > LONGEST {
            return Err(Refusal::TooLong);
        }
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &self.check, &self.rules)
            .map_err(|e| refusal(e.kind(), token))?
            .claims;
        principal(&claims, now)
    }
}

fn principal(claims: &Map<String, Value>, now: Wall) -> Result<Principal, Refusal> {
    let text = |name: &'static str| {
        claims
            .get(name)
            .and_then(Value::as_str)
            .filter(|s| !s.trim().is_empty())
            .ok_or(Refusal::Missing(name))
    };
    let user_id = text("user_id")?.to_owned();
    let role = text("role")?;
    let role = role
        .parse()
        .map_err(|_| Refusal::UnknownRole(role.chars().take(64).collect()))?;
    let issued = moment(claims, "iat")?;
    let expires_at = moment(claims, "exp")?;
    if expires_at <= now {
        return Err(Refusal::Expired { at: expires_at });
    }
    if issued.as_secs() > now.as_secs().saturating_add(CLOCK_SKEW_SECS) {
        return Err(Refusal::NotYet { issued });
    }
    Ok(Principal {
        user_id,
        role,
        expires_at,
    })
}

/// A NumericDate (RFC 7519 §2): seconds since the epoch, perhaps with a fraction, which is cut off.
fn moment(claims: &Map<String, Value>, name: &'static str) -> Result<Wall, Refusal> {
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

    proptest! {
        #[test]
        fn no_text_is_taken_for_a_token_nor_makes_the_check_panic(
            text in "\\PC{0,200}|[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}"
        ) {
            prop_assert!(keyring().verify(&text, NOW).is_err());
        }
    }
}
