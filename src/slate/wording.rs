//! The words: what may be drawn, and how long it has lasted. Pure.

use std::time::Duration;

use crate::clock::{Mono, Now, Wall};
use crate::raster::glyphs::{REPLACEMENT, has};

/// 2024-01-01 00:00:00 UTC. A clock before this was never set: boards without a battery start in
/// 1970, or at the day their system was built.
const SET: Wall = Wall::from_secs(1_704_067_200);

/// Characters of a text that are looked at; no picture has room for more.
const LONGEST: usize = 400;

/// The text as it can be drawn: one line, single spaces, a box for whatever has no glyph.
#[must_use]
pub fn drawable(text: &str) -> String {
    let clean: String = text
        .chars()
        .take(LONGEST)
        .map(|c| match c {
            c if c.is_whitespace() || c.is_control() => ' ',
            '\u{2018}' | '\u{2019}' => '\'',
            '\u{201C}'..='\u{201E}' => '"',
            '\u{2010}' | '\u{2011}' | '\u{2212}' => '-',
            c if has(c) => c,
            _ => REPLACEMENT,
        })
        .collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Since when, as shown. Kept from frame to frame, so that the two clocks' drifting apart does not
/// make the second flicker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// The wall clock at the beginning, in whole seconds.
    At(Wall),
    /// The wall clock is not set: how long, in seconds at first and later in minutes.
    For(Duration),
}

impl Since {
    /// What to show now for what began at `since`.
    #[must_use]
    pub fn new(since: Mono, now: Now) -> Self {
        if now.wall >= SET {
            Self::At(Wall::from_secs(now.wall_of(since).as_secs()))
        } else {
            Self::For(step(now.mono.since(since)))
        }
    }

    /// Looks again; true when something else is to be shown. A clock that was set anew counts, its
    /// ticking does not.
    pub fn update(&mut self, since: Mono, now: Now) -> bool {
        const SET_ANEW: u64 = 2;
        let fresh = Self::new(since, now);
        let same = match (*self, fresh) {
            (Self::At(shown), Self::At(other)) => {
                shown.as_secs().abs_diff(other.as_secs()) < SET_ANEW
            }
            (shown, other) => shown == other,
        };
        if !same {
            *self = fresh;
        }
        !same
    }
}

/// Seconds for two minutes, then minutes: nobody watches the seconds of the third hour.
fn step(duration: Duration) -> Duration {
    let secs = duration.as_secs();
    Duration::from_secs(if secs < 120 { secs } else { secs - secs % 60 })
}

impl std::fmt::Display for Since {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let format = time::macros::format_description!(
            "since [year]-[month]-[day] [hour]:[minute]:[second] UTC"
        );
        match self {
            Self::At(wall) => {
                let text = time::OffsetDateTime::from_unix_timestamp_nanos(wall.as_nanos().into())
                    .ok()
                    .and_then(|at| at.format(&format).ok());
                f.write_str(&text.unwrap_or_default())
            }
            Self::For(duration) => {
                let secs = duration.as_secs();
                match (secs / 3600, secs / 60 % 60) {
                    _ if secs < 120 => write!(f, "for {secs} s"),
                    (0, minutes) => write!(f, "for {minutes} min"),
                    (hours, minutes) => write!(f, "for {hours} h {minutes} min"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-21 07:45:12 UTC.
    const MORNING: Wall = Wall::from_nanos(1_795_247_112_000_000_000);

    fn at(secs: u64, wall: Wall) -> Now {
        Now {
            mono: Mono::from_nanos(secs * 1_000_000_000),
            wall,
        }
    }

    fn later(secs: u64, nanos: u64) -> Wall {
        Wall::from_nanos(MORNING.as_nanos() + secs * 1_000_000_000 + nanos)
    }

    #[test]
    fn a_set_clock_says_since_when() {
        let began = at(50, MORNING);
        let since = Since::new(began.mono, at(110, later(60, 0)));
        assert_eq!(since.to_string(), "since 2026-11-21 07:45:12 UTC");
    }

    #[test]
    fn a_clock_that_was_never_set_counts_instead() {
        let began = Mono::from_nanos(7_000_000_000);
        let text = |secs: u64| Since::new(began, at(7 + secs, Wall::from_secs(secs))).to_string();
        assert_eq!(text(0), "for 0 s");
        assert_eq!(text(119), "for 119 s");
        assert_eq!(text(185), "for 3 min");
        assert_eq!(text(7_500), "for 2 h 5 min");
    }

    #[test]
    fn the_second_does_not_flicker_though_the_clocks_are_read_one_after_the_other() {
        let began = at(50, MORNING).mono;
        let mut since = Since::new(began, at(50, MORNING));
        for secs in 1..100 {
            let jitter = if secs % 2 == 0 { 0 } else { 999 };
            let wall = Wall::from_nanos(later(secs, jitter).as_nanos() - 500);
            assert!(!since.update(began, at(50 + secs, wall)), "after {secs} s");
        }
    }

    #[test]
    fn a_clock_that_is_set_meanwhile_turns_the_counting_into_a_date() {
        let began = Mono::from_nanos(7_000_000_000);
        let mut since = Since::new(began, at(17, Wall::from_secs(17)));
        assert_eq!(since.to_string(), "for 10 s");
        assert!(since.update(began, at(27, later(20, 0))));
        assert_eq!(since.to_string(), "since 2026-11-21 07:45:12 UTC");
        assert!(since.update(began, at(28, later(3621, 0))), "an hour later");
    }

    #[test]
    fn what_cannot_be_drawn_is_a_box_and_control_characters_are_spaces() {
        assert_eq!(
            drawable(" the\tdevice\r\n\u{0}“went”  away… "),
            "the device \"went\" away…"
        );
        assert_eq!(drawable("漢\u{202E}ü"), "\u{FFFD}\u{FFFD}\u{FFFD}");
        assert_eq!(drawable(""), "");
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_that_can_be_drawn(text in "\\PC{0,60}|.{0,60}") {
            let drawn = drawable(&text);
            prop_assert!(drawn.chars().all(has));
            prop_assert!(drawn.len() <= 3 * LONGEST && !drawn.contains("  "));
        }

        #[test]
        fn any_pair_of_clocks_gives_a_line(mono: u64, wall: u64, since: u64) {
            let now = Now { mono: Mono::from_nanos(mono), wall: Wall::from_nanos(wall) };
            let mut shown = Since::new(Mono::from_nanos(since), now);
            prop_assert!(!shown.update(Mono::from_nanos(since), now));
            prop_assert!(shown.to_string().is_ascii());
        }
    }
}
