//! Cameras as people see them: identity, state, capabilities. Plain types; the hot-plug watcher is in `io.rs`.

pub mod change;
pub mod controls;
pub mod discovery;
#[cfg(feature = "v4l2")]
pub mod io;
#[cfg(not(feature = "v4l2"))]
#[path = "absent/io.rs"]
pub mod io;
pub mod remote;
pub mod uevent;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use self::remote::Remote;
use crate::capture::{Format, PixelFormat};
use crate::clock::Mono;
use crate::encode::Route;
use crate::latency::Latency;
use crate::recover::{Avoided, History, Ongoing, Recovery};
use crate::units::{Rate, Size};

/// `cameraN`: N is the number of the device node `/dev/videoN`; also the MediaMTX path.
///
/// The kernel numbers video nodes 0…255. [`CameraId::TEST_ASIDE`] lies beyond, for the test camera
/// when a real device owns `camera0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CameraId(u16);

impl CameraId {
    /// Where the test camera lives on a machine without `/dev/video0`.
    pub const TEST: Self = Self(0);
    /// Where the test camera moves when a capture device `/dev/video0` exists.
    pub const TEST_ASIDE: Self = Self(1000);

    /// `cameraN` for N up to 9999.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number <= 9999 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// N.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "camera{}", self.0)
    }
}

impl FromStr for CameraId {
    type Err = String;

    /// Accepts exactly `^camera(0|[1-9][0-9]{0,3})$`.
    fn from_str(s: &str) -> Result<Self, String> {
        let digits = s.strip_prefix("camera").unwrap_or("");
        let plain = !digits.is_empty()
            && digits.len() <= 4
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        plain
            .then(|| digits.parse().ok().and_then(Self::new))
            .flatten()
            .ok_or_else(|| {
                format!("{s:?} is not a camera id: cameras are called camera0, camera1, …")
            })
    }
}

/// The contract's three states of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Frames flow. Left on unplug or fault.
    Connected,
    /// Known, but not there. Left when the device comes back.
    Disconnected {
        /// Since when, and what was seen.
        reason: String,
    },
    /// There, but no picture. Left when frames flow.
    Error {
        /// The cause.
        reason: String,
        /// What to do about it.
        action: String,
    },
}

impl Status {
    /// Every word on the wire.
    pub const WORDS: [&'static str; 3] = ["CONNECTED", "DISCONNECTED", "ERROR"];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Connected => "CONNECTED",
            Self::Disconnected { .. } => "DISCONNECTED",
            Self::Error { .. } => "ERROR",
        }
    }
}

/// One layout and size a device offers, with its rates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// Layout.
    pub pixel: PixelFormat,
    /// Size.
    pub size: Size,
    /// Rates offered, fastest first; empty when the driver does not say.
    pub rates: Vec<Rate>,
}

/// What kind of thing a camera is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// The built-in test camera.
    Test,
    /// A V4L2 capture node.
    V4l2 {
        /// `/dev/videoN`; never shown to clients.
        node: PathBuf,
        /// `driver` of `VIDIOC_QUERYCAP`.
        driver: String,
        /// `bus_info` of `VIDIOC_QUERYCAP`.
        bus: String,
    },
}

/// A camera as known now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Camera {
    /// Identity.
    pub id: CameraId,
    /// `card` of `VIDIOC_QUERYCAP`, or "Test camera".
    pub name: String,
    /// What it is.
    pub device: Device,
    /// How it is.
    pub status: Status,
    /// What it delivers; `None` until it was opened once.
    pub format: Option<Format>,
    /// How it is encoded; `None` until it was opened once.
    pub route: Option<Route>,
    /// Why that route and no better one; what it runs on.
    pub route_why: Option<String>,
    /// Since when viewers see the slate instead of the picture, if they do.
    pub slate_since: Option<Mono>,
    /// The fault that keeps its picture away, while one does.
    pub fault: Option<Ongoing>,
    /// The hardware encoder that it does without because it failed.
    pub avoided: Option<Avoided>,
    /// What was mended.
    pub history: Arc<Mutex<History>>,
    /// The line to its thread; `None` before it was started.
    pub remote: Option<Arc<dyn Remote>>,
    /// Why its pictures do not reach MediaMTX, while they do not.
    pub publish_trouble: Option<String>,
    /// Everything it offers.
    pub modes: Arc<[Mode]>,
    /// When the present status began.
    pub since: Mono,
    /// Live figures, written by the camera's thread.
    pub counters: Arc<Counters>,
}

