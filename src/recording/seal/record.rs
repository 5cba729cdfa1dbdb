//! One line of the chain: what it says, and how it is signed.
//!
//! ```text
//! {"record":BODY,"signature":"SIGNATURE"}
//! ```
//!
//! BODY is a JSON object without spaces. What is signed (Ed25519, RFC 8032) are its very bytes, so nobody has to agree on
//! how JSON is written: the eleventh byte of a line up to the 105th from its end. SIGNATURE is base64 (RFC 4648, with
//! padding) of 64 bytes. `docs/evidence.md` tells it to people.

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::clock::Wall;

/// The only form there is.
pub const VERSION: u32 = 1;
/// A line is shorter than this, its end included.
pub const LONGEST: usize = 8 << 10;

const HEAD: &[u8] = b"{\"record\":";
const MIDDLE: &[u8] = b",\"signature\":\"";
const TAIL: &[u8] = b"\"}";
/// Base64 of 64 bytes.
const SIGNATURE: usize = 88;

/// SHA-256 of something.
pub type Digest = [u8; 32];

/// What comes before the first record.
pub const NOTHING: Digest = [0; 32];

/// SHA-256 of a line, without its line end.
#[must_use]
pub fn digest(bytes: &[u8]) -> Digest {
    let mut digest = NOTHING;
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    digest
}

/// A digest as it is written: 64 lower-case hexadecimal digits.
#[must_use]
pub fn hex(digest: &Digest) -> String {
    HEXLOWER.encode(digest)
}

/// What is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// A recording's file is there and may grow. Nothing is known of its content yet.
    Begin {
        /// The camera or stream, which is the file's folder.
        device: String,
        /// The file's name without its extension.
        stem: String,
        /// The file was older than the chain.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        found: bool,
    },
    /// The file is finished, and this is its content.
    Seal {
        /// As in `begin`.
        device: String,
        /// As in `begin`.
        stem: String,
        /// Bytes.
        size: u64,
        /// Of the whole file, in hexadecimal digits.
        sha256: String,
        /// When its first picture was taken, RFC 3339.
        begin: String,
        /// When its last picture was taken, RFC 3339.
        end: String,
        /// The service was ended, or lost its power, between the recording's end and this seal.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
    },
    /// The service itself is about to change a sealed file; it will be sealed anew.
    Reopen {
        /// As in `begin`.
        device: String,
        /// As in `begin`.
        stem: String,
        /// What for.
        why: String,
    },
    /// The service itself is about to delete a file.
    Delete {
        /// As in `begin`.
        device: String,
        /// As in `begin`.
        stem: String,
        /// The user who asked; `service` where nobody did.
        by: String,
        /// `retention`, or the method that was called.
        why: String,
    },
    /// From the next record on, another key signs.
    Rotate {
        /// That key, as in [`Record::key`].
        next: String,
    },
    /// The box itself found that it cannot go on where the chain ends.
    Break {
        /// What it found.
        why: String,
        /// The first and last number of records that it made and that are not here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<[u64; 2]>,
    },
    /// The records up to this one were removed by the service, because none of their recordings is left.
    Prune {
        /// The last one's number.
        through: u64,
        /// SHA-256 of its line.
        sha256: String,
    },
}

/// The signed part of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`VERSION`].
    pub v: u32,
    /// Its number; the first is 1.
    pub seq: u64,
    /// SHA-256 of the line before it, without its line end; of the first, zeros.
    pub prev: String,
    /// When it was written, by the box's clock, RFC 3339.
    pub at: String,
    /// The public key that signs it: base64 of its 32 bytes.
    pub key: String,
    /// What it says.
    pub what: What,
}

/// A line that has the form of one. Whether its signature is right is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// What is signed.
    pub body: &'a [u8],
    /// The same, read.
    pub record: Record,
    /// By whom it claims to be.
    pub signature: [u8; 64],
}

impl<'a> Line<'a> {
    /// Takes a line apart; its line end is not part of it.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn read(line: &'a [u8]) -> Result<Self, &'static str> {
        let (rest, signature) = line
            .strip_prefix(HEAD)
            .and_then(|rest| rest.strip_suffix(TAIL))
            .and_then(|rest| rest.split_last_chunk::<SIGNATURE>())
            .ok_or("it has not the form of a record")?;
        let body = rest
            .strip_suffix(MIDDLE)
            .ok_or("it has not the form of a record")?;
        let record: Record =
            serde_json::from_slice(body).map_err(|_| "its content has not the form of a record")?;
        if record.v != VERSION {
            return Err("it is of a later version than this program");
        }
        let signature = BASE64
            .decode(signature)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or("its signature is not base64")?;
        Ok(Self {
            body,
            record,
            signature,
        })
    }

    /// Whether the key that the record names has signed it.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        let signature = Signature::from_bytes(&self.signature);
        public(&self.record.key).is_some_and(|key| key.verify_strict(self.body, &signature).is_ok())
    }
}

