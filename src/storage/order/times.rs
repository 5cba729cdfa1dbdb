//! Decides whose time can be believed: puts files into the book of places while the clock cannot be, and takes them out.

use std::collections::BTreeSet;

use super::{Book, Key};
use crate::clock::{Now, Wall};
use crate::storage::quota::{Kind, Place};
use crate::storage::trust::{Doubt, EARLIEST, Sight, Step, Trust};

/// A stretch that no clock is in: what was given in it is never believed.
const NONE: u32 = u32::MAX;

/// What a look came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The clock was set to another time since the last look.
    pub step: Option<Step>,
    /// Whether the clock is believed now.
    pub verdict: Result<(), Doubt>,
    /// Lines for the book on the medium.
    pub lines: String,
}

/// The clock and the book.
#[derive(Debug, Clone, Default)]
pub struct Times {
    trust: Trust,
    book: Book,
    /// The last believed moment, on both clocks: the true time goes on from it.
    anchor: Option<Now>,
    newest: Option<Wall>,
    /// Since when the clock is believed.
    since: Option<Wall>,
    /// What ran when it was looked last.
    ran: BTreeSet<Key>,
}

impl Times {
    /// With what lies on the medium: its book, and the newest time of a file that is not in it.
    pub fn learn(&mut self, book: Book, newest: Option<Wall>, now: Now) {
        // Files in the book say when it was at least, too.
        let wall = newest.max(book.latest()).unwrap_or_default();
        self.book = book;
        self.newest = newest;
        self.anchor = Some(Now {
            mono: now.mono,
            wall,
        });
    }

    /// Whether it knows what lies on the medium.
    #[must_use]
    pub const fn is_learned(&self) -> bool {
        self.anchor.is_some()
    }

    /// The newest time of a file that can be believed.
    #[must_use]
    pub const fn newest(&self) -> Option<Wall> {
        self.newest
    }

    /// Whether the clock was believed at the last look.
    ///
    /// # Errors
    /// Why not.
    pub fn verdict(&self) -> Result<(), Doubt> {
        if self.is_learned() {
            self.trust.verdict()
        } else {
            Err(Doubt::Unknown)
        }
    }

    /// The place of a file that was written while the clock was not believed.
    #[must_use]
    pub fn place(&self, key: &Key) -> Option<Place> {
        self.book.place(key)
    }

    /// The book.
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// Takes a look at the clock while these files are being written.
    pub fn look(&mut self, sight: Sight, running: BTreeSet<Key>) -> Seen {
        let step = self.trust.look(sight);
        let verdict = self.verdict();
        let mut lines = Vec::new();
        if self.is_learned() && (step.is_some() || verdict.is_err()) {
            let after = self.estimate(sight.now);
            let stretch = self.trust.stretch();
            for key in &running {
                lines.extend(self.book.doubt(key, after, stretch));
            }
            // Who has ended since the last look may have been written on either side of a step.
            for key in self.ran.difference(&running) {
                if step.is_some() {
                    lines.extend(self.book.doubt(key, after, NONE));
                } else if self.book.place(key).is_none() {
                    lines.extend(self.book.doubt(key, after, stretch));
                }
            }
        }
        if verdict.is_ok() {
            self.anchor = Some(sight.now);
            self.since.get_or_insert(sight.now.wall);
            lines.extend(self.book.believe(self.trust.stretch()));
            for key in &running {
                self.book.runs_on(key);
            }
        } else {
            self.since = None;
        }
        self.ran = running;
        Seen {
            step,
            verdict,
            lines: lines.concat(),
        }
    }

    /// A file has got its name at this moment. Lines for the book come back.
    pub fn written(&mut self, key: &Key, sight: Sight) -> String {
        // Of those that ran it is not known now which have ended: each is taken for one, until the next look.
        let ran = self.ran.clone();
        let mut lines = self.look(sight, BTreeSet::new()).lines;
        self.ran = ran;
        // Another file of that name is gone.
        lines += &self.book.strike(key).unwrap_or_default();
        if self.is_learned() && self.verdict().is_err() {
            let after = self.estimate(sight.now);
            let line = self.book.doubt(key, after, self.trust.stretch());
            lines += &line.unwrap_or_default();
        }
        if key.0 == Kind::Recording {
            self.ran.insert(key.clone());
        }
        lines
    }

    /// A file is gone.
    pub fn gone(&mut self, key: &Key) -> String {
        self.ran.remove(key);
        self.book.strike(key).unwrap_or_default()
    }

    /// The own times of these files, which do not run any more, have been set right.
    pub fn corrected(&mut self, files: &[(Key, Wall)], now: Now) -> String {
        let mut lines = String::new();
        let mut known = Vec::new();
        for (key, modified) in files {
            if self.is_learned() && self.estimate(now) < *modified {
                self.anchor = Some(Now {
                    wall: *modified,
                    ..now
                });
            }
            let place = self.book.place(key);
            known.extend(place.map(|place| (place.number, *modified)));
            lines += &self.book.strike(key).unwrap_or_default();
        }
        // They count by their own times now; what was written after them was given its place when those were not known.
        lines + &self.book.follow(known)
    }

    /// What the time is at least.
    #[must_use]
    pub fn least(&self, now: Now) -> Wall {
        self.estimate(now)
    }

    /// What lies on the medium now, with its times. Lines for the book come back.
    pub fn listed(&mut self, files: &[(Key, Wall)], now: Wall) -> String {
        let mut lines = String::new();
        for (key, modified) in files {
            let written_on = self
                .since
                .is_some_and(|since| (since..=now).contains(modified));
            if written_on && self.book.ran_on(key) {
                lines += &self.book.strike(key).unwrap_or_default();
            }
        }
        let own = files
            .iter()
            .filter(|(key, _)| self.book.place(key).is_none());
        self.newest = newest(own.map(|(_, at)| *at));
        lines
    }

    /// What the time is at least, by the last moment that could be believed and the clock that cannot jump.
    fn estimate(&self, now: Now) -> Wall {
        let from = self.anchor.unwrap_or(Now {
            mono: now.mono,
            wall: Wall::default(),
        });
        from.wall + now.mono.since(from.mono)
    }
}

/// The newest time among files that can be believed.
#[must_use]
pub fn newest(times: impl Iterator<Item = Wall>) -> Option<Wall> {
    times.filter(|at| *at >= EARLIEST).max()
}

#[cfg(test)]
mod tests;
