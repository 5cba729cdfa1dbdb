//! What a power cut can take of a growing recording: decides which file is to be flushed when.
//!
//! MediaMTX writes a part every 0.3 s and never flushes. What was written is flushed as soon as it is there, but no file
//! sooner than [`Files::new`]'s interval after its last flush began, and never for more than four fifths of the time: a card
//! that needs 2 s for a flush is left alone for half a second.

pub mod io;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Mono;

/// A file to which nothing was added for so long is let go of.
const IDLE: Duration = Duration::from_secs(600);

/// Files watched at most: more than any box records at once.
const MOST: usize = 256;

/// One file.
#[derive(Debug, Clone, Copy)]
struct One {
    /// Something was added since the last flush began.
    dirty: bool,
    /// When it may be flushed again.
    next: Mono,
    /// When something was added last.
    grew: Mono,
}

/// The files that grow, by whatever tells them apart.
#[derive(Debug)]
pub struct Files<K> {
    known: BTreeMap<K, One>,
    every: Duration,
}

impl<K: Ord + Copy> Files<K> {
    /// None yet; each is flushed once in `every` at most.
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self {
            known: BTreeMap::new(),
            every,
        }
    }

    /// A file is there, and holds something perhaps. `false`: there are too many.
    pub fn appeared(&mut self, key: K, now: Mono) -> bool {
        let room = self.known.len() < MOST;
        if room {
            self.known.entry(key).or_insert(One {
                dirty: true,
                next: now,
                grew: now,
            });
        }
        room
    }

    /// Whether it is known.
    #[must_use]
    pub fn knows(&self, key: K) -> bool {
        self.known.contains_key(&key)
    }

    /// Something was added to it.
    pub fn grew(&mut self, key: K, now: Mono) {
        if let Some(one) = self.known.get_mut(&key) {
            (one.dirty, one.grew) = (true, now);
        }
    }

    /// Something may have been added to any of them.
    pub fn all_grew(&mut self) {
        for one in self.known.values_mut() {
            one.dirty = true;
        }
    }

    /// It is finished, or is no more.
    pub fn remove(&mut self, key: K) {
        self.known.remove(&key);
    }

    /// The files to flush now.
    #[must_use]
    pub fn due(&self, now: Mono) -> Vec<K> {
        let due = self
            .known
            .iter()
            .filter(|(_, one)| one.dirty && one.next <= now);
        due.map(|(key, _)| *key).collect()
    }

    /// Every file that was not flushed since something was added.
    #[must_use]
    pub fn dirty(&self) -> Vec<K> {
        let dirty = self.known.iter().filter(|(_, one)| one.dirty);
        dirty.map(|(key, _)| *key).collect()
    }

    /// Files to which nothing has been added for long.
    #[must_use]
    pub fn idle(&self, now: Mono) -> Vec<K> {
        let idle = self
            .known
            .iter()
            .filter(|(_, one)| !one.dirty && now.since(one.grew) > IDLE);
        idle.map(|(key, _)| *key).collect()
    }

    /// A flush of it was begun and is done. What was added meanwhile is told after this.
    pub fn flushed(&mut self, key: K, began: Mono, done: Mono) {
        if let Some(one) = self.known.get_mut(&key) {
            one.dirty = false;
            one.next = (began + self.every).max(done + done.since(began) / 4);
        }
    }

    /// When to ask for [`Files::due`] next; `None`: when something happens.
    #[must_use]
    pub fn wake(&self) -> Option<Mono> {
        let dirty = self.known.values().filter(|one| one.dirty);
        dirty.map(|one| one.next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Mono {
        Mono::from_nanos(millis * 1_000_000)
    }

    fn files() -> Files<u8> {
        Files::new(Duration::from_millis(500))
    }

    #[test]
    fn a_part_is_flushed_when_it_is_written_and_a_quiet_file_never() {
        let mut files = files();
        assert!(files.appeared(1, at(0)));
        assert_eq!(files.due(at(0)), [1], "its first part may be there");
        files.flushed(1, at(0), at(4));
        assert_eq!((files.due(at(9000)), files.wake()), (vec![], None));
        files.grew(1, at(9000));
        assert_eq!(files.due(at(9000)), [1]);
    }

    #[test]
    fn two_flushes_are_as_far_apart_as_the_card_needs() {
        let mut files = files();
        files.appeared(1, at(0));
        files.flushed(1, at(0), at(20));
        files.grew(1, at(100));
        assert_eq!((files.due(at(499)), files.wake()), (vec![], Some(at(500))));
        assert_eq!(files.due(at(500)), [1]);
        files.flushed(1, at(500), at(1300));
        files.grew(1, at(1300));
        assert_eq!(
            files.wake(),
            Some(at(1500)),
            "a part of the time is the card's own"
        );
    }

    #[test]
    fn what_grows_no_more_is_let_go_of() {
        let mut files = files();
        files.appeared(1, at(0));
        assert!(files.idle(at(700_000)).is_empty(), "it was never flushed");
        files.flushed(1, at(0), at(1));
        assert_eq!(files.idle(at(700_000)), [1]);
        files.remove(1);
        assert!(!files.knows(1));
        assert!((0..=255).all(|key| files.appeared(key, at(0))));
        assert!(!files.appeared(1, at(0)), "too many");
    }

    proptest! {
        /// Whatever is written when: no part waits longer than the interval and twice the longest flush.
        #[test]
        fn no_part_waits_for_long(writes in proptest::collection::vec(1_u64..900, 1..60), flush in 0_u64..700) {
            let mut files = files();
            files.appeared(1, at(0));
            let (mut now, mut waits) = (0, Some(0));
            let mut worst = 0;
            for pause in writes {
                let next = now + pause;
                while let Some(wake) = files.wake().filter(|wake| *wake <= at(next)) {
                    let begin = now.max(wake.as_nanos().div_ceil(1_000_000));
                    prop_assert_eq!(files.due(at(begin)), [1]);
                    let done = begin + flush;
                    worst = worst.max(done - waits.take().unwrap());
                    files.flushed(1, at(begin), at(done));
                    now = done;
                }
                now = now.max(next);
                files.grew(1, at(now));
                waits.get_or_insert(now);
            }
            prop_assert!(worst <= 500 + 2 * flush, "{worst}");
        }
    }
}
