//! Tasks and threads, each with a name.
//!
//! One list of named tasks: the first to end by itself ends the service, with its name in the
//! error: systemd starts a whole service again better than we could patch half of one.
//!
//! Rejected: a bare `JoinSet` (loses the names), restarting tasks in place (each would need its own
//! story of half-lost state; the parts that can come back on their own, MediaMTX and the cameras,
//! have their own deciders).

use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::clock;
use crate::error::{Error, Kind, Result};

/// How long tasks may take to stop before they are cut off.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long a thread may take to stop before it is left behind.
const WORKER_PATIENCE: Duration = Duration::from_secs(3);

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

/// Does work that may wait for the disk where waiting is allowed.
///
/// # Errors
/// The work's own; `Internal` when it panicked.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::new(Kind::Internal, "work on the disk panicked").because(e))?
}

/// How a thread learns that it should end: a flag, and a descriptor to wait for beside its own.
#[derive(Debug, Clone)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    wake: Arc<EventFd>,
}

impl Stop {
    /// A signal that has not been given.
    ///
    /// # Errors
    /// `Internal` when the kernel gives no descriptor.
    pub fn new() -> Result<Self> {
        Ok(Self {
            flag: Arc::default(),
            wake: Arc::new(event_descriptor()?),
        })
    }

    /// Whether it was given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// Readable once it was given.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Gives it; the thread ends soon.
    pub fn give(&self) {
        self.flag.store(true, Ordering::Release);
        // A full event counter wakes the thread just as well.
        let _ = self.wake.write(1);
    }
}

/// Messages that may wait for one thread; more are refused.
const INBOX: usize = 32;

/// Where a thread that waits for descriptors finds its messages.
#[derive(Debug)]
pub struct Inbox<T> {
    urgent: Receiver<T>,
    messages: Receiver<T>,
    wake: Arc<EventFd>,
}

/// The other end of an [`Inbox`]. Cheap to clone.
#[derive(Debug)]
pub struct Post<T> {
    urgent: Sender<T>,
    messages: SyncSender<T>,
    wake: Arc<EventFd>,
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self {
            urgent: self.urgent.clone(),
            messages: self.messages.clone(),
            wake: Arc::clone(&self.wake),
        }
    }
}

impl<T> Inbox<T> {
    /// An empty inbox and its other end.
    ///
    /// # Errors
    /// `Internal` when the kernel gives no descriptor.
    pub fn new() -> Result<(Post<T>, Self)> {
        let wake = Arc::new(event_descriptor()?);
        let (sender, receiver) = sync_channel(INBOX);
        let (hurry, urgent) = channel();
        let post = Post {
            urgent: hurry,
            messages: sender,
            wake: Arc::clone(&wake),
        };
        let inbox = Self {
            urgent,
            messages: receiver,
            wake,
        };
        Ok((post, inbox))
    }

    /// Readable while a message may wait.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// The next message, if there is one.
    #[must_use]
    pub fn next(&self) -> Option<T> {
        // Emptied before the look, so that a message posted in between wakes again.
        let _ = self.wake.read();
        let next = self.urgent.try_recv().or_else(|_| self.messages.try_recv());
        next.ok().inspect(|_| {
            // There may be more behind it.
            let _ = self.wake.write(1);
        })
    }
}

impl<T> Post<T> {
    /// Hands over a message that must not be refused, ahead of all others. For the few that bound themselves, such as
    /// those of a plug.
    ///
    /// # Errors
    /// `Gone` when the thread has ended.
    pub fn urge(&self, message: T) -> Result<()> {
        self.urgent
            .send(message)
            .map_err(|_| Error::new(Kind::Gone, "the camera's thread has ended"))?;
        // A full event counter wakes the thread just as well.
        let _ = self.wake.write(1);
        Ok(())
    }

    /// Hands a message over.
    ///
    /// # Errors
    /// `Transient` when too many wait already, `Gone` when the thread has ended.
    pub fn send(&self, message: T) -> Result<()> {
        self.messages.try_send(message).map_err(|e| match e {
            TrySendError::Full(_) => Error::new(
                Kind::Transient,
                format!("{INBOX} orders wait for this camera already"),
            )
            .action("wait a moment and try again"),
            TrySendError::Disconnected(_) => {
                Error::new(Kind::Gone, "the camera's thread has ended")
            }
        })?;
        // A full event counter wakes the thread just as well.
        let _ = self.wake.write(1);
        Ok(())
    }
}

fn event_descriptor() -> Result<EventFd> {
    EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .map_err(|e| Error::new(Kind::Internal, "no event descriptor").because(e))
}

/// A named thread that waits for its descriptors. Dropping it gives the stop signal and waits.
#[derive(Debug)]
pub struct Worker {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts `work`, which must return soon after its [`Stop`] was given.
    ///
    /// # Errors
    /// `Internal` when the kernel gives no thread or descriptor.
    pub fn spawn(name: &str, work: impl FnOnce(Stop) + Send + 'static) -> Result<Self> {
        let stop = Stop::new()?;
        let theirs = stop.clone();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(theirs))
            .map_err(|e| Error::new(Kind::Internal, format!("no thread for {name}")).because(e))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Its stop signal, for telling many before waiting for each.
    #[must_use]
    pub const fn stop(&self) -> &Stop {
        &self.stop
    }

    /// True once the thread has ended by itself: it panicked, or the kernel refused it what it needs to wait.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.give();
        let Some(thread) = self.thread.take() else {
            return;
        };
        let name = thread.thread().name().unwrap_or("?").to_owned();
        let told = clock::mono();
        while !thread.is_finished() {
            if clock::mono().since(told) > WORKER_PATIENCE {
                // A driver that never returns from a system call: nothing we could do would end it.
                return warn!(name, "the thread hangs in the kernel and is left behind");
            }
            // There is no wait for a thread with a deadline; this is a few rounds once per unplug.
            std::thread::sleep(Duration::from_millis(1));
        }
        if thread.join().is_err() {
            warn!(name, "the thread had panicked");
        }
    }
}
