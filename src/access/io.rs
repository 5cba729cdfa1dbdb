//! Keeps the secret that signs tokens: one text file, made once per installation.
//!
//! The law: a secret that is there is never overwritten, and a doubtful one is refused, not replaced:
//! replacing it would void every token in the field.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use super::token::{Keyring, SHORTEST_SECRET};
use crate::durable::{self, Content};
use crate::error::{Error, Kind, Result};

/// The environment variable that takes the place of the file.
pub const SECRET_VARIABLE: &str = "CAMERA_SERVICE_JWT_SECRET";

/// Bytes; a longer file is not a secret of ours.
const LONGEST_SECRET: u64 = 4096;

/// Where the secret lies beneath the data directory.
#[must_use]
pub fn secret_file(state_dir: &Path) -> PathBuf {
    state_dir.join("secrets").join("jwt")
}

/// The keyring of this installation: from [`SECRET_VARIABLE`] if set, else from the file, which is made if absent.
///
/// The key of the signature is the text of the secret itself, so the same text works in the variable,
/// in the file and in any other program that mints tokens.
pub fn load_or_create(state_dir: &Path) -> Result<Keyring> {
    match std::env::var_os(SECRET_VARIABLE) {
        Some(value) => from_variable(value.as_encoded_bytes()),
        None => from_file(state_dir),
    }
}

/// `N` bytes of the kernel's randomness.
///
/// Reads /dev/random: like getrandom(2) it waits until the kernel's generator is seeded, which
/// /dev/urandom does not, and the first boot of a box is when the secret is made.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0_u8; N];
    File::open("/dev/random")
        .and_then(|mut f| f.read_exact(&mut bytes))
        .map_err(|e| {
            Error::new(Kind::Internal, "cannot read randomness from /dev/random")
                .because(e)
                .action("mount devtmpfs on /dev")
        })?;
    Ok(bytes)
}

/// [`random`] as lower-case hexadecimal.
pub fn random_hex<const N: usize>() -> Result<String> {
    Ok(HEXLOWER.encode(&random::<N>()?))
}

/// What root makes on the command line must belong to the service's user, who owns the folder `above`.
///
/// # Errors
/// What the system says; without being root there is nothing to do and none.
pub(super) fn give_to_owner(file: &File, above: &Path) -> io::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(above)?;
    fchown(file, Some(owner.uid()), Some(owner.gid()))
}

/// On the command line root becomes whoever owns the data folder before anything in it is touched.
///
/// That user may put what it likes there: a symbolic link in the place of a lock, a folder or the audit log would
/// have root write, or give away, any file of the machine. For the rest of the process there is no way back.
///
/// # Errors
/// `Internal` when the kernel refuses. Nothing happens, and no error, for whoever is not root, where root itself owns
/// the folder, and where there is none yet.
pub fn become_owner(data_dir: &Path) -> Result<()> {
    use nix::unistd::{Gid, Uid, geteuid, setgid, setgroups, setuid};
    let Ok(meta) = fs::metadata(data_dir) else {
        return Ok(());
    };
    let (user, group) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
    if !geteuid().is_root() || user.is_root() {
        return Ok(());
    }
    setgroups(&[group])
        .and_then(|()| setgid(group))
        .and_then(|()| setuid(user))
        .map_err(|e| {
            let what = format!(
                "cannot become the user {user}, who owns {}",
                data_dir.display()
            );
            Error::new(Kind::Internal, what)
                .because(e)
                .action(format!("run the command as that user: sudo -u '#{user}' …"))
        })
}

fn from_variable(value: &[u8]) -> Result<Keyring> {
    Keyring::new(value).ok_or_else(|| {
        Error::new(
            Kind::Config,
            format!(
                "{SECRET_VARIABLE} holds {} bytes, a secret needs {SHORTEST_SECRET} or more",
                value.len()
            ),
        )
        .action(
            "set a longer one, such as the output of `openssl rand -hex 32`, or unset the variable",
        )
    })
}

fn from_file(state_dir: &Path) -> Result<Keyring> {
    let path = secret_file(state_dir);
    if let Some(keyring) = read(&path)? {
        return Ok(keyring);
    }
    let text = random_hex::<32>()?;
    create(&path, &text).map_err(|e| {
        Error::new(Kind::Config, format!("cannot make {}", path.display()))
            .because(e)
            .action(format!(
                "make {} a directory that the service may write",
                state_dir.display()
            ))
    })?;
    // Read back: another process may have been first, and then its secret counts.
    read(&path)?.ok_or_else(|| {
        Error::new(
            Kind::Config,
            format!("{} vanished while it was made", path.display()),
        )
    })
}

fn read(path: &Path) -> Result<Option<Keyring>> {
    let refuse = |what: String, action: String| {
        Err(Error::new(Kind::Config, format!("{} {what}", path.display())).action(action))
    };
    let Content { mode, text } = match durable::read(path, LONGEST_SECRET) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(None),
        Err(e) => {
            return refuse(
                format!("cannot be read: {e}"),
                "let the service's user own it".to_owned(),
            );
        }
    };
    if mode & 0o077 != 0 {
        return refuse(
            format!("may be read by others (mode {mode:o})"),
            format!(
                "chmod 600 {}, and make a new secret if others have been here",
                path.display()
            ),
        );
    }
    let secret = text.trim_ascii_end();
    let plain = secret.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    if text.len() as u64 > LONGEST_SECRET || !plain || secret.len() < SHORTEST_SECRET {
        return refuse(
            format!(
                "is not a secret: {} bytes, where {SHORTEST_SECRET} or more printable ones belong",
                text.len()
            ),
            "restore it from a backup; or delete it, which voids all tokens, and start again"
                .to_owned(),
        );
    }
    Ok(Keyring::new(secret))
}

/// Whole or not at all, and never over a present one: link(2) fails where rename(2) would replace.
pub(super) fn create(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    let above = dir.parent().unwrap_or(dir);
    give_to_owner(&File::open(dir)?, above)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(
        ".{name}.{}.{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let linked = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            give_to_owner(&file, above)?;
            writeln!(file, "{text}")?;
            file.sync_all()
        })
        .and_then(|()| match fs::hard_link(&temporary, path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
    let _ = fs::remove_file(&temporary);
    linked?;
    File::open(dir)?.sync_all()?;
    dir.parent().map_or(Ok(()), |d| File::open(d)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_secret_in_the_environment_is_refused_with_its_name_and_a_long_one_taken() {
        let said = from_variable(b"too short").unwrap_err();
        assert_eq!(said.kind(), Kind::Config);
        assert!(said.to_string().contains(SECRET_VARIABLE), "{said}");
        assert!(from_variable(b"0123456789abcdef0123456789abcdef").is_ok());
    }

    #[test]
    fn two_draws_of_randomness_differ() {
        let (a, b) = (random_hex::<32>().unwrap(), random_hex::<32>().unwrap());
        assert_eq!((a.len(), b.len()), (64, 64));
        assert_ne!(a, b);
    }
}
