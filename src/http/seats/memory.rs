//! What clients may have waiting here together, and who gives way when it is too much.
//!
//! Counted, per socket, is what the client decides the size of: bytes received of messages that are not whole
//! yet; the text of requests under way; answers and events that it has not taken; and a buffer that grew for one
//! of these, until it is given back. Below [`GRAIN`] a socket counts nothing, so ordinary traffic never comes here.
//!
//! Not counted is what the service decides the size of, bounded by the number of connections: the idle socket
//! (`docs/limits.md` has figures), a plain HTTP connection's buffers (16 KiB at most, streamed through), the
//! kernel's socket buffers, and what reading one message takes for a moment, on two threads at most.
//!
//! Above the limit, in this order, until a sixteenth below it: events that wait; sockets nobody logged in on,
//! the biggest first; then the others, the biggest first. New WebSockets are refused from the moment the limit
//! is passed until an eighth is free again.

use std::collections::HashMap;

use super::Id;

/// Bytes below which a socket is not counted, and by which its count may be behind.
pub const GRAIN: usize = 4 << 10;

/// What a socket is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Forget the events that wait.
    DropEvents,
    /// End, and free everything first.
    Leave,
}

/// What one socket holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Bytes in all, events included.
    pub bytes: usize,
    /// Bytes of waiting events.
    pub events: usize,
}

#[derive(Debug, Clone, Copy)]
struct Holder {
    held: Held,
    ordered: Option<Order>,
}

impl Holder {
    /// What will stay once its order is carried out.
    const fn stays(&self) -> usize {
        match self.ordered {
            None => self.held.bytes,
            Some(Order::DropEvents) => self.held.bytes.saturating_sub(self.held.events),
            Some(Order::Leave) => 0,
        }
    }
}

/// The account of all sockets.
#[derive(Debug)]
pub struct Memory {
    limit: usize,
    used: usize,
    closed: bool,
    holders: HashMap<Id, Holder>,
}

