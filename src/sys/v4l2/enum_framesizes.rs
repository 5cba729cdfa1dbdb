//! `VIDIOC_ENUM_FRAMESIZES`: the picture sizes of a format.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::{v4l2_frmsizeenum, v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE as DISCRETE};

use super::{Fault, again, blank};
use crate::units::Size;

mod raw {
    nix::ioctl_readwrite!(enum_framesizes, b'V', 74, super::v4l2_frmsizeenum);
}

/// One entry of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameSize {
    /// This size.
    Discrete(Size),
    /// Every size from `least` to `most` in steps of `step`; the only entry.
    Stepwise {
        /// Smallest.
        least: Size,
        /// Largest.
        most: Size,
        /// Pixels and lines from one to the next; at least 1.
        step: Size,
    },
}

/// Entry `index` of the sizes of `fourcc`, counted from 0; `None` behind the last.
///
/// # Errors
/// [`Fault::Unsupported`] where the driver does not list its sizes.
pub fn enum_framesizes(
    fd: BorrowedFd<'_>,
    fourcc: [u8; 4],
    index: u32,
) -> Result<Option<FrameSize>, Fault> {
    let mut entry = blank::<v4l2_frmsizeenum>();
    entry.index = index;
    entry.pixel_format = u32::from_le_bytes(fourcc);
    // SAFETY: the kernel reads and writes one v4l2_frmsizeenum, which `entry` is.
    let result = again(|| unsafe { raw::enum_framesizes(fd.as_raw_fd(), &raw mut entry) });
    match result.map_err(Fault::from) {
        Ok(()) => {}
        Err(Fault::Refused) => return Ok(None),
        Err(fault) => return Err(fault),
    }
    Ok(Some(if entry.type_ == DISCRETE {
        // SAFETY: for this type the kernel fills the member `discrete`.
        let discrete = unsafe { entry.__bindgen_anon_1.discrete };
        FrameSize::Discrete(Size::new(discrete.width, discrete.height))
    } else {
        // SAFETY: for the other two types the kernel fills the member `stepwise`.
        let range = unsafe { entry.__bindgen_anon_1.stepwise };
        FrameSize::Stepwise {
            least: Size::new(range.min_width, range.min_height),
            most: Size::new(range.max_width, range.max_height),
            step: Size::new(range.step_width.max(1), range.step_height.max(1)),
        }
    }))
}
