//! Runs MediaMTX: writes its configuration, keeps its process, asks its API, tells the rest.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::api::io::Api;
use super::auth::Secret;
use super::locate::io::locate;
use super::process::io::{Process, Recipe, write_config};
use super::process::life::{Input, ProcessState};
use super::settings::{Settings, render};
use super::state::{ApiState, Shared, Snapshot};
use crate::clock;
use crate::error::{Error, Kind, Result};

/// From one round of questions to the next. With [`ROUND`] this bounds how old a snapshot can be: 2 s.
const PAUSE: Duration = Duration::from_secs(1);
/// The same while the process is starting: it is up within some 20 ms on a PC, 500 ms on a small board.
const STARTING_PAUSE: Duration = Duration::from_millis(25);
/// So long a start is taken for a quick one.
const QUICK_START: Duration = Duration::from_secs(10);
/// The same while something else should start it.
const EXTERNAL_PAUSE: Duration = Duration::from_millis(250);
/// A process that runs and does not answer for so long hangs, and is started anew.
const HANGS: Duration = Duration::from_secs(10);
/// What one round may take.
const ROUND: Duration = Duration::from_millis(900);

/// Who runs the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// We do, as our child; it ends when we do.
    Child {
        /// Where the binary is; `None` looks beside our own and on PATH.
        binary: Option<PathBuf>,
    },
    /// Something else, systemd on a box: we write the configuration, it reads it.
    External,
}

/// MediaMTX, running or kept being started. A child of ours ends when this is dropped.
#[derive(Debug)]
pub struct MediaMtx {
    eye: Eye,
    process: Option<Arc<Process>>,
    poller: JoinHandle<()>,
    settings: Settings,
    file: PathBuf,
}

/// Changes what may change of a running MediaMTX: it watches its configuration file and acts on what differs.
#[derive(Debug, Clone)]
pub struct Editor {
    settings: Settings,
    file: PathBuf,
    process: Option<Weak<Process>>,
}

impl Editor {
    /// Offers viewers these addresses for WebRTC, too. WebRTC viewers connect anew; all others notice nothing.
    ///
    /// # Errors
    /// `Config` when the file of somebody else's MediaMTX cannot be written. Blocks for that writing.
    pub fn additional_hosts(&mut self, hosts: Vec<String>) -> Result<()> {
        self.settings.additional_hosts = hosts;
        match &self.process {
            Some(process) => {
                if let Some(process) = process.upgrade() {
                    process.settings(self.settings.clone());
                }
                Ok(())
            }
            None => write_config(&self.file, &render(&self.settings)),
        }
    }
}

/// What the poller and the handle share.
#[derive(Debug, Clone)]
struct Eye {
    api: Api,
    shared: Shared,
    /// Told after every change of `shared` that is not one of figures alone.
    changed: watch::Sender<()>,
    /// Ends the poller's pause.
    look: Arc<Notify>,
}

impl MediaMtx {
    /// Writes `config_file` and starts MediaMTX with it, or waits for whoever does.
    ///
    /// Start the authorisation callback first: MediaMTX asks it about our own questions, too, and
    /// punishes a callback that does not answer with pauses of up to 4 s.
    pub async fn start(
        settings: Settings,
        ownership: Ownership,
        config_file: &Path,
        secret: &Secret,
    ) -> Result<Self> {
        settings
            .check()
            .map_err(|what| Error::new(Kind::Config, what))?;
        write_config(config_file, &render(&settings))?;
        let first = match ownership {
            Ownership::External => ProcessState::External,
            Ownership::Child { .. } => ProcessState::Stopped,
        };
        let eye = Eye {
            api: Api::new(settings.api, secret),
            shared: Shared::new(first, clock::mono()),
            changed: watch::Sender::new(()),
            look: Arc::new(Notify::new()),
        };
        let process = match ownership {
            Ownership::External => None,
            Ownership::Child { binary } => {
                let recipe = Recipe {
                    binary: locate(binary.as_deref()).await?.path,
                    config: config_file.to_owned(),
                    settings: settings.clone(),
                };
                let seen = eye.clone();
                let process = Process::new(recipe, move |state| {
                    seen.update(|s| s.process(state.clone(), clock::mono()));
                    seen.look.notify_one();
                })?;
                process.tell(Input::Start);
                Some(Arc::new(process))
            }
        };
        let poller = tokio::spawn(eye.clone().poll(process.clone()));
        Ok(Self {
            eye,
            process,
            poller,
            settings,
            file: config_file.to_owned(),
        })
    }

    /// What is known now; never blocks.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.eye.shared.get()
    }

    /// The handle by which others see [`MediaMtx::snapshot`].
    #[must_use]
    pub fn shared(&self) -> Shared {
        self.eye.shared.clone()
    }

    /// Told after every change of [`MediaMtx::shared`] that is not one of figures alone (bytes, when it was asked).
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.eye.changed.subscribe()
    }

    /// What it was started with.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its control API.
    #[must_use]
    pub const fn api(&self) -> &Api {
        &self.eye.api
    }

    /// Asks now, and returns what is known then.
    pub async fn refresh(&self) -> Arc<Snapshot> {
        self.eye.round().await;
        self.snapshot()
    }

    /// Waits until the snapshot is as `wanted`, which must not ask for figures alone; `None` when it is not within
    /// `patience`.
    pub async fn until(
        &self,
        patience: Duration,
        wanted: impl Fn(&Snapshot) -> bool,
    ) -> Option<Arc<Snapshot>> {
        let mut changes = self.eye.changed.subscribe();
        timeout(patience, async {
            loop {
                let now = self.snapshot();
                if wanted(&now) {
                    return now;
                }
                // We hold the sender: it cannot close.
                let _ = changes.changed().await;
            }
        })
        .await
        .ok()
    }

    /// How other settings reach it while it runs.
    #[must_use]
    pub fn editor(&self) -> Editor {
        Editor {
            settings: self.settings.clone(),
            file: self.file.clone(),
            process: self.process.as_ref().map(Arc::downgrade),
        }
    }

    /// Ends a child of ours and starts it anew; does nothing about a process of somebody else.
    pub fn restart(&self) {
        self.tell(Input::Restart);
    }

    /// Ends a child of ours, gracefully at first; returns when it is gone, after 10 s at most.
    pub async fn stop(self) {
        self.tell(Input::Stop);
        let gone =
            |s: &Snapshot| matches!(s.process, ProcessState::Stopped | ProcessState::External);
        if self.until(Duration::from_secs(10), gone).await.is_none() {
            tracing::warn!("MediaMTX does not end; the kernel will end it with us");
        }
    }

    fn tell(&self, input: Input) {
        if let Some(process) = &self.process {
            process.tell(input);
        }
    }
}

