//! Which recordings run: decides who may start and stop, what is due when, and what outlives a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Format;
use crate::clock::{Mono, Now, Wall};
use crate::storage::names::Stem;

/// From one `recording.progress` to the next.
const PROGRESS: Duration = Duration::from_secs(10);

/// Where a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Asked for; its file is not there yet. Left when it is, or when it cannot be.
    Starting,
    /// Its file grows.
    Recording,
    /// Somebody ends it. Left when its file is finished.
    Stopping,
}

impl State {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Recording => "RECORDING",
            Self::Stopping => "STOPPING",
        }
    }
}

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Where it stands.
    pub state: State,
    /// Its identifier: the name of its first file.
    pub stem: Stem,
    /// When its first picture was taken.
    pub start: Wall,
    /// When it ends by itself: on the wall for a restart, and on the clock that does not jump.
    pub until: Option<(Wall, Mono)>,
    /// Its files, in order.
    pub files: Vec<Stem>,
    /// What its files shall be in the end.
    pub format: Format,
    next_progress: Mono,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Its time is up.
    End(String),
    /// Tell how far it is.
    Progress(String),
}

/// All that run, by device.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The kernel's name of this boot; empty: not known.
    boot: String,
    sessions: BTreeMap<String, Option<Session>>,
    /// Files that shall be made plain and are not yet, of recordings that were ended; with their device.
    unfinished: BTreeMap<Stem, String>,
    /// Those that no client asked for: on a first track the camera's mode wants it, on a second it lies over a hole.
    by_mode: BTreeSet<String>,
}

/// One line of the note.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    device: String,
    files: Vec<String>,
    start_nanos: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    until_nanos: Option<u64>,
    /// The same on the clock that cannot jump, which holds in this boot alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    until_mono: Option<(String, u64)>,
    /// Its files shall be plain in the end.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    plain: bool,
    /// It was ended; its files are not plain yet.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    ended: bool,
    /// The camera's mode wants it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    by_mode: bool,
}

impl Ledger {
    /// Nothing runs. Of a boot whose name is empty no later start knows whether it is the same.
    #[must_use]
    pub fn new(boot: &str) -> Self {
        Self {
            boot: boot.to_owned(),
            ..Self::default()
        }
    }

    /// Takes a device for a start.
    ///
    /// # Errors
    /// The state of the recording that is there.
    pub fn begin(&mut self, device: &str) -> Result<(), State> {
        match self.state(device) {
            Some(state) => Err(state),
            None => {
                self.sessions.insert(device.to_owned(), None);
                Ok(())
            }
        }
    }

    /// The camera's mode wants it, or a hole in another one does; not a client.
    pub fn set_by_mode(&mut self, device: &str) {
        self.by_mode.insert(device.to_owned());
    }

    /// Whether no client asked for it.
    #[must_use]
    pub fn is_by_mode(&self, device: &str) -> bool {
        self.by_mode.contains(device)
    }

    /// It goes on as another recording, of a file whose first picture was taken at `start`; gives back what it was.
    pub fn roll(&mut self, device: &str, stem: Stem, start: Wall, now: Mono) -> Option<Session> {
        let session = self.sessions.get_mut(device)?.as_mut()?;
        let before = session.clone();
        session.files = vec![stem.clone()];
        session.stem = stem;
        session.start = start;
        session.next_progress = now + PROGRESS;
        Some(before)
    }

    /// Where the recording of a device stands, if there is one.
    #[must_use]
    pub fn state(&self, device: &str) -> Option<State> {
        let session = self.sessions.get(device)?;
        Some(session.as_ref().map_or(State::Starting, |s| s.state))
    }

