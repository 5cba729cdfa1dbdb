//! `VIDIOC_ENUMINPUT`: the inputs of a capture node. A converter or codec has none.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::v4l2_input;

use super::{Fault, again, blank};

mod raw {
    nix::ioctl_readwrite!(enuminput, b'V', 26, super::v4l2_input);
}

/// True when the node has an input number `index`, counted from 0.
///
/// # Errors
/// Any [`Fault`] but `Refused` and `Unsupported`, which both mean that there is no such input.
pub fn enuminput(fd: BorrowedFd<'_>, index: u32) -> Result<bool, Fault> {
    let mut input = blank::<v4l2_input>();
    input.index = index;
    // SAFETY: the kernel reads and writes one v4l2_input, which `input` is.
    match again(|| unsafe { raw::enuminput(fd.as_raw_fd(), &raw mut input) }).map_err(Fault::from) {
        Ok(()) => Ok(true),
        Err(Fault::Refused | Fault::Unsupported) => Ok(false),
        Err(fault) => Err(fault),
    }
}
