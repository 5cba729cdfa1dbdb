//! Reads, makes and changes the keys.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ed25519_dalek::{SigningKey, VerifyingKey};
use nix::fcntl::{Flock, FlockArg};
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
fn make(path: &Path) -> Result<SigningKey> {
    let mut secret = [0; 32];
    // getrandom(2): waits until the kernel's generator is seeded, which the first boot of a box may have to.
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| Error::new(Kind::Internal, "the kernel gives no randomness"))?;
    let key = SigningKey::from_bytes(&secret);
    keep(&key, path)?;
    Ok(key)
}

fn keep(key: &SigningKey, path: &Path) -> Result<()> {
    let pem = private_pem(key).map_err(|e| unwritable(path, io::Error::other(e)))?;
    durable::replace(path, pem.as_bytes(), 0o600).map_err(|e| unwritable(path, e))
}

fn unwritable(path: &Path, source: io::Error) -> Error {
    Error::new(Kind::Config, format!("cannot write {}", path.display()))
        .because(source)
        .action("make room on storage.data_dir, and let the service's user own it")
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

/// One at a time: two chains of the service, and the command line. Nobody waits for a recordings' medium with it.
fn lock(places: &Places) -> Result<Flock<File>> {
    let path = places.lock();
    let failed = |e: io::Error| {
        Error::new(Kind::Config, format!("cannot lock {}", path.display()))
            .because(e)
            .action("let the service's user own that folder")
    };
    durable::make(&places.private).map_err(failed)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| failed(e.into()))
}

/// The private key that signs the next record of a chain; `None`: none was made yet.
///
/// # Errors
/// `Config` when it is damaged, or others may read it.
pub(in crate::recording::seal) fn signer(places: &Places) -> Result<Option<SigningKey>> {
    match read(&places.former_key())? {
        Some(former) => Ok(Some(former)),
        None => read(&places.key()),
    }
}

/// The key that a chain is to be signed with, made where there is none.
///
/// # Errors
/// `Config` when a file cannot be read or written.
pub(in crate::recording::seal) fn own(places: &Places) -> Result<SigningKey> {
    if let Some(key) = read(&places.key())? {
        return Ok(key);
    }
    let _one = lock(places)?;
    // Whoever was here first has made it: both chains have one key.
    match read(&places.key())? {
        Some(key) => Ok(key),
        None => make(&places.key()),
    }
}

/// A chain is signed with `key` from now on, and says so: its former one is not needed any more.
///
/// # Errors
/// `Config` when a file cannot be read or written.
pub(in crate::recording::seal) fn handed_over(places: &Places, key: &SigningKey) -> Result<()> {
    let _one = lock(places)?;
    let newest = read(&places.key())?;
    if newest.is_none_or(|newest| newest.verifying_key() != key.verifying_key()) {
        // Somebody made another one meanwhile; this one hands over to that with the next record.
        return keep(key, &places.former_key());
    }
    let gone = match fs::remove_file(places.former_key()) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| File::open(&places.private)?.sync_all()),
    };
    gone.map_err(|e| unwritable(&places.former_key(), e))
}

/// The public key that signs the next record of a chain; it is made with its private half at first use.
///
/// # Errors
/// `Config` when a file cannot be read or written.
pub fn signs(places: &Places) -> Result<VerifyingKey> {
    let key = match signer(places)? {
        Some(key) => key,
        None => own(places)?,
    };
    Ok(key.verifying_key())
}

/// Makes the key that takes over with the next record of each chain, and gives its public half. The key before it stays
/// with each chain until that has handed over.
///
/// # Errors
/// `Config` when a file cannot be read or written.
pub fn rotate(medium: &Places, fallback: Option<&Places>) -> Result<VerifyingKey> {
    let key = own(medium)?;
    let _one = lock(medium)?;
    for chain in [Some(medium), fallback].into_iter().flatten() {
        // One that has not handed over yet hands over from where it is.
        if read(&chain.former_key())?.is_none() {
            keep(&key, &chain.former_key())?;
        }
    }
    Ok(make(&medium.key())?.verifying_key())
}

/// The newest record of a chain, as its line; `None` before the first.
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
