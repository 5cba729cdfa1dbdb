//! Whose tokens are taken beside our own: public keys, each with one algorithm.
//!
//! The key decides the algorithm: a P-256 key checks ES256, an Ed25519 key checks EdDSA, and a token
//! that names such a key and says anything else is refused.

use std::fmt;

use ed25519_dalek::VerifyingKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Fingerprint;
use super::Refusal;
use super::token::{Claims, decode, rules};

/// Trusted keys there may be.
pub const MOST: usize = 64;

/// One trusted public key.
#[derive(Clone)]
pub struct TrustedKey {
    kid: String,
    check: DecodingKey,
    rules: Validation,
    print: Fingerprint,
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedKey({:?}, {:?})", self.kid, self.algorithm())
    }
}

impl TrustedKey {
    /// From a PEM text (`BEGIN PUBLIC KEY`, RFC 5280 SubjectPublicKeyInfo) of a P-256 or Ed25519 key.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn from_pem(kid: &str, pem: &str) -> Result<Self, String> {
        let (algorithm, bytes, check) = if let Ok(key) = p256::PublicKey::from_public_key_pem(pem) {
            let point = key.to_sec1_bytes().into_vec();
            let check = DecodingKey::from_ec_der(&point);
            (Algorithm::ES256, point, check)
        } else if let Ok(key) = VerifyingKey::from_public_key_pem(pem) {
            let check = DecodingKey::from_ed_der(key.as_bytes());
            (Algorithm::EdDSA, key.as_bytes().to_vec(), check)
        } else if pem.contains("PRIVATE KEY") {
            return Err("holds a private key; only the public one belongs here".to_owned());
        } else {
            return Err("is no public key of P-256 or Ed25519 in PEM form".to_owned());
        };
        let hash = Sha256::digest(&bytes);
        let mut start = [0; 8];
        start.copy_from_slice(&hash[..8]);
        Ok(Self {
            kid: kid.to_owned(),
            check,
            rules: rules(algorithm),
            print: Fingerprint(u64::from_be_bytes(start)),
        })
    }

    fn algorithm(&self) -> Option<Algorithm> {
        self.rules.algorithms.first().copied()
    }

    /// Its name, as tokens give it in `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What tells it from other keys.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.print
    }

    /// The claims of a token that carries its signature.
    pub(super) fn claims(&self, token: &str) -> Result<Claims, Refusal> {
        decode(token, &self.check, &self.rules)
    }
}

/// The trusted keys.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(Vec<TrustedKey>);

impl TrustedKeys {
    /// A set; the first of two with one name counts.
    #[must_use]
    pub const fn new(keys: Vec<TrustedKey>) -> Self {
        Self(keys)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[TrustedKey] {
        &self.0
    }

    /// The key of that name.
    #[must_use]
    pub fn named(&self, kid: &str) -> Option<&TrustedKey> {
        self.0.iter().find(|key| key.kid == kid)
    }

    /// Whether a key is still among them, under whatever name.
    #[must_use]
    pub fn has(&self, print: Fingerprint) -> bool {
        self.0.iter().any(|key| key.print == print)
    }
}

/// A private key to mint with, elsewhere than on the box.
pub struct SigningKey {
    sign: EncodingKey,
    algorithm: Algorithm,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.algorithm)
    }
}

impl SigningKey {
    /// From a PEM text: PKCS #8 (`BEGIN PRIVATE KEY`) of P-256 or Ed25519, or `BEGIN EC PRIVATE KEY` of P-256.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        let odd = || "is no private key of P-256 or Ed25519 in PEM form".to_owned();
        let ec = p256::SecretKey::from_pkcs8_pem(pem).or_else(|_| p256_from_sec1(pem));
        if let Ok(key) = ec {
            let der = key.to_pkcs8_der().map_err(|_| odd())?;
            return Ok(Self {
                sign: EncodingKey::from_ec_der(der.as_bytes()),
                algorithm: Algorithm::ES256,
            });
        }
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map_err(|_| odd())?;
        let der = key.to_pkcs8_der().map_err(|_| odd())?;
        Ok(Self {
            sign: EncodingKey::from_ed_der(der.as_bytes()),
            algorithm: Algorithm::EdDSA,
        })
    }

    /// The algorithm's name: `ES256` or `EdDSA`.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        match self.algorithm {
            Algorithm::ES256 => "ES256",
            _ => "EdDSA",
        }
    }

    /// A token over `claims` whose header names the key `kid`.
    ///
    /// # Errors
    /// What the library says; a key that was read once signs.
    pub fn sign(&self, kid: &str, claims: &Value) -> Result<String, String> {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(kid.to_owned());
        jsonwebtoken::encode(&header, claims, &self.sign).map_err(|e| e.to_string())
    }
}