/// A public key as records write it.
#[must_use]
pub fn public(text: &str) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = BASE64.decode(text.as_bytes()).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

/// How records write a public key.
#[must_use]
pub fn written(key: &VerifyingKey) -> String {
    BASE64.encode(key.as_bytes())
}

/// Makes the line of a record; without a line end. The key is the one that signs.
///
/// # Errors
/// One that would be longer than [`LONGEST`] lets be.
pub fn sign(
    key: &SigningKey,
    seq: u64,
    prev: &Digest,
    at: Wall,
    what: What,
) -> Result<Vec<u8>, String> {
    let record = Record {
        v: VERSION,
        seq,
        prev: hex(prev),
        at: at.rfc3339(),
        key: written(&key.verifying_key()),
        what,
    };
    let body = serde_json::to_vec(&record).map_err(|e| e.to_string())?;
    let signature = BASE64.encode(&key.sign(&body).to_bytes());
    let line = [HEAD, &body, MIDDLE, signature.as_bytes(), TAIL].concat();
    if line.len() >= LONGEST {
        return Err("the record is too long".to_owned());
    }
    Ok(line)
}

/// Whether bytes without a line end are what a power cut leaves of the record `seq` that follows on `prev`: its
/// beginning, or room that the file system had already given and not filled.
#[must_use]
pub fn is_torn(bytes: &[u8], seq: u64, prev: &Digest) -> bool {
    let begin = format!(
        "{{\"record\":{{\"v\":{VERSION},\"seq\":{seq},\"prev\":\"{}\",\"at\":\"",
        hex(prev)
    );
    let common = bytes.len().min(begin.len());
    let written = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    bytes.len() < LONGEST
        && bytes[..common.min(written)] == begin.as_bytes()[..common.min(written)]
        && !bytes[..written].contains(&0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn some() -> What {
        What::Seal {
            device: "camera0".to_owned(),
            stem: "party".to_owned(),
            size: 12,
            sha256: hex(&digest(b"x")),
            begin: "2026-11-21T10:15:00.000Z".to_owned(),
            end: "2026-11-21T10:16:00.000Z".to_owned(),
            late: false,
        }
    }

    #[test]
    fn a_line_is_what_the_document_says_to_the_byte() {
        let line = sign(
            &key(),
            3,
            &[0xab; 32],
            Wall::from_secs(1_790_000_000),
            some(),
        )
        .unwrap();
        let text = String::from_utf8(line.clone()).unwrap();
        let begin = format!(
            "{{\"record\":{{\"v\":1,\"seq\":3,\"prev\":\"{}\",\"at\":\"2026-09-21T14:13:20.000Z\",\"key\":\"",
            "ab".repeat(32)
        );
        assert!(text.starts_with(&begin), "{text}");
        // What docs/evidence.md has people cut out with head and tail.
        let body = &line[10..line.len() - 104];
        let read = Line::read(&line).unwrap();
        assert_eq!(read.body, body);
        assert!(read.is_signed());
        assert_eq!(read.record.what, some());
    }

    #[test]
    fn a_line_that_any_byte_was_changed_of_is_not_signed() {
        let line = sign(&key(), 1, &NOTHING, Wall::from_secs(1), some()).unwrap();
        for at in 0..line.len() {
            for flip in [1_u8, 0x20, 0x80] {
                let mut other = line.clone();
                other[at] ^= flip;
                let still = Line::read(&other).is_ok_and(|l| l.is_signed());
                assert!(!still, "byte {at} of {}", String::from_utf8_lossy(&other));
            }
        }
    }

    #[test]
    fn the_beginning_of_the_next_record_is_torn_and_anything_else_is_not() {
        let prev = digest(b"before");
        let line = sign(&key(), 9, &prev, Wall::from_secs(1), some()).unwrap();
        for end in 0..line.len() {
            assert!(is_torn(&line[..end], 9, &prev), "{end}");
        }
        let mut zeros = line[..50].to_vec();
        zeros.resize(300, 0);
        assert!(is_torn(&zeros, 9, &prev));
        assert!(is_torn(&[0; 100], 9, &prev));
        assert!(!is_torn(&line[..100], 8, &prev));
        assert!(!is_torn(b"garbage", 9, &prev));
        assert!(!is_torn(&[0, 0, b'x'], 9, &prev));
    }

    proptest! {
        #[test]
        fn no_bytes_bring_the_reader_down(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let whole = [HEAD, &bytes, MIDDLE, &[b'A'; SIGNATURE], TAIL].concat();
            for line in [&bytes, &whole] {
                let signed = Line::read(line).is_ok_and(|l| l.is_signed());
                prop_assert!(!signed);
            }
            prop_assert!(is_torn(&bytes, 1, &NOTHING) || !bytes.is_empty());
        }
    }
}
