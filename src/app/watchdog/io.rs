//! What systemd hears of us (sd_notify(3)).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{debug, error};

use crate::camera::Directory;
use crate::clock;
use crate::error::Result;

/// A camera thread that has not looked around for so long hangs; the watchdog is no longer fed.
const HUNG: Duration = Duration::from_secs(10);

/// Tells systemd, where there is one.
pub(in crate::app) fn notify(states: &[sd_notify::NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    if let Err(e) = sd_notify::notify(states) {
        debug!(error = %e, "systemd was not told");
    }
}

/// Feeds systemd's watchdog as long as the runtime turns and no camera thread hangs.
pub(in crate::app) async fn feed_watchdog(
    directory: Arc<Directory>,
    mut stopping: watch::Receiver<bool>,
) -> Result<()> {
    let every = sd_notify::watchdog_enabled().map(|timeout| timeout / 3);
    loop {
        tokio::select! {
            _ = stopping.changed() => return Ok(()),
            () = clock::round(every.unwrap_or(HUNG)) => {}
        }
        let now = clock::mono();
        let hung = directory.list().into_iter().find(|camera| {
            let tick = camera.counters.tick_nanos.load(Ordering::Relaxed);
            tick != 0 && camera.is_running() && now.since(clock::Mono::from_nanos(tick)) > HUNG
        });
        match hung {
            Some(camera) => {
                error!(camera = %camera.id, "its thread hangs; the watchdog is not fed")
            }
            None if every.is_some() => notify(&[sd_notify::NotifyState::Watchdog]),
            None => {}
        }
    }
}
