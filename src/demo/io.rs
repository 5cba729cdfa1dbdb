//! Runs the service in a throw-away folder until it is told to stop.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use super::{Card, Tokens};
use crate::access::Role;
use crate::app::{self, App, Signals};
use crate::camera::CameraId;
use crate::config::{self, Config};
use crate::error::{Error, Kind, Result};
use crate::{clock, log};

/// Life of a demo's tokens.
const TOKEN_SECS: u64 = 24 * 3600;
/// A picture that is not there by then will not come by waiting.
const FIRST_PICTURE: Duration = Duration::from_secs(30);

/// The demo's folder; removed at the end when we made it.
struct StateDir {
    path: PathBuf,
    ours: bool,
}

impl StateDir {
    fn new(wanted: Option<PathBuf>) -> Result<Self> {
        let ours = wanted.is_none();
        let path = wanted.unwrap_or_else(|| {
            std::env::temp_dir().join(format!(
                "camera-service-demo-{}",
                uuid::Uuid::new_v4().simple()
            ))
        });
        std::fs::create_dir_all(&path).map_err(|e| {
            Error::new(
                Kind::Config,
                format!("cannot create the state folder {}", path.display()),
            )
            .because(e)
            .action("give another one with --state")
        })?;
        Ok(Self { path, ours })
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        if self.ours {
            // What cannot be removed is only a generated file in the temporary folder.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// The demo, until SIGINT or SIGTERM.
///
/// # Errors
/// Whatever keeps a picture from flowing, with what to do about it.
pub fn run(json: bool, state: Option<PathBuf>, file: Option<&Path>) -> Result<()> {
    let started = clock::mono();
    let state = StateDir::new(state)?;
    let mut base = Config::default();
    base.test_camera.enabled = true;
    // Whoever runs the demo holds its tokens.
    base.security.claim = false;
    base.storage.data_dir = state.path.join("data");
    base.storage.runtime_dir = state.path.join("run");
    let config = config::io::read(base, file)?;
    log::io::start(&config.logging)?;
    app::runtime()?.block_on(async {
        let mut signals = Signals::new()?;
        let mut app = App::start(config).await?;
        let shown = show_and_wait(&mut app, &mut signals, json, &state.path, started).await;
        signals.bound(app.stop()).await;
        shown
    })
}

async fn show_and_wait(
    app: &mut App,
    signals: &mut Signals,
    json: bool,
    state: &Path,
    started: clock::Mono,
) -> Result<()> {
    tokio::select! {
        // Ctrl-C while waiting is an ordinary end.
        () = signals.recv() => return Ok(()),
        found = picture(app) => found?,
    }
    show(app, json, state, clock::mono().since(started))?;
    tokio::select! {
        () = signals.recv() => Ok(()),
        failed = app.failed() => Err(failed),
    }
}

fn show(app: &App, json: bool, state: &Path, took: Duration) -> Result<()> {
    let token = |role: Role| app.mint("demo", role, TOKEN_SECS);
    let cameras: Vec<CameraId> = app.directory().list().iter().map(|c| c.id).collect();
    let card = Card::new(
        app.addresses(),
        app.websocket_path(),
        &cameras,
        Tokens {
            viewer: token(Role::Viewer),
            operator: token(Role::Operator),
            admin: token(Role::Admin),
        },
        state,
        std::process::id(),
        u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    );
    if json {
        let line = serde_json::to_string(&card)
            .map_err(|e| Error::new(Kind::Internal, "cannot write the card").because(e))?;
        println!("{line}");
    } else {
        println!("{}", card.text());
    }
    Ok(())
}

/// Waits until a camera's picture has arrived inside MediaMTX.
async fn picture(app: &App) -> Result<()> {
    let deadline = Instant::now() + FIRST_PICTURE;
    while Instant::now() < deadline {
        for camera in app.directory().list() {
            let sent = camera.counters.sent.load(Ordering::Relaxed) > 0;
            if sent && app.is_readable(camera.id).await {
                info!(camera = %camera.id, "the first picture is in MediaMTX");
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(Error::new(
        Kind::Config,
        format!("no picture after {} s", FIRST_PICTURE.as_secs()),
    )
    .action("the lines above say what the cameras and MediaMTX are waiting for"))
}
