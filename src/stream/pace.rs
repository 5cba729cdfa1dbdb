//! How fast a backlog may go: a token bucket, counted in bytes.

use std::time::Duration;

use crate::clock::Mono;

/// A pause is at least as long as this share of a full bucket takes to come in, so that the thread
/// does not wake for every packet.
const SHARE: u64 = 4;

/// The bucket.
#[derive(Debug)]
pub struct Pace {
    /// Bytes per second that come in; at least 1.
    rate: u64,
    /// Bytes the bucket holds.
    full: u64,
    /// When all that went out will have come in again.
    even: Mono,
}

impl Pace {
    /// A full bucket of `full` bytes into which `rate` bytes flow per second.
    #[must_use]
    pub fn new(rate: u32, full: u32) -> Self {
        Self {
            rate: u64::from(rate.max(1)),
            full: u64::from(full),
            even: Mono::default(),
        }
    }

    /// `bytes` go out at `now`, allowed or not.
    pub fn spend(&mut self, bytes: usize, now: Mono) {
        self.even = self.full_again(now) + self.time_of(bytes as u64);
    }

    /// `None` when something may go at `now`, else when to ask again.
    #[must_use]
    pub fn wait(&self, now: Mono) -> Option<Mono> {
        let behind = self.full_again(now).since(now);
        (behind > self.time_of(self.full)).then(|| {
            let drained = behind - self.time_of(self.full);
            now + drained + self.time_of(self.full / SHARE)
        })
    }

    /// When the bucket will be full again; never before `now`.
    fn full_again(&self, now: Mono) -> Mono {
        self.even.max(now)
    }

    fn time_of(&self, bytes: u64) -> Duration {
        Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_bucketful_goes_at_once_and_then_the_rate_holds() {
        let mut pace = Pace::new(1_000_000, 100_000);
        for _ in 0..11 {
            assert_eq!(pace.wait(at(5)), None);
            pace.spend(10_000, at(5));
        }
        // 110 000 bytes went, 100 000 may be owed: 10 ms too many, and a quarter to gather.
        assert_eq!(pace.wait(at(5)), Some(at(5 + 10 + 25)));
        assert_eq!(pace.wait(at(16)), None);
    }

    #[test]
    fn a_backlog_takes_as_long_as_the_rate_says() {
        let mut pace = Pace::new(1_000_000, 100_000);
        let (mut now, mut sent) = (at(0), 0);
        while sent < 2_000_000 {
            match pace.wait(now) {
                Some(later) => now = later,
                None => {
                    pace.spend(50_000, now);
                    sent += 50_000;
                }
            }
        }
        let took = now.since(at(0)).as_millis();
        assert!((1800..2100).contains(&took), "{took} ms");
    }
}
