//! Keeps the traces of a claim, and grants one.
//!
//! `<data_dir>/secrets/claim` holds the secret behind the code, made before the secret of the tokens, so that a
//! power cut between the two leaves a fresh box and not an owned one. `claimed` beside it says since when and how
//! the box is somebody's; it is made once, by link(2), so of two who come at once one is refused. Deleting
//! `<data_dir>` makes the box nobody's again.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tracing::{info, warn};

use super::{Code, Denied, Grant, Owned, Owner, Traces, Tries};
use crate::access::io::{SECRET_VARIABLE, create, random_hex, secret_file};
use crate::access::{Keyring, Role};
use crate::clock;
use crate::error::{Error, Kind, Later, Result};

/// Bytes; a longer file is not ours.
const LONGEST: u64 = 4096;

fn claim_file(data_dir: &Path) -> PathBuf {
    data_dir.join("secrets").join("claim")
}

fn claimed_file(data_dir: &Path) -> PathBuf {
    data_dir.join("secrets").join("claimed")
}

/// Where the box stands.
#[derive(Debug)]
pub enum Standing {
    /// It is somebody's.
    Owned,
    /// It is nobody's; this code makes it somebody's.
    Unclaimed(Code),
}

/// Looks, and on a fresh folder makes the secret behind the code. Call before the keyring is made.
///
/// # Errors
/// `Config` when the folder cannot be read or written.
pub fn look(data_dir: &Path, wanted: bool) -> Result<Standing> {
    let traces = Traces {
        switched_off: !wanted,
        claimed: claimed_file(data_dir).exists(),
        secret_from_environment: std::env::var_os(SECRET_VARIABLE).is_some(),
        token_secret: secret_file(data_dir).exists(),
        claim_secret: claim_file(data_dir).exists(),
    };
    match traces.owned() {
        Some(Owned::Claimed | Owned::SwitchedOff) => Ok(Standing::Owned),
        Some(Owned::UsedBefore) => {
            own(data_dir, "it was in use before")?;
            Ok(Standing::Owned)
        }
        Some(Owned::SecretFromEnvironment) => {
            own(data_dir, SECRET_VARIABLE)?;
            Ok(Standing::Owned)
        }
        None => {
            let path = claim_file(data_dir);
            if !traces.claim_secret {
                create(&path, &random_hex::<32>()?).map_err(|e| unusable(data_dir, &path, e))?;
            }
            let secret = fs::metadata(&path)
                .and_then(|meta| match meta.len() {
                    33..=LONGEST => fs::read(&path),
                    n => Err(std::io::Error::other(format!("it holds {n} bytes, not 65"))),
                })
                .map_err(|e| {
                    Error::new(Kind::Config, format!("cannot read {}", path.display()))
                        .because(e)
                        .action("delete it and start again, and the box gets another code")
                })?;
            Ok(Standing::Unclaimed(Code::of(secret.trim_ascii())))
        }
    }
}

/// Makes the box somebody's, `how` it came to that. False: it was somebody's before.
///
/// # Errors
/// `Config` when the folder cannot be written.
pub fn own(data_dir: &Path, how: &str) -> Result<bool> {
    let path = claimed_file(data_dir);
    if path.exists() {
        return Ok(false);
    }
    let text = json!({ "time": clock::wall().rfc3339(), "how": how }).to_string();
    create(&path, &text).map_err(|e| unusable(data_dir, &path, e))?;
    // Whoever was first has his words in it.
    Ok(fs::read_to_string(&path).is_ok_and(|found| found.trim_end() == text))
}

fn unusable(data_dir: &Path, path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Config, format!("cannot make {}", path.display()))
        .because(error)
        .action(format!(
            "make {} a directory that the service may write",
            data_dir.display()
        ))
}

/// The claim of the running service.
#[derive(Debug)]
pub struct Claim {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    data_dir: PathBuf,
    keyring: Arc<Keyring>,
    life: Duration,
    code: Option<Code>,
    unclaimed: AtomicBool,
    tries: Mutex<Tries>,
}

impl Claim {
    /// For a box that stands so; a granted token lives for `life`. Says the code on the log.
    #[must_use]
    pub fn new(standing: Standing, data_dir: &Path, keyring: Arc<Keyring>, life: Duration) -> Self {
        let code = match standing {
            Standing::Owned => None,
            Standing::Unclaimed(code) => Some(code),
        };
        if let Some(code) = &code {
            warn!(
                "this box is nobody's yet: open its page and type in the code {code}, or make a token here with `camera-service token`"
            );
        }
        Self {
            inner: Arc::new(Inner {
                data_dir: data_dir.to_owned(),
                keyring,
                life,
                unclaimed: AtomicBool::new(code.is_some()),
                code,
                tries: Mutex::default(),
            }),
        }
    }

    /// Whoever runs inside the service owns the box. Blocks for a file the first time.
    pub fn own(&self, how: &str) {
        self.inner.own(how);
    }
}

impl Inner {
    /// Takes the box out of nobody's hands, in memory first.
    fn own(&self, how: &str) {
        if self.unclaimed.swap(false, Ordering::AcqRel) {
            self.keep(how);
        }
    }

    fn keep(&self, how: &str) {
        if let Err(error) = own(&self.data_dir, how) {
            warn!(%error, "that the box is owned could not be kept; after a restart it asks again");
        }
    }