impl Camera {
    /// Whether frames should come. An unplugged camera's thread only shows the slate; it may hang in closing a dead
    /// device without harm to others, so the watchdog does not look at it.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        !matches!(self.status, Status::Disconnected { .. })
    }
}

impl Camera {
    /// Whether clients should be told.
    fn differs(&self, before: &Self) -> bool {
        self.status != before.status || self.name != before.name || self.format != before.format
    }

    /// Adds a mended fault to the history.
    pub fn remember(&self, recovery: Recovery) {
        self.history
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(recovery);
    }

    /// A copy of the history.
    #[must_use]
    pub fn mended(&self) -> History {
        self.history
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Live figures of one camera. Written by one thread, read by anyone, never locked.
#[derive(Debug, Default)]
pub struct Counters {
    /// Frames taken from the driver.
    pub captured: AtomicU64,
    /// Frames the driver dropped (gaps in its sequence numbers).
    pub dropped_by_driver: AtomicU64,
    /// Frames marked damaged by the driver, or that could not be decoded.
    pub damaged: AtomicU64,
    /// Frames the driver handed out a second time: the same picture under the same number.
    pub repeated: AtomicU64,
    /// Buffers a driver refused at first and took the second time.
    pub requeued: AtomicU64,
    /// Frames the encoder took and gave no access unit for.
    pub swallowed: AtomicU64,
    /// Access units made.
    pub encoded: AtomicU64,
    /// Access units handed to the socket in full.
    pub sent: AtomicU64,
    /// Access units given up because MediaMTX was away or too slow.
    pub unsent: AtomicU64,
    /// Bytes of RTP handed to the socket.
    pub bytes_sent: AtomicU64,
    /// How long pictures took to the socket.
    pub latency: Latency,
    /// Nanoseconds on the monotonic clock of the last new frame taken; 0 = none yet.
    pub last_frame_nanos: AtomicU64,
    /// Nanoseconds on the monotonic clock of the last access unit; 0 = none yet.
    pub last_unit_nanos: AtomicU64,
    /// Nanoseconds on the monotonic clock since when the RTSP session records; 0 = it does not.
    pub publishing_since_nanos: AtomicU64,
    /// Nanoseconds on the monotonic clock of the thread's last look around; proves it is alive.
    pub tick_nanos: AtomicU64,
    /// Set by anyone to ask for a key frame; cleared by the camera's thread.
    pub keyframe_wanted: std::sync::atomic::AtomicBool,
    /// A recording begins or runs: what MediaMTX is told the time is must not jump, and the last
    /// pictures are held. Set by the recorder.
    pub recorded: std::sync::atomic::AtomicBool,
    /// How many nanoseconds the wall clock is ahead of the monotonic one, as MediaMTX was told last; 0 = nothing yet.
    pub told_apart_nanos: std::sync::atomic::AtomicI64,
    /// Nanoseconds on the monotonic clock from which on the camera's second path is to be fed; 0 = it is not. Set by who
    /// records it, obeyed by the camera's thread.
    pub second_from_nanos: AtomicU64,
}

impl Counters {
    /// Since when MediaMTX has been receiving this camera, if it does now.
    #[must_use]
    pub fn publishing_since(&self) -> Option<Mono> {
        match self.publishing_since_nanos.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Mono::from_nanos(nanos)),
        }
    }
}

/// A change that clients are told of (`camera_status_update`).
pub type Listener = Box<dyn Fn(&Camera) + Send + Sync>;

/// Is called after every change, whatever changed.
pub type Touched = Box<dyn Fn() + Send + Sync>;

/// A video node that could not be asked what it can, and why.
pub type Unreadable = Box<dyn Fn(CameraId, &str) + Send + Sync>;

/// All cameras known now: written by the wiring, read by control and health.
///
/// Who reads never waits for who writes: a change is made beside the list that is being read, and
/// then put in its place. A writer that hangs holds up other writers and nobody else.
#[derive(Default)]
pub struct Directory {
    cameras: RwLock<Arc<BTreeMap<CameraId, Camera>>>,
    writing: Mutex<()>,
    listeners: RwLock<Vec<Listener>>,
    touched: RwLock<Vec<Touched>>,
    unreadable: RwLock<Vec<Unreadable>>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Directory").field(&self.list()).finish()
    }
}

