//! `VIDIOC_S_SELECTION`: sets which part of the picture counts.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::v4l2_selection;

use super::g_selection::{Rect, crop};
use super::{Direction, Fault, again};
use crate::units::Size;

mod raw {
    nix::ioctl_readwrite!(s_selection, b'V', 95, super::v4l2_selection);
}

/// Makes the first `size` of the pictures on this queue count, and returns what the driver made
/// of it.
///
/// # Errors
/// [`Fault::Unsupported`] or [`Fault::Refused`] when all of the picture always counts.
pub fn s_selection(fd: BorrowedFd<'_>, direction: Direction, size: Size) -> Result<Rect, Fault> {
    let mut selection = crop(direction);
    selection.r.width = size.width;
    selection.r.height = size.height;
    // SAFETY: the kernel reads and writes one v4l2_selection, which `selection` is.
    again(|| unsafe { raw::s_selection(fd.as_raw_fd(), &raw mut selection) })?;
    Ok(Rect::of(&selection))
}
