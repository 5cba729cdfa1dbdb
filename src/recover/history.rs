//! What was mended, and how long it took: for status and metrics. Never allocates, never forgets a count.

use std::time::Duration;

use super::{FaultClass, Recovery};

/// Recoveries kept one by one.
pub const KEPT: usize = 16;

/// Upper bounds of the histogram's buckets; one more holds what took longer.
pub const BOUNDS: [Duration; 10] = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// The figures of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// How often it was mended.
    pub count: u64,
    /// All outages together.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
    /// How many took at most [`BOUNDS`]`[i]` and more than the bound before; the last: longer than all.
    pub buckets: [u64; BOUNDS.len() + 1],
}

/// The record of one camera.
#[derive(Debug, Clone, Default)]
pub struct History {
    last: heapless::Deque<Recovery, KEPT>,
    figures: [Figures; FaultClass::ALL.len()],
}

impl History {
    /// Adds one.
    pub fn add(&mut self, recovery: Recovery) {
        if self.last.is_full() {
            self.last.pop_front();
        }
        // There is room now.
        let _ = self.last.push_back(recovery);
        if let Some(figures) = self.figures.get_mut(recovery.class.index()) {
            let took = recovery.took;
            let bucket = BOUNDS
                .iter()
                .position(|b| took <= *b)
                .unwrap_or(BOUNDS.len());
            figures.count = figures.count.saturating_add(1);
            figures.total = figures.total.saturating_add(took);
            figures.longest = figures.longest.max(took);
            if let Some(bucket) = figures.buckets.get_mut(bucket) {
                *bucket = bucket.saturating_add(1);
            }
        }
    }

    /// The last [`KEPT`], oldest first.
    pub fn last(&self) -> impl DoubleEndedIterator<Item = &Recovery> {
        self.last.iter()
    }

    /// The figures of every class, those never seen included.
    pub fn figures(&self) -> impl Iterator<Item = (FaultClass, &Figures)> {
        FaultClass::ALL.into_iter().zip(&self.figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mono;
    use crate::recover::Rung;

    fn recovery(class: FaultClass, millis: u64) -> Recovery {
        Recovery {
            class,
            began: Mono::from_nanos(millis),
            took: Duration::from_millis(millis),
            rung: Rung::Reopen,
        }
    }

    #[test]
    fn the_last_sixteen_are_kept_and_every_one_is_counted() {
        let mut history = History::default();
        for millis in 1..=100 {
            history.add(recovery(FaultClass::CameraGone, millis));
        }
        let kept: Vec<_> = history.last().map(|r| r.took.as_millis()).collect();
        assert_eq!(kept, (85..=100).collect::<Vec<_>>());
        let (_, gone) = history.figures().next().unwrap();
        assert_eq!(gone.count, 100);
        assert_eq!(gone.buckets.iter().sum::<u64>(), 100);
        assert_eq!(gone.longest, Duration::from_millis(100));
    }

    #[test]
    fn a_recovery_lands_in_the_bucket_of_its_time() {
        let mut history = History::default();
        for millis in [100, 101, 2000, 300_001] {
            history.add(recovery(FaultClass::EncoderStalled, millis));
        }
        let figures = history
            .figures()
            .find(|(class, _)| *class == FaultClass::EncoderStalled)
            .unwrap()
            .1;
        assert_eq!(figures.buckets, [1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn every_class_has_its_own_name_and_place() {
        let mut names: Vec<_> = FaultClass::ALL.iter().map(|c| c.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FaultClass::ALL.len());
        for (at, class) in FaultClass::ALL.iter().enumerate() {
            assert_eq!(class.index(), at);
        }
    }
}
