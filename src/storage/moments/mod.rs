//! When files were taken, on boards whose clock is set only after they began to record: decides what the true time is.
//!
//! The clock that counts from boot and cannot jump (`CLOCK_BOOTTIME`) is read when a recording begins. What it and the wall
//! clock are apart is the one thing that a synchronisation corrects, for everything of this boot at once. So a file that
//! began while the wall clock was not believed gets a line with its moment on that clock, and one line for all of them
//! says how far the two clocks are apart: written when it is known, written anew when it is known better. The book lies on
//! the medium beside the files (`.times`), so it goes where they go and needs no index; files are not changed, and only
//! those whose own time is not the truth have a line. `docs/design/0006-time.md` tells why.

pub mod io;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use super::order::Key;
use super::trust::EARLIEST;
use crate::clock::{Boottime, Wall};

/// The name of the book in the recordings' folder: hidden, so that it is no camera's folder.
pub const FILE: &str = ".times";
/// Less than this is no difference: the two clocks are not read at the same moment.
const NEAR: i64 = 5_000_000;

/// How well it is known when a file was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The clock was believed when it began.
    Exact,
    /// It was not, and the time was computed when it was, in the same boot.
    Corrected,
    /// The clock was never believed in that boot: the time is the best guess.
    Uncertain,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Corrected, Self::Uncertain];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Corrected => "corrected",
            Self::Uncertain => "uncertain",
        }
    }
}

/// When a file was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The beginning; `None`: nothing tells.
    pub at: Option<Wall>,
    /// How well that is known.
    pub standing: Standing,
}

/// The two clocks, read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The clock that cannot jump.
    pub boot: Boottime,
    /// The clock on the wall.
    pub wall: Wall,
}

impl Reading {
    /// How far the wall clock is ahead, nanoseconds.
    #[must_use]
    pub fn apart(self) -> i64 {
        signed(self.wall.as_nanos()).saturating_sub(signed(self.boot.as_nanos()))
    }
}

/// What the distance between the clocks rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// Nothing but the wall clock as it stood, or the newest file.
    Guess,
    /// The last moment in this boot at which the wall clock was believed.
    Held,
    /// The wall clock was believed.
    Right,
}

/// A time through which one distance between the clocks holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Epoch {
    /// Nanoseconds that the wall clock is ahead.
    apart: i64,
    ground: Ground,
}

/// Which epoch: of which boot, and which of that.
type Of = (String, u32);

/// What is known of how a file began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// The clock was believed then.
    Exact,
    /// It was not.
    Later,
    /// Its moment itself is not known, only when it was found.
    About,
}

/// A file whose own time is not the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Noted {
    of: Of,
    first: Boottime,
    how: How,
}

/// The book, and how the clocks stand now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moments {
    /// Which boot this is.
    boot: String,
    epochs: BTreeMap<Of, Epoch>,
    files: BTreeMap<Key, Noted>,
    /// Which epoch it is now; `None` before the first look.
    now: Option<(u32, Epoch)>,
    /// Files that began while the clock was believed, and run.
    running: BTreeMap<Key, Boottime>,
}

impl Moments {
    /// An empty book in this boot.
    #[must_use]
    pub fn new(boot: &str) -> Self {
        Self {
            boot: boot.to_owned(),
            ..Self::default()
        }
    }

    /// Looks at the clocks: whether the wall clock is `believed`, what the time is at `least` by the newest file, and which
    /// recordings run. Lines to be kept come back.
    pub fn look(
        &mut self,
        reading: Reading,
        believed: bool,
        least: Wall,
        running: &BTreeSet<Key>,
    ) -> String {
        let apart = reading.apart();
        let mut lines = String::new();
        match (believed, self.now) {
            (true, None) => {
                let right = |apart| Epoch {
                    apart,
                    ground: Ground::Right,
                };
                match self.newest() {
                    // What this boot left unfinished before the service started anew.
                    Some((number, e)) if e.ground != Ground::Right => {
                        lines += &self.set(number, right(apart));
                    }
                    Some((number, e)) if is_near(e.apart, apart) => self.now = Some((number, e)),
                    _ => self.enter(right(apart)),
                }
            }
            (true, Some((_, epoch))) if epoch.ground == Ground::Right => {
                if !is_near(epoch.apart, apart) {
                    lines += &self.note_running();
                    self.enter(Epoch { apart, ..epoch });
                }
            }
            (true, Some((number, _))) => {
                let right = Epoch {
                    apart,
                    ground: Ground::Right,
                };
                lines += &self.set(number, right);
            }
            (false, _) => lines += &self.doubt(reading, least),
        }
        self.running.retain(|key, _| running.contains(key));
        lines
    }

