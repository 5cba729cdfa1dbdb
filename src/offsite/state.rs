//! How the off-site copy is, for people and programs: decides the word, keeps the figures, and tells each trouble once.

use std::collections::VecDeque;
use std::time::Duration;

use super::cause::{Cause, Patience};
use super::hold::Hold;
use crate::clock::{Mono, Wall};
use crate::events::{Event, Topic};
use crate::system::alarms::{About, Alarm};
use crate::system::samples::Sample;

/// Over so long the bytes a second are told.
const SPAN: Duration = Duration::from_secs(10);
/// Failures in a row from which on health says so: a cut of some seconds is none of its business.
const FAILING: u32 = 4;
/// How long it is told that files went without a copy.
const SHED: Duration = Duration::from_secs(24 * 3600);

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everything has its copy.
    Idle,
    /// A file is being copied.
    Copying,
    /// The store failed and is tried again by itself.
    Retrying,
    /// Somebody must do something first; it is tried again now and then.
    Refused,
    /// It is not the hour.
    OutsideWindow,
    /// The way out is a metered link.
    Metered,
}

impl State {
    /// The words on the wire.
    pub const WORDS: &'static [&'static str] = &[
        "OFF",
        "IDLE",
        "COPYING",
        "RETRYING",
        "REFUSED",
        "OUTSIDE_WINDOW",
        "METERED_LINK",
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Copying => "COPYING",
            Self::Retrying => "RETRYING",
            Self::Refused => "REFUSED",
            Self::OutsideWindow => "OUTSIDE_WINDOW",
            Self::Metered => "METERED_LINK",
        }
    }
}

/// The last failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// When.
    pub at: Wall,
    /// What, and what to do.
    pub cause: Cause,
    /// It is not over.
    pub lasts: bool,
}

/// The file that is being copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// The object's name.
    pub object: String,
    /// Bytes.
    pub size: u64,
    /// Bytes that the store has of it.
    pub stored: u64,
}

/// Everything that is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The store, for people.
    pub store: String,
    /// What it does.
    pub state: State,
    /// Files without a copy.
    pub waiting: usize,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Files copied since the start, those found at the store included.
    pub copied: u64,
    /// Bytes of bodies handed to the network since the start, those of failed attempts included.
    pub sent_bytes: u64,
    /// Bytes a second over the last seconds.
    pub rate: u64,
    /// What is being copied.
    pub current: Option<Current>,
    /// When the last copy was verified.
    pub last_success: Option<Wall>,
    /// What failed last.
    pub trouble: Option<Trouble>,
    /// Failures of the store in a row.
    pub failures: u32,
    /// When the store is asked again, where it is left alone.
    pub next_try: Option<Wall>,
    /// Limits on what is kept wait for the copy.
    pub keeps: bool,
    /// Files that were deleted without a copy since the start because the medium was full.
    pub shed: u64,
}

/// What is remembered.
#[derive(Debug, Default)]
pub struct Figures {
    /// Files copied.
    pub copied: u64,
    /// What is being copied.
    pub current: Option<Current>,
    /// When the last copy was verified.
    pub last_success: Option<Wall>,
    /// What failed last.
    pub trouble: Option<Trouble>,
    /// Why copies wait.
    pub hold: Option<Hold>,
    shed: u64,
    shed_last: Option<Mono>,
    marks: VecDeque<(Mono, u64)>,
}

impl Figures {
    /// The word for what it does.
    #[must_use]
    pub fn state(&self, waiting: usize) -> State {
        let lasting = self.trouble.as_ref().filter(|trouble| trouble.lasts);
        match (&self.hold, lasting) {
            _ if waiting == 0 => State::Idle,
            (Some(Hold::Hours), _) => State::OutsideWindow,
            (Some(Hold::Link(_)), _) => State::Metered,
            (None, Some(trouble)) if trouble.cause.patience == Patience::Long => State::Refused,
            (None, Some(trouble)) if trouble.cause.patience == Patience::Soon => State::Retrying,
            (None, _) => State::Copying,
        }
    }

