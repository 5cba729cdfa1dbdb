//! Reads, makes and changes the keys.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use ed25519_dalek::{SigningKey, VerifyingKey};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{private_pem, public_pem, read_private, read_public};
use crate::durable;
use crate::error::{Error, Kind, Result};
use crate::recording::seal::chain::Places;

/// Bytes of a key's file.
const LONGEST: u64 = 16 << 10;

/// The private key at `path`; `None` when there is none.
///
/// # Errors
/// `Config` when it is damaged, or others may read it.
pub(in crate::recording::seal) fn read(path: &Path) -> Result<Option<SigningKey>> {
    let refuse = |what: String| {
        Error::new(Kind::Config, format!("{} {what}", path.display())).action(
            "restore it from a backup; or move it away, and the chain goes on with another key and says so",
        )
    };
    let Some(found) =
        durable::read(path, LONGEST).map_err(|e| refuse(format!("cannot be read: {e}")))?
    else {
        return Ok(None);
    };
    if found.mode & 0o077 != 0 {
        return Err(refuse(format!(
            "may be used by others (mode {:o})",
            found.mode
        )));
    }
    let text = String::from_utf8_lossy(&found.text);
    read_private(&text)
        .map(Some)
        .map_err(|e| refuse(e.to_owned()))
}

/// Makes a private key at `path`.
///
/// # Errors
/// `Config` when it cannot be written; `Internal` when the kernel gives no randomness.
pub(in crate::recording::seal) fn make(path: &Path) -> Result<SigningKey> {
    let mut secret = [0; 32];
    // getrandom(2): waits until the kernel's generator is seeded, which the first boot of a box may have to.
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| Error::new(Kind::Internal, "the kernel gives no randomness"))?;
    let key = SigningKey::from_bytes(&secret);
    let failed = |e: io::Error| {
        Error::new(Kind::Config, format!("cannot write {}", path.display()))
            .because(e)
            .action("make room on storage.data_dir, and let the service's user own it")
    };
    let pem = private_pem(&key).map_err(|e| failed(io::Error::other(e)))?;
    durable::replace(path, pem.as_bytes(), 0o600).map_err(failed)?;
    Ok(key)
}

/// Writes the public key beside the chain.
pub(in crate::recording::seal) fn publish(key: &VerifyingKey, path: &Path) -> io::Result<()> {
    let pem = public_pem(key).map_err(io::Error::other)?;
    if let Ok(Some(found)) = durable::read(path, LONGEST)
        && found.text == pem.as_bytes()
    {
        return Ok(());
    }
    durable::replace(path, pem.as_bytes(), 0o644)
}

/// The next key has taken over: it is the key now.
pub(in crate::recording::seal) fn promote(places: &Places) -> io::Result<()> {
    fs::rename(places.next_key(), places.key())?;
    File::open(&places.private)?.sync_all()
}

/// The public key of the box, made with its private one at first use.
///
/// # Errors
/// `Config` when a file cannot be read or written.
pub fn own(places: &Places) -> Result<VerifyingKey> {
    let key = match read(&places.key())? {
        Some(key) => key,
        None => make(&places.key())?,
    };
    Ok(key.verifying_key())
}

/// Makes the key that takes over with the next record, and gives its public half.
///
/// # Errors
/// `Config` when a file cannot be read or written.
pub fn rotate(places: &Places) -> Result<VerifyingKey> {
    own(places)?;
    Ok(make(&places.next_key())?.verifying_key())
}

/// The newest record of the box, as its line; `None` before the first.
///
/// # Errors
/// `Config` when it cannot be read.
pub fn head(places: &Places) -> Result<Option<String>> {
    let path = places.head();
    let found = durable::read(&path, LONGEST).map_err(|e| {
        Error::new(Kind::Config, format!("cannot read {}", path.display()))
            .because(e)
            .action("let the service's user own it")
    })?;
    Ok(found.map(|found| String::from_utf8_lossy(&found.text).into_owned()))
}

/// A public key out of a file that somebody names.
///
/// # Errors
/// `Config` when it cannot be read or is none.
pub fn public_of(path: &Path) -> Result<VerifyingKey> {
    let refuse = |what: String| {
        Error::new(Kind::Config, format!("{} {what}", path.display()))
            .action("name the file that `camera-service evidence key` printed on the box")
    };
    match durable::read(path, LONGEST) {
        Ok(Some(found)) => read_public(&String::from_utf8_lossy(&found.text))
            .map_err(|what| refuse(what.to_owned())),
        Ok(None) => Err(refuse("is not there".to_owned())),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            Err(refuse("may not be read by you".to_owned()))
        }
        Err(e) => Err(refuse(format!("cannot be read: {e}"))),
    }
}
