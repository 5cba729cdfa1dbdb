//! The place of files that were written while the clock was wrong.
//!
//! Files count in the order of their times. One that was written while the clock could not be believed carries a time that
//! says nothing, so it gets a [`Place`] instead: after everything that was written up to the last believed moment, and
//! among its like in the order in which they were written. The book of places lies on the medium of the recordings, so that
//! it goes where they go; only such files have lines in it, and the moments after which some of them are known to lie.

pub mod io;
pub mod times;

use std::collections::{BTreeMap, BTreeSet};

use super::names::Stem;
use super::quota::{Kind, Place};
use crate::clock::Wall;

/// A file: what it is, and its name.
pub type Key = (Kind, Stem);

/// One place, and the even stretch of the clock it was given in, if that was in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Given {
    place: Place,
    stretch: Option<u32>,
    /// It ran when the clock was believed again: it may have been written on.
    ran_on: bool,
}

/// The book.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    files: BTreeMap<Key, Given>,
    next: u64,
}

impl Book {
    /// The place of a file, if it has one.
    #[must_use]
    pub fn place(&self, key: &Key) -> Option<Place> {
        self.files.get(key).map(|given| given.place)
    }

    /// Files in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether no file is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// A file is written while the clock is not believed, in this even stretch of it; `after` is the last moment that could
    /// be. The line to be kept comes back, if it is news.
    pub fn doubt(&mut self, key: &Key, after: Wall, stretch: u32) -> Option<String> {
        if let Some(given) = self.files.get_mut(key) {
            given.stretch = Some(stretch);
            given.ran_on = false;
            return None;
        }
        let place = Place {
            after,
            number: self.next,
        };
        self.next += 1;
        let given = Given {
            place,
            stretch: Some(stretch),
            ran_on: false,
        };
        self.files.insert(key.clone(), given);
        Some(line(key, Some(place)))
    }

    /// A file runs while the clock is believed.
    pub fn runs_on(&mut self, key: &Key) {
        if let Some(given) = self.files.get_mut(key) {
            given.ran_on = true;
        }
    }

    /// Whether it ran when the clock was believed again.
    #[must_use]
    pub fn ran_on(&self, key: &Key) -> bool {
        self.files.get(key).is_some_and(|given| given.ran_on)
    }

    /// A file is gone, or was written on since the clock is believed: its own time tells again.
    pub fn strike(&mut self, key: &Key) -> Option<String> {
        self.files.remove(key).map(|_| line(key, None))
    }

    /// The latest of the moments after which files were written.
    #[must_use]
    pub fn latest(&self) -> Option<Wall> {
        self.files.values().map(|given| given.place.after).max()
    }

    /// Files with these numbers turned out to have been written up to these moments. So was, later than each, what has a
    /// higher number. Lines to be kept come back.
    pub fn follow(&mut self, mut known: Vec<(u64, Wall)>) -> String {
        known.sort_unstable();
        let mut latest = Wall::default();
        known.retain(|(_, at)| {
            let is_later = *at > latest;
            latest = latest.max(*at);
            is_later
        });
        let mut used = BTreeSet::new();
        for given in self.files.values_mut() {
            let before = known.partition_point(|(number, _)| *number < given.place.number);
            let last = before.checked_sub(1).and_then(|last| known.get(last));
            if let Some((number, at)) = last.filter(|(_, at)| given.place.after < *at) {
                given.place.after = *at;
                used.insert((*number, *at));
            }
        }
        let line = |(number, at): (u64, Wall)| format!("> {} {number}\n", at.as_nanos());
        used.into_iter().map(line).collect()
    }

    /// The clock is believed, and has gone evenly for this stretch: what was written in it carries the right time after
    /// all.
    pub fn believe(&mut self, stretch: u32) -> Vec<String> {
        let right = |given: &Given| given.stretch == Some(stretch);
        let all = self.files.iter().filter(|(_, given)| right(given));
        let lines = all.map(|(key, _)| line(key, None)).collect();
        self.files.retain(|_, given| !right(given));
        lines
    }

    /// Forgets all files but those that are there.
    pub fn keep(&mut self, is_there: impl Fn(&Key) -> bool) {
        self.files.retain(|key, _| is_there(key));
    }

    /// Its form on the medium: a line for each file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let all = self.files.iter();
        all.map(|(key, given)| line(key, Some(given.place)))
            .collect()
    }

    /// From its form on the medium, and the lines that were added. What is not a whole line says nothing: a power cut tore
    /// it.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let mut book = Self::default();
        for line in text.split_inclusive('\n') {
            let Some(line) = line.strip_suffix('\n') else {
                continue;
            };
            if let Some(known) = read_follow(line) {
                book.follow(vec![known]);
            }
            let Some((key, place)) = read(line) else {
                continue;
            };
            match place {
                Some(place) => {
                    book.next = book.next.max(place.number.saturating_add(1));
                    let given = Given {
                        place,
                        stretch: None,
                        ran_on: false,
                    };
                    book.files.insert(key, given);
                }
                None => {
                    book.files.remove(&key);
                }
            }
        }
        book
    }
}

