//! A box whose clock steps by years, whose service restarts and which lies in a drawer: what it deletes is held against
//! what it would delete if it knew the true time, and the times it tells against the true ones.

use super::*;
use crate::clock::{Boottime, Mono};
use crate::storage::moments::{Moments, Reading, Standing};
use crate::storage::quota::{Case, File, Limits, Why, judge};
use crate::storage::shelf::Entry;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const DAY: u64 = 86_400;
/// 2026-09-21.
const BEGIN: u64 = 1_790_000_000;
const MOST_DAYS: u64 = 30;
const MOST_FILES: u64 = 40;

/// A recording, and what only the test knows of it.
#[derive(Debug, Clone)]
struct Recorded {
    key: Key,
    modified: u64,
    /// The true second in which it was written last.
    truly: u64,
    /// The true second of its first picture, what the file tells of that, and the boot.
    began: u64,
    told: u64,
    booted: u64,
}

struct World {
    /// The true second.
    truly: u64,
    /// What the wall clock shows beside that.
    wrong_by: i64,
    booted: u64,
    synchronised: bool,
    times: Times,
    lines: String,
    moments: Moments,
    moment_lines: String,
    files: Vec<Recorded>,
    running: Option<Recorded>,
    next: u32,
    steps: u32,
    deleted: BTreeMap<&'static str, u32>,
}

