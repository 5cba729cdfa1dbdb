//! `VIDIOC_QUERYCAP`: who a node is and what it can do.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::{
    V4L2_CAP_DEVICE_CAPS, V4L2_CAP_STREAMING, V4L2_CAP_VIDEO_CAPTURE,
    V4L2_CAP_VIDEO_CAPTURE_MPLANE, v4l2_capability,
};

use super::{Fault, Planarity, Queue, again, blank, text};

mod raw {
    nix::ioctl_read!(querycap, b'V', 0, super::v4l2_capability);
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// Driver name, say `uvcvideo`.
    pub driver: String,
    /// Product name.
    pub card: String,
    /// Where it is plugged in.
    pub bus: String,
    /// `V4L2_CAP_…` bits of this node (not of the whole device).
    pub flags: u32,
}

impl Caps {
    /// The buffer interface of a capture node that streams; `None` for any other node.
    #[must_use]
    pub const fn queue(&self) -> Option<Queue> {
        if self.flags & V4L2_CAP_STREAMING == 0 {
            None
        } else if self.flags & V4L2_CAP_VIDEO_CAPTURE != 0 {
            Some(Queue::capture(Planarity::Single))
        } else if self.flags & V4L2_CAP_VIDEO_CAPTURE_MPLANE != 0 {
            Some(Queue::capture(Planarity::Multi))
        } else {
            None
        }
    }
}

/// Asks a node who it is.
///
/// # Errors
/// [`Fault::Unsupported`] for a node that is no V4L2 device, [`Fault::Gone`] after unplugging.
pub fn querycap(fd: BorrowedFd<'_>) -> Result<Caps, Fault> {
    let mut caps = blank::<v4l2_capability>();
    // SAFETY: the kernel writes one v4l2_capability, which `caps` is.
    again(|| unsafe { raw::querycap(fd.as_raw_fd(), &raw mut caps) })?;
    let flags = if caps.capabilities & V4L2_CAP_DEVICE_CAPS == 0 {
        caps.capabilities // drivers older than Linux 3.3
    } else {
        caps.device_caps
    };
    Ok(Caps {
        driver: text(&caps.driver),
        card: text(&caps.card),
        bus: text(&caps.bus_info),
        flags,
    })
}
