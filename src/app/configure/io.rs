//! Reads the configuration anew and hands each action to whom it concerns.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Notify, watch::Receiver};
use tracing::{info, warn};

use crate::access::limits::Gate;
use crate::app::{limits, rules};
use crate::clock;
use crate::config::change::Action;
use crate::config::live::{Configuration, Live, Refusal, Reloaded};
use crate::config::load::Mistake;
use crate::config::{Config, Source, TestCamera, watch};
use crate::error::{Error, Kind, Later, Result};
use crate::http::{self, Tuning};
use crate::log;
use crate::mediamtx::io::Editor;
use crate::pipeline::fleet::{self, News};
use crate::system::System;
use crate::units::{Rate, Size};

/// Mistakes of one reading that are told.
const MOST_MISTAKES: usize = 200;

/// Whom actions concern.
pub(in crate::app) struct Hands {
    /// The doors.
    pub(in crate::app) doors: http::Live,
    /// What `get_status` and the events of health judge by.
    pub(in crate::app) system: Arc<System>,
    /// What counts requests and failed logins.
    pub(in crate::app) gate: Arc<Gate>,
    /// The cameras.
    pub(in crate::app) fleet: fleet::io::Line,
    /// MediaMTX.
    pub(in crate::app) media: Editor,
}

/// The configuration while the service runs. Cheap to clone.
#[derive(Clone)]
pub(in crate::app) struct Configurator(Arc<Inner>);

struct Inner {
    source: Source,
    live: Mutex<Live>,
    /// One reader after the other; [`Configurator::connect`] fills it before anybody can ask.
    hands: tokio::sync::Mutex<OnceLock<Hands>>,
}

impl Configurator {
    pub(in crate::app) fn new(source: Source, config: Config) -> Self {
        Self(Arc::new(Inner {
            source,
            live: Mutex::new(Live::new(config, clock::wall())),
            hands: tokio::sync::Mutex::default(),
        }))
    }

    /// Tells whom actions concern; a reading before that is refused.
    pub(in crate::app) async fn connect(&self, hands: Hands) {
        // Filled once, by the one who starts the service.
        let _ = self.0.hands.lock().await.set(hands);
    }

    /// Reads anew whenever the file is another, until the service stops.
    pub(in crate::app) async fn follow(self, mut stopping: Receiver<bool>) -> Result<()> {
        let Some(file) = self.0.source.file.clone() else {
            // Nothing to follow.
            let _ = stopping.wait_for(|stop| *stop).await;
            return Ok(());
        };
        let mut seen = Some(self.bytes().await);
        if !self.holds().await {
            // It was edited while the service started.
            seen = None;
        }
        let touched = Arc::new(Notify::new());
        let told = Arc::clone(&touched);
        let watch = watch::io::start(&file, move || told.notify_one())?;
        loop {
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => break,
                () = touched.notified() => {}
            }
            let now = Some(self.bytes().await);
            if now != seen {
                info!(file = %file.display(), "the configuration file is another");
                seen = now;
                // What became of it is in the log.
                let _ = self.reload().await;
            }
        }
        // Its thread is awake at once and ends.
        let _ = tokio::task::spawn_blocking(move || drop(watch)).await;
        Ok(())
    }

    /// Whether a reading now would give what holds.
    async fn holds(&self) -> bool {
        let source = self.0.source.clone();
        let read = tokio::task::spawn_blocking(move || source.load()).await;
        read.is_ok_and(|read| read.is_ok_and(|config| self.0.live().is(&config)))
    }

    async fn bytes(&self) -> Vec<u8> {
        let source = self.0.source.clone();
        let read = tokio::task::spawn_blocking(move || source.bytes());
        read.await.unwrap_or_default()
    }
}

impl Configuration for Configurator {
    fn file(&self) -> Option<String> {
        let file = self.0.source.file.as_ref();
        file.map(|file| file.display().to_string())
    }

    fn live(&self) -> Live {
        self.0.live().clone()
    }

