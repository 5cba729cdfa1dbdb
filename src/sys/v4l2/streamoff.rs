//! `VIDIOC_STREAMOFF`: stops the stream.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc::c_int;

use super::{Fault, Queue, again};

mod raw {
    nix::ioctl_write_ptr!(streamoff, b'V', 19, super::c_int);
}

/// Stops the stream; every buffer becomes ours.
///
/// # Errors
/// [`Fault::Gone`] after unplugging.
pub fn streamoff(fd: BorrowedFd<'_>, queue: Queue) -> Result<(), Fault> {
    let kind = c_int::try_from(queue.raw()).map_err(|_| Fault::Refused)?;
    // SAFETY: the kernel reads one int, which `kind` is.
    again(|| unsafe { raw::streamoff(fd.as_raw_fd(), &raw const kind) })?;
    Ok(())
}
