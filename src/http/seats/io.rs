//! Seats as connections hold them: taken on entry, given back on drop.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use hyper::body::{Bytes, Frame, SizeHint};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::memory::{Held, Memory, Order};
use super::{Full, Id, Seats};
use crate::http::Limits;
use crate::http::reply::io::{Body, BodyError};

/// Everyone who is in, what they hold, and how to tell each what to do.
pub(in crate::http) struct Hall(Mutex<Inside>);

struct Inside {
    seats: Seats,
    memory: Memory,
    doors: HashMap<Id, Weak<Seat>>,
    /// Everybody has been asked to go.
    closing: bool,
}

impl Hall {
    pub(in crate::http) fn new(limits: Limits) -> Self {
        Self(Mutex::new(Inside {
            seats: Seats::new(limits),
            memory: Memory::new(limits.memory),
            doors: HashMap::new(),
            closing: false,
        }))
    }

    /// Other bounds from now on. Whoever is in stays, unless all together hold more than they may now: then whoever
    /// must give way is told.
    pub(in crate::http) fn bound(&self, limits: Limits) {
        self.settle(|seats, memory| {
            seats.bound(limits);
            memory.bound(limits.memory, |id| seats.is_known(id))
        });
    }

    /// The service stops: everybody is asked to go, and so is whoever still comes.
    pub(in crate::http) fn close(&self) {
        let mut inside = self.inside();
        inside.closing = true;
        let all: Vec<Arc<Seat>> = inside.doors.values().filter_map(Weak::upgrade).collect();
        // A seat may be dropped while it is told, and then takes this lock.
        drop(inside);
        for seat in all {
            seat.tell(STOP);
        }
    }

    /// Bytes that sockets hold, and may hold.
    pub(in crate::http) fn memory(&self) -> (usize, usize) {
        let inside = self.inside();
        (inside.memory.used(), inside.memory.limit())
    }

    /// Lets the account change, and tells those who must give way for it.
    fn settle(&self, change: impl FnOnce(&mut Seats, &mut Memory) -> Vec<(Id, Order)>) {
        let mut guard = self.inside();
        let inside = &mut *guard;
        let was_closed = inside.memory.is_closed();
        let told: Vec<(Arc<Seat>, Order)> = change(&mut inside.seats, &mut inside.memory)
            .into_iter()
            .filter_map(|(id, order)| Some((inside.doors.get(&id)?.upgrade()?, order)))
            .collect();
        let (is_closed, used) = (inside.memory.is_closed(), inside.memory.used());
        // A seat may be dropped while it is told, and then takes this lock.
        drop(guard);
        if is_closed && !was_closed {
            warn!(
                used,
                "clients have too much waiting here: events, strangers and the biggest give way, new ones are refused"
            );
        } else if was_closed && !is_closed {
            info!(used, "clients have less waiting again; new ones are let in");
        }
        for (seat, order) in told {
            seat.tell(match order {
                Order::DropEvents => DROP_EVENTS,
                Order::Leave => LEAVE,
            });
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const NOTHING: u8 = 0;
const DROP_EVENTS: u8 = 1;
const STOP: u8 = 2;
const LEAVE: u8 = 3;

/// What a connection is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Told {
    /// Forget the events that wait.
    DropEvents,
    /// The service stops: come to an end.
    Stop,
    /// End now; a WebSocket frees everything first.
    Leave,
}

/// A connection's seat; given back when dropped.
pub(in crate::http) struct Seat {
    hall: Arc<Hall>,
    id: Id,
    order: AtomicU8,
    told: Notify,
}

impl Seat {
    /// Takes a seat; `None` while all are busy. Whoever leaves for it is told so.
    pub(in crate::http) fn enter(hall: &Arc<Hall>, address: IpAddr) -> Option<Arc<Self>> {
        let mut inside = hall.inside();
        let (id, leaves) = inside.seats.enter(address)?;
        let seat = Arc::new(Self {
            hall: Arc::clone(hall),
            id,
            order: AtomicU8::new(if inside.closing { STOP } else { NOTHING }),
            told: Notify::new(),
        });
        inside.doors.insert(id, Arc::downgrade(&seat));
        let leaver = leaves.and_then(|id| inside.doors.remove(&id));
        // A seat may be dropped while it is told, and then takes this lock.
        drop(inside);
        if let Some(leaver) = leaver.and_then(|l| l.upgrade()) {
            leaver.tell(LEAVE);
        }
        Some(seat)
    }

    /// Becomes a WebSocket's, where the bounds allow it.
    pub(in crate::http) fn upgrade(&self) -> Result<(), Full> {
        let mut inside = self.hall.inside();
        if inside.memory.is_closed() {
            return Err(Full::Memory);
        }
        inside.seats.upgrade(self.id)
    }

    /// Somebody logged in on this socket.
    pub(in crate::http) fn known(&self) {
        self.hall.inside().seats.known(self.id);
    }

    /// This socket holds so much now; whoever must give way for it is told.
    pub(in crate::http) fn holds(&self, held: Held) {
        self.hall
            .settle(|seats, memory| memory.holds(self.id, held, |id| seats.is_known(id)));
    }

    /// A greater order stands for the smaller ones.
    fn tell(&self, order: u8) {
        self.order.fetch_max(order, Ordering::AcqRel);
        self.told.notify_one();
    }

    /// Whether there is an order, so that [`Seat::told`] need not be asked to find that there is none.
    pub(in crate::http) fn is_told(&self) -> bool {
        self.order.load(Ordering::Acquire) != NOTHING
    }

    /// Waits for an order. One that came before is not missed; dropping the future loses none.
    pub(in crate::http) async fn told(&self) -> Told {
        loop {
            match self.order.load(Ordering::Acquire) {
                LEAVE => return Told::Leave,
                STOP => return Told::Stop,
                DROP_EVENTS => {
                    let taken = self.order.compare_exchange(
                        DROP_EVENTS,
                        NOTHING,
                        Ordering::AcqRel,
                        Ordering::Acquire,
                    );
                    if taken.is_ok() {
                        return Told::DropEvents;
                    }
                }
                _ => self.told.notified().await,
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inside = self.hall.inside();
        inside.seats.leave(self.id);
        inside.memory.leave(self.id);
        inside.doors.remove(&self.id);
    }
}

/// While one lives, its connection is not sent away for a newcomer.
pub(in crate::http) struct Busy(Arc<Seat>);

impl Busy {
    /// `None`: its address has as many busy ones as it may.
    pub(in crate::http) fn new(seat: &Arc<Seat>) -> Option<Self> {
        let may = seat.hall.inside().seats.work(seat.id);
        may.then(|| Self(Arc::clone(seat)))
    }

    /// Stays busy until the last byte of this body has left.
    pub(in crate::http) fn until_sent(busy: Option<Self>, body: Body) -> Guarded {
        Guarded { body, _busy: busy }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.hall.inside().seats.rest(self.0.id);
    }
}

/// A body that keeps its connection busy.
pub(in crate::http) struct Guarded {
    body: Body,
    _busy: Option<Busy>,
}

impl hyper::body::Body for Guarded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
