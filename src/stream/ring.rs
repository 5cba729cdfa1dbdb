//! The last few seconds of access units, in fixed memory.
//!
//! The law: the front of the ring is a key frame, except while one group of pictures is longer than
//! the ring itself. What leaves is the oldest whole group. Each access unit has a number; numbers
//! have no gaps, so a reader needs no more than the number it wants next.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use crate::clock::Mono;

/// Access units held at most: 4 s at 240 per second.
const MAX_UNITS: usize = 1024;

#[derive(Debug)]
struct Entry {
    place: Range<usize>,
    captured: Mono,
    keyframe: bool,
    sent: bool,
}

/// An access unit in the ring.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Annex B bytes.
    pub data: &'a [u8],
    /// When the frame was taken.
    pub captured: Mono,
    /// Decoding can start here.
    pub keyframe: bool,
}

/// A bounded ring of access units. Allocates when made and never again.
#[derive(Debug)]
pub struct Ring {
    arena: Box<[u8]>,
    entries: VecDeque<Entry>,
    /// Number of the front entry.
    first: u64,
    /// Where in the arena the next access unit is tried first.
    tail: usize,
    span: Duration,
}

impl Ring {
    /// A ring of `bytes` that reaches back `span`. The pages are touched as they fill.
    #[must_use]
    pub fn new(bytes: usize, span: Duration) -> Self {
        Self {
            arena: vec![0; bytes].into_boxed_slice(),
            entries: VecDeque::with_capacity(MAX_UNITS),
            first: 0,
            tail: 0,
            span,
        }
    }

