//! `VIDIOC_QUERYBUF`: where a buffer lies, for mapping it.

use std::os::fd::BorrowedFd;

use v4l::v4l_sys::v4l2_buffer;

use super::pix::MOST_PLANES;
use super::{Buffer, Fault, Memory, Planarity, Queue};

mod raw {
    nix::ioctl_readwrite!(querybuf, b'V', 9, super::v4l2_buffer);
}

/// The place of one memory plane of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Bytes.
    pub length: u32,
    /// The offset to give to `mmap`; a cookie, not an address.
    pub offset: u32,
    /// Bytes in front of the picture, as far as the driver knows yet: some only after the buffer was
    /// queued for the first time.
    pub header: u32,
}

/// Where the memory planes of buffer `index` lie. The buffer must be a mappable one.
///
/// # Errors
/// [`Fault::Refused`] for an index the driver did not allocate.
pub fn querybuf(
    fd: BorrowedFd<'_>,
    queue: Queue,
    index: u32,
) -> Result<heapless::Vec<Place, MOST_PLANES>, Fault> {
    let mut buffer = Buffer::new(queue, Memory::Mmap, index);
    buffer.with(queue, fd, raw::querybuf)?;
    Ok(match queue.planarity {
        Planarity::Single => std::iter::once(Place {
            length: buffer.head.length,
            // SAFETY: for a mapped single-planar buffer the kernel fills the member `offset`.
            offset: unsafe { buffer.head.m.offset },
            header: 0,
        })
        .collect(),
        Planarity::Multi => {
            // The kernel answers with the number of planes there are.
            let count = usize::try_from(buffer.head.length).unwrap_or(0);
            let planes = buffer.planes.iter().take(count.clamp(1, MOST_PLANES));
            planes
                .map(|plane| Place {
                    length: plane.length,
                    // SAFETY: for a mapped plane the kernel fills the member `mem_offset`.
                    offset: unsafe { plane.m.mem_offset },
                    header: plane.data_offset,
                })
                .collect()
        }
    })
}
