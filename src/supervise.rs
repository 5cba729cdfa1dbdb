//! One list of named tasks. The first to end by itself ends the service, with its name in the
//! error: systemd starts a whole service again better than we could patch half of one.
//!
//! Rejected: a bare `JoinSet` (loses the names), restarting tasks in place (each would need its own
//! story of half-lost state; the parts that can come back on their own, MediaMTX and the cameras,
//! have their own deciders).

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::error::{Error, Kind, Result};

/// How long tasks may take to stop before they are cut off.
const PATIENCE: Duration = Duration::from_secs(8);

/// The list.
#[derive(Debug)]
pub struct Supervisor {
    tasks: JoinSet<(&'static str, Result<()>)>,
    stop: watch::Sender<bool>,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
            stop: watch::channel(false).0,
        }
    }
}

impl Supervisor {
    /// Becomes true when the service stops.
    #[must_use]
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Adds a task. It must not end before [`Supervisor::stopping`] says so.
    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        self.tasks.spawn(async move { (name, task.await) });
    }

    /// Waits until a task ends by itself and says which.
    pub async fn failed(&mut self) -> Error {
        match self.tasks.join_next().await {
            Some(Ok((name, Err(error)))) => {
                Error::new(error.kind(), format!("{name} failed")).because(error)
            }
            Some(Ok((name, Ok(())))) => {
                Error::new(Kind::Internal, format!("{name} ended by itself"))
            }
            Some(Err(panic)) => Error::new(Kind::Internal, "a task panicked").because(panic),
            None => std::future::pending().await,
        }
    }

    /// Tells all tasks to stop and waits, bounded.
    pub async fn stop(mut self) {
        // No receiver left is a task list that is already empty.
        let _ = self.stop.send(true);
        let all = async {
            while let Some(done) = self.tasks.join_next().await {
                if let Ok((name, result)) = done {
                    debug!(name, ?result, "stopped");
                }
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            warn!(
                "some tasks did not stop in {} s and are cut off",
                PATIENCE.as_secs()
            );
        }
    }
}
