//! Two rings, so that an announcer wakes one task and not ten thousand: a camera's thread puts its
//! news into the first, a task of the control plane passes them on into the second, which every socket
//! reads. News are numbered on the way; whoever finds a gap knows how many it lost, wherever it lost them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::super::news::News;
use crate::http::Services;

/// News that a slow socket may lag behind before the oldest are dropped.
const KEPT: usize = 256;

type Numbered = (u64, Arc<News>);

/// The second ring.
pub(in crate::http) struct Feed {
    news: broadcast::Sender<Numbered>,
    /// The number of the last one sent.
    last: AtomicU64,
}

/// The first ring, with the task's end of it.
pub(in crate::http) struct Intake(broadcast::Receiver<Arc<News>>);

/// Listens to the cameras and the bus from now on. [`Feed::run`] must run for anything to be heard.
pub(in crate::http) fn open(services: &Services) -> (Arc<Feed>, Intake) {
    let (announce, intake) = broadcast::channel(KEPT);
    // Sending fails only once nobody passes anything on, and then nobody is connected.
    let sender = announce.clone();
    services.desk.directory.listen(Box::new(move |camera| {
        let _ = sender.send(Arc::new(News::camera(camera)));
    }));
    let registry = Arc::clone(&services.desk.registry);
    services.bus.listen(Box::new(move |event| {
        if let Some(news) = News::for_everybody(event) {
            let _ = announce.send(Arc::new(news));
        }
        // What nobody wants wakes nobody.
        if registry.wants(event.topic) {
            let _ = announce.send(Arc::new(News::topic(event)));
        }
    }));
    let feed = Feed {
        news: broadcast::channel(KEPT).0,
        last: AtomicU64::new(0),
    };
    (Arc::new(feed), Intake(intake))
}

impl Feed {
    /// Passes news on for as long as there are announcers.
    pub(in crate::http) async fn run(&self, mut intake: Intake) {
        let mut number = 0;
        loop {
            match intake.0.recv().await {
                Ok(news) => {
                    number += 1;
                    // First: whoever is woken by the news finds that there are some.
                    self.last.store(number, Release);
                    // Fails only while nobody is connected.
                    let _ = self.news.send((number, news));
                }
                Err(RecvError::Lagged(lost)) => number += lost,
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// The number of the last piece of news; moves before those who listen are woken.
    pub(in crate::http) fn last(&self) -> u64 {
        self.last.load(Acquire)
    }

    /// Hears what comes from now on.
    pub(in crate::http) fn listen(&self) -> Ear {
        let news = self.news.subscribe();
        Ear {
            news,
            // Read after subscribing: what comes in between counts as heard, and is heard.
            heard: self.last.load(Acquire),
        }
    }
}

/// One socket's end.
pub(in crate::http) struct Ear {
    news: broadcast::Receiver<Numbered>,
    heard: u64,
}

impl Ear {
    /// The next piece of news, and how many were lost before it; `None` when there will be none. Nothing
    /// is lost when this is dropped while it waits.
    pub(in crate::http) async fn next(&mut self) -> Option<(Arc<News>, u64)> {
        loop {
            match self.news.recv().await {
                Ok((number, news)) => {
                    let lost = number.saturating_sub(self.heard + 1);
                    self.heard = self.heard.max(number);
                    return Some((news, lost));
                }
                // The next number tells how many.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// [`Ear::next`] for whoever waits longer than one look: the ear comes back with what was heard.
#[expect(clippy::manual_async_fn, reason = "it would keep the ear twice")]
pub(in crate::http) fn hear(
    mut ear: Ear,
) -> impl Future<Output = (Option<(Arc<News>, u64)>, Ear)> + Send {
    async move {
        let heard = ear.next().await;
        (heard, ear)
    }
}
