//! `VIDIOC_S_PARM`: sets the time from one frame to the next.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::{v4l2_fract, v4l2_streamparm};

use super::g_parm::rate_of;
use super::{Direction, Fault, Queue, again, blank};
use crate::units::Rate;

mod raw {
    nix::ioctl_readwrite!(s_parm, b'V', 22, super::v4l2_streamparm);
}

/// Asks for a rate and returns the one the driver chose; `None` when it does not say. On an
/// encoder's output queue it is what the rate control counts with.
///
/// # Errors
/// [`Fault::Unsupported`] or [`Fault::Refused`] in drivers that know only one rate.
pub fn s_parm(fd: BorrowedFd<'_>, queue: Queue, rate: Rate) -> Result<Option<Rate>, Fault> {
    let mut parameters = blank::<v4l2_streamparm>();
    parameters.type_ = queue.raw();
    let interval = v4l2_fract {
        numerator: rate.seconds(),
        denominator: rate.frames(),
    };
    match queue.direction {
        Direction::Capture => parameters.parm.capture.timeperframe = interval,
        Direction::Output => parameters.parm.output.timeperframe = interval,
    }
    // SAFETY: the kernel reads and writes one v4l2_streamparm, which `parameters` is.
    again(|| unsafe { raw::s_parm(fd.as_raw_fd(), &raw mut parameters) })?;
    Ok(rate_of(queue, &parameters))
}
