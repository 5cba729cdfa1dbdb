//! `VIDIOC_ENUM_FMT`: the pixel formats of a node.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::v4l2_fmtdesc;

use super::{Fault, Queue, again, blank};

mod raw {
    nix::ioctl_readwrite!(enum_fmt, b'V', 2, super::v4l2_fmtdesc);
}

/// The fourcc at `index`, counted from 0; `None` behind the last.
///
/// # Errors
/// Any [`Fault`] but `Refused`, which is how the kernel ends the list.
pub fn enum_fmt(fd: BorrowedFd<'_>, queue: Queue, index: u32) -> Result<Option<[u8; 4]>, Fault> {
    let mut description = blank::<v4l2_fmtdesc>();
    description.index = index;
    description.type_ = queue.raw();
    // SAFETY: the kernel reads and writes one v4l2_fmtdesc, which `description` is.
    let result = again(|| unsafe { raw::enum_fmt(fd.as_raw_fd(), &raw mut description) });
    match result.map_err(Fault::from) {
        Ok(()) => Ok(Some(description.pixelformat.to_le_bytes())),
        Err(Fault::Refused) => Ok(None),
        Err(fault) => Err(fault),
    }
}
