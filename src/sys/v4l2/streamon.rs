//! `VIDIOC_STREAMON`: starts the stream.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc::c_int;

use super::{Fault, Queue, again};

mod raw {
    nix::ioctl_write_ptr!(streamon, b'V', 18, super::c_int);
}

/// Starts the stream.
///
/// # Errors
/// [`Fault::Busy`] while another program streams; `Other(ENOSPC)` when the USB bus has no
/// bandwidth left; `Other(EPIPE)` when a media pipeline behind the node is not set up.
pub fn streamon(fd: BorrowedFd<'_>, queue: Queue) -> Result<(), Fault> {
    let kind = c_int::try_from(queue.raw()).map_err(|_| Fault::Refused)?;
    // SAFETY: the kernel reads one int, which `kind` is.
    again(|| unsafe { raw::streamon(fd.as_raw_fd(), &raw const kind) })?;
    Ok(())
}