    /// The wall clock is not believed.
    fn doubt(&mut self, reading: Reading, least: Wall) -> String {
        let guess = Epoch {
            apart: guess(reading, least),
            ground: Ground::Guess,
        };
        match self.now {
            None => match self.newest() {
                Some((number, epoch)) if epoch.ground != Ground::Right => {
                    self.now = Some((number, epoch));
                    self.doubt(reading, least)
                }
                Some((_, epoch)) => {
                    self.enter(Epoch {
                        ground: Ground::Held,
                        ..epoch
                    });
                    String::new()
                }
                None => {
                    self.enter(guess);
                    String::new()
                }
            },
            Some((_, epoch)) if epoch.ground == Ground::Right => {
                let lines = self.note_running();
                self.enter(Epoch {
                    ground: Ground::Held,
                    ..epoch
                });
                lines
            }
            // Somebody has set the clock, who may know better than it did. All of this boot move with it, so that their
            // order and what is between them stays.
            Some((number, epoch))
                if epoch.ground == Ground::Guess && !is_near(epoch.apart, guess.apart) =>
            {
                self.set(number, guess)
            }
            Some(_) => String::new(),
        }
    }

    /// What runs began while the clock was believed; how it ends, the clock will not tell.
    fn note_running(&mut self) -> String {
        let running = std::mem::take(&mut self.running);
        let lines = running
            .into_iter()
            .map(|(key, first)| self.note(key, first, How::Exact));
        lines.collect()
    }

    /// A file has got its name. Its first picture was taken at `first`, where that is known; the file itself tells `told`,
    /// where it tells anything. `least` as in [`Moments::look`]. Lines to be kept come back, and when that was.
    pub fn began(
        &mut self,
        key: &Key,
        (first, told): (Option<Boottime>, Option<Wall>),
        reading: Reading,
        least: Wall,
    ) -> (String, Wall) {
        // Another file of that name is gone.
        let mut lines = self.gone(key);
        let apart = reading.apart();
        let is_right = |(_, epoch): &(u32, Epoch)| epoch.ground == Ground::Right;
        let believed = (self.now.filter(is_right)).is_some_and(|(_, e)| is_near(e.apart, apart));
        // A step since the last look, or no look yet; otherwise the last look has said what is to be thought of it.
        if !believed && self.now.as_ref().is_none_or(is_right) {
            lines += &self.doubt(reading, least);
        }
        let Some(first) = first else {
            let sound = |at: &Wall| believed && *at >= EARLIEST && *at <= reading.wall;
            if let Some(at) = told.filter(sound) {
                return (lines, at);
            }
            lines += &self.note(key.clone(), reading.boot, How::About);
            return (lines, self.wall_of(reading.boot, reading));
        };
        let at = self.wall_of(first, reading);
        let tells = |told: Wall| is_near(signed(told.as_nanos()), signed(at.as_nanos()));
        if believed && told.is_none_or(tells) {
            // If the service starts anew while the clock is wrong, this is what it knows of the true time.
            lines += &self.write_now();
            self.running.insert(key.clone(), first);
        } else {
            let how = if believed { How::Exact } else { How::Later };
            lines += &self.note(key.clone(), first, how);
        }
        (lines, at)
    }

    /// A file is gone.
    pub fn gone(&mut self, key: &Key) -> String {
        self.running.remove(key);
        let gone = self.files.remove(key);
        gone.map(|_| text::struck(key)).unwrap_or_default()
    }

    /// What the wall clock would have shown at a moment of this boot, were it right.
    #[must_use]
    pub fn wall_of(&self, moment: Boottime, reading: Reading) -> Wall {
        let apart = self.now.map_or(reading.apart(), |(_, epoch)| epoch.apart);
        shifted(moment, apart)
    }

