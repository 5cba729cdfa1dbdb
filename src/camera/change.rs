//! What the hot-plug watcher tells.

use std::path::PathBuf;

use super::{CameraId, Mode};

/// What stays the same when a device is unplugged and plugged in again at the same place. Its node's number
/// does not: the kernel gives the lowest free one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// `driver` of `VIDIOC_QUERYCAP`.
    pub driver: String,
    /// `bus_info` of `VIDIOC_QUERYCAP`: where it is plugged in.
    pub bus: String,
    /// `card` of `VIDIOC_QUERYCAP`.
    pub card: String,
    /// Which of the device's nodes of one kind it is: `index` in sysfs.
    pub index: u32,
}

/// A camera that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The node's number; usually also the camera's.
    pub id: CameraId,
    /// `/dev/videoN`.
    pub node: PathBuf,
    /// Product name.
    pub name: String,
    /// Driver.
    pub driver: String,
    /// Where it is plugged in.
    pub bus: String,
    /// Which of its device's nodes it is.
    pub index: u32,
    /// Everything it offers that we can take; never empty.
    pub modes: Vec<Mode>,
}

impl Found {
    /// What it is recognised by when it comes back.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            driver: self.driver.clone(),
            bus: self.bus.clone(),
            card: self.name.clone(),
            index: self.index,
        }
    }
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A camera came.
    Added(Found),
    /// A memory-to-memory device came: perhaps an encoder.
    Codec,
    /// A video node that may be a camera could not be asked what it can; it is looked at again. Told once.
    Unreadable {
        /// The node's number.
        node: CameraId,
        /// What was seen.
        why: String,
    },
    /// A camera went. Its node's number may be given to another device at once.
    Removed(CameraId),
}
