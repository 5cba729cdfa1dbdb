//! How many may be in, and who leaves for whom.
//!
//! A WebSocket beyond its bounds is refused before the upgrade. Plain connections are not refused:
//! when all are taken, an idle one of the address that holds the most idle ones leaves, so one who
//! opens thousands and says nothing only crowds out himself.

pub mod io;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};

use super::Limits;

/// One connection's number.
pub type Id = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain { busy: bool },
    Socket { known: bool },
}

#[derive(Debug, Clone, Copy)]
struct Seat {
    address: IpAddr,
    kind: Kind,
}

/// Why a WebSocket is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// All are taken.
    All,
    /// This address has its share.
    Address,
    /// This address has its share of sockets nobody logged in on.
    Strangers,
}

impl Full {
    /// What the client is told.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::All => "all connections are taken; close unused ones or raise the limit",
            Self::Address => {
                "this address has too many connections; close unused ones or raise the limit"
            }
            Self::Strangers => {
                "this address has too many connections without a login; authenticate on them or close them"
            }
        }
    }
}

/// Everyone who is in.
#[derive(Debug)]
pub struct Seats {
    limits: Limits,
    next: Id,
    taken: BTreeMap<Id, Seat>,
}

impl Seats {
    /// Nobody is in.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 0,
            taken: BTreeMap::new(),
        }
    }

    /// Other bounds from now on; whoever is in stays.
    pub const fn bound(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Lets a plain connection in; the second is who must leave for it. `None`: all are busy.
    pub fn enter(&mut self, address: IpAddr) -> Option<(Id, Option<Id>)> {
        let plain = self.count(|s| matches!(s.kind, Kind::Plain { .. }));
        let leaves = if bounded(plain, self.limits.plain) {
            let oldest = self.idle_of_the_crowd()?;
            self.taken.remove(&oldest);
            Some(oldest)
        } else {
            None
        };
        let id = self.next;
        self.next += 1;
        self.taken.insert(
            id,
            Seat {
                address: one_address(address),
                kind: Kind::Plain { busy: false },
            },
        );
        Some((id, leaves))
    }

    /// Whether a plain connection works on a request now; busy ones are not sent away.
    pub fn busy(&mut self, id: Id, now: bool) {
        if let Some(Seat {
            kind: Kind::Plain { busy },
            ..
        }) = self.taken.get_mut(&id)
        {
            *busy = now;
        }
    }

    /// Turns a plain connection into a WebSocket.
    ///
    /// # Errors
    /// [`Full`] where a bound is reached; the connection stays plain.
    pub fn upgrade(&mut self, id: Id) -> Result<(), Full> {
        let Some(address) = self.taken.get(&id).map(|s| s.address) else {
            return Err(Full::All);
        };
        let socket = |s: &Seat| matches!(s.kind, Kind::Socket { .. });
        if bounded(self.count(socket), self.limits.sockets) {
            return Err(Full::All);
        }
        let here = self.count(|s| socket(s) && s.address == address);
        if bounded(here, self.limits.sockets_per_address) {
            return Err(Full::Address);
        }
        let strangers =
            self.count(|s| s.kind == Kind::Socket { known: false } && s.address == address);
        if bounded(strangers, self.limits.strangers_per_address) {
            return Err(Full::Strangers);
        }
        self.set(id, Kind::Socket { known: false });
        Ok(())
    }

    /// Somebody logged in on a WebSocket.
    pub fn known(&mut self, id: Id) {
        self.set(id, Kind::Socket { known: true });
    }

    /// A connection ended.
    pub fn leave(&mut self, id: Id) {
        self.taken.remove(&id);
    }

    /// How many WebSockets are in.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.count(|s| matches!(s.kind, Kind::Socket { .. }))
    }

    fn set(&mut self, id: Id, kind: Kind) {
        if let Some(seat) = self.taken.get_mut(&id) {
            seat.kind = kind;
        }
    }

    fn count(&self, which: impl Fn(&Seat) -> bool) -> usize {
        self.taken.values().filter(|s| which(s)).count()
    }

    fn idle_of_the_crowd(&self) -> Option<Id> {
        let mut idle: HashMap<IpAddr, (usize, Id)> = HashMap::new();
        for (id, seat) in &self.taken {
            if seat.kind == (Kind::Plain { busy: false }) {
                idle.entry(seat.address).or_insert((0, *id)).0 += 1;
            }
        }
        idle.into_values()
            .max_by_key(|(count, oldest)| (*count, std::cmp::Reverse(*oldest)))
            .map(|(_, oldest)| oldest)
    }
}

