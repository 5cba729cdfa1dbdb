//! The last few seconds of access units, in bounded memory.
//!
//! The law: the front of the ring is a key frame, except while one group of pictures is longer than
//! the ring itself. What leaves is the oldest whole group. Each access unit has a number; numbers
//! have no gaps, so a reader needs no more than the number it wants next.
//!
//! An access unit first gets its place ([`Ring::reserve`]) and later its bytes ([`Ring::store`]), so
//! that they can go out from where they are before they are copied here.
//!
//! Memory follows what is held: places cycle through the arena, and that grows, up to its bound, only
//! when what must be held does not fit. So it is the size of the last few seconds, and allocates
//! nothing once those have been as large as they get.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use crate::clock::Mono;
use crate::latency::Stamps;

/// Access units held at least before one must leave for want of a place: 4 s at 240 per second.
const LEAST_UNITS: usize = 1024;
/// Longer rings have places for so many access units a second.
const UNITS_A_SECOND: u64 = 128;
/// The arena grows by this share of itself at least, so that a growing bit rate moves bytes seldom.
const GROWTH: usize = 8;
/// The arena's first size, as a share of its bound: of 8 MiB, 64 KiB.
const FIRST: usize = 128;

#[derive(Debug)]
struct Entry {
    place: Range<usize>,
    stamps: Stamps,
    keyframe: bool,
    stored: bool,
    sent: bool,
}

/// An access unit in the ring.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Annex B bytes.
    pub data: &'a [u8],
    /// When the frame was taken, dequeued and coded.
    pub stamps: Stamps,
    /// Decoding can start here.
    pub keyframe: bool,
}

/// A bounded ring of access units.
#[derive(Debug)]
pub struct Ring {
    arena: Vec<u8>,
    /// Bytes the arena may have at most.
    bound: usize,
    entries: VecDeque<Entry>,
    /// Number of the front entry.
    first: u64,
    /// Where in the arena the next access unit is tried first.
    tail: usize,
    span: Duration,
    /// Access units held at most.
    most: usize,
}

/// Where an access unit can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// There, in the arena or beyond its present end.
    At(usize),
    /// At the tail, once the arena has this extent and everything from the front entry on has moved up
    /// to its end.
    Apart { extent: usize },
}

impl Ring {
    /// A ring of `bytes` at most that reaches back `span`.
    #[must_use]
    pub fn new(bytes: usize, span: Duration) -> Self {
        let most = span.as_secs().saturating_mul(UNITS_A_SECOND);
        let most = usize::try_from(most).map_or(LEAST_UNITS, |most| most.max(LEAST_UNITS));
        Self {
            arena: Vec::new(),
            bound: bytes,
            entries: VecDeque::with_capacity(most),
            first: 0,
            tail: 0,
            span,
            most,
        }
    }

