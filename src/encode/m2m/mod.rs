//! V4L2 memory-to-memory encoders: raw frames in on one queue, H.264 out on the other.
//!
//! * [`probe`]: which node is one. * [`fit`]: whether a camera's buffers can be read where they lie.
//! * [`machine`]: who holds which buffer, what becomes of each frame. * [`headers`]: parameter sets in
//!   front of every key frame. * [`knobs`]: what an encoder is told. * [`paint`]: frames into the
//!   encoder's own buffers, where they must be copied. * [`io`]: the device.

pub mod fit;
pub mod headers;
#[cfg(feature = "v4l2")]
pub mod io;
pub mod knobs;
pub mod machine;
pub mod paint;
pub mod probe;
