//! One V4L2 capture node: opened, agreed with on a format, started and stopped.
//!
//! The law: nothing is mapped here. [`V4l2Source`](crate::capture::io::V4l2Source) maps the buffers
//! to read them; the hardware route exports them and never looks inside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode as Permissions;

use crate::capture::colorimetry::{Reported, colour};
use crate::capture::layout::{MOST_PLANES, Raw, stride};
use crate::capture::negotiate::Candidate;
use crate::capture::queue::Misuse;
use crate::capture::{Format, PixelFormat};
use crate::error::{Error, Kind, Result};
use crate::sys::v4l2::create_bufs::create_bufs;
use crate::sys::v4l2::dqbuf::{DqbufError, Filled, dqbuf};
use crate::sys::v4l2::dqevent::dqevent;
use crate::sys::v4l2::expbuf::expbuf;
use crate::sys::v4l2::pix::Pix;
use crate::sys::v4l2::qbuf::{QbufError, qbuf};
use crate::sys::v4l2::querybuf::{Place, querybuf};
use crate::sys::v4l2::querycap::querycap;
use crate::sys::v4l2::reqbufs::reqbufs;
use crate::sys::v4l2::s_fmt::s_fmt;
use crate::sys::v4l2::s_parm::s_parm;
use crate::sys::v4l2::streamoff::streamoff;
use crate::sys::v4l2::streamon::streamon;
use crate::sys::v4l2::subscribe_event::{Event, subscribe_event};
use crate::sys::v4l2::{Fault, Memory, Planarity, Queue};
use crate::units::{Rate, Size};

/// With fewer the driver has nothing to fill while we read one.
const LEAST_BUFFERS: u32 = 2;

/// `V4L2_FIELD_TOP`, `_BOTTOM`, `_SEQ_TB`, `_SEQ_BT`, `_ALTERNATE`: half pictures or fields behind
/// each other, which no encoder of ours takes.
const UNUSABLE_FIELDS: [u32; 5] = [2, 3, 5, 6, 7];

/// A node that streams pictures.
#[derive(Debug)]
pub struct Device {
    fd: OwnedFd,
    node: PathBuf,
    queue: Queue,
}

/// A format that the driver settled on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// As the driver says it.
    pub pix: Pix,
    /// As we say it.
    pub format: Format,
}

/// Why there is no format.
#[derive(Debug)]
pub enum Disagreed {
    /// The driver's answer to this wish is of no use; another wish may be better.
    Unusable(Error),
    /// No wish helps.
    Failed(Error),
}

/// How a buffer was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// Without a word.
    AtOnce,
    /// The driver refused it at first.
    SecondTime,
}

impl Device {
    /// Opens `node`.
    ///
    /// # Errors
    /// `Gone`: the node is not there. `Config`: permissions, or it does not capture. `Reopen`: the
    /// driver failed.
    pub fn open(node: &Path) -> Result<Self> {
        let fd = open_node(node)?;
        let caps = querycap(fd.as_fd()).map_err(|f| failed(node, "asking for capabilities", f))?;
        let Some(queue) = caps.queue() else {
            let what = format!("{} is not a streaming capture node", node.display());
            return Err(Error::new(Kind::Config, what));
        };
        Ok(Self {
            fd,
            node: node.to_owned(),
            queue,
        })
    }

    /// Its path.
    #[must_use]
    pub fn node(&self) -> &Path {
        &self.node
    }

    /// True where buffers may have several memory planes.
    #[must_use]
    pub fn is_multi_planar(&self) -> bool {
        self.queue.planarity == Planarity::Multi
    }

    /// Asks for the candidates in turn until the driver settles on a contiguous format that we can
    /// take.
    ///
    /// # Errors
    /// The last candidate's; `Config` when there is none.
    pub fn agree(&self, candidates: &[Candidate]) -> Result<Agreed> {
        let mut last: Option<Error> = None;
        for candidate in candidates {
            for fourcc in names(candidate.pixel) {
                let wish = Pix::wish(fourcc, candidate.size.width, candidate.size.height);
                match self.ask(candidate, wish) {
                    Ok(agreed) => return Ok(agreed),
                    Err(Disagreed::Failed(error)) => return Err(error),
                    Err(Disagreed::Unusable(error)) => last = Some(error),
                }
            }
        }
        Err(last.unwrap_or_else(|| {
            let node = self.node.display();
            let what = format!("{node} offers no picture format we can take");
            Error::new(Kind::Config, what)
        }))
    }

