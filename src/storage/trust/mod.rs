//! Whether the wall clock may be believed: decides, from what the kernel says and from how the clock moves.
//!
//! A board without a battery comes up in 1970, or when it was last switched off, and jumps when the network answers.
//! Nothing is deleted by its age on such a clock's word.

pub mod io;

use std::time::Duration;

use crate::clock::{Mono, Now, Wall};

/// A clock before this is wrong: the service was not yet written (2026-01-01).
pub const EARLIEST: Wall = Wall::from_secs(1_767_225_600);
/// A clock that is so far beyond the newest file is believed only after [`LASTING`].
pub const FAR: Duration = Duration::from_secs(366 * 86_400);
/// So long without a step, and synchronised all the while, makes even a year's jump believable: a box may have lain
/// in a drawer.
pub const LASTING: Duration = Duration::from_secs(86_400);
/// After a step, the word of a kernel that never took it back counts only after so long without another step.
pub const CALM: Duration = Duration::from_secs(300);
/// More than this between two looks is a step; clocks that are only slewed drift by 500 millionths (adjtime(3)).
const STEP: Duration = Duration::from_secs(1);

/// What is seen of the clock at one moment. The clocks are read first, the kernel is asked after that: a step takes
/// its word away, so a word that still stands came after the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Both clocks.
    pub now: Now,
    /// The kernel counts the clock as synchronised (adjtimex(2), `STA_UNSYNC` is not set).
    pub kernel: bool,
    /// When systemd-timesyncd noted last that it had synchronised the clock, if ever since boot: any number that is
    /// another after each time.
    pub noted: Option<u64>,
    /// The newest file whose time can be believed.
    pub newest: Option<Wall>,
}

/// Why the clock is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Nobody has looked yet.
    Unknown,
    /// It stands before 2026.
    Early,
    /// Nothing has synchronised it since boot.
    Unsynchronised,
    /// It was set to another time, and not synchronised since.
    Stepped,
    /// It stands more than a year after the newest file.
    Far,
}

impl Doubt {
    /// For people: "the clock …".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unknown => "the clock has not been looked at yet",
            Self::Early => "the clock stands before 2026, so it is wrong",
            Self::Unsynchronised => "the clock is not synchronised (no NTP server has set it)",
            Self::Stepped => {
                "the clock was set to another time while the service ran, and has not been synchronised since"
            }
            Self::Far => {
                "the clock stands more than a year after the newest file; it is believed after a day without a step"
            }
        }
    }
}

/// A step of the wall clock that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How far.
    pub by: Duration,
    /// Into the future, or into the past.
    pub forward: bool,
}

/// Remembers how the clock moved.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    last: Option<Sight>,
    /// Since when the clock goes on evenly.
    even: Mono,
    /// Since when it is synchronised, too.
    synchronised: Option<Mono>,
    /// What had been noted when it stepped, until it is synchronised again.
    stepped: Option<Option<u64>>,
    stretch: u32,
}

impl Trust {
    /// Takes a look; says whether the clock has stepped since the last one.
    pub fn look(&mut self, sight: Sight) -> Option<Step> {
        let step = self
            .last
            .as_ref()
            .and_then(|last| step(last.now, sight.now));
        let now = sight.now.mono;
        if self.last.is_none() {
            self.even = now;
        }
        if step.is_some() {
            self.even = now;
            self.stretch = self.stretch.wrapping_add(1);
            self.synchronised = None;
            self.stepped = Some(self.last.and_then(|last| last.noted));
        }
        let says = sight.kernel || sight.noted.is_some();
        if let Some(noted) = self.stepped {
            let afresh = sight.noted.is_some() && sight.noted != noted;
            // The kernel had taken its word back since the step, and gives it again.
            let taken_back = self.last.is_some_and(|last| !last.kernel) && step.is_none();
            let calm = now.since(self.even) >= CALM;
            if afresh || (sight.kernel && (taken_back || calm)) {
                self.stepped = None;
            }
        }
        self.synchronised = match (says && self.stepped.is_none(), self.synchronised) {
            (false, _) => None,
            (true, since) => since.or(Some(now)),
        };
        self.last = Some(sight);
        step
    }

    /// Whether the clock is believed.
    ///
    /// # Errors
    /// Why not.
    pub fn verdict(&self) -> Result<(), Doubt> {
        let Some(sight) = self.last else {
            return Err(Doubt::Unknown);
        };
        if sight.now.wall < EARLIEST {
            return Err(Doubt::Early);
        }
        let Some(since) = self.synchronised else {
            return Err(if self.stepped.is_some() {
                Doubt::Stepped
            } else {
                Doubt::Unsynchronised
            });
        };
        let far = sight.newest.is_some_and(|at| sight.now.wall > at + FAR);
        if far && sight.now.mono.since(since.max(self.even)) < LASTING {
            return Err(Doubt::Far);
        }
        Ok(())
    }

    /// The number of the even stretch that the clock is in: another after each step.
    #[must_use]
    pub const fn stretch(&self) -> u32 {
        self.stretch
    }
}

