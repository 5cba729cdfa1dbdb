//! Which file is copied next, and when: decides from what lies there, what failed, and the clock.
//!
//! The oldest first, but an upload that has begun is finished before. A store that fails is left alone for longer each
//! time, with chance in it, so that many boxes do not come back at once; a file that fails by itself is passed over for a
//! while and the others go on.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Id;
use super::cause::Patience;
use crate::clock::{Mono, Wall};

/// Files kept in mind at most; the others wait on the disk, where the next look finds them.
pub const MOST: usize = 1000;

/// A file without a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub id: Id,
    /// Bytes.
    pub size: u64,
    /// When it was written last.
    pub modified: Wall,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Copy this file now.
    Copy(Id),
    /// Ask again then.
    At(Mono),
    /// Nothing waits.
    Nothing,
}

/// Failures in a row, and what follows from them.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    failures: u32,
    until: Option<Mono>,
}

impl Row {
    fn failed(&mut self, (base, most): (Duration, Duration), now: Mono, dice: f64) {
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + pause(self.failures, base, most, dice));
    }

    fn is_over(&self, now: Mono) -> bool {
        self.until.is_none_or(|until| until <= now)
    }
}

/// From a failure of the store to the next attempt: the first time, and at most.
const SOON: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
/// Where a person must do something.
const LONG: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(1800));
/// Where one file fails.
const FILE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3600));

/// The pause after so many failures in a row: twice as long each time, and between a half and all of that as `dice`, from
/// 0 to 1, has it.
#[must_use]
pub fn pause(failures: u32, base: Duration, most: Duration, dice: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let whole = base.saturating_mul(1 << doublings).min(most);
    whole.mul_f64(0.5 + 0.5 * dice.clamp(0.0, 1.0))
}

/// What waits.
#[derive(Debug, Default)]
pub struct Queue {
    /// The oldest first.
    waiting: Vec<Waiting>,
    files: usize,
    bytes: u64,
    store: Row,
    single: BTreeMap<Id, Row>,
}

impl Queue {
    /// Everything that has no copy now.
    pub fn fill(&mut self, mut all: Vec<Waiting>) {
        self.files = all.len();
        self.bytes = all.iter().map(|file| file.size).sum();
        let age = |file: &Waiting| (file.modified, file.id.clone());
        all.sort_by_key(age);
        let kept = all.iter().map(|file| &file.id);
        let kept: std::collections::BTreeSet<&Id> = kept.collect();
        self.single.retain(|id, _| kept.contains(id));
        // Those that fail must not keep the others from being in mind.
        let failing = |file: &Waiting| self.single.contains_key(&file.id);
        let (late, mut first): (Vec<_>, Vec<_>) = all.into_iter().partition(failing);
        first.truncate(MOST.saturating_sub(late.len().min(MOST / 2)));
        first.extend(late);
        first.truncate(MOST);
        first.sort_by_key(age);
        self.waiting = first;
    }

    /// What to do now. `begun` is the file of an upload that has begun.
    #[must_use]
    pub fn next(&self, begun: Option<&Id>, now: Mono) -> Next {
        if self.waiting.is_empty() {
            return Next::Nothing;
        }
        if let Some(until) = self.store.until.filter(|until| *until > now) {
            return Next::At(until);
        }
        let rested = |id: &Id| self.single.get(id).is_none_or(|row| row.is_over(now));
        let begun = begun.filter(|id| self.waiting.iter().any(|file| file.id == **id));
        if let Some(id) = begun.filter(|id| rested(id)) {
            return Next::Copy(id.clone());
        }
        if let Some(file) = self.waiting.iter().find(|file| rested(&file.id)) {
            return Next::Copy(file.id.clone());
        }
        let ends = self.single.values().filter_map(|row| row.until);
        Next::At(ends.filter(|until| *until > now).min().unwrap_or(now))
    }

    /// It has its copy, or is no more.
    pub fn done(&mut self, id: &Id) {
        self.single.remove(id);
        if let Some(at) = self.waiting.iter().position(|file| file.id == *id) {
            let gone = self.waiting.remove(at);
            self.files = self.files.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(gone.size);
        }
    }

    /// The store took something.
    pub fn served(&mut self) {
        self.store = Row::default();
    }

    /// It failed. `dice` is a number from 0 to 1 that nobody can foretell.
    pub fn failed(&mut self, id: &Id, patience: Patience, now: Mono, dice: f64) {
        match patience {
            Patience::Soon => self.store.failed(SOON, now, dice),
            Patience::Long => self.store.failed(LONG, now, dice),
            Patience::File => {
                let row = self.single.entry(id.clone()).or_default();
                row.failed(FILE, now, dice);
            }
        }
    }

    /// Something was mended: everything may be tried at once.
    pub fn forgive(&mut self) {
        self.store = Row::default();
        self.single.clear();
    }

