//! Looks after the medium: asks the file system, keeps the policy, protects, has deleted what the limits say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use super::concern::{self, Concern, Told, concerns};
use super::marks::io::Marks;
use super::medium::choice::Trouble;
use super::medium::io as medium;
use super::medium::lookout::Glance;
use super::medium::lookout::io::Lookout;
use super::medium::roots::{Place, Roots};
use super::moments::Moment;
use super::moments::io::{Length, Timekeeper};
use super::names::Stem;
use super::note::Note;
use super::order::io::{Chronicle, Eyes, Listed};
use super::policy::Policy;
use super::quota::io::Pass;
use super::quota::{Kind, Limits, Short, Why};
use super::shelf::io::weight;
use super::shelf::{Entry, Happened, Shelf, Weight};
use super::{AwaitsCopy, Cleaned, Erased, Figures, Protect, Spare, Storage};
use crate::clock::{self, Mono, Wall};
use crate::error::{Later, Result};
use crate::events::Announce;
use crate::supervise::blocking;
use crate::system::alarms::{About, Alarm};

/// From one look at the medium to the next. What is written in between is made room for ahead.
const LOOK: Duration = Duration::from_secs(2);
/// A look that takes so long is taken for a medium that does not answer.
const HANGS: Duration = Duration::from_secs(5);
/// A file that has just got its name may not be known to run yet.
const FRESH: Duration = Duration::from_secs(60);

/// Looks after the medium. Cheap to clone.
#[derive(Clone)]
pub struct Warden(Arc<Inner>);

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
    /// `storage.quota_…`.
    pub quota: Limits,
    /// How the clock is looked at.
    pub eyes: Eyes,
    /// How long a recording plays.
    pub length: Length,
    /// Told what people must know.
    pub events: Arc<dyn Announce>,
    /// Looks at the medium.
    pub lookout: Arc<Lookout>,
}