/// What happens to it.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Passes(u64),
    Begins,
    Ends,
    /// Somebody sets the clock: so many seconds away.
    Steps(i64),
    /// The network sets it right.
    Synchronised,
    Looks,
    Cleans,
    /// The service starts anew.
    Restarts,
    /// The box lies without power for so long, and comes up with the time it had or in 1970.
    Drawer(u64, bool),
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            truly: BEGIN,
            wrong_by: 0,
            booted: BEGIN,
            synchronised: true,
            times: Times::default(),
            lines: String::new(),
            moments: Moments::default(),
            moment_lines: String::new(),
            files: Vec::new(),
            running: None,
            next: 0,
            steps: 0,
            deleted: BTreeMap::new(),
        };
        world.start();
        world
    }

    fn wall(&self) -> u64 {
        self.truly.saturating_add_signed(self.wrong_by)
    }

    fn sight(&self) -> Sight {
        Sight {
            now: Now {
                mono: Mono::from_nanos((self.truly - self.booted) * 1_000_000_000),
                wall: Wall::from_secs(self.wall()),
            },
            kernel: self.synchronised,
            noted: None,
            newest: self.times.newest(),
        }
    }

    /// What the medium tells.
    fn newest(&self, book: &Book) -> Option<Wall> {
        let all = self.files.iter().chain(&self.running);
        let own = all.filter(|f| book.place(&f.key).is_none());
        newest(own.map(|f| Wall::from_secs(f.modified)))
    }

    fn start(&mut self) {
        let book = Book::from_text(&self.lines);
        let newest = self.newest(&book);
        self.times = Times::default();
        let now = self.sight().now;
        self.times.learn(book, newest, now);
        self.moments = Moments::new(&format!("boot{}", self.booted));
        self.moments.learn(&self.moment_lines, self.reading().boot);
        self.look();
    }

    fn reading(&self) -> Reading {
        Reading {
            boot: Boottime::from_nanos((self.truly - self.booted) * 1_000_000_000),
            wall: Wall::from_secs(self.wall()),
        }
    }

    /// What is known of files' times is known, and their own times say so.
    fn settle(&mut self) {
        let now = self.sight().now;
        let least = self.times.least(now);
        let believed = self.times.verdict().is_ok();
        let (reading, running) = (self.reading(), self.running());
        self.moment_lines += &self.moments.look(reading, believed, least, &running);
        let noted: Vec<(Key, Wall, bool)> = self
            .moments
            .noted()
            .map(|(key, at, right)| (key.clone(), at, right))
            .collect();
        for (key, at, right) in noted {
            if let Some(file) = self.files.iter_mut().find(|f| f.key == key) {
                file.modified = at.as_secs() + (file.truly - file.began);
                if right {
                    let modified = Wall::from_secs(file.modified);
                    self.lines += &self.times.corrected(&[(key, modified)], now);
                }
            }
        }
        self.check();
    }

    /// Every time that is said to be known is the true one, every one of a boot whose clock is believed now is known, and the
    /// order of a boot's recordings is the true one, known or not.
    fn check(&self) {
        let believed = self.times.verdict().is_ok();
        let mut last: BTreeMap<u64, (u64, Wall)> = BTreeMap::new();
        for file in self.files.iter().chain(&self.running) {
            let own = Some(Wall::from_secs(file.told));
            let moment = self.moments.get(&file.key, own);
            let at = moment.at.unwrap();
            let known = moment.standing != Standing::Uncertain;
            assert!(
                !known || at == Wall::from_secs(file.began),
                "{moment:?} {file:?}"
            );
            assert!(
                known || !believed || file.booted != self.booted,
                "{moment:?} {file:?}"
            );
            if let Some((began, before)) = last.insert(file.booted, (file.began, at)) {
                assert!(
                    began < file.began && before < at,
                    "{before:?} {at:?} {file:?}"
                );
            }
        }
    }

    fn running(&self) -> BTreeSet<Key> {
        self.running.iter().map(|f| f.key.clone()).collect()
    }

    fn look(&mut self) {
        let sight = self.sight();
        let seen = self.times.look(sight, self.running());
        self.lines += &seen.lines;
        self.settle();
    }

    /// What runs is written at this moment.
    fn stamp(&mut self) {
        let now = (self.wall(), self.truly);
        if let Some(file) = &mut self.running {
            (file.modified, file.truly) = now;
        }
    }

    fn end(&mut self) {
        self.stamp();
        self.files.extend(self.running.take());
    }

    /// The ledger remembers what ran: the service that starts knows it.
    fn restart(&mut self) {
        self.stamp();
        self.start();
        self.files.extend(self.running.take());
    }

    fn clean(&mut self) {
        self.look();
        let all = self.files.iter().chain(&self.running);
        let listed: Vec<(Key, Wall)> = all
            .map(|f| (f.key.clone(), Wall::from_secs(f.modified)))
            .collect();
        let now = Wall::from_secs(self.wall());
        self.lines += &self.times.listed(&listed, now);
        self.look();
        let file = |f: &Recorded, held| File {
            entry: Entry {
                stem: f.key.1.clone(),
                device: "camera0".to_owned(),
                size: 1,
                modified: Wall::from_secs(f.modified),
                created: None,
                path: std::path::PathBuf::new(),
            },
            kind: f.key.0,
            held,
            awaits: false,
            place: self.times.place(&f.key),
        };
        let mut files: Vec<File> = self.files.iter().map(|f| file(f, false)).collect();
        files.extend(self.running.iter().map(|f| file(f, true)));
        let limits = Limits {
            age: Some(Duration::from_secs(MOST_DAYS * DAY)),
            bytes: Some(MOST_FILES),
            ..Limits::default()
        };
        let verdict = judge(Case {
            files,
            limits: &limits,
            room: None,
            ahead: &BTreeMap::new(),
            now: Wall::from_secs(self.wall()),
            clock: self.times.verdict(),
        });
        for (victim, why) in verdict.victims {
            *self.deleted.entry(why.as_str()).or_default() += 1;
            let key = (victim.kind, victim.entry.stem);
            let at = self.files.iter().position(|f| f.key == key).unwrap();
            let gone = self.files.remove(at);
            let age = self.truly - gone.truly;
            if why == Why::Age {
                assert!(age >= MOST_DAYS * DAY, "{gone:?} is {} h old", age / 3600);
            } else {
                // No file that is left was written before it.
                let older = self.files.iter().find(|f| f.truly < gone.truly);
                assert!(older.is_none(), "{older:?} stays, {gone:?} goes");
            }
            self.lines += &self.times.gone(&gone.key);
            self.moment_lines += &self.moments.gone(&gone.key);
        }
    }

    fn happens(&mut self, what: Happens) {
        // Two steps do not fall between two looks, which are two seconds apart: one could undo the other. Nor does a step
        // and the end of the service: what ended in between would be known to nobody.
        if matches!(
            what,
            Happens::Steps(_) | Happens::Synchronised | Happens::Restarts | Happens::Drawer(..)
        ) {
            self.look();
        }
        match what {
            Happens::Passes(seconds) => {
                self.look();
                self.truly += seconds;
                // What runs grows all the while.
                self.stamp();
                self.look();
            }
            Happens::Begins => {
                self.end();
                self.truly += 1;
                let stem = format!("f{}", self.next).parse().unwrap();
                self.next += 1;
                let key = (Kind::Recording, stem);
                let sight = self.sight();
                self.lines += &self.times.written(&key, sight);
                let least = self.times.least(sight.now);
                let reading = self.reading();
                let known = (Some(reading.boot), Some(reading.wall));
                let (lines, _) = self.moments.began(&key, known, reading, least);
                self.moment_lines += &lines;
                self.running = Some(Recorded {
                    key,
                    modified: self.wall(),
                    truly: self.truly,
                    began: self.truly,
                    told: self.wall(),
                    booted: self.booted,
                });
            }
            Happens::Ends => self.end(),
            Happens::Steps(seconds) => {
                self.wrong_by = (self.wrong_by + seconds).max(-i64::try_from(self.truly).unwrap());
                self.synchronised = false;
                self.steps += 1;
            }
            Happens::Synchronised => {
                self.steps += u32::from(self.wrong_by != 0);
                self.wrong_by = 0;
                self.synchronised = true;
            }
            Happens::Looks => self.look(),
            Happens::Cleans => self.clean(),
            Happens::Restarts => {
                self.restart();
            }
            Happens::Drawer(seconds, fresh) => {
                self.stamp();
                let shown = if fresh { 5 } else { self.wall() };
                self.truly += seconds;
                self.booted = self.truly;
                self.wrong_by = i64::try_from(shown).unwrap() - i64::try_from(self.truly).unwrap();
                self.synchronised = false;
                self.start();
                self.files.extend(self.running.take());
            }
        }
    }
}

