//! When to ping a socket and when to give it up. An idle socket is not cut: it answers pings.

use std::time::Duration;

use crate::clock::Mono;
use crate::http::Limits;

/// Pings of all sockets leave together, so often: to wake for each would cost more than the ping.
const TOGETHER: Duration = Duration::from_secs(1);

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Send a ping.
    Ping,
    /// Nothing was heard for too long: drop the connection.
    Dead,
    /// Nobody logged in in time: close with 1008.
    LoginOverdue,
}

/// The liveness of one socket.
#[derive(Debug, Clone, Copy)]
pub struct Beat {
    ping_every: Duration,
    dead_after: Duration,
    login_by: Option<Mono>,
    heard: Mono,
    pinged: Mono,
}

impl Beat {
    /// A socket that opened just now.
    #[must_use]
    pub fn new(limits: &Limits, now: Mono) -> Self {
        Self {
            ping_every: limits.ping_every,
            dead_after: limits.dead_after,
            login_by: (!limits.login_within.is_zero()).then(|| now + limits.login_within),
            heard: now,
            pinged: now,
        }
    }

    /// Something came, if only a pong.
    pub const fn heard(&mut self, now: Mono) {
        self.heard = now;
    }

    /// Somebody logged in; the deadline for that is over for good.
    pub const fn logged_in(&mut self) {
        self.login_by = None;
    }

    /// What is due now; a ping counts as sent.
    pub fn due(&mut self, now: Mono) -> Option<Due> {
        if self.dead_at().is_some_and(|at| now >= at) {
            return Some(Due::Dead);
        }
        if self.login_by.is_some_and(|at| now >= at) {
            return Some(Due::LoginOverdue);
        }
        if self.ping_at().is_some_and(|at| now >= at) {
            self.pinged = now;
            return Some(Due::Ping);
        }
        None
    }

    /// When to ask again, if ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        [self.dead_at(), self.login_by, self.ping_at()]
            .into_iter()
            .flatten()
            .min()
    }

    fn dead_at(&self) -> Option<Mono> {
        (!self.dead_after.is_zero()).then(|| self.heard + self.dead_after)
    }

    fn ping_at(&self) -> Option<Mono> {
        (!self.ping_every.is_zero())
            .then(|| (self.pinged + self.ping_every).up_to(TOGETHER.min(self.ping_every)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_nanos(seconds * 1_000_000_000)
    }

    fn limits(login: u64) -> Limits {
        Limits {
            login_within: Duration::from_secs(login),
            ..Limits::default()
        }
    }

    #[test]
    fn a_socket_that_answers_pings_lives_for_ever() {
        let mut beat = Beat::new(&limits(0), at(0));
        for minute in 0..1000 {
            let now = at(30 + minute * 30);
            assert_eq!(beat.poll_timeout(), Some(now));
            assert_eq!(beat.due(now), Some(Due::Ping));
            assert_eq!(beat.due(now), None);
            beat.heard(now);
        }
    }

    #[test]
    fn sockets_that_opened_one_after_the_other_are_pinged_together() {
        let opened = |millis: u64| {
            let now = Mono::from_nanos(millis * 1_000_000);
            Beat::new(&limits(0), now).poll_timeout()
        };
        assert_eq!(opened(1), opened(1000));
        assert!(opened(1000) < opened(1001));
    }

    #[test]
    fn a_socket_that_says_nothing_is_dead_after_its_time() {
        let mut beat = Beat::new(&limits(0), at(0));
        assert_eq!(beat.due(at(30)), Some(Due::Ping));
        assert_eq!(beat.due(at(59)), None);
        assert_eq!(beat.due(at(60)), Some(Due::Dead));
    }

    #[test]
    fn nobody_may_stay_a_stranger_beyond_the_deadline() {
        let mut beat = Beat::new(&limits(10), at(0));
        assert_eq!(beat.poll_timeout(), Some(at(10)));
        assert_eq!(beat.due(at(10)), Some(Due::LoginOverdue));
        beat.logged_in();
        assert_eq!(beat.due(at(10)), None);
        assert_eq!(beat.poll_timeout(), Some(at(30)));
    }
}
