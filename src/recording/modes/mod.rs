//! When cameras are recorded by themselves: decides what should run now.
//!
//! Each camera has a [`Mode`], its own or the configuration's. [`Modes::decide`] compares what it asks for with what runs,
//! and says what to begin and what to end; `io.rs` does it, once a second and whenever a mode is set. A recording that
//! could not begin is tried again after a pause that doubles. The recorder itself rolls what runs, and resumes it after a
//! restart, whatever the mode: here it is only begun and ended.

pub mod io;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ledger::State;
use super::schedule::{Schedule, Zone};
use crate::camera::CameraId;
use crate::clock::{Mono, Now};
use crate::error::Later;
use crate::storage::trust::EARLIEST;

/// A camera that has been away for so long is not recorded any more until it is back; before that, its recording holds
/// the slate, as viewers see it.
pub const AWAY: Duration = Duration::from_secs(30);
/// From a start that failed to the next, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// When a camera is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// When somebody asks.
    #[default]
    Manual,
    /// Always.
    Continuous,
    /// In weekly windows.
    Scheduled,
}

impl Mode {
    /// The words on the wire.
    pub const WORDS: &[&str] = &["manual", "continuous", "scheduled"];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Continuous => "continuous",
            Self::Scheduled => "scheduled",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Manual, Self::Continuous, Self::Scheduled]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of {}", Self::WORDS.join(", ")))
    }
}

/// What is wished of a camera.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// When it is recorded.
    pub mode: Mode,
    /// In which windows, where that is what counts.
    pub schedule: Schedule,
}

/// Why a camera is recorded by itself now, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is only recorded when somebody asks.
    Manual,
    /// It is always recorded.
    Continuous,
    /// A window is open.
    Open,
    /// No window is open.
    Closed,
    /// The clock cannot tell whether a window is open, so it is recorded.
    ClockUnknown,
}

impl Reason {
    /// Whether it is to be recorded.
    #[must_use]
    pub const fn records(self) -> bool {
        matches!(self, Self::Continuous | Self::Open | Self::ClockUnknown)
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Continuous => "continuous",
            Self::Open => "window_open",
            Self::Closed => "window_closed",
            Self::ClockUnknown => "clock_unknown",
        }
    }
}

impl Wish {
    /// What it says now.
    ///
    /// A clock before 2026 is wrong and opens and closes no window: what might be wanted is recorded, for it can be
    /// deleted later. Any other clock is followed at once, also where it steps.
    #[must_use]
    pub fn says(&self, now: Now, zone: &Zone) -> Reason {
        match self.mode {
            Mode::Manual => Reason::Manual,
            Mode::Continuous => Reason::Continuous,
            Mode::Scheduled if self.schedule.is_empty() => Reason::Closed,
            Mode::Scheduled if now.wall < EARLIEST => Reason::ClockUnknown,
            Mode::Scheduled if self.schedule.is_open(now.wall, zone) => Reason::Open,
            Mode::Scheduled => Reason::Closed,
        }
    }
}

/// What is seen of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub camera: CameraId,
    /// Its device is there.
    pub present: bool,
    /// The state of what is recorded on its first track, by whomever.
    pub track: Option<State>,
    /// That is what the mode wants.
    pub by_mode: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Begin a recording.
    Start(CameraId),
    /// End the one that the mode began.
    Stop(CameraId),
}

/// What is remembered of a camera.
#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    /// Since when it has been away.
    away: Option<Mono>,
    /// When the next start may be tried, and the pause that led there.
    again: Option<(Mono, Duration)>,
}

/// Every camera's mode, and what became of it.
#[derive(Debug, Default)]
pub struct Modes {
    /// Holds where a camera has none of its own.
    default: Wish,
    zone: Zone,
    own: BTreeMap<CameraId, Wish>,
    memory: BTreeMap<CameraId, Memory>,
}

/// One line of what is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    camera: String,
    mode: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    schedule: String,
}

impl Modes {
    /// All cameras as the configuration says.
    #[must_use]
    pub fn new(default: Wish, zone: Zone) -> Self {
        Self {
            default,
            zone,
            ..Self::default()
        }
    }

