//! The camera's second path: what is held for it before a trigger, and what is sent to it after one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{info, warn};

use super::Hand;
use crate::camera::Counters;
use crate::clock::{self, Mono, Now};
use crate::encode::AccessUnit;
use crate::pipeline::Beside;
use crate::stream::State;
use crate::stream::io::Publisher;
use crate::stream::timeline::Timeline;

/// The publisher to the second path. There is one while pictures are held, for a trigger or because the camera is recorded, and while
/// it is fed.
pub(super) struct Second {
    beside: Option<Beside>,
    /// Of the camera.
    timeline: Timeline,
    publisher: Option<Box<Publisher>>,
    /// From when on it is fed, in nanoseconds on the monotonic clock; 0 = it is not.
    from: u64,
    /// Counts publishers, so that sockets with the same number can be told apart.
    made: u64,
}

impl Second {
    pub(super) fn new(beside: Option<Beside>, timeline: Timeline) -> Self {
        let mut second = Self {
            beside,
            timeline,
            publisher: None,
            from: 0,
            made: 0,
        };
        second.obey(0, false, clock::now());
        second
    }

    fn make(&mut self, now: Now) {
        let Some(beside) = &self.beside else { return };
        // Nobody reads these: the camera's figures are those of its first path.
        let counters = Arc::new(Counters::default());
        let mut publisher = Publisher::new(beside.target.clone(), counters, beside.limits);
        publisher.tell_time_of(self.timeline.clone());
        publisher.hold(now);
        self.publisher = Some(Box::new(publisher));
        self.made += 1;
    }

    /// Feeds the path from `from` on, holds pictures for it while the camera is `recorded`, or does neither; returns whether
    /// it is fed otherwise than before.
    pub(super) fn obey(&mut self, from: u64, recorded: bool, now: Now) -> bool {
        let always = self.beside.as_ref().is_some_and(|beside| beside.always);
        let held = always || recorded;
        if self.publisher.is_none() && (held || from != 0) {
            self.make(now);
        }
        let another = from != self.from;
        if another && let Some(publisher) = &mut self.publisher {
            // Also where it is fed already: then it is sent again from the past, because what was sent since is lost.
            if self.from != 0 {
                publisher.hold(now);
            }
            if from != 0 {
                publisher.release(Mono::from_nanos(from), now);
            }
        }
        if !held && from == 0 {
            self.publisher = None;
        }
        self.from = from;
        another
    }

    /// Keeps a picture, and sends it while the path is fed.
    pub(super) fn push(&mut self, unit: &AccessUnit<'_>, now: Now) {
        if let Some(publisher) = &mut self.publisher {
            publisher.push(unit, None, now);
        }
    }

    /// Whether a key frame should be made for it now.
    pub(super) fn wants_keyframe(&mut self) -> bool {
        let wants = self
            .publisher
            .as_mut()
            .is_some_and(|publisher| publisher.wants_keyframe());
        wants && self.from != 0
    }

    pub(super) fn publisher(&mut self) -> Option<&mut Publisher> {
        self.publisher.as_deref_mut()
    }

    /// Which socket it is.
    pub(super) fn connection(&self) -> u64 {
        let connection = self.publisher.as_ref().map_or(0, |p| p.connection());
        // A publisher makes fewer sockets than this.
        (self.made << 40) | connection
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.publisher.as_ref()?.poll_timeout()
    }
}

impl Hand {
    /// Does what the second path's socket and its time ask for.
    pub(super) fn tend_second(&mut self, ready: bool) {
        if let Some(publisher) = self.second.publisher() {
            if ready {
                publisher.on_ready(clock::now());
            }
            let now = clock::now();
            if publisher.poll_timeout().is_some_and(|at| at <= now.mono) {
                publisher.on_timeout(now);
            }
        }
        self.obey_recorder();
    }

    /// Feeds the second path, or stops doing so, as whoever records it wants.
    fn obey_recorder(&mut self) {
        let from = self.counters.second_from_nanos.load(Ordering::Relaxed);
        let recorded = self.counters.recorded.load(Ordering::Relaxed);
        if self.second.obey(from, recorded, clock::now()) {
            info!(camera = %self.plan.id, fed = from != 0, "the second path");
        }
        let said = self.second.publisher().map(|publisher| publisher.state());
        let trouble = match said {
            Some(State::Backoff { reason, .. }) if from != 0 => Some(reason),
            _ => None,
        };
        if trouble.is_some() && trouble != self.second_trouble {
            warn!(camera = %self.plan.id, reason = trouble, "pictures do not reach the second path; trying on");
        }
        self.second_trouble = trouble;
    }
}