    /// Failures of the store in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.store.failures
    }

    /// When the store is asked again, where it is left alone.
    #[must_use]
    pub fn rests_until(&self, now: Mono) -> Option<Mono> {
        self.store.until.filter(|until| *until > now)
    }

    /// How many files wait, and their bytes.
    #[must_use]
    pub const fn waiting(&self) -> (usize, u64) {
        (self.files, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::id;
    use super::*;
    use crate::storage::quota::Kind;
    use proptest::prelude::*;

    fn file(name: &str, modified: u64) -> Waiting {
        Waiting {
            id: id(Kind::Recording, name),
            size: 10,
            modified: Wall::from_secs(modified),
        }
    }

    fn at(seconds: u64) -> Mono {
        Mono::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn the_oldest_goes_first_unless_another_has_begun() {
        let mut queue = Queue::default();
        assert_eq!(queue.next(None, at(0)), Next::Nothing);
        queue.fill(vec![file("young", 9), file("old", 3)]);
        assert_eq!(queue.waiting(), (2, 20));
        assert_eq!(
            queue.next(None, at(0)),
            Next::Copy(id(Kind::Recording, "old"))
        );
        let young = id(Kind::Recording, "young");
        assert_eq!(queue.next(Some(&young), at(0)), Next::Copy(young.clone()));
        let gone = id(Kind::Recording, "gone");
        assert_eq!(
            queue.next(Some(&gone), at(0)),
            Next::Copy(id(Kind::Recording, "old"))
        );
        queue.done(&young);
        assert_eq!(queue.waiting(), (1, 10));
    }

    #[test]
    fn a_file_that_fails_does_not_keep_the_others_waiting() {
        let mut queue = Queue::default();
        queue.fill(vec![file("bad", 1), file("good", 2)]);
        let bad = id(Kind::Recording, "bad");
        queue.failed(&bad, Patience::File, at(0), 1.0);
        assert_eq!(
            queue.next(Some(&bad), at(0)),
            Next::Copy(id(Kind::Recording, "good"))
        );
        queue.done(&id(Kind::Recording, "good"));
        assert_eq!(queue.next(None, at(0)), Next::At(at(30)));
        assert_eq!(queue.next(None, at(30)), Next::Copy(bad));
    }

    #[test]
    fn a_wrong_key_is_asked_about_less_and_less_until_it_is_mended() {
        let mut queue = Queue::default();
        queue.fill(vec![file("a", 1)]);
        let a = id(Kind::Recording, "a");
        let (mut now, mut attempts) = (at(0), 0);
        while now < at(24 * 3600) {
            match queue.next(None, now) {
                Next::Copy(_) => {
                    attempts += 1;
                    queue.failed(&a, Patience::Long, now, 0.5);
                }
                Next::At(then) => now = then,
                Next::Nothing => unreachable!(),
            }
        }
        assert!(attempts < 75, "{attempts} attempts in a day");
        assert_ne!(queue.next(None, at(24 * 3600)), Next::Copy(a.clone()));
        queue.forgive();
        assert_eq!(queue.next(None, at(24 * 3600)), Next::Copy(a));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Fill(Vec<u8>),
        Fail(Patience, f64),
        Done,
        Served,
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            proptest::collection::vec(0_u8..40, 0..30).prop_map(Step::Fill),
            (
                prop_oneof![
                    Just(Patience::Soon),
                    Just(Patience::Long),
                    Just(Patience::File)
                ],
                0.0..=1.0
            )
                .prop_map(|(patience, dice)| Step::Fail(patience, dice)),
            Just(Step::Done),
            Just(Step::Served),
            (0_u64..4000).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// Whatever fails whenever: nothing is tried while the store rests, no pause is longer than half an hour (an hour for
        /// one file), what waits is tried in the end, and what is done is not tried again.
        #[test]
        fn everything_is_tried_in_the_end_and_nothing_too_soon(steps in proptest::collection::vec(step(), 1..120)) {
            let mut queue = Queue::default();
            let mut now = at(1);
            let mut rests = now;
            for step in steps {
                let next = queue.next(None, now);
                match &next {
                    Next::Copy(_) => prop_assert!(now >= rests),
                    Next::At(then) => {
                        prop_assert!(*then > now, "it would be asked in a loop");
                        prop_assert!(then.since(now) <= Duration::from_secs(3600));
                    }
                    Next::Nothing => prop_assert_eq!(queue.waiting().0, 0),
                }
                match step {
                    Step::Fill(names) => {
                        let all = names.iter().map(|n| file(&format!("f{n}"), u64::from(*n)));
                        let mut all: Vec<Waiting> = all.collect();
                        all.dedup_by(|a, b| a.id == b.id);
                        queue.fill(all);
                    }
                    Step::Fail(patience, dice) => if let Next::Copy(id) = next {
                        queue.failed(&id, patience, now, dice);
                        if patience != Patience::File {
                            rests = queue.rests_until(now).unwrap();
                            prop_assert!(rests.since(now) >= Duration::from_secs(1));
                            prop_assert!(rests.since(now) <= Duration::from_secs(1800));
                        }
                    },
                    Step::Done => if let Next::Copy(id) = next {
                        let before = queue.waiting().0;
                        queue.done(&id);
                        prop_assert_eq!(queue.waiting().0, before - 1);
                    },
                    Step::Served => { queue.served(); rests = now; }
                    Step::Pass(seconds) => now = now + Duration::from_secs(seconds),
                }
            }
            // Everything that waits comes through once nothing fails any more.
            for _ in 0..2 * MOST {
                match queue.next(None, now) {
                    Next::Copy(id) => queue.done(&id),
                    Next::At(then) => now = then,
                    Next::Nothing => break,
                }
            }
            prop_assert_eq!(queue.next(None, now), Next::Nothing);
        }

        /// The pause grows, has chance in it, and ends.
        #[test]
        fn a_pause_doubles_up_to_its_most(failures in 1_u32..1000, dice in 0.0..=1.0) {
            let (base, most) = SOON;
            let one = pause(failures, base, most, dice);
            prop_assert!(one >= base / 2 && one <= most);
            prop_assert!(pause(failures + 1, base, most, dice) >= one);
        }
    }

    #[test]
    fn however_many_wait_only_so_many_are_kept_in_mind() {
        let mut queue = Queue::default();
        let all = (0..5000).map(|n| file(&format!("f{n}"), n)).collect();
        queue.fill(all);
        assert_eq!(queue.waiting(), (5000, 50_000));
        assert_eq!(queue.waiting.len(), MOST);
        assert_eq!(
            queue.next(None, at(0)),
            Next::Copy(id(Kind::Recording, "f0"))
        );
    }
}
