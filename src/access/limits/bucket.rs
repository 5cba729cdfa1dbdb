//! One bucket of one who asks: eight bytes and no clock.
//!
//! The generic cell rate algorithm (ITU-T I.371, appendix I): instead of counting tokens it remembers when
//! the bucket will be full again, which is the same and needs no refilling.

use std::time::Duration;

use crate::clock::Mono;

/// How fast a bucket fills and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time in which one token comes.
    every: Duration,
    /// Tokens a full bucket holds, at least 1.
    burst: u32,
}

impl Pace {
    /// `count` in `span`, at most `burst` of them at once (none is taken for one). `None`, which is no limit,
    /// for a count of 0.
    #[must_use]
    pub fn new(count: u32, span: Duration, burst: u32) -> Option<Self> {
        Some(Self {
            every: span.checked_div(count)?,
            burst: burst.max(1),
        })
    }

    /// The same, `factor` times as fast and as deep.
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        Self {
            every: self.every / factor.max(1),
            burst: self.burst.saturating_mul(factor.max(1)),
        }
    }

    fn depth(self) -> Duration {
        self.every.saturating_mul(self.burst)
    }
}

/// A bucket, full when new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    full_at: Mono,
}

impl Bucket {
    /// Takes a token.
    ///
    /// # Errors
    /// The time until one will be there; nothing is taken.
    pub fn take(&mut self, pace: Pace, now: Mono) -> Result<(), Duration> {
        let then = self.full_at.max(now) + pace.every;
        let owed = then.since(now);
        if owed > pace.depth() {
            return Err(owed.saturating_sub(pace.depth()));
        }
        self.full_at = then;
        Ok(())
    }

    /// Puts a token back that turned out not to be needed.
    pub fn put_back(&mut self, pace: Pace) {
        let every = u64::try_from(pace.every.as_nanos()).unwrap_or(u64::MAX);
        self.full_at = Mono::from_nanos(self.full_at.as_nanos().saturating_sub(every));
    }

    /// Goes on at another pace: as many tokens are missing as before, or all that it holds now where that is fewer.
    pub fn change(&mut self, from: Pace, to: Pace, now: Mono) {
        let owed = self.full_at.since(now).as_nanos();
        // No pace has a token of no time: a count is 32 bits wide.
        let same = owed * to.every.as_nanos() / from.every.as_nanos().max(1);
        let owed = same.min(to.depth().as_nanos());
        self.full_at = now + Duration::from_nanos(u64::try_from(owed).unwrap_or(u64::MAX));
    }

    /// Whether it is like new.
    #[must_use]
    pub fn is_full(self, now: Mono) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Mono {
        Mono::from_nanos(millis * 1_000_000)
    }

    fn viewer() -> Pace {
        Pace::new(300, Duration::from_secs(60), 60).unwrap()
    }

    #[test]
    fn sixty_at_once_then_one_every_fifth_of_a_second() {
        let mut bucket = Bucket::default();
        for _ in 0..60 {
            bucket.take(viewer(), at(1000)).unwrap();
        }
        assert_eq!(
            bucket.take(viewer(), at(1000)),
            Err(Duration::from_millis(200))
        );
        assert_eq!(
            bucket.take(viewer(), at(1150)),
            Err(Duration::from_millis(50))
        );
        bucket.take(viewer(), at(1200)).unwrap();
        bucket.take(viewer(), at(1200)).unwrap_err();
        bucket.put_back(viewer());
        bucket.take(viewer(), at(1200)).unwrap();
    }

    #[test]
    fn nothing_in_a_minute_is_no_limit_and_a_burst_of_nothing_is_one() {
        assert_eq!(Pace::new(0, Duration::from_secs(60), 5), None);
        let pace = Pace::new(1, Duration::from_secs(1), 0).unwrap();
        let mut bucket = Bucket::default();
        bucket.take(pace, at(0)).unwrap();
        assert_eq!(bucket.take(pace, at(0)), Err(Duration::from_secs(1)));
    }

    #[test]
    fn at_another_pace_as_many_tokens_are_missing_as_before() {
        let quick = Pace::new(600, Duration::from_secs(60), 60).unwrap();
        let small = Pace::new(60, Duration::from_secs(60), 5).unwrap();
        let mut bucket = Bucket::default();
        for _ in 0..50 {
            bucket.take(viewer(), at(1000)).unwrap();
        }
        let mut same = bucket;
        same.change(viewer(), quick, at(1000));
        let left = (0..100).take_while(|_| same.take(quick, at(1000)).is_ok());
        assert_eq!(left.count(), 10);
        // Nobody waits for more than an empty bucket.
        bucket.change(viewer(), small, at(1000));
        assert_eq!(bucket.take(small, at(1000)), Err(Duration::from_secs(1)));
        // What was full stays full.
        let mut full = Bucket::default();
        full.change(viewer(), small, at(1000));
        assert!(full.is_full(at(1000)));
    }

    proptest! {
        #[test]
        fn there_and_back_again_nothing_is_won(
            taken in 0u32..60, count in 1u32..100_000, burst in 60u32..1000, passed in 0u64..10_000,
        ) {
            let other = Pace::new(count, Duration::from_secs(60), burst).unwrap();
            let mut bucket = Bucket::default();
            for _ in 0..taken {
                bucket.take(viewer(), at(1000)).unwrap();
            }
            let now = at(1000 + passed);
            let mut changed = bucket;
            changed.change(viewer(), other, now);
            changed.change(other, viewer(), now);
            let (was, is) = (bucket.full_at.since(now), changed.full_at.since(now));
            prop_assert!(is <= was);
            // Less than a thousandth of a token is lost in rounding.
            prop_assert!(was - is <= viewer().every / 1000, "{:?} {:?}", was, is);
        }

        #[test]
        fn no_pattern_of_asking_gets_more_than_burst_and_rate(
            count in 1u32..1000, burst in 1u32..100,
            gaps in prop::collection::vec(0u64..2000, 1..400),
        ) {
            let pace = Pace::new(count, Duration::from_secs(60), burst).unwrap();
            let (mut bucket, mut now, mut let_in) = (Bucket::default(), at(5), 0u64);
            for gap in gaps {
                now = now + Duration::from_millis(gap);
                match bucket.take(pace, now) {
                    Ok(()) => let_in += 1,
                    // Whoever waits as long as he was told is let in.
                    Err(wait) => prop_assert!(bucket.clone().take(pace, now + wait).is_ok()),
                }
            }
            let passed = u64::try_from(now.since(at(5)).as_millis()).unwrap();
            let fair = u64::from(burst) + passed * u64::from(count) / 60_000 + 1;
            prop_assert!(let_in <= fair, "{} > {}", let_in, fair);
        }
    }
}