    fn reload(&self) -> Later<Reloaded> {
        let inner = Arc::clone(&self.0);
        // A task of its own: a client that leaves in between must not leave half of it undone.
        let work = tokio::spawn(async move { inner.reload().await });
        Box::pin(async move {
            work.await.unwrap_or_else(|e| {
                Err(Error::new(Kind::Internal, "reading the configuration broke off").because(e))
            })
        })
    }
}

impl Inner {
    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reload(&self) -> Result<Reloaded> {
        let hands = self.hands.lock().await;
        let Some(hands) = hands.get() else {
            return Err(Error::new(Kind::Transient, "the service is still starting")
                .action("try again in a moment"));
        };
        let source = self.source.clone();
        let read = tokio::task::spawn_blocking(move || source.load())
            .await
            .map_err(|e| Error::new(Kind::Internal, "the configuration was not read").because(e))?;
        let config = match read {
            Ok(config) => config,
            Err(mut mistakes) => {
                bound(&mut mistakes);
                for mistake in &mistakes {
                    warn!(%mistake, "in the configuration");
                }
                warn!(
                    mistakes = mistakes.len(),
                    "the configuration is refused; the former one holds"
                );
                let at = clock::wall();
                self.live().refuse(mistakes.clone(), at);
                return Ok(Reloaded::Refused(Refusal { at, mistakes }));
            }
        };
        let change = self.live().accept(config, clock::wall());
        let mut troubles = Vec::new();
        for action in change.actions {
            if let Err(error) = carry_out(hands, action).await {
                warn!(%error, "in carrying out the configuration");
                troubles.push(error.to_string());
            }
        }
        info!(applied = ?change.live, "the configuration was read");
        if !change.restart.is_empty() {
            warn!(waiting = ?change.restart, "these keys act after a restart of the service");
        }
        Ok(Reloaded::Taken {
            applied: change.live,
            waiting: change.restart,
            troubles,
        })
    }
}

/// Some other file that was put in the configuration's place must not fill log and memory.
fn bound(mistakes: &mut Vec<Mistake>) {
    let more = mistakes.len().saturating_sub(MOST_MISTAKES);
    if more > 0 {
        mistakes.truncate(MOST_MISTAKES);
        mistakes.push(Mistake {
            place: "and so on".to_owned(),
            what: format!("{more} more"),
        });
    }
}

async fn carry_out(hands: &Hands, action: Action) -> Result<()> {
    match action {
        Action::LogLevel(level) => log::io::set_level(&level)?,
        Action::LogFile(logging) => log::io::set_file(&logging),
        Action::Limits(server) => tune(hands, |tuning| tuning.limits = limits(&server)),
        Action::Rates(security) => hands.gate.bound(rules(&security), clock::mono()),
        Action::Origins(origins) => tune(hands, |tuning| tuning.origins = origins),
        Action::ExpectedCameras(expected) => {
            tune(hands, |tuning| tuning.expected_cameras = expected);
        }
        Action::CameraWishes(camera) => hands.fleet.tell(News::Wishes(camera))?,
        Action::TestCamera(test) => hands.fleet.tell(News::Test(test_camera(&test)))?,
        // Whoever mints a token reads the configuration then.
        Action::JwtExpiry(_) => {}
        Action::MediaHosts(hosts) => {
            let mut media = hands.media.clone();
            let write = tokio::task::spawn_blocking(move || media.additional_hosts(hosts));
            write.await.map_err(|e| {
                Error::new(Kind::Internal, "MediaMTX's configuration was not written").because(e)
            })??;
        }
    }
    Ok(())
}

fn tune(hands: &Hands, change: impl FnOnce(&mut Tuning)) {
    // Set at the start, and only by the one reader that runs at a time.
    if let Some(present) = hands.doors.get() {
        let mut tuning = (*present).clone();
        change(&mut tuning);
        let (sockets, expected) = (tuning.limits.sockets, tuning.expected_cameras.clone());
        hands.system.want(sockets, expected);
        hands.doors.set(tuning);
    }
}

/// What the test camera shows, if it is wanted.
pub(in crate::app) fn test_camera(test: &TestCamera) -> Option<(Size, Rate)> {
    test.enabled.then(|| (test.size, Rate::fps(test.fps)))
}