fn p256_from_sec1(pem: &str) -> Result<p256::SecretKey, ()> {
    // `openssl ecparam -genkey` writes the curve's parameters in front.
    let at = pem.find("-----BEGIN EC PRIVATE KEY-----").ok_or(())?;
    p256::SecretKey::from_sec1_pem(&pem[at..]).map_err(drop)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::access::Role;
    use crate::access::token::claims_of;
    use crate::clock::Wall;
    use ed25519_dalek::pkcs8::EncodePublicKey as _;
    use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
    use std::time::Duration;

    pub(crate) const NOW: Wall = Wall::from_secs(1_800_000_000);

    /// Private and public PEM of a P-256 key that everybody knows.
    pub(crate) fn p256_pair(seed: u8) -> (String, String) {
        let key = p256::SecretKey::from_slice(&[seed; 32]).unwrap();
        let private = key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
        let public = key.public_key().to_public_key_pem(LineEnding::LF).unwrap();
        (private, public)
    }

    /// The same for Ed25519.
    pub(crate) fn ed25519_pair(seed: u8) -> (String, String) {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        let private = key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
        let public = key
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .unwrap();
        (private, public)
    }

    pub(crate) fn minted(private: &str, kid: &str) -> String {
        let claims = claims_of("ann", Role::Operator, Duration::from_secs(60), NOW);
        SigningKey::from_pem(private)
            .unwrap()
            .sign(kid, &claims)
            .unwrap()
    }

    #[test]
    fn each_kind_of_key_takes_its_own_tokens_and_those_of_no_other() {
        let (ec, ec_public) = p256_pair(7);
        let (ed, ed_public) = ed25519_pair(7);
        let ec_key = TrustedKey::from_pem("fleet", &ec_public).unwrap();
        let ed_key = TrustedKey::from_pem("fleet", &ed_public).unwrap();
        assert!(ec_key.claims(&minted(&ec, "fleet")).is_ok());
        assert!(ed_key.claims(&minted(&ed, "fleet")).is_ok());
        assert_eq!(
            ec_key.claims(&minted(&ed, "fleet")),
            Err(Refusal::Algorithm)
        );
        assert_eq!(
            ed_key.claims(&minted(&ec, "fleet")),
            Err(Refusal::Algorithm)
        );
        let (other, _) = p256_pair(8);
        assert_eq!(
            ec_key.claims(&minted(&other, "fleet")),
            Err(Refusal::BadSignature)
        );
        assert_ne!(ec_key.fingerprint(), ed_key.fingerprint());
    }

    #[test]
    fn private_keys_other_curves_and_rubbish_are_refused_as_trusted_keys() {
        let (private, public) = p256_pair(7);
        let said = TrustedKey::from_pem("k", &private).unwrap_err();
        assert!(said.contains("private"), "{said}");
        for bad in ["", "hello", &public.replace('M', "N"), &public[..60]] {
            assert!(TrustedKey::from_pem("k", bad).is_err(), "{bad}");
        }
        assert!(SigningKey::from_pem(&public).is_err());
    }

    #[test]
    fn the_older_form_of_private_key_that_openssl_writes_is_read_too() {
        let key = p256::SecretKey::from_slice(&[9; 32]).unwrap();
        let sec1 = key.to_sec1_pem(LineEnding::LF).unwrap();
        let parameters =
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        let read = SigningKey::from_pem(&format!("{parameters}{}", sec1.as_str())).unwrap();
        assert_eq!(read.algorithm(), "ES256");
    }
}
