//! Why a credential is not accepted, as a word for programs and a sentence for people.

use std::fmt;

use crate::clock::Wall;

/// Bytes; a longer text is refused unread. Our tokens are near 300 bytes, stream tokens near 500.
pub const LONGEST: usize = 8 * 1024;

/// Why a credential is not accepted. Its text may be shown to whoever sent the credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It does not read as a JSON Web Token.
    Malformed,
    /// Longer than [`LONGEST`].
    TooLong,
    /// Signed in another way than its key demands, or not at all.
    Algorithm,
    /// It names a key that is not, or no longer, among the trusted ones.
    UntrustedKey,
    /// Signed with another secret or key, or changed on the way.
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
    /// The token, or every token of its user, was revoked.
    Revoked,
    /// There is no such API key.
    UnknownKey,
    /// The API key was revoked or removed.
    KeyRevoked,
    /// A stream token where a login is needed.
    StreamOnly,
    /// A stream token for another stream, or for the other direction.
    WrongStream,
    /// A login where a stream token is needed.
    NeedsStreamToken,
    /// The role is too low for what the stream token says.
    RoleTooLow,
}

impl Refusal {
    /// The word for programs, as `reason` of an authentication error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "token_expired",
            Self::NotYet { .. } => "token_not_yet_valid",
            Self::Revoked => "token_revoked",
            Self::KeyRevoked => "key_revoked",
            Self::Malformed
            | Self::TooLong
            | Self::Algorithm
            | Self::UntrustedKey
            | Self::BadSignature
            | Self::Missing(_)
            | Self::UnknownRole(_)
            | Self::UnknownKey
            | Self::StreamOnly
            | Self::WrongStream
            | Self::NeedsStreamToken
            | Self::RoleTooLow => "token_invalid",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the token is not a JSON Web Token"),
            Self::TooLong => write!(f, "the token is longer than {LONGEST} bytes"),
            Self::Algorithm => f.write_str(
                "the token is not signed in the way its key demands: HS256 with the secret of this device, \
                 or ES256 or EdDSA with the trusted key that its header names as kid",
            ),
            Self::UntrustedKey => {
                f.write_str("the token is signed by a key that this device does not trust")
            }
            Self::BadSignature => f.write_str(
                "the signature of the token does not fit the secret of this device or the key it names",
            ),
            Self::Missing(claim) => {
                write!(f, "the claim {claim:?} is absent or of the wrong type")
            }
            Self::UnknownRole(role) => {
                write!(f, "{role:?} is not a role: use viewer, operator or admin")
            }
            Self::Expired { at } => write!(f, "it expired at {}", at.rfc3339()),
            Self::NotYet { issued } => write!(
                f,
                "the token says it was issued at {}, which this device's clock has not reached: check both clocks",
                issued.rfc3339()
            ),
            Self::Revoked => f.write_str("the token was revoked"),
            Self::UnknownKey => f.write_str("this device has no such API key"),
            Self::KeyRevoked => f.write_str("the API key was revoked"),
            Self::StreamOnly => f.write_str("a stream token opens one stream and is no login"),
            Self::WrongStream => {
                f.write_str("the stream token is for another stream or another direction")
            }
            Self::NeedsStreamToken => {
                f.write_str("publishing needs a stream token: get_stream_token with action publish gives one")
            }
            Self::RoleTooLow => f.write_str("publishing needs the role operator"),
        }
    }
}

impl std::error::Error for Refusal {}
