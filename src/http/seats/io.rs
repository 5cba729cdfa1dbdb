//! Seats as connections hold them: taken on entry, given back on drop.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::body::{Bytes, Frame, SizeHint};
use tokio::sync::Notify;

use super::{Full, Id, Seats};
use crate::http::Limits;
use crate::http::reply::io::{Body, BodyError};

/// Everyone who is in, and how to ask each to leave.
pub(in crate::http) struct Hall(Mutex<Inside>);

struct Inside {
    seats: Seats,
    doors: HashMap<Id, Arc<Notify>>,
}

impl Hall {
    pub(in crate::http) fn new(limits: Limits) -> Self {
        Self(Mutex::new(Inside {
            seats: Seats::new(limits),
            doors: HashMap::new(),
        }))
    }

    /// Other bounds, for whoever comes from now on.
    pub(in crate::http) fn bound(&self, limits: Limits) {
        self.inside().seats.bound(limits);
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's seat; given back when dropped.
pub(in crate::http) struct Seat {
    hall: Arc<Hall>,
    id: Id,
}

impl Seat {
    /// Takes a seat; the second resolves when this connection must leave for another.
    pub(in crate::http) fn enter(hall: &Arc<Hall>, address: IpAddr) -> Option<(Self, Arc<Notify>)> {
        let mut inside = hall.inside();
        let (id, leaves) = inside.seats.enter(address)?;
        if let Some(leaver) = leaves.and_then(|id| inside.doors.remove(&id)) {
            leaver.notify_one();
        }
        let leave = Arc::new(Notify::new());
        inside.doors.insert(id, Arc::clone(&leave));
        let seat = Self {
            hall: Arc::clone(hall),
            id,
        };
        Some((seat, leave))
    }

    /// Becomes a WebSocket's, where the bounds allow it.
    pub(in crate::http) fn upgrade(&self) -> Result<(), Full> {
        self.hall.inside().seats.upgrade(self.id)
    }

    /// Somebody logged in on this socket.
    pub(in crate::http) fn known(&self) {
        self.hall.inside().seats.known(self.id);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inside = self.hall.inside();
        inside.seats.leave(self.id);
        inside.doors.remove(&self.id);
    }
}

/// While one lives, its connection is not sent away for a newcomer.
pub(in crate::http) struct Busy(Arc<Seat>);

impl Busy {
    pub(in crate::http) fn new(seat: &Arc<Seat>) -> Self {
        seat.hall.inside().seats.busy(seat.id, true);
        Self(Arc::clone(seat))
    }

    /// Stays busy until the last byte of this body has left.
    pub(in crate::http) fn until_sent(self, body: Body) -> Guarded {
        Guarded { body, _busy: self }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.hall.inside().seats.busy(self.0.id, false);
    }
}

/// A body that keeps its connection busy.
pub(in crate::http) struct Guarded {
    body: Body,
    _busy: Busy,
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
