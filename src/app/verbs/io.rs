//! What the command line's short verbs do, without a running service.

use std::time::Duration;

use crate::access::claim::io::Standing;
use crate::access::{self, Role};
use crate::clock;
use crate::config::Config;
use crate::error::Result;
use crate::http::tls::Files;
use crate::http::tls::io::Certificate;
use crate::mediamtx;

/// `camera-service token`: the secret is made if this is the installation's first start.
///
/// # Errors
/// `Config` when the data folder cannot be used.
pub fn mint_token(config: &Config, user: &str, role: Role, ttl_secs: u64) -> Result<String> {
    let keyring = access::io::load_or_create(&config.storage.data_dir)?;
    access::claim::io::own(&config.storage.data_dir, "camera-service token")?;
    let whom = format!("{user} ({})", role.as_str());
    access::audit::io::note_command(&config.storage.data_dir, "token", Some(whom));
    Ok(keyring.mint(user, role, Duration::from_secs(ttl_secs), clock::wall()))
}

/// `camera-service claim-code`: the code that makes a fresh box somebody's; `None`: it is somebody's.
///
/// # Errors
/// `Config` when the data folder cannot be used.
pub fn claim_code(config: &Config) -> Result<Option<String>> {
    let standing = access::claim::io::look(&config.storage.data_dir, config.security.claim)?;
    Ok(match standing {
        Standing::Owned => None,
        Standing::Unclaimed(code) => Some(code.to_string()),
    })
}

/// `camera-service certificate`: the file and fingerprint to compare; made if this is the first start.
///
/// # Errors
/// `Config` where the files cannot be used.
pub fn certificate_text(config: &Config) -> Result<String> {
    let certificate = Certificate::open(certificate_files(config))?;
    Ok(format!(
        "{}\nSHA-256 {}",
        certificate.file().display(),
        certificate.fingerprint()
    ))
}

/// Where the certificate and its key are.
pub(in crate::app) fn certificate_files(config: &Config) -> Files {
    let server = &config.server;
    Files::new(
        &server.tls_certificate,
        &server.tls_key,
        &config.storage.data_dir,
    )
}

/// `camera-service version`.
#[must_use]
pub fn version_text() -> String {
    format!(
        "camera-service {} ({} {}, MediaMTX {} expected)",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
        mediamtx::locate::PINNED
    )
}
