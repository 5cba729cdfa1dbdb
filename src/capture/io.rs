//! A V4L2 capture node as a [`Source`]: opens it, agrees on a format, runs the ring of buffers.
//!
//! The law: [`Source::next`] allocates nothing. Everything that does is in [`V4l2Source::open`].

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode as Permissions;

use super::colorimetry::{Reported, colour};
use super::layout::{least_bytes, stride};
use super::negotiate::{Candidate, Outcome, Wish, rank};
use super::queue::{MOST, Ring};
use super::stamp::Stamps;
use super::{Capture, Format, Frame, PixelFormat, Source};
use crate::camera::Mode;
use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::sys::mmap::Mapping;
use crate::sys::v4l2::dqbuf::{DqbufError, dqbuf};
use crate::sys::v4l2::pix::Pix;
use crate::sys::v4l2::qbuf::{QbufError, qbuf};
use crate::sys::v4l2::querybuf::querybuf;
use crate::sys::v4l2::querycap::querycap;
use crate::sys::v4l2::reqbufs::reqbufs;
use crate::sys::v4l2::s_fmt::s_fmt;
use crate::sys::v4l2::s_parm::s_parm;
use crate::sys::v4l2::streamoff::streamoff;
use crate::sys::v4l2::streamon::streamon;
use crate::sys::v4l2::{Fault, Queue};
use crate::units::{Rate, Size};

/// Buffers asked of the driver: one with us, one being filled, two in reserve. At 30 frames per
/// second the thread may be late by 60 ms before a frame is lost.
const BUFFERS: u32 = 4;

/// With fewer the driver has nothing to fill while we read one.
const LEAST_BUFFERS: u32 = 2;

/// `V4L2_FIELD_TOP`, `_BOTTOM`, `_SEQ_TB`, `_SEQ_BT`, `_ALTERNATE`: half pictures or fields behind
/// each other, which no encoder of ours takes.
const UNUSABLE_FIELDS: [u32; 5] = [2, 3, 5, 6, 7];

/// A running V4L2 camera.
#[derive(Debug)]
pub struct V4l2Source {
    // Fields drop in this order: the mappings go before the descriptor.
    buffers: heapless::Vec<Mapping, MOST>,
    fd: OwnedFd,
    node: PathBuf,
    queue: Queue,
    ring: Ring,
    stamps: Stamps,
    outcome: Outcome,
    /// Fewer bytes than this are half a picture.
    least: u64,
}

impl V4l2Source {
    /// Opens `node`, agrees on the mode of `modes` that comes nearest to `wish`, and starts.
    ///
    /// # Errors
    /// `Gone`: the node is not there. `Reopen`: the driver failed or another program is using the
    /// camera; later may be better. `Config`: permissions, or nothing we can take is offered.
    pub fn open(node: &Path, modes: &[Mode], wish: &Wish) -> Result<Self> {
        let fd = open_node(node)?;
        let caps = querycap(fd.as_fd()).map_err(|f| failed(node, "asking for capabilities", f))?;
        let Some(queue) = caps.queue() else {
            let what = format!("{} is not a streaming capture node", node.display());
            return Err(Error::new(Kind::Config, what));
        };
        let format = agree(fd.as_fd(), node, queue, modes, wish)?;
        let (ring, buffers) = allocate(fd.as_fd(), node, queue)?;
        let mut source = Self {
            buffers,
            fd,
            node: node.to_owned(),
            queue,
            ring,
            stamps: Stamps::default(),
            outcome: Outcome {
                asked: *wish,
                given: format,
            },
            least: least_bytes(format.pixel, format.size, format.stride),
        };
        source.give_back()?;
        streamon(source.fd.as_fd(), queue).map_err(|f| failed(node, "starting the stream", f))?;
        Ok(source)
    }

    /// What was asked for and what the driver gave.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Hands every buffer of ours to the driver.
    fn give_back(&mut self) -> Result<()> {
        while let Some(index) = self.ring.first_dequeued() {
            let queued = match qbuf(self.fd.as_fd(), self.queue, index) {
                // Seen from drivers in passing: the very same call succeeds the second time.
                Err(QbufError::Refused) => qbuf(self.fd.as_fd(), self.queue, index),
                first => first,
            };
            queued.map_err(|error| {
                let kind = if error == QbufError::Gone {
                    Kind::Gone
                } else {
                    Kind::Reopen
                };
                let what = format!("{}: queueing buffer {index}", self.node.display());
                Error::new(kind, what).because(error)
            })?;
            self.note(Ring::queued, index)?;
        }
        Ok(())
    }

