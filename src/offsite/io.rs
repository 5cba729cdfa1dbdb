//! Copies, one file at a time: looks what lies there, asks the queue, sends, verifies, writes down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::cause::{Cause, Patience, Seen, understand};
use super::copied::{Copied, Stamp};
use super::files::io::{self as files, Notes};
use super::hold::hold;
use super::queue::{Next, Queue, Waiting};
use super::state::{Figures, Report, samples};
use super::store::io::Store;
use super::upload::Begun;
use super::{Id, Offsite, Settings, Stand};
use crate::clock::{self, Mono};
use crate::error::{Error, Kind as Failure, Result};
use crate::events::Announce;
use crate::storage::names::Stem;
use crate::storage::quota::{Kind, Why};
use crate::storage::shelf::{Entry, Happened, Shelf};
use crate::storage::{AwaitsCopy, Protect, Storage};
use crate::supervise::blocking;
use crate::system::alarms::Alarm;
use crate::system::samples::Sample;

/// From one round to the next while nothing happens.
const ROUND: Duration = Duration::from_secs(1);
/// From one look at the folders to the next while nothing happens; longer where a look takes long.
const LOOK: Duration = Duration::from_secs(30);
/// A look takes no more than one part in so many of the time.
const SHARE: u32 = 50;
/// A recording that has just got its name may not be known to run yet.
const FRESH: Duration = Duration::from_secs(60);
/// What was written to just now may be written to still.
const SETTLED: Duration = Duration::from_secs(3);

/// What a [`Copier`] works with.
pub struct Parts {
    /// Recordings.
    pub recordings: Arc<dyn Shelf>,
    /// Snapshots.
    pub snapshots: Arc<dyn Shelf>,
    /// Which recordings run.
    pub protect: Arc<dyn Protect>,
    /// Which are protected, and whether the medium is there.
    pub storage: Arc<dyn Storage>,
    /// Told what people must know.
    pub events: Arc<dyn Announce>,
    /// What survives a reboot; the notes lie beneath.
    pub data_dir: PathBuf,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// Copies files to the store. Cheap to clone.
#[derive(Clone)]
pub struct Copier(Arc<Inner>);

impl std::fmt::Debug for Copier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copier").finish_non_exhaustive()
    }
}

/// What all of it works on.
pub(in crate::offsite) struct Inner {
    pub(in crate::offsite) settings: Settings,
    /// The store's name in the notes.
    pub(in crate::offsite) store: String,
    pub(in crate::offsite) parts: Parts,
    pub(in crate::offsite) notes: Notes,
    pub(in crate::offsite) sent: Arc<AtomicU64>,
    pub(in crate::offsite) queue: Mutex<Queue>,
    pub(in crate::offsite) copied: Mutex<Copied>,
    pub(in crate::offsite) figures: Mutex<Figures>,
    pub(in crate::offsite) begun: Mutex<Option<Begun>>,
    /// Recordings that got their names lately.
    pub(in crate::offsite) fresh: Mutex<BTreeMap<Stem, Mono>>,
    /// Something happened to the files.
    pub(in crate::offsite) news: AtomicBool,
    pub(in crate::offsite) wake: Notify,
}

/// What is behind the locks here is whole whoever panicked: a figure too few at most.
pub(in crate::offsite) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one run of the task remembers.
#[derive(Default)]
pub(in crate::offsite) struct Agent {
    pub(in crate::offsite) store: Option<Store>,
    /// The access key's file as it was when the store was made, or could not be.
    pub(in crate::offsite) access: Option<Option<Stamp>>,
    pub(in crate::offsite) running: BTreeSet<Stem>,
    /// When to look at the folders at the latest.
    pub(in crate::offsite) look: Option<Mono>,
}

impl Copier {
    /// Reads what was written down; nothing is sent before [`Copier::run`]. May wait for the disk.
    #[must_use]
    pub fn new(settings: Settings, parts: Parts) -> Self {
        let store = settings.shown();
        let notes = Notes::new(&parts.data_dir);
        let text = notes.record().unwrap_or_else(|error| {
            warn!(%error, "the record of off-site copies cannot be read; what the store has is asked of it");
            String::new()
        });
        let begun = notes.begun().ok().flatten();
        let begun = begun.and_then(|text| Begun::parse(&text));
        let inner = Arc::new(Inner {
            copied: Mutex::new(Copied::parse(&text, &store)),
            begun: Mutex::new(begun.filter(|begun| begun.store == store)),
            settings,
            store,
            parts,
            notes,
            sent: Arc::default(),
            queue: Mutex::default(),
            figures: Mutex::default(),
            fresh: Mutex::default(),
            news: AtomicBool::new(true),
            wake: Notify::new(),
        });
        let shelves = [&inner.parts.recordings, &inner.parts.snapshots];
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

    /// Copies what lies there until the service stops. Begins when `mended` says that nothing is repaired any more.
    ///
    /// # Errors
    /// Never: what fails is said and tried again.
    pub async fn run(
        self,
        mut mended: watch::Receiver<bool>,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<()> {
        let inner = self.0;
        tokio::select! {
            _ = stopping.changed() => return Ok(()),
            // Nobody mends whose sender is gone.
            _ = mended.wait_for(|done| *done) => {}
        }
        info!(store = inner.store, "finished files are copied off-site");
        let mut agent = Agent::default();
        loop {
            let busy = tokio::select! {
                _ = stopping.changed() => return Ok(()),
                busy = inner.round(&mut agent) => busy,
            };
            if busy {
                continue;
            }
            tokio::select! {
                _ = stopping.changed() => return Ok(()),
                () = inner.wake.notified() => {}
                () = tokio::time::sleep(ROUND) => {}
            }
        }
    }

    /// What is wrong, as health has it; from memory.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        let failures = held(&self.0.queue).failures();
        held(&self.0.figures).alarms(failures, clock::mono())
    }

    /// What `/metrics` shows; from memory.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        samples(&self.0.report())
    }
}

