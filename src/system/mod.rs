//! How the machine and the service itself are: figures taken in the background, counts of calls, and
//! the word that `get_status` makes of them.
//!
//! Nobody who asks waits: [`io`] looks at the kernel and the disk every few seconds, a disk that hangs
//! makes its figures old and nothing else, and every figure carries the moment it was taken.

pub mod alarms;
pub mod calls;
pub mod doors;
pub mod io;
pub mod samples;
pub mod status;

use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::calls::Calls;
use crate::camera::CameraId;
use crate::clock::Mono;

/// A figure older than this is not trusted: its source hangs.
pub const STALE_AFTER: Duration = Duration::from_secs(15);

/// What the kernel says of the machine and of this process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Percentage of all processors' time in use since the look before.
    pub cpu_percent: Option<f64>,
    /// Percentage of memory that is in use and cannot be given back at once.
    pub memory_percent: Option<f64>,
    /// Threads of this process.
    pub threads: usize,
    /// Tasks that live on the control plane's runtime.
    pub tasks: usize,
    /// When it was looked at.
    pub at: Mono,
}

/// The file system recordings are kept on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    /// Bytes it holds.
    pub total: u64,
    /// Bytes that may still be written.
    pub available: u64,
    /// Bytes in use.
    pub used: u64,
    /// When it was looked at.
    pub at: Mono,
}

impl Storage {
    /// Percentage in use, of what is in use or may be written; as `df` counts.
    #[must_use]
    pub fn used_percent(&self) -> f64 {
        100.0 - self.free_percent()
    }

    /// Percentage that may still be written.
    #[must_use]
    pub fn free_percent(&self) -> f64 {
        let all = self.used.saturating_add(self.available);
        if all == 0 {
            return 0.0;
        }
        percent(self.available, all)
    }
}

/// Part of a whole; exact enough for people.
#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage needs no more digits than a double has"
)]
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// Where the service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not everything has been started.
    Starting = 0,
    /// Everything has.
    Running = 1,
    /// It was asked to stop, or a part failed.
    Stopping = 2,
}

impl Phase {
    /// The contract's word for a component that lives as long as the service.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
        }
    }
}

/// What the service was started with.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// When the program started.
    pub started: Mono,
    /// The kernel's release, which is also the version of every V4L2 driver in its tree.
    pub kernel: String,
    /// WebSockets that may be open at once; 0 = no limit. [`System::most_connections`] tells what holds now.
    pub most_connections: usize,
    /// Cameras that must deliver. [`System::expected`] tells what holds now.
    pub expected: Vec<CameraId>,
}

/// What the configuration may change while the service runs.
#[derive(Debug, Clone)]
struct Wanted {
    most_connections: usize,
    expected: Vec<CameraId>,
}

/// The service as it sees itself. Written by many, read by many, never held for longer than a copy takes.
#[derive(Debug, Default)]
pub struct System {
    /// What it was started with.
    pub about: About,
    /// Calls of methods.
    pub calls: Calls,
    /// What parts of the service know to be wrong with themselves.
    pub alarms: alarms::Alarms,
    /// What other parts keep for `/metrics`.
    pub samples: samples::Samples,
    /// Events by topic.
    pub events: calls::Events,
    /// What was turned away at the doors.
    pub doors: doors::Doors,
    machine: Mutex<Option<Machine>>,
    storage: Mutex<Option<Storage>>,
    connections: AtomicUsize,
    failures: AtomicU32,
    phase: AtomicU8,
    /// What the configuration has said since the start.
    wanted: Mutex<Option<Wanted>>,
}

impl System {
    /// Of a service that starts.
    #[must_use]
    pub fn new(about: About) -> Self {
        Self {
            about,
            ..Self::default()
        }
    }

    /// The configuration asks for something else than at the start.
    pub fn want(&self, most_connections: usize, expected: Vec<CameraId>) {
        *self.wanted() = Some(Wanted {
            most_connections,
            expected,
        });
    }

    /// WebSockets that may be open at once; 0 = no limit.
    #[must_use]
    pub fn most_connections(&self) -> usize {
        let wanted = self.wanted();
        wanted
            .as_ref()
            .map_or(self.about.most_connections, |w| w.most_connections)
    }

    /// Cameras that must deliver.
    #[must_use]
    pub fn expected(&self) -> Vec<CameraId> {
        let wanted = self.wanted();
        wanted
            .as_ref()
            .map_or(&self.about.expected, |w| &w.expected)
            .clone()
    }

    fn wanted(&self) -> MutexGuard<'_, Option<Wanted>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last look at the machine.
    #[must_use]
    pub fn machine(&self) -> Option<Machine> {
        *self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a look at the machine.
    pub fn put_machine(&self, machine: Machine) {
        *self.machine.lock().unwrap_or_else(PoisonError::into_inner) = Some(machine);
    }

    /// The last look at the storage.
    #[must_use]
    pub fn storage(&self) -> Option<Storage> {
        *self.storage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a look at the storage.
    pub fn put_storage(&self, storage: Storage) {
        *self.storage.lock().unwrap_or_else(PoisonError::into_inner) = Some(storage);
    }

    /// WebSockets that are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Counts a WebSocket for as long as the guard lives.
    #[must_use]
    pub fn connected(self: &Arc<Self>) -> Connected {
        self.connections.fetch_add(1, Relaxed);
        Connected(Arc::clone(self))
    }

    /// Checks of MediaMTX in a row that failed; one is made each second.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures.load(Relaxed)
    }

    /// Takes a check of MediaMTX.
    pub fn checked(&self, answers: bool) {
        if answers {
            self.failures.store(0, Relaxed);
        } else {
            // One writer.
            self.failures
                .store(self.failures().saturating_add(1), Relaxed);
        }
    }

    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Running,
            _ => Phase::Stopping,
        }
    }

    /// It goes on to another part of its life.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }
}

/// A WebSocket that is open.
#[derive(Debug)]
pub struct Connected(Arc<System>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_as_full_as_df_says() {
        // A reserve for root: neither in use nor to be written by us.
        let disk = Storage {
            total: 100,
            used: 60,
            available: 20,
            at: Mono::default(),
        };
        assert!((disk.used_percent() - 75.0).abs() < 1e-9);
        assert!((disk.free_percent() - 25.0).abs() < 1e-9);
    }

    #[test]
    fn connections_are_counted_for_as_long_as_they_are_there() {
        let system = Arc::new(System::default());
        let (one, two) = (system.connected(), system.connected());
        assert_eq!(system.connections(), 2);
        drop(one);
        assert_eq!(system.connections(), 1);
        drop(two);
        assert_eq!(system.connections(), 0);
    }

    #[test]
    fn one_answer_ends_a_row_of_failures() {
        let system = System::default();
        system.checked(false);
        system.checked(false);
        assert_eq!(system.failures(), 2);
        system.checked(true);
        assert_eq!(system.failures(), 0);
    }
}
