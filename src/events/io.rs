//! Watches for what nobody announces by itself, and announces it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Announce;
use super::sources::{Cameras, Health, Media, unreadable};
use crate::camera::Directory;
use crate::clock;
use crate::error::Result;
use crate::health::assess::assess;
use crate::health::due::{due, next_look};
use crate::health::facts::Facts;
use crate::system::System;

/// What is told or due is looked at on the next round of this, so that what lasts no longer than that is no event.
const LOOK: Duration = Duration::from_millis(250);
/// From one look to the next while nothing is told and nothing is due. MediaMTX is asked as often; oftener, one failure
/// would count twice.
const CHECK: Duration = Duration::from_secs(1);

/// Who tells that there may be something to see.
#[derive(Debug)]
pub struct Bells {
    cameras: Arc<Notify>,
    media: watch::Receiver<()>,
}

impl Bells {
    /// Rings when a camera of `directory` changes, and with `media`.
    #[must_use]
    pub fn of(directory: &Directory, media: watch::Receiver<()>) -> Self {
        let cameras = Arc::new(Notify::new());
        let bell = Arc::clone(&cameras);
        directory.listen_touched(Box::new(move || bell.notify_one()));
        Self { cameras, media }
    }

    async fn ring(&mut self) {
        tokio::select! {
            () = self.cameras.notified() => {}
            changed = self.media.changed() => if changed.is_err() {
                // Nobody is left who could ring.
                std::future::pending().await
            }
        }
    }
}

/// Announces what becomes of the cameras, at once.
pub fn watch_cameras(directory: &Directory, events: Arc<dyn Announce>) {
    let announce = Arc::clone(&events);
    directory.listen_unreadable(Box::new(move |node, why| {
        announce.announce(unreadable(node, why, clock::wall()));
    }));
    let seen = Mutex::new(Cameras::default());
    directory.listen(Box::new(move |camera| {
        // Held while announcing, so that two changes of one camera are told in their order.
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for event in seen.changed(camera, clock::wall()) {
            events.announce(event);
        }
    }));
}

/// Announces what becomes of MediaMTX and of the verdict, until `stopping` turns true.
///
/// # Errors
/// None: it ends only when it is asked to.
pub async fn watch_box(
    facts: impl Fn() -> Facts + Send,
    events: Arc<dyn Announce>,
    system: Arc<System>,
    mut bells: Bells,
    mut stopping: watch::Receiver<bool>,
) -> Result<()> {
    let (mut media, mut health) = (Media::default(), Health::default());
    let begin = clock::mono();
    let mut look = next_look(begin, Some(begin), LOOK, CHECK);
    let mut check = next_look(begin, None, LOOK, CHECK);
    loop {
        let rung = async {
            bells.ring().await;
            clock::round(LOOK).await;
        };
        tokio::select! {
            _ = stopping.wait_for(|stops| *stops) => return Ok(()),
            () = rung => {}
            () = tokio::time::sleep(look.since(clock::mono())) => {}
        }
        let facts = facts();
        let (now, at) = (facts.now.mono, facts.now.wall);
        look = next_look(now, due(&facts), LOOK, CHECK);
        if now >= check {
            check = next_look(now, None, LOOK, CHECK);
            system.checked(facts.media.reachable);
        }
        let verdict = health.look(&assess(&facts), at);
        for event in media.look(&facts.media, at).into_iter().chain(verdict) {
            events.announce(event);
        }
    }
}
