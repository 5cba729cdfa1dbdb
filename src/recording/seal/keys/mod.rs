//! The key that signs: PEM on the data partition, made at first use, taken over by the next one.

pub mod io;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use ed25519_dalek::pkcs8::{EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{SigningKey, VerifyingKey};

/// The PEM text of a public key (`BEGIN PUBLIC KEY`, RFC 8410).
///
/// # Errors
/// What the encoder says; it has never said anything.
pub fn public_pem(key: &VerifyingKey) -> Result<String, String> {
    key.to_public_key_pem(LineEnding::LF)
        .map_err(|e| e.to_string())
}

/// A public key out of such a text.
///
/// # Errors
/// What it is instead.
pub fn read_public(pem: &str) -> Result<VerifyingKey, &'static str> {
    VerifyingKey::from_public_key_pem(pem.trim_start()).map_err(|_| {
        if pem.contains("PRIVATE KEY") {
            "holds a private key; the public one is meant"
        } else {
            "holds no public Ed25519 key in PEM form"
        }
    })
}

/// The PEM text of a private key (`BEGIN PRIVATE KEY`, PKCS #8 version 1, which openssl reads, too).
fn private_pem(key: &SigningKey) -> Result<String, String> {
    let bytes = KeypairBytes {
        secret_key: key.to_bytes(),
        public_key: None,
    };
    bytes
        .to_pkcs8_pem(LineEnding::LF)
        .map(|pem| pem.to_string())
        .map_err(|e| e.to_string())
}

fn read_private(pem: &str) -> Result<SigningKey, &'static str> {
    SigningKey::from_pkcs8_pem(pem).map_err(|_| "holds no private Ed25519 key in PEM form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_they_were_written_and_are_not_taken_for_each_other() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let private = private_pem(&key).unwrap();
        assert_eq!(read_private(&private).unwrap().to_bytes(), key.to_bytes());
        let public = public_pem(&key.verifying_key()).unwrap();
        assert_eq!(read_public(&public).unwrap(), key.verifying_key());
        assert!(read_public(&private).unwrap_err().contains("private"));
        assert!(read_private(&public).is_err());
    }
}
