//! `VIDIOC_G_FMT`: the format in force.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::v4l2_format;

use super::pix::Pix;
use super::{Fault, Queue, again};

mod raw {
    nix::ioctl_readwrite!(g_fmt, b'V', 4, super::v4l2_format);
}

/// Returns the format in force.
///
/// # Errors
/// Any [`Fault`]; `Refused` for a node of another buffer type.
pub fn g_fmt(fd: BorrowedFd<'_>, queue: Queue) -> Result<Pix, Fault> {
    let mut format = Pix::wish([0; 4], 0, 0).to_raw(queue);
    // SAFETY: the kernel reads and writes one v4l2_format, which `format` is.
    again(|| unsafe { raw::g_fmt(fd.as_raw_fd(), &raw mut format) })?;
    Ok(Pix::from_raw(queue, &format))
}
