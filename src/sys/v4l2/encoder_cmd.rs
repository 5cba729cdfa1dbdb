//! `VIDIOC_ENCODER_CMD`: tells an encoder to stop or to go on.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::v4l2_encoder_cmd;

use super::{Fault, again, blank};

mod raw {
    nix::ioctl_readwrite!(encoder_cmd, b'V', 77, super::v4l2_encoder_cmd);
}

/// What an encoder can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `V4L2_ENC_CMD_STOP`: code what is queued, mark the end, stop.
    Stop,
    /// `V4L2_ENC_CMD_START`: go on after the end.
    Start,
}

impl Command {
    pub(super) const fn raw(self) -> u32 {
        match self {
            Self::Start => v4l::v4l_sys::V4L2_ENC_CMD_START,
            Self::Stop => v4l::v4l_sys::V4L2_ENC_CMD_STOP,
        }
    }
}

/// Tells the encoder to stop behind the frames it has, or to go on.
///
/// # Errors
/// [`Fault::Unsupported`] or [`Fault::Refused`] when the driver has no such command; [`Fault::Busy`]
/// while it is still about the last one.
pub fn encoder_cmd(fd: BorrowedFd<'_>, command: Command) -> Result<(), Fault> {
    let mut order = blank::<v4l2_encoder_cmd>();
    order.cmd = command.raw();
    // SAFETY: the kernel reads and writes one v4l2_encoder_cmd, which `order` is.
    again(|| unsafe { raw::encoder_cmd(fd.as_raw_fd(), &raw mut order) })?;
    Ok(())
}
