//! Reads the counters once a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Sample, Viewing};
use crate::clock;
use crate::error::Result;

/// From one sample to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// Gives `counters` to `viewing` until the service stops.
pub async fn observe(
    viewing: Arc<Viewing>,
    counters: impl Fn() -> Vec<Sample> + Send,
    mut stopping: watch::Receiver<bool>,
) -> Result<()> {
    loop {
        tokio::select! {
            _ = stopping.changed() => return Ok(()),
            () = clock::round(PAUSE) => {}
        }
        for name in viewing.observe(&counters(), clock::mono()) {
            tracing::info!(name, "nobody watches it any more: its mark ended");
        }
    }
}
