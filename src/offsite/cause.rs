//! What a failure means: in words, with the next action, and how patient to be.
//!
//! Codes are those of the S3 API reference, *Error responses*; stores of other makers use the same ones.

/// What was seen of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The store answered with this status and, where the answer had a body, this code.
    Answer {
        /// HTTP status.
        status: u16,
        /// `SignatureDoesNotMatch`, for one.
        code: Option<String>,
    },
    /// There was no connection to be had.
    NoConnection(String),
    /// The other side could not prove who it is, or does not speak TLS.
    Tls(String),
    /// Nothing went forth or came back for long.
    Silent,
    /// The connection broke.
    Broken(String),
    /// The store answered with something that is no S3.
    Odd(String),
    /// The access key cannot be read.
    Access(String),
    /// The file of authorities cannot be used.
    Authorities(String),
    /// The file on the medium cannot be read.
    File(String),
    /// The file was changed while it was copied.
    Changed,
    /// What the store has is not what was sent.
    Differs(String),
}

/// How long to wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// The store or the way to it: it may be over at once.
    Soon,
    /// A person must do something first.
    Long,
    /// Only this one file: others may go on.
    File,
}

/// A failure, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// A word for programs.
    pub word: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do next.
    pub action: &'static str,
    /// How long to wait.
    pub patience: Patience,
}

impl Cause {
    /// Whether an upload that was begun is not known to the store any more.
    #[must_use]
    pub fn is_forgotten(&self) -> bool {
        self.word == "not_found"
    }
}

const KEY: &str = "check the two lines of offsite.key_file; it is read anew when it changes";
const RIGHTS: &str = "let the key put, get, list and abort uploads in the bucket (docs/offsite.md has the policy); it is tried again by itself";
const NETWORK: &str = "check the network, its name service, and offsite.endpoint; it is tried again by itself, and what was sent is not sent again";
const WAIT: &str = "nothing, it is tried again by itself; if it stays, look at the store";
const ADDRESS: &str = "check offsite.endpoint, offsite.region and offsite.bucket";

/// Understands.
#[must_use]
pub fn understand(seen: &Seen) -> Cause {
    use Patience::{File, Long, Soon};
    let cause = |word, what: String, action, patience| Cause {
        word,
        what,
        action,
        patience,
    };
    match seen {
        Seen::Answer { status, code } => answer(*status, code.as_deref()),
        Seen::NoConnection(why) => cause(
            "unreachable",
            format!("the store cannot be reached: {why}"),
            NETWORK,
            Soon,
        ),
        Seen::Silent => cause(
            "unreachable",
            "the store has not answered for a minute".to_owned(),
            NETWORK,
            Soon,
        ),
        Seen::Broken(why) => cause(
            "unreachable",
            format!("the connection to the store broke: {why}"),
            NETWORK,
            Soon,
        ),
        Seen::Tls(why) => cause(
            "tls",
            format!("the store's certificate is not taken: {why}"),
            "put its authority into the file of offsite.ca_file, and check the clock of this box",
            Long,
        ),
        Seen::Odd(why) => cause(
            "odd_answer",
            format!("the store answers as S3 does not: {why}"),
            ADDRESS,
            Soon,
        ),
        Seen::Access(why) => cause("credentials_missing", why.clone(), KEY, Long),
        Seen::Authorities(why) => cause(
            "authorities_missing",
            why.clone(),
            "install the package of certificate authorities, or set offsite.ca_file",
            Long,
        ),
        Seen::File(why) => cause(
            "file_unreadable",
            format!("a file cannot be read: {why}"),
            "look at the medium with dmesg; other files are copied meanwhile",
            File,
        ),
        Seen::Changed => cause(
            "file_changed",
            "a file was changed while it was copied".to_owned(),
            "nothing, it is copied again",
            File,
        ),
        Seen::Differs(why) => cause(
            "copy_differs",
            format!("the store does not have what was sent: {why}"),
            "look at the store; the file is copied again and stays here until then",
            File,
        ),
    }
}

