//! What the rest of the service sees of MediaMTX: one snapshot, always there, never older than it says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::api::PathInfo;
use super::process::life::ProcessState;
use crate::clock::Mono;

/// Whether the control API answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiState {
    /// It does.
    Reachable {
        /// Since when.
        since: Mono,
    },
    /// It does not.
    Unreachable {
        /// What was seen, and what to do.
        reason: String,
        /// Since when.
        since: Mono,
    },
}

/// MediaMTX as known now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The process.
    pub process: ProcessState,
    /// Its control API.
    pub api: ApiState,
    /// What it says it is; `None` until it was asked.
    pub version: Option<String>,
    /// Its paths by name; empty while the API is unreachable.
    pub paths: BTreeMap<String, PathInfo>,
    /// When the API was last asked, with or without success.
    pub checked: Mono,
}

impl Snapshot {
    /// Whether it runs and answers, as far as is known.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.api, ApiState::Reachable { .. })
    }

    /// Whether viewers can read `path` now.
    #[must_use]
    pub fn is_ready(&self, path: &str) -> bool {
        self.paths.get(path).is_some_and(|p| p.ready)
    }

    /// Whether something changed since `before` but figures: bytes, and when it was asked.
    #[must_use]
    pub fn differs(&self, before: &Self) -> bool {
        let same = |(name, path): (&String, &PathInfo), (other, was): (&String, &PathInfo)| {
            name == other
                && path.ready == was.ready
                && path.source == was.source
                && path.readers == was.readers
        };
        self.process != before.process
            || self.api != before.api
            || self.version != before.version
            || self.paths.len() != before.paths.len()
            || !(self.paths.iter().zip(&before.paths)).all(|(path, was)| same(path, was))
    }

    /// What one round of questions found.
    pub fn answered(&mut self, version: Option<String>, paths: Vec<PathInfo>, now: Mono) {
        if !self.is_up() {
            self.api = ApiState::Reachable { since: now };
        }
        self.version = version.or(self.version.take());
        self.paths = paths.into_iter().map(|p| (p.name.clone(), p)).collect();
        self.checked = now;
    }

    /// That a round of questions failed. While the process is known to be dead, its death stays the reason.
    pub fn failed(&mut self, reason: String, now: Mono) {
        self.checked = now;
        if !matches!(
            self.process,
            ProcessState::Backoff { .. } | ProcessState::Stopped
        ) {
            self.lost(reason, now);
        }
    }

    /// How the process is. A dead one has no API, whatever was last heard of it.
    pub fn process(&mut self, state: ProcessState, now: Mono) {
        match &state {
            ProcessState::Backoff { why, .. } => self.lost(why.clone(), now),
            ProcessState::Stopped => self.lost("MediaMTX was stopped".to_owned(), now),
            ProcessState::Stopping { .. } => self.lost("MediaMTX is stopping".to_owned(), now),
            // A new process: whatever is known is known of the old one.
            ProcessState::Starting { .. } => self.lost("MediaMTX is starting".to_owned(), now),
            ProcessState::Running { .. } | ProcessState::External => {}
        }
        self.process = state;
    }

    fn lost(&mut self, reason: String, now: Mono) {
        let since = match self.api {
            ApiState::Unreachable { since, .. } => since,
            ApiState::Reachable { .. } => now,
        };
        self.api = ApiState::Unreachable { reason, since };
        self.version = None;
        self.paths.clear();
    }
}

/// The snapshot, shared. Cheap to clone; reading copies it out and holds nothing, and never waits for
/// a change that is being made.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Held>);

#[derive(Debug)]
struct Held {
    now: RwLock<Arc<Snapshot>>,
    writing: Mutex<()>,
}