pub(in crate::storage) struct Inner {
    pub(in crate::storage) recordings: Arc<dyn Shelf>,
    pub(in crate::storage) snapshots: Arc<dyn Shelf>,
    pub(in crate::storage) protect: Arc<dyn Protect>,
    pub(in crate::storage) marks: Marks,
    pub(in crate::storage) chronicle: Chronicle,
    timekeeper: Timekeeper,
    pub(in crate::storage) block_percent: u32,
    /// What has no off-site copy yet, where limits wait for that.
    pub(in crate::storage) copies: OnceLock<Arc<dyn AwaitsCopy>>,
    /// One clean-up at a time: two would count each other's victims.
    pub(in crate::storage) pass: Mutex<Pass>,
    note: Box<dyn Note>,
    warn_percent: u32,
    quota: Limits,
    /// `None`: nobody has set one.
    policy: Mutex<Option<Policy>>,
    /// Recordings that got their names lately.
    fresh: Mutex<BTreeMap<Stem, Mono>>,
    pub(in crate::storage) lookout: Arc<Lookout>,
    told: Mutex<Told>,
    /// What was wrong at the last look.
    wrong: Mutex<Vec<Concern>>,
    short: Mutex<Vec<Short>>,
    events: Arc<dyn Announce>,
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

/// What is behind the locks here is whole whoever panicked: it is replaced, never changed in steps.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Warden {
    /// Puts the kept policy in force. One that cannot be read is said and deletes nothing.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        // What cannot be read may have said that nothing is deleted.
        let policy = match parts.note.read() {
            Ok(None) => None,
            Ok(Some(text)) => Some(Policy::from_text(&text).unwrap_or_else(|e| {
                warn!(error = e, "the kept retention policy is damaged; nothing is deleted until set_retention_policy sets a new one");
                Policy::default()
            })),
            Err(error) => {
                warn!(%error, "the retention policy cannot be read; nothing is deleted");
                Some(Policy::default())
            }
        };
        let roots = Arc::clone(parts.lookout.recordings());
        let shelves = [Arc::clone(&parts.recordings), Arc::clone(&parts.snapshots)];
        let [recordings, snapshots] = shelves.clone();
        let timekeeper = Timekeeper::new(
            Arc::clone(&roots),
            Arc::clone(&recordings),
            Arc::clone(&snapshots),
            parts.length,
        );
        let list = move || listed(&recordings.all()?, &snapshots.all()?);
        let inner = Arc::new(Inner {
            marks: Marks::new(Arc::clone(&roots), parts.recordings.extension()),
            chronicle: Chronicle::new(roots, parts.eyes, list),
            timekeeper,
            recordings: parts.recordings,
            snapshots: parts.snapshots,
            protect: parts.protect,
            note: parts.note,
            warn_percent: parts.warn_percent,
            block_percent: parts.block_percent,
            quota: parts.quota,
            policy: Mutex::new(policy),
            copies: OnceLock::new(),
            pass: Mutex::default(),
            fresh: Mutex::default(),
            lookout: parts.lookout,
            told: Mutex::default(),
            wrong: Mutex::default(),
            short: Mutex::default(),
            events: parts.events,
        });
        for (shelf, kind) in shelves.into_iter().zip([Kind::Recording, Kind::Snapshot]) {
            let weak = Arc::downgrade(&inner);
            shelf.watch(Box::new(move |happened| {
                if let Some(inner) = weak.upgrade() {
                    inner.happened(kind, happened);
                }
            }));
        }
        Self(inner)
    }

    /// From now on limits wait for the off-site copy of what `copies` names, unless the medium would be full. Once.
    pub fn wait_for(&self, copies: Arc<dyn AwaitsCopy>) {
        let _ = self.0.copies.set(copies);
    }

    /// Looks at the medium again and again, cleans up when it is time, and says what is wrong, until the service stops.
    ///
    /// # Errors
    /// Never: what fails is said and tried again.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) -> Result<()> {
        // Where the mounts cannot be watched, a pulled medium is seen with the next look.
        let mounts = self.0.lookout.watch_mounts();
        if let Err(error) = &mounts {
            warn!(%error, "that a medium is pulled is seen two seconds later");
        }
        let ended = self.look_on(&mut stopping).await;
        // Ends its thread.
        drop(mounts);
        ended
    }

    async fn look_on(&self, stopping: &mut watch::Receiver<bool>) -> Result<()> {
        loop {
            let inner = Arc::clone(&self.0);
            let look = blocking(move || {
                inner.look();
                Ok(())
            });
            tokio::pin!(look);
            // Nobody waits for a disk that hangs when the service ends, nor when there is another place.
            let hangs = tokio::select! {
                _ = stopping.changed() => return Ok(()),
                _ = &mut look => false,
                () = tokio::time::sleep(HANGS) => true,
            };
            if hangs {
                let inner = Arc::clone(&self.0);
                let told = blocking(move || {
                    let why = format!("it has not answered for {} s", HANGS.as_secs());
                    let glance = inner.lookout.hangs(&why, inner.block_percent);
                    inner.tell(concerns(&inner.seen(&glance)));
                    Ok(())
                });
                if let Err(error) = told.await {
                    warn!(%error, "it is not told that the medium hangs");
                }
                tokio::select! {
                    _ = stopping.changed() => return Ok(()),
                    _ = &mut look => {}
                }
            }
            tokio::select! {
                _ = stopping.changed() => return Ok(()),
                () = clock::round(LOOK) => {}
                () = self.0.lookout.called() => {}
            }
        }
    }

    /// What is wrong with the medium, as health has it; from memory.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        held(&self.0.wrong)
            .iter()
            .filter_map(Concern::alarm)
            .collect()
    }
}

/// How much lies in both folders; a medium that is away has nothing.
fn both(roots: &Roots) -> Result<Weight> {
    let medium = match roots.is_away() {
        true => Weight::default(),
        false => match weight(roots.medium()) {
            Err(_) if roots.place() != Place::Medium => Weight::default(),
            weighed => weighed?,
        },
    };
    let fallback = roots
        .fallback()
        .map(weight)
        .transpose()?
        .unwrap_or_default();
    Ok(Weight {
        bytes: medium.bytes.saturating_add(fallback.bytes),
        allocated: medium.allocated.saturating_add(fallback.allocated),
    })
}

