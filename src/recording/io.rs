//! Has MediaMTX record, gives its files their names, ends what is due.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::disk::io as disk;
use super::flush::io::Flusher;
use super::fmp4::{Memory, Told};
use super::index::Inventory;
use super::index::io::{Index, examine_at};
use super::ledger::{Due, Ledger, State};
use super::seal::Witness;
use super::stall::io::Watch;
use super::{Deletion, Durability, Info, Order, Recordings, Running, Start, Stop, spool, track};
use crate::camera::Directory;
use crate::clock::{self, Mono};
use crate::error::{Error, Kind, Later, Result};
use crate::events::{Announce, Event, Topic};
use crate::mediamtx::paths::Paths;
use crate::storage::names::Stem;
use crate::storage::note::Note;
use crate::storage::shelf::{Entry, Page, Shelf};
use crate::storage::{Erased, Protect, Storage};
use crate::supervise::blocking;
use crate::sys::boot;

/// How often a running recording is looked at for a further file.
const LOOK: Duration = Duration::from_secs(1);

/// Recordings. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Recorder(pub(in crate::recording) Arc<Inner>);

/// What a [`Recorder`] works with.
pub struct Parts {
    /// The folder people see.
    pub shelf: Arc<dyn Shelf>,
    /// What lies there.
    pub index: Index,
    /// Where it is kept which recordings run.
    pub note: Box<dyn Note>,
    /// Told which files must stay.
    pub running: Arc<Running>,
    /// Asked whether a recording may begin.
    pub storage: Arc<dyn Storage>,
    /// MediaMTX.
    pub paths: Paths,
    /// Told what happens.
    pub events: Arc<dyn Announce>,
    /// Asked for key frames.
    pub directory: Arc<Directory>,
    /// Keeps what grows on the medium.
    pub flush: Flusher,
    /// Where it is kept when all recordings were last known to be whole.
    pub mark: Box<dyn Note>,
    /// Told which files began, and which are finished.
    pub witness: Arc<dyn Witness>,
    /// How long pictures of cameras are held before a trigger.
    pub longest_lead: Duration,
    /// How long one recording is that a camera's mode wants; then the next begins.
    pub roll: Duration,
}

/// What the look after an interruption did.
#[derive(Debug, Default)]
pub(in crate::recording) struct Counts {
    pub(in crate::recording) repaired: AtomicU64,
    pub(in crate::recording) aside: AtomicU64,
    /// All recordings were looked into.
    pub(in crate::recording) scrubbed: AtomicBool,
    /// The look is over, whatever came of it.
    pub(in crate::recording) looked: watch::Sender<bool>,
}

pub(in crate::recording) struct Inner {
    pub(in crate::recording) parts: Parts,
    /// Since when it is there: what it finds older than that was told in another run's time.
    pub(in crate::recording) since: Mono,
    ledger: Mutex<Ledger>,
    /// The ledger is another one.
    pub(in crate::recording) changed: Notify,
    /// One writer of the note at a time, so that the last one wins.
    keeping: tokio::sync::Mutex<()>,
    /// How far the files of running recordings have been read: a day has 170,000 fragments.
    read: Mutex<BTreeMap<Stem, Memory>>,
    /// One adopter of files at a time, so that none is adopted twice.
    pub(in crate::recording) adopting: tokio::sync::Mutex<()>,
    /// One file is made plain at a time: the card has others to serve.
    pub(in crate::recording) finalising: tokio::sync::Mutex<()>,
    /// Held while files are looked into that were closed.
    pub(in crate::recording) mending: tokio::sync::Mutex<()>,
    /// Which recordings stand still or rest.
    pub(in crate::recording) watch: Watch,
    /// The service ends: nothing long is begun or gone on with.
    pub(in crate::recording) halt: AtomicBool,
    pub(in crate::recording) counts: Counts,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Inner {
    fn reading(&self) -> MutexGuard<'_, BTreeMap<Stem, Memory>> {
        // What a panic left behind is a file that has been read less far.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a file plays; of one that grows only what is new is read.
    pub(in crate::recording) fn measure(&self, entry: &Entry) -> Told {
        if !self.parts.running.is_running(&entry.stem) {
            return disk::measure(&entry.path, &mut Memory::default());
        }
        let mut memory = self.reading().remove(&entry.stem).unwrap_or_default();
        let told = disk::measure(&entry.path, &mut memory);
        self.reading().insert(entry.stem.clone(), memory);
        told
    }
}

impl Recorder {
    /// A recorder that knows what ran when the service ended. Nothing is recorded before [`Recorder::run`].
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let boot = boot::id().unwrap_or_default();
        let kept = parts.note.read().map(|text| {
            text.map_or_else(
                || Ok(Ledger::new(&boot)),
                |text| Ledger::from_text(&text, clock::now(), &boot),
            )
        });
        let ledger = match kept {
            Ok(Ok(ledger)) => ledger,
            Ok(Err(error)) => {
                warn!(
                    error,
                    "the note of running recordings is damaged: none is resumed"
                );
                Ledger::new(&boot)
            }
            Err(error) => {
                warn!(%error, "none is resumed");
                Ledger::new(&boot)
            }
        };
        let (resumed, _) = parts.running.set(ledger.files());
        parts.witness.changed(&resumed, &[]);
        Self(Arc::new(Inner {
            parts,
            since: clock::mono(),
            ledger: Mutex::new(ledger),
            changed: Notify::new(),
            keeping: tokio::sync::Mutex::new(()),
            read: Mutex::default(),
            adopting: tokio::sync::Mutex::new(()),
            finalising: tokio::sync::Mutex::new(()),
            mending: tokio::sync::Mutex::new(()),
            watch: Watch::default(),
            halt: AtomicBool::new(false),
            counts: Counts::default(),
        }))
    }

