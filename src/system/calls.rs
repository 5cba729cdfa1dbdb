//! How many calls of which method there were, how they ended and how long they took.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Mono;
use crate::events::Topic;

/// Upper edges of the duration buckets.
pub const EDGES: [Duration; 11] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// Stands in for every method that does not exist and every message that is none.
pub const UNKNOWN: &str = "unknown";

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a result.
    Good,
    /// Refused: the caller's doing, or the state of what was asked for.
    Refused,
    /// Failed: the service's doing, or that of a part beneath it.
    Failed,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Good, Self::Refused, Self::Failed];

    /// The word in figures.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// The figures of one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Calls by [`Ending`].
    pub endings: [u64; 3],
    /// Calls that took no longer than each of [`EDGES`], and longer than the one before.
    pub buckets: [u64; EDGES.len()],
    /// Time of all calls together.
    pub took: Duration,
}

impl Figures {
    /// All calls.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.endings.iter().sum()
    }

    fn add(&mut self, ending: Ending, took: Duration) {
        self.endings[ending as usize] += 1;
        if let Some(bucket) = EDGES.iter().position(|edge| took <= *edge) {
            self.buckets[bucket] += 1;
        }
        self.took = self.took.saturating_add(took);
    }
}

/// The last minutes, in slices that are forgotten one by one.
const SLICE: Duration = Duration::from_secs(15);
const SLICES: usize = 20;
/// How far back [`Calls::recent`] looks.
pub const RECENT: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    number: u64,
    recent: Recent,
}

/// What happened in the last minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recent {
    /// Calls.
    pub calls: u64,
    /// Those that failed.
    pub failed: u64,
    /// Time of all together.
    pub took: Duration,
}

#[derive(Debug, Default)]
struct Book {
    methods: BTreeMap<&'static str, Figures>,
    slices: [Slice; SLICES],
}

/// The counts. Bounded: by the methods there are, and by the slices.
#[derive(Debug, Default)]
pub struct Calls(Mutex<Book>);

fn slice_of(now: Mono) -> u64 {
    now.as_nanos() / u64::try_from(SLICE.as_nanos()).unwrap_or(1)
}

impl Calls {
    /// Counts a call. `method` is a name of the table, or [`UNKNOWN`].
    pub fn count(&self, method: &'static str, ending: Ending, took: Duration, now: Mono) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.methods.entry(method).or_default().add(ending, took);
        let number = slice_of(now);
        let place = usize::try_from(number % SLICES as u64).unwrap_or_default();
        let slice = &mut book.slices[place];
        if slice.number != number {
            *slice = Slice {
                number,
                ..Slice::default()
            };
        }
        slice.recent.calls += 1;
        slice.recent.failed += u64::from(ending == Ending::Failed);
        slice.recent.took = slice.recent.took.saturating_add(took);
    }

    /// Every method that was called.
    #[must_use]
    pub fn by_method(&self) -> Vec<(&'static str, Figures)> {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.methods.iter().map(|(name, f)| (*name, *f)).collect()
    }

    /// The last [`RECENT`].
    #[must_use]
    pub fn recent(&self, now: Mono) -> Recent {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = slice_of(now);
        let mut all = Recent::default();
        for slice in &book.slices {
            if number.saturating_sub(slice.number) < SLICES as u64 {
                all.calls += slice.recent.calls;
                all.failed += slice.recent.failed;
                all.took = all.took.saturating_add(slice.recent.took);
            }
        }
        all
    }
}

/// How many events of each topic there were.
#[derive(Debug)]
pub struct Events([AtomicU64; Topic::ALL.len()]);

impl Default for Events {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Events {
    /// Counts one.
    pub fn count(&self, topic: Topic) {
        self.0[topic as usize].fetch_add(1, Relaxed);
    }

    /// How many of this topic there were.
    #[must_use]
    pub fn of(&self, topic: Topic) -> u64 {
        self.0[topic as usize].load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(secs: u64) -> Mono {
        Mono::from_nanos(secs * 1_000_000_000)
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn calls_are_counted_by_method_ending_and_duration() {
        let calls = Calls::default();
        calls.count("ping", Ending::Good, MS, at(1));
        calls.count("ping", Ending::Refused, MS * 30, at(1));
        calls.count("take_snapshot", Ending::Failed, MS * 9000, at(2));
        let all = calls.by_method();
        assert_eq!(all[0].0, "ping");
        assert_eq!(all[0].1.endings, [1, 1, 0]);
        assert_eq!(all[0].1.buckets[..5], [0, 1, 0, 0, 1]);
        assert_eq!(all[0].1.took, MS * 31);
        assert_eq!(all[1].1.endings, [0, 0, 1]);
        assert_eq!(all[1].1.buckets, [0; 11], "beyond the last edge");
        assert_eq!(
            calls.recent(at(3)),
            Recent {
                calls: 3,
                failed: 1,
                took: MS * 9031
            }
        );
    }

    #[test]
    fn what_is_older_than_five_minutes_is_forgotten() {
        let calls = Calls::default();
        calls.count("ping", Ending::Failed, MS, at(1_000));
        assert_eq!(calls.recent(at(1_000 + 280)).failed, 1);
        assert_eq!(calls.recent(at(1_000 + 300)), Recent::default());
        assert_eq!(calls.by_method()[0].1.calls(), 1, "the total stays");
    }

    proptest! {
        #[test]
        fn the_last_minutes_hold_what_was_counted_in_them(gaps in proptest::collection::vec(0..60u64, 1..80)) {
            let calls = Calls::default();
            let mut now = 10_000;
            let mut moments = Vec::new();
            for gap in gaps {
                now += gap;
                moments.push(now);
                calls.count("ping", Ending::Good, MS, at(now));
            }
            let slice = |secs: u64| secs / 15;
            let truth = moments.iter().filter(|m| slice(now) - slice(**m) < 20).count() as u64;
            prop_assert_eq!(calls.recent(at(now)).calls, truth);
        }
    }
}