/// The time of every file.
pub(in crate::storage) fn listed(recordings: &[Entry], snapshots: &[Entry]) -> Result<Listed> {
    let of = |kind| move |entry: &Entry| ((kind, entry.stem.clone()), entry.modified);
    let recordings = recordings.iter().map(of(Kind::Recording));
    Ok(recordings
        .chain(snapshots.iter().map(of(Kind::Snapshot)))
        .collect())
}

impl Inner {
    pub(in crate::storage) fn limits(&self) -> Limits {
        Limits::of(held(&self.policy).as_ref(), &self.quota)
    }

    /// Whether a recording runs, or may do so without being known to yet.
    pub(in crate::storage) fn runs(&self, stem: &Stem) -> bool {
        let now = clock::mono();
        let mut fresh = held(&self.fresh);
        fresh.retain(|_, since| now.since(*since) < FRESH);
        self.protect.is_running(stem) || fresh.contains_key(stem)
    }

    fn happened(&self, kind: Kind, happened: Happened<'_>) {
        match happened {
            Happened::New(entry) => {
                if kind == Kind::Recording {
                    held(&self.fresh).insert(entry.stem.clone(), clock::mono());
                }
                self.chronicle.written(&(kind, entry.stem.clone()));
            }
            Happened::Deleted(entry, _) => {
                held(&self.fresh).remove(&entry.stem);
                let key = (kind, entry.stem.clone());
                self.chronicle.gone(&key);
                self.timekeeper.gone(&key);
            }
        }
    }

    /// Looks at the clock while these files are being written.
    pub(in crate::storage) fn look_at_clock(&self) -> Result<(), super::trust::Doubt> {
        let running = self.protect.running().into_iter();
        let running: BTreeSet<_> = running.map(|stem| (Kind::Recording, stem)).collect();
        let verdict = self.chronicle.look(running.clone());
        let least = self.chronicle.least();
        let truth = self.timekeeper.look(verdict.is_ok(), least, &running);
        if !truth.is_empty() {
            self.chronicle.corrected(&truth);
        }
        verdict
    }

    /// One look: the medium, the clock, and a clean-up where it is time for one.
    fn look(&self) {
        // First, so that recordings go elsewhere as soon as they must; and told before anything else waits for the disk.
        let mut glance = self.lookout.look(self.block_percent);
        if glance.moved {
            // How fast one medium fills says nothing of the other.
            *self.pass.lock().unwrap_or_else(PoisonError::into_inner) = Pass::default();
            self.tell(concerns(&self.seen(&glance)));
        }
        let _ = self.look_at_clock();
        let writable = glance.trouble.is_none() || glance.place == Place::Fallback;
        if let Some(space) = glance.space.filter(|_| writable) {
            match self.clean_if_due(space) {
                Ok(Some(cleaned)) if cleaned.files > 0 => {
                    info!("{}", cleaned.message);
                    glance.space = medium::ask(&self.recordings.root()).ok().map(|a| a.space);
                }
                Ok(_) => {}
                Err(error) => warn!(%error, "the clean-up failed"),
            }
        }
        self.tell(concerns(&self.seen(&glance)));
    }

    /// What a glance brought, for [`concerns`].
    fn seen(&self, glance: &Glance) -> concern::Seen {
        let roots = self.lookout.recordings();
        let mut seen = concern::Seen {
            folder: roots.medium().display().to_string(),
            warn_percent: self.warn_percent,
            block_percent: self.block_percent,
            space: glance.space,
            short: held(&self.short).clone(),
            ..concern::Seen::default()
        };
        match &glance.trouble {
            None => {}
            Some(Trouble::Gone) => seen.gone = true,
            Some(Trouble::Silent(why)) => seen.silent = Some(why.clone()),
            Some(Trouble::ReadOnly) => seen.read_only = true,
            Some(Trouble::Fails(why)) => seen.failing = Some(why.clone()),
        }
        if glance.place == Place::Fallback {
            seen.fallback = Some(roots.active().display().to_string());
        }
        seen
    }

    fn tell(&self, found: Vec<Concern>) {
        let (news, over) = {
            let mut told = held(&self.told);
            let (news, over) = told.look(&found);
            let news: Vec<Concern> = news.into_iter().cloned().collect();
            (news, over)
        };
        for concern in news {
            warn!(action = concern.action, "{}", concern.what);
            self.events.announce(concern.event(clock::wall()));
        }
        for code in over {
            info!(code, "that is over");
        }
        *held(&self.wrong) = found;
    }