impl Memory {
    /// Nobody holds anything. A `limit` of 0 is none.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            used: 0,
            closed: false,
            holders: HashMap::new(),
        }
    }

    /// Bytes held now.
    #[must_use]
    pub const fn used(&self) -> usize {
        self.used
    }

    /// Whether new sockets are refused.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Another limit from now on. Gives who must do what for it, in the same order as ever.
    pub fn bound(&mut self, limit: usize, known: impl Fn(Id) -> bool) -> Vec<(Id, Order)> {
        self.limit = limit;
        self.mark();
        if limit != 0 && self.used > limit {
            self.shed(known)
        } else {
            Vec::new()
        }
    }

    /// Bytes that may be held; 0 is no limit.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// A socket holds so much now. Gives who must do what for it; `known` tells who is logged in.
    pub fn holds(&mut self, id: Id, held: Held, known: impl Fn(Id) -> bool) -> Vec<(Id, Order)> {
        if held.bytes == 0 {
            self.leave(id);
            return Vec::new();
        }
        let holder = self.holders.entry(id).or_insert(Holder {
            held: Held::default(),
            ordered: None,
        });
        let before = holder.held.bytes;
        holder.held = held;
        // Whoever was told to drop his events has done so once none are left.
        if holder.ordered == Some(Order::DropEvents) && held.events == 0 {
            holder.ordered = None;
        }
        self.used = self.used - before + held.bytes;
        self.mark();
        if self.limit != 0 && self.used > self.limit && held.bytes > before {
            self.shed(known)
        } else {
            Vec::new()
        }
    }

    /// A socket ended, or holds nothing any more.
    pub fn leave(&mut self, id: Id) {
        if let Some(holder) = self.holders.remove(&id) {
            self.used -= holder.held.bytes;
            self.mark();
        }
    }

    fn mark(&mut self) {
        if self.limit == 0 {
            self.closed = false;
        } else if self.used > self.limit {
            self.closed = true;
        } else if self.used <= self.limit - self.limit / 8 {
            self.closed = false;
        }
    }

    /// One round over all holders; it frees a sixteenth of the limit at least, so the next one is that far away.
    fn shed(&mut self, known: impl Fn(Id) -> bool) -> Vec<(Id, Order)> {
        let mut stays: usize = self.holders.values().map(Holder::stays).sum();
        if stays <= self.limit {
            // What was ordered before is enough, and only not carried out yet.
            return Vec::new();
        }
        let enough = self.limit - self.limit / 16;
        let mut orders = Vec::new();
        for order in [Order::DropEvents, Order::Leave] {
            let mut victims: Vec<(bool, usize, Id)> = self
                .holders
                .iter()
                .filter(|(_, h)| h.ordered < Some(order))
                .filter(|(_, h)| order == Order::Leave || h.held.events > 0)
                .map(|(id, h)| match order {
                    Order::DropEvents => (false, h.held.events, *id),
                    Order::Leave => (known(*id), h.stays(), *id),
                })
                .collect();
            victims.sort_unstable_by_key(|(known, bytes, id)| {
                (*known, std::cmp::Reverse(*bytes), *id)
            });
            for (_, bytes, id) in victims {
                if stays <= enough {
                    return orders;
                }
                if let Some(holder) = self.holders.get_mut(&id) {
                    holder.ordered = Some(order);
                }
                stays = stays.saturating_sub(bytes);
                orders.push((id, order));
            }
        }
        orders
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIB: usize = 1 << 10;

    fn held(bytes: usize, events: usize) -> Held {
        Held { bytes, events }
    }

    fn nobody(_: Id) -> bool {
        false
    }

    #[test]
    fn nothing_is_asked_of_anybody_below_the_limit() {
        let mut memory = Memory::new(100 * KIB);
        for id in 0..10 {
            assert_eq!(memory.holds(id, held(10 * KIB, 10 * KIB), nobody), []);
        }
        assert_eq!(memory.used(), 100 * KIB);
        assert!(!memory.is_closed());
    }

    #[test]
    fn events_go_first_then_strangers_then_the_biggest() {
        let mut memory = Memory::new(160 * KIB);
        let known = |id: Id| id != 3;
        memory.holds(1, held(60 * KIB, 20 * KIB), known);
        memory.holds(2, held(50 * KIB, 0), known);
        memory.holds(3, held(45 * KIB, 0), known);
        // 10 more than allowed: the 20 of events are enough.
        let told = memory.holds(4, held(15 * KIB, 0), known);
        assert_eq!(told, [(1, Order::DropEvents)]);
        assert!(memory.is_closed());
        // They are not counted twice while the order is under way.
        assert_eq!(memory.holds(4, held(16 * KIB, 0), known), []);
        memory.holds(1, held(40 * KIB, 0), known);
        // No events are left: the stranger goes, though he does not hold most.
        assert_eq!(
            memory.holds(4, held(40 * KIB, 0), known),
            [(3, Order::Leave)]
        );
        memory.leave(3);
        // Then the biggest.
        assert_eq!(
            memory.holds(4, held(75 * KIB, 0), known),
            [(4, Order::Leave)]
        );
        memory.leave(4);
        assert_eq!(memory.used(), 90 * KIB);
        assert!(!memory.is_closed());
    }

    #[test]
    fn the_door_opens_again_only_when_an_eighth_is_free() {
        let mut memory = Memory::new(80 * KIB);
        memory.holds(1, held(81 * KIB, 0), nobody);
        memory.holds(1, held(75 * KIB, 0), nobody);
        assert!(memory.is_closed());
        memory.holds(1, held(70 * KIB, 0), nobody);
        assert!(!memory.is_closed());
    }

    #[test]
    fn a_lower_limit_sheds_in_the_same_order_and_no_more_than_it_must() {
        let mut memory = Memory::new(0);
        let known = |id: Id| id != 3;
        memory.holds(1, held(60 * KIB, 20 * KIB), known);
        memory.holds(2, held(50 * KIB, 0), known);
        memory.holds(3, held(10 * KIB, 0), known);
        memory.holds(4, held(15 * KIB, 0), known);
        assert_eq!(memory.bound(1000 * KIB, known), []);
        assert!(!memory.is_closed());
        // 135 are there: the 20 of events are not enough, the stranger goes, and then it is enough.
        let told = memory.bound(112 * KIB, known);
        assert_eq!(told, [(1, Order::DropEvents), (3, Order::Leave)]);
        assert!(memory.is_closed());
        // Asked again before they have done so: nothing new.
        assert_eq!(memory.bound(112 * KIB, known), []);
        memory.holds(1, held(40 * KIB, 0), known);
        memory.leave(3);
        assert_eq!(memory.bound(64 * KIB, known), [(2, Order::Leave)]);
        memory.leave(2);
        assert!(!memory.is_closed());
        assert_eq!(memory.used(), 55 * KIB);
        memory.bound(10 * KIB, known);
        assert!(memory.is_closed());
        memory.bound(0, known);
        assert!(!memory.is_closed());
    }

    #[test]
    fn without_a_limit_nobody_is_asked() {
        let mut memory = Memory::new(0);
        assert_eq!(memory.holds(1, held(1 << 40, 0), nobody), []);
        assert!(!memory.is_closed());
    }

    proptest! {
        #[test]
        fn once_orders_are_carried_out_the_limit_is_kept(
            steps in prop::collection::vec((0u64..20, 0usize..200, 0usize..100), 1..300)
        ) {
            let limit = 1000;
            let mut memory = Memory::new(limit);
            let mut truth: HashMap<Id, Held> = HashMap::new();
            for (id, bytes, events) in steps {
                let now = held(bytes + events, events);
                truth.insert(id, now);
                for (id, order) in memory.holds(id, now, |id| id % 2 == 0) {
                    let was = truth[&id];
                    let left = match order {
                        Order::DropEvents => held(was.bytes - was.events, 0),
                        Order::Leave => Held::default(),
                    };
                    truth.insert(id, left);
                    prop_assert_eq!(memory.holds(id, left, |_| true), []);
                }
                prop_assert_eq!(memory.used(), truth.values().map(|h| h.bytes).sum::<usize>());
                prop_assert!(memory.used() <= limit);
            }
        }
    }
}
