//! How often one may ask. Whoever is logged in is counted by user id, on whatever connection and however often
//! he reconnects; whoever is not, by address.
//!
//! Pure: the time comes in from outside. [`Gate`] is what the wiring builds, [`Meter`] what the RPC layer and
//! the HTTP doors ask. Memory is bounded by [`MOST`] buckets ([`table`]).

pub mod bucket;
pub mod table;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::bucket::Pace;
use self::table::Table;
use super::Role;
use crate::clock::Mono;

/// Who asks is remembered for at most so many, 16 bytes each.
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
pub struct Gate {
    viewer: Option<Pace>,
    logins: Option<Pace>,
    table: Mutex<Table>,
}

impl Gate {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let failed = rules.failed_logins_per_minute;
        Self {
            viewer: Pace::new(rules.requests_per_minute, MINUTE, rules.burst),
            logins: Pace::new(failed, MINUTE, failed),
            table: Mutex::new(Table::new(MOST)),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const LOGIN: &str = "login";

impl Meter for Gate {
    fn request(&self, who: Who<'_>, now: Mono) -> Result<(), Wait> {
        let Some(pace) = self.viewer else {
            return Ok(());
        };
        match who {
            Who::User(id, Role::Viewer) => self.table().take(&id, pace, now),
            Who::User(id, Role::Operator | Role::Admin) => {
                // A role of its own bucket: a viewer's token of the same user must not slow the operator.
                let pace = pace.times(PRIVILEGED_FACTOR);
                self.table().take(&(id, PRIVILEGED_FACTOR), pace, now)
            }
            Who::Address(ip) => self.table().take(&one_address(ip), pace, now),
        }
        .map_err(Wait)
    }

    fn attempt(&self, from: IpAddr, now: Mono) -> Result<(), Wait> {
        let Some(pace) = self.logins else {
            return Ok(());
        };
        let key = (LOGIN, one_address(from));
        self.table().take(&key, pace, now).map_err(Wait)
    }

    fn attempt_was_good(&self, from: IpAddr) {
        if let Some(pace) = self.logins {
            self.table().put_back(&(LOGIN, one_address(from)), pace);
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
    fn nought_means_no_limit() {
        let gate = Gate::new(Rules::NONE);
        let ip: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(how_many(|| gate.request(Who::Address(ip), NOW)), 10_000);
        assert_eq!(how_many(|| gate.attempt(ip, NOW)), 10_000);
    }
}