    fn note(
        &mut self,
        step: fn(&mut Ring, u32) -> Result<(), super::queue::Misuse>,
        index: u32,
    ) -> Result<()> {
        step(&mut self.ring, index).map_err(|misuse| {
            let what = format!("{}: the driver broke its own rules", self.node.display());
            Error::new(Kind::Reopen, what).because(misuse)
        })
    }

    fn broken(&self, error: DqbufError) -> Error {
        let kind = if error == DqbufError::Gone {
            Kind::Gone
        } else {
            Kind::Reopen
        };
        let what = format!("{}: taking a frame", self.node.display());
        Error::new(kind, what).because(error)
    }
}

impl Source for V4l2Source {
    fn format(&self) -> Format {
        self.outcome.given
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn next(&mut self) -> Result<Capture<'_>> {
        self.give_back()?;
        let filled = match dqbuf(self.fd.as_fd(), self.queue) {
            Ok(filled) => filled,
            Err(DqbufError::NotReady) => return Ok(Capture::Pending),
            Err(error) => return Err(self.broken(error)),
        };
        self.note(Ring::dequeued, filled.index)?;
        let data = usize::try_from(filled.index)
            .ok()
            .and_then(|at| self.buffers.get(at))
            .map_or(&[][..], |buffer| buffer.bytes(filled.from, filled.to));
        // Half a raw picture would be read as a whole one further on.
        let whole = u64::try_from(data.len()).is_ok_and(|length| length >= self.least);
        if filled.damaged || !whole {
            return Ok(Capture::Damaged);
        }
        Ok(Capture::Frame(Frame {
            data,
            sequence: filled.sequence,
            captured: self
                .stamps
                .mend(filled.sequence, filled.captured, clock::mono()),
        }))
    }
}

impl Drop for V4l2Source {
    fn drop(&mut self) {
        // Closing would stop the stream, too; a device that is gone has stopped already.
        let _ = streamoff(self.fd.as_fd(), self.queue);
    }
}

fn open_node(node: &Path) -> Result<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    open(node, flags, Permissions::empty()).map_err(|errno| {
        let (kind, action) = match errno {
            Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => (Kind::Gone, None),
            Errno::EACCES | Errno::EPERM => (
                Kind::Config,
                Some("let the service's user read and write it, usually by the group video"),
            ),
            _ => (Kind::Reopen, None),
        };
        let error = Error::new(kind, format!("opening {}", node.display())).because(errno);
        match action {
            Some(action) => error.action(action),
            None => error,
        }
    })
}

/// The error of a set-up step.
fn failed(node: &Path, doing: &str, fault: Fault) -> Error {
    let (kind, action) = match fault {
        Fault::Gone => (Kind::Gone, None),
        Fault::Busy => (Kind::Reopen, Some("stop the other program")),
        Fault::Other(Errno::ENOSPC) => (
            Kind::Config,
            Some("the USB bus has no bandwidth left: lower size or rate, or use another port"),
        ),
        Fault::Other(Errno::EPIPE | Errno::ENOLINK) => (
            Kind::Config,
            Some("the node needs a media pipeline that nobody has set up"),
        ),
        _ => (Kind::Reopen, None),
    };
    let error = Error::new(kind, format!("{}: {doing}", node.display())).because(fault);
    match action {
        Some(action) => error.action(action),
        None => error,
    }
}

/// Asks for the candidates in turn until the driver settles on a format that we can take.
fn agree(
    fd: BorrowedFd<'_>,
    node: &Path,
    queue: Queue,
    modes: &[Mode],
    wish: &Wish,
) -> Result<Format> {
    let mut last: Option<Error> = None;
    for candidate in rank(modes, wish) {
        for fourcc in names(candidate.pixel) {
            let asked = Pix::wish(fourcc, candidate.size.width, candidate.size.height);
            match s_fmt(fd, queue, asked) {
                Ok(answer) => match usable(&answer) {
                    Ok(pixel) => return settle(fd, node, queue, &answer, pixel, &candidate),
                    Err(why) => {
                        let what = format!("{}: asked for {candidate}, {why}", node.display());
                        last = Some(Error::new(Kind::Config, what));
                    }
                },
                Err(fault @ (Fault::Gone | Fault::Busy)) => {
                    return Err(failed(node, "setting the format", fault));
                }
                Err(fault) => last = Some(failed(node, "setting the format", fault)),
            }
        }
    }
    Err(last.unwrap_or_else(|| {
        Error::new(
            Kind::Config,
            format!("{} offers no picture format we can take", node.display()),
        )
    }))
}