    /// Asks for one format, `candidate` in the words of `wish`.
    ///
    /// # Errors
    /// See [`Disagreed`].
    pub fn ask(&self, candidate: &Candidate, wish: Pix) -> Result<Agreed, Disagreed> {
        let doing = "setting the format";
        let answer = match s_fmt(self.fd(), self.queue, wish) {
            Ok(answer) => answer,
            Err(fault @ (Fault::Refused | Fault::Unsupported)) => {
                return Err(Disagreed::Unusable(failed(&self.node, doing, fault)));
            }
            // A device that times out would do so for each of its formats.
            Err(fault) => return Err(Disagreed::Failed(failed(&self.node, doing, fault))),
        };
        let pixel = usable(&answer, wish.memory_planes).map_err(|why| {
            let what = format!("{}: asked for {candidate}, {why}", self.node.display());
            Disagreed::Unusable(Error::new(Kind::Config, what))
        })?;
        self.settle(&answer, pixel, candidate.rate)
            .map_err(Disagreed::Failed)
    }

    /// Sets the rate and puts the driver's answers together.
    fn settle(&self, answer: &Pix, pixel: PixelFormat, rate: Rate) -> Result<Agreed> {
        let given: Option<Rate> = match s_parm(self.fd(), self.queue, rate) {
            Ok(given) => given,
            Err(Fault::Unsupported | Fault::Refused) => None, // a driver with one rate only
            Err(fault) => return Err(failed(&self.node, "setting the rate", fault)),
        };
        let format = Format {
            pixel,
            size: Size::new(answer.width, answer.height),
            stride: stride(pixel, answer.width, answer.stride),
            rate: given.unwrap_or(rate),
            colour: colour(
                pixel,
                Reported {
                    colorspace: answer.colorspace,
                    ycbcr_enc: answer.ycbcr_enc,
                    quantization: answer.quantization,
                    xfer_func: answer.xfer_func,
                },
            ),
        };
        Ok(Agreed {
            pix: *answer,
            format,
        })
    }

    /// Makes the driver allocate buffers; fewer or more than `count` may come.
    ///
    /// # Errors
    /// `Reopen` when there are too few, or another program holds the camera.
    pub fn allocate(&self, count: u32) -> Result<u32> {
        let doing = "asking for buffers";
        let got = reqbufs(self.fd(), self.queue, Memory::Mmap, count)
            .map_err(|f| failed(&self.node, doing, f))?;
        if got < LEAST_BUFFERS {
            let what = format!("{}: the driver gave {got} buffers", self.node.display());
            return Err(Error::new(Kind::Reopen, what));
        }
        Ok(got)
    }

    /// Makes the driver allocate buffers larger than its format needs: `pix` says how large. `None`
    /// when it does not.
    #[must_use]
    pub fn allocate_larger(&self, count: u32, pix: Pix) -> Option<u32> {
        let got = create_bufs(self.fd(), self.queue, count, pix).ok()?;
        (got >= LEAST_BUFFERS).then_some(got)
    }

    /// Where buffer `index` lies.
    ///
    /// # Errors
    /// `Reopen` when the driver does not say.
    pub fn places(&self, index: u32) -> Result<heapless::Vec<Place, MOST_PLANES>> {
        querybuf(self.fd(), self.queue, index)
            .map_err(|f| failed(&self.node, "asking for a buffer's place", f))
    }

    /// Bytes that the driver puts in front of the picture (vivid does, before packed pixels in
    /// multi-planar buffers). Only between allocating and starting.
    ///
    /// # Errors
    /// As those of the calls it takes.
    pub fn header(&self) -> Result<u32> {
        self.queue(0)?;
        let places = self.places(0);
        self.stop()?;
        Ok(places?.iter().map(|place| place.header).max().unwrap_or(0))
    }

    /// Memory plane `plane` of buffer `index` for another device.
    ///
    /// # Errors
    /// The driver's own: `Unsupported` where it shares nothing.
    pub fn export(&self, index: u32, plane: u32) -> Result<OwnedFd, Fault> {
        expbuf(self.fd(), self.queue, index, plane)
    }

    /// Hands buffer `index` to the driver, a second time if it refuses: seen from drivers in
    /// passing, the very same call succeeds then.
    ///
    /// # Errors
    /// `Gone` after unplugging, else `Reopen`.
    pub fn queue(&self, index: u32) -> Result<Queued> {
        let queued = match qbuf(self.fd(), self.queue, index) {
            Err(QbufError::Refused) => {
                qbuf(self.fd(), self.queue, index).map(|()| Queued::SecondTime)
            }
            first => first.map(|()| Queued::AtOnce),
        };
        queued.map_err(|error| {
            let kind = if error == QbufError::Gone {
                Kind::Gone
            } else {
                Kind::Reopen
            };
            let what = format!("{}: queueing buffer {index}", self.node.display());
            Error::new(kind, what).because(error)
        })
    }

