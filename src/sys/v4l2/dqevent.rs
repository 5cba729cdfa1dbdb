//! `VIDIOC_DQEVENT`: what the driver has to tell.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use v4l::v4l_sys::v4l2_event;

use super::subscribe_event::Event;
use super::{Fault, again, blank};

mod raw {
    nix::ioctl_read!(dqevent, b'V', 89, super::v4l2_event);
}

/// The oldest event of a kind we know; `None` when there is none. Others are passed over.
///
/// # Errors
/// Any [`Fault`]; `Gone` after unplugging.
pub fn dqevent(fd: BorrowedFd<'_>) -> Result<Option<Event>, Fault> {
    loop {
        let mut event = blank::<v4l2_event>();
        // SAFETY: the kernel writes one v4l2_event, which `event` is.
        match again(|| unsafe { raw::dqevent(fd.as_raw_fd(), &raw mut event) }) {
            // ENOENT: none is waiting. EAGAIN is what a few old drivers say instead.
            Err(Errno::ENOENT | Errno::EAGAIN) => return Ok(None),
            Err(errno) => return Err(errno.into()),
            Ok(()) => {}
        }
        let known = [Event::EndOfStream, Event::SourceChange];
        if let Some(event) = known.into_iter().find(|known| known.raw() == event.type_) {
            return Ok(Some(event));
        }
    }
}
