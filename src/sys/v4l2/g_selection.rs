//! `VIDIOC_G_SELECTION`: asks which part of the picture counts.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::{V4L2_SEL_TGT_CROP, v4l2_selection};

use super::{Direction, Fault, Planarity, Queue, again, blank};
use crate::units::Size;

mod raw {
    nix::ioctl_readwrite!(g_selection, b'V', 94, super::v4l2_selection);
}

/// The part of the pictures on this queue that counts (`V4L2_SEL_TGT_CROP`).
///
/// # Errors
/// [`Fault::Unsupported`] or [`Fault::Refused`] when all of it always does.
pub fn g_selection(fd: BorrowedFd<'_>, direction: Direction) -> Result<Rect, Fault> {
    let mut selection = crop(direction);
    // SAFETY: the kernel reads and writes one v4l2_selection, which `selection` is.
    again(|| unsafe { raw::g_selection(fd.as_raw_fd(), &raw mut selection) })?;
    Ok(Rect::of(&selection))
}

/// Which part, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Columns left out on the left.
    pub left: i32,
    /// Lines left out at the top.
    pub top: i32,
    /// What counts.
    pub size: Size,
}

impl Rect {
    pub(super) const fn of(selection: &v4l2_selection) -> Self {
        Self {
            left: selection.r.left,
            top: selection.r.top,
            size: Size::new(selection.r.width, selection.r.height),
        }
    }
}

/// A request about the crop rectangle. Selections name a direction only: the kernel wants the
/// single-planar type for multi-planar queues, too.
pub(super) fn crop(direction: Direction) -> v4l2_selection {
    let mut selection = blank::<v4l2_selection>();
    selection.type_ = Queue {
        direction,
        planarity: Planarity::Single,
    }
    .raw();
    selection.target = V4L2_SEL_TGT_CROP;
    selection
}