impl Offsite for Copier {
    fn report(&self) -> Option<Report> {
        Some(self.0.report())
    }

    fn stand(&self, id: &Id) -> Stand {
        if held(&self.0.copied).has(id) {
            Stand::Copied
        } else if self.0.wants(id) {
            Stand::Waiting
        } else {
            Stand::None
        }
    }
}

impl AwaitsCopy for Copier {
    fn awaits(&self, kind: Kind, stem: &Stem) -> bool {
        let id = (kind, stem.clone());
        self.0.settings.keep && !held(&self.0.copied).has(&id) && self.0.wants(&id)
    }
}

impl Inner {
    fn wants(&self, id: &Id) -> bool {
        let protected = id.0 == Kind::Recording && self.parts.storage.is_protected(&id.1);
        self.settings.wants(id, protected)
    }

    fn report(&self) -> Report {
        let now = clock::now();
        let (waiting, waiting_bytes, failures, rests) = {
            let queue = held(&self.queue);
            let (files, bytes) = queue.waiting();
            (files, bytes, queue.failures(), queue.rests_until(now.mono))
        };
        let figures = held(&self.figures);
        Report {
            store: self.store.clone(),
            state: figures.state(waiting),
            waiting,
            waiting_bytes,
            copied: figures.copied,
            sent_bytes: self.sent.load(Ordering::Relaxed),
            rate: figures.rate(now.mono),
            current: figures.current.clone(),
            last_success: figures.last_success,
            trouble: figures.trouble.clone(),
            failures,
            next_try: rests.map(|until| now.wall_of(until)),
            keeps: self.settings.keep,
            shed: figures.shed_count(),
        }
    }