    fn claim(&self, typed: &str, user: &str, from: IpAddr) -> Result<Grant, Denied> {
        let Some(code) = self.code.as_ref().filter(|_| self.is_unclaimed()) else {
            return Err(Denied::Owned);
        };
        self.tries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(from, clock::mono())
            .map_err(Denied::TooOften)?;
        // Somebody may have made a token on the box meanwhile, with another process.
        if claimed_file(&self.data_dir).exists() {
            self.unclaimed.store(false, Ordering::Release);
            return Err(Denied::Owned);
        }
        if !code.matches(typed) {
            return Err(Denied::WrongCode);
        }
        let how = format!(
            "the code, by {user:?} from {from}, {}",
            uuid::Uuid::new_v4()
        );
        let first = own(&self.data_dir, &how).map_err(Denied::Failed)?;
        self.unclaimed.store(false, Ordering::Release);
        if !first {
            return Err(Denied::Owned);
        }
        info!(user, %from, "this box was claimed");
        let now = clock::wall();
        let secs = now.as_secs().saturating_add(self.life.as_secs());
        Ok(Grant {
            token: self.keyring.mint(user, Role::Admin, self.life, now),
            expires_at: clock::Wall::from_secs(secs),
        })
    }

    fn is_unclaimed(&self) -> bool {
        self.unclaimed.load(Ordering::Acquire)
    }
}

impl Owner for Claim {
    fn is_unclaimed(&self) -> bool {
        self.inner.is_unclaimed()
    }

    fn seen_owner(&self) {
        if self.inner.unclaimed.swap(false, Ordering::AcqRel) {
            let inner = Arc::clone(&self.inner);
            tokio::task::spawn_blocking(move || inner.keep("a token that was minted on the box"));
        }
    }

    fn claim(&self, code: String, user: String, from: IpAddr) -> Later<Result<Grant, Denied>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || inner.claim(&code, &user, from));
            done.await
                .map_err(|e| Error::new(Kind::Internal, "the claim panicked").because(e))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("claim-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn code(&self) -> Option<String> {
            match look(&self.0, true).unwrap() {
                Standing::Owned => None,
                Standing::Unclaimed(code) => Some(code.to_string()),
            }
        }

        /// As the service starts.
        fn start(&self) -> Claim {
            let standing = look(&self.0, true).unwrap();
            let keyring = Arc::new(crate::access::io::load_or_create(&self.0).unwrap());
            Claim::new(standing, &self.0, keyring, Duration::from_secs(60))
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_fresh_box_keeps_its_code_over_restarts_until_it_is_claimed_once() {
        let dir = Dir::new("once");
        let code = dir.code().unwrap();
        let mode = fs::metadata(claim_file(&dir.0))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(dir.start());
        let claim = dir.start();
        assert_eq!(dir.code(), Some(code.clone()));
        assert!(claim.is_unclaimed());
        let wrong = claim.inner.claim("00000-00000", "ann", HERE);
        assert!(matches!(wrong, Err(Denied::WrongCode)), "{wrong:?}");
        let grant = claim.inner.claim(&code, "ann", HERE).unwrap();
        let who = claim
            .inner
            .keyring
            .verify(&grant.token, clock::wall())
            .unwrap();
        assert_eq!(
            (who.user_id.as_str(), who.role, who.expires_at),
            ("ann", Role::Admin, grant.expires_at)
        );
        assert!(!claim.is_unclaimed());
        let again = claim.inner.claim(&code, "bob", HERE);
        assert!(matches!(again, Err(Denied::Owned)), "{again:?}");
        assert_eq!(dir.code(), None);
    }

    #[test]
    fn a_token_made_on_the_box_meanwhile_ends_the_code() {
        let dir = Dir::new("meanwhile");
        let claim = dir.start();
        let code = dir.code().unwrap();
        assert!(own(&dir.0, "camera-service token").unwrap());
        let late = claim.inner.claim(&code, "eve", HERE);
        assert!(matches!(late, Err(Denied::Owned)), "{late:?}");
        assert!(!claim.is_unclaimed());
    }

    #[test]
    fn of_eight_who_come_with_the_code_at_once_one_gets_the_box() {
        let dir = Dir::new("race");
        let services: Vec<Claim> = (0..8).map(|_| dir.start()).collect();
        let code = dir.code().unwrap();
        let granted = std::thread::scope(|scope| {
            let all: Vec<_> = services
                .iter()
                .map(|s| scope.spawn(|| s.inner.claim(&code, "ann", HERE).is_ok()))
                .collect();
            all.into_iter()
                .map(|t| t.join().unwrap())
                .filter(|ok| *ok)
                .count()
        });
        assert_eq!(granted, 1);
    }

    #[test]
    fn a_box_that_was_in_use_before_there_was_a_claim_is_owned() {
        let dir = Dir::new("before");
        crate::access::io::load_or_create(&dir.0).unwrap();
        assert_eq!(dir.code(), None);
        assert!(claimed_file(&dir.0).exists());
    }

    #[test]
    fn guessing_is_cut_short_even_for_the_right_code() {
        let dir = Dir::new("guess");
        let claim = dir.start();
        let code = dir.code().unwrap();
        for _ in 0..5 {
            let _ = claim.inner.claim("ZZZZZ-ZZZZZ", "eve", HERE);
        }
        let sixth = claim.inner.claim(&code, "eve", HERE);
        assert!(matches!(sixth, Err(Denied::TooOften(_))), "{sixth:?}");
        let other = claim.inner.claim(&code, "ann", IpAddr::from([10, 0, 0, 2]));
        assert!(other.is_ok(), "{other:?}");
    }

    #[test]
    fn switched_off_nothing_is_asked_and_nothing_made() {
        let dir = Dir::new("off");
        assert!(matches!(look(&dir.0, false).unwrap(), Standing::Owned));
        assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 0);
    }
}