/// The fourccs to ask for: old drivers call one JPEG per frame `JPEG`.
fn names(pixel: PixelFormat) -> impl Iterator<Item = [u8; 4]> {
    let old = (pixel == PixelFormat::Mjpeg).then_some(*b"JPEG");
    std::iter::once(pixel.fourcc()).chain(old)
}

/// The layout of an answer, or why it is of no use.
fn usable(answer: &Pix) -> Result<PixelFormat, String> {
    let Some(pixel) = PixelFormat::from_fourcc(answer.fourcc) else {
        let fourcc = String::from_utf8_lossy(&answer.fourcc);
        return Err(format!("the driver insists on {fourcc}"));
    };
    if answer.memory_planes != 1 {
        let planes = answer.memory_planes;
        return Err(format!(
            "the driver insists on {planes} separate memory planes"
        ));
    }
    if UNUSABLE_FIELDS.contains(&answer.field) {
        return Err("the driver insists on separate fields".to_owned());
    }
    if answer.width == 0 || answer.height == 0 {
        return Err("the driver answered with an empty picture".to_owned());
    }
    Ok(pixel)
}

/// Sets the rate and puts the driver's answers together.
fn settle(
    fd: BorrowedFd<'_>,
    node: &Path,
    queue: Queue,
    answer: &Pix,
    pixel: PixelFormat,
    candidate: &Candidate,
) -> Result<Format> {
    let rate: Option<Rate> = match s_parm(fd, queue, candidate.rate) {
        Ok(rate) => rate,
        Err(Fault::Unsupported | Fault::Refused) => None, // a driver with one rate only
        Err(fault) => return Err(failed(node, "setting the rate", fault)),
    };
    Ok(Format {
        pixel,
        size: Size::new(answer.width, answer.height),
        stride: stride(pixel, answer.width, answer.stride),
        rate: rate.unwrap_or(candidate.rate),
        colour: colour(
            pixel,
            Reported {
                colorspace: answer.colorspace,
                ycbcr_enc: answer.ycbcr_enc,
                quantization: answer.quantization,
                xfer_func: answer.xfer_func,
            },
        ),
    })
}

fn allocate(
    fd: BorrowedFd<'_>,
    node: &Path,
    queue: Queue,
) -> Result<(Ring, heapless::Vec<Mapping, MOST>)> {
    let count = reqbufs(fd, queue, BUFFERS).map_err(|f| failed(node, "asking for buffers", f))?;
    let ring = (count >= LEAST_BUFFERS).then(|| Ring::new(count)).flatten();
    let Some(ring) = ring else {
        let what = format!("{}: the driver gave {count} buffers", node.display());
        return Err(Error::new(Kind::Reopen, what));
    };
    let mut buffers = heapless::Vec::new();
    for index in 0..count {
        let mapping = querybuf(fd, queue, index)
            .and_then(|at| Ok(Mapping::new(fd, at.length, at.offset)?))
            .map_err(|f| failed(node, "mapping the buffers", f))?;
        if buffers.push(mapping).is_err() {
            break; // cannot happen: the ring is no longer than the table
        }
    }
    Ok((ring, buffers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_no_encoder_takes_is_refused_with_its_reason() {
        let answer = Pix::wish(*b"NV12", 640, 480);
        assert_eq!(usable(&answer), Ok(PixelFormat::Nv12));
        let apart = Pix {
            memory_planes: 2,
            ..answer
        };
        assert!(
            usable(&apart)
                .unwrap_err()
                .contains("2 separate memory planes")
        );
        let bayer = Pix {
            fourcc: *b"BA81",
            ..answer
        };
        assert!(usable(&bayer).unwrap_err().contains("BA81"));
        let fields = Pix { field: 7, ..answer };
        assert!(usable(&fields).unwrap_err().contains("fields"));
    }

    #[test]
    fn an_unplugged_device_is_waited_for_and_a_busy_one_tried_again() {
        let node = Path::new("/dev/video0");
        let kind = |fault| failed(node, "starting the stream", fault).kind();
        assert_eq!(kind(Fault::Gone), Kind::Gone);
        assert_eq!(kind(Fault::Busy), Kind::Reopen);
        assert_eq!(kind(Fault::Refused), Kind::Reopen);
        assert_eq!(kind(Fault::Other(Errno::ENOSPC)), Kind::Config);
        let absent = V4l2Source::open(
            Path::new("/nonexistent/video0"),
            &[],
            &Wish {
                size: Size::new(640, 480),
                rate: Rate::fps(30),
                pixel: None,
            },
        );
        assert_eq!(absent.unwrap_err().kind(), Kind::Gone);
    }
}
