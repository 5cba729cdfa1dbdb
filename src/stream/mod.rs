//! Publishing: RTP packets, the RTSP session to MediaMTX, the ring that bridges its absence.
//!
//! The one law: between the encoder's buffer and the kernel no byte of a picture is copied. RTP packets
//! are headers and ranges of the access unit, and the socket gathers both from where the access unit
//! lies. The [`ring::Ring`] gets its copy beside that, after the write, because MediaMTX may restart and
//! because the encoder wants its buffer back: what the socket did not take at once goes from there. So the
//! ring is at once the outgoing queue, the backlog while MediaMTX is away, and the bound on memory.
//!
//! ```text
//! push ─► rtp::Packetizer ─► outbox ─► io (writev) ─► MediaMTX      publisher::Machine and
//!   └───► ring (arena) ────────┘ what waits                         session::Session decide;
//!                                                                   rtsp::Client speaks; rtcp tells the wall time
//! ```

pub mod io;
pub mod outbox;
pub mod pace;
pub mod publisher;
pub mod ring;
pub mod rtcp;
pub mod rtp;
pub mod rtsp;
pub mod sdp;
pub mod session;
pub mod timeline;

use std::net::SocketAddr;
use std::time::Duration;

use crate::clock::Mono;

pub use io::Publisher;

/// Where to publish, and as whom.
#[derive(Clone)]
pub struct Target {
    /// MediaMTX's RTSP listener; loopback.
    pub addr: SocketAddr,
    /// The path, as in `camera0`.
    pub path: String,
    /// User name; empty sends no credentials.
    pub user: String,
    /// Password, sent as Basic over loopback only.
    pub password: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The password stays out of logs.
        write!(f, "rtsp://{}/{}", self.addr, self.path)
    }
}

/// Bounds and patience of one publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory for access units at most; only what is held takes any. 8 MiB hold 4 s at 16 Mbit/s; an
    /// access unit larger than this is given up.
    pub ring_bytes: usize,
    /// How far back the ring reaches. One group of pictures is kept even if it is longer.
    pub ring_span: Duration,
    /// Largest RTP payload. Up to 1440 bytes MediaMTX hands packets on untouched; above, it
    /// repackages every one of them (its `udpMaxPayloadSize` 1452 less 12).
    pub rtp_payload: usize,
    /// From one sender report to the next. MediaMTX drops a session that is silent for its
    /// `readTimeout` (10 s), so this also keeps a session without pictures alive.
    pub sender_report: Duration,
    /// Patience for the TCP handshake.
    pub connect_timeout: Duration,
    /// Patience for an answer. MediaMTX delays a 401 by up to 4 s, so less would turn a refusal
    /// into a silence.
    pub reply_timeout: Duration,
    /// How long the socket may take no byte before the session is given up.
    pub stall_timeout: Duration,
    /// First pause before a new attempt; doubles with each failure.
    pub backoff_min: Duration,
    /// Longest pause, and the pause after a refusal.
    pub backoff_max: Duration,
    /// A session that lasted this long was a success: the next pause is the first again. Keeps two
    /// publishers of one path from overriding each other twenty times a second.
    pub settled: Duration,
    /// Bytes per second at which a backlog is caught up. MediaMTX queues RTP packets per reader and
    /// per recorder (`writeQueueSize`) and throws away what comes faster than they take it.
    pub catch_up: u32,
    /// Bytes that may go at once before `catch_up` holds; a large key frame should fit.
    pub burst: u32,
    /// `SO_SNDBUF`: what the kernel holds of ours while MediaMTX does not read.
    pub send_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ring_bytes: 8 << 20,
            ring_span: Duration::from_secs(4),
            rtp_payload: 1440,
            sender_report: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(2),
            reply_timeout: Duration::from_secs(6),
            stall_timeout: Duration::from_secs(2),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
            settled: Duration::from_secs(5),
            catch_up: 12_500_000,
            burst: 256 << 10,
            send_buffer: 256 << 10,
        }
    }
}

/// How a publisher stands, for people and for health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No key frame was pushed yet, so there is nothing to announce.
    Idle,
    /// The TCP handshake is under way.
    Connecting,
    /// ANNOUNCE, SETUP and RECORD are under way.
    Announcing,
    /// MediaMTX takes pictures. Left when the connection ends or stalls.
    Recording {
        /// Since the answer to RECORD.
        since: Mono,
    },
    /// The last attempt or session ended; the next attempt follows by itself.
    Backoff {
        /// When the next attempt starts.
        until: Mono,
        /// Why the last one ended.
        reason: String,
    },
    /// [`Publisher::stop`] was called.
    Stopped,
}
