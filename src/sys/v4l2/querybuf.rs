//! `VIDIOC_QUERYBUF`: where a buffer lies, for mapping it.

use std::os::fd::BorrowedFd;

use v4l::v4l_sys::v4l2_buffer;

use super::{Buffer, Fault, Queue};

mod raw {
    nix::ioctl_readwrite!(querybuf, b'V', 9, super::v4l2_buffer);
}

/// The place of a buffer (of its only memory plane).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Bytes.
    pub length: u32,
    /// The offset to give to `mmap`; a cookie, not an address.
    pub offset: u32,
}

/// Where buffer `index` lies.
///
/// # Errors
/// [`Fault::Refused`] for an index the driver did not allocate.
pub fn querybuf(fd: BorrowedFd<'_>, queue: Queue, index: u32) -> Result<Place, Fault> {
    let mut buffer = Buffer::new(queue, index);
    buffer.with(queue, fd, raw::querybuf)?;
    Ok(match queue {
        Queue::Single => Place {
            length: buffer.head.length,
            // SAFETY: for a mapped single-planar buffer the kernel fills the member `offset`.
            offset: unsafe { buffer.head.m.offset },
        },
        Queue::Multi => Place {
            length: buffer.planes[0].length,
            // SAFETY: for a mapped plane the kernel fills the member `mem_offset`.
            offset: unsafe { buffer.planes[0].m.mem_offset },
        },
    })
}
