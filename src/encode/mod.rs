//! From frames to H.264 access units: passthrough, software, and V4L2 memory-to-memory encoders.

pub mod convert;
pub mod h264;
pub mod jpeg;
pub mod m2m;
mod open;
pub mod passthrough;
pub mod software;
pub mod sps;

pub use open::open;

use crate::capture::{Format, Frame};
use crate::clock::Mono;
use crate::error::Result;
use crate::units::BitRate;

/// One coded picture: Annex B bytes, parameter sets in front of every IDR.
#[derive(Debug, Clone, Copy)]
pub struct AccessUnit<'a> {
    /// Annex B byte stream (H.264 Annex B), start codes included.
    pub data: &'a [u8],
    /// True when decoding can start here (SPS, PPS and IDR inside).
    pub keyframe: bool,
    /// When the frame was taken.
    pub captured: Mono,
}

/// What an encoder is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Target.
    pub bitrate: BitRate,
    /// Frames from one IDR to the next, at most.
    pub gop: u32,
}

/// What a camera's owner wants of the choice of route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Choice {
    /// The best the machine has.
    #[default]
    Auto,
    /// As `Auto`, but a hardware encoder is given copies: for drivers whose DMABUF import is broken.
    Copy,
    /// openh264, even where there is an encoder chip. Cameras that deliver H.264 still do.
    Software,
}

impl Choice {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Copy, Self::Software];

    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Copy => "copy",
            Self::Software => "software",
        }
    }
}

/// Which way a camera's frames become H.264; shown in its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// The camera delivers H.264 itself.
    Passthrough,
    /// A V4L2 encoder that reads the camera's own buffers (DMABUF): no pixel is touched.
    Hardware,
    /// A V4L2 encoder that must be given a copy of each frame.
    HardwareCopy,
    /// openh264 on the CPU.
    Software,
}

impl Route {
    /// As shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passthrough => "passthrough",
            Self::Hardware => "hardware (V4L2 M2M, DMABUF)",
            Self::HardwareCopy => "hardware (V4L2 M2M, copied)",
            Self::Software => "software (openh264)",
        }
    }
}

/// A running encoder. Lives on its camera's thread.
pub trait Encoder {
    /// The route it stands for.
    fn route(&self) -> Route;

    /// The format it was opened for.
    fn format(&self) -> Format;

    /// True when `force_idr` is obeyed at once; else the caller has to ask the camera.
    fn forces_idr(&self) -> bool {
        true
    }

    /// Changes bit rate and key frame distance; the next picture may be a key frame.
    ///
    /// # Errors
    /// `Refused` when it cannot be told.
    fn retune(&mut self, settings: Settings) -> Result<()>;

    /// Codes one frame; `force_idr` asks for a decodable start. `None` when the encoder skipped
    /// the frame or waits for its first key frame. The bytes may be the frame's own.
    ///
    /// # Errors
    /// `Transient`: this frame could not be used (say a truncated JPEG); count it and go on.
    /// `Reopen`: the encoder itself broke.
    fn encode<'a>(
        &'a mut self,
        frame: &Frame<'a>,
        force_idr: bool,
    ) -> Result<Option<AccessUnit<'a>>>;
}
