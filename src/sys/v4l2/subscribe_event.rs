//! `VIDIOC_SUBSCRIBE_EVENT`: asks to be told.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::{V4L2_EVENT_EOS, V4L2_EVENT_SOURCE_CHANGE, v4l2_event_subscription};

use super::{Fault, again, blank};

mod raw {
    nix::ioctl_write_ptr!(subscribe_event, b'V', 90, super::v4l2_event_subscription);
}

/// What a driver can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// `V4L2_EVENT_EOS`: a codec has given its last buffer.
    EndOfStream,
    /// `V4L2_EVENT_SOURCE_CHANGE`: the picture's size is another one.
    SourceChange,
}

impl Event {
    pub(super) const fn raw(self) -> u32 {
        match self {
            Self::EndOfStream => V4L2_EVENT_EOS,
            Self::SourceChange => V4L2_EVENT_SOURCE_CHANGE,
        }
    }
}

/// Asks for events of one kind; [`super::dqevent`] brings them.
///
/// # Errors
/// [`Fault::Unsupported`] or [`Fault::Refused`] when the driver never tells this.
pub fn subscribe_event(fd: BorrowedFd<'_>, event: Event) -> Result<(), Fault> {
    let mut subscription = blank::<v4l2_event_subscription>();
    subscription.type_ = event.raw();
    // SAFETY: the kernel reads one v4l2_event_subscription, which `subscription` is.
    again(|| unsafe { raw::subscribe_event(fd.as_raw_fd(), &raw const subscription) })?;
    Ok(())
}