    /// The limits that could not be kept at the last clean-up.
    pub(in crate::storage) fn put_short(&self, short: Vec<Short>) {
        *held(&self.short) = short;
    }

    fn figures(&self) -> Result<Figures> {
        // A guard inside the expression would be held while the limits ask for it again.
        let policy = held(&self.policy).unwrap_or_default();
        let (roots, shots) = (self.lookout.recordings(), self.lookout.snapshots());
        Ok(Figures {
            space: medium::ask(&self.recordings.root())?.space,
            recordings: both(roots)?,
            snapshots: both(shots)?,
            policy,
            limits: self.limits(),
            clock: self.chronicle.verdict(),
            protected: self.marks.known().count(),
            warn_percent: self.warn_percent,
            block_percent: self.block_percent,
            fallback: match roots.fallback() {
                None => None,
                Some(folder) => Some(Spare {
                    path: folder.display().to_string(),
                    used: roots.place() == Place::Fallback,
                    recordings: weight(folder)?,
                }),
            },
        })
    }

    /// Deletes a recording that neither runs nor is protected.
    pub(in crate::storage) fn erase(&self, stem: &Stem, why: Why, who: &str) -> Result<Erased> {
        let _gate = self.marks.hold();
        if self.protect.is_running(stem) {
            return Ok(Erased::Running);
        }
        if self.marks.has(stem)? {
            return Ok(Erased::Protected);
        }
        Ok(match self.recordings.delete_for(stem, why, who)? {
            Some(bytes) => Erased::Done(bytes),
            None => Erased::Unknown,
        })
    }

    fn protect(&self, stem: &Stem, protected: bool) -> Result<bool> {
        let _gate = self.marks.hold();
        // The mark of a recording that is away can be taken, but none set.
        match self.recordings.find(stem)? {
            Some(entry) if protected => self.marks.set(stem, &entry.path)?,
            None if protected || !self.marks.has(stem)? => return Ok(false),
            _ => self.marks.take(stem)?,
        }
        info!(name = %stem, protected, "a recording is protected, or no longer");
        Ok(true)
    }

    fn refusal(&self) -> Result<Option<String>> {
        // A full medium is looked at anew below: room may have been made.
        let cannot = |c: &&Concern| c.stops && c.about != Some(About::MediumFull);
        if let Some(concern) = held(&self.wrong).iter().find(cannot) {
            return Ok(Some(concern.what.clone()));
        }
        let root = self.recordings.root();
        let mut space = medium::ask(&root)?.space;
        if space.is_beyond(self.block_percent) && self.limits().is_any() {
            self.clean()?;
            space = medium::ask(&root)?.space;
        }
        Ok(space.is_beyond(self.block_percent).then(|| {
            format!(
                "the medium is {:.1} % full, and from {} % on no recording begins (storage.block_percent)",
                space.percent(),
                self.block_percent
            )
        }))
    }

    fn trouble(&self) -> Option<String> {
        let wrong = held(&self.wrong);
        let stops = wrong.iter().find(|concern| concern.stops);
        stops.map(|concern| concern.what.clone())
    }
}

impl Storage for Warden {
    fn figures(&self) -> Later<Figures> {
        let inner = Arc::clone(&self.0);
        Box::pin(blocking(move || inner.figures()))
    }

    fn refusal(&self) -> Later<Option<String>> {
        let inner = Arc::clone(&self.0);
        Box::pin(blocking(move || inner.refusal()))
    }

    fn set_policy(&self, policy: Policy) -> Later<()> {
        let inner = Arc::clone(&self.0);
        Box::pin(blocking(move || {
            // What is not kept must not hold either: it would be gone after a restart.
            let mut held = held(&inner.policy);
            inner.note.write(&policy.to_text())?;
            *held = Some(policy);
            Ok(())
        }))
    }

    fn clean(&self) -> Later<Cleaned> {
        let inner = Arc::clone(&self.0);
        Box::pin(blocking(move || inner.clean()))
    }

