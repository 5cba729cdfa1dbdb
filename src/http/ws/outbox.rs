//! Events that wait for one client: a bounded queue that forgets the oldest and remembers how many.

use std::collections::VecDeque;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<E> {
    /// So many were lost before what comes after this.
    Lost(u64),
    /// An event.
    Event(E),
}

/// The queue of one client. `E` is whatever becomes a message: a text, or something shared by all clients.
#[derive(Debug)]
pub struct Outbox<E> {
    events: VecDeque<(E, usize)>,
    most: usize,
    bytes: usize,
    lost: u64,
}

impl<E> Outbox<E> {
    /// An empty queue for at most `most` events; 0 is no bound. Takes no memory while it is empty.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            events: VecDeque::new(),
            most,
            bytes: 0,
            lost: 0,
        }
    }

    /// An event of so many bytes; the oldest goes where there is no room.
    pub fn push(&mut self, event: E, bytes: usize) {
        if self.most != 0 && self.events.len() >= self.most {
            self.drop_oldest();
        }
        self.events.push_back((event, bytes));
        self.bytes += bytes;
    }

    /// So many were lost before they came here.
    pub const fn lost(&mut self, count: u64) {
        self.lost = self.lost.saturating_add(count);
    }

    /// Forgets all that wait; they count as lost.
    pub fn clear(&mut self) {
        while !self.events.is_empty() {
            self.drop_oldest();
        }
        self.events = VecDeque::new();
    }

    /// What to send next. The lost ones are older than those that wait, so they are told first.
    pub fn take(&mut self) -> Option<Next<E>> {
        if self.lost > 0 {
            return Some(Next::Lost(std::mem::take(&mut self.lost)));
        }
        let (event, bytes) = self.events.pop_front()?;
        self.bytes -= bytes;
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
        Some(Next::Event(event))
    }

    /// Bytes that wait.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn drop_oldest(&mut self) {
        if let Some((_, bytes)) = self.events.pop_front() {
            self.bytes -= bytes;
            self.lost(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_oldest_go_and_the_client_hears_how_many_before_the_rest() {
        let mut outbox = Outbox::new(2);
        for n in 1..=5 {
            outbox.push(n, 10);
        }
        assert_eq!(outbox.bytes(), 20);
        assert_eq!(outbox.take(), Some(Next::Lost(3)));
        assert_eq!(outbox.take(), Some(Next::Event(4)));
        assert_eq!(outbox.take(), Some(Next::Event(5)));
        assert_eq!(outbox.take(), None);
    }

    #[test]
    fn what_is_cleared_counts_as_lost() {
        let mut outbox = Outbox::new(0);
        outbox.lost(1);
        outbox.push("a", 1);
        outbox.push("b", 1);
        outbox.clear();
        assert_eq!(outbox.bytes(), 0);
        assert_eq!(outbox.take(), Some(Next::Lost(3)));
        assert_eq!(outbox.take(), None);
    }

    proptest! {
        #[test]
        fn every_event_is_either_told_or_counted(most in 1usize..9, steps in prop::collection::vec(0u8..4, 0..200)) {
            let (mut outbox, mut put, mut got) = (Outbox::new(most), 0u64, 0u64);
            for step in steps {
                match step {
                    0 => outbox.clear(),
                    1 => match outbox.take() {
                        Some(Next::Lost(n)) => got += n,
                        Some(Next::Event(_)) => got += 1,
                        None => prop_assert_eq!(put, got),
                    },
                    _ => {
                        outbox.push(put, 3);
                        put += 1;
                    }
                }
                prop_assert!(outbox.bytes() <= most * 3);
            }
        }
    }
}
