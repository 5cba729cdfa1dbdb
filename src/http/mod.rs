//! The doors: HTTP listeners, the WebSocket upgrade, the proxy to MediaMTX, the embedded page.
//!
//! Build [`Services`], bind with [`bind::io::bind`], hand both to [`io::serve`]. Pure files decide
//! ([`route`], [`seats`], [`origin`], [`reply`], [`assets`], [`metrics`], [`files`], [`tls`],
//! [`proxy::rewrite`], [`ws::beat`]);
//! every file called `io.rs` does.

pub mod assets;
pub mod bind;
pub mod claim;
#[cfg(fuzzing)]
pub mod doorstep;
pub mod files;
pub mod io;
pub mod metrics;
pub mod origin;
pub mod proxy;
pub mod reply;
pub mod route;
pub mod seats;
pub mod tls;
pub mod ws;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use crate::camera::CameraId;
use crate::clock::Mono;
use crate::events::bus::Bus;
use crate::rpc::Desk;
use crate::rpc::table::Method;

/// Answers MediaMTX's question "may this one read or publish that path?": the body of its POST in,
/// the HTTP status out. It must not block: MediaMTX stands still meanwhile.
pub type AuthCallback = Arc<dyn Fn(&[u8]) -> u16 + Send + Sync>;

/// Everything the doors lead to. Built by the wiring.
#[derive(Clone)]
pub struct Services {
    /// Cameras, tokens and MediaMTX as the methods see them.
    pub desk: Arc<Desk>,
    /// Where events pass; the sockets pass them on.
    pub bus: Arc<Bus>,
    /// The methods on offer: [`crate::rpc::table::METHODS`].
    pub methods: &'static [Method],
    /// MediaMTX's authorisation callback, served on the internal listener.
    pub auth: AuthCallback,
    /// Bounds on what clients may take.
    pub limits: Limits,
    /// Recordings and snapshots to download.
    pub library: Arc<files::io::Library>,
    /// Stretches of time to download.
    pub ranges: Arc<files::range::io::Assembler>,
    /// Origins of other sites whose pages may open the WebSocket and read what HTTP answers, such as
    /// `https://panel.example`.
    pub origins: Vec<String>,
    /// The WebSocket's path, `/ws` unless configured.
    pub ws_path: String,
    /// MediaMTX's WebRTC listener.
    pub webrtc: SocketAddr,
    /// MediaMTX's HLS listener.
    pub hls: SocketAddr,
    /// Cameras that must deliver for the box to count as ready.
    pub expected_cameras: Vec<CameraId>,
    /// Version of the program.
    pub version: &'static str,
    /// When the program started.
    pub started: Mono,
    /// What the configuration says now of limits, origins and expected cameras.
    pub live: Live,
}

/// What of [`Services`] may change while the doors are open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// In place of [`Services::limits`].
    pub limits: Limits,
    /// In place of [`Services::origins`].
    pub origins: Vec<String>,
    /// In place of [`Services::expected_cameras`].
    pub expected_cameras: Vec<CameraId>,
}

/// The present [`Tuning`]; until it was set, the services are as they were built. Cheap to clone: all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Live(Arc<Present>);

#[derive(Default)]
struct Present {
    tuning: RwLock<Option<Arc<Tuning>>>,
    /// Whom a change concerns at once.
    listener: OnceLock<Listener>,
}

type Listener = Box<dyn Fn(&Tuning) + Send + Sync>;

impl fmt::Debug for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tuning.fmt(f)
    }
}

impl Live {
    /// From now on.
    pub fn set(&self, tuning: Tuning) {
        let tuning = Arc::new(tuning);
        let mut present = self
            .0
            .tuning
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *present = Some(Arc::clone(&tuning));
        drop(present);
        if let Some(tell) = self.0.listener.get() {
            tell(&tuning);
        }
    }

    /// Calls `tell` at every [`Live::set`] from now on. There is one listener, the first.
    pub fn listen(&self, tell: impl Fn(&Tuning) + Send + Sync + 'static) {
        // The doors are opened once.
        let _ = self.0.listener.set(Box::new(tell));
    }

    /// The present one.
    #[must_use]
    pub fn get(&self) -> Option<Arc<Tuning>> {
        let present = self.0.tuning.read().unwrap_or_else(PoisonError::into_inner);
        present.clone()
    }
}

impl Services {
    /// What holds now.
    #[must_use]
    pub fn tuning(&self) -> Arc<Tuning> {
        self.live.get().unwrap_or_else(|| {
            Arc::new(Tuning {
                limits: self.limits,
                origins: self.origins.clone(),
                expected_cameras: self.expected_cameras.clone(),
            })
        })
    }

    /// The bounds that hold now.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.live.get().map_or(self.limits, |tuning| tuning.limits)
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services")
            .field("desk", &self.desk)
            .field("limits", &self.limits)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Bounds on what clients may take. A count of 0 and a duration of 0 mean no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// WebSockets in all.
    pub sockets: usize,
    /// WebSockets of one address (an IPv6 /64 counts as one address).
    pub sockets_per_address: usize,
    /// WebSockets of one address that nobody has logged in on.
    pub strangers_per_address: usize,
    /// Plain HTTP connections in all; one more makes an idle one leave.
    pub plain: usize,
    /// Downloads that run at once, in all; more are refused with 503.
    pub downloads: usize,
    /// Downloads of one user that run at once, on whatever connections; more are refused with 429.
    pub downloads_per_user: usize,
    /// Downloads of one address that run at once, of whatever users; more are refused with 429.
    pub downloads_per_address: usize,
    /// Bytes of one message; a longer one closes the socket with 1009.
    pub message_bytes: usize,
    /// Bytes that all sockets together may have waiting; [`seats::memory`] says what counts.
    pub memory: usize,
    /// Events that wait for a slow reader; the oldest go first, and he is told how many.
    pub events: usize,
    /// Requests of one socket that run at once; more are not read before one ends.
    pub in_flight: usize,
    /// Time from one WebSocket ping to the next.
    pub ping_every: Duration,
    /// A socket from which nothing came for so long, not even a pong, is dead.
    pub dead_after: Duration,
    /// Time to log in after the upgrade.
    pub login_within: Duration,
    /// Time for a TLS handshake, for a request's head, and for a kept-alive connection to send its next one.
    pub head_within: Duration,
    /// Time for a message to leave; a reader slower than this is cut.
    pub write_within: Duration,
    /// Time for which a socket may be held back because of what it asks beyond its limits; then it is closed.
    pub held_within: Duration,
    /// Time for connections to end after shutdown was asked for.
    pub drain_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sockets: 1000,
            sockets_per_address: 50,
            strangers_per_address: 20,
            plain: 1024,
            downloads: 32,
            downloads_per_user: 8,
            downloads_per_address: 16,
            message_bytes: 1 << 20,
            memory: 64 << 20,
            events: 64,
            in_flight: 16,
            ping_every: Duration::from_secs(30),
            dead_after: Duration::from_secs(60),
            login_within: Duration::from_secs(60),
            head_within: Duration::from_secs(15),
            write_within: Duration::from_secs(10),
            held_within: Duration::from_secs(60),
            drain_within: Duration::from_secs(5),
        }
    }
}
