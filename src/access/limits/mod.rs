//! How often one may ask. Whoever is logged in is counted by user id, on whatever connection and however often
//! he reconnects; whoever is not, by address.
//!
//! Pure: the time comes in from outside. [`Gate`] is what the wiring builds, [`Meter`] what the RPC layer and
//! the HTTP doors ask. Memory is bounded by twice [`MOST`] buckets ([`table`]).

pub mod bucket;
pub mod table;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::bucket::Pace;
use self::table::Table;
use super::Role;
use crate::clock::Mono;

/// Who asks is remembered for at most so many, 16 bytes each; and as many addresses that logins failed from.
pub const MOST: usize = 4096;

/// Operators and admins may so many times what viewers may.
pub const PRIVILEGED_FACTOR: u32 = 4;

const MINUTE: Duration = Duration::from_secs(60);

/// The bounds. A count of 0 means no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Requests of one viewer, or of one address nobody logged in from, in a minute.
    pub requests_per_minute: u32,
    /// How many of them may come at once.
    pub burst: u32,
    /// Logins of one address that fail, in a minute.
    pub failed_logins_per_minute: u32,
}

impl Rules {
    /// No bound at all.
    pub const NONE: Self = Self {
        requests_per_minute: 0,
        burst: 0,
        failed_logins_per_minute: 0,
    };
}

/// Who is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'a> {
    /// Somebody logged in.
    User(&'a str, Role),
    /// Whoever is there.
    Address(IpAddr),
}

/// Too often: how long to wait before asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub Duration);

impl Wait {
    /// Milliseconds, rounded up, for `retry_after_ms`.
    #[must_use]
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    /// Seconds, rounded up, for HTTP's `Retry-After`.
    #[must_use]
    pub fn secs(self) -> u64 {
        self.millis().div_ceil(1000)
    }
}

/// Counts requests and failed logins. Called on the request's path: it must not block.
pub trait Meter: Send + Sync {
    /// Counts one request, of whatever kind: a call, a download.
    ///
    /// # Errors
    /// [`Wait`] when it is one too many; then it must be refused.
    fn request(&self, who: Who<'_>, now: Mono) -> Result<(), Wait>;

    /// Counts one attempt to log in, before it is judged, so that many at once cannot pass together.
    ///
    /// # Errors
    /// [`Wait`] when too many of this address failed; then it must be refused unjudged.
    fn attempt(&self, from: IpAddr, now: Mono) -> Result<(), Wait>;

    /// Takes the attempt back: it did not fail.
    fn attempt_was_good(&self, from: IpAddr);
}

/// The counting, shared by all connections.
#[derive(Debug)]
pub struct Gate(Mutex<Counting>);

#[derive(Debug)]
struct Counting {
    viewer: Option<Pace>,
    logins: Option<Pace>,
    requests: Table,
    /// Of their own: no crowd of users washes away who guesses.
    failed: Table,
}

impl Counting {
    fn paces(rules: Rules) -> (Option<Pace>, Option<Pace>) {
        let failed = rules.failed_logins_per_minute;
        (
            Pace::new(rules.requests_per_minute, MINUTE, rules.burst),
            Pace::new(failed, MINUTE, failed),
        )
    }
}

impl Gate {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let (viewer, logins) = Counting::paces(rules);
        Self(Mutex::new(Counting {
            viewer,
            logins,
            requests: Table::new(MOST),
            failed: Table::new(MOST),
        }))
    }

    /// Other bounds from now on. Whoever has asked before has as many requests less as he made.
    pub fn bound(&self, rules: Rules, now: Mono) {
        let mut counting = self.counting();
        let (viewer, logins) = Counting::paces(rules);
        // What operators have is so many times as deep and quick before and after: the same proportion.
        let before = std::mem::replace(&mut counting.viewer, viewer);
        counting.requests.change(before, viewer, now);
        let before = std::mem::replace(&mut counting.logins, logins);
        counting.failed.change(before, logins, now);
    }

    fn counting(&self) -> MutexGuard<'_, Counting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter for Gate {
    fn request(&self, who: Who<'_>, now: Mono) -> Result<(), Wait> {
        let mut counting = self.counting();
        let Some(pace) = counting.viewer else {
            return Ok(());
        };
        let table = &mut counting.requests;
        match who {
            Who::User(id, Role::Viewer) => table.take(&id, pace, now),
            Who::User(id, Role::Operator | Role::Admin) => {
                // A role of its own bucket: a viewer's token of the same user must not slow the operator.
                let pace = pace.times(PRIVILEGED_FACTOR);
                table.take(&(id, PRIVILEGED_FACTOR), pace, now)
            }
            Who::Address(ip) => table.take(&one_address(ip), pace, now),
        }
        .map_err(Wait)
    }

