//! What to do when a camera or its encoder fails, and what viewers see meanwhile. Pure.
//!
//! The law: the mildest cure that can help comes first, nothing is repeated faster than its back-off, and
//! the status never says "connected" while no new picture came for two seconds.
//!
//! [`Ladder`] decides; the camera's thread (`pipeline/io.rs`) carries out its orders. `silence` tells which
//! half is mute, `pace` how soon and how often a rung may be tried, [`disgrace`] which encoders are avoided,
//! `viewers` when the slate stands in, [`history`] keeps what was mended.

pub mod disgrace;
pub mod history;
mod ladder;
mod pace;
mod silence;
mod viewers;
mod words;

pub use history::History;
pub use ladder::{Ladder, Order};

use std::time::Duration;

use crate::clock::Mono;
use crate::pipeline::chain::Part;

/// A kind of fault. The names are stable: they stand in answers and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultClass {
    /// The device left, or says that it did.
    CameraGone,
    /// It is open and gives no new frame.
    CameraStalled,
    /// Its stream ended with an error.
    CameraStreamBroken,
    /// It cannot be opened.
    CameraOpenFailed,
    /// Frames come, and none can be used.
    CameraFramesDamaged,
    /// It takes no buffers back.
    CameraRefusesBuffers,
    /// It takes frames and gives no access unit.
    EncoderStalled,
    /// It takes no buffers.
    EncoderRefusesBuffers,
    /// It ended with an error.
    EncoderBroken,
    /// It cannot be opened.
    EncoderOpenFailed,
}

impl FaultClass {
    /// Every class; the order is that of [`FaultClass::index`].
    pub const ALL: [Self; 10] = [
        Self::CameraGone,
        Self::CameraStalled,
        Self::CameraStreamBroken,
        Self::CameraOpenFailed,
        Self::CameraFramesDamaged,
        Self::CameraRefusesBuffers,
        Self::EncoderStalled,
        Self::EncoderRefusesBuffers,
        Self::EncoderBroken,
        Self::EncoderOpenFailed,
    ];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CameraGone => "camera_gone",
            Self::CameraStalled => "camera_stalled",
            Self::CameraStreamBroken => "camera_stream_broken",
            Self::CameraOpenFailed => "camera_open_failed",
            Self::CameraFramesDamaged => "camera_frames_damaged",
            Self::CameraRefusesBuffers => "camera_refuses_buffers",
            Self::EncoderStalled => "encoder_stalled",
            Self::EncoderRefusesBuffers => "encoder_refuses_buffers",
            Self::EncoderBroken => "encoder_broken",
            Self::EncoderOpenFailed => "encoder_open_failed",
        }
    }

    /// Its place in tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn part(self) -> Part {
        match self {
            Self::CameraGone
            | Self::CameraStalled
            | Self::CameraStreamBroken
            | Self::CameraOpenFailed
            | Self::CameraFramesDamaged
            | Self::CameraRefusesBuffers => Part::Capture,
            Self::EncoderStalled
            | Self::EncoderRefusesBuffers
            | Self::EncoderBroken
            | Self::EncoderOpenFailed => Part::Encoder,
        }
    }

    /// The mildest rung that may help. A device that said `ENODEV` answers nothing until every descriptor
    /// of it is closed; a device that did not open has no stream to restart.
    const fn first_rung(self) -> Rung {
        match self {
            Self::CameraGone | Self::CameraOpenFailed | Self::EncoderOpenFailed => Rung::Reopen,
            _ => Rung::Restream,
        }
    }

    /// How often the device is opened again before everything is looked at anew. A failing open costs
    /// nothing; waiting for the picture of one that opened costs seconds.
    const fn reopens(self) -> u8 {
        match self {
            Self::CameraGone | Self::CameraOpenFailed | Self::EncoderOpenFailed => 3,
            _ => 1,
        }
    }
}

/// A cure, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rung {
    /// None: it went by.
    Wait,
    /// The same buffer was queued again, inside the chain.
    Requeue,
    /// The streams were stopped and started on the open descriptors.
    Restream,
    /// The devices were closed and opened.
    Reopen,
    /// All nodes and encoders were looked at anew and the route was chosen afresh.
    Reprobe,
}

impl Rung {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Requeue => "requeue",
            Self::Restream => "restream",
            Self::Reopen => "reopen",
            Self::Reprobe => "reprobe",
        }
    }
}

/// A fault that was mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// What it was; the first cause, where one led to another.
    pub class: FaultClass,
    /// When it began: for a silence, the last picture before it.
    pub began: Mono,
    /// From then to the first picture after it.
    pub took: Duration,
    /// The last rung tried before the picture came back.
    pub rung: Rung,
}

/// A fault that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ongoing {
    /// What it is now.
    pub class: FaultClass,
    /// When the outage began.
    pub began: Mono,
    /// The last rung tried.
    pub rung: Rung,
}

/// What codes the pictures of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coder {
    /// The camera itself (passthrough).
    Camera,
    /// openh264 on the CPU.
    Software,
    /// A V4L2 encoder: N of its `/dev/videoN`.
    Node(u16),
}

/// A hardware encoder that is not used for a while because it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Avoided {
    /// N of its `/dev/videoN`.
    pub node: u16,
    /// Since when.
    pub since: Mono,
    /// When it gets its next chance.
    pub until: Mono,
    /// How often in a row it failed.
    pub strikes: u32,
}

/// How recovery stands, for status and health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Situation {
    /// The fault that lasts, if one does.
    pub fault: Option<Ongoing>,
    /// The encoder that is avoided while the present one does its work, if one is.
    pub avoided: Option<Avoided>,
    /// Since when viewers see the slate, if they do.
    pub slate_since: Option<Mono>,
}