    /// What is wished of a camera.
    #[must_use]
    pub fn wish(&self, camera: CameraId) -> &Wish {
        self.own.get(&camera).unwrap_or(&self.default)
    }

    /// Whether a camera has a mode of its own.
    #[must_use]
    pub fn has_own(&self, camera: CameraId) -> bool {
        self.own.contains_key(&camera)
    }

    /// What local time is.
    #[must_use]
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Gives a camera a mode of its own, or takes it away; it is tried at once.
    pub fn set(&mut self, camera: CameraId, wish: Option<Wish>) {
        self.memory.remove(&camera);
        match wish {
            Some(wish) => self.own.insert(camera, wish),
            None => self.own.remove(&camera),
        };
    }

    /// What must outlive a restart.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines: Vec<Line> = self
            .own
            .iter()
            .map(|(camera, wish)| Line {
                camera: camera.to_string(),
                mode: wish.mode.to_string(),
                schedule: wish.schedule.to_string(),
            })
            .collect();
        // Texts always have a JSON form.
        serde_json::to_string_pretty(&lines).unwrap_or_default()
    }

    /// Takes what was kept.
    ///
    /// # Errors
    /// What is wrong with it; nothing was taken then.
    pub fn take(&mut self, text: &str) -> Result<(), String> {
        let lines: Vec<Line> = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let own = lines.into_iter().map(|line| {
            let wish = Wish {
                mode: line.mode.parse()?,
                schedule: line.schedule.parse()?,
            };
            Ok((line.camera.parse::<CameraId>()?, wish))
        });
        self.own = own.collect::<Result<_, String>>()?;
        Ok(())
    }

    /// A start that was ordered has failed, or what was in its way was.
    pub fn failed(&mut self, camera: CameraId, now: Mono) {
        let memory = self.memory.entry(camera).or_default();
        let pause = memory
            .again
            .map_or(AGAIN.0, |(_, pause)| (pause * 2).min(AGAIN.1));
        memory.again = Some((now + pause, pause));
    }

    /// A recording runs that the mode wants.
    pub fn succeeded(&mut self, camera: CameraId) {
        if let Some(memory) = self.memory.get_mut(&camera) {
            memory.again = None;
        }
    }

    /// What is to be done now.
    pub fn decide(&mut self, seen: &[Seen], now: Now) -> Vec<Order> {
        self.memory
            .retain(|camera, _| seen.iter().any(|s| s.camera == *camera));
        seen.iter()
            .filter_map(|seen| self.decide_one(seen, now))
            .collect()
    }

    fn decide_one(&mut self, seen: &Seen, now: Now) -> Option<Order> {
        let wanted = self.wish(seen.camera).says(now, &self.zone).records();
        let memory = self.memory.entry(seen.camera).or_default();
        let away = (!seen.present).then(|| *memory.away.get_or_insert(now.mono));
        if seen.present {
            memory.away = None;
        }
        let gone = away.is_some_and(|since| now.mono.since(since) >= AWAY);
        match seen.track {
            Some(State::Recording) if seen.by_mode && (!wanted || gone) => {
                Some(Order::Stop(seen.camera))
            }
            None if wanted && seen.present => {
                let early = memory.again.is_some_and(|(at, _)| now.mono < at);
                (!early).then_some(Order::Start(seen.camera))
            }
            _ => None,
        }
    }
}

/// How a camera stands, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What is wished.
    pub wish: Wish,
    /// It is the camera's own, not the configuration's.
    pub own: bool,
    /// What that says now.
    pub reason: Reason,
    /// What local time is.
    pub zone: String,
    /// A recording runs because of it.
    pub records: bool,
}

/// Modes, as the methods ask for them.
pub trait Moding: Send + Sync {
    /// How a camera stands; answers from memory.
    fn standing(&self, camera: CameraId) -> Standing;

    /// Gives a camera a mode of its own, or the configuration's again; comes back when that is kept over restarts.
    fn set(&self, camera: CameraId, wish: Option<Wish>) -> Later<Standing>;
}

#[cfg(test)]
mod tests;
