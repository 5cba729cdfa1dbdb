//! Whose box is this? On a fresh data folder it is nobody's, until somebody who can read its console types in
//! the one-time code.
//!
//! Pure: the code, its comparison, how often it may be tried, and from which traces a box is known to be owned.
//! `io.rs` keeps the traces.

pub mod io;

use std::net::IpAddr;
use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::limits::bucket::{Bucket, Pace};
use super::limits::table::Table;
use super::limits::{Wait, one_address};
use super::secret;
use crate::clock::{Mono, Wall};
use crate::error::Later;

/// Letters of a code: no I, L, O and U, which are taken for others or make words (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Letters in a code: 50 bits. At 20 tries a minute half of all codes are tried in 53 million years.
pub const LENGTH: usize = 10;

/// Tries of one address in a minute.
const TRIES_PER_ADDRESS: u32 = 5;
/// Tries of all in a minute.
const TRIES: u32 = 20;
/// Addresses whose tries are remembered.
const ADDRESSES: usize = 256;
const MINUTE: Duration = Duration::from_secs(60);

/// A one-time code. Never shown by `Debug`, and compared by [`Code::matches`] only.
#[derive(Clone)]
pub struct Code([u8; LENGTH]);

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(secret)")
    }
}

impl std::fmt::Display for Code {
    /// `ABCDE-12345`, as it is printed for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, letter) in self.0.iter().enumerate() {
            if at == LENGTH / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*letter))?;
        }
        Ok(())
    }
}

impl Code {
    /// The code of the installation that holds `secret`: the same until that is another.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any key");
        mac.update(b"camera-service: the code of the first claim");
        let digest = mac.finalize().into_bytes();
        // The bytes are uniform and 32 divides 256, so every letter is as likely as any other.
        Self(std::array::from_fn(|at| {
            LETTERS[usize::from(digest[at] % 32)]
        }))
    }

    /// Whether `typed` is this code; case, blanks and dashes do not matter, and I, L and O are read as the
    /// digits they were taken for. Takes the same time whatever is wrong.
    #[must_use]
    pub fn matches(&self, typed: &str) -> bool {
        let mut letters = [0_u8; LENGTH];
        let mut count = 0;
        for letter in typed.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let letter = match letter.to_ascii_uppercase() {
                'O' => b'0',
                'I' | 'L' => b'1',
                other => u8::try_from(other).unwrap_or(0),
            };
            if let Some(place) = letters.get_mut(count) {
                *place = letter;
            }
            count += 1;
        }
        secret::same(&letters, &self.0) && count == LENGTH
    }
}

/// What was found on the disk and in the environment when the service started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traces {
    /// `security.claim` is false.
    pub switched_off: bool,
    /// It was claimed before.
    pub claimed: bool,
    /// The secret that signs tokens comes from the environment.
    pub secret_from_environment: bool,
    /// The file with the secret that signs tokens is there.
    pub token_secret: bool,
    /// The file with the secret behind the code is there.
    pub claim_secret: bool,
}

/// Why a box counts as somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// Nobody wants it claimed.
    SwitchedOff,
    /// It was claimed before.
    Claimed,
    /// Whoever set the secret of the tokens can mint them.
    SecretFromEnvironment,
    /// It was in use before there was a claim: there is a secret of the tokens, and never was one of the code.
    UsedBefore,
}

impl Traces {
    /// Why it is somebody's; `None`: it is nobody's.
    #[must_use]
    pub const fn owned(self) -> Option<Owned> {
        if self.switched_off {
            Some(Owned::SwitchedOff)
        } else if self.claimed {
            Some(Owned::Claimed)
        } else if self.secret_from_environment {
            Some(Owned::SecretFromEnvironment)
        } else if self.token_secret && !self.claim_secret {
            Some(Owned::UsedBefore)
        } else {
            None
        }
    }
}

/// How often the code may be tried.
#[derive(Debug)]
pub struct Tries {
    all: Bucket,
    each: Table,
}

impl Default for Tries {
    fn default() -> Self {
        Self {
            all: Bucket::default(),
            each: Table::new(ADDRESSES),
        }
    }
}

impl Tries {
    /// Counts a try.
    ///
    /// # Errors
    /// [`Wait`] when it is one too many; then the code must not be looked at.
    pub fn take(&mut self, from: IpAddr, now: Mono) -> Result<(), Wait> {
        let each = Pace::new(TRIES_PER_ADDRESS, MINUTE, TRIES_PER_ADDRESS);
        let all = Pace::new(TRIES, MINUTE, TRIES);
        // An address that is over its own bound does not use up what the others have.
        if let Some(pace) = each {
            self.each
                .take(&one_address(from), pace, now)
                .map_err(Wait)?;
        }
        all.map_or(Ok(()), |pace| self.all.take(pace, now).map_err(Wait))
    }
}