const fn bounded(count: usize, limit: usize) -> bool {
    limit != 0 && count >= limit
}

/// What counts as one address: a v4 address, or the /64 a v6 host can choose freely from.
fn one_address(ip: IpAddr) -> IpAddr {
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

    fn limits() -> Limits {
        Limits {
            sockets: 4,
            sockets_per_address: 3,
            strangers_per_address: 2,
            plain: 3,
            ..Limits::default()
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn socket(seats: &mut Seats, address: &str) -> Result<Id, Full> {
        let (id, _) = seats.enter(ip(address)).unwrap();
        let upgraded = seats.upgrade(id);
        if upgraded.is_err() {
            seats.leave(id);
        }
        upgraded.map(|()| id)
    }

    #[test]
    fn strangers_an_address_and_the_whole_each_have_their_bound() {
        let mut seats = Seats::new(limits());
        let first = socket(&mut seats, "10.0.0.1").unwrap();
        let second = socket(&mut seats, "10.0.0.1").unwrap();
        assert_eq!(socket(&mut seats, "10.0.0.1"), Err(Full::Strangers));
        seats.known(first);
        seats.known(second);
        socket(&mut seats, "10.0.0.1").unwrap();
        assert_eq!(socket(&mut seats, "10.0.0.1"), Err(Full::Address));
        socket(&mut seats, "10.0.0.2").unwrap();
        assert_eq!(socket(&mut seats, "10.0.0.3"), Err(Full::All));
        seats.leave(first);
        socket(&mut seats, "10.0.0.3").unwrap();
    }

    #[test]
    fn a_v6_host_cannot_pass_for_many() {
        let mut seats = Seats::new(limits());
        socket(&mut seats, "2001:db8::1").unwrap();
        socket(&mut seats, "2001:db8::2").unwrap();
        assert_eq!(socket(&mut seats, "2001:db8::3"), Err(Full::Strangers));
        socket(&mut seats, "::ffff:10.0.0.1").unwrap();
    }

    #[test]
    fn one_who_opens_many_and_says_nothing_crowds_out_himself() {
        let mut seats = Seats::new(limits());
        let (guest, _) = seats.enter(ip("10.0.0.9")).unwrap();
        let (a, _) = seats.enter(ip("10.0.0.1")).unwrap();
        let (b, none) = seats.enter(ip("10.0.0.1")).unwrap();
        assert_eq!(none, None);
        let (c, left) = seats.enter(ip("10.0.0.1")).unwrap();
        assert_eq!(left, Some(a));
        seats.busy(b, true);
        seats.busy(c, true);
        assert_eq!(seats.enter(ip("10.0.0.1")).unwrap().1, Some(guest));
    }

    #[test]
    fn when_all_are_busy_one_more_is_turned_away() {
        let mut seats = Seats::new(limits());
        for _ in 0..3 {
            let (id, _) = seats.enter(ip("10.0.0.1")).unwrap();
            seats.busy(id, true);
        }
        assert!(seats.enter(ip("10.0.0.2")).is_none());
    }

    #[test]
    fn zero_means_no_bound() {
        let mut seats = Seats::new(Limits {
            sockets: 0,
            sockets_per_address: 0,
            strangers_per_address: 0,
            plain: 0,
            ..Limits::default()
        });
        for _ in 0..2000 {
            socket(&mut seats, "10.0.0.1").unwrap();
        }
        assert_eq!(seats.sockets(), 2000);
    }
}