    /// Bytes an access unit may have at most.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.bound
    }

    /// Bytes of memory for access units: at most an eighth more than was ever held at once and two
    /// access units.
    #[must_use]
    pub const fn extent(&self) -> usize {
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

    /// One access unit by its number, if its bytes are here.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<Held<'_>> {
        self.look(number, &[])
    }

    /// One access unit by its number. `fresh` are the bytes of the one whose place is reserved and
    /// that is not stored yet.
    #[must_use]
    pub fn look<'a>(&'a self, number: u64, fresh: &'a [u8]) -> Option<Held<'a>> {
        let entry = self.entries.get(self.index(number)?)?;
        let data = if entry.stored {
            &self.arena[entry.place.clone()]
        } else {
            Some(fresh).filter(|bytes| bytes.len() == entry.place.len())?
        };
        Some(Held {
            data,
            stamps: entry.stamps,
            keyframe: entry.keyframe,
        })
    }

    /// The newest group of pictures, from its key frame to the newest access unit; nothing when that
    /// key frame is gone.
    pub fn last_group(&self) -> impl Iterator<Item = Held<'_>> {
        let start = self.entries.iter().rposition(|e| e.keyframe);
        let numbers = start.map_or(0..0, |at| self.first + at as u64..self.next());
        numbers.map_while(|number| self.get(number))
    }

    /// How many access units must leave the front before one of `len` bytes, taken at `captured`,
    /// may come in; `None` when it may come in now. Ask again after each [`Ring::evict`].
    #[must_use]
    pub fn must_evict(&self, len: usize, captured: Mono) -> Option<usize> {
        let front = self.entries.front()?;
        let group = self.entries.iter().skip(1).position(|e| e.keyframe);
        let group = group.map(|at| at + 1);
        let fits = self.room(len).is_some() && self.entries.len() < self.most;
        let too_old = captured.since(front.stamps.captured) > self.span;
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

    /// Gives an access unit of `len` bytes a place and a number; `None` when there is no room.
    /// [`Ring::store`] must bring its bytes before the next one comes.
    pub fn reserve(&mut self, len: usize, stamps: Stamps, keyframe: bool) -> Option<u64> {
        let room = self.room(len).filter(|_| self.entries.len() < self.most)?;
        let start = match room {
            Room::At(start) => start,
            Room::Apart { extent } => {
                self.move_apart(extent);
                self.tail
            }
        };
        let place = start..start + len;
        if place.end > self.extent() {
            self.grow(self.roomy(place.end));
        }
        self.tail = place.end;
        self.entries.push_back(Entry {
            place,
            stamps,
            keyframe,
            stored: false,
            sent: false,
        });
        Some(self.next() - 1)
    }

    /// Takes the copy of the access unit whose place was reserved last; nothing when it is there.
    pub fn store(&mut self, data: &[u8]) {
        if let Some(entry) = self.entries.back_mut().filter(|e| !e.stored)
            && entry.place.len() == data.len()
        {
            self.arena[entry.place.clone()].copy_from_slice(data);
            entry.stored = true;
        }
    }

    /// Notes that an access unit is out; returns its times the first time.
    pub fn mark_sent(&mut self, number: u64) -> Option<Stamps> {
        let index = self.index(number)?;
        let entry = self.entries.get_mut(index).filter(|entry| !entry.sent)?;
        entry.sent = true;
        Some(entry.stamps)
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

    /// Begins anew at the last key frame taken at or before `at`, or else at the first there is: what lies before it is
    /// forgotten, and everything from there on counts as unsent.
    pub fn rewind(&mut self, at: Mono) {
        let keyframes = || self.entries.iter().enumerate().filter(|(_, e)| e.keyframe);
        let before = keyframes()
            .take_while(|(_, e)| e.stamps.captured <= at)
            .last();
        let start = before.or_else(|| keyframes().next()).map(|(nth, _)| nth);
        self.evict(start.unwrap_or(self.entries.len()));
        for entry in &mut self.entries {
            entry.sent = false;
        }
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// Room for `len` bytes in one piece. Memory already touched is preferred to more of it.
    fn room(&self, len: usize) -> Option<Room> {
        let end = self.bound;
        let Some(front) = self.entries.front() else {
            return (len <= end).then_some(Room::At(0));
        };
        let head = front.place.start;
        if self.tail > head {
            // One piece, from head to tail.
            if len > self.extent() - self.tail && len <= head {
                Some(Room::At(0))
            } else {
                (len <= end - self.tail).then_some(Room::At(self.tail))
            }
        } else if len <= head - self.tail {
            Some(Room::At(self.tail))
        } else {
            // Two pieces; the gap between them widens when the upper one moves up.
            let upper = self.upper_end() - head;
            let least = self.tail + len + upper;
            let extent = match self.extent() {
                now if least <= now => now,
                _ => self.roomy(least),
            };
            (least <= extent).then_some(Room::Apart { extent })
        }
    }

    /// The size the arena gets when it must have `least` bytes.
    fn roomy(&self, least: usize) -> usize {
        let step = self.extent() + self.extent() / GROWTH;
        least.max(step).max(self.bound / FIRST).min(self.bound)
    }

    fn grow(&mut self, extent: usize) {
        self.arena.reserve_exact(extent - self.arena.len());
        self.arena.resize(extent, 0);
    }

    /// Where the piece ends that starts with the front entry, while the newer ones lie below it.
    fn upper_end(&self) -> usize {
        let ends = self.entries.iter().map(|e| e.place.end);
        ends.max().unwrap_or(0)
    }

    /// Moves the piece that starts with the front entry up to the end of an arena of `extent` bytes.
    fn move_apart(&mut self, extent: usize) {
        self.grow(extent);
        let Some(front) = self.entries.front() else {
            return;
        };
        let (head, end) = (front.place.start, self.upper_end());
        let by = extent - end;
        self.arena.copy_within(head..end, head + by);
        for entry in self.entries.iter_mut().filter(|e| e.place.start >= head) {
            entry.place = entry.place.start + by..entry.place.end + by;
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

    fn push(ring: &mut Ring, data: &[u8], captured: Mono, keyframe: bool) -> u64 {
        let stamps = Stamps {
            captured,
            dequeued: captured,
            encoded: captured,
        };
        let number = ring.reserve(data.len(), stamps, keyframe).unwrap();
        assert!(ring.get(number).is_none(), "its bytes are not here yet");
        assert_eq!(
            ring.look(number, data).unwrap().data.as_ptr(),
            data.as_ptr()
        );
        ring.store(data);
        number
    }

    fn make_room_and_push(ring: &mut Ring, data: &[u8], captured: Mono, keyframe: bool) -> u64 {
        let mut unsent = 0;
        while let Some(count) = ring.must_evict(data.len(), captured) {
            unsent += ring.evict(count);
        }
        push(ring, data, captured, keyframe);
        unsent
    }

    fn held(ring: &Ring) -> usize {
        (ring.first()..ring.next())
            .map(|n| ring.get(n).unwrap().data.len())
            .sum()
    }

    #[test]
    fn the_oldest_group_leaves_as_a_whole_once_the_ring_reaches_back_far_enough() {
        let mut ring = Ring::new(1000, Duration::from_millis(400));
        for frame in 0..50u64 {
            make_room_and_push(&mut ring, &[1], at(frame * 40), frame % 5 == 0);
            assert!(ring.starts_with_keyframe());
            let front = ring.get(ring.first()).unwrap().stamps.captured;
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
            push(&mut ring, &[1], at(frame), frame % 4 == 0);
        }
        assert_eq!(ring.resume_from(), Some(0));
        for number in 0..6 {
            assert_eq!(ring.mark_sent(number).unwrap().captured, at(number));
        }
        assert_eq!(ring.mark_sent(3), None, "counted once only");
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

    #[test]
    fn a_ring_is_begun_anew_at_the_key_frame_before_a_moment_and_all_from_there_on_goes_again() {
        let mut ring = Ring::new(1000, Duration::from_secs(9));
        for frame in 0..12u64 {
            let number = push(&mut ring, &[1], at(frame * 100), frame % 4 == 0);
            ring.mark_sent(number);
        }
        ring.rewind(at(799));
        assert_eq!((ring.first(), ring.len()), (4, 8));
        assert_eq!(ring.resume_from(), Some(4));
        assert!(ring.mark_sent(11).is_some(), "it counts as unsent");
        ring.rewind(at(800));
        assert_eq!(ring.first(), 8);
        ring.rewind(at(0));
        assert_eq!(ring.first(), 8, "what is gone does not come back");
        let mut headless = Ring::new(1000, Duration::from_secs(9));
        push(&mut headless, &[1], at(0), false);
        push(&mut headless, &[1], at(1), false);
        headless.rewind(at(5));
        assert!(headless.is_empty(), "nothing of it could be decoded");
        push(&mut headless, &[1], at(2), true);
        headless.rewind(at(0));
        assert_eq!(headless.len(), 1, "as far back as there is");
    }

    #[test]
    fn a_long_ring_has_places_for_a_fast_camera() {
        let mut ring = Ring::new(1 << 20, Duration::from_secs(30));
        for frame in 0..30 * 60u64 {
            make_room_and_push(&mut ring, &[1; 9], at(frame * 1000 / 60), frame % 60 == 0);
        }
        assert_eq!(ring.len(), 30 * 60);
    }

    #[test]
    fn the_last_group_is_the_newest_key_frame_and_what_came_after_it() {
        let mut ring = Ring::new(1000, Duration::from_secs(9));
        assert_eq!(ring.last_group().count(), 0);
        for frame in 0..10u8 {
            push(&mut ring, &[frame], at(frame.into()), frame % 4 == 0);
        }
        let group: Vec<u8> = ring.last_group().map(|held| held.data[0]).collect();
        assert_eq!(group, [8, 9]);
        ring.evict(9);
        assert_eq!(ring.last_group().count(), 0, "its key frame is gone");
    }

    #[test]
    fn a_ring_of_eight_megabytes_takes_one_for_one_megabyte_of_pictures() {
        let mut ring = Ring::new(8 << 20, Duration::from_secs(4));
        // Ten minutes of 2 Mbit/s: key frames of 40 kB every second, the rest in pictures around 7 kB.
        let mut most = 0;
        for frame in 0..18_000u64 {
            let wobble = usize::try_from(frame * 7919 % 2000).unwrap();
            let len = if frame % 30 == 0 { 40_000 } else { 6_000 } + wobble;
            make_room_and_push(&mut ring, &vec![1; len], at(frame * 33), frame % 30 == 0);
            most = most.max(held(&ring));
        }
        assert!(
            ring.extent() <= most * 5 / 4,
            "{} for {most}",
            ring.extent()
        );
    }

    #[test]
    fn a_higher_bit_rate_gets_its_room_and_nothing_leaves_early() {
        let mut ring = Ring::new(100_000, Duration::from_millis(1000));
        for frame in 0..400u64 {
            let len = if frame < 200 { 100 } else { 1500 };
            make_room_and_push(&mut ring, &vec![1; len], at(frame * 40), frame % 5 == 0);
            let front = ring.get(ring.first()).unwrap().stamps.captured;
            assert!(frame < 25 || at(frame * 40).since(front) >= Duration::from_millis(800));
        }
        assert!(ring.extent() < 60_000, "{}", ring.extent());
    }

    proptest! {
        #[test]
        fn what_is_held_is_what_was_pushed_and_every_picture_is_counted_once(
            units in proptest::collection::vec((1usize..300, prop::bool::weighted(0.2), any::<bool>()), 1..300),
            bound in prop_oneof![Just(1000usize), Just(5000), Just(100_000)],
        ) {
            let mut ring = Ring::new(bound, Duration::from_millis(60));
            let (mut unsent, mut sent, mut most) = (0, 0, 0);
            for (number, &(len, keyframe, send)) in units.iter().enumerate() {
                let byte = u8::try_from(number % 256).unwrap();
                unsent += make_room_and_push(&mut ring, &vec![byte; len], at(number as u64), keyframe);
                if send {
                    sent += u64::from(ring.mark_sent(number as u64).is_some());
                }
                for held in ring.first()..ring.next() {
                    let (len, keyframe, _) = units[usize::try_from(held).unwrap()];
                    let byte = u8::try_from(held % 256).unwrap();
                    let got = ring.get(held).unwrap();
                    prop_assert!(got.data.len() == len && got.data.iter().all(|&b| b == byte));
                    prop_assert_eq!(got.keyframe, keyframe);
                }
                most = most.max(held(&ring));
                prop_assert!(ring.extent() <= (most * 9 / 8 + 2 * 300).max(bound / FIRST).min(bound));
            }
            unsent += ring.evict(usize::MAX);
            prop_assert_eq!(unsent + sent, units.len() as u64);
        }
    }
}