    /// Its file is there, its first picture was taken at `start`; returns when it ends by itself.
    pub fn started(
        &mut self,
        device: &str,
        stem: Stem,
        start: Wall,
        wanted: (Option<Duration>, Format),
        now: Now,
    ) -> Option<Wall> {
        let (duration, format) = wanted;
        let until = duration.map(|whole| {
            let gone = Duration::from_nanos(now.wall.as_nanos().saturating_sub(start.as_nanos()));
            (
                after(start, whole),
                now.mono + whole.saturating_sub(gone.min(whole)),
            )
        });
        let session = Session {
            state: State::Recording,
            files: vec![stem.clone()],
            stem,
            start,
            until,
            format,
            next_progress: now.mono + PROGRESS,
        };
        self.sessions.insert(device.to_owned(), Some(session));
        until.map(|(wall, _)| wall)
    }

    /// It could not be started, or is finished.
    pub fn remove(&mut self, device: &str) {
        self.sessions.remove(device);
        self.by_mode.remove(device);
    }

    /// Takes a running recording for its end.
    ///
    /// # Errors
    /// The state it is in instead; `None`: there is none.
    pub fn end(&mut self, device: &str) -> Result<Session, Option<State>> {
        match self.sessions.get_mut(device) {
            None => Err(None),
            Some(None) => Err(Some(State::Starting)),
            Some(Some(session)) if session.state == State::Recording => {
                session.state = State::Stopping;
                if session.format == Format::Mp4 {
                    let files = session.files.iter();
                    self.unfinished
                        .extend(files.map(|file| (file.clone(), device.to_owned())));
                }
                Ok(session.clone())
            }
            Some(Some(session)) => Err(Some(session.state)),
        }
    }

    /// A recording of a device.
    #[must_use]
    pub fn get(&self, device: &str) -> Option<&Session> {
        self.sessions.get(device)?.as_ref()
    }

    /// Whether a recording of a device begins, runs or ends.
    #[must_use]
    pub fn is_known(&self, device: &str) -> bool {
        self.sessions.contains_key(device)
    }

    /// It got a further file.
    pub fn add(&mut self, device: &str, file: Stem) {
        if let Some(Some(session)) = self.sessions.get_mut(device) {
            if session.state == State::Stopping && session.format == Format::Mp4 {
                self.unfinished.insert(file.clone(), device.to_owned());
            }
            session.files.push(file);
        }
    }

    /// The devices whose files grow.
    #[must_use]
    pub fn devices(&self) -> Vec<String> {
        let growing = self.sessions.iter().filter(|(_, s)| s.is_some());
        growing.map(|(device, _)| device.clone()).collect()
    }

    /// The devices whose recording begins.
    #[must_use]
    pub fn starting(&self) -> Vec<String> {
        let starting = self.sessions.iter().filter(|(_, s)| s.is_none());
        starting.map(|(device, _)| device.clone()).collect()
    }

    /// Whether a file has been recorded and shall be made plain.
    #[must_use]
    pub fn is_finalising(&self, file: &Stem) -> bool {
        self.unfinished.contains_key(file)
    }

    /// The files that shall be made plain and are not yet, and whose they are.
    #[must_use]
    pub fn unfinished(&self) -> Vec<(Stem, String)> {
        let all = self.unfinished.iter();
        all.map(|(stem, device)| (stem.clone(), device.clone()))
            .collect()
    }

    /// A file is plain, or cannot be made so.
    pub fn finalised(&mut self, file: &Stem) {
        self.unfinished.remove(file);
    }

    /// Every file of a recording that runs, or that is being made plain.
    #[must_use]
    pub fn files(&self) -> BTreeSet<Stem> {
        let running = self.sessions.values().flatten();
        running
            .flat_map(|s| &s.files)
            .chain(self.unfinished.keys())
            .cloned()
            .collect()
    }

    /// What is to be done at `now`; each thing once.
    pub fn due(&mut self, now: Mono) -> Vec<Due> {
        let mut due = Vec::new();
        for (device, session) in &mut self.sessions {
            let Some(session) = session.as_mut().filter(|s| s.state == State::Recording) else {
                continue;
            };
            if session.until.is_some_and(|(_, at)| at <= now) {
                due.push(Due::End(device.clone()));
            } else if session.next_progress <= now {
                session.next_progress = now + PROGRESS;
                due.push(Due::Progress(device.clone()));
            }
        }
        due
    }

