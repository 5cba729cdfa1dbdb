//! Counts what a chain does with frames, and finds a driver's lies in its sequence numbers. Pure.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::camera::Counters;
use crate::clock::Mono;

/// The counts of one camera, with what is needed to judge the next frame.
#[derive(Debug)]
pub struct Tally {
    counters: Arc<Counters>,
    last_sequence: Option<u32>,
    /// The last frame that was new, if any since [`Tally::reopened`].
    fresh: Option<Mono>,
    /// The last access unit since then.
    coded: Option<Mono>,
}

impl Tally {
    /// Counts into `counters`.
    #[must_use]
    pub const fn new(counters: Arc<Counters>) -> Self {
        Self {
            counters,
            last_sequence: None,
            fresh: None,
            coded: None,
        }
    }

    /// The driver starts to count anew.
    pub const fn reopened(&mut self) {
        self.last_sequence = None;
        self.fresh = None;
        self.coded = None;
    }

    /// A good frame left the driver.
    pub fn taken(&mut self, sequence: u32, now: Mono) {
        self.counters.captured.fetch_add(1, Relaxed);
        self.counters
            .last_frame_nanos
            .store(now.as_nanos(), Relaxed);
        if let Some(last) = self.last_sequence {
            let gap = sequence.wrapping_sub(last).wrapping_sub(1);
            // A sequence that went backwards is a restarted counter, not four thousand million losses.
            if gap < u32::MAX / 2 {
                self.counters
                    .dropped_by_driver
                    .fetch_add(gap.into(), Relaxed);
            }
        }
        self.last_sequence = Some(sequence);
        self.fresh = Some(now);
    }

    /// A frame that could not be used; returns how many there were before it.
    pub fn damaged(&mut self) -> u64 {
        self.counters.damaged.fetch_add(1, Relaxed)
    }

    /// An access unit is there.
    pub fn coded(&mut self, now: Mono) {
        self.counters.encoded.fetch_add(1, Relaxed);
        self.coded = Some(now);
    }

    /// The encoder took a frame and gave nothing for it.
    pub fn swallowed(&mut self) {
        self.counters.swallowed.fetch_add(1, Relaxed);
    }

    /// The last new frame since the opening.
    #[must_use]
    pub const fn last_fresh(&self) -> Option<Mono> {
        self.fresh
    }

    /// The last access unit since the opening.
    #[must_use]
    pub const fn last_coded(&self) -> Option<Mono> {
        self.coded
    }
}
