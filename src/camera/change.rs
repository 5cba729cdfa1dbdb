//! What the hot-plug watcher tells.

use std::path::PathBuf;

use super::{CameraId, Mode};

/// A camera that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Identity: the node's number.
    pub id: CameraId,
    /// `/dev/videoN`.
    pub node: PathBuf,
    /// Product name.
    pub name: String,
    /// Driver.
    pub driver: String,
    /// Where it is plugged in.
    pub bus: String,
    /// Everything it offers that we can take; never empty.
    pub modes: Vec<Mode>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A camera came.
    Added(Found),
    /// A camera went. Its node's number may be given to another device at once.
    Removed(CameraId),
}
