//! The signals that end the service.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use crate::error::{Error, Kind, Result};

/// SIGINT, SIGTERM and SIGHUP (the terminal was closed).
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Must be made before anything is started, or an early Ctrl-C would leave things behind.
    ///
    /// # Errors
    /// `Internal` when the handlers cannot be installed.
    pub fn new() -> Result<Self> {
        let install = |kind| {
            signal(kind)
                .map_err(|e| Error::new(Kind::Internal, "cannot watch for signals").because(e))
        };
        Ok(Self {
            interrupt: install(SignalKind::interrupt())?,
            terminate: install(SignalKind::terminate())?,
            hang_up: install(SignalKind::hangup())?,
        })
    }

    /// Waits for one.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

impl Signals {
    /// Lets `stopping` finish, unless another signal says that somebody will not wait for it.
    pub async fn bound(&mut self, stopping: impl Future<Output = ()>) {
        tokio::select! {
            () = stopping => {}
            () = self.recv() => {
                warn!("told to end a second time: ending at once");
                // 128 + SIGINT, as shells count it. The kernel ends MediaMTX with us.
                std::process::exit(130);
            }
        }
    }
}
