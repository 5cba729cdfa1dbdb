//! How fast the medium fills: decides how much must be made room for before the next look.

use std::time::Duration;

use crate::clock::Mono;

/// A rate that was seen counts half after so long without one that is as high.
const HALF: Duration = Duration::from_secs(60);

/// How fast something grows. Follows a rise at once, and a fall slowly: pictures come in bursts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    last: Option<(Mono, u64)>,
    /// Bytes a second.
    rate: f64,
}

impl Pace {
    /// Takes how many bytes there are, and how many we took away since the last look.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate: 2^53 bytes are 9 petabytes"
    )]
    pub fn look(&mut self, now: Mono, bytes: u64, freed: u64) {
        let Some((then, before)) = self.last else {
            self.last = Some((now, bytes));
            return;
        };
        let passed = now.since(then);
        if passed.is_zero() {
            return;
        }
        let grown = bytes.saturating_add(freed).saturating_sub(before);
        let seen = grown as f64 / passed.as_secs_f64();
        let faded = self.rate * 0.5_f64.powf(passed.as_secs_f64() / HALF.as_secs_f64());
        self.rate = seen.max(faded);
        self.last = Some((now, bytes));
    }

    /// So many are left after some were taken away: the next look begins there.
    pub const fn settle(&mut self, now: Mono, left: u64) {
        self.last = Some((now, left));
    }

    /// Bytes that come in so long a time at the present rate.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is never negative, and a cast of too much is the most"
    )]
    pub fn ahead(&self, span: Duration) -> u64 {
        (self.rate * span.as_secs_f64()).ceil() as u64
    }

    /// Whether anything has come lately.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.rate >= 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_rise_counts_at_once_a_fall_slowly_and_what_we_took_away_is_no_fall() {
        let mut pace = Pace::default();
        pace.look(at(0), 1000, 0);
        assert_eq!(pace.ahead(Duration::from_secs(30)), 0);
        pace.look(at(2), 3000, 0);
        assert_eq!(pace.ahead(Duration::from_secs(30)), 30_000);
        // 5,000 came and 7,000 were deleted.
        pace.look(at(4), 1000, 7000);
        assert_eq!(pace.ahead(Duration::from_secs(2)), 5000);
        pace.look(at(64), 1000, 0);
        assert_eq!(pace.ahead(Duration::from_secs(2)), 2500);
        pace.look(at(64 + 1200), 1000, 0);
        assert!(!pace.is_moving());
        // Somebody else deleted something.
        pace.look(at(64 + 1202), 10, 0);
        assert!(!pace.is_moving());
    }
}
