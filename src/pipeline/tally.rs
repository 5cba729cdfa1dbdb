//! Counts what a chain does with frames, and finds a driver's lies in its sequence numbers. Pure.
//!
//! The law: a frame is new when its number differs from the last one. A driver that never numbers (always
//! zero) is judged by its time stamps instead. A number that stays the same is the same picture once more.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::camera::Counters;
use crate::clock::Mono;
use crate::pipeline::chain::Part;

/// What a frame is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A new picture.
    New,
    /// The driver handed out the last one again: not worth coding, and no sign of life.
    Repeat,
}

/// What recovery must be told, since it was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    /// The last new frame.
    pub fresh: Option<Mono>,
    /// Frames that could not be used.
    pub damaged: u32,
    /// Buffers the camera's driver refused at first.
    pub requeued_capture: u32,
    /// Buffers the encoder's driver refused at first.
    pub requeued_encoder: u32,
}

/// The counts of one camera, with what is needed to judge the next frame.
#[derive(Debug)]
pub struct Tally {
    counters: Arc<Counters>,
    /// Number and stamp of the last frame.
    last: Option<(u32, Mono)>,
    /// Whether the driver numbers its frames: it once gave another number than zero.
    numbers: bool,
    /// Access units since [`Tally::reopened`].
    pictures: u64,
    news: News,
}

impl Tally {
    /// Counts into `counters`.
    #[must_use]
    pub fn new(counters: Arc<Counters>) -> Self {
        Self {
            counters,
            last: None,
            numbers: false,
            pictures: 0,
            news: News::default(),
        }
    }

    /// The driver starts to count anew.
    pub fn reopened(&mut self) {
        self.last = None;
        self.numbers = false;
        self.pictures = 0;
        self.news = News::default();
    }

    /// A good frame left the driver: its number, its stamp (as the source mended it), and now.
    pub fn taken(&mut self, sequence: u32, stamp: Mono, now: Mono) -> Seen {
        self.numbers |= sequence != 0;
        if let Some((last, stood)) = self.last {
            let same = if self.numbers {
                sequence == last
            } else {
                stamp <= stood
            };
            if same {
                self.counters.repeated.fetch_add(1, Relaxed);
                return Seen::Repeat;
            }
            if self.numbers {
                let gap = sequence.wrapping_sub(last).wrapping_sub(1);
                // A sequence that went backwards is a restarted counter, not four thousand million losses.
                if gap < u32::MAX / 2 {
                    self.counters
                        .dropped_by_driver
                        .fetch_add(gap.into(), Relaxed);
                }
            }
        }
        self.last = Some((sequence, stamp));
        self.counters.captured.fetch_add(1, Relaxed);
        self.counters
            .last_frame_nanos
            .store(now.as_nanos(), Relaxed);
        self.news.fresh = Some(now);
        Seen::New
    }

    /// A frame that could not be used; returns how many there were before it.
    pub fn damaged(&mut self) -> u64 {
        self.news.damaged = self.news.damaged.saturating_add(1);
        self.counters.damaged.fetch_add(1, Relaxed)
    }

    /// The driver of `part` refused a buffer and took it the second time.
    pub fn requeued(&mut self, part: Part) {
        let count = match part {
            Part::Capture => &mut self.news.requeued_capture,
            Part::Encoder => &mut self.news.requeued_encoder,
        };
        *count = count.saturating_add(1);
        self.counters.requeued.fetch_add(1, Relaxed);
    }

    /// An access unit is there.
    pub fn coded(&mut self, now: Mono) {
        self.counters.encoded.fetch_add(1, Relaxed);
        self.counters.last_unit_nanos.store(now.as_nanos(), Relaxed);
        self.pictures += 1;
    }

    /// The encoder took a frame and gave nothing for it.
    pub fn swallowed(&mut self) {
        self.counters.swallowed.fetch_add(1, Relaxed);
    }