    /// When to call [`Ledger::due`] next; `None` while nothing runs.
    #[must_use]
    pub fn wake(&self) -> Option<Mono> {
        let running = self.sessions.values().flatten();
        running
            .filter(|s| s.state == State::Recording)
            .flat_map(|s| {
                s.until
                    .map(|(_, at)| at)
                    .into_iter()
                    .chain([s.next_progress])
            })
            .min()
    }

    /// What must outlive a restart: all but those that somebody has ended, and the files that are not plain yet.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines: Vec<Line> = self
            .sessions
            .iter()
            .filter_map(|(device, session)| {
                let session = session.as_ref().filter(|s| s.state == State::Recording)?;
                Some(Line {
                    device: device.clone(),
                    files: session.files.iter().map(Stem::to_string).collect(),
                    start_nanos: session.start.as_nanos(),
                    until_nanos: session.until.map(|(wall, _)| wall.as_nanos()),
                    until_mono: session
                        .until
                        .filter(|_| !self.boot.is_empty())
                        .map(|(_, mono)| (self.boot.clone(), mono.as_nanos())),
                    plain: session.format == Format::Mp4,
                    ended: false,
                    by_mode: self.is_by_mode(device),
                })
            })
            .chain(self.unfinished.iter().map(|(stem, device)| Line {
                device: device.clone(),
                files: vec![stem.to_string()],
                start_nanos: 0,
                until_nanos: None,
                until_mono: None,
                plain: true,
                ended: true,
                by_mode: false,
            }))
            .collect();
        // Texts and whole numbers always have a JSON form.
        serde_json::to_string_pretty(&lines).unwrap_or_default()
    }

    /// What ran when the service ended; those whose time is up are due at once.
    ///
    /// # Errors
    /// What is wrong with the note.
    pub fn from_text(text: &str, now: Now, boot: &str) -> Result<Self, String> {
        let lines: Vec<Line> = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let mut ledger = Self::new(boot);
        for line in lines {
            let files: Vec<Stem> = line
                .files
                .iter()
                .map(|name| name.parse().map_err(|_| format!("{name:?} is no name")))
                .collect::<Result<_, _>>()?;
            let stem = files.first().cloned().ok_or("a recording has no file")?;
            if !crate::mediamtx::paths::is_name(&line.device) {
                return Err(format!("{:?} is no camera or stream", line.device));
            }
            if line.ended {
                let files = files.into_iter();
                ledger
                    .unfinished
                    .extend(files.map(|file| (file, line.device.clone())));
                continue;
            }
            let start = Wall::from_nanos(line.start_nanos);
            let same_boot = line.until_mono.filter(|(of, _)| of == boot);
            let until = line.until_nanos.map(|nanos| {
                // The clock on the wall may have been set since. A virtual machine that was restored has the name of the
                // boot it was saved in, and another time since then.
                let whole = nanos.saturating_sub(line.start_nanos);
                if let Some((_, mono)) = same_boot
                    && mono.saturating_sub(now.mono.as_nanos()) <= whole
                {
                    return (Wall::from_nanos(nanos), Mono::from_nanos(mono));
                }
                // A clock that stands before the beginning knows nothing of the end: the whole time counts anew.
                let from = now.wall.as_nanos().max(line.start_nanos);
                let rest = if now.wall < start {
                    nanos.saturating_sub(line.start_nanos)
                } else {
                    nanos.saturating_sub(from)
                };
                (
                    Wall::from_nanos(nanos),
                    now.mono + Duration::from_nanos(rest),
                )
            });
            let session = Session {
                state: State::Recording,
                stem,
                start,
                until,
                files,
                format: if line.plain {
                    Format::Mp4
                } else {
                    Format::Fmp4
                },
                next_progress: now.mono + PROGRESS,
            };
            if line.by_mode {
                ledger.by_mode.insert(line.device.clone());
            }
            ledger.sessions.insert(line.device, Some(session));
        }
        Ok(ledger)
    }
}

