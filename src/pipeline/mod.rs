//! The data plane of one camera: one thread that takes frames, codes them and publishes them.
//!
//! [`crate::recover`] decides when to open, when a picture counts as frozen, what helps and what the status says;
//! `io.rs` owns the descriptors and does it.

pub mod chain;
pub mod direct;
pub mod fleet;
pub mod hardware;
pub mod io;
pub mod open;
pub mod roster;
pub mod self_test;
pub mod tally;
pub mod wait;

use std::path::PathBuf;
use std::sync::Arc;

use crate::camera::{CameraId, Mode};
use crate::capture::negotiate::Wish;
use crate::encode::{Choice, Settings};
use crate::kept::Drawer;
use crate::kept::wishes::Wishes;
use crate::stream::{Limits, Target};
use crate::units::{BitRate, Rate, Size};

/// Where a pipeline's frames come from.
#[derive(Debug, Clone, PartialEq)]
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

impl Origin {
    /// Asks for another size or rate from the next opening on.
    pub fn wish(&mut self, new_size: Option<Size>, new_rate: Option<Rate>) {
        let (size, rate) = match self {
            Self::Test { size, rate } => (size, rate),
            Self::V4l2 { wish, .. } => (&mut wish.size, &mut wish.rate),
        };
        *size = new_size.unwrap_or(*size);
        *rate = new_rate.unwrap_or(*rate);
    }

    /// What is asked for now.
    #[must_use]
    pub const fn wished(&self) -> (Size, Rate) {
        match self {
            Self::Test { size, rate } => (*size, *rate),
            Self::V4l2 { wish, .. } => (wish.size, wish.rate),
        }
    }
}

/// The camera's second path: what is recorded from before its trigger on goes there.
#[derive(Debug, Clone)]
pub struct Beside {
    /// Where to.
    pub target: Target,
    /// How far back, and how many bytes at most.
    pub limits: Limits,
    /// Pictures are held for it all the time, not only while the camera is recorded.
    pub always: bool,
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
    /// Which encoder to use.
    pub encoder: Choice,
    /// What clients set on this camera before, and where what they set from now on is kept.
    pub kept: Drawer,
    /// The second path, where there is one.
    pub beside: Option<Beside>,
}

impl Plan {
    /// What is asked of the picture.
    #[must_use]
    pub const fn wishes(&self) -> Wishes {
        let (size, rate) = self.origin.wished();
        Wishes {
            bitrate: self.bitrate,
            keyframe_seconds: self.keyframe_seconds,
            size,
            rate,
        }
    }

    /// Asks for another picture, from the next opening on.
    pub fn ask(&mut self, wishes: Wishes) {
        self.bitrate = wishes.bitrate;
        self.keyframe_seconds = wishes.keyframe_seconds;
        self.origin.wish(Some(wishes.size), Some(wishes.rate));
    }

    /// What the encoder is asked for once the rate is known.
    #[must_use]
    pub fn settings(&self, rate: Rate) -> Settings {
        Settings {
            bitrate: self.bitrate,
            gop: rate.rounded().saturating_mul(self.keyframe_seconds).max(1),
        }
    }
}
