//! Weekly windows in local time: decides whether a moment lies in one.
//!
//! A window is asked by what a clock on the wall shows, so a change to or from summer time needs no rule of its own: an hour
//! that is skipped is in no window, and one that is there twice is in its window twice.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::clock::Wall;

/// Windows at most.
pub const MOST: usize = 64;
/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// The days' names, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// From one time of day to another, on some days of the week; over midnight where the end is not after the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// A bit for each day on which it begins, Monday the lowest.
    days: u8,
    /// Minutes after midnight.
    from: u16,
    /// Minutes after midnight, 24:00 among them; the first that is outside.
    to: u16,
}

impl Window {
    /// Whether it is open at this minute of this day (0 = Monday).
    #[must_use]
    pub const fn is_open(&self, day: u8, minute: u16) -> bool {
        let today = self.days >> (day % 7) & 1 == 1;
        let yesterday = self.days >> ((day + 6) % 7) & 1 == 1;
        if self.from < self.to {
            today && self.from <= minute && minute < self.to
        } else {
            (today && self.from <= minute) || (yesterday && minute < self.to)
        }
    }
}

impl FromStr for Window {
    type Err = String;

    /// `mon-fri 22:00-06:00`, `sat,sun 00:00-24:00`, `daily 08:00-18:30`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no window: write days and times such as `mon-fri 22:00-06:00`, `sat,sun 00:00-24:00` or `daily 08:00-18:30`"
            )
        };
        let (days, times) = text.trim().rsplit_once(' ').ok_or_else(wrong)?;
        let (from, to) = times.split_once('-').ok_or_else(wrong)?;
        let days = days_of(days.trim()).ok_or_else(wrong)?;
        let (from, to) = minute(from).zip(minute(to)).ok_or_else(wrong)?;
        if from == DAY || from == to {
            return Err(format!(
                "{text:?} has no length: a whole day is 00:00-24:00"
            ));
        }
        Ok(Self { days, from, to })
    }
}

fn days_of(text: &str) -> Option<u8> {
    if text == "daily" {
        return Some(0b0111_1111);
    }
    let day = |name: &str| DAYS.iter().position(|known| *known == name.trim());
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        // sat-mon goes over the end of the week.
        let count = (last + 7 - first) % 7;
        for nth in first..=first + count {
            days |= 1 << (nth % 7);
        }
    }
    Some(days)
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = two(hours).zip(two(minutes))?;
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= DAY).then_some(all)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<&str> = (0..7)
            .filter(|day| self.days >> day & 1 == 1)
            .map(|day| DAYS[day])
            .collect();
        let days = match all.len() {
            7 => "daily".to_owned(),
            _ => all.join(","),
        };
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, "{days} {}-{}", clock(self.from), clock(self.to))
    }
}

/// Weekly windows; open where any is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule(Vec<Window>);

impl Schedule {
    /// There is no window.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a window is open at `now` for people who live in `zone`.
    #[must_use]
    pub fn is_open(&self, now: Wall, zone: &Zone) -> bool {
        let (day, minute) = zone.shows(now);
        self.0.iter().any(|window| window.is_open(day, minute))
    }
}

impl FromStr for Schedule {
    type Err = String;

    /// Windows with `;` between them; an empty text has none.
    fn from_str(text: &str) -> Result<Self, String> {
        let windows = text.split(';').map(str::trim).filter(|w| !w.is_empty());
        let windows: Vec<Window> = windows.map(str::parse).collect::<Result<_, _>>()?;
        if windows.len() > MOST {
            return Err(format!("{} windows are more than {MOST}", windows.len()));
        }
        Ok(Self(windows))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows: Vec<String> = self.0.iter().map(Window::to_string).collect();
        f.write_str(&windows.join("; "))
    }
}

/// What clocks on the wall show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Default for Zone {
    fn default() -> Self {
        Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }
}

