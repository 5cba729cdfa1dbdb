//! A camera's thread as others hold it: how it is started, and what it is told.

use std::sync::Arc;

use super::Hand;
use crate::camera::Directory;
use crate::camera::remote::{Answer, Command, Remote};
use crate::error::{Error, Kind, Result};
use crate::kept::wishes::Wishes;
use crate::pipeline::wait::io::Waiter;
use crate::pipeline::{Origin, Plan};
use crate::stream::io::Publisher;
use crate::supervise::{Inbox, Post, Stop, Worker};

/// What other threads tell a camera's thread.
pub(super) enum Message {
    /// A client's command.
    Command(Command, Answer),
    /// The kernel says that the device is gone.
    Gone,
    /// It is back, here.
    Back(Origin),
    /// V4L2 encoders came or went.
    Encoders,
    /// The configuration asks for this picture now.
    Configured(Wishes),
}

/// Called when everything should be looked at anew: a plug may have been missed.
pub type Rescan = Box<dyn Fn() + Send>;

/// A camera's thread and the line to it.
pub struct Pipeline {
    worker: Worker,
    post: Post<Message>,
}

impl Pipeline {
    /// Its stop signal, for telling many before waiting for each.
    #[must_use]
    pub const fn stop(&self) -> &Stop {
        self.worker.stop()
    }

    /// True once the thread has ended by itself.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.worker.is_dead()
    }

    /// Tells the thread that the device is gone. Its viewers see the slate until it is back.
    ///
    /// # Errors
    /// When the thread does not read its messages any more.
    pub fn gone(&self) -> Result<()> {
        self.post.urge(Message::Gone)
    }

    /// Tells the thread where the device is now.
    ///
    /// # Errors
    /// When the thread does not read its messages any more.
    pub fn back(&self, origin: Origin) -> Result<()> {
        self.post.urge(Message::Back(origin))
    }

    /// Tells the thread that encoders came or went.
    ///
    /// # Errors
    /// When the thread does not read its messages any more.
    pub fn encoders(&self) -> Result<()> {
        self.post.urge(Message::Encoders)
    }

    /// Tells the thread what the configuration asks of its picture now.
    ///
    /// # Errors
    /// When the thread does not read its messages any more.
    pub fn configured(&self, wishes: Wishes) -> Result<()> {
        self.post.urge(Message::Configured(wishes))
    }
}

/// The line of clients to a camera's thread.
struct Line(Post<Message>);

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

impl Remote for Line {
    fn ask(&self, command: Command, answer: Answer) -> Result<()> {
        self.0.send(Message::Command(command, answer))
    }
}

/// Starts the thread of `plan`. The camera must be in `directory` already.
///
/// # Errors
/// `Internal` when the kernel gives no thread, or the camera is not in the directory.
pub fn start(
    plan: Plan,
    publisher: Publisher,
    directory: Arc<Directory>,
    rescan: Rescan,
) -> Result<Pipeline> {
    let id = plan.id;
    let counters = directory
        .get(id)
        .map(|camera| camera.counters)
        .ok_or_else(|| Error::new(Kind::Internal, format!("{id} is not in the directory")))?;
    let (post, inbox) = Inbox::new()?;
    let waiter = Waiter::new()?;
    let line = Line(post.clone());
    directory.update(id, |camera| camera.remote = Some(Arc::new(line)));
    // Built on its own thread: chains need not be able to move between threads.
    let worker = Worker::spawn(&id.to_string(), move |stop| {
        Hand::new(plan, publisher, directory, counters, inbox, rescan, stop).run(waiter);
    })?;
    Ok(Pipeline { worker, post })
}
