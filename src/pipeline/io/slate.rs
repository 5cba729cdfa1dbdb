//! What viewers see while there is no picture, published by the camera's thread.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use super::{Hand, push};
use crate::clock;
use crate::error::Error;
use crate::slate::{Slate, Text, last_picture};

/// How long the last picture may take to decode for the slate. The thread does nothing else meanwhile, and nothing else
/// waits: the camera is away.
const SLATE_PATIENCE: Duration = Duration::from_millis(400);
/// A slate that could not be made is tried again after this long.
const SLATE_RETRY: Duration = Duration::from_secs(5);

impl Hand {
    /// Viewers see the last picture dimmed, and what is wrong, in the session they have.
    pub(super) fn begin_slate(&mut self) {
        self.slate_retry = None;
        let Some(format) = self.format else { return };
        let group = self.publisher.last_group().map(|held| held.data);
        let last = last_picture(group, SLATE_PATIENCE, clock::mono);
        let text = self.slate_text();
        let settings = self.plan.settings(format.rate);
        match Slate::open(last, format, settings, text, clock::now()) {
            Ok(slate) => {
                info!(camera = %self.plan.id, "viewers see the slate");
                self.slate = Some(slate);
                self.show_slate();
            }
            Err(error) => self.no_slate(&error),
        }
    }

    pub(super) fn slate_text(&self) -> Text {
        let why = self.ladder.why_no_picture(clock::mono());
        Text::no_picture(&self.plan.id.to_string(), why, self.slate_since)
    }

    /// The session lives on without pictures, for its sender reports, until the slate works.
    fn no_slate(&mut self, error: &Error) {
        warn!(camera = %self.plan.id, %error, "no slate");
        self.slate = None;
        self.slate_retry = Some(clock::mono() + SLATE_RETRY);
    }

    pub(super) fn show_slate(&mut self) {
        let Some(slate) = &mut self.slate else { return };
        let force = self.publisher.wants_keyframe()
            | self.second.wants_keyframe()
            | self.counters.keyframe_wanted.swap(false, Ordering::Relaxed);
        let now = clock::now();
        match slate.next(force, now) {
            Ok(unit) => {
                let publishers = (&mut self.publisher, &mut self.second);
                self.last_captured = push(publishers, &unit, None, self.last_captured);
            }
            Err(error) => self.no_slate(&error),
        }
    }
}
