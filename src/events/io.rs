//! Watches for what nobody announces by itself, and announces it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Announce;
use super::sources::{Cameras, Health, Media, unreadable};
use crate::camera::Directory;
use crate::clock;
use crate::error::Result;
use crate::health::assess::assess;
use crate::health::facts::Facts;
use crate::system::System;

/// From one look at the verdict and at MediaMTX to the next. Both are read from memory.
const LOOK: Duration = Duration::from_millis(250);
/// MediaMTX is asked once a second; oftener, one failure would count twice.
const CHECK: Duration = Duration::from_secs(1);

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
    mut stopping: watch::Receiver<bool>,
) -> Result<()> {
    let (mut media, mut health) = (Media::default(), Health::default());
    let mut checked = clock::mono();
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stops| *stops) => return Ok(()),
            () = clock::round(LOOK) => {}
        }
        let facts = facts();
        let at = facts.now.wall;
        if facts.now.mono.since(checked) >= CHECK {
            checked = facts.now.mono;
            system.checked(facts.media.reachable);
        }
        let verdict = health.look(&assess(&facts), at);
        for event in media.look(&facts.media, at).into_iter().chain(verdict) {
            events.announce(event);
        }
    }
}
