//! Which hardware encoders are not used for a while. The law: an encoder is never given up for good, and one
//! that fails again gets its next chance twice as late.

use std::time::Duration;

use super::Avoided;
use crate::clock::Mono;

/// The first time in disgrace; doubles up to [`LAST`].
const FIRST: Duration = Duration::from_secs(60);
/// The longest.
const LAST: Duration = Duration::from_secs(30 * 60);
/// More encoders than any board has.
const MOST: usize = 8;

/// The encoders that failed.
#[derive(Debug, Default)]
pub struct Disgrace {
    book: heapless::Vec<Avoided, MOST>,
}

impl Disgrace {
    /// The encoder at `node` failed for good: avoid it.
    pub(super) fn strike(&mut self, node: u16, now: Mono) {
        let known = self.book.iter().position(|a| a.node == node);
        let strikes = known
            .and_then(|at| self.book.get(at))
            .map_or(0, |a| a.strikes);
        let entry = Avoided {
            node,
            since: now,
            until: now + term(strikes),
            strikes: strikes.saturating_add(1),
        };
        match known.and_then(|at| self.book.get_mut(at)) {
            Some(place) => *place = entry,
            None => {
                // A full book forgets the one whose time ends first.
                if let Err(entry) = self.book.push(entry)
                    && let Some(first) = self.book.iter_mut().min_by_key(|a| a.until)
                {
                    *first = entry;
                }
            }
        }
    }

    /// Whether it must not be used now.
    #[must_use]
    pub fn is_avoided(&self, node: u16, now: Mono) -> bool {
        self.book.iter().any(|a| a.node == node && now < a.until)
    }

    /// Whether it failed and has not yet proved itself since.
    pub(super) fn is_on_probation(&self, node: u16) -> bool {
        self.book.iter().any(|a| a.node == node)
    }

    /// It has worked for `well`: forgiven once that is as long as it was avoided.
    pub(super) fn works(&mut self, node: u16, well: Duration) {
        self.book
            .retain(|a| a.node != node || well < a.until.since(a.since));
    }

    /// Every encoder may be used again at once, but is still on probation.
    pub(super) fn pardon(&mut self, now: Mono) {
        for entry in &mut self.book {
            entry.until = entry.until.min(now);
        }
    }

    /// The encoder avoided for longest yet.
    #[must_use]
    pub fn avoided(&self, now: Mono) -> Option<Avoided> {
        self.book
            .iter()
            .filter(|a| now < a.until)
            .max_by_key(|a| a.until)
            .copied()
    }

    /// When the next encoder gets its chance: those whose time has come already are not counted.
    pub(super) fn next_chance(&self, since: Mono) -> Option<Mono> {
        self.book
            .iter()
            .map(|a| a.until)
            .filter(|until| *until > since)
            .min()
    }
}

fn term(strikes: u32) -> Duration {
    FIRST.saturating_mul(1 << strikes.min(10)).min(LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Mono {
        Mono::from_nanos(s * 1_000_000_000)
    }

    #[test]
    fn an_encoder_that_fails_again_and_again_is_tried_after_one_minute_then_ever_later_up_to_thirty()
     {
        let mut book = Disgrace::default();
        let mut now = at(0);
        let mut terms = Vec::new();
        for _ in 0..8 {
            book.strike(11, now);
            assert!(book.is_avoided(11, now));
            let until = book.next_chance(now).unwrap();
            terms.push(until.since(now).as_secs());
            assert!(!book.is_avoided(11, until));
            now = until;
        }
        assert_eq!(terms, [60, 120, 240, 480, 960, 1800, 1800, 1800]);
    }

    #[test]
    fn an_encoder_is_forgiven_once_it_worked_as_long_as_it_was_avoided() {
        let mut book = Disgrace::default();
        book.strike(11, at(0));
        book.works(11, Duration::from_secs(59));
        assert!(book.is_on_probation(11));
        book.works(11, Duration::from_secs(60));
        assert!(!book.is_on_probation(11));
    }

    #[test]
    fn more_encoders_than_fit_do_no_harm() {
        let mut book = Disgrace::default();
        for node in 0..100 {
            book.strike(node, at(u64::from(node)));
        }
        assert!(book.is_avoided(99, at(100)));
    }
}
