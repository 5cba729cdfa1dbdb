//! `VIDIOC_REQBUFS`: makes the driver allocate its ring of buffers.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::v4l2_requestbuffers;

use super::{Fault, Memory, Queue, again, blank};

mod raw {
    nix::ioctl_readwrite!(reqbufs, b'V', 8, super::v4l2_requestbuffers);
}

/// Asks for `count` buffers of this kind and returns how many there are: fewer or more than asked.
/// With a `count` of 0 the driver frees those it had.
///
/// # Errors
/// [`Fault::Busy`] while another program streams; [`Fault::Refused`] for a kind of memory the
/// driver does not take; `Other(ENOMEM)` when memory is short.
pub fn reqbufs(fd: BorrowedFd<'_>, queue: Queue, memory: Memory, count: u32) -> Result<u32, Fault> {
    let mut request = blank::<v4l2_requestbuffers>();
    request.count = count;
    request.type_ = queue.raw();
    request.memory = memory.raw();
    // SAFETY: the kernel reads and writes one v4l2_requestbuffers, which `request` is.
    again(|| unsafe { raw::reqbufs(fd.as_raw_fd(), &raw mut request) })?;
    Ok(request.count)
}