    /// Takes a filled buffer; `None` when there is none now.
    ///
    /// # Errors
    /// `Gone` after unplugging, else `Reopen`.
    pub fn dequeue(&self) -> Result<Option<Filled>> {
        match dqbuf(self.fd(), self.queue, Memory::Mmap) {
            Ok(filled) => Ok(Some(filled)),
            Err(DqbufError::NotReady) => Ok(None),
            Err(error) => {
                let kind = if error == DqbufError::Gone {
                    Kind::Gone
                } else {
                    Kind::Reopen
                };
                let what = format!("{}: taking a frame", self.node.display());
                Err(Error::new(kind, what).because(error))
            }
        }
    }

    /// Starts the stream.
    ///
    /// # Errors
    /// `Reopen`, `Gone`, or `Config` for a pipeline that is not set up or a full USB bus.
    pub fn start(&self) -> Result<()> {
        streamon(self.fd(), self.queue).map_err(|f| failed(&self.node, "starting the stream", f))
    }

    /// Stops the stream; every buffer is ours then.
    ///
    /// # Errors
    /// `Gone` after unplugging.
    pub fn stop(&self) -> Result<()> {
        streamoff(self.fd(), self.queue).map_err(|f| failed(&self.node, "stopping the stream", f))
    }

    /// Asks the driver to tell when the picture's size changes (a new signal on an HDMI input);
    /// false when it never does.
    #[must_use]
    pub fn watch_size(&self) -> bool {
        subscribe_event(self.fd(), Event::SourceChange).is_ok()
    }

    /// True when the driver told that the size changed.
    #[must_use]
    pub fn size_changed(&self) -> bool {
        matches!(dqevent(self.fd()), Ok(Some(Event::SourceChange)))
    }

    /// The buffers' owner broke the rules.
    #[must_use]
    pub fn broke_rules(&self, how: Misuse) -> Error {
        let what = format!("{}: the driver broke its own rules", self.node.display());
        Error::new(Kind::Reopen, what).because(how)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Device {
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

/// The fourccs to ask for: old drivers call one JPEG per frame `JPEG`.
fn names(pixel: PixelFormat) -> impl Iterator<Item = [u8; 4]> {
    let old = (pixel == PixelFormat::Mjpeg).then_some(*b"JPEG");
    std::iter::once(pixel.fourcc()).chain(old)
}

/// The layout of an answer, or why it is of no use. `planes`: how many memory planes were wished.
fn usable(answer: &Pix, planes: u8) -> Result<PixelFormat, String> {
    let raw = || Raw::from_fourcc(answer.fourcc).map(Raw::pixel);
    let Some(pixel) = PixelFormat::from_fourcc(answer.fourcc).or_else(raw) else {
        let fourcc = String::from_utf8_lossy(&answer.fourcc);
        return Err(format!("the driver insists on {fourcc}"));
    };
    if answer.memory_planes != planes {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_no_encoder_takes_is_refused_with_its_reason() {
        let answer = Pix::wish(*b"NV12", 640, 480);
        assert_eq!(usable(&answer, 1), Ok(PixelFormat::Nv12));
        let apart = Pix {
            fourcc: *b"NM12",
            memory_planes: 2,
            ..answer
        };
        assert_eq!(usable(&apart, 2), Ok(PixelFormat::Nv12));
        assert!(
            usable(&apart, 1)
                .unwrap_err()
                .contains("2 separate memory planes")
        );
        let bayer = Pix {
            fourcc: *b"BA81",
            ..answer
        };
        assert!(usable(&bayer, 1).unwrap_err().contains("BA81"));
        let fields = Pix { field: 7, ..answer };
        assert!(usable(&fields, 1).unwrap_err().contains("fields"));
    }

    #[test]
    fn an_unplugged_device_is_waited_for_and_a_busy_one_tried_again() {
        let node = Path::new("/dev/video0");
        let kind = |fault| failed(node, "starting the stream", fault).kind();
        assert_eq!(kind(Fault::Gone), Kind::Gone);
        assert_eq!(kind(Fault::Busy), Kind::Reopen);
        assert_eq!(kind(Fault::Refused), Kind::Reopen);
        assert_eq!(kind(Fault::Other(Errno::ENOSPC)), Kind::Config);
        let absent = Device::open(Path::new("/nonexistent/video0"));
        assert_eq!(absent.unwrap_err().kind(), Kind::Gone);
    }
}
