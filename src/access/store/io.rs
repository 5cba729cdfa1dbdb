//! The document on disk: one private file, always whole, shared by the service and the command line.
//!
//! Whoever changes it holds the lock, reads the newest state, and replaces the file in one step. A
//! damaged file is never written over.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use super::Store;
use super::keys::Fresh;
use crate::access::io::{give_to_owner, random};
use crate::access::trusted::{MOST, TrustedKey, TrustedKeys};
use crate::clock;
use crate::durable::{self, Content};
use crate::error::{Error, Kind, Result};

/// Bytes: 1000 keys and 10,000 revocations at their longest are below it.
const LONGEST: u64 = 16 << 20;
/// Bytes of one public key's file.
const LONGEST_PEM: u64 = 16 << 10;
/// How long to wait for somebody else who changes the document.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Where everything about credentials lies.
#[derive(Debug, Clone)]
pub struct Files {
    dir: PathBuf,
}

/// How files looked: another look means another content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look(Vec<(PathBuf, [i128; 4])>);

impl Files {
    /// Beneath the data folder.
    #[must_use]
    pub fn beneath(data_dir: &Path) -> Self {
        Self {
            dir: data_dir.join("access"),
        }
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> PathBuf {
        self.dir.join("keys.json")
    }

    /// The folder of all of them.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// Whether something of it is a link, whose target may lie, and be changed, anywhere.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        let mut all = self.files();
        all.extend([self.trusted(), self.dir.clone()]);
        all.iter().any(|path| path.is_symlink())
    }