    /// Access units since the opening.
    #[must_use]
    pub const fn pictures(&self) -> u64 {
        self.pictures
    }

    /// What recovery must be told; nothing the second time.
    pub fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    fn tally() -> (Tally, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        (Tally::new(Arc::clone(&counters)), counters)
    }

    /// Feeds frames 40 ms apart and counts the new ones.
    fn new_ones(frames: &[(u32, u64)]) -> (usize, u64) {
        let (mut tally, counters) = tally();
        let mut now = 1000;
        let new = frames
            .iter()
            .filter(|(sequence, stamp)| {
                now += 40;
                tally.taken(*sequence, at(*stamp), at(now)) == Seen::New
            })
            .count();
        (new, counters.dropped_by_driver.load(Relaxed))
    }

    #[test]
    fn a_number_that_repeats_is_the_same_picture_even_under_a_new_stamp() {
        assert_eq!(new_ones(&[(7, 0), (7, 40), (7, 80), (8, 120)]), (2, 0));
    }

    #[test]
    fn a_driver_that_never_numbers_is_judged_by_its_stamps() {
        assert_eq!(new_ones(&[(0, 10), (0, 50), (0, 50), (0, 90)]), (3, 0));
    }

    #[test]
    fn a_driver_that_numbers_and_then_sticks_at_zero_has_stopped() {
        assert_eq!(new_ones(&[(5, 0), (0, 40), (0, 80), (0, 120)]), (2, 0));
    }

    #[test]
    fn a_count_that_wraps_loses_nothing_and_gaps_across_the_wrap_are_counted() {
        assert_eq!(
            new_ones(&[(u32::MAX - 1, 0), (u32::MAX, 40), (0, 80), (1, 120)]),
            (4, 0)
        );
        assert_eq!(new_ones(&[(u32::MAX, 0), (2, 40)]), (2, 2));
    }

    #[test]
    fn a_count_that_goes_back_is_a_restart_and_no_loss() {
        assert_eq!(new_ones(&[(1000, 0), (3, 40), (4, 80)]), (3, 0));
    }

    #[test]
    fn a_stamp_that_stands_still_does_not_make_numbered_frames_old() {
        assert_eq!(new_ones(&[(1, 50), (2, 50), (3, 50)]), (3, 0));
    }

    #[test]
    fn a_burst_after_a_pause_is_all_new() {
        let (mut tally, counters) = tally();
        for n in 0..4 {
            assert_eq!(tally.taken(n, at(u64::from(n) * 40), at(500)), Seen::New);
        }
        assert_eq!(counters.captured.load(Relaxed), 4);
        assert_eq!(tally.take_news().fresh, Some(at(500)));
        assert_eq!(tally.take_news(), News::default());
    }

    #[test]
    fn a_repeated_frame_is_no_sign_of_life() {
        let (mut tally, counters) = tally();
        tally.taken(1, at(0), at(10));
        tally.taken(1, at(40), at(50));
        assert_eq!(counters.last_frame_nanos.load(Relaxed), at(10).as_nanos());
        assert_eq!(counters.repeated.load(Relaxed), 1);
    }

    proptest! {
        /// However a driver numbers and stamps: a frame is counted once, as new or as repeated, and no jump
        /// backwards becomes a loss.
        #[test]
        fn every_frame_is_counted_once(
            frames in prop::collection::vec((any::<u32>(), 0_u64..1_000_000), 0..64),
        ) {
            let (mut tally, counters) = tally();
            for (n, (sequence, stamp)) in frames.iter().enumerate() {
                tally.taken(*sequence, at(*stamp), at(n as u64));
            }
            let counted = counters.captured.load(Relaxed) + counters.repeated.load(Relaxed);
            prop_assert_eq!(counted, frames.len() as u64);
            let most = u64::from(u32::MAX / 2) * frames.len() as u64;
            prop_assert!(counters.dropped_by_driver.load(Relaxed) <= most);
        }
    }
}
