//! Video4Linux2 system calls: enumeration, formats and streaming, by mapped and by shared buffers.
//!
//! One file per call: a private `raw` part that names the request, and one safe function that
//! speaks our types. Structures and their sizes come from the target's own `linux/videodev2.h`
//! (by `v4l::v4l_sys`), and the request numbers are computed from those sizes, so 32-bit targets
//! with either width of `time_t` reach the right entry of the kernel.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc::c_int;
use v4l::v4l_sys;

pub mod create_bufs;
pub mod dqbuf;
pub mod dqevent;
pub mod enum_fmt;
pub mod enum_framesizes;
pub mod enuminput;
pub mod expbuf;
pub mod ext_control;
pub mod g_ext_ctrls;
pub mod g_fmt;
pub mod g_parm;
pub mod g_selection;
pub mod handle;
pub mod pix;
pub mod qbuf;
pub mod query_ext_ctrl;
pub mod querybuf;
pub mod querycap;
pub mod querymenu;
pub mod reqbufs;
pub mod s_ext_ctrls;
pub mod s_fmt;
pub mod s_parm;
pub mod s_selection;
pub mod streamoff;
pub mod streamon;
pub mod subscribe_event;
pub mod try_fmt;

/// Which way the buffers of a queue carry data, seen from the application as V4L2 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The driver fills them: a camera's frames, a codec's results.
    Capture,
    /// The driver reads them: what a codec works on.
    Output,
}

/// Which of the kernel's two buffer interfaces a node speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Planarity {
    /// One memory plane a buffer.
    Single,
    /// `…_MPLANE`: one or more memory planes a buffer.
    Multi,
}

/// One queue of buffers: `enum v4l2_buf_type`, as far as video goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Queue {
    /// Which way.
    pub direction: Direction,
    /// Which interface.
    pub planarity: Planarity,
}

impl Queue {
    /// The capture queue of a node that speaks this interface.
    #[must_use]
    pub const fn capture(planarity: Planarity) -> Self {
        Self {
            direction: Direction::Capture,
            planarity,
        }
    }

    /// The output queue of a node that speaks this interface.
    #[must_use]
    pub const fn output(planarity: Planarity) -> Self {
        Self {
            direction: Direction::Output,
            planarity,
        }
    }

    const fn is_multi(self) -> bool {
        matches!(self.planarity, Planarity::Multi)
    }

    const fn raw(self) -> u32 {
        match (self.direction, self.planarity) {
            (Direction::Capture, Planarity::Single) => {
                v4l_sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE
            }
            (Direction::Capture, Planarity::Multi) => {
                v4l_sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
            }
            (Direction::Output, Planarity::Single) => {
                v4l_sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT
            }
            (Direction::Output, Planarity::Multi) => {
                v4l_sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE
            }
        }
    }
}

/// Where the bytes of a queue's buffers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Memory {
    /// `V4L2_MEMORY_MMAP`: the driver's own.
    Mmap,
    /// `V4L2_MEMORY_DMABUF`: another driver's, lent for one turn.
    Dmabuf,
}

impl Memory {
    const fn raw(self) -> u32 {
        match self {
            Self::Mmap => v4l_sys::v4l2_memory_V4L2_MEMORY_MMAP,
            Self::Dmabuf => v4l_sys::v4l2_memory_V4L2_MEMORY_DMABUF,
        }
    }
}

/// How a set-up call failed. The calls of the running stream have their own, finer errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `ENOTTY`: the driver does not know this call.
    Unsupported,
    /// `EINVAL`: the driver knows the call and refuses the values (or an enumeration has ended).
    Refused,
    /// `EBUSY`: another program holds the stream.
    Busy,
    /// `ENODEV` or `ENXIO`: the device was unplugged or unbound.
    Gone,
    /// `EIO`: the hardware failed.
    Broken,
    /// Anything else.
    Other(Errno),
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ENOTTY => Self::Unsupported,
            Errno::EINVAL => Self::Refused,
            Errno::EBUSY => Self::Busy,
            Errno::ENODEV | Errno::ENXIO => Self::Gone,
            Errno::EIO => Self::Broken,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("the driver does not support this call"),
            Self::Refused => f.write_str("the driver refused the values"),
            Self::Busy => f.write_str("another program is using the device"),
            Self::Gone => f.write_str("the device is gone"),
            Self::Broken => f.write_str("the device reports an input/output error"),
            Self::Other(errno) => f.write_str(errno.desc()),
        }
    }
}

