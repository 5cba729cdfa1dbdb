//! What can be asked of a running camera, and the line to the thread that answers. Plain types.

use std::fmt;
use std::ops::RangeInclusive;

use super::controls::{Control, Setting};
use crate::clock::Mono;
use crate::error::Result;
use crate::units::{BitRate, Rate, Size};

/// Seconds from one key frame to the next that can be asked for: a viewer waits this long for a picture.
pub const KEYFRAME_SECONDS: RangeInclusive<u32> = 1..=2;

/// A change of the picture while viewers watch. What is `None` stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VideoChange {
    /// Encoder target.
    pub bitrate: Option<BitRate>,
    /// Seconds from one key frame to the next, at most.
    pub keyframe_seconds: Option<u32>,
    /// Picture size; the device may give its nearest one.
    pub size: Option<Size>,
    /// Frames per second; the device may give its nearest one.
    pub rate: Option<Rate>,
}

/// What a camera's picture is like now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Video {
    /// Encoder target; `None` where the camera codes by itself and does not tell.
    pub bitrate: Option<BitRate>,
    /// Seconds from one key frame to the next, at most; `None` likewise.
    pub keyframe_seconds: Option<u32>,
    /// Picture size as the device gives it.
    pub size: Size,
    /// Frames per second as the device promised.
    pub rate: Rate,
    /// True when the last change took no pause: the same chain went on.
    pub seamless: bool,
}

/// A question or an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// List the sensor's controls.
    Controls,
    /// Set sensor controls, in this order; the first refusal ends it.
    SetControls(Vec<(String, Setting)>),
    /// Change the picture.
    Video(VideoChange),
    /// Give a key frame as soon as possible.
    Keyframe,
    /// Copy coded pictures out.
    Coded(Wanted),
}

/// Which coded pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The newest key frame alone, if it was taken at this moment or later.
    KeyframeSince(Mono),
    /// Everything from the newest key frame on.
    Group,
}

/// Coded pictures, copied out of the camera's thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coded {
    /// H.264 access units in Annex B, the first one a key frame; none when there is none as wanted.
    pub units: Vec<Vec<u8>>,
    /// When the last of them was taken.
    pub captured: Mono,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To [`Command::Controls`] (all) and [`Command::SetControls`] (those named, as they are now).
    Controls(Vec<Control>),
    /// To [`Command::Video`].
    Video(Video),
    /// To [`Command::Keyframe`]: whoever codes the picture was told.
    Keyframe,
    /// To [`Command::Coded`].
    Coded(Coded),
}

/// Called once, on the camera's thread; must not block.
pub type Answer = Box<dyn FnOnce(Result<Reply>) + Send>;

/// The line to a camera's thread.
pub trait Remote: fmt::Debug + Send + Sync {
    /// Hands `command` over; `answer` is called when it was carried out, or dropped when the camera ends first.
    ///
    /// # Errors
    /// `Transient` when too many commands wait already.
    fn ask(&self, command: Command, answer: Answer) -> Result<()>;
}
