//! Has MediaMTX record, gives its files their names, ends what is due.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::disk::io as disk;
use super::ledger::{Due, Ledger, Session, State};
use super::{Deletion, Info, Order, Recordings, Running, Start, Started, Stop, Stopped, spool};
use crate::camera::{CameraId, Directory};
use crate::clock::{self, Mono, Wall};
use crate::error::{Error, Kind, Later, Result};
use crate::events::{Announce, Event, Topic};
use crate::mediamtx::paths::Paths;
use crate::storage::names::Stem;
use crate::storage::note::Note;
use crate::storage::shelf::{Listing, Page, Shelf, page};
use crate::storage::{Protect, Storage};
use crate::supervise::blocking;

/// MediaMTX takes a wish within milliseconds while it runs.
const SETTLE: Duration = Duration::from_secs(4);
/// From the wish to the first file: a key frame, one part, and a slow card.
const APPEAR: Duration = Duration::from_secs(8);
/// From the wish to the last byte.
const CLOSE: Duration = Duration::from_secs(4);
/// How often a file that must come, or be finished, is looked for.
const GLANCE: Duration = Duration::from_millis(20);
/// How often a key frame is asked for until the file is there: each one a little later, because MediaMTX may begin to
/// look for one only after the last was made.
const KEYFRAMES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(150),
    Duration::from_millis(1000),
    Duration::from_millis(3000),
];
/// How often a running recording is looked at for a further file.
const LOOK: Duration = Duration::from_secs(1);

/// Recordings. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

/// What a [`Recorder`] works with.
pub struct Parts {
    /// The folder people see.
    pub shelf: Arc<dyn Shelf>,
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
}

struct Inner {
    parts: Parts,
    ledger: Mutex<Ledger>,
    /// The ledger is another one.
    changed: Notify,
    /// One writer of the note at a time, so that the last one wins.
    keeping: tokio::sync::Mutex<()>,
    /// One adopter of files at a time, so that none is adopted twice.
    adopting: tokio::sync::Mutex<()>,
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

impl Recorder {
    /// A recorder that knows what ran when the service ended. Nothing is recorded before [`Recorder::run`].
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let kept = parts.note.read().map(|text| {
            text.map_or_else(
                || Ok(Ledger::default()),
                |text| Ledger::from_text(&text, clock::now()),
            )
        });
        let ledger = match kept {
            Ok(Ok(ledger)) => ledger,
            Ok(Err(error)) => {
                warn!(
                    error,
                    "the note of running recordings is damaged: none is resumed"
                );
                Ledger::default()
            }
            Err(error) => {
                warn!(%error, "none is resumed");
                Ledger::default()
            }
        };
        parts.running.set(ledger.files());
        Self(Arc::new(Inner {
            parts,
            ledger: Mutex::new(ledger),
            changed: Notify::new(),
            keeping: tokio::sync::Mutex::new(()),
            adopting: tokio::sync::Mutex::new(()),
        }))
    }

