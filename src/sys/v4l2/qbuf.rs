//! `VIDIOC_QBUF`: hands a buffer to the driver.

use std::fmt;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use v4l::v4l_sys::v4l2_buffer;

use super::{Buffer, Queue};

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

/// Hands buffer `index` to the driver to be filled.
///
/// # Errors
/// See [`QbufError`].
pub fn qbuf(fd: BorrowedFd<'_>, queue: Queue, index: u32) -> Result<(), QbufError> {
    let mut buffer = Buffer::new(queue, index);
    buffer
        .with(queue, fd, raw::qbuf)
        .map_err(|errno| match errno {
            Errno::EINVAL => QbufError::Refused,
            Errno::EIO => QbufError::Broken,
            Errno::ENODEV | Errno::ENXIO => QbufError::Gone,
            other => QbufError::Other(other),
        })
}