/// A claim that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// A token of the role admin.
    pub token: String,
    /// When it ends.
    pub expires_at: Wall,
}

/// Why a claim was not granted.
#[derive(Debug)]
pub enum Denied {
    /// It is somebody's already.
    Owned,
    /// Not this code.
    WrongCode,
    /// Too many tries.
    TooOften(Wait),
    /// It could not be kept.
    Failed(crate::error::Error),
}

/// Whether the box is anybody's, and the way to make it one's own.
pub trait Owner: Send + Sync {
    /// True while it is nobody's. Answers from memory.
    fn is_unclaimed(&self) -> bool;

    /// Somebody came with a good token: only who owns the box could mint one.
    fn seen_owner(&self);

    /// Tries to claim it for `user`.
    fn claim(&self, code: String, user: String, from: IpAddr) -> Later<Result<Grant, Denied>>;
}

/// A box that is somebody's from the beginning.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlwaysOwned;

impl Owner for AlwaysOwned {
    fn is_unclaimed(&self) -> bool {
        false
    }

    fn seen_owner(&self) {}

    fn claim(&self, _: String, _: String, _: IpAddr) -> Later<Result<Grant, Denied>> {
        Box::pin(std::future::ready(Ok(Err(Denied::Owned))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_code_is_the_same_for_a_secret_and_another_for_another() {
        let code = Code::of(b"secret one").to_string();
        assert_eq!(code, Code::of(b"secret one").to_string());
        assert_ne!(code, Code::of(b"secret two").to_string());
        assert_eq!(code.len(), LENGTH + 1);
        assert_eq!(format!("{:?}", Code::of(b"x")), "Code(secret)");
    }

    #[test]
    fn it_may_be_typed_as_people_type() {
        let code = Code(*b"0123456789");
        for typed in ["01234-56789", "o1234 56789", "OI234-56789", " ol23456789\n"] {
            assert!(code.matches(typed), "{typed:?}");
        }
        for typed in [
            "",
            "0123456788",
            "012345678",
            "01234567890",
            "0123456789\u{160}",
            "ſ123456789",
        ] {
            assert!(!code.matches(typed), "{typed:?}");
        }
        assert!(Code(*b"ABCDEFGHJK").matches("abcde-fghjk"));
    }

    #[test]
    fn a_box_is_nobodys_only_when_it_is_fresh() {
        let fresh = Traces::default();
        assert_eq!(fresh.owned(), None);
        // The power went after the first start and before the claim.
        let started = Traces {
            token_secret: true,
            claim_secret: true,
            ..fresh
        };
        assert_eq!(started.owned(), None);
        for (traces, why) in [
            (
                Traces {
                    claimed: true,
                    ..started
                },
                Owned::Claimed,
            ),
            (
                Traces {
                    token_secret: true,
                    ..fresh
                },
                Owned::UsedBefore,
            ),
            (
                Traces {
                    secret_from_environment: true,
                    ..fresh
                },
                Owned::SecretFromEnvironment,
            ),
            (
                Traces {
                    switched_off: true,
                    ..fresh
                },
                Owned::SwitchedOff,
            ),
        ] {
            assert_eq!(traces.owned(), Some(why));
        }
    }

    #[test]
    fn five_tries_a_minute_for_one_and_twenty_for_all() {
        let now = Mono::from_nanos(1_000_000_000);
        let mut tries = Tries::default();
        let ip = |n: u8| IpAddr::from([10, 0, 0, n]);
        for host in 1..=4 {
            for _ in 0..5 {
                tries.take(ip(host), now).unwrap();
            }
            tries.take(ip(host), now).unwrap_err();
        }
        tries.take(ip(9), now).unwrap_err();
        tries.take(ip(9), now + Duration::from_secs(60)).unwrap();
    }

    proptest! {
        #[test]
        fn no_text_passes_for_the_code_by_chance_nor_makes_it_panic(typed in "\\PC{0,30}|[0-9A-Z]{10}") {
            prop_assert!(!Code::of(b"secret").matches(&typed));
        }

        #[test]
        fn what_is_printed_is_what_is_accepted(secret in prop::collection::vec(any::<u8>(), 0..64)) {
            let code = Code::of(&secret);
            prop_assert!(code.matches(&code.to_string()));
            prop_assert!(code.matches(&code.to_string().to_lowercase()));
        }
    }
}