/// `+ recording NANOSECONDS NUMBER NAME` or `- recording NAME`.
fn line((kind, stem): &Key, place: Option<Place>) -> String {
    let kind = word(*kind);
    match place {
        Some(Place { after, number }) => format!("+ {kind} {} {number} {stem}\n", after.as_nanos()),
        None => format!("- {kind} {stem}\n"),
    }
}

/// The word for a kind of file in books on the medium.
pub(super) const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Recording => "recording",
        Kind::Snapshot => "snapshot",
    }
}

/// The kind that a word stands for.
pub(super) fn read_kind(word: &str) -> Option<Kind> {
    match word {
        "recording" => Some(Kind::Recording),
        "snapshot" => Some(Kind::Snapshot),
        _ => None,
    }
}

/// `> NANOSECONDS NUMBER`: what has a higher number was written after that.
fn read_follow(line: &str) -> Option<(u64, Wall)> {
    let (at, number) = line.strip_prefix("> ")?.split_once(' ')?;
    Some((number.parse().ok()?, Wall::from_nanos(at.parse().ok()?)))
}

fn read(line: &str) -> Option<(Key, Option<Place>)> {
    let mut words = line.split(' ');
    let sign = words.next()?;
    let kind = read_kind(words.next()?)?;
    let place = match sign {
        "+" => Some(Place {
            after: Wall::from_nanos(words.next()?.parse().ok()?),
            number: words.next()?.parse().ok()?,
        }),
        "-" => None,
        _ => return None,
    };
    let stem = words.next()?.parse().ok()?;
    words.next().is_none().then_some(((kind, stem), place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(name: &str) -> Key {
        (Kind::Recording, name.parse().unwrap())
    }

    #[test]
    fn a_place_outlives_a_restart_and_a_torn_line_says_nothing() {
        let mut book = Book::default();
        let last = Wall::from_secs(1_790_000_000);
        let mut text = book.doubt(&key("a"), last, 1).unwrap();
        text += &book.doubt(&key("b"), last, 1).unwrap();
        assert_eq!(book.doubt(&key("a"), last, 2), None, "it keeps its place");
        text += &book.strike(&key("a")).unwrap();
        text += "+ recording 17900";
        let mut again = Book::from_text(&text);
        assert_eq!(again.place(&key("b")), book.place(&key("b")));
        assert_eq!((again.len(), again.place(&key("a"))), (1, None));
        again.doubt(&key("c"), last, 1).unwrap();
        assert!(again.place(&key("b")) < again.place(&key("c")));
        assert_eq!(Book::from_text(&again.to_text()).to_text(), again.to_text());
        again.keep(|key| key.1.as_str() == "c");
        assert_eq!(again.len(), 1);
    }

    #[test]
    fn what_was_written_in_an_even_stretch_is_believed_with_it() {
        let mut book = Book::default();
        book.doubt(&key("before-the-step"), Wall::default(), 0);
        book.doubt(&key("after-it"), Wall::default(), 1);
        assert_eq!(book.believe(1), ["- recording after-it\n"]);
        assert_eq!(book.len(), 1);
        let mut restarted = Book::from_text(&book.to_text());
        assert!(restarted.believe(0).is_empty() && restarted.len() == 1);
    }

    #[test]
    fn what_was_written_after_a_file_stays_after_it_when_that_files_time_is_known() {
        let at = Wall::from_secs;
        let mut book = Book::default();
        let mut text = String::new();
        for (name, after) in [("a", 50), ("b", 1), ("c", 1), ("d", 900)] {
            text += &book.doubt(&key(name), at(after), 0).unwrap();
        }
        text += &book.strike(&key("a")).unwrap();
        text += &book.strike(&key("c")).unwrap();
        let lines = book.follow(vec![(2, at(300)), (0, at(400))]);
        assert_eq!(lines, "> 400000000000 0\n", "the other says less");
        let after = |book: &Book, name: &str| book.place(&key(name)).unwrap().after;
        assert_eq!((after(&book, "b"), after(&book, "d")), (at(400), at(900)));
        assert_eq!(Book::from_text(&(text + &lines)).to_text(), book.to_text());
        assert_eq!(book.latest(), Some(at(900)));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fail(text in "([+-] (recording|snapshot|x) [0-9]{0,22} [0-9]{0,22} [a-z.]{0,4}\n?|> [0-9]{0,22} [0-9]{0,3}\n|\\PC{0,20}\n?){0,8}") {
            let book = Book::from_text(&text);
            prop_assert_eq!(Book::from_text(&book.to_text()).to_text(), book.to_text());
        }
    }
}
