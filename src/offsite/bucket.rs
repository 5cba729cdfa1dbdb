//! A token bucket: how long bytes must wait so that no more than so many go in a second.

use std::time::Duration;

use crate::clock::Mono;

/// Bytes may come so much ahead of the rate.
const BURST: Duration = Duration::from_millis(250);

/// The bucket. It may go into debt by one piece; the next piece waits until that is paid.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    rate: Option<u64>,
    /// When everything taken so far is paid for.
    paid: Option<Mono>,
}

impl Bucket {
    /// One that lets `rate` bytes a second through; `None`: all.
    #[must_use]
    pub const fn new(rate: Option<u64>) -> Self {
        Self { rate, paid: None }
    }

    /// How long a further piece must wait. After that, [`Bucket::take`] it.
    #[must_use]
    pub fn wait(&self, now: Mono) -> Duration {
        match self.paid {
            Some(paid) => paid.since(now + BURST),
            None => Duration::ZERO,
        }
    }

    /// A piece of so many bytes goes now.
    pub fn take(&mut self, bytes: u64, now: Mono) {
        let Some(rate) = self.rate.filter(|rate| *rate > 0) else {
            return;
        };
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let from = self.paid.map_or(now, |paid| paid.max(now));
        self.paid = Some(from + cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the pieces and whenever they come: over any stretch no more goes than the rate, the burst and one piece.
        #[test]
        fn no_stretch_of_time_sees_more_than_the_rate(
            rate in 10_000_u64..5_000_000,
            pieces in proptest::collection::vec((1_u64..70_000, 0_u64..2_000_000_000), 1..80),
        ) {
            let mut bucket = Bucket::new(Some(rate));
            let mut now = Mono::from_nanos(1);
            let mut gone: Vec<(u64, u64)> = Vec::new();
            for (bytes, idle) in pieces {
                now = now + Duration::from_nanos(idle);
                now = now + bucket.wait(now);
                prop_assert_eq!(bucket.wait(now), Duration::ZERO);
                bucket.take(bytes, now);
                gone.push((now.as_nanos(), bytes));
            }
            for (first, (begin, _)) in gone.iter().enumerate() {
                let mut sum = 0;
                for (at, bytes) in &gone[first..] {
                    sum += bytes;
                    let span = (at - begin) + 250_000_000;
                    let may = u128::from(rate) * u128::from(span) / 1_000_000_000 + 70_000;
                    prop_assert!(u128::from(sum) <= may, "{sum} bytes in {span} ns");
                }
            }
        }
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let mut bucket = Bucket::new(None);
        bucket.take(u64::MAX, Mono::from_nanos(1));
        assert_eq!(bucket.wait(Mono::from_nanos(1)), Duration::ZERO);
    }
}
