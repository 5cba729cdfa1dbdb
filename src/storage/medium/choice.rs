//! Whether new files go onto the medium or into the fallback: decides it from what is wrong with the medium.

use std::time::Duration;

use super::roots::Place;
use crate::clock::Mono;

/// So long a medium must have taken what was written to it before recordings return to it.
pub const STEADY: Duration = Duration::from_secs(4);
/// A medium that fails again so soon is believed less, twice as late each time.
const RELAPSE: Duration = Duration::from_secs(120);
/// The latest.
const MOST: Duration = Duration::from_secs(600);

/// Why nothing can be written to the medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It is not mounted.
    Gone,
    /// It cannot be asked: why.
    Silent(String),
    /// It is mounted read-only.
    ReadOnly,
    /// It does not keep what is written to it: why.
    Fails(String),
}

impl Trouble {
    /// What lies at its path is not the medium, or cannot be asked.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Gone | Self::Silent(_))
    }
}

/// The present choice, and what it remembers.
#[derive(Debug)]
pub struct Choice {
    place: Place,
    /// Since when the medium is well, while files go elsewhere.
    well: Option<Mono>,
    /// When files returned to it last.
    returned: Option<Mono>,
    patience: Duration,
    trouble: Option<Trouble>,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            place: Place::Medium,
            well: None,
            returned: None,
            patience: STEADY,
            trouble: None,
        }
    }
}

impl Choice {
    /// Takes what is wrong with the medium now, and whether the fallback can take files; gives where they go. Away from a
    /// medium in trouble at once; back when it has been well for a while.
    pub fn look(&mut self, trouble: Option<Trouble>, fallback: bool, now: Mono) -> Place {
        let relapse = |at: Mono| now.since(at) < RELAPSE;
        self.place = match trouble {
            Some(trouble) => {
                if self.place == Place::Medium && self.trouble.is_none() {
                    self.patience = match self.returned.is_some_and(relapse) {
                        true => (self.patience * 2).min(MOST),
                        false => STEADY,
                    };
                }
                self.well = None;
                let away = trouble.is_away();
                self.trouble = Some(trouble);
                match (fallback, away) {
                    (true, _) => Place::Fallback,
                    (false, true) => Place::Nowhere,
                    // Whoever records tries again and again, and succeeds as soon as it is well.
                    (false, false) => Place::Medium,
                }
            }
            None => {
                let since = *self.well.get_or_insert(now);
                let rest = self.place == Place::Fallback && fallback;
                if rest && now.since(since) < self.patience {
                    Place::Fallback
                } else {
                    if self.place != Place::Medium {
                        self.returned = Some(now);
                    }
                    self.trouble = None;
                    Place::Medium
                }
            }
        };
        self.place
    }

    /// What is wrong with the medium, or was until just now; `None` when files go there and are kept.
    #[must_use]
    pub const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: u64) -> Mono {
        Mono::from_nanos(second * 1_000_000_000)
    }

    #[test]
    fn a_pulled_disk_is_left_at_once_and_returned_to_when_it_has_held_for_a_while() {
        let mut choice = Choice::default();
        let mut look = |trouble: Option<Trouble>, second| {
            let place = choice.look(trouble, true, at(second));
            (place, choice.trouble().cloned())
        };
        let gone = || Some(Trouble::Gone);
        assert_eq!(look(None, 1), (Place::Medium, None));
        assert_eq!(look(gone(), 2), (Place::Fallback, gone()));
        // It is plugged in, and health goes on telling it until recordings are back.
        assert_eq!(look(None, 10), (Place::Fallback, gone()));
        assert_eq!(look(None, 13), (Place::Fallback, gone()));
        assert_eq!(look(None, 14), (Place::Medium, None));
        // A loose plug: each time it is believed less.
        assert_eq!(look(gone(), 20).0, Place::Fallback);
        assert_eq!(look(None, 21).0, Place::Fallback);
        assert_eq!(look(None, 28).0, Place::Fallback);
        assert_eq!(look(None, 29).0, Place::Medium);
    }

    #[test]
    fn without_a_fallback_recordings_rest_for_a_pulled_disk_and_try_on_a_failing_one() {
        let mut choice = Choice::default();
        let fails = Some(Trouble::Fails("EIO".to_owned()));
        assert_eq!(choice.look(fails, false, at(1)), Place::Medium);
        assert!(choice.trouble().is_some());
        assert_eq!(
            choice.look(Some(Trouble::Gone), false, at(2)),
            Place::Nowhere
        );
        assert_eq!(choice.look(None, false, at(3)), Place::Medium);
        assert_eq!(choice.trouble(), None);
    }

    proptest! {
        #[test]
        fn nothing_is_ever_written_to_a_medium_that_is_away(
            steps in proptest::collection::vec((0_u64..30, 0..4_u8, any::<bool>()), 1..60)
        ) {
            let (mut choice, mut now) = (Choice::default(), 0);
            for (pause, what, fallback) in steps {
                now += pause;
                let trouble = match what {
                    0 => None,
                    1 => Some(Trouble::Gone),
                    2 => Some(Trouble::ReadOnly),
                    _ => Some(Trouble::Silent(String::new())),
                };
                let place = choice.look(trouble.clone(), fallback, at(now));
                match trouble {
                    Some(_) if fallback => prop_assert_eq!(place, Place::Fallback),
                    Some(trouble) if trouble.is_away() => prop_assert_eq!(place, Place::Nowhere),
                    _ => {}
                }
                prop_assert!(fallback || place != Place::Fallback);
                prop_assert!(choice.trouble().is_some() || place == Place::Medium);
            }
        }
    }
}
