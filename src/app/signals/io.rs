//! The signals that tell the service something.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use crate::error::{Error, Kind, Result};

/// What a signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// SIGINT or SIGTERM: end.
    End,
    /// SIGHUP. To a service: read the configuration anew. To a demo: its terminal was closed.
    HangUp,
}

/// SIGINT, SIGTERM and SIGHUP.
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
    pub async fn recv(&mut self) -> Told {
        tokio::select! {
            _ = self.interrupt.recv() => Told::End,
            _ = self.terminate.recv() => Told::End,
            _ = self.hang_up.recv() => Told::HangUp,
        }
    }

    /// Waits for the word to end; for what runs in a terminal, its closing is one.
    pub async fn end(&mut self, in_terminal: bool) {
        while self.recv().await == Told::HangUp && !in_terminal {}
    }
}

impl Signals {
    /// Lets `stopping` finish, unless SIGINT or SIGTERM says that somebody will not wait for it.
    pub async fn bound(&mut self, stopping: impl Future<Output = ()>) {
        tokio::select! {
            () = stopping => {}
            () = self.end(false) => {
                warn!("told to end a second time: ending at once");
                // 128 + SIGINT, as shells count it. The kernel ends MediaMTX with us.
                std::process::exit(130);
            }
        }
    }
}