/// How far the wall clock has moved against the clock that cannot jump, where that is no drift.
fn step(before: Now, now: Now) -> Option<Step> {
    let expected = before.wall + now.mono.since(before.mono);
    let forward = now.wall > expected;
    let apart = now.wall.as_nanos().abs_diff(expected.as_nanos());
    let by = Duration::from_nanos(apart);
    (by > STEP).then_some(Step { by, forward })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUE: u64 = 1_790_000_000;

    fn at(mono: u64, wall: u64) -> Sight {
        Sight {
            now: Now {
                mono: Mono::from_nanos(mono * 1_000_000_000),
                wall: Wall::from_secs(wall),
            },
            kernel: true,
            noted: None,
            newest: None,
        }
    }

    fn unsynchronised(sight: Sight) -> Sight {
        Sight {
            kernel: false,
            ..sight
        }
    }

    #[test]
    fn a_board_without_a_battery_is_believed_when_the_network_has_set_its_clock() {
        let mut trust = Trust::default();
        assert_eq!(trust.verdict(), Err(Doubt::Unknown));
        trust.look(unsynchronised(at(5, 9)));
        assert_eq!(trust.verdict(), Err(Doubt::Early));
        trust.look(unsynchronised(at(6, TRUE - 86_400)));
        assert_eq!(trust.verdict(), Err(Doubt::Stepped));
        let step = trust.look(at(16, TRUE)).unwrap();
        assert!(step.forward && step.by > Duration::from_secs(86_000));
        assert_eq!(trust.verdict(), Err(Doubt::Stepped), "not at once");
        trust.look(at(16 + 299, TRUE + 299));
        assert_eq!(trust.verdict(), Err(Doubt::Stepped));
        trust.look(at(16 + 300, TRUE + 300));
        assert_eq!(trust.verdict(), Ok(()));
    }

    #[test]
    fn a_clock_that_nothing_synchronises_is_never_believed_however_right_it_looks() {
        let mut trust = Trust::default();
        for hour in 0..1000 {
            let seconds = hour * 3600;
            trust.look(unsynchronised(at(seconds, TRUE + seconds)));
            assert_eq!(trust.verdict(), Err(Doubt::Unsynchronised));
        }
    }

    #[test]
    fn after_a_step_only_a_fresh_word_counts() {
        // timesyncd's file stays where it is when somebody sets the clock by hand.
        let noted = |sight, noted| Sight {
            kernel: false,
            noted: Some(noted),
            ..sight
        };
        let mut trust = Trust::default();
        trust.look(noted(at(1, TRUE), 7));
        assert_eq!(trust.verdict(), Ok(()));
        for second in 2..2000 {
            trust.look(noted(at(second, TRUE + 90_000_000 + second), 7));
            assert_eq!(trust.verdict(), Err(Doubt::Stepped));
        }
        trust.look(noted(at(2000, TRUE + 2000), 8));
        assert_eq!(trust.verdict(), Ok(()));
        // The kernel takes its word back when the clock is set, and gives it when it is synchronised again.
        let mut trust = Trust::default();
        trust.look(at(1, TRUE));
        trust.look(unsynchronised(at(2, TRUE + 90_000_000)));
        assert_eq!(trust.verdict(), Err(Doubt::Stepped));
        trust.look(at(3, TRUE + 90_000_001));
        assert_eq!(trust.verdict(), Ok(()));
    }

    #[test]
    fn drift_and_slewing_are_no_steps() {
        let mut trust = Trust::default();
        trust.look(at(0, TRUE));
        for look in 1..1000_u64 {
            let mut sight = at(look * 10, TRUE + look * 10);
            // 500 millionths fast.
            sight.now.wall = Wall::from_nanos(sight.now.wall.as_nanos() + look * 5_000_000);
            assert_eq!(trust.look(sight), None);
            assert_eq!(trust.verdict(), Ok(()));
        }
    }

    #[test]
    fn a_clock_far_beyond_the_newest_file_is_believed_after_a_day() {
        let newest = Some(Wall::from_secs(TRUE - 2 * 366 * 86_400));
        let far = |sight| Sight { newest, ..sight };
        let mut trust = Trust::default();
        trust.look(far(at(0, TRUE)));
        assert_eq!(trust.verdict(), Err(Doubt::Far));
        trust.look(far(at(86_399, TRUE + 86_399)));
        assert_eq!(trust.verdict(), Err(Doubt::Far));
        trust.look(far(at(86_400, TRUE + 86_400)));
        assert_eq!(trust.verdict(), Ok(()));
    }

    #[test]
    fn a_step_back_over_2038_and_forth_again_is_a_step_each_time() {
        let mut trust = Trust::default();
        let turn = 2_147_483_647;
        trust.look(at(0, turn - 5));
        assert_eq!(trust.look(at(10, turn + 5)), None);
        assert!(!trust.look(at(20, turn - 900_000_000)).unwrap().forward);
        assert!(trust.look(at(30, turn + 25)).unwrap().forward);
        assert_eq!(trust.stretch(), 2);
    }
}