    fn delete_recording(&self, stem: Stem, who: String) -> Later<Erased> {
        let inner = Arc::clone(&self.0);
        Box::pin(blocking(move || inner.erase(&stem, Why::Asked, &who)))
    }

    fn protect(&self, stem: Stem, protected: bool) -> Later<bool> {
        let inner = Arc::clone(&self.0);
        Box::pin(blocking(move || inner.protect(&stem, protected)))
    }

    fn is_protected(&self, stem: &Stem) -> bool {
        self.0.marks.known().has(stem)
    }

    fn trouble(&self) -> Option<String> {
        self.0.trouble()
    }

    fn wall_of(&self, moment: Mono) -> Wall {
        self.0.timekeeper.wall_of(moment)
    }

    fn began(&self, kind: Kind, stem: &Stem, first: Option<Mono>, told: Option<Wall>) -> Wall {
        let least = self.0.chronicle.least();
        let key = (kind, stem.clone());
        self.0.timekeeper.began(&key, first, told, least)
    }

    fn moment(&self, kind: Kind, stem: &Stem, own: Option<Wall>) -> Moment {
        self.0.timekeeper.moment(&(kind, stem.clone()), own)
    }

    fn is_away(&self) -> bool {
        self.0.lookout.recordings().place() == Place::Nowhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::bus::Bus;
    use crate::storage::note::io::Paper;
    use crate::storage::policy::Type;
    use crate::storage::quota::Share;
    use crate::storage::shelf::io::Folder;
    use crate::storage::trust::Sight;
    use std::fs::File;
    use std::path::{Path, PathBuf};

    struct Runs(BTreeSet<Stem>);

    impl Protect for Runs {
        fn is_running(&self, stem: &Stem) -> bool {
            self.0.contains(stem)
        }

        fn running(&self) -> BTreeSet<Stem> {
            self.0.clone()
        }
    }

    /// A clock that is right, or one that nothing has synchronised.
    fn eyes(right: bool) -> Eyes {
        Box::new(move |newest| Sight {
            now: clock::now(),
            kernel: right,
            noted: None,
            newest,
        })
    }

    fn warden(dir: &Path) -> (Warden, Arc<Folder>, Arc<Folder>) {
        warden_with(dir, Limits::default(), true)
    }

    fn warden_with(dir: &Path, quota: Limits, right: bool) -> (Warden, Arc<Folder>, Arc<Folder>) {
        let mut parts = parts(dir, quota, right, 90);
        let recordings = Arc::new(Folder::new(dir.join("recordings"), "mp4"));
        let snapshots = Arc::new(Folder::new(dir.join("snapshots"), "jpg"));
        parts.recordings = Arc::clone(&recordings) as _;
        parts.snapshots = Arc::clone(&snapshots) as _;
        (Warden::new(parts), recordings, snapshots)
    }

    fn parts(dir: &Path, quota: Limits, right: bool, block_percent: u32) -> Parts {
        Parts {
            recordings: Arc::new(Folder::new(dir.join("recordings"), "mp4")),
            snapshots: Arc::new(Folder::new(dir.join("snapshots"), "jpg")),
            protect: Arc::new(Runs(["running".parse().unwrap()].into())),
            note: Box::new(Paper::new(dir.join("retention.json"))),
            warn_percent: 80,
            block_percent,
            quota,
            eyes: eyes(right),
            length: Box::new(|_| None),
            events: Arc::new(Bus::default()),
            lookout: Arc::new(Lookout::new(
                Arc::new(Roots::new(dir.join("recordings"), None)),
                Arc::new(Roots::new(dir.join("snapshots"), None)),
                None,
            )),
        }
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
        assert_eq!(
            (figures.recordings.bytes, figures.snapshots.bytes),
            (12_345, 67)
        );
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
            old(&recordings, &warden, name, 100, 0);
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

    /// A recording of so many bytes that was written so many days ago and runs no longer.
    fn old(shelf: &Folder, warden: &Warden, name: &str, bytes: usize, days: u64) {
        let entry = shelf
            .put("camera0", &name.parse().unwrap(), &vec![1; bytes])
            .unwrap();
        let at = clock::wall().as_secs() - days * 86_400;
        let at = std::time::UNIX_EPOCH + Duration::from_secs(at);
        File::options()
            .append(true)
            .open(&entry.path)
            .unwrap()
            .set_modified(at)
            .unwrap();
        held(&warden.0.fresh).clear();
    }

    fn names(shelf: &Folder) -> Vec<String> {
        let mut names: Vec<String> = shelf
            .all()
            .unwrap()
            .iter()
            .map(|e| e.stem.to_string())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_protected_recording_outlives_every_limit_a_deletion_by_hand_and_a_restart() {
        let dir = scratch();
        let none = Limits {
            bytes: Some(1),
            age: Some(Duration::from_secs(86_400)),
            each: Share {
                bytes: Some(1),
                age: None,
            },
            ..Limits::default()
        };
        let party: Stem = "party".parse().unwrap();
        {
            let (warden, recordings, _) = warden(&dir);
            old(&recordings, &warden, "party", 100, 900);
            assert!(warden.protect(party.clone(), true).await.unwrap());
            assert!(
                !warden
                    .protect("absent".parse().unwrap(), true)
                    .await
                    .unwrap()
            );
        }
        let (warden, recordings, _) = warden_with(&dir, none, true);
        old(&recordings, &warden, "other", 100, 1);
        assert!(warden.is_protected(&party));
        let cleaned = warden.clean().await.unwrap();
        assert_eq!(
            (cleaned.files, names(&recordings)),
            (1, vec!["party".to_owned()])
        );
        assert!(
            cleaned.message.contains("protected or runs"),
            "{}",
            cleaned.message
        );
        let by_hand = warden
            .delete_recording(party.clone(), "ada".to_owned())
            .await
            .unwrap();
        assert_eq!(by_hand, Erased::Protected);
        assert!(warden.protect(party.clone(), false).await.unwrap());
        assert_eq!(
            warden
                .delete_recording(party, "ada".to_owned())
                .await
                .unwrap(),
            Erased::Done(100)
        );
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_clock_that_nothing_has_synchronised_deletes_nothing_by_age_and_the_answer_says_why()
    {
        let dir = scratch();
        let month = Limits {
            age: Some(Duration::from_secs(30 * 86_400)),
            ..Limits::default()
        };
        let (warden, recordings, _) = warden(&dir);
        old(&recordings, &warden, "older", 100, 50);
        let (warden, recordings, _) = warden_with(&dir, month.clone(), false);
        old(&recordings, &warden, "old", 100, 40);
        let cleaned = warden.clean().await.unwrap();
        assert_eq!((cleaned.executed, cleaned.files), (true, 0));
        assert!(
            cleaned.message.contains("not synchronised"),
            "{}",
            cleaned.message
        );
        assert!(warden.figures().await.unwrap().clock.is_err());
        // One was written under that clock: when it is right again, nothing says that this one is old.
        let (warden, ..) = warden_with(&dir, month, true);
        assert_eq!(warden.clean().await.unwrap().files, 1);
        assert_eq!(names(&recordings), ["old"]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn where_it_cannot_be_read_what_is_protected_nothing_is_deleted() {
        let dir = scratch();
        let (warden, recordings, _) = warden_with(
            &dir,
            Limits {
                bytes: Some(1),
                ..Limits::default()
            },
            true,
        );
        old(&recordings, &warden, "old", 100, 40);
        std::fs::write(dir.join("recordings/.protected"), "no folder").unwrap();
        assert!(warden.clean().await.is_err());
        assert_eq!(names(&recordings), ["old"]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_full_medium_lets_no_recording_begin() {
        let dir = scratch();
        let (warden, ..) = warden(&dir);
        assert_eq!(
            warden.refusal().await.unwrap().is_some(),
            medium::ask(&dir).unwrap().space.percent() >= 90.0
        );
        let full = parts(&dir, Limits::default(), true, 0);
        let warden = Warden::new(full);
        let why = warden.refusal().await.unwrap().unwrap();
        assert!(why.contains("storage.block_percent"), "{why}");
    }

    #[test]
    fn a_damaged_policy_deletes_nothing() {
        let dir = scratch();
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("retention.json"), "{\"policy_type\": \"size\"").unwrap();
        let (warden, ..) = warden(&dir);
        assert!(!warden.0.limits().is_any());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