    /// So many bytes have gone at `now`, since the start.
    pub fn mark(&mut self, now: Mono, sent: u64) {
        self.marks.push_back((now, sent));
        while self.marks.len() > 64
            || (self.marks.len() > 2
                && self
                    .marks
                    .get(1)
                    .is_some_and(|(at, _)| now.since(*at) >= SPAN))
        {
            self.marks.pop_front();
        }
    }

    /// Bytes a second over the last seconds.
    #[must_use]
    pub fn rate(&self, now: Mono) -> u64 {
        let (Some((from, before)), Some((to, after))) = (self.marks.front(), self.marks.back())
        else {
            return 0;
        };
        let millis = u64::try_from(to.since(*from).as_millis()).unwrap_or(u64::MAX);
        if millis == 0 || now.since(*to) > SPAN {
            return 0;
        }
        (after - before).saturating_mul(1000) / millis
    }

    /// A copy was made and verified.
    pub fn succeeded(&mut self, at: Wall) {
        self.copied += 1;
        self.last_success = Some(at);
        self.well();
    }

    /// The store serves.
    pub fn well(&mut self) {
        if let Some(trouble) = &mut self.trouble {
            trouble.lasts = false;
        }
    }

    /// Something failed; gives the event that says so, where it is news.
    pub fn failed(&mut self, cause: Cause, at: Wall) -> Option<Event> {
        let known = self.trouble.as_ref();
        let news = known.is_none_or(|known| !known.lasts || known.cause.word != cause.word);
        let event = news.then(|| {
            Event::new(Topic::SystemError, at)
                .with("component", "offsite")
                .with("code", cause.word)
                .with("reason", cause.what.as_str())
                .with("action", cause.action)
        });
        self.trouble = Some(Trouble {
            at,
            cause,
            lasts: true,
        });
        event
    }

    /// A file was deleted that had no copy, because the medium was full; gives the event that says so, the first time in
    /// a day.
    pub fn shed(&mut self, name: &str, now: Mono, at: Wall) -> Option<Event> {
        let news = self.shed_last.is_none_or(|last| now.since(last) > SHED);
        self.shed += 1;
        self.shed_last = Some(now);
        news.then(|| {
            Event::new(Topic::SystemError, at)
                .with("component", "offsite")
                .with("code", "offsite_shed")
                .with("reason", format!("{name} was deleted before it was copied: the medium was full and everything with a copy was gone"))
                .with("action", SHED_ACTION)
        })
    }

    /// Files deleted without a copy.
    #[must_use]
    pub const fn shed_count(&self) -> u64 {
        self.shed
    }

    /// What health has of it.
    #[must_use]
    pub fn alarms(&self, failures: u32, now: Mono) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        let lasting = self.trouble.as_ref().filter(|trouble| trouble.lasts);
        let told = lasting.filter(|trouble| match trouble.cause.patience {
            Patience::Long => true,
            Patience::Soon => failures >= FAILING,
            Patience::File => false,
        });
        if let Some(trouble) = told {
            alarms.push(Alarm {
                about: About::OffsiteFailing,
                what: format!("no copies are made: {}", trouble.cause.what),
                action: trouble.cause.action.to_owned(),
            });
        }
        if self.shed_last.is_some_and(|last| now.since(last) <= SHED) {
            alarms.push(Alarm {
                about: About::OffsiteShed,
                what: format!(
                    "{} files were deleted before they were copied, because the medium was full",
                    self.shed
                ),
                action: SHED_ACTION.to_owned(),
            });
        }
        alarms
    }
}

const SHED_ACTION: &str = "mend the way to the store (get_offsite_status tells what is wrong), raise offsite.bytes_per_second, or record less";

