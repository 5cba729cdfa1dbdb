//! `VIDIOC_DQBUF`: takes a buffer back from the driver, filled or read.

use std::fmt;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use v4l::v4l_sys::{
    V4L2_BUF_FLAG_ERROR, V4L2_BUF_FLAG_LAST, V4L2_BUF_FLAG_TIMESTAMP_MASK,
    V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, v4l2_buffer,
};

use super::pix::MOST_PLANES;
use super::{Buffer, Memory, Planarity, Queue};
use crate::clock::Mono;

mod raw {
    nix::ioctl_readwrite!(dqbuf, b'V', 17, super::v4l2_buffer);
}

/// A buffer that is ours until it is queued again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Which buffer, as the driver numbers them.
    pub index: u32,
    /// The driver's frame counter.
    pub sequence: u32,
    /// First byte of the picture.
    pub from: u32,
    /// Behind the last byte of the picture. The driver's word: clamp before use.
    pub to: u32,
    /// The same of the second and third memory plane, where there are any.
    pub further: [(u32, u32); MOST_PLANES - 1],
    /// `V4L2_BUF_FLAG_ERROR`: the data may be damaged.
    pub damaged: bool,
    /// `V4L2_BUF_FLAG_LAST`: nothing follows until the stream is started anew.
    pub last: bool,
    /// The stamp in microseconds, whatever clock it is of; a codec carries through what it was given.
    pub micros: u64,
    /// When the frame was taken, if the driver stamps with `CLOCK_MONOTONIC`.
    pub captured: Option<Mono>,
}

/// Why there is no buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DqbufError {
    /// `EAGAIN`: nothing done yet; not really an error.
    NotReady,
    /// `EPIPE`: the codec has given its last buffer.
    Ended,
    /// `EIO`: the stream broke and stays broken until it is started anew.
    Broken,
    /// `ENODEV`: the device was unplugged or unbound.
    Gone,
    /// Anything else.
    Other(Errno),
}

impl fmt::Display for DqbufError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("no frame is ready"),
            Self::Ended => f.write_str("the codec has ended its stream"),
            Self::Broken => f.write_str("the stream broke"),
            Self::Gone => f.write_str("the device is gone"),
            Self::Other(errno) => f.write_str(errno.desc()),
        }
    }
}

impl std::error::Error for DqbufError {}

/// Takes the next buffer that the driver is done with.
///
/// # Errors
/// See [`DqbufError`].
pub fn dqbuf(fd: BorrowedFd<'_>, queue: Queue, memory: Memory) -> Result<Filled, DqbufError> {
    let mut buffer = Buffer::new(queue, memory, 0);
    buffer
        .with(queue, fd, raw::dqbuf)
        .map_err(|errno| match errno {
            Errno::EAGAIN => DqbufError::NotReady,
            Errno::EPIPE => DqbufError::Ended,
            Errno::EIO => DqbufError::Broken,
            Errno::ENODEV | Errno::ENXIO => DqbufError::Gone,
            other => DqbufError::Other(other),
        })?;
    // The planes' `bytesused` counts the header in front of the picture, too.
    let part = |at: usize| (buffer.planes[at].data_offset, buffer.planes[at].bytesused);
    let (from, to) = match queue.planarity {
        Planarity::Single => (0, buffer.head.bytesused),
        Planarity::Multi => part(0),
    };
    let flagged = |flag: u32| buffer.head.flags & flag != 0;
    Ok(Filled {
        index: buffer.head.index,
        sequence: buffer.head.sequence,
        from,
        to,
        further: [part(1), part(2)],
        damaged: flagged(V4L2_BUF_FLAG_ERROR),
        last: flagged(V4L2_BUF_FLAG_LAST),
        micros: micros(&buffer.head).unwrap_or(0),
        captured: stamp(&buffer.head),
    })
}

fn micros(head: &v4l2_buffer) -> Option<u64> {
    let secs = u64::try_from(head.timestamp.tv_sec).ok()?;
    let micros = u64::try_from(head.timestamp.tv_usec).ok()?;
    secs.checked_mul(1_000_000)?.checked_add(micros)
}

fn stamp(head: &v4l2_buffer) -> Option<Mono> {
    if head.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC {
        return None;
    }
    let nanos = micros(head)?.checked_mul(1000)?;
    (nanos != 0).then_some(Mono::from_nanos(nanos)) // some drivers leave the field empty
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_monotonic_stamp_is_believed() {
        let mut head = Buffer::new(Queue::capture(Planarity::Single), Memory::Mmap, 0).head;
        head.timestamp.tv_sec = 12;
        head.timestamp.tv_usec = 345_678;
        assert_eq!(stamp(&head), None);
        head.flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
        assert_eq!(stamp(&head), Some(Mono::from_nanos(12_345_678_000)));
        head.timestamp.tv_sec = 0;
        head.timestamp.tv_usec = 0;
        assert_eq!(stamp(&head), None);
    }
}