fn anything() -> impl Strategy<Value = Happens> {
    let year = 366 * i64::try_from(DAY).unwrap();
    prop_oneof![
        4 => (1..10 * DAY).prop_map(Happens::Passes),
        4 => (1..600_u64).prop_map(Happens::Passes),
        6 => Just(Happens::Begins),
        3 => Just(Happens::Ends),
        2 => (-12 * year..12 * year).prop_map(Happens::Steps),
        1 => (-4000..4000_i64).prop_map(Happens::Steps),
        3 => Just(Happens::Synchronised),
        3 => Just(Happens::Looks),
        5 => Just(Happens::Cleans),
        1 => Just(Happens::Restarts),
        1 => (1..200 * DAY, any::<bool>()).prop_map(|(s, fresh)| Happens::Drawer(s, fresh)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_the_clock_does_only_what_is_truly_old_goes(story in proptest::collection::vec(anything(), 1..120)) {
        let mut world = World::new();
        for what in story {
            world.happens(what);
        }
    }
}

/// A board without a battery lay in a drawer twice. What it recorded in between has no time of its own, and must not be
/// taken for older than what was recorded before, when that turns out to have a true one.
#[test]
fn what_was_recorded_between_two_drawers_is_as_young_as_it_can_be() {
    let mut world = World::new();
    for what in [
        Happens::Begins,
        Happens::Steps(0),
        Happens::Steps(0),
        Happens::Drawer(282_703, false),
        Happens::Begins,
        Happens::Drawer(1_823_520, false),
        Happens::Synchronised,
        Happens::Passes(485_777),
        Happens::Cleans,
    ] {
        world.happens(what);
    }
    assert_eq!(world.deleted.get("max_age"), Some(&1), "the first, no more");
}

#[test]
fn a_thousand_steps_of_years_delete_nothing_that_is_not_old() {
    let mut world = World::new();
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    let year = i64::try_from(366 * DAY).unwrap();
    while world.steps < 1000 {
        world.happens(Happens::Begins);
        world.happens(Happens::Passes(random(3 * DAY) + 1));
        // Beyond 2038 and back before 2026, now and then while nobody looks.
        let by = i64::try_from(random(25)).unwrap() - 12;
        world.happens(Happens::Steps(by * year + 1));
        if random(3) == 0 {
            world.happens(Happens::Ends);
        }
        world.happens(Happens::Cleans);
        world.happens(Happens::Begins);
        world.happens(Happens::Passes(random(3600) + 1));
        world.happens(Happens::Cleans);
        world.happens(Happens::Synchronised);
        world.happens(Happens::Cleans);
        world.happens(Happens::Passes(random(DAY) + 400));
        world.happens(Happens::Cleans);
    }
    println!(
        "{} steps, {} recordings, deleted {:?}",
        world.steps, world.next, world.deleted
    );
    let deleted: u32 = world.deleted.values().sum();
    assert!(world.steps >= 1000 && deleted > 200, "{:?}", world.deleted);
    assert!(world.files.len() <= usize::try_from(MOST_FILES).unwrap());
}
