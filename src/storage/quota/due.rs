//! When it is time for a clean-up: decides.

use std::time::Duration;

use crate::clock::Mono;

/// From one clean-up to the next at most, where there is a limit.
const EVERY: Duration = Duration::from_secs(600);
/// A clean-up takes no more than one part in so many of the time.
const SHARE: u32 = 20;

/// What the last clean-up left behind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Agenda {
    /// When it ended, how long it took.
    last: Option<(Mono, Duration)>,
    /// Bytes that may be written before a limit is reached; `None` where no limit is about bytes.
    slack: Option<u64>,
    /// What was taken on the medium when it ended.
    used: u64,
}

impl Agenda {
    /// A clean-up has ended.
    pub fn done(&mut self, now: Mono, took: Duration, slack: Option<u64>, used: u64) {
        self.last = Some((now, took));
        self.slack = slack;
        self.used = used;
    }

    /// Whether it is time for one, with so much taken on the medium now, and with less free there than is wanted or not.
    #[must_use]
    pub fn is_due(&self, now: Mono, used: u64, wanting: bool) -> bool {
        let Some((last, took)) = self.last else {
            return true;
        };
        let passed = now.since(last);
        if passed < took * SHARE {
            return false;
        }
        let grown = used.saturating_sub(self.used);
        // Half of it is left then: what comes until the clean-up is done fits in.
        let near = self.slack.is_some_and(|slack| grown > slack / 2);
        wanting || near || passed >= EVERY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_time_when_a_limit_is_near_but_never_for_more_than_a_twentieth_of_the_time() {
        let at = |seconds: u64| Mono::from_nanos(seconds * 1_000_000_000);
        let mut agenda = Agenda::default();
        assert!(agenda.is_due(at(0), 0, false));
        agenda.done(at(1), Duration::from_secs(1), Some(1000), 5000);
        assert!(!agenda.is_due(at(20), 9000, true), "it took a second");
        assert!(agenda.is_due(at(21), 5501, false));
        assert!(!agenda.is_due(at(21), 5500, false));
        assert!(agenda.is_due(at(21), 10, true));
        assert!(!agenda.is_due(at(600), 10, false));
        assert!(agenda.is_due(at(601), 10, false));
        agenda.done(at(700), Duration::ZERO, None, 5000);
        assert!(!agenda.is_due(at(702), 99_000, false));
    }
}
