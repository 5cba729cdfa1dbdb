//! The data plane of one camera: one thread that takes frames, codes them and publishes them.
//!
//! `watch.rs` decides when to open, when a picture counts as frozen and what the status says;
//! `io.rs` owns the descriptors and does it.

pub mod chain;
pub mod fleet;
pub mod io;
pub mod roster;
pub mod self_test;
pub mod tally;
pub mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use crate::camera::{CameraId, Mode};
use crate::capture::negotiate::Wish;
use crate::encode::Settings;
use crate::units::{BitRate, Rate, Size};

/// Where a pipeline's frames come from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The built-in test camera.
    Test {
        /// Picture size.
        size: Size,
        /// Frames per second.
        rate: Rate,
    },
    /// A V4L2 node.
    V4l2 {
        /// `/dev/videoN`.
        node: PathBuf,
        /// What it offers.
        modes: Arc<[Mode]>,
        /// What is asked of it.
        wish: Wish,
    },
}

/// What a pipeline is started with.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The camera it serves; also its MediaMTX path.
    pub id: CameraId,
    /// Where its frames come from.
    pub origin: Origin,
    /// Encoder target.
    pub bitrate: BitRate,
    /// Seconds from one key frame to the next, at most.
    pub keyframe_seconds: u32,
}

impl Plan {
    /// What the encoder is asked for once the rate is known.
    #[must_use]
    pub fn settings(&self, rate: Rate) -> Settings {
        Settings {
            bitrate: self.bitrate,
            gop: rate.rounded().saturating_mul(self.keyframe_seconds).max(1),
        }
    }
}