/// What `/metrics` shows of a report.
#[must_use]
pub fn samples(report: &Report) -> Vec<Sample> {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let failing = matches!(report.state, State::Retrying | State::Refused);
    let seconds = report.last_success.map_or(0, Wall::as_secs);
    vec![
        Sample::whole(
            "camera_service_offsite_waiting_files",
            false,
            "Files that wait for their copy.",
            count(report.waiting),
        ),
        Sample::whole(
            "camera_service_offsite_waiting_bytes",
            false,
            "Bytes of files that wait for their copy.",
            report.waiting_bytes,
        ),
        Sample::whole(
            "camera_service_offsite_copied_total",
            true,
            "Files copied and verified.",
            report.copied,
        ),
        Sample::whole(
            "camera_service_offsite_sent_bytes_total",
            true,
            "Bytes of files sent to the store, those of failed attempts included.",
            report.sent_bytes,
        ),
        Sample::whole(
            "camera_service_offsite_failing",
            false,
            "1 while the store refuses or cannot be reached.",
            u64::from(failing),
        ),
        Sample::whole(
            "camera_service_offsite_last_success_timestamp_seconds",
            false,
            "Unix time of the last verified copy; 0 where there was none since the start.",
            seconds,
        ),
        Sample::whole(
            "camera_service_offsite_shed_total",
            true,
            "Files deleted before they were copied, because the medium was full.",
            report.shed,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::cause::{Seen, understand};
    use super::*;

    fn at(seconds: u64) -> (Mono, Wall) {
        (
            Mono::from_nanos(seconds * 1_000_000_000),
            Wall::from_secs(seconds),
        )
    }

    #[test]
    fn a_trouble_is_told_once_and_health_says_so_until_it_is_over() {
        let mut figures = Figures::default();
        let refused = understand(&Seen::Answer {
            status: 403,
            code: Some("SignatureDoesNotMatch".to_owned()),
        });
        let (now, wall) = at(5);
        let event = figures.failed(refused.clone(), wall).unwrap();
        assert_eq!(event.data["code"], "credentials_refused");
        assert!(event.data["action"].as_str().unwrap().len() > 20);
        assert_eq!(figures.failed(refused.clone(), wall), None);
        assert_eq!(figures.state(3), State::Refused);
        assert_eq!(figures.alarms(1, now)[0].about, About::OffsiteFailing);
        figures.succeeded(wall);
        assert_eq!(figures.state(3), State::Copying);
        assert!(figures.alarms(0, now).is_empty());
        assert!(!figures.trouble.as_ref().unwrap().lasts, "it is still told");
        assert!(figures.failed(refused, wall).is_some(), "it is news again");
    }

    #[test]
    fn a_short_cut_is_no_matter_of_health_and_a_long_one_is() {
        let mut figures = Figures::default();
        let (now, wall) = at(5);
        figures.failed(understand(&Seen::Silent), wall);
        assert_eq!(figures.state(1), State::Retrying);
        assert!(figures.alarms(1, now).is_empty());
        assert_eq!(figures.alarms(FAILING, now).len(), 1);
        figures.hold = Some(Hold::Link("wwan0".to_owned()));
        assert_eq!(figures.state(1), State::Metered);
        assert_eq!(figures.state(0), State::Idle);
    }

    #[test]
    fn a_file_that_went_without_a_copy_is_told_and_remembered_for_a_day() {
        let mut figures = Figures::default();
        let ((now, wall), (later, _)) = (at(5), at(5 + 25 * 3600));
        assert!(figures.shed("party", now, wall).is_some());
        assert!(figures.shed("picnic", now, wall).is_none());
        assert_eq!(figures.alarms(0, now)[0].about, About::OffsiteShed);
        assert!(figures.alarms(0, later).is_empty());
        assert_eq!(figures.shed_count(), 2);
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut figures = Figures::default();
        assert_eq!(figures.rate(at(0).0), 0);
        for second in 0..=30 {
            let sent = if second < 15 { 0 } else { (second - 15) * 1000 };
            figures.mark(at(second).0, sent);
        }
        assert_eq!(figures.rate(at(30).0), 1000);
        assert_eq!(figures.rate(at(50).0), 0, "nothing went for long");
    }
}