    fn attempt(&self, from: IpAddr, now: Mono) -> Result<(), Wait> {
        let mut counting = self.counting();
        let Some(pace) = counting.logins else {
            return Ok(());
        };
        let taken = counting.failed.take(&one_address(from), pace, now);
        taken.map_err(Wait)
    }

    fn attempt_was_good(&self, from: IpAddr) {
        let mut counting = self.counting();
        if let Some(pace) = counting.logins {
            counting.failed.put_back(&one_address(from), pace);
        }
    }
}

/// What counts as one address: a v4 address, or the /64 a v6 host can choose freely from.
#[must_use]
pub fn one_address(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let s = v6.segments();
            IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Mono = Mono::from_nanos(1_000_000_000);

    fn gate() -> Gate {
        Gate::new(Rules {
            requests_per_minute: 300,
            burst: 60,
            failed_logins_per_minute: 10,
        })
    }

    fn how_many(mut ask: impl FnMut() -> Result<(), Wait>) -> usize {
        (0..10_000).take_while(|_| ask().is_ok()).count()
    }

    #[test]
    fn operators_and_admins_may_four_times_what_viewers_may() {
        let gate = gate();
        let burst = |who| how_many(|| gate.request(who, NOW));
        assert_eq!(burst(Who::User("ann", Role::Viewer)), 60);
        assert_eq!(burst(Who::User("bob", Role::Operator)), 240);
        assert_eq!(burst(Who::User("eve", Role::Admin)), 240);
        assert_eq!(burst(Who::Address("10.0.0.1".parse().unwrap())), 60);
        assert_eq!(burst(Who::Address("10.0.0.2".parse().unwrap())), 60);
        assert_eq!(
            gate.request(Who::User("ann", Role::Viewer), NOW)
                .unwrap_err()
                .millis(),
            200
        );
    }

    #[test]
    fn a_v6_host_cannot_pass_for_many() {
        let gate = gate();
        let ip = |last: u16| -> IpAddr { Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into() };
        for last in 0..60 {
            gate.request(Who::Address(ip(last)), NOW).unwrap();
        }
        gate.request(Who::Address(ip(60)), NOW).unwrap_err();
    }

    #[test]
    fn ten_failed_logins_lock_an_address_out_and_good_ones_do_not_count() {
        let gate = gate();
        let bad: IpAddr = "10.0.0.1".parse().unwrap();
        for _ in 0..100 {
            gate.attempt(bad, NOW).unwrap();
            gate.attempt_was_good(bad);
        }
        assert_eq!(how_many(|| gate.attempt(bad, NOW)), 10);
        assert_eq!(gate.attempt(bad, NOW).unwrap_err().secs(), 6);
        gate.attempt("10.0.0.2".parse().unwrap(), NOW).unwrap();
        // Requests and logins are counted apart.
        gate.request(Who::Address(bad), NOW).unwrap();
    }

    #[test]
    fn other_bounds_act_at_once_and_keep_what_was_spent() {
        let gate = gate();
        let (ann, bob) = (
            Who::User("ann", Role::Viewer),
            Who::User("bob", Role::Admin),
        );
        let bad: IpAddr = "10.0.0.1".parse().unwrap();
        for _ in 0..50 {
            gate.request(ann, NOW).unwrap();
            gate.request(bob, NOW).unwrap();
        }
        assert_eq!(how_many(|| gate.attempt(bad, NOW)), 10);
        let wider = Rules {
            requests_per_minute: 600,
            burst: 100,
            failed_logins_per_minute: 12,
        };
        gate.bound(wider, NOW);
        assert_eq!(how_many(|| gate.request(ann, NOW)), 50);
        assert_eq!(how_many(|| gate.request(bob, NOW)), 350);
        assert_eq!(how_many(|| gate.attempt(bad, NOW)), 2);
        let narrow = Rules {
            requests_per_minute: 60,
            burst: 1,
            failed_logins_per_minute: 1,
        };
        gate.bound(narrow, NOW);
        assert_eq!(gate.request(ann, NOW).unwrap_err().secs(), 1);
        gate.attempt(bad, NOW).unwrap_err();
        gate.request(Who::Address(bad), NOW).unwrap();
        gate.request(Who::Address(bad), NOW).unwrap_err();
        gate.bound(Rules::NONE, NOW);
        assert_eq!(how_many(|| gate.request(ann, NOW)), 10_000);
        gate.bound(narrow, NOW);
        gate.request(ann, NOW).unwrap();
    }

    #[test]
    fn nought_means_no_limit() {
        let gate = Gate::new(Rules::NONE);
        let ip: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(how_many(|| gate.request(Who::Address(ip), NOW)), 10_000);
        assert_eq!(how_many(|| gate.attempt(ip, NOW)), 10_000);
    }
}
