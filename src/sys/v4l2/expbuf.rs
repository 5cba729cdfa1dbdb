//! `VIDIOC_EXPBUF`: a driver's buffer as a descriptor that another driver can take (DMABUF).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::libc::O_CLOEXEC;
use v4l::v4l_sys::v4l2_exportbuffer;

use super::{Fault, Queue, again, blank};

mod raw {
    nix::ioctl_readwrite!(expbuf, b'V', 16, super::v4l2_exportbuffer);
}

/// Exports memory plane `plane` of buffer `index`, one of the driver's own. The memory lives as long
/// as the descriptor or the driver's queue, whichever is longer.
///
/// # Errors
/// [`Fault::Unsupported`] in drivers without DMABUF, [`Fault::Refused`] for memory that cannot be
/// shared or an index the driver did not allocate.
pub fn expbuf(fd: BorrowedFd<'_>, queue: Queue, index: u32, plane: u32) -> Result<OwnedFd, Fault> {
    let mut export = blank::<v4l2_exportbuffer>();
    export.type_ = queue.raw();
    export.index = index;
    export.plane = plane;
    export.flags = u32::try_from(O_CLOEXEC).map_err(|_| Fault::Refused)?;
    // SAFETY: the kernel reads and writes one v4l2_exportbuffer, which `export` is.
    again(|| unsafe { raw::expbuf(fd.as_raw_fd(), &raw mut export) })?;
    if export.fd < 0 {
        return Err(Fault::Broken);
    }
    // SAFETY: the call succeeded, so the kernel made this descriptor for us and for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(export.fd) })
}
