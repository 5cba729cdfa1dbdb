//! How many may be in, and who leaves for whom.
//!
//! A WebSocket beyond its bounds is refused before the upgrade. Plain connections are not refused:
//! when all are taken, an idle one of the address that holds the most idle ones leaves, so one who
//! opens thousands and says nothing only crowds out himself. A connection that works on a request is not sent
//! away; so that one who makes all of his work for ever does not fill the place either, one address may have
//! three quarters of all at work.

pub mod io;
pub mod memory;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::Limits;
use crate::access::limits::one_address;

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
    /// What clients have waiting here is too much already.
    Memory,
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
            Self::Memory => "too much is waiting for clients; try again in some seconds",
            Self::Strangers => {
                "this address has too many connections without a login; authenticate on them or close them"
            }
        }
    }
}

/// Who is in from one address.
#[derive(Debug, Default)]
struct Here {
    sockets: usize,
    strangers: usize,
    /// Plain connections that work on a request.
    busy: usize,
    /// Plain connections that work on nothing, the oldest first.
    idle: BTreeSet<Id>,
}

impl Here {
    /// How this address stands among those that could lose an idle connection: the last one does.
    fn crowd(&self, address: IpAddr) -> Option<(usize, Reverse<Id>, IpAddr)> {
        let oldest = self.idle.first()?;
        Some((self.idle.len(), Reverse(*oldest), address))
    }
}

/// Everyone who is in. Every question is answered from a count or a sorted set, none by looking at all.
#[derive(Debug)]
pub struct Seats {
    limits: Limits,
    next: Id,
    taken: HashMap<Id, Seat>,
    here: HashMap<IpAddr, Here>,
    crowds: BTreeSet<(usize, Reverse<Id>, IpAddr)>,
    sockets: usize,
    plain: usize,
}

impl Seats {
    /// Nobody is in.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 0,
            taken: HashMap::new(),
            here: HashMap::new(),
            crowds: BTreeSet::new(),
            sockets: 0,
            plain: 0,
        }
    }

    /// Other bounds from now on; whoever is in stays.
    pub const fn bound(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Lets a plain connection in; the second is who must leave for it. `None`: all are busy.
    pub fn enter(&mut self, address: IpAddr) -> Option<(Id, Option<Id>)> {
        let leaves = if bounded(self.plain, self.limits.plain) {
            let (_, Reverse(oldest), _) = *self.crowds.last()?;
            self.leave(oldest);
            Some(oldest)
        } else {
            None
        };
        let id = self.next;
        self.next += 1;
        let seat = Seat {
            address: one_address(address),
            kind: Kind::Plain { busy: false },
        };
        self.taken.insert(id, seat);
        self.count(id, seat, true);
        Some((id, leaves))
    }

    /// A plain connection works on a request from now on, and is not sent away. False: its address has its share
    /// at work already.
    pub fn work(&mut self, id: Id) -> bool {
        let Some(seat) = self.taken.get(&id) else {
            // It was told to leave this moment; that comes through by itself.
            return true;
        };
        let here = self.here.get(&seat.address).map_or(0, |here| here.busy);
        let share = self.limits.plain - self.limits.plain / 4;
        if bounded(here, share) {
            return false;
        }
        self.busy(id, true);
        true
    }

    /// It works on nothing now.
    pub fn rest(&mut self, id: Id) {
        self.busy(id, false);
    }

    fn busy(&mut self, id: Id, now: bool) {
        if let Some(Kind::Plain { .. }) = self.taken.get(&id).map(|s| s.kind) {
            self.set(id, Kind::Plain { busy: now });
        }
    }

    /// Turns a plain connection into a WebSocket.
    ///
    /// # Errors
    /// [`Full`] where a bound is reached; the connection stays plain.
    pub fn upgrade(&mut self, id: Id) -> Result<(), Full> {
        let Some(seat) = self.taken.get(&id) else {
            return Err(Full::All);
        };
        let (sockets, strangers) = self
            .here
            .get(&seat.address)
            .map_or((0, 0), |h| (h.sockets, h.strangers));
        if bounded(self.sockets, self.limits.sockets) {
            return Err(Full::All);
        }
        if bounded(sockets, self.limits.sockets_per_address) {
            return Err(Full::Address);
        }
        if bounded(strangers, self.limits.strangers_per_address) {
            return Err(Full::Strangers);
        }
        self.set(id, Kind::Socket { known: false });
        Ok(())
    }

    /// Somebody logged in on a WebSocket.
    pub fn known(&mut self, id: Id) {
        if let Some(Kind::Socket { .. }) = self.taken.get(&id).map(|s| s.kind) {
            self.set(id, Kind::Socket { known: true });
        }
    }

    /// Whether somebody logged in on this connection.
    #[must_use]
    pub fn is_known(&self, id: Id) -> bool {
        let seat = self.taken.get(&id);
        seat.is_some_and(|s| s.kind == Kind::Socket { known: true })
    }

    /// A connection ended.
    pub fn leave(&mut self, id: Id) {
        if let Some(seat) = self.taken.remove(&id) {
            self.count(id, seat, false);
        }
    }

    /// How many WebSockets are in.
    #[must_use]
    pub const fn sockets(&self) -> usize {
        self.sockets
    }

    fn set(&mut self, id: Id, kind: Kind) {
        let Some(seat) = self.taken.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut seat.kind, kind);
        let after = *seat;
        self.count(
            id,
            Seat {
                kind: before,
                ..after
            },
            false,
        );
        self.count(id, after, true);
    }

    /// Adds a seat to the counts, or takes it out.
    fn count(&mut self, id: Id, seat: Seat, is_in: bool) {
        let here = self.here.entry(seat.address).or_default();
        let step = |n: &mut usize| *n = if is_in { *n + 1 } else { n.saturating_sub(1) };
        match seat.kind {
            Kind::Plain { busy } => {
                step(&mut self.plain);
                if busy {
                    step(&mut here.busy);
                } else {
                    if let Some(crowd) = here.crowd(seat.address) {
                        self.crowds.remove(&crowd);
                    }
                    if is_in {
                        here.idle.insert(id);
                    } else {
                        here.idle.remove(&id);
                    }
                    self.crowds.extend(here.crowd(seat.address));
                }
            }
            Kind::Socket { known } => {
                step(&mut self.sockets);
                step(&mut here.sockets);
                if !known {
                    step(&mut here.strangers);
                }
            }
        }
        let Here {
            sockets,
            busy,
            idle,
            ..
        } = here;
        if *sockets == 0 && *busy == 0 && idle.is_empty() {
            self.here.remove(&seat.address);
        }
    }
}

