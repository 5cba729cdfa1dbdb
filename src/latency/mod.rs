//! How long a picture takes from stage to stage.

use crate::clock::Mono;

/// When a picture passed the stages before the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamps {
    /// The frame was taken; the driver's time stamp.
    pub captured: Mono,
    /// The driver handed it out.
    pub dequeued: Mono,
    /// The access unit was there.
    pub encoded: Mono,
}