impl Directory {
    /// All cameras in order of their number.
    #[must_use]
    pub fn list(&self) -> Vec<Camera> {
        self.snapshot().values().cloned().collect()
    }

    /// One camera.
    #[must_use]
    pub fn get(&self, id: CameraId) -> Option<Camera> {
        self.snapshot().get(&id).cloned()
    }

    fn snapshot(&self) -> Arc<BTreeMap<CameraId, Camera>> {
        Arc::clone(&read(&self.cameras))
    }

    /// Changes a copy of the list and puts it in place. One writer at a time: two threads may change one camera.
    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<CameraId, Camera>) -> T) -> T {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = (*self.snapshot()).clone();
        let told = change(&mut all);
        *write(&self.cameras) = Arc::new(all);
        for touched in read(&self.touched).iter() {
            touched();
        }
        told
    }

    /// Adds or replaces a camera and tells the listeners when its status, name or format changed.
    pub fn put(&self, camera: Camera) {
        let changed = self.change(|all| {
            let before = all.insert(camera.id, camera.clone());
            before.is_none_or(|before| camera.differs(&before))
        });
        if changed {
            self.tell(&camera);
        }
    }

    /// Changes a known camera in place; nothing happens to an unknown one. `change` must not use the directory.
    pub fn update(&self, id: CameraId, change: impl FnOnce(&mut Camera)) {
        let changed = self.change(|all| {
            let camera = all.get_mut(&id)?;
            let before = camera.clone();
            change(camera);
            camera.differs(&before).then(|| camera.clone())
        });
        if let Some(camera) = changed {
            self.tell(&camera);
        }
    }

    fn tell(&self, camera: &Camera) {
        for listener in read(&self.listeners).iter() {
            listener(camera);
        }
    }

    /// Forgets a camera: another device took its number, or the test camera moves aside.
    pub fn remove(&self, id: CameraId) {
        self.change(|all| all.remove(&id));
    }

    /// Tells that a node could not be asked what it can.
    pub fn unreadable(&self, node: CameraId, why: &str) {
        for listener in read(&self.unreadable).iter() {
            listener(node, why);
        }
    }

    /// Calls `listener` for every node that cannot be asked from now on. It must not block.
    pub fn listen_unreadable(&self, listener: Unreadable) {
        write(&self.unreadable).push(listener);
    }

    /// Calls `listener` on every change from now on. It must not block.
    pub fn listen(&self, listener: Listener) {
        write(&self.listeners).push(listener);
    }

    /// Calls `touched` after every change from now on, of what clients are not told, too. It must not block, and not
    /// use the directory.
    pub fn listen_touched(&self, touched: Touched) {
        write(&self.touched).push(touched);
    }
}

// Held only to swap or copy a pointer: a panic cannot leave half a list.
fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_contracts_camera_ids_are_accepted() {
        for good in [
            "camera0",
            "camera9",
            "camera255",
            "camera1000",
            "camera9999",
        ] {
            assert_eq!(good.parse::<CameraId>().unwrap().to_string(), good);
        }
        for bad in [
            "camera",
            "camera00",
            "camera01",
            "camera10000",
            "Camera0",
            "camera-1",
            "/dev/video0",
            "camera0 ",
            "camera٣",
        ] {
            assert!(bad.parse::<CameraId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_thread_that_hangs_while_it_changes_a_camera_holds_up_no_reader() {
        let directory = Arc::new(Directory::default());
        directory.put(crate::pipeline::fleet::newcomer(
            CameraId::TEST,
            "Test camera".to_owned(),
            Device::Test,
            Arc::from([]),
            Mono::default(),
        ));
        let (hangs, hanging) = std::sync::mpsc::channel();
        let (free, freed) = std::sync::mpsc::channel::<()>();
        let seen = Arc::clone(&directory);
        let writer = std::thread::spawn(move || {
            seen.update(CameraId::TEST, |camera| {
                camera.name = "Another name".to_owned();
                hangs.send(()).unwrap();
                freed.recv().unwrap();
            });
        });
        hanging.recv().unwrap();
        assert_eq!(directory.list()[0].name, "Test camera");
        assert_eq!(directory.get(CameraId::TEST).unwrap().name, "Test camera");
        free.send(()).unwrap();
        writer.join().unwrap();
        assert_eq!(directory.list()[0].name, "Another name");
    }
}
