//! `VIDIOC_S_FMT`: sets the format; the driver answers with what it made of the wish.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::v4l2_format;

use super::pix::Pix;
use super::{Fault, Queue, again};

mod raw {
    nix::ioctl_readwrite!(s_fmt, b'V', 5, super::v4l2_format);
}

/// Sets a format and returns the one the driver chose.
///
/// # Errors
/// [`Fault::Refused`] when the driver does not bend the wish, [`Fault::Busy`] while another
/// program streams.
pub fn s_fmt(fd: BorrowedFd<'_>, queue: Queue, wish: Pix) -> Result<Pix, Fault> {
    let mut format = wish.to_raw(queue);
    // SAFETY: the kernel reads and writes one v4l2_format, which `format` is.
    again(|| unsafe { raw::s_fmt(fd.as_raw_fd(), &raw mut format) })?;
    Ok(Pix::from_raw(queue, &format))
}