impl Drop for MediaMtx {
    fn drop(&mut self) {
        self.poller.abort();
        // The poller may hold the process a moment longer than we do.
        self.tell(Input::Stop);
    }
}

impl Eye {
    fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        if self.shared.update(change) {
            self.changed.send_replace(());
        }
    }

    async fn poll(self, process: Option<Arc<Process>>) {
        let mut was_up = false;
        loop {
            self.round().await;
            let now = self.shared.get();
            if let (true, ProcessState::Starting { .. }, Some(process)) =
                (now.is_up(), &now.process, &process)
            {
                process.tell(Input::Answered);
            }
            if now.is_up() != was_up {
                was_up = now.is_up();
                let version = now.version.as_deref().unwrap_or("of unknown version");
                match &now.api {
                    ApiState::Reachable { .. } => {
                        tracing::info!("MediaMTX {version} answers");
                    }
                    // A death has been told by the process's keeper, an end that was asked for is no news.
                    ApiState::Unreachable { .. }
                        if matches!(
                            now.process,
                            ProcessState::Backoff { .. }
                                | ProcessState::Stopped
                                | ProcessState::Stopping { .. }
                        ) => {}
                    ApiState::Unreachable { reason, .. } => tracing::warn!("{reason}"),
                }
            }
            if let (
                ApiState::Unreachable { since, .. },
                ProcessState::Running { pid, .. },
                Some(process),
            ) = (&now.api, &now.process, &process)
                && clock::mono().since(*since) > HANGS
            {
                tracing::warn!(pid, "MediaMTX runs but does not answer: restarting it");
                process.tell(Input::Restart);
                self.update(|s| {
                    s.failed(
                        "MediaMTX hung and is being restarted".to_owned(),
                        clock::mono(),
                    )
                });
            }
            let pause = match now.process {
                _ if now.is_up() => PAUSE,
                ProcessState::Starting { since, .. }
                    if clock::mono().since(since) < QUICK_START =>
                {
                    STARTING_PAUSE
                }
                ProcessState::External => EXTERNAL_PAUSE,
                _ => PAUSE,
            };
            tokio::select! {
                () = self.look.notified() => {}
                () = clock::round(pause) => {}
            }
        }
    }

    /// One round of questions.
    async fn round(&self) {
        let before = self.shared.get();
        if matches!(
            before.process,
            ProcessState::Backoff { .. } | ProcessState::Stopped
        ) {
            return;
        }
        let asked = async {
            let version = match before.version {
                None => self.api.info().await.map(|i| Some(i.version)),
                Some(_) => Ok(None),
            };
            Ok::<_, Error>((version?, self.api.paths().await?))
        };
        let answer = timeout(ROUND, asked).await;
        self.update(|s| {
            // The answer of one that has died meanwhile says nothing about its successor.
            if s.process.pid() != before.process.pid() {
                return;
            }
            let now = clock::mono();
            match answer {
                Ok(Ok((version, paths))) => s.answered(version, paths, now),
                Ok(Err(e)) => s.failed(e.to_string(), now),
                Err(_) => s.failed(
                    format!(
                        "MediaMTX's control API did not answer within {} ms (see its log)",
                        ROUND.as_millis()
                    ),
                    now,
                ),
            }
        });
    }
}

/// Gives every listener whose port is 0 a port that is free now.
///
/// Somebody else may take it before MediaMTX does; that is reported like any taken port.
pub fn pick_free_ports(settings: &mut Settings) -> Result<()> {
    let mut held_tcp = Vec::new();
    let mut held_udp = Vec::new();
    let failed = |address: SocketAddr, e: io::Error| {
        Error::new(Kind::Config, format!("no free port on {}", address.ip())).because(e)
    };
    let tcp = [
        Some(&mut settings.rtsp),
        Some(&mut settings.hls),
        Some(&mut settings.webrtc),
        Some(&mut settings.api),
        settings.webrtc_tcp.as_mut(),
    ];
    for address in tcp.into_iter().flatten().filter(|a| a.port() == 0) {
        let listener = TcpListener::bind(*address).map_err(|e| failed(*address, e))?;
        *address = listener.local_addr().map_err(|e| failed(*address, e))?;
        held_tcp.push(listener);
    }
    let udp = &mut settings.webrtc_udp;
    if udp.port() == 0 {
        let socket = UdpSocket::bind(*udp).map_err(|e| failed(*udp, e))?;
        *udp = socket.local_addr().map_err(|e| failed(*udp, e))?;
        held_udp.push(socket);
    }
    // All are held until here, so no two are the same.
    drop((held_tcp, held_udp));
    Ok(())
}
