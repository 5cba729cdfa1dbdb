//! Asks the file system, keeps the policy, deletes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tokio::sync::watch;
use tracing::{info, warn};

use super::note::Note;
use super::policy::{Policy, judge};
use super::shelf::Shelf;
use super::shelf::io::bytes_beneath;
use super::space::Space;
use super::{Cleaned, Figures, Protect, Storage};
use crate::clock;
use crate::error::{Error, Kind, Later, Result};
use crate::supervise::blocking;

/// From one scheduled clean-up to the next.
const EVERY: Duration = Duration::from_secs(600);

/// Looks after the medium. Cheap to clone.
#[derive(Clone)]
pub struct Warden(Arc<Inner>);

struct Inner {
    recordings: Arc<dyn Shelf>,
    snapshots: Arc<dyn Shelf>,
    protect: Arc<dyn Protect>,
    note: Box<dyn Note>,
    warn_percent: u32,
    block_percent: u32,
    policy: Mutex<Policy>,
    /// One clean-up at a time: two would count each other's victims.
    cleaning: Mutex<()>,
}

/// What a [`Warden`] works with.
pub struct Parts {
    /// Recordings.
    pub recordings: Arc<dyn Shelf>,
    /// Snapshots.
    pub snapshots: Arc<dyn Shelf>,
    /// Which recordings run.
    pub protect: Arc<dyn Protect>,
    /// Where the policy is kept.
    pub note: Box<dyn Note>,
    /// `storage.warn_percent`.
    pub warn_percent: u32,
    /// `storage.block_percent`.
    pub block_percent: u32,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Warden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Warden").finish_non_exhaustive()
    }
}