impl std::error::Error for Fault {}

/// A kernel structure for which all bytes zero is a valid value.
///
/// # Safety
/// Only for structures of integers, arrays, unions and raw pointers.
unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($name:ident),* $(,)?) => {
        // SAFETY: videodev2.h declares each of them from integers, arrays, unions and pointers.
        $(unsafe impl Plain for v4l_sys::$name {})*
    };
}
plain!(
    v4l2_buffer,
    v4l2_capability,
    v4l2_create_buffers,
    v4l2_event,
    v4l2_event_subscription,
    v4l2_exportbuffer,
    v4l2_ext_control,
    v4l2_ext_controls,
    v4l2_fmtdesc,
    v4l2_format,
    v4l2_frmsizeenum,
    v4l2_input,
    v4l2_plane,
    v4l2_query_ext_ctrl,
    v4l2_querymenu,
    v4l2_requestbuffers,
    v4l2_selection,
    v4l2_streamparm,
);

/// The all-zero value that V4L2 wants unused fields to have.
fn blank<T: Plain>() -> T {
    // SAFETY: `Plain` promises that all bytes zero is a valid value.
    unsafe { std::mem::zeroed() }
}

/// Calls until no signal interrupts.
fn again(mut call: impl FnMut() -> nix::Result<c_int>) -> Result<(), Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => return Ok(()),
        }
    }
}

/// Fixed text fields end at the first zero byte and may hold anything.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default())
        .trim()
        .to_owned()
}

/// Buffers of a multi-planar queue carry their planes beside them.
const PLANES: usize = v4l_sys::VIDEO_MAX_PLANES as usize;

/// A buffer description with room for its planes, linked for as long as the call runs.
struct Buffer {
    head: v4l_sys::v4l2_buffer,
    planes: [v4l_sys::v4l2_plane; PLANES],
}

impl Buffer {
    fn new(queue: Queue, memory: Memory, index: u32) -> Self {
        let mut head = blank::<v4l_sys::v4l2_buffer>();
        head.index = index;
        head.type_ = queue.raw();
        head.memory = memory.raw();
        Self {
            head,
            planes: [blank(); PLANES],
        }
    }

    /// Runs `call` with the planes linked, then unlinks them so that the value may move.
    fn with(
        &mut self,
        queue: Queue,
        fd: BorrowedFd<'_>,
        call: unsafe fn(c_int, *mut v4l_sys::v4l2_buffer) -> nix::Result<c_int>,
    ) -> Result<(), Errno> {
        let result = again(|| {
            if queue.is_multi() {
                self.head.m.planes = self.planes.as_mut_ptr();
                self.head.length = v4l_sys::VIDEO_MAX_PLANES;
            }
            // SAFETY: `head` is a valid v4l2_buffer; for a multi-planar queue it points to
            // VIDEO_MAX_PLANES planes and says so; both outlive the call.
            unsafe { call(fd.as_raw_fd(), &raw mut self.head) }
        });
        if queue.is_multi() {
            self.head.m.planes = std::ptr::null_mut();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drivers_text_ends_at_its_first_zero_and_survives_bad_utf8() {
        assert_eq!(text(b"uvcvideo\0junk"), "uvcvideo");
        assert_eq!(text(b"full width"), "full width");
        assert_eq!(text(b"Cam\xe9ra \0"), "Cam\u{fffd}ra");
        assert_eq!(text(b""), "");
    }

    #[test]
    fn the_kernels_numbers_become_named_faults() {
        assert_eq!(Fault::from(Errno::ENOTTY), Fault::Unsupported);
        assert_eq!(Fault::from(Errno::ENXIO), Fault::Gone);
        assert_eq!(
            Fault::from(Errno::ENOSPC).to_string(),
            "No space left on device"
        );
    }
}
