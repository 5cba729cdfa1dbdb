//! What the control plane knows of MediaMTX: a plain picture, taken by whoever looks after it.

use std::collections::BTreeMap;

use crate::clock::Mono;

/// One MediaMTX path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathState {
    /// Somebody publishes into it.
    pub ready: bool,
    /// Readers of all protocols together.
    pub readers: u32,
    /// Bytes received from the publisher.
    pub bytes_received: u64,
    /// Bytes sent to readers.
    pub bytes_sent: u64,
    /// What publishes, in MediaMTX's words (`rtspSession`, …); `None` while nobody does.
    pub source: Option<String>,
}

/// MediaMTX as last seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaState {
    /// Whether our child process runs; `None` where somebody else runs MediaMTX.
    pub process_running: Option<bool>,
    /// Whether its control API answered the last time it was asked.
    pub reachable: bool,
    /// Its version, once it told.
    pub version: Option<String>,
    /// When it became as it is.
    pub since: Mono,
    /// Why it is not reachable, or was not the last time.
    pub last_reason: Option<String>,
    /// When it was last asked.
    pub checked: Mono,
    /// Its paths by name.
    pub paths: BTreeMap<String, PathState>,
}

/// Whoever looks after MediaMTX. Asked on every request, so it must answer from memory.
pub trait MediaServer: Send + Sync {
    /// MediaMTX as last seen.
    fn state(&self) -> MediaState;
}
