//! Begins and ends what the modes ask for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::{Modes, Moding, Order, Seen, Standing, Wish};
use crate::camera::{CameraId, Directory, Status};
use crate::clock;
use crate::error::{Later, Result};
use crate::recording::io::Recorder;
use crate::recording::ledger::State;
use crate::recording::{Format, Order as Wanted, Origin, Start};
use crate::storage::note::Note;
use crate::supervise::blocking;

/// How often it is looked whether a window opens or closes, a camera came or went, a start may be tried again.
const LOOK: Duration = Duration::from_secs(1);

/// How long the look after an interruption is waited for; what it does then takes long, and does not stand in the way.
const PATIENCE: Duration = Duration::from_secs(4);

/// The modes of all cameras. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Keeper(Arc<Inner>);

struct Inner {
    modes: Mutex<Modes>,
    recorder: Recorder,
    directory: Arc<Directory>,
    note: Box<dyn Note>,
    /// One writer of the note at a time, so that the last one wins.
    keeping: tokio::sync::Mutex<()>,
    changed: Notify,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    /// Takes what was kept over `modes`. Nothing is recorded before [`Keeper::run`].
    #[must_use]
    pub fn new(
        mut modes: Modes,
        recorder: Recorder,
        directory: Arc<Directory>,
        note: Box<dyn Note>,
    ) -> Self {
        match note.read() {
            Ok(None) => {}
            Ok(Some(text)) => {
                if let Err(error) = modes.take(&text) {
                    warn!(
                        error,
                        "the note of recording modes is damaged: cameras are recorded as the configuration says; set their modes again"
                    );
                }
            }
            Err(error) => warn!(%error, "cameras are recorded as the configuration says"),
        }
        Self(Arc::new(Inner {
            modes: Mutex::new(modes),
            recorder,
            directory,
            note,
            keeping: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
        }))
    }

    fn modes(&self) -> MutexGuard<'_, Modes> {
        // Each change is one insertion or removal: they are whole whoever panicked.
        self.0.modes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins and ends recordings until the service stops.
    ///
    /// # Errors
    /// Never: what fails is told and tried again.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) -> Result<()> {
        // What was cut off is looked into before anything is recorded anew.
        let mut looked = self.0.recorder.looked();
        let looked = tokio::time::timeout(PATIENCE, looked.wait_for(|looked| *looked));
        tokio::select! {
            _ = stopping.changed() => return Ok(()),
            _ = looked => {}
        }
        loop {
            let seen = self.look();
            let orders = self.modes().decide(&seen, clock::now());
            for order in orders {
                match order {
                    Order::Start(camera) => self.start(camera),
                    Order::Stop(camera) => {
                        info!(%camera, "its mode ends the recording");
                        self.0.recorder.end_by_mode(&camera.to_string());
                    }
                }
            }
            tokio::select! {
                _ = stopping.changed() => return Ok(()),
                () = self.0.changed.notified() => {}
                () = clock::round(LOOK) => {}
            }
        }
    }

    fn look(&self) -> Vec<Seen> {
        let cameras = self.0.directory.list();
        let ledger = self.0.recorder.ledger();
        cameras
            .into_iter()
            .map(|camera| {
                let track = camera.id.to_string();
                Seen {
                    camera: camera.id,
                    present: !matches!(camera.status, Status::Disconnected { .. }),
                    track: ledger.state(&track),
                    by_mode: ledger.is_by_mode(&track),
                }
            })
            .collect()
    }

    fn start(&self, camera: CameraId) {
        let this = self.clone();
        tokio::spawn(async move {
            let wanted = Wanted {
                device: camera.to_string(),
                name: None,
                duration: None,
                format: Format::Fmp4,
                lead: Duration::ZERO,
                origin: Origin::Mode,
            };
            // What fails is told by the recorder.
            match this.0.recorder.clone().start_now(wanted).await {
                Ok(Start::Started(_)) => this.modes().succeeded(camera),
                Ok(Start::Full(why)) => {
                    warn!(%camera, why, "its mode cannot record it");
                    this.modes().failed(camera, clock::mono());
                }
                Ok(Start::Busy { .. }) => {}
                Err(_) => this.modes().failed(camera, clock::mono()),
            }
        });
    }

    async fn keep(&self) -> Result<()> {
        let _one = self.0.keeping.lock().await;
        let text = self.modes().to_text();
        let inner = Arc::clone(&self.0);
        blocking(move || inner.note.write(&text)).await
    }
}

impl Moding for Keeper {
    fn standing(&self, camera: CameraId) -> Standing {
        let track = camera.to_string();
        let records = {
            let ledger = self.0.recorder.ledger();
            ledger.is_by_mode(&track) && ledger.state(&track) == Some(State::Recording)
        };
        let modes = self.modes();
        let wish = modes.wish(camera).clone();
        Standing {
            reason: wish.says(clock::now(), modes.zone()),
            own: modes.has_own(camera),
            zone: modes.zone().name().to_owned(),
            records,
            wish,
        }
    }

    fn set(&self, camera: CameraId, wish: Option<Wish>) -> Later<Standing> {
        let this = self.clone();
        Box::pin(async move {
            let before = {
                let mut modes = this.modes();
                let before = modes.has_own(camera).then(|| modes.wish(camera).clone());
                modes.set(camera, wish);
                before
            };
            if let Err(error) = this.keep().await {
                // What would be forgotten at the next start must not hold until then.
                this.modes().set(camera, before);
                return Err(error);
            }
            this.0.changed.notify_one();
            Ok(this.standing(camera))
        })
    }
}