fn answer(status: u16, code: Option<&str>) -> Cause {
    use Patience::{File, Long, Soon};
    let told = code.map_or_else(
        || format!("HTTP {status}"),
        |c| format!("HTTP {status}, {c}"),
    );
    let (word, what, action, patience) = match (status, code.unwrap_or_default()) {
        (_, "InvalidAccessKeyId" | "NotSignedUp" | "InvalidToken") => (
            "credentials_refused",
            "the store does not know the access key",
            KEY,
            Long,
        ),
        (_, "SignatureDoesNotMatch") => (
            "credentials_refused",
            "the secret does not belong to the access key",
            KEY,
            Long,
        ),
        (_, "ExpiredToken") => (
            "credentials_ended",
            "the access key's session has ended",
            KEY,
            Long,
        ),
        (_, "RequestTimeTooSkewed" | "RequestExpired") => (
            "clock_wrong",
            "the clock of this box and the store's are more than 15 minutes apart",
            "have the clock synchronised: timedatectl status",
            Soon,
        ),
        (_, "NoSuchBucket") => ("no_bucket", "there is no such bucket", ADDRESS, Long),
        (301 | 307 | 308, _) | (_, "PermanentRedirect" | "AuthorizationHeaderMalformed") => (
            "wrong_region",
            "the bucket is in another region or at another address",
            ADDRESS,
            Long,
        ),
        (_, "EntityTooLarge") => (
            "too_large",
            "the store takes no object of that size",
            "raise the store's limit; other files are copied meanwhile",
            File,
        ),
        (507, _) | (_, "QuotaExceeded" | "XMinioStorageFull") => (
            "store_full",
            "the store is full",
            "make room in the store, or raise its quota",
            Long,
        ),
        (401 | 403, _) => (
            "forbidden",
            "the access key may not do that, or is not known",
            RIGHTS,
            Long,
        ),
        (404, _) => ("not_found", "the store has no such thing", ADDRESS, Long),
        (408 | 429, _) | (500.., _) | (_, "SlowDown" | "InternalError" | "RequestTimeout") => {
            ("store_failing", "the store cannot serve now", WAIT, Soon)
        }
        (_, "BadDigest" | "XAmzContentSHA256Mismatch" | "InvalidDigest") => (
            "damaged_on_the_way",
            "bytes were damaged on the way to the store, which refused them",
            WAIT,
            Soon,
        ),
        _ => ("refused", "the store refused", ADDRESS, Long),
    };
    Cause {
        word,
        what: format!("{what} ({told})"),
        action,
        patience,
    }
}

/// The code in the body of an S3 error, which is XML (`<Error><Code>…</Code>…`).
#[must_use]
pub fn code(body: &str) -> Option<String> {
    let (_, rest) = body.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let word = code.trim();
    let fine =
        !word.is_empty() && word.len() <= 64 && word.bytes().all(|b| b.is_ascii_alphanumeric());
    fine.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, code: &str) -> Cause {
        understand(&Seen::Answer {
            status,
            code: (!code.is_empty()).then(|| code.to_owned()),
        })
    }

    #[test]
    fn what_only_a_person_can_mend_is_not_asked_again_and_again() {
        for code in [
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "AccessDenied",
            "",
        ] {
            let cause = of(403, code);
            assert_eq!(cause.patience, Patience::Long, "{code}");
        }
        assert!(of(403, "InvalidAccessKeyId").what.contains("access key"));
        assert_eq!(of(404, "NoSuchBucket").word, "no_bucket");
        assert_eq!(of(301, "").word, "wrong_region");
        assert_eq!(of(400, "AuthorizationHeaderMalformed").word, "wrong_region");
    }

    #[test]
    fn what_passes_by_itself_is_tried_soon() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(of(status, "").patience, Patience::Soon, "{status}");
        }
        assert_eq!(of(403, "RequestTimeTooSkewed").word, "clock_wrong");
        assert!(of(404, "NoSuchUpload").is_forgotten());
        assert!(!of(404, "NoSuchBucket").is_forgotten());
    }

    #[test]
    fn a_code_is_a_word_and_nothing_else_of_the_body_is_repeated() {
        assert_eq!(
            code("<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Key>x</Key></Error>")
                .as_deref(),
            Some("NoSuchKey")
        );
        for odd in ["", "<Code>", "<Code></Code>", "<Code>a b</Code>", "<html>"] {
            assert_eq!(code(odd), None, "{odd}");
        }
        assert_eq!(code(&format!("<Code>{}</Code>", "x".repeat(999))), None);
    }
}
