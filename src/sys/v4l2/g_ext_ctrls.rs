//! `VIDIOC_G_EXT_CTRLS`: the value a control has now.

use std::os::fd::BorrowedFd;

use super::ext_control::{ControlFault, Width, exchange};

mod raw {
    nix::ioctl_readwrite!(g_ext_ctrls, b'V', 71, v4l::v4l_sys::v4l2_ext_controls);
}

/// Reads a control of any type but `V4L2_CTRL_TYPE_INTEGER64`. `id` is a `V4L2_CID_…` of
/// `v4l::v4l_sys`, which has all of `linux/v4l2-controls.h`.
///
/// # Errors
/// See [`ControlFault`].
pub fn get(fd: BorrowedFd<'_>, id: u32) -> Result<i64, ControlFault> {
    get_as(fd, id, Width::Narrow)
}

/// Reads a control whose width is known.
///
/// # Errors
/// See [`ControlFault`].
pub fn get_as(fd: BorrowedFd<'_>, id: u32, width: Width) -> Result<i64, ControlFault> {
    exchange(fd, id, width, 0, raw::g_ext_ctrls)
}