impl Zone {
    /// As it was written.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The day (0 = Monday) and the minute of it at this moment.
    #[must_use]
    pub fn shows(&self, at: Wall) -> (u8, u16) {
        let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        let moment = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        let local = self.zone.to_datetime(moment);
        let day = u8::try_from(local.weekday().to_monday_zero_offset()).unwrap_or_default();
        let of = |part: i8| u16::try_from(part).unwrap_or_default();
        (day, of(local.hour()) * 60 + of(local.minute()))
    }
}

impl FromStr for Zone {
    type Err = String;

    /// `Europe/Berlin` and the like (the IANA database's names, which the program carries), `UTC`, or `+02:00`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no time zone: write Europe/Berlin or another name of the IANA database, UTC, or an offset such as +02:00"
            )
        };
        let name = text.to_owned();
        let zone = match text.as_bytes() {
            [sign @ (b'+' | b'-'), rest @ ..] => {
                let minutes = std::str::from_utf8(rest).ok().and_then(minute);
                let minutes = minutes.filter(|m| *m < DAY).ok_or_else(wrong)?;
                let seconds = i32::from(minutes) * 60;
                let seconds = if *sign == b'-' { -seconds } else { seconds };
                TimeZone::fixed(Offset::from_seconds(seconds).map_err(|_| wrong())?)
            }
            b"UTC" => TimeZone::UTC,
            _ => TimeZone::get(text).map_err(|_| wrong())?,
        };
        Ok(Self { name, zone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Wall {
        let moment: Timestamp = text.parse().unwrap();
        Wall::from_secs(moment.as_second().try_into().unwrap())
    }

    fn berlin() -> Zone {
        "Europe/Berlin".parse().unwrap()
    }

    fn schedule(windows: &[&str]) -> Schedule {
        windows.join(";").parse().unwrap()
    }

    /// Minutes in which a schedule is open between two moments.
    fn open(schedule: &Schedule, zone: &Zone, from: &str, to: &str) -> usize {
        let (from, to) = (at(from).as_secs(), at(to).as_secs());
        (from..to)
            .step_by(60)
            .filter(|second| schedule.is_open(Wall::from_secs(*second), zone))
            .count()
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let nights = schedule(&["fri 22:00-06:00"]);
        let zone = berlin();
        // In November, Berlin is an hour ahead. 2026-11-20 is a Friday.
        for (moment, open) in [
            ("2026-11-20T04:00:00Z", false),
            ("2026-11-20T20:59:59Z", false),
            ("2026-11-20T21:00:00Z", true),
            ("2026-11-21T04:59:59Z", true),
            ("2026-11-21T05:00:00Z", false),
            ("2026-11-21T21:00:00Z", false),
        ] {
            assert_eq!(nights.is_open(at(moment), &zone), open, "{moment}");
        }
        let sunday = schedule(&["sun 23:00-01:00"]);
        assert!(
            sunday.is_open(at("2026-11-22T23:30:00Z"), &zone),
            "Monday, 0:30"
        );
    }

    #[test]
    fn when_summer_time_begins_the_skipped_hour_is_in_no_window_and_when_it_ends_the_doubled_one_is_twice()
     {
        let zone = berlin();
        let night = schedule(&["daily 22:00-06:00"]);
        // 2026-03-29: at 2:00 it is 3:00. 2026-10-25: at 3:00 it is 2:00.
        let spring = ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z");
        let autumn = ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z");
        assert_eq!(open(&night, &zone, spring.0, spring.1), 7 * 60);
        assert_eq!(open(&night, &zone, autumn.0, autumn.1), 9 * 60);
        let hour = schedule(&["sun 02:00-03:00"]);
        assert_eq!(open(&hour, &zone, spring.0, spring.1), 0);
        assert_eq!(open(&hour, &zone, autumn.0, autumn.1), 2 * 60);
        let fixed: Zone = "+01:00".parse().unwrap();
        assert_eq!(open(&night, &fixed, spring.0, spring.1), 8 * 60);
    }

    #[test]
    fn what_is_no_window_is_refused_with_the_way_to_write_it() {
        for bad in [
            "",
            "mon",
            "mon 8-9",
            "mon 08:00",
            "day 08:00-09:00",
            "mon 08:00-24:01",
            "mon 24:00-01:00",
            "mon 08:60-09:00",
            "mon 08:00-08:00",
            "mon +8:00-09:00",
            "mon, 08:00-09:00",
            "mon-fri22:00-06:00",
        ] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
        for (text, shown) in [
            ("mon-fri 22:00-06:00", "mon,tue,wed,thu,fri 22:00-06:00"),
            ("sat-mon 00:00-24:00", "mon,sat,sun 00:00-24:00"),
            ("mon-sun 01:02-03:04", "daily 01:02-03:04"),
        ] {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), shown);
        }
        for bad in ["", "Berlin", "+2", "+24:00", "../etc/passwd", "+-1:00"] {
            assert!(bad.parse::<Zone>().is_err(), "{bad}");
        }
        let many = vec!["daily 08:00-09:00"; MOST + 1].join(";");
        assert!(many.parse::<Schedule>().is_err());
        let two: Schedule = "sat,sun 00:00-24:00 ; mon 01:00-02:00;".parse().unwrap();
        assert_eq!(two.to_string(), "sat,sun 00:00-24:00; mon 01:00-02:00");
        assert!("".parse::<Schedule>().unwrap().is_empty());
    }

    prop_compose! {
        fn window()(days in 1u8..128, from in 0u16..DAY, to in 1u16..=DAY) -> Window {
            Window { days, from, to: if from == to { to % DAY + 1 } else { to } }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(window in window()) {
            prop_assert_eq!(window.to_string().parse::<Window>(), Ok(window));
        }

        #[test]
        fn a_window_is_open_exactly_its_length_after_each_beginning(window in window()) {
            let length = u32::from((window.to + DAY - window.from) % DAY);
            let length = if window.from < window.to { u32::from(window.to - window.from) } else { length };
            // Told by counting forward from each beginning, over the end of the week.
            let week = 7 * u32::from(DAY);
            let mut expected = vec![false; week as usize];
            for day in (0..7u32).filter(|day| window.days >> day & 1 == 1) {
                for after in 0..length {
                    let minute = (day * u32::from(DAY) + u32::from(window.from) + after) % week;
                    expected[minute as usize] = true;
                }
            }
            for minute in 0..week {
                let day = u8::try_from(minute / u32::from(DAY)).unwrap();
                let of_day = u16::try_from(minute % u32::from(DAY)).unwrap();
                prop_assert_eq!(window.is_open(day, of_day), expected[minute as usize], "{} {}", day, of_day);
            }
        }

        #[test]
        fn over_a_year_of_any_zone_it_is_open_when_the_zones_own_calendar_says_so(
            window in window(),
            zone in proptest::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "-03:30"]),
            minutes in proptest::collection::vec(0u64..366 * 24 * 60, 1..200),
        ) {
            let zone: Zone = zone.parse().unwrap();
            let schedule = Schedule(vec![window]);
            for minute in minutes {
                let now = Wall::from_secs(at("2026-01-01T00:00:00Z").as_secs() + minute * 60);
                let local = Timestamp::from_second(now.as_secs().try_into().unwrap()).unwrap().to_zoned(zone.zone.clone());
                let (hour, minute) = (local.hour() as u16, local.minute() as u16);
                let today = u8::try_from(local.weekday().to_monday_zero_offset()).unwrap();
                // The window of this calendar day, or of the one before where it goes over midnight.
                let here = |day: u8| window.days >> day & 1 == 1;
                let clock = hour * 60 + minute;
                let over = window.to <= window.from;
                let open = (here(today) && clock >= window.from && (over || clock < window.to))
                    || (over && here((today + 6) % 7) && clock < window.to);
                prop_assert_eq!(schedule.is_open(now, &zone), open);
            }
        }

        #[test]
        fn no_text_breaks_the_readers(text in ".{0,40}") {
            let _ = text.parse::<Window>();
            let _ = text.parse::<Zone>();
        }
    }
}
