//! `VIDIOC_CREATE_BUFS`: buffers larger than the format needs, for a consumer that wants more room.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::v4l2_create_buffers;

use super::pix::Pix;
use super::{Fault, Memory, Queue, again, blank};

mod raw {
    nix::ioctl_readwrite!(create_bufs, b'V', 92, super::v4l2_create_buffers);
}

/// Allocates `count` of the driver's own buffers, each as large as `pix` says, and returns how many
/// there are. The queue must have none.
///
/// # Errors
/// [`Fault::Unsupported`] in drivers that size buffers by the format alone; [`Fault::Refused`] for
/// sizes they do not like.
pub fn create_bufs(fd: BorrowedFd<'_>, queue: Queue, count: u32, pix: Pix) -> Result<u32, Fault> {
    let mut request = blank::<v4l2_create_buffers>();
    request.count = count;
    request.memory = Memory::Mmap.raw();
    request.format = pix.to_raw(queue);
    // SAFETY: the kernel reads and writes one v4l2_create_buffers, which `request` is.
    again(|| unsafe { raw::create_bufs(fd.as_raw_fd(), &raw mut request) })?;
    Ok(request.index.saturating_add(request.count))
}
