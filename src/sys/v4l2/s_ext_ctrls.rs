//! `VIDIOC_S_EXT_CTRLS`: gives a control a value.

use std::os::fd::BorrowedFd;

use super::ext_control::{ControlFault, Width, exchange};

mod raw {
    nix::ioctl_readwrite!(s_ext_ctrls, b'V', 72, v4l::v4l_sys::v4l2_ext_controls);
}

/// Sets a control of any type but `V4L2_CTRL_TYPE_INTEGER64` and returns the value the driver made
/// of it: the kernel moves integers to the nearest permitted one. `id` is a `V4L2_CID_…` of
/// `v4l::v4l_sys`, which has all of `linux/v4l2-controls.h`.
///
/// # Errors
/// See [`ControlFault`].
pub fn set(fd: BorrowedFd<'_>, id: u32, value: i64) -> Result<i64, ControlFault> {
    set_as(fd, id, Width::Narrow, value)
}

/// Sets a control whose width is known.
///
/// # Errors
/// See [`ControlFault`].
pub fn set_as(fd: BorrowedFd<'_>, id: u32, width: Width, value: i64) -> Result<i64, ControlFault> {
    exchange(fd, id, width, value, raw::s_ext_ctrls)
}
