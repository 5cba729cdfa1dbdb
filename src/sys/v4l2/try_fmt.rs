//! `VIDIOC_TRY_FMT`: what the driver would make of a wish; changes nothing.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::v4l2_format;

use super::pix::Pix;
use super::{Fault, Queue, again};

mod raw {
    nix::ioctl_readwrite!(try_fmt, b'V', 64, super::v4l2_format);
}

/// Returns the format that [`super::s_fmt::s_fmt`] would choose.
///
/// # Errors
/// [`Fault::Unsupported`] in old drivers, [`Fault::Refused`] for a wish that cannot be bent.
pub fn try_fmt(fd: BorrowedFd<'_>, queue: Queue, wish: Pix) -> Result<Pix, Fault> {
    let mut format = wish.to_raw(queue);
    // SAFETY: the kernel reads and writes one v4l2_format, which `format` is.
    again(|| unsafe { raw::try_fmt(fd.as_raw_fd(), &raw mut format) })?;
    Ok(Pix::from_raw(queue, &format))
}