    /// Resumes what ran, then ends what is due and names further files, until the service stops.
    ///
    /// # Errors
    /// Never: what fails is told and tried again.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) -> Result<()> {
        self.scrub().await;
        self.keep_flushed().await;
        self.resume().await;
        loop {
            let wake = {
                let ledger = self.ledger();
                let look = (!ledger.devices().is_empty()).then(|| clock::mono() + LOOK);
                look.map(|look| ledger.wake().map_or(look, |wake| wake.min(look)))
            };
            tokio::select! {
                _ = stopping.changed() => {
                    self.0.halt.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                () = self.0.changed.notified() => {}
                () = until(wake) => {}
            }
            let due = self.ledger().due(clock::mono());
            for due in due {
                match due {
                    Due::End(device) => {
                        // Taken here, so that it is not due again.
                        let ended = self.ledger().end(&device);
                        if let Ok(session) = ended {
                            info!(device, "the recording's time is up");
                            tokio::spawn(self.clone().finish(device, session));
                        }
                    }
                    Due::Progress(device) => self.tell_progress(&device).await,
                }
            }
            let growing = self.growing();
            self.keep_watching(&growing);
            for device in growing {
                // It may have ended while another one was looked at.
                if self
                    .ledger()
                    .get(&device)
                    .is_none_or(|s| s.state != State::Recording)
                {
                    continue;
                }
                // The camera may have come only now.
                self.hold_time(&device, true);
                self.feed(&device);
                self.look_for_stall(&device).await;
                if self.rests(&device) {
                    continue;
                }
                self.adopt_further(&device).await;
                let wish = self.0.parts.paths.wished(&device);
                if wish.is_none_or(|w| w.record.is_none()) {
                    self.end_removed(device);
                }
            }
        }
    }

    /// Ends what nobody can stop any more: the external stream was removed, and its path with it.
    fn end_removed(&self, device: String) {
        let ended = self.ledger().end(&device);
        if let Ok(session) = ended {
            info!(device, "its stream was removed: the recording ends");
            tokio::spawn(self.clone().finish(device, session));
        }
    }

    pub(in crate::recording) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Every change of the ledger is one insertion or removal: it is whole whoever panicked.
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::recording) fn growing(&self) -> Vec<String> {
        let ledger = self.ledger();
        let mut devices = ledger.devices();
        devices.retain(|d| ledger.get(d).is_some_and(|s| s.state == State::Recording));
        devices
    }

    pub(in crate::recording) fn spool(&self, device: &str) -> PathBuf {
        spool::folder(&self.0.parts.shelf.root(), device)
    }

    /// Names the files that nobody has named yet, and goes on with what ran.
    async fn resume(&self) {
        let folder = spool::all(&self.0.parts.shelf.root());
        let devices = blocking(move || Ok(disk::devices(&folder)))
            .await
            .unwrap_or_default();
        for device in devices {
            self.adopt_orphans(&device, false).await;
        }
        for device in self.growing() {
            let over = self
                .ledger()
                .get(&device)
                .is_some_and(|s| s.until.is_some_and(|(_, at)| at <= clock::mono()));
            if !over {
                info!(device, "goes on recording");
                if let Err(error) = self.wish(&device) {
                    warn!(device, %error, "cannot go on recording");
                }
            }
        }
        self.keep().await;
        tokio::spawn(self.clone().make_rest_plain());
    }

    /// Writes down what runs.
    pub(in crate::recording) async fn keep(&self) {
        let _one = self.0.keeping.lock().await;
        let text = {
            let ledger = self.ledger();
            let files = ledger.files();
            self.0.reading().retain(|stem, _| files.contains(stem));
            let (began, ended) = self.0.parts.running.set(files);
            self.0.parts.witness.changed(&began, &ended);
            ledger.to_text()
        };
        let inner = Arc::clone(&self.0);
        if let Err(error) = blocking(move || inner.parts.note.write(&text)).await {
            warn!(%error, "a restart of the service would forget which recordings run");
        }
    }

    pub(in crate::recording) async fn look(
        self,
        stem: Stem,
        flushed: bool,
    ) -> Result<Option<Info>> {
        let running = self.0.parts.running.is_running(&stem);
        blocking(move || {
            let Some(item) = self.0.parts.index.find(&stem)? else {
                return Ok(None);
            };
            let entry = item.entry;
            if flushed {
                disk::flush(&entry.path);
            }
            let facts = match (running, item.facts) {
                (true, _) => disk::describe(&entry.path, self.0.measure(&entry)),
                (false, Some(facts)) => facts,
                (false, None) => examine_at(&entry.path),
            };
            Ok(Some(Info {
                entry,
                duration: facts.duration,
                facts,
                running,
            }))
        })
        .await
    }

    async fn tell_progress(&self, device: &str) {
        if self.is_bridge(device) {
            return;
        }
        let Some(session) = self.ledger().get(device).cloned() else {
            return;
        };
        let (mut duration, mut size) = (Duration::ZERO, 0);
        for stem in session.files {
            if let Ok(Some(info)) = self.clone().look(stem, false).await {
                duration += info.duration;
                size += info.entry.size;
            }
        }
        let said = [
            ("filename", session.stem.as_str().into()),
            ("duration", duration.as_secs_f64().into()),
            ("file_size", size.into()),
        ];
        self.tell(Topic::RecordingProgress, device, "RECORDING", said);
    }

    /// Tells what MediaMTX's recorder does with a path, as its files show it; with a reason where it is not our wish.
    pub(in crate::recording) fn tell_recorder(
        &self,
        topic: Topic,
        device: &str,
        reason: Option<&str>,
    ) {
        let status = match topic {
            Topic::MediamtxRecordingStarted => "STARTED",
            Topic::MediamtxRecordingStopped => "STOPPED",
            _ => "FAILED",
        };
        let event = Event::new(topic, clock::wall())
            .of(track::device(device))
            .with("name", track::device(device))
            .with("status", status);
        self.0.parts.events.announce(match reason {
            Some(reason) => event.with("reason", reason),
            None => event,
        });
    }

    pub(in crate::recording) fn tell<const N: usize>(
        &self,
        topic: Topic,
        device: &str,
        status: &str,
        said: [(&str, Value); N],
    ) {
        let event = Event::new(topic, clock::wall())
            .of(track::device(device))
            .with("status", status);
        let event = said
            .into_iter()
            .fold(event, |event, (name, value)| event.with(name, value));
        self.0.parts.events.announce(event);
    }
}

