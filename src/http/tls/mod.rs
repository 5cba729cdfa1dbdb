//! TLS: which certificate the secure door shows, and the one it makes for itself when it has none.
//!
//! The pure part: names and life of our own certificate, whether two PEM texts are a pair, and ([`life`]) what to
//! say before one ends.
//! [`io`] keeps the files and looks whether they have changed.

pub mod io;
pub mod life;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::clock::Wall;
use crate::error::{Error, Kind, Result};

/// Life of our own certificate: nobody renews what a box made for itself.
const LIFE_DAYS: i64 = 3653;
/// 2026-01-01. A box without a clock battery starts long before it; its certificate must not.
const EPOCH: i64 = 1_767_225_600;

/// The two PEM files of the secure door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and those between it and its authority, in that order.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whether we may make them when they are absent.
    pub ours: bool,
}

impl Files {
    /// The configured files, or our own beneath the data folder where none are.
    #[must_use]
    pub fn new(certificate: &Path, key: &Path, data_dir: &Path) -> Self {
        if certificate.as_os_str().is_empty() {
            let dir = data_dir.join("tls");
            Self {
                certificate: dir.join("certificate.pem"),
                key: dir.join("key.pem"),
                ours: true,
            }
        } else {
            Self {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
                ours: false,
            }
        }
    }
}

/// A certificate and its key as PEM (RFC 7468).
#[derive(Clone)]
pub struct Pem {
    /// The certificate.
    pub certificate: String,
    /// PKCS #8.
    pub key: String,
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pem(with its key)")
    }
}

/// The names our own certificate is good for: the host's, the same with `.local`, `localhost`, and
/// the addresses. Link-local IPv6 is left out: its zone cannot stand in a certificate.
#[must_use]
pub fn names(hostname: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Vec<String> {
    let host = hostname.trim().trim_end_matches('.').to_ascii_lowercase();
    let is_name = (1..=200).contains(&host.len())
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        && !host.starts_with(['-', '.']);
    let mut names = Vec::new();
    let mut add = |name: String| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    if is_name {
        add(host.clone());
        if !host.contains('.') {
            add(format!("{host}.local"));
        }
    }
    add("localhost".to_owned());
    for address in addresses {
        let linked = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if !linked && !address.is_unspecified() && !address.is_multicast() {
            add(address.to_string());
        }
    }
    names
}

/// Makes a certificate that signs itself: ECDSA on P-256, ten years.
///
/// # Errors
/// `Internal` where the library refuses, which no list of [`names`] makes it do.
pub fn make(names: &[String], now: Wall) -> Result<Pem> {
    let refused = |e: rcgen::Error| {
        Error::new(Kind::Internal, "cannot make a certificate for TLS").because(e)
    };
    let mut params = CertificateParams::new(names).map_err(refused)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(EPOCH).max(EPOCH);
    let date = |secs: i64| time::OffsetDateTime::from_unix_timestamp(secs).ok();
    if let (Some(from), Some(until)) = (date(EPOCH), date(now + LIFE_DAYS * 86_400)) {
        params.not_before = from;
        params.not_after = until;
    }
    let called = names.first().map_or("camera-service", String::as_str);
    // X.520 gives a common name 64 characters at most.
    let called: String = called.chars().take(64).collect();
    params.distinguished_name.push(DnType::CommonName, called);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "camera-service");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(refused)?;
    let certificate = params.self_signed(&key).map_err(refused)?;
    Ok(Pem {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

/// Reads a certificate with its key, and sees that they belong together.
///
/// # Errors
/// A sentence that says which of the two is wrong and how.
pub fn pair(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| format!("the certificate is not PEM: {e:?}"))?;
    if chain.is_empty() {
        return Err("the certificate's file holds no CERTIFICATE block".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|e| format!("the key's file holds no private key in PEM: {e:?}"))?;
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|e| match e {
        rustls::Error::InconsistentKeys(_) => {
            "the key does not belong to the certificate".to_owned()
        }
        rustls::Error::InvalidCertificate(why) => format!("the certificate is broken: {why:?}"),
        other => format!("the key cannot be used: {other}"),
    })
}

/// The SHA-256 of a certificate as people compare it: `AB:CD:…`.
#[must_use]
pub fn fingerprint(certificate: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    let mut text = String::with_capacity(95);
    for (i, byte) in digest.as_ref().iter().enumerate() {
        let colon = if i == 0 { "" } else { ":" };
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_secs(1_800_000_000);

    fn made(host: &str) -> Pem {
        make(&names(host, ["192.168.1.5".parse().unwrap()]), NOW).unwrap()
    }

    #[test]
    fn a_box_answers_to_its_name_its_local_name_and_its_addresses() {
        let addresses = ["127.0.0.1", "10.0.0.7", "10.0.0.7", "fe80::1", "fd00::7"];
        let all = names("Box", addresses.map(|a| a.parse().unwrap()));
        let expected = [
            "box",
            "box.local",
            "localhost",
            "127.0.0.1",
            "10.0.0.7",
            "fd00::7",
        ];
        assert_eq!(all, expected);
        assert_eq!(
            names("box.example.org", []),
            ["box.example.org", "localhost"]
        );
        for strange in ["", "-x", "a b", "ä", &"x".repeat(300)] {
            assert_eq!(names(strange, []), ["localhost"], "{strange}");
        }
    }

    #[test]
    fn what_we_make_is_a_pair_and_a_strangers_key_is_not() {
        let (one, two) = (made("one"), made("two"));
        assert!(pair(one.certificate.as_bytes(), one.key.as_bytes()).is_ok());
        let why = pair(one.certificate.as_bytes(), two.key.as_bytes()).unwrap_err();
        assert_eq!(why, "the key does not belong to the certificate");
        assert!(!format!("{one:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_broken_file_is_told_from_its_partner() {
        let good = made("box");
        let (certificate, key) = (good.certificate.as_bytes(), good.key.as_bytes());
        for broken in [
            &b""[..],
            b"nonsense",
            key,
            b"-----BEGIN CERTIFICATE-----\nAAAA",
        ] {
            let why = pair(broken, key).unwrap_err();
            assert!(why.starts_with("the certificate"), "{why}");
        }
        let empty = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let why = pair(empty, key).unwrap_err();
        assert!(why.starts_with("the certificate is broken"), "{why}");
        for broken in [&b""[..], b"nonsense", certificate] {
            let why = pair(certificate, broken).unwrap_err();
            assert!(why.starts_with("the key"), "{why}");
        }
    }

    #[test]
    fn a_box_without_a_clock_makes_a_certificate_that_is_good_today() {
        for now in [Wall::from_secs(0), NOW, Wall::from_secs(u64::MAX)] {
            let made = make(&names("box", []), now).unwrap();
            assert!(pair(made.certificate.as_bytes(), made.key.as_bytes()).is_ok());
        }
    }

    #[test]
    fn the_fingerprint_is_the_sha_256_in_pairs() {
        assert_eq!(
            fingerprint(b"abc"),
            "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD"
        );
    }
}
