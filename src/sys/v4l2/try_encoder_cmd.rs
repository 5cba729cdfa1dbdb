//! `VIDIOC_TRY_ENCODER_CMD`: asks whether an encoder knows a command.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::v4l2_encoder_cmd;

use super::encoder_cmd::Command;
use super::{Fault, again, blank};

mod raw {
    nix::ioctl_readwrite!(try_encoder_cmd, b'V', 78, super::v4l2_encoder_cmd);
}

/// Asks whether the encoder would obey; changes nothing.
///
/// # Errors
/// [`Fault::Unsupported`] or [`Fault::Refused`] when the driver has no such command; [`Fault::Busy`]
/// while it is still about the last one.
pub fn try_encoder_cmd(fd: BorrowedFd<'_>, command: Command) -> Result<(), Fault> {
    let mut order = blank::<v4l2_encoder_cmd>();
    order.cmd = command.raw();
    // SAFETY: the kernel reads and writes one v4l2_encoder_cmd, which `order` is.
    again(|| unsafe { raw::try_encoder_cmd(fd.as_raw_fd(), &raw mut order) })?;
    Ok(())
}
