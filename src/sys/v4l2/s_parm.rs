//! `VIDIOC_S_PARM`: sets the time from one frame to the next.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::{V4L2_CAP_TIMEPERFRAME, v4l2_fract, v4l2_streamparm};

use super::{Fault, Queue, again, blank};
use crate::units::Rate;

mod raw {
    nix::ioctl_readwrite!(s_parm, b'V', 22, super::v4l2_streamparm);
}

/// Asks for a rate and returns the one the driver chose; `None` when it does not say.
///
/// # Errors
/// [`Fault::Unsupported`] or [`Fault::Refused`] in drivers that know only one rate.
pub fn s_parm(fd: BorrowedFd<'_>, queue: Queue, rate: Rate) -> Result<Option<Rate>, Fault> {
    let mut parameters = blank::<v4l2_streamparm>();
    parameters.type_ = queue.raw();
    parameters.parm.capture.timeperframe = v4l2_fract {
        numerator: rate.seconds(),
        denominator: rate.frames(),
    };
    // SAFETY: the kernel reads and writes one v4l2_streamparm, which `parameters` is.
    again(|| unsafe { raw::s_parm(fd.as_raw_fd(), &raw mut parameters) })?;
    // SAFETY: for a capture queue the kernel fills the member `capture`.
    let capture = unsafe { parameters.parm.capture };
    if capture.capability & V4L2_CAP_TIMEPERFRAME == 0 {
        return Ok(None);
    }
    let interval = capture.timeperframe;
    Ok(Rate::from_interval(
        interval.numerator,
        interval.denominator,
    ))
}