    /// Bytes an access unit may have at most.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.arena.len()
    }

    /// Number of the oldest access unit held, or of the next one if none is.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// Number that the next access unit will get.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Access units held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// True unless the front is in the middle of a group.
    #[must_use]
    pub fn starts_with_keyframe(&self) -> bool {
        self.entries.front().is_none_or(|e| e.keyframe)
    }

    /// One access unit by its number.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<Held<'_>> {
        let entry = self.entries.get(self.index(number)?)?;
        Some(Held {
            data: &self.arena[entry.place.clone()],
            captured: entry.captured,
            keyframe: entry.keyframe,
        })
    }

    /// How many access units must leave the front before one of `len` bytes, taken at `captured`,
    /// may come in; `None` when it may come in now. Ask again after each [`Ring::evict`].
    #[must_use]
    pub fn must_evict(&self, len: usize, captured: Mono) -> Option<usize> {
        let front = self.entries.front()?;
        let group = self.entries.iter().skip(1).position(|e| e.keyframe);
        let group = group.map(|at| at + 1);
        let fits = self.place(len).is_some() && self.entries.len() < MAX_UNITS;
        let too_old = captured.since(front.captured) > self.span;
        match (fits, group) {
            (true, Some(group)) if too_old => Some(group),
            (true, _) => None,
            (false, Some(group)) => Some(group),
            (false, None) => Some(1),
        }
    }

    /// Drops `count` access units from the front; returns how many of them were never sent.
    pub fn evict(&mut self, count: usize) -> u64 {
        let count = count.min(self.entries.len());
        let unsent = self.entries.drain(..count).filter(|e| !e.sent).count();
        self.first += count as u64;
        if self.entries.is_empty() {
            self.tail = 0;
        }
        unsent as u64
    }

    /// Takes a copy of an access unit and returns its number; `None` when there is no room.
    pub fn push(&mut self, data: &[u8], captured: Mono, keyframe: bool) -> Option<u64> {
        let place = self.place(data.len())?;
        if self.entries.len() == MAX_UNITS {
            return None;
        }
        self.arena[place.clone()].copy_from_slice(data);
        self.tail = place.end;
        self.entries.push_back(Entry {
            place,
            captured,
            keyframe,
            sent: false,
        });
        Some(self.next() - 1)
    }

    /// Notes that an access unit is out; returns true the first time.
    pub fn mark_sent(&mut self, number: u64) -> bool {
        self.index(number)
            .and_then(|index| self.entries.get_mut(index))
            .is_some_and(|entry| !std::mem::replace(&mut entry.sent, true))
    }

    /// Where a new session starts: the key frame of the group in which the first unsent access unit
    /// lies, so that nothing of that group is lost. `None` when there is no such key frame.
    #[must_use]
    pub fn resume_from(&self) -> Option<u64> {
        let unsent = self.entries.iter().position(|e| !e.sent);
        // With everything sent the newest group is still under way: what the old session had in its
        // buffers is worth sending again.
        let upto = unsent.unwrap_or(self.entries.len().checked_sub(1)?);
        let start = self
            .entries
            .iter()
            .take(upto + 1)
            .rposition(|e| e.keyframe)?;
        Some(self.first + start as u64)
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// Room for `len` bytes in one piece.
    fn place(&self, len: usize) -> Option<Range<usize>> {
        let end = self.arena.len();
        let Some(front) = self.entries.front() else {
            return (len <= end).then_some(0..len);
        };
        let head = front.place.start;
        if self.tail > head {
            if len <= end - self.tail {
                Some(self.tail..self.tail + len)
            } else {
                (len <= head).then_some(0..len)
            }
        } else {
            (len <= head - self.tail).then_some(self.tail..self.tail + len)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Mono {
        Mono::from_nanos(millis * 1_000_000)
    }

    fn make_room_and_push(ring: &mut Ring, data: &[u8], captured: Mono, keyframe: bool) -> u64 {
        let mut unsent = 0;
        while let Some(count) = ring.must_evict(data.len(), captured) {
            unsent += ring.evict(count);
        }
        assert!(ring.push(data, captured, keyframe).is_some());
        unsent
    }

    #[test]
    fn the_oldest_group_leaves_as_a_whole_once_the_ring_reaches_back_far_enough() {
        let mut ring = Ring::new(1000, Duration::from_millis(400));
        for frame in 0..50u64 {
            make_room_and_push(&mut ring, &[1], at(frame * 40), frame % 5 == 0);
            assert!(ring.starts_with_keyframe());
            let front = ring.get(ring.first()).unwrap().captured;
            assert!(at(frame * 40).since(front) <= Duration::from_millis(400));
        }
        assert_eq!(ring.first() % 5, 0);
    }

    #[test]
    fn a_group_longer_than_the_span_is_kept_while_the_bytes_allow() {
        let mut ring = Ring::new(1000, Duration::from_millis(100));
        for frame in 0..50u64 {
            make_room_and_push(&mut ring, &[1; 10], at(frame * 40), frame == 0);
        }
        assert_eq!(ring.len(), 50);
        assert_eq!(ring.resume_from(), Some(0));
    }

    #[test]
    fn a_new_session_starts_at_the_key_frame_before_the_first_unsent_picture() {
        let mut ring = Ring::new(1000, Duration::from_secs(9));
        for frame in 0..12u64 {
            ring.push(&[1], at(frame), frame % 4 == 0);
        }
        assert_eq!(ring.resume_from(), Some(0));
        for number in 0..6 {
            assert!(ring.mark_sent(number));
        }
        assert!(!ring.mark_sent(3), "counted once only");
        assert_eq!(ring.resume_from(), Some(4));
        for number in 6..12 {
            ring.mark_sent(number);
        }
        assert_eq!(
            ring.resume_from(),
            Some(8),
            "the group under way goes again"
        );
        assert_eq!(Ring::new(9, Duration::ZERO).resume_from(), None);
    }

    proptest! {
        #[test]
        fn what_is_held_is_what_was_pushed_and_every_picture_is_counted_once(
            units in proptest::collection::vec((1usize..300, any::<bool>(), any::<bool>()), 1..300),
        ) {
            let mut ring = Ring::new(1000, Duration::from_millis(60));
            let (mut unsent, mut sent) = (0, 0);
            for (number, &(len, keyframe, send)) in units.iter().enumerate() {
                let byte = u8::try_from(number % 256).unwrap();
                unsent += make_room_and_push(&mut ring, &vec![byte; len], at(number as u64), keyframe);
                if send {
                    sent += u64::from(ring.mark_sent(number as u64));
                }
                for held in ring.first()..ring.next() {
                    let (len, keyframe, _) = units[usize::try_from(held).unwrap()];
                    let byte = u8::try_from(held % 256).unwrap();
                    let got = ring.get(held).unwrap();
                    prop_assert!(got.data.len() == len && got.data.iter().all(|&b| b == byte));
                    prop_assert_eq!(got.keyframe, keyframe);
                }
            }
            unsent += ring.evict(usize::MAX);
            prop_assert_eq!(unsent + sent, units.len() as u64);
        }
    }
}
