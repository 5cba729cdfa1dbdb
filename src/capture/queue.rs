//! Who holds which buffer. The law: a buffer is read only while dequeued, and queued only once.
//!
//! The driver is not trusted: an index it never had, or that we hold ourselves, is reported
//! instead of believed.

use std::fmt;

/// Buffers the kernel grants at most (`VIDEO_MAX_FRAME`); the table is this long.
pub const MOST: usize = 32;

/// Who holds a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Ours: may be read. Left by queueing it.
    Dequeued,
    /// The driver's: may be written at any moment. Left when the driver hands it out.
    Queued,
}

/// A transition that the rules of the queue do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misuse {
    /// There is no buffer of this number.
    Unknown {
        /// The number.
        index: u32,
        /// How many buffers there are.
        count: u32,
    },
    /// The buffer already is where it should go.
    Already {
        /// The number.
        index: u32,
        /// Where it is.
        state: State,
    },
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { index, count } => {
                write!(f, "buffer {index} does not exist, there are {count}")
            }
            Self::Already { index, state } => write!(
                f,
                "buffer {index} is already {}",
                match state {
                    State::Dequeued => "dequeued",
                    State::Queued => "queued",
                }
            ),
        }
    }
}

impl std::error::Error for Misuse {}

/// The table of buffers: fixed, no allocation.
#[derive(Debug, Clone)]
pub struct Ring {
    slots: heapless::Vec<State, MOST>,
}

impl Ring {
    /// A ring of `count` buffers, all ours. `None` for none or more than [`MOST`].
    #[must_use]
    pub fn new(count: u32) -> Option<Self> {
        let count = usize::try_from(count).ok().filter(|n| *n > 0)?;
        let mut slots = heapless::Vec::new();
        slots.resize(count, State::Dequeued).ok()?;
        Some(Self { slots })
    }

    /// Where buffer `index` is.
    #[must_use]
    pub fn state(&self, index: u32) -> Option<State> {
        self.slots.get(usize::try_from(index).ok()?).copied()
    }

    /// The lowest buffer that is ours and should go to the driver.
    #[must_use]
    pub fn first_dequeued(&self) -> Option<u32> {
        let at = self.slots.iter().position(|s| *s == State::Dequeued)?;
        u32::try_from(at).ok()
    }

    /// Notes that the stream was stopped: every buffer is ours.
    pub fn all_dequeued(&mut self) {
        self.slots.fill(State::Dequeued);
    }

    /// Notes that the driver took buffer `index`.
    ///
    /// # Errors
    /// [`Misuse`] when there is no such buffer or the driver has it.
    pub fn queued(&mut self, index: u32) -> Result<(), Misuse> {
        self.put(index, State::Queued)
    }

    /// Notes that the driver handed out buffer `index`.
    ///
    /// # Errors
    /// [`Misuse`] when there is no such buffer or we have it.
    pub fn dequeued(&mut self, index: u32) -> Result<(), Misuse> {
        self.put(index, State::Dequeued)
    }

    fn put(&mut self, index: u32, next: State) -> Result<(), Misuse> {
        let count = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let slot = usize::try_from(index)
            .ok()
            .and_then(|at| self.slots.get_mut(at))
            .ok_or(Misuse::Unknown { index, count })?;
        if *slot == next {
            return Err(Misuse::Already { index, state: next });
        }
        *slot = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_new_ring_wants_all_its_buffers_queued_in_order() {
        let mut ring = Ring::new(4).unwrap();
        for want in 0..4 {
            assert_eq!(ring.first_dequeued(), Some(want));
            ring.queued(want).unwrap();
        }
        assert_eq!(ring.first_dequeued(), None);
    }

    #[test]
    fn a_driver_that_hands_out_a_buffer_twice_or_an_unknown_one_is_caught() {
        let mut ring = Ring::new(2).unwrap();
        ring.queued(1).unwrap();
        ring.dequeued(1).unwrap();
        let twice = ring.dequeued(1).unwrap_err();
        assert_eq!(twice.to_string(), "buffer 1 is already dequeued");
        let unknown = ring.dequeued(7).unwrap_err();
        assert_eq!(unknown.to_string(), "buffer 7 does not exist, there are 2");
        assert!(ring.dequeued(u32::MAX).is_err());
    }

    #[test]
    fn after_a_stop_all_buffers_are_ours_whoever_held_them() {
        let mut ring = Ring::new(3).unwrap();
        ring.queued(0).unwrap();
        ring.queued(2).unwrap();
        ring.all_dequeued();
        assert!((0..3).all(|at| ring.state(at) == Some(State::Dequeued)));
    }

    #[test]
    fn a_ring_of_none_or_of_too_many_is_refused() {
        assert!(Ring::new(0).is_none());
        assert!(Ring::new(33).is_none());
        assert!(Ring::new(32).is_some());
    }

    proptest! {
        #[test]
        fn the_ring_agrees_with_a_plain_model(
            count in 1_u32..=8,
            steps in prop::collection::vec((any::<bool>(), 0_u32..10), 0..64),
        ) {
            let mut ring = Ring::new(count).unwrap();
            let mut model = vec![State::Dequeued; count as usize];
            for (queue, index) in steps {
                let next = if queue { State::Queued } else { State::Dequeued };
                let ok = model.get(index as usize).is_some_and(|s| *s != next);
                let result = if queue { ring.queued(index) } else { ring.dequeued(index) };
                prop_assert_eq!(result.is_ok(), ok);
                if ok {
                    model[index as usize] = next;
                }
                prop_assert_eq!(
                    ring.first_dequeued(),
                    model.iter().position(|s| *s == State::Dequeued).map(|n| u32::try_from(n).unwrap())
                );
            }
        }
    }
}