impl Warden {
    /// Puts the kept policy in force. One that cannot be read is said and deletes nothing.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let policy = match parts.note.read() {
            Ok(None) => Policy::default(),
            Ok(Some(text)) => Policy::from_text(&text).unwrap_or_else(|e| {
                warn!(error = e, "the kept retention policy is damaged; nothing is deleted until set_retention_policy sets a new one");
                Policy::default()
            }),
            Err(error) => {
                warn!(%error, "the retention policy cannot be read; nothing is deleted");
                Policy::default()
            }
        };
        Self(Arc::new(Inner {
            recordings: parts.recordings,
            snapshots: parts.snapshots,
            protect: parts.protect,
            note: parts.note,
            warn_percent: parts.warn_percent,
            block_percent: parts.block_percent,
            policy: Mutex::new(policy),
            cleaning: Mutex::new(()),
        }))
    }

    /// Cleans up every ten minutes, and says when the medium gets full, until the service stops.
    ///
    /// # Errors
    /// Never: what fails is said and tried again.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) -> Result<()> {
        let mut low = false;
        loop {
            if self.0.policy().is_in_force() {
                match self.clean().await {
                    Ok(cleaned) if cleaned.files > 0 => info!("{}", cleaned.message),
                    Ok(_) => {}
                    Err(error) => warn!(%error, "the clean-up failed"),
                }
            }
            let was = low;
            low = self.look(low).await;
            if low && !was {
                warn!(
                    "the medium of the recordings is fuller than storage.warn_percent: delete some, or set a retention policy"
                );
            }
            tokio::select! {
                _ = stopping.changed() => return Ok(()),
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn look(&self, before: bool) -> bool {
        let inner = Arc::clone(&self.0);
        blocking(move || Ok(inner.space()?.is_beyond(inner.warn_percent)))
            .await
            .unwrap_or(before)
    }
}

impl Inner {
    fn policy(&self) -> Policy {
        // A number behind a lock is whole whoever panicked.
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn space(&self) -> Result<Space> {
        space(&self.recordings.root())
    }

    fn figures(&self) -> Result<Figures> {
        Ok(Figures {
            space: self.space()?,
            recordings: bytes_beneath(&self.recordings.root())?,
            snapshots: bytes_beneath(&self.snapshots.root())?,
            policy: self.policy(),
            warn_percent: self.warn_percent,
            block_percent: self.block_percent,
        })
    }

    fn clean(&self) -> Result<Cleaned> {
        let _one = self.cleaning.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = self.policy();
        if !policy.is_in_force() {
            return Ok(Cleaned {
                message: "no retention policy is in force; set one with set_retention_policy"
                    .to_owned(),
                ..Cleaned::default()
            });
        }
        let mut done = Cleaned {
            executed: true,
            ..Cleaned::default()
        };
        let mut files = self.recordings.all()?;
        files.extend(self.snapshots.all()?);
        let verdict = judge(
            &policy,
            files,
            |stem| self.protect.is_running(stem),
            clock::wall(),
        );
        let mut failure = None;
        for victim in verdict.victims {
            let shelf = if victim.path.starts_with(self.recordings.root())
                && victim
                    .path
                    .extension()
                    .is_some_and(|e| e == self.recordings.extension())
            {
                &self.recordings
            } else {
                &self.snapshots
            };
            // It may have begun to run since.
            match shelf.delete(&victim.stem) {
                Ok(Some(bytes)) => {
                    done.files += 1;
                    done.bytes += bytes;
                    info!(file = %victim.path.display(), bytes, "deleted by the retention policy");
                }
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        done.message = format!("{} files deleted, {} bytes freed", done.files, done.bytes);
        if verdict.clock_is_wrong {
            done.message
                .push_str("; nothing was deleted by its age, because the clock is obviously wrong");
        }
        match failure {
            Some(error) if done.files == 0 => Err(error),
            Some(error) => {
                done.message
                    .push_str(&format!("; not all could be: {error}"));
                Ok(done)
            }
            None => Ok(done),
        }
    }
}

impl Storage for Warden {
    fn figures(&self) -> Later<Figures> {
        let inner = Arc::clone(&self.0);
        Box::pin(blocking(move || inner.figures()))
    }

    fn refusal(&self) -> Later<Option<String>> {
        let inner = Arc::clone(&self.0);
        Box::pin(blocking(move || {
            let space = inner.space()?;
            Ok(space.is_beyond(inner.block_percent).then(|| {
                format!(
                    "the medium is {:.1} % full, and from {} % on no recording begins (storage.block_percent)",
                    space.percent(),
                    inner.block_percent
                )
            }))
        }))
    }

    fn set_policy(&self, policy: Policy) -> Later<()> {
        let inner = Arc::clone(&self.0);
        Box::pin(blocking(move || {
            // What is not kept must not hold either: it would be gone after a restart.
            let mut held = inner.policy.lock().unwrap_or_else(PoisonError::into_inner);
            inner.note.write(&policy.to_text())?;
            *held = policy;
            Ok(())
        }))
    }

    fn clean(&self) -> Later<Cleaned> {
        let inner = Arc::clone(&self.0);
        Box::pin(blocking(move || inner.clean()))
    }
}

/// The file system of `folder`, or of the nearest folder above it that is there.
fn space(folder: &Path) -> Result<Space> {
    let there: PathBuf = folder
        .ancestors()
        .find(|p| p.is_dir())
        .map_or_else(|| "/".into(), Path::to_path_buf);
    let found = statvfs(&there).map_err(|e| {
        Error::new(
            Kind::Config,
            format!("cannot ask the file system of {}", there.display()),
        )
        .because(e)
        .action("look at the medium with df and dmesg")
    })?;
    // Wider types on 32-bit boards than there, hence `from`.
    Ok(Space::of(
        wide(found.fragment_size()),
        wide(found.blocks()),
        wide(found.blocks_free()),
        wide(found.blocks_available()),
    ))
}

fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::names::Stem;
    use crate::storage::note::io::Paper;
    use crate::storage::policy::Type;
    use crate::storage::shelf::io::Folder;
    use std::collections::BTreeSet;

    struct Runs(BTreeSet<Stem>);

    impl Protect for Runs {
        fn is_running(&self, stem: &Stem) -> bool {
            self.0.contains(stem)
        }
    }

    fn warden(dir: &Path) -> (Warden, Arc<Folder>, Arc<Folder>) {
        let recordings = Arc::new(Folder::new(dir.join("recordings"), "mp4"));
        let snapshots = Arc::new(Folder::new(dir.join("snapshots"), "jpg"));
        let warden = Warden::new(Parts {
            recordings: Arc::clone(&recordings) as Arc<dyn Shelf>,
            snapshots: Arc::clone(&snapshots) as Arc<dyn Shelf>,
            protect: Arc::new(Runs(["running".parse().unwrap()].into())),
            note: Box::new(Paper::new(dir.join("retention.json"))),
            warn_percent: 80,
            block_percent: 90,
        });
        (warden, recordings, snapshots)
    }

    fn scratch() -> PathBuf {
        std::env::temp_dir().join(format!("warden-{}", uuid::Uuid::new_v4()))
    }

    #[tokio::test]
    async fn sizes_are_true_to_the_byte_and_agree_with_df() {
        let dir = scratch();
        let (warden, recordings, snapshots) = warden(&dir);
        let name: Stem = "a".parse().unwrap();
        recordings.put("camera0", &name, &[1; 12_345]).unwrap();
        snapshots.put("camera0", &name, &[1; 67]).unwrap();
        let figures = warden.figures().await.unwrap();
        assert_eq!((figures.recordings, figures.snapshots), (12_345, 67));
        let df = std::process::Command::new("df")
            .args(["-B1", "--output=size"])
            .arg(&dir)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&df.stdout);
        let total: u64 = said.lines().nth(1).unwrap().trim().parse().unwrap();
        assert_eq!(figures.space.total, total);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_policy_outlives_the_service_and_spares_what_runs() {
        let dir = scratch();
        {
            let (warden, ..) = warden(&dir);
            let before = warden.clean().await.unwrap();
            assert!(!before.executed && before.message.contains("set_retention_policy"));
            let policy = Policy {
                policy_type: Type::Size,
                enabled: true,
                max_age_days: None,
                max_size_gb: Some(1e-9),
            };
            warden.set_policy(policy).await.unwrap();
        }
        let (warden, recordings, snapshots) = warden(&dir);
        for name in ["running", "old"] {
            recordings
                .put("camera0", &name.parse().unwrap(), &[1; 100])
                .unwrap();
        }
        snapshots
            .put("camera0", &"shot".parse().unwrap(), &[1; 10])
            .unwrap();
        let cleaned = warden.clean().await.unwrap();
        assert_eq!(
            (cleaned.executed, cleaned.files, cleaned.bytes),
            (true, 2, 110)
        );
        let left: Vec<String> = recordings
            .all()
            .unwrap()
            .iter()
            .map(|e| e.stem.to_string())
            .collect();
        assert_eq!(left, ["running"]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_full_medium_lets_no_recording_begin() {
        let dir = scratch();
        let (mut warden, ..) = warden(&dir);
        assert_eq!(
            warden.refusal().await.unwrap().is_some(),
            warden.0.space().unwrap().percent() >= 90.0
        );
        Arc::get_mut(&mut warden.0).unwrap().block_percent = 0;
        let why = warden.refusal().await.unwrap().unwrap();
        assert!(why.contains("storage.block_percent"), "{why}");
    }

    #[test]
    fn a_damaged_policy_deletes_nothing() {
        let dir = scratch();
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("retention.json"), "{\"policy_type\": \"size\"").unwrap();
        let (warden, ..) = warden(&dir);
        assert!(!warden.0.policy().is_in_force());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