    /// Resumes what ran, then ends what is due and names further files, until the service stops.
    ///
    /// # Errors
    /// Never: what fails is told and tried again.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) -> Result<()> {
        self.resume().await;
        loop {
            let wake = {
                let ledger = self.ledger();
                let look = (!ledger.devices().is_empty()).then(|| clock::mono() + LOOK);
                look.map(|look| ledger.wake().map_or(look, |wake| wake.min(look)))
            };
            tokio::select! {
                _ = stopping.changed() => return Ok(()),
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
            for device in self.growing() {
                self.adopt_further(&device).await;
            }
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Every change of the ledger is one insertion or removal: it is whole whoever panicked.
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn growing(&self) -> Vec<String> {
        let ledger = self.ledger();
        let mut devices = ledger.devices();
        devices.retain(|d| ledger.get(d).is_some_and(|s| s.state == State::Recording));
        devices
    }

    fn spool(&self, device: &str) -> PathBuf {
        spool::folder(&self.0.parts.shelf.root(), device)
    }

    /// Names the files that nobody has named yet, and goes on with what ran.
    async fn resume(&self) {
        let folder = spool::all(&self.0.parts.shelf.root());
        let devices = blocking(move || Ok(disk::devices(&folder)))
            .await
            .unwrap_or_default();
        for device in devices {
            self.adopt_orphans(&device).await;
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
    }

    fn wish(&self, device: &str) -> Result<()> {
        let root = self.0.parts.shelf.root();
        let record = spool::record(&root).ok_or_else(|| {
            Error::new(
                Kind::Config,
                format!("MediaMTX cannot write beneath {}", root.display()),
            )
            .action("choose a storage.recordings_dir in UTF-8 without a % in its path")
        })?;
        self.0.parts.paths.wish(device, |w| w.record = Some(record));
        Ok(())
    }

    async fn begin(&self, order: &Order) -> Result<Started> {
        let device = &order.device;
        self.adopt_orphans(device).await;
        self.wish(device)?;
        self.0.parts.paths.settled(device, SETTLE).await?;
        let file = self.first_file(device).await?;
        let now = clock::now();
        let start = spool::begun(&file).unwrap_or(now.wall);
        let wish = order
            .name
            .clone()
            .unwrap_or_else(|| Stem::of(device, start));
        let stem = self.adopt(device, wish, file).await?;
        let until = self
            .ledger()
            .started(device, stem.clone(), start, order.duration, now);
        self.keep().await;
        self.0.changed.notify_one();
        Ok(Started { stem, start, until })
    }

    /// Waits for the file of a recording that has just been asked for.
    async fn first_file(&self, device: &str) -> Result<PathBuf> {
        let asked = clock::mono();
        let mut keyframes = KEYFRAMES.into_iter().peekable();
        loop {
            let waited = clock::mono().since(asked);
            if keyframes.next_if(|after| *after <= waited).is_some() {
                self.ask_keyframe(device);
            }
            let folder = self.spool(device);
            let found = blocking(move || disk::fresh(&folder).map_err(unreadable)).await?;
            if let Some(first) = found.into_iter().next() {
                return Ok(first);
            }
            if waited > APPEAR {
                return Err(Error::new(
                    Kind::Gone,
                    format!("MediaMTX wrote no file of {device} within {} s", APPEAR.as_secs()),
                )
                .action("see get_camera_status whether its picture reaches MediaMTX, and the log for what the recorder says"));
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    fn ask_keyframe(&self, device: &str) {
        let camera = device.parse::<CameraId>().ok();
        if let Some(camera) = camera.and_then(|id| self.0.parts.directory.get(id)) {
            camera
                .counters
                .keyframe_wanted
                .store(true, Ordering::Relaxed);
        }
    }

    /// Undoes what a start has done that came to nothing.
    async fn give_up(&self, device: &str) {
        self.0.parts.paths.wish(device, |w| w.record = None);
        if let Err(error) = self.0.parts.paths.settled(device, SETTLE).await {
            warn!(device, %error, "MediaMTX has not been told to stop recording; it is told as soon as it answers");
        }
        let folder = self.spool(device);
        let cleared = blocking(move || {
            disk::clear(&folder);
            Ok(())
        });
        if let Err(error) = cleared.await {
            warn!(device, %error, "files may be left");
        }
        self.ledger().remove(device);
    }

    async fn start_now(self, order: Order) -> Result<Start> {
        if let Some(why) = self.0.parts.storage.refusal().await? {
            return Ok(Start::Full(why));
        }
        if let Err(state) = self.ledger().begin(&order.device) {
            return Ok(Start::Busy {
                state: state.as_str(),
            });
        }
        match self.begin(&order).await {
            Ok(started) => {
                info!(device = order.device, name = %started.stem, "recording");
                let said = [
                    ("filename", started.stem.as_str().into()),
                    ("duration", 0.into()),
                ];
                self.tell(Topic::RecordingStart, &order.device, "STARTED", said);
                Ok(Start::Started(started))
            }
            Err(error) => {
                warn!(device = order.device, %error, "cannot record");
                self.give_up(&order.device).await;
                let name = order.name.as_ref().map_or("", Stem::as_str);
                let said = [
                    ("filename", name.into()),
                    ("reason", error.to_string().into()),
                ];
                self.tell(Topic::RecordingError, &order.device, "FAILED", said);
                Err(error)
            }
        }
    }

    /// Ends a recording that [`Ledger::end`] has been asked for.
    async fn finish(self, device: String, session: Session) -> Result<Stop> {
        self.keep().await;
        self.0.parts.paths.wish(&device, |w| w.record = None);
        if let Err(error) = self.0.parts.paths.settled(&device, SETTLE).await {
            warn!(device, %error, "MediaMTX has not been told to stop recording; it is told as soon as it answers");
        }
        let session = self.closed(&device, session).await;
        let mut files = Vec::new();
        for stem in &session.files {
            match self.clone().look(stem.clone(), true).await {
                Ok(info) => files.extend(info),
                Err(error) => warn!(device, name = %stem, %error, "not counted"),
            }
        }
        let duration: Duration = files.iter().map(|f| f.duration).sum();
        let played = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let end = match files.as_slice() {
            [_, .., last] => last.entry.modified,
            _ => Wall::from_nanos(session.start.as_nanos().saturating_add(played)),
        };
        let stopped = Stopped {
            stem: session.stem,
            start: session.start,
            end,
            duration,
            size: files.iter().map(|f| f.entry.size).sum(),
            files,
        };
        self.ledger().remove(&device);
        self.keep().await;
        info!(device, name = %stopped.stem, bytes = stopped.size, duration_ms = duration.as_millis(), "recorded");
        let said = [
            ("filename", stopped.stem.as_str().into()),
            ("duration", duration.as_secs_f64().into()),
            ("file_size", stopped.size.into()),
        ];
        self.tell(Topic::RecordingStop, &device, "STOPPED", said);
        Ok(Stop::Stopped(stopped))
    }

    /// Waits until MediaMTX has closed the last file, which it says in the file's head, but not for ever; then the
    /// file is on the medium.
    async fn closed(&self, device: &str, mut session: Session) -> Session {
        let asked = clock::mono();
        loop {
            self.adopt_further(device).await;
            if let Some(now) = self.ledger().get(device) {
                session = now.clone();
            }
            let shelf = Arc::clone(&self.0.parts.shelf);
            let last = session.files.last().cloned();
            let done = blocking(move || {
                let Some(entry) = last.map(|l| shelf.find(&l)).transpose()?.flatten() else {
                    return Ok(true);
                };
                let closed = disk::measure(&entry.path).closed;
                if closed {
                    disk::flush(&entry.path);
                }
                Ok(closed)
            });
            if done.await.unwrap_or(true) || clock::mono().since(asked) > CLOSE {
                return session;
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Gives the files of an interrupted recording their names.
    async fn adopt_further(&self, device: &str) {
        let _one = self.0.adopting.lock().await;
        let folder = self.spool(device);
        let Ok(found) = blocking(move || disk::fresh(&folder).map_err(unreadable)).await else {
            return;
        };
        for file in found {
            let Some(first) = self.ledger().get(device).map(|s| s.stem.clone()) else {
                return;
            };
            match self.adopt(device, first.clone(), file).await {
                Ok(stem) => {
                    self.ledger().add(device, stem.clone());
                    self.keep().await;
                    warn!(device, name = %first, goes_on_in = %stem, "the recording was interrupted");
                    let said = [
                        ("filename", first.as_str().into()),
                        (
                            "reason",
                            format!("it was interrupted and goes on in {stem}").into(),
                        ),
                    ];
                    self.tell(Topic::RecordingError, device, "ERROR", said);
                }
                Err(error) => warn!(device, %error, "a file of the recording has no name yet"),
            }
        }
    }

    /// Gives files that were left behind their names: those of the recording that ran, or names of their own.
    async fn adopt_orphans(&self, device: &str) {
        if self.ledger().get(device).is_some() {
            return self.adopt_further(device).await;
        }
        let _one = self.0.adopting.lock().await;
        let folder = self.spool(device);
        let found = blocking(move || disk::fresh(&folder).map_err(unreadable)).await;
        for file in found.unwrap_or_default() {
            let wish = Stem::of(device, spool::begun(&file).unwrap_or_else(clock::wall));
            match self.adopt(device, wish, file).await {
                Ok(stem) => {
                    warn!(device, name = %stem, "a recording that was left without a name has one now")
                }
                Err(error) => warn!(device, %error, "a recording was left without a name"),
            }
        }
    }

    async fn adopt(&self, device: &str, wish: Stem, file: PathBuf) -> Result<Stem> {
        let (shelf, device) = (Arc::clone(&self.0.parts.shelf), device.to_owned());
        blocking(move || Ok(shelf.adopt(&device, &wish, &file)?.stem)).await
    }

    /// Writes down what runs.
    async fn keep(&self) {
        let _one = self.0.keeping.lock().await;
        let text = {
            let ledger = self.ledger();
            self.0.parts.running.set(ledger.files());
            ledger.to_text()
        };
        let inner = Arc::clone(&self.0);
        if let Err(error) = blocking(move || inner.parts.note.write(&text)).await {
            warn!(%error, "a restart of the service would forget which recordings run");
        }
    }

    async fn look(self, stem: Stem, flushed: bool) -> Result<Option<Info>> {
        let running = self.0.parts.running.is_running(&stem);
        blocking(move || {
            let Some(entry) = self.0.parts.shelf.find(&stem)? else {
                return Ok(None);
            };
            if flushed {
                disk::flush(&entry.path);
            }
            let duration = disk::measure(&entry.path).duration;
            Ok(Some(Info {
                entry,
                duration,
                running,
            }))
        })
        .await
    }

    async fn tell_progress(&self, device: &str) {
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

    fn tell<const N: usize>(
        &self,
        topic: Topic,
        device: &str,
        status: &str,
        said: [(&str, Value); N],
    ) {
        let event = Event::new(topic, clock::wall())
            .of(device)
            .with("status", status);
        let event = said
            .into_iter()
            .fold(event, |event, (name, value)| event.with(name, value));
        self.0.parts.events.announce(event);
    }
}

impl Recordings for Recorder {
    fn start(&self, order: Order) -> Later<Start> {
        detached(self.clone().start_now(order))
    }

    fn stop(&self, device: &str) -> Later<Stop> {
        // Taken at once, so that calls of one connection take effect in their order.
        let ended = self.ledger().end(device);
        match ended {
            Ok(session) => detached(self.clone().finish(device.to_owned(), session)),
            Err(state) => {
                let state = state.map_or("IDLE", State::as_str);
                Box::pin(std::future::ready(Ok(Stop::Idle { state })))
            }
        }
    }

    fn list(&self, wanted: Page) -> Later<Listing> {
        let shelf = Arc::clone(&self.0.parts.shelf);
        Box::pin(blocking(move || Ok(page(shelf.all()?, wanted))))
    }

    fn info(&self, stem: Stem) -> Later<Option<Info>> {
        Box::pin(self.clone().look(stem, false))
    }

    fn delete(&self, stem: Stem) -> Later<Deletion> {
        let inner = Arc::clone(&self.0);
        Box::pin(blocking(move || {
            if inner.parts.running.is_running(&stem) {
                return Ok(Deletion::Running);
            }
            Ok(match inner.parts.shelf.delete(&stem)? {
                Some(_) => Deletion::Done,
                None => Deletion::Unknown,
            })
        }))
    }

    fn is_running(&self, stem: &Stem) -> bool {
        self.0.parts.running.is_running(stem)
    }
}

fn unreadable(source: std::io::Error) -> Error {
    Error::new(Kind::Config, "cannot read MediaMTX's recordings")
        .because(source)
        .action("let the service's user read and write what MediaMTX records")
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