    fn happened(&self, kind: Kind, happened: Happened<'_>) {
        match happened {
            Happened::New(entry) if kind == Kind::Recording => {
                held(&self.fresh).insert(entry.stem.clone(), clock::mono());
            }
            Happened::New(_) => {}
            Happened::Deleted(entry, why) => {
                let id = (kind, entry.stem.clone());
                let bare = self.settings.keep && why != Why::Asked;
                if bare && !held(&self.copied).has(&id) && self.wants(&id) {
                    let now = clock::now();
                    let name = entry.stem.as_str();
                    let event = held(&self.figures).shed(name, now.mono, now.wall);
                    warn!(
                        name,
                        "deleted without an off-site copy: the medium was full"
                    );
                    if let Some(event) = event {
                        self.parts.events.announce(event);
                    }
                }
            }
        }
        self.news.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// One round; whether the next is to follow at once.
    async fn round(self: &Arc<Self>, agent: &mut Agent) -> bool {
        self.look_if_due(agent).await;
        let sent = self.sent.load(Ordering::Relaxed);
        held(&self.figures).mark(clock::mono(), sent);
        if held(&self.queue).waiting().0 == 0 {
            // What failed is no more, or has its copy.
            held(&self.figures).well();
            return false;
        }
        self.look_at_access(agent).await;
        let Next::Copy(id) = self.next() else {
            return false;
        };
        if self.is_held().await {
            return false;
        }
        let copied = tokio::select! {
            copied = self.copy(agent, &id) => copied,
            // What has begun goes on from the last whole part when it may.
            () = self.watch() => {
                held(&self.figures).current = None;
                return true;
            }
        };
        held(&self.figures).current = None;
        match copied {
            Ok(()) => held(&self.queue).served(),
            Err(cause) => {
                // What was mended meanwhile, a file of authorities for one, is read anew.
                if cause.patience == Patience::Long {
                    agent.store = None;
                }
                self.failed(&id, cause);
            }
        }
        true
    }

    fn next(&self) -> Next {
        let begun = held(&self.begun).as_ref().and_then(Begun::id);
        held(&self.queue).next(begun.as_ref(), clock::mono())
    }

    /// Whether the hour and the link forbid it.
    async fn is_held(&self) -> bool {
        let link = blocking(|| Ok(files::way_out())).await.ok().flatten();
        let found = hold(&self.settings, link.as_deref(), clock::wall());
        let forbidden = found.is_some();
        held(&self.figures).hold = found;
        forbidden
    }

    /// Comes back when the hour or the link forbids to go on.
    async fn watch(&self) {
        loop {
            tokio::time::sleep(ROUND).await;
            let sent = self.sent.load(Ordering::Relaxed);
            held(&self.figures).mark(clock::mono(), sent);
            if self.is_held().await {
                return;
            }
        }
    }

    fn failed(&self, id: &Id, cause: Cause) {
        let now = clock::now();
        let mut word = [0; 4];
        // Where chance cannot be had, boxes come back at the same time.
        let _ = SystemRandom::new().fill(&mut word);
        let dice = f64::from(u32::from_ne_bytes(word)) / f64::from(u32::MAX);
        held(&self.queue).failed(id, cause.patience, now.mono, dice);
        let what = cause.what.clone();
        let action = cause.action;
        if let Some(event) = held(&self.figures).failed(cause, now.wall) {
            warn!(name = %id.1, action, "off-site copy: {what}");
            self.parts.events.announce(event);
        }
    }

    /// A key that was changed may be a right one: everything is tried at once.
    async fn look_at_access(&self, agent: &mut Agent) {
        let configured = self.settings.credentials.clone();
        let look = move || {
            let file = files::access_file(&configured);
            Ok(file.and_then(|file| files::stamp(&file).ok()))
        };
        let Ok(stamp) = blocking(look).await else {
            return;
        };
        if agent.access != Some(stamp) {
            let first = agent.access.is_none();
            agent.access = Some(stamp);
            agent.store = None;
            if !first {
                held(&self.queue).forgive();
            }
        }
    }

    async fn look_if_due(self: &Arc<Self>, agent: &mut Agent) {
        let running = self.parts.protect.running();
        let now = clock::mono();
        let due = agent.look.is_none_or(|at| at <= now);
        let news = self.news.swap(false, Ordering::Relaxed);
        if !due && !news && running == agent.running {
            return;
        }
        agent.running.clone_from(&running);
        let inner = Arc::clone(self);
        let looked = blocking(move || inner.look(&running)).await;
        let ended = clock::mono();
        let share = ended.since(now) * SHARE;
        agent.look = Some(match looked {
            Ok(Some(soon)) => ended + soon.max(share),
            Ok(None) => ended + LOOK.max(share),
            Err(error) => {
                warn!(%error, "what is to be copied off-site cannot be seen");
                ended + LOOK
            }
        });
    }

    /// Looks what lies there without a copy; gives the time after which to look again because something is not settled.
    fn look(&self, running: &BTreeSet<Stem>) -> Result<Option<Duration>> {
        let now = clock::now();
        let fresh: BTreeSet<Stem> = {
            let mut fresh = held(&self.fresh);
            fresh.retain(|stem, at| now.mono.since(*at) < FRESH && !running.contains(stem));
            fresh.keys().cloned().collect()
        };
        let recordings = self.parts.recordings.sorted()?;
        let snapshots = self.parts.snapshots.sorted()?;
        let recordings = recordings.iter().map(|entry| (Kind::Recording, entry));
        let all: Vec<(Kind, &Entry)> = recordings
            .chain(snapshots.iter().map(|entry| (Kind::Snapshot, entry)))
            .collect();
        let mut copied = held(&self.copied);
        let mut soon = None;
        let mut waiting = Vec::new();
        for (kind, entry) in &all {
            let id = (*kind, entry.stem.clone());
            let stamp = Stamp {
                size: entry.size,
                modified: entry.modified.as_nanos(),
            };
            if copied.is(&id, stamp) || !self.wants(&id) {
                continue;
            }
            let quiet = now.wall.as_nanos().abs_diff(stamp.modified);
            let growing = running.contains(&id.1) || self.parts.protect.is_running(&id.1);
            if *kind == Kind::Recording && (growing || fresh.contains(&id.1)) {
                continue;
            }
            if Duration::from_nanos(quiet) < SETTLED {
                soon = Some(SETTLED);
                continue;
            }
            waiting.push(Waiting {
                id,
                size: entry.size,
                modified: entry.modified,
            });
        }
        // A medium that is away has no files, and they have their copies all the same.
        if !all.is_empty() && !self.parts.storage.is_away() {
            let there: BTreeSet<Id> = all.iter().map(|(k, e)| (*k, e.stem.clone())).collect();
            copied.retain(|id| there.contains(id));
        }
        drop(copied);
        held(&self.queue).fill(waiting);
        if !fresh.is_empty() {
            soon = Some(soon.unwrap_or(SETTLED * 3));
        }
        Ok(soon)
    }
}

pub(in crate::offsite) fn unreadable(error: &Error) -> Cause {
    understand(&Seen::File(error.to_string()))
}

/// Work on the disk, on a thread that may wait.
pub(in crate::offsite) async fn disk<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Cause> {
    let failed = |e| Error::new(Failure::Transient, "the disk").because(e);
    blocking(move || work().map_err(failed))
        .await
        .map_err(|e| unreadable(&e))
}
