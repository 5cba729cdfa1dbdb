//! What is to be written into the chain, in which order, and when to try again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::record::What;
use crate::clock::Mono;
use crate::storage::names::Stem;

/// A file that somebody still writes is looked at again after so long.
pub const AGAIN: Duration = Duration::from_secs(5);
/// What the medium refused is tried again after so long.
pub const REFUSED: Duration = Duration::from_secs(30);
/// More than this is not kept in mind: the folder is read anew instead.
const MOST: usize = 4096;

/// The list.
#[derive(Debug, Default)]
pub struct Todo {
    began: Vec<Stem>,
    /// Each with the moment before which it need not be tried, and whether the service was away in between.
    ended: BTreeMap<Stem, (Mono, bool)>,
    /// What has been done and could not be written down.
    owed: VecDeque<What>,
    /// Nothing can be written before.
    blocked: Option<Mono>,
    /// The folder must be read: more happened than is kept in mind. Not before half of that is done: each reading fills it
    /// anew, and where it came after each seal, a hundred thousand files would be read a hundred thousand times.
    pub rescan: bool,
}

impl Todo {
    /// Files are there.
    pub fn began(&mut self, stems: &[Stem]) {
        self.began.extend_from_slice(stems);
        self.bound();
    }

    /// Files are finished; `late`: before the service's start.
    pub fn ended(&mut self, stems: &[Stem], late: bool, now: Mono) {
        for stem in stems {
            self.ended.entry(stem.clone()).or_insert((now, late));
        }
        self.bound();
    }

    /// A record of what has been done already.
    pub fn owe(&mut self, what: What) {
        self.owed.push_back(what);
        self.bound();
    }

    fn bound(&mut self) {
        if self.began.len() > MOST || self.ended.len() > MOST || self.owed.len() > MOST {
            self.began.truncate(MOST);
            while self.ended.len() > MOST {
                self.ended.pop_last();
            }
            self.owed.truncate(MOST);
            self.rescan = true;
        }
    }

    /// What has been done and what began since, to be written now; `None` while the medium refuses.
    pub fn news(&mut self, now: Mono) -> Option<(Vec<What>, Vec<Stem>)> {
        if self.blocked.is_some_and(|until| now < until) {
            return None;
        }
        self.blocked = None;
        Some((
            std::mem::take(&mut self.owed).into(),
            std::mem::take(&mut self.began),
        ))
    }

    /// It could not be written.
    pub fn give_back(&mut self, owed: Vec<What>, began: &[Stem], now: Mono) {
        for what in owed.into_iter().rev() {
            self.owed.push_front(what);
        }
        self.began.splice(0..0, began.iter().cloned());
        self.refuse(now);
        self.bound();
    }

    /// The medium refuses.
    pub fn refuse(&mut self, now: Mono) {
        self.blocked = Some(now + REFUSED);
    }

    /// Whether the folder is to be read now; once.
    pub fn take_rescan(&mut self, now: Mono) -> bool {
        !self.is_blocked(now) && self.has_room() && std::mem::take(&mut self.rescan)
    }

    fn has_room(&self) -> bool {
        self.ended.len() <= MOST / 2
    }

    /// Whether the medium refused a moment ago, or older news wait: what comes now has to wait behind them.
    #[must_use]
    pub fn is_blocked(&self, now: Mono) -> bool {
        self.blocked.is_some_and(|until| now < until)
    }

    /// A file that is to be sealed now.
    pub fn due(&mut self, now: Mono) -> Option<(Stem, bool)> {
        if self.is_blocked(now) {
            return None;
        }
        let due = self.ended.iter().find(|(_, (at, _))| *at <= now);
        let (stem, late) = due.map(|(stem, (_, late))| (stem.clone(), *late))?;
        self.ended.remove(&stem);
        Some((stem, late))
    }

    /// Somebody still writes it.
    pub fn again(&mut self, stem: Stem, late: bool, now: Mono) {
        self.ended.insert(stem, (now + AGAIN, late));
    }

    /// When to look next; `None`: when something happens.
    #[must_use]
    pub fn wake(&self) -> Option<Mono> {
        let soonest = self.ended.values().map(|(at, _)| *at).min();
        let news =
            !self.owed.is_empty() || !self.began.is_empty() || (self.rescan && self.has_room());
        let news = news.then_some(Mono::default());
        let wake = soonest.into_iter().chain(news).min()?;
        Some(self.blocked.map_or(wake, |until| until.max(wake)))
    }

    /// Files that wait for their seal.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ended.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(secs: u64) -> Mono {
        Mono::from_nanos(secs * 1_000_000_000)
    }

    fn stem(text: &str) -> Stem {
        text.parse().unwrap()
    }

    #[test]
    fn a_file_that_is_still_written_is_left_alone_for_a_while() {
        let mut todo = Todo::default();
        todo.ended(&[stem("a")], false, at(1));
        assert_eq!(todo.due(at(1)), Some((stem("a"), false)));
        todo.again(stem("a"), true, at(1));
        assert_eq!((todo.due(at(5)), todo.wake()), (None, Some(at(6))));
        assert_eq!(todo.due(at(6)), Some((stem("a"), true)));
        assert_eq!(todo.wake(), None);
    }

    #[test]
    fn what_a_full_medium_refused_comes_back_in_its_order() {
        let mut todo = Todo::default();
        let prune = |through| What::Prune {
            through,
            sha256: String::new(),
        };
        todo.owe(prune(1));
        todo.began(&[stem("a")]);
        let (owed, began) = todo.news(at(1)).unwrap();
        todo.owe(prune(2));
        todo.began(&[stem("b")]);
        todo.give_back(owed, &began, at(1));
        assert!(todo.news(at(30)).is_none() && todo.is_blocked(at(30)));
        assert_eq!(todo.wake(), Some(at(31)));
        let (owed, began) = todo.news(at(31)).unwrap();
        assert_eq!(owed, [prune(1), prune(2)]);
        assert_eq!(began, [stem("a"), stem("b")]);
    }

    #[test]
    fn more_than_can_be_kept_in_mind_has_the_folder_read() {
        let mut todo = Todo::default();
        let many: Vec<Stem> = (0..=MOST).map(|n| stem(&format!("r{n}"))).collect();
        todo.ended(&many, false, at(0));
        assert!(todo.rescan && todo.waiting() == MOST);
    }

    #[test]
    fn the_folder_is_read_a_few_times_for_many_thousand_files_and_not_for_each_of_them() {
        let mut todo = Todo::default();
        let mut left: BTreeSet<Stem> = (0..2 * MOST).map(|n| stem(&format!("r{n}"))).collect();
        let (mut read, mut now) = (0, at(0));
        todo.rescan = true;
        while let Some(when) = todo.wake() {
            now = now.max(when);
            if todo.take_rescan(now) {
                read += 1;
                let there: Vec<Stem> = left.iter().cloned().collect();
                todo.ended(&there, true, now);
            }
            let (sealed, _) = todo.due(now).expect("something is due when it is woken");
            left.remove(&sealed);
        }
        assert!(left.is_empty());
        assert!(read <= 5, "{read} times");
    }
}