impl Recordings for Recorder {
    fn longest_lead(&self) -> Duration {
        self.0.parts.longest_lead
    }

    fn start(&self, order: Order) -> Later<Start> {
        detached(self.clone().start_now(order))
    }

    fn state(&self, device: &str) -> Option<&'static str> {
        let ledger = self.ledger();
        let track = track::asked_for(&ledger, device)?;
        ledger.state(&track).map(State::as_str)
    }

    fn stop(&self, device: &str) -> Later<Stop> {
        // Taken at once, so that calls of one connection take effect in their order.
        let (track, ended) = {
            let mut ledger = self.ledger();
            match track::asked_for(&ledger, device) {
                None => (String::new(), Err(None)),
                Some(track) => {
                    let ended = ledger.end(&track);
                    (track, ended)
                }
            }
        };
        match ended {
            Ok(session) => detached(self.clone().finish(track, session)),
            Err(state) => {
                let state = state.map_or("IDLE", State::as_str);
                Box::pin(std::future::ready(Ok(Stop::Idle { state })))
            }
        }
    }

    fn list(&self, wanted: Page) -> Later<Arc<Inventory>> {
        let index = self.0.parts.index.clone();
        match index.recall(wanted) {
            Some(known) => Box::pin(std::future::ready(Ok(known))),
            None => Box::pin(blocking(move || index.list(wanted))),
        }
    }

    fn info(&self, stem: Stem) -> Later<Option<Info>> {
        Box::pin(self.clone().look(stem, false))
    }

    fn delete(&self, stem: Stem, who: &str) -> Later<Deletion> {
        let erased = self.0.parts.storage.delete_recording(stem, who.to_owned());
        Box::pin(async move {
            Ok(match erased.await? {
                Erased::Done(_) => Deletion::Done,
                Erased::Unknown => Deletion::Unknown,
                Erased::Running => Deletion::Running,
                Erased::Protected => Deletion::Protected,
            })
        })
    }

    fn is_running(&self, stem: &Stem) -> bool {
        self.0.parts.running.is_running(stem)
    }

    fn durability(&self) -> Durability {
        let flushed = self.0.parts.flush.figures();
        Durability {
            flushes: flushed.flushes,
            failures: flushed.failures,
            longest_flush: flushed.longest,
            repaired: self.0.counts.repaired.load(Ordering::Relaxed),
            quarantined: self.0.counts.aside.load(Ordering::Relaxed),
        }
    }

    fn is_finalising(&self, stem: &Stem) -> bool {
        self.ledger().is_finalising(stem)
    }
}

async fn until(at: Option<Mono>) {
    match at {
        Some(at) => tokio::time::sleep(at.since(clock::mono())).await,
        None => std::future::pending().await,
    }
}

/// Goes on when nobody waits any more: a client that hangs up must not leave a half-started recording.
fn detached<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Later<T> {
    let work = tokio::spawn(work);
    Box::pin(async move {
        work.await
            .map_err(|e| Error::new(Kind::Internal, "the recorder panicked").because(e))?
    })
}

#[cfg(test)]
mod tests;
