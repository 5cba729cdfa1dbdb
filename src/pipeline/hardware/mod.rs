//! The hardware route: a camera's buffers read by a V4L2 encoder where they lie, and its coded buffers
//! handed out where they lie. User space touches no pixel.
//!
//! * [`choose`]: which of the camera's modes to try with which encoder. * `setup`: both brought to
//!   one format. * [`io`]: both at work.

pub mod choose;
#[cfg(feature = "v4l2")]
mod failures;
#[cfg(feature = "v4l2")]
pub mod io;
#[cfg(feature = "v4l2")]
mod setup;

/// How frames may get to the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Where they lie if that is possible, else copied.
    Auto,
    /// Always copied: the cure for a pair of drivers that only believe they can share.
    Copy,
}
