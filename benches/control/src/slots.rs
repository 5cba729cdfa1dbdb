//! When to ask: an open loop, whose times do not depend on how fast answers come.

use std::time::Duration;

/// Evenly spaced moments. Many clients begin at different phases of one interval, so that they do not ask as one.
#[derive(Debug, Clone, Copy)]
pub struct Slots {
    offset: Duration,
    interval: Duration,
    next: u32,
}

impl Slots {
    /// The moments of client `nth` of `all`, who asks `per_second` times a second.
    #[must_use]
    pub fn new(nth: usize, all: usize, per_second: f64) -> Self {
        let interval = Duration::from_secs_f64(1.0 / per_second);
        Self {
            offset: interval.mul_f64(nth as f64 / all.max(1) as f64),
            interval,
            next: 0,
        }
    }

    /// The next moment, from the beginning on. Past moments are handed out, too: a late answer makes the
    /// following questions late, and that belongs into their times.
    pub fn advance(&mut self) -> Duration {
        let at = self.offset + self.interval * self.next;
        self.next += 1;
        at
    }
}

/// From when a time counts: an answer that was asked for late because its predecessor had not come yet is counted
/// from when it should have been asked for; a generator that merely woke up late counts from when it asked.
#[must_use]
pub fn counts_from(slot: Duration, free: Duration, asked: Duration) -> Duration {
    if free > slot { slot } else { asked }
}

#[cfg(test)]
mod tests {
    use super::{Slots, counts_from};
    use std::time::Duration;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn clients_share_the_interval_evenly() {
        let first: Vec<_> = (0..4).map(|n| Slots::new(n, 4, 10.0).advance()).collect();
        assert_eq!(first, [ms(0), ms(25), ms(50), ms(75)]);
        let mut one = Slots::new(1, 4, 10.0);
        let all = [one.advance(), one.advance(), one.advance()];
        assert_eq!(all, [ms(25), ms(125), ms(225)]);
    }

    #[test]
    fn waiting_for_a_late_answer_counts_and_waking_late_does_not() {
        assert_eq!(counts_from(ms(100), ms(90), ms(101)), ms(101));
        assert_eq!(counts_from(ms(100), ms(300), ms(301)), ms(100));
    }
}