    /// When a file was taken; `own` is what it tells itself.
    #[must_use]
    pub fn get(&self, key: &Key, own: Option<Wall>) -> Moment {
        let own = Moment {
            at: own,
            standing: match own {
                Some(at) if at < EARLIEST => Standing::Uncertain,
                _ => Standing::Exact,
            },
        };
        let noted = self.files.get(key);
        let known = noted.and_then(|noted| Some((noted, self.epochs.get(&noted.of)?)));
        let Some((noted, epoch)) = known else {
            return own;
        };
        let computed = Some(shifted(noted.first, epoch.apart));
        Moment {
            at: match noted.how {
                // When it was found says less than it does itself, unless that is nonsense.
                How::About => own.at.filter(|at| *at >= EARLIEST).or(computed),
                How::Exact | How::Later => computed,
            },
            standing: match (noted.how, epoch.ground) {
                (How::Exact, _) => Standing::Exact,
                (How::Later, Ground::Held | Ground::Right) => Standing::Corrected,
                (How::Later, Ground::Guess) | (How::About, _) => Standing::Uncertain,
            },
        }
    }

    /// Whether a file has a line.
    #[must_use]
    pub fn is_noted(&self, key: &Key) -> bool {
        self.files.contains_key(key)
    }

    /// Files whose own times are not the truth, when they began, and whether the clock has been believed since in their boot.
    /// Those of which only is known when they were found are not among them.
    pub fn noted(&self) -> impl Iterator<Item = (&Key, Wall, bool)> {
        let known = self.files.iter().filter(|(_, n)| n.how != How::About);
        known.filter_map(|(key, noted)| {
            let epoch = self.epochs.get(&noted.of)?;
            let right = epoch.ground == Ground::Right;
            Some((key, shifted(noted.first, epoch.apart), right))
        })
    }

    /// Forgets all files but those that are there, and the epochs that no file is of.
    pub fn keep(&mut self, is_there: impl Fn(&Key) -> bool) {
        self.files.retain(|key, _| is_there(key));
        let used: BTreeSet<&Of> = self.files.values().map(|noted| &noted.of).collect();
        let boot = &self.boot;
        self.epochs
            .retain(|of, _| used.contains(of) || of.0 == *boot);
    }

    /// Puts a file into the epoch that it is now.
    fn note(&mut self, key: Key, first: Boottime, how: How) -> String {
        let Some((number, _)) = self.now else {
            return String::new();
        };
        let mut lines = self.write_now();
        let of = (self.boot.clone(), number);
        let noted = Noted { of, first, how };
        lines += &text::file(&key, &noted);
        self.files.insert(key, noted);
        lines
    }

    /// Writes down the epoch that it is now, if it is not yet.
    fn write_now(&mut self) -> String {
        let Some((number, epoch)) = self.now else {
            return String::new();
        };
        let of = (self.boot.clone(), number);
        match self.epochs.insert(of.clone(), epoch) {
            Some(written) if written == epoch => String::new(),
            _ => text::epoch(&of, epoch),
        }
    }

    /// A new epoch begins; it is written down when the first file is of it.
    fn enter(&mut self, epoch: Epoch) {
        let here = self.now.map(|(number, _)| number);
        let last = here.max(self.newest().map(|(number, _)| number));
        self.now = Some((last.map_or(0, |n| n.saturating_add(1)), epoch));
    }

    /// What is known of an epoch of this boot, which is the one it is now.
    fn set(&mut self, number: u32, epoch: Epoch) -> String {
        self.now = Some((number, epoch));
        let of = (self.boot.clone(), number);
        match self.epochs.get_mut(&of) {
            Some(written) if *written != epoch => {
                *written = epoch;
                text::epoch(&of, epoch)
            }
            _ => String::new(),
        }
    }

    /// The newest epoch of this boot that has been written down.
    fn newest(&self) -> Option<(u32, Epoch)> {
        let own = (self.boot.clone(), 0)..=(self.boot.clone(), u32::MAX);
        let (of, epoch) = self.epochs.range(own).next_back()?;
        Some((of.1, *epoch))
    }
}

/// The wall clock itself where it may be right, or the newest file where it stands before that. The machine did not start
/// before 1970: there would be no order among its first files.
fn guess(reading: Reading, least: Wall) -> i64 {
    let wall = reading.wall;
    let best = if wall >= EARLIEST && wall >= least {
        wall
    } else if least >= EARLIEST {
        least
    } else {
        wall
    };
    let best = Reading {
        wall: best,
        ..reading
    };
    best.apart().max(0)
}

fn shifted(moment: Boottime, apart: i64) -> Wall {
    let nanos = signed(moment.as_nanos()).saturating_add(apart);
    Wall::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

/// Nanoseconds up to the year 2262.
fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

const fn is_near(one: i64, other: i64) -> bool {
    one.abs_diff(other) <= NEAR.unsigned_abs()
}

#[cfg(test)]
mod tests;