impl Shared {
    /// Nothing known yet.
    #[must_use]
    pub fn new(process: ProcessState, now: Mono) -> Self {
        let first = Snapshot {
            process,
            api: ApiState::Unreachable {
                reason: "MediaMTX has not been asked yet".to_owned(),
                since: now,
            },
            version: None,
            paths: BTreeMap::new(),
            checked: now,
        };
        Self(Arc::new(Held {
            now: RwLock::new(Arc::new(first)),
            writing: Mutex::new(()),
        }))
    }

    /// What is known now.
    #[must_use]
    pub fn get(&self) -> Arc<Snapshot> {
        // A writer that panicked left the snapshot before or after its change, both whole.
        let now = self.0.now.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&now)
    }

    /// Changes what is known; whether it differs now, see [`Snapshot::differs`].
    pub fn update(&self, change: impl FnOnce(&mut Snapshot)) -> bool {
        let writing = &self.0.writing;
        let _one = writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.get();
        let mut next = (*before).clone();
        change(&mut next);
        let differs = next.differs(&before);
        *self.0.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        differs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Mono {
        Mono::from_nanos(secs * 1_000_000_000)
    }

    fn camera0() -> PathInfo {
        PathInfo {
            name: "camera0".to_owned(),
            ready: true,
            readers: Vec::new(),
            bytes_received: 0,
            bytes_sent: 0,
            source: None,
        }
    }

    fn up() -> Shared {
        let shared = Shared::new(
            ProcessState::Running {
                since: at(0),
                pid: 7,
            },
            at(0),
        );
        shared.update(|s| s.answered(Some("v1.20.1".to_owned()), vec![camera0()], at(1)));
        shared
    }

    #[test]
    fn a_death_takes_api_version_and_paths_along_at_once() {
        let shared = up();
        assert!(shared.get().is_up() && shared.get().is_ready("camera0"));
        shared.update(|s| {
            s.process(
                ProcessState::Backoff {
                    died: at(2),
                    until: at(3),
                    why: "signal 9".to_owned(),
                    deaths: 1,
                    flapping: false,
                },
                at(2),
            );
        });
        let now = shared.get();
        assert!(!now.is_up() && !now.is_ready("camera0") && now.version.is_none());
        shared.update(|s| s.failed("connection refused".to_owned(), at(3)));
        let now = shared.get();
        assert!(
            matches!(&now.api, ApiState::Unreachable { reason, since } if reason == "signal 9" && *since == at(2))
        );
    }

    #[test]
    fn an_outage_is_dated_from_its_beginning_and_a_round_without_a_version_keeps_the_known_one() {
        let shared = up();
        shared.update(|s| s.answered(None, vec![], at(2)));
        assert_eq!(shared.get().version.as_deref(), Some("v1.20.1"));
        shared.update(|s| s.failed("first".to_owned(), at(5)));
        shared.update(|s| s.failed("second".to_owned(), at(6)));
        let now = shared.get();
        assert!(
            matches!(&now.api, ApiState::Unreachable { reason, since } if reason == "second" && *since == at(5))
        );
        assert_eq!(now.checked, at(6));
    }

    #[test]
    fn a_reader_keeps_the_snapshot_it_took() {
        let shared = up();
        let taken = shared.get();
        shared.update(|s| s.failed("gone".to_owned(), at(9)));
        assert!(taken.is_up() && !shared.get().is_up());
    }

    #[test]
    fn a_change_that_hangs_holds_up_no_reader() {
        let shared = Shared::new(ProcessState::External, at(0));
        let (hangs, hanging) = std::sync::mpsc::channel();
        let (free, freed) = std::sync::mpsc::channel::<()>();
        let seen = shared.clone();
        let writer = std::thread::spawn(move || {
            seen.update(|s| {
                s.answered(None, vec![camera0()], at(1));
                hangs.send(()).unwrap();
                freed.recv().unwrap();
            });
        });
        hanging.recv().unwrap();
        assert!(!shared.get().is_up());
        free.send(()).unwrap();
        writer.join().unwrap();
        assert!(shared.get().is_up());
    }
}