const fn bounded(count: usize, limit: usize) -> bool {
    limit != 0 && count >= limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn one_address_cannot_have_all_at_work() {
        let mut seats = Seats::new(Limits {
            plain: 8,
            ..limits()
        });
        let ids: Vec<Id> = (0..8)
            .map(|_| seats.enter(ip("10.0.0.1")).unwrap().0)
            .collect();
        let working = ids.iter().filter(|id| seats.work(**id)).count();
        assert_eq!(working, 6);
        // So somebody else finds a place, and may work.
        let (guest, left) = seats.enter(ip("10.0.0.2")).unwrap();
        assert!(left.is_some());
        assert!(seats.work(guest));
        seats.rest(ids[0]);
        assert!(seats.work(ids[7]));
        assert!(!seats.work(ids[0]));
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

    #[derive(Debug, Clone)]
    enum Step {
        Enter(u8),
        Upgrade(usize),
        Known(usize),
        Busy(usize, bool),
        Leave(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u8..4).prop_map(Step::Enter),
            (0usize..12).prop_map(Step::Upgrade),
            (0usize..12).prop_map(Step::Known),
            (0usize..12, any::<bool>()).prop_map(|(at, now)| Step::Busy(at, now)),
            (0usize..12).prop_map(Step::Leave),
        ]
    }

    proptest! {
        #[test]
        fn the_counts_are_what_counting_gives(steps in prop::collection::vec(step(), 1..200)) {
            let mut seats = Seats::new(Limits { plain: 6, ..limits() });
            for step in steps {
                let mut ids: Vec<Id> = seats.taken.keys().copied().collect();
                ids.sort_unstable();
                let pick = |at: usize| ids.get(at).copied().unwrap_or(999);
                match step {
                    Step::Enter(host) => {
                        // The oldest idle one of the address that has most goes; a tie, the one that is older.
                        let idle = |s: &Seat| s.kind == Kind::Plain { busy: false };
                        let expected = ids
                            .iter()
                            .filter(|id| idle(&seats.taken[id]))
                            .map(|id| {
                                let address = seats.taken[id].address;
                                let crowd = seats.taken.values().filter(|s| idle(s) && s.address == address);
                                (crowd.count(), Reverse(*id))
                            })
                            .max()
                            .map(|(_, Reverse(id))| id);
                        let full = seats.plain >= 6;
                        let entered = seats.enter(IpAddr::from([10, 0, 0, host]));
                        prop_assert_eq!(entered.and_then(|(_, left)| left), expected.filter(|_| full));
                        prop_assert_eq!(entered.is_none(), full && expected.is_none());
                    }
                    Step::Upgrade(at) => drop(seats.upgrade(pick(at))),
                    Step::Known(at) => seats.known(pick(at)),
                    Step::Busy(at, now) => seats.busy(pick(at), now),
                    Step::Leave(at) => seats.leave(pick(at)),
                }
                let all = || seats.taken.values();
                let socket = |s: &&Seat| matches!(s.kind, Kind::Socket { .. });
                prop_assert_eq!(seats.sockets(), all().filter(socket).count());
                prop_assert_eq!(seats.plain, all().count() - seats.sockets());
                for (address, here) in &seats.here {
                    let of = || all().filter(|s| s.address == *address);
                    prop_assert_eq!(here.sockets, of().filter(socket).count());
                    let strangers = of().filter(|s| s.kind == Kind::Socket { known: false });
                    prop_assert_eq!(here.strangers, strangers.count());
                    let idle = of().filter(|s| s.kind == Kind::Plain { busy: false });
                    prop_assert_eq!(here.idle.len(), idle.count());
                }
                if seats.taken.is_empty() {
                    prop_assert!(seats.here.is_empty() && seats.crowds.is_empty());
                }
            }
        }
    }
}