    /// The files themselves, as far as they are there; the document in any case.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let mut all = self.pems();
        all.push(self.document());
        all
    }

    /// The folder of public keys.
    #[must_use]
    pub fn trusted(&self) -> PathBuf {
        self.dir.join("trusted")
    }

    /// Reads the document; absent is empty.
    ///
    /// # Errors
    /// `Config` with the file and what to do, when it is damaged, or others may read it.
    pub fn read(&self) -> Result<Store> {
        let path = self.document();
        let refuse = |what: String, action: String| {
            Err(Error::new(Kind::Config, format!("{} {what}", path.display())).action(action))
        };
        let Content { mode, text } = match durable::read(&path, LONGEST) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Store::default()),
            Err(e) => {
                return refuse(
                    format!("cannot be read: {e}"),
                    "let the service's user own it".to_owned(),
                );
            }
        };
        if mode & 0o077 != 0 {
            return refuse(
                format!("may be used by others (mode {mode:o})"),
                format!(
                    "chmod 600 {}, and look whether somebody changed it",
                    path.display()
                ),
            );
        }
        if text.len() as u64 > LONGEST {
            return refuse(
                format!("is longer than {LONGEST} bytes"),
                "restore it from a backup".to_owned(),
            );
        }
        Store::parse(&text).or_else(|what| {
            refuse(
                what,
                "restore it from a backup; or move it and the file lock beside it away, which voids every API key and brings revoked tokens back, and start again"
                    .to_owned(),
            )
        })
    }

    /// Whether the document is there, if it ever was: whoever changes it makes it together with its lock.
    ///
    /// A service that began without it would take back every revocation there was, and say nothing.
    ///
    /// # Errors
    /// `Config` with the file and what to do, when it is gone.
    pub fn not_lost(&self) -> Result<()> {
        let path = self.document();
        if path.exists() || !self.dir.join("lock").exists() {
            return Ok(());
        }
        // Somebody may be about to make the first one.
        let _lock = self.lock()?;
        if path.exists() {
            return Ok(());
        }
        Err(Error::new(Kind::Config, format!("{} is gone, and it was there", path.display())).action(format!(
            "restore it from a backup; or delete {}, which voids every API key and brings revoked tokens back, and start again",
            self.dir.join("lock").display()
        )))
    }

    /// Changes the document: the newest state in, `change` applied, the file replaced. Gives that state, too.
    ///
    /// # Errors
    /// What [`Files::read`] says, what `change` says, or that it cannot be written. Then nothing has changed.
    pub fn change<T>(&self, change: impl FnOnce(&mut Store) -> Result<T>) -> Result<(Store, T)> {
        let failed = |e: io::Error| {
            Error::new(
                Kind::Config,
                format!("cannot write {}", self.document().display()),
            )
            .because(e)
            .action("let the service's user own that folder, and look whether the disk is full")
        };
        self.make_dir().map_err(failed)?;
        let _lock = self.lock()?;
        let mut store = self.read()?;
        if !self.document().exists() {
            // Also where the change fails: from now on, absent means lost.
            durable::replace(&self.document(), &store.render(), 0o600).map_err(failed)?;
        }
        let before = store.clone();
        let said = change(&mut store)?;
        if store != before {
            durable::replace(&self.document(), &store.render(), 0o600).map_err(failed)?;
        }
        Ok((store, said))
    }

    /// Reads the trusted public keys; a file that is none is passed over, and told.
    #[must_use]
    pub fn read_trusted(&self) -> (TrustedKeys, Vec<String>) {
        let (mut keys, mut odd) = (Vec::new(), Vec::new());
        for path in self.pems() {
            let read = File::open(&path).and_then(|file| {
                let mut text = String::new();
                file.take(LONGEST_PEM).read_to_string(&mut text)?;
                Ok(text)
            });
            let kid = path.file_stem().unwrap_or_default().to_string_lossy();
            let key = read
                .map_err(|e| format!("cannot be read: {e}"))
                .and_then(|text| TrustedKey::from_pem(&kid, &text));
            match key {
                Ok(key) if keys.len() < MOST => keys.push(key),
                Ok(_) => odd.push(format!(
                    "{} is one too many: {MOST} are read",
                    path.display()
                )),
                Err(what) => odd.push(format!("{} {what}", path.display())),
            }
        }
        (TrustedKeys::new(keys), odd)
    }

    /// How everything looks now.
    #[must_use]
    pub fn look(&self) -> Look {
        let mut all = self.pems();
        all.push(self.document());
        let seen = |path: PathBuf| {
            let meta = fs::metadata(&path).ok()?;
            let nanos =
                |secs: i64, nanos: i64| i128::from(secs) * 1_000_000_000 + i128::from(nanos);
            let look = [
                i128::from(meta.ino()),
                i128::from(meta.size()),
                nanos(meta.mtime(), meta.mtime_nsec()),
                nanos(meta.ctime(), meta.ctime_nsec()),
            ];
            Some((path, look))
        };
        Look(all.into_iter().filter_map(seen).collect())
    }

    fn pems(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = fs::read_dir(self.trusted())
            .into_iter()
            .flatten()
            // Twice as many as count, so that one too many can be told.
            .take(2 * MOST)
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ext| ext == "pem"))
            .collect();
        found.sort();
        found
    }

    fn make_dir(&self) -> io::Result<()> {
        if self.dir.is_dir() {
            return Ok(());
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)?;
        give_to_owner(
            &File::open(&self.dir)?,
            self.dir.parent().unwrap_or(&self.dir),
        )
    }

    fn lock(&self) -> Result<Flock<File>> {
        let path = self.dir.join("lock");
        let failed = |e: io::Error| {
            Error::new(Kind::Config, format!("cannot lock {}", path.display()))
                .because(e)
                .action("let the service's user own that folder")
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        give_to_owner(&file, &self.dir).map_err(failed)?;
        let begun = clock::mono();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(lock),
                Err((again, nix::errno::Errno::EWOULDBLOCK)) => file = again,
                Err((_, e)) => return Err(failed(e.into())),
            }
            if clock::mono().since(begun) > LOCK_PATIENCE {
                return Err(Error::new(
                    Kind::Transient,
                    format!(
                        "somebody else has been changing {} for {} s",
                        self.document().display(),
                        LOCK_PATIENCE.as_secs()
                    ),
                )
                .action("try again; end a camera-service keys command that hangs"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Randomness for one key.
///
/// # Errors
/// `Internal` when the kernel gives none.
pub fn fresh() -> Result<Fresh> {
    Ok(Fresh {
        secret: random()?,
        id: random()?,
    })
}
