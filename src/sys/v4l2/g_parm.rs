//! `VIDIOC_G_PARM`: the time from one frame to the next that is in force.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::{V4L2_CAP_TIMEPERFRAME, v4l2_streamparm};

use super::{Direction, Fault, Queue, again, blank};
use crate::units::Rate;

mod raw {
    nix::ioctl_readwrite!(g_parm, b'V', 21, super::v4l2_streamparm);
}

/// The rate in force; `None` when the driver does not say.
///
/// # Errors
/// [`Fault::Unsupported`] or [`Fault::Refused`] in drivers that know nothing of rates.
pub fn g_parm(fd: BorrowedFd<'_>, queue: Queue) -> Result<Option<Rate>, Fault> {
    let mut parameters = blank::<v4l2_streamparm>();
    parameters.type_ = queue.raw();
    // SAFETY: the kernel reads and writes one v4l2_streamparm, which `parameters` is.
    again(|| unsafe { raw::g_parm(fd.as_raw_fd(), &raw mut parameters) })?;
    Ok(rate_of(queue, &parameters))
}

/// What the driver answered for this queue.
pub(super) fn rate_of(queue: Queue, parameters: &v4l2_streamparm) -> Option<Rate> {
    let (capability, interval) = match queue.direction {
        Direction::Capture => {
            // SAFETY: for a capture queue the kernel fills the member `capture`.
            let capture = unsafe { parameters.parm.capture };
            (capture.capability, capture.timeperframe)
        }
        Direction::Output => {
            // SAFETY: for an output queue the kernel fills the member `output`.
            let output = unsafe { parameters.parm.output };
            (output.capability, output.timeperframe)
        }
    };
    if capability & V4L2_CAP_TIMEPERFRAME == 0 {
        return None;
    }
    Rate::from_interval(interval.numerator, interval.denominator)
}