/// `span` after `moment`.
fn after(moment: Wall, span: Duration) -> Wall {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Wall::from_nanos(moment.as_nanos().saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOOT: &str = "this one";

    fn at(secs: u64) -> Now {
        Now {
            mono: Mono::from_nanos(secs * 1_000_000_000),
            wall: Wall::from_secs(1_790_000_000 + secs),
        }
    }

    fn stem(text: &str) -> Stem {
        text.parse().unwrap()
    }

    fn running(duration: Option<u64>) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.begin("camera0").unwrap();
        ledger.started(
            "camera0",
            stem("a"),
            at(0).wall,
            (duration.map(Duration::from_secs), Format::Fmp4),
            at(1),
        );
        ledger
    }

    #[test]
    fn one_recording_at_a_time_of_one_camera() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.begin("camera0"), Ok(()));
        assert_eq!(ledger.begin("camera0"), Err(State::Starting));
        assert_eq!(ledger.end("camera0"), Err(Some(State::Starting)));
        assert_eq!(ledger.begin("camera1"), Ok(()));
        ledger.started(
            "camera0",
            stem("a"),
            at(0).wall,
            (None, Format::Fmp4),
            at(0),
        );
        assert_eq!(ledger.begin("camera0"), Err(State::Recording));
        assert_eq!(ledger.end("camera0").unwrap().stem, stem("a"));
        assert_eq!(ledger.end("camera0"), Err(Some(State::Stopping)));
        ledger.remove("camera0");
        assert_eq!(ledger.end("camera0"), Err(None));
        assert_eq!(ledger.begin("camera0"), Ok(()));
    }

    #[test]
    fn a_timed_recording_ends_so_long_after_its_first_picture() {
        let mut ledger = running(Some(30));
        assert_eq!(ledger.wake(), Some(at(11).mono));
        assert_eq!(ledger.due(at(29).mono), [Due::Progress("camera0".into())]);
        assert_eq!(ledger.due(at(29).mono), []);
        assert_eq!(ledger.due(at(30).mono), [Due::End("camera0".into())]);
        ledger.end("camera0").unwrap();
        assert_eq!((ledger.due(at(60).mono), ledger.wake()), (vec![], None));
    }

    #[test]
    fn an_endless_recording_tells_its_progress_every_ten_seconds() {
        let mut ledger = running(None);
        let told = (0..=100)
            .filter(|s| !ledger.due(at(*s).mono).is_empty())
            .count();
        assert_eq!(told, 9);
    }

    #[test]
    fn a_timed_recording_keeps_its_end_over_a_restart() {
        let mut ledger = running(Some(30));
        ledger.boot = "before".into();
        ledger.add("camera0", stem("a-2"));
        let text = ledger.to_text();
        // After a reboot, the clock that does not jump begins anew.
        let later = |secs: u64| Now {
            mono: Mono::from_nanos(5_000_000_000),
            wall: at(secs).wall,
        };
        let again = Ledger::from_text(&text, later(20), BOOT).unwrap();
        assert_eq!(again.wake(), Some(Mono::from_nanos(15_000_000_000)));
        assert_eq!(again.files(), [stem("a"), stem("a-2")].into());
        let mut late = Ledger::from_text(&text, later(500), BOOT).unwrap();
        assert_eq!(late.due(later(500).mono), [Due::End("camera0".into())]);
        // Booted without a clock, in 1970.
        let lost = Now {
            mono: Mono::from_nanos(0),
            wall: Wall::from_secs(5),
        };
        assert_eq!(
            Ledger::from_text(&text, lost, BOOT).unwrap().wake(),
            Some(Mono::from_nanos(10_000_000_000))
        );
    }

    #[test]
    fn a_timed_recording_keeps_its_length_though_the_clock_is_set_while_the_service_restarts() {
        let mut ledger = running(Some(30));
        ledger.boot = BOOT.into();
        let text = ledger.to_text();
        for wall in [Wall::from_secs(5), at(20).wall, at(1 << 30).wall] {
            let mono = at(20).mono;
            let again = Ledger::from_text(&text, Now { mono, wall }, BOOT).unwrap();
            assert_eq!(again.wake(), Some(at(30).mono), "{wall:?}");
            assert_eq!(again.to_text(), text);
        }
    }

    #[test]
    fn a_machine_that_was_put_back_to_an_earlier_time_goes_by_the_wall() {
        let mut ledger = Ledger::new(BOOT);
        ledger.begin("camera0").unwrap();
        let wanted = (Some(Duration::from_secs(30)), Format::Fmp4);
        ledger.started("camera0", stem("a"), at(100).wall, wanted, at(100));
        let (mono, wall) = (at(10).mono, at(120).wall);
        let again = Ledger::from_text(&ledger.to_text(), Now { mono, wall }, BOOT).unwrap();
        assert_eq!(again.wake(), Some(at(20).mono));
    }

    #[test]
    fn one_that_has_no_file_yet_does_not_outlive_a_restart() {
        let mut ledger = Ledger::default();
        ledger.begin("camera0").unwrap();
        assert_eq!(ledger.to_text(), "[]");
    }

    #[test]
    fn a_file_that_shall_become_plain_is_remembered_until_it_is() {
        let mut ledger = Ledger::default();
        ledger.begin("camera0").unwrap();
        let wanted = (None, Format::Mp4);
        ledger.started("camera0", stem("a"), at(0).wall, wanted, at(0));
        let mut ledger = Ledger::from_text(&ledger.to_text(), at(1), BOOT).unwrap();
        assert_eq!(ledger.get("camera0").unwrap().format, Format::Mp4);
        ledger.end("camera0").unwrap();
        ledger.add("camera0", stem("a-2"));
        ledger.remove("camera0");
        let mut again = Ledger::from_text(&ledger.to_text(), at(2), BOOT).unwrap();
        assert_eq!(again.files(), [stem("a"), stem("a-2")].into());
        assert!(!again.is_known("camera0"), "it keeps nobody from recording");
        assert_eq!(again.to_text(), ledger.to_text());
        for (file, device) in again.unfinished() {
            assert_eq!(device, "camera0");
            again.finalised(&file);
        }
        assert_eq!(again.to_text(), "[]");
    }

    #[test]
    fn a_damaged_note_is_refused() {
        for bad in [
            "",
            "{}",
            r#"[{"device":"../x","files":["a"],"start_nanos":1}]"#,
            r#"[{"device":"camera0","files":[],"start_nanos":1}]"#,
            r#"[{"device":"camera0","files":["../a"],"start_nanos":1}]"#,
        ] {
            assert!(Ledger::from_text(bad, at(0), BOOT).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_order_of_calls_no_file_is_forgotten_while_it_runs(calls in proptest::collection::vec((0_u8..5, 0_u8..3), 0..60)) {
            let mut ledger = Ledger::default();
            let mut files: BTreeMap<String, Vec<Stem>> = BTreeMap::new();
            for (n, (call, device)) in calls.into_iter().enumerate() {
                let device = format!("camera{device}");
                let name = stem(&format!("f{n}"));
                match call {
                    0 => { let _ = ledger.begin(&device); }
                    1 if ledger.begin(&device) == Err(State::Starting) => {
                        ledger.started(&device, name.clone(), at(0).wall, (None, Format::Fmp4), at(0));
                        files.insert(device, vec![name]);
                    }
                    2 => {
                        ledger.add(&device, name.clone());
                        if let Some(known) = files.get_mut(&device) { known.push(name); }
                    }
                    3 => { let _ = ledger.end(&device); }
                    4 if ledger.get(&device).is_some_and(|s| s.state == State::Stopping) => {
                        ledger.remove(&device);
                        files.remove(&device);
                    }
                    _ => {}
                }
                let expected: BTreeSet<Stem> = files.values().flatten().cloned().collect();
                prop_assert_eq!(ledger.files(), expected);
                let again = Ledger::from_text(&ledger.to_text(), at(0), BOOT).unwrap();
                let not_ended = ledger.devices().into_iter().filter(|d| ledger.get(d).is_some_and(|s| s.state == State::Recording));
                prop_assert_eq!(again.devices(), not_ended.collect::<Vec<_>>());
            }
        }
    }
}
