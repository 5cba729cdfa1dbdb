//! Asks a camera's thread and waits for its answer, but not for ever.
//!
//! The question is handed over before this returns, so questions of one connection reach the camera
//! in the order they came in; only the answer is waited for.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::table::{Answer, Outcome};
use crate::camera::remote::{Command, Remote, Reply};
use crate::error::{Later, Result};

/// How long a camera may take. Opening it anew for another picture size takes 1 to 2 s.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Lets `work` run beside the connection's other requests, and `finish` make the method's answer of what came.
pub fn later<T: 'static>(
    work: Later<T>,
    finish: impl FnOnce(Result<T>) -> Answer + Send + 'static,
) -> Outcome {
    Outcome::Later(Box::pin(async move { finish(work.await) }))
}

/// Like [`later`], but what is known already and need not be waited for is answered at once.
pub fn known_or_later<T: 'static>(
    mut work: Later<T>,
    finish: impl FnOnce(Result<T>) -> Answer + Send + 'static,
) -> Outcome {
    // Nobody is woken by this first look; whoever waits looks again and is.
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(came) => Outcome::Now(finish(came)),
        Poll::Pending => later(work, finish),
    }
}

/// The number of this process.
#[must_use]
pub fn own_pid() -> u32 {
    std::process::id()
}

/// What came back.
#[derive(Debug)]
pub enum Heard {
    /// An answer, or that the question could not be handed over.
    Answer(Result<Reply>),
    /// The camera's thread ended before it answered.
    Dropped,
    /// Nothing in time. The camera may still carry it out.
    Nothing,
}

/// Asks, and lets `finish` make the method's answer of what came back.
pub fn ask(
    remote: &dyn Remote,
    command: Command,
    finish: impl FnOnce(Heard) -> Answer + Send + 'static,
) -> Outcome {
    ask_within(PATIENCE, remote, command, finish)
}

fn ask_within(
    patience: Duration,
    remote: &dyn Remote,
    command: Command,
    finish: impl FnOnce(Heard) -> Answer + Send + 'static,
) -> Outcome {
    let (sender, answer) = oneshot::channel();
    let handed_over = remote.ask(
        command,
        // Nobody waits any more for an answer that comes late.
        Box::new(move |reply| drop(sender.send(reply))),
    );
    if let Err(error) = handed_over {
        return Outcome::Now(finish(Heard::Answer(Err(error))));
    }
    Outcome::Later(Box::pin(async move {
        finish(match timeout(patience, answer).await {
            Ok(Ok(reply)) => Heard::Answer(reply),
            Ok(Err(_)) => Heard::Dropped,
            Err(_) => Heard::Nothing,
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::remote::Answer as Callback;
    use crate::error::{Error, Kind};
    use std::sync::Mutex;

    /// Stands in for a camera's thread: keeps the callbacks until the test uses them.
    #[derive(Default)]
    struct Shelf(Mutex<Vec<Callback>>);

    impl std::fmt::Debug for Shelf {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Shelf")
        }
    }

    impl Remote for Shelf {
        fn ask(&self, _: Command, answer: Callback) -> Result<()> {
            let mut shelf = self.0.lock().unwrap();
            if shelf.len() == 1 {
                return Err(Error::new(Kind::Transient, "too many wait"));
            }
            shelf.push(answer);
            Ok(())
        }
    }

    fn heard(heard: Heard) -> Answer {
        Ok(format!("{heard:?}").into())
    }

    async fn outcome(patience: u64, shelf: &Shelf) -> String {
        let patience = Duration::from_millis(patience);
        match ask_within(patience, shelf, Command::Controls, heard) {
            Outcome::Now(answer) => answer.unwrap().to_string(),
            Outcome::Later(later) => {
                if patience > Duration::from_secs(1) {
                    drop(shelf.0.lock().unwrap().pop());
                }
                later.await.unwrap().to_string()
            }
        }
    }

    #[tokio::test]
    async fn a_camera_that_never_answers_is_not_waited_for_for_ever_and_a_late_answer_hurts_nobody()
    {
        let shelf = Shelf::default();
        assert_eq!(outcome(5, &shelf).await, "\"Nothing\"");
        let late = shelf.0.lock().unwrap().pop().unwrap();
        late(Ok(Reply::Controls(Vec::new())));
    }

    #[tokio::test]
    async fn an_answer_dropped_with_its_thread_is_noticed_at_once() {
        assert_eq!(outcome(3_600_000, &Shelf::default()).await, "\"Dropped\"");
    }

    #[tokio::test]
    async fn a_camera_with_too_many_questions_refuses_at_once() {
        let shelf = Shelf::default();
        outcome(5, &shelf).await;
        let full = outcome(5, &shelf).await;
        assert!(full.contains("Transient"), "{full}");
    }
}
