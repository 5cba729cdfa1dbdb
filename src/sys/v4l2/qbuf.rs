//! `VIDIOC_QBUF`: hands a buffer to the driver.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use v4l::v4l_sys::v4l2_buffer;

use super::pix::MOST_PLANES;
use super::{Buffer, Memory, Queue};

mod raw {
    nix::ioctl_readwrite!(qbuf, b'V', 15, super::v4l2_buffer);
}

/// How handing over failed. The buffer is still ours in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QbufError {
    /// `EINVAL`: the driver refuses the buffer now; the same call again may succeed.
    Refused,
    /// `EIO`: the stream broke.
    Broken,
    /// `ENODEV`: the device was unplugged or unbound.
    Gone,
    /// Anything else.
    Other(Errno),
}

impl fmt::Display for QbufError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the driver refused the buffer"),
            Self::Broken => f.write_str("the stream broke"),
            Self::Gone => f.write_str("the device is gone"),
            Self::Other(errno) => f.write_str(errno.desc()),
        }
    }
}

impl std::error::Error for QbufError {}

/// Hands buffer `index`, one of the driver's own, to the driver to be filled.
///
/// # Errors
/// See [`QbufError`].
pub fn qbuf(fd: BorrowedFd<'_>, queue: Queue, index: u32) -> Result<(), QbufError> {
    let mut buffer = Buffer::new(queue, Memory::Mmap, index);
    buffer.with(queue, fd, raw::qbuf).map_err(named)
}

/// The bytes of one memory plane that the driver shall read.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// Another driver's memory, or `None` for this driver's own.
    pub shared: Option<BorrowedFd<'a>>,
    /// Bytes of memory there are.
    pub length: u32,
    /// Bytes of it that are in use, `offset` included.
    pub used: u32,
    /// Bytes in front of the picture.
    pub offset: u32,
}

/// Hands buffer `index` to the driver to be read. `micros` is carried through to what comes of it.
///
/// # Errors
/// See [`QbufError`]. At the first time of a shared buffer `Refused` or `Other` may mean that the
/// driver cannot reach that memory.
pub fn qbuf_filled(
    fd: BorrowedFd<'_>,
    queue: Queue,
    index: u32,
    planes: &[Plane<'_>],
    micros: u64,
) -> Result<(), QbufError> {
    let shared = planes.iter().any(|plane| plane.shared.is_some());
    let memory = if shared { Memory::Dmabuf } else { Memory::Mmap };
    let mut buffer = Buffer::new(queue, memory, index);
    let nonsense = |_| QbufError::Refused;
    buffer.head.field = v4l::v4l_sys::v4l2_field_V4L2_FIELD_NONE;
    buffer.head.timestamp.tv_sec = (micros / 1_000_000).try_into().map_err(nonsense)?;
    buffer.head.timestamp.tv_usec = (micros % 1_000_000)
        .try_into()
        .map_err(|_| QbufError::Refused)?;
    if queue.is_multi() {
        for (to, from) in buffer.planes.iter_mut().zip(planes).take(MOST_PLANES) {
            to.length = from.length;
            to.bytesused = from.used;
            to.data_offset = from.offset;
            if let Some(shared) = from.shared {
                to.m.fd = shared.as_raw_fd();
            }
        }
    } else if let [plane] = planes {
        buffer.head.length = plane.length;
        buffer.head.bytesused = plane.used;
        if let Some(shared) = plane.shared {
            buffer.head.m.fd = shared.as_raw_fd();
        }
    } else {
        return Err(QbufError::Refused);
    }
    buffer.with(queue, fd, raw::qbuf).map_err(named)
}

fn named(errno: Errno) -> QbufError {
    match errno {
        Errno::EINVAL => QbufError::Refused,
        Errno::EIO => QbufError::Broken,
        Errno::ENODEV | Errno::ENXIO => QbufError::Gone,
        other => QbufError::Other(other),
    }
}
