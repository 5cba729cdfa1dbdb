//! One V4L2 encoder: found, set up, fed and emptied.
//!
//! The laws: after [`Encoder::start`] nothing is allocated; a buffer is touched only while the
//! [`machine`](super::machine) says that it is ours.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode as Permissions;

use super::fit::{Plane as SidePlane, Side};
use super::knobs::{self, Knob};
use super::machine::{CodedIndex, MOST, RawIndex, Stamp};
use super::probe::{Facts, Found, Interface, Sizes};
use crate::capture::layout::{MOST_PLANES, Raw};
use crate::encode::Settings;
use crate::error::{Error, Kind, Result};
use crate::sys::mmap::{Mapping, WritableMapping};
use crate::sys::v4l2::dqbuf::{DqbufError, Filled, dqbuf};
use crate::sys::v4l2::enum_fmt::enum_fmt;
use crate::sys::v4l2::enum_framesizes::{FrameSize, enum_framesizes};
use crate::sys::v4l2::g_ext_ctrls;
use crate::sys::v4l2::g_selection::g_selection;
use crate::sys::v4l2::pix::{Pix, Plane as PixPlane};
use crate::sys::v4l2::qbuf::{Plane, QbufError, qbuf, qbuf_filled};
use crate::sys::v4l2::querybuf::querybuf;
use crate::sys::v4l2::querycap::querycap;
use crate::sys::v4l2::reqbufs::reqbufs;
use crate::sys::v4l2::s_ext_ctrls;
use crate::sys::v4l2::s_fmt::s_fmt;
use crate::sys::v4l2::s_parm::s_parm;
use crate::sys::v4l2::s_selection::s_selection;
use crate::sys::v4l2::streamoff::streamoff;
use crate::sys::v4l2::streamon::streamon;
use crate::sys::v4l2::subscribe_event::{Event, subscribe_event};
use crate::sys::v4l2::{Direction, Fault, Memory, Planarity, Queue};
use crate::units::{Rate, Size};

/// No driver lists more; guards against one that never ends its list.
const MOST_FORMATS: u32 = 128;
const H264: [u8; 4] = *b"H264";

/// Bytes of a coded buffer: half a byte a pixel, which holds a key frame of a noisy picture.
fn coded_bytes(size: Size) -> u32 {
    let half = u32::try_from(size.pixels() / 2).unwrap_or(u32::MAX);
    half.clamp(256 * 1024, 2 * 1024 * 1024)
}

/// Asks every video node of the machine what it is.
#[must_use]
pub fn survey() -> Vec<Facts> {
    let mut numbers: Vec<u32> = fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_prefix("video")?
                .parse()
                .ok()
        })
        .collect();
    numbers.sort_unstable();
    let nodes = numbers
        .into_iter()
        .map(|n| PathBuf::from(format!("/dev/video{n}")));
    // A node that cannot be opened or does not answer is no encoder for us.
    nodes.filter_map(|node| ask(node).ok()).collect()
}

fn ask(node: PathBuf) -> Result<Facts, Fault> {
    let fd = open_node(&node)?;
    let fd = fd.as_fd();
    let caps = querycap(fd)?;
    let mut facts = Facts {
        node,
        card: caps.card,
        caps: caps.flags,
        takes: Vec::new(),
        gives: Vec::new(),
        sizes: Sizes::ANY,
    };
    if let Some(interface) = facts.memory_to_memory() {
        let planarity = planarity(interface);
        facts.takes = formats(fd, Queue::output(planarity));
        facts.gives = formats(fd, Queue::capture(planarity));
        facts.sizes = sizes(fd).unwrap_or(Sizes::ANY);
    }
    Ok(facts)
}

fn formats(fd: BorrowedFd<'_>, queue: Queue) -> Vec<[u8; 4]> {
    let listed = (0..MOST_FORMATS).map_while(|index| enum_fmt(fd, queue, index).ok().flatten());
    listed.collect()
}

/// The span of sizes, if the driver lists them.
fn sizes(fd: BorrowedFd<'_>) -> Option<Sizes> {
    let mut span: Option<Sizes> = None;
    for index in 0..MOST_FORMATS {
        let (least, most) = match enum_framesizes(fd, H264, index).ok().flatten() {
            None => break,
            Some(FrameSize::Stepwise { least, most, .. }) => (least, most),
            Some(FrameSize::Discrete(size)) => (size, size),
        };
        let before = span.unwrap_or(Sizes { least, most });
        span = Some(Sizes {
            least: Size::new(
                before.least.width.min(least.width),
                before.least.height.min(least.height),
            ),
            most: Size::new(
                before.most.width.max(most.width),
                before.most.height.max(most.height),
            ),
        });
    }
    span
}

const fn planarity(interface: Interface) -> Planarity {
    match interface {
        Interface::Single => Planarity::Single,
        Interface::Multi => Planarity::Multi,
    }
}

fn open_node(node: &Path) -> Result<OwnedFd, Fault> {
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    Ok(open(node, flags, Permissions::empty())?)
}

/// What pictures mean as light, in the driver's own four numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Colours {
    /// `enum v4l2_colorspace`.
    pub colorspace: u32,
    /// `enum v4l2_ycbcr_encoding`.
    pub ycbcr_enc: u32,
    /// `enum v4l2_quantization`.
    pub quantization: u32,
    /// `enum v4l2_xfer_func`.
    pub xfer_func: u32,
}

/// A memory plane of another device, to be read where it lies.
#[derive(Debug)]
pub struct Shared {
    /// The memory.
    pub memory: OwnedFd,
    /// Bytes of it.
    pub length: u32,
}

/// An open encoder.
#[derive(Debug)]
pub struct Encoder {
    // Fields drop in this order: the mappings go before the descriptor.
    coded: heapless::Vec<Mapping, MOST>,
    raw: heapless::Vec<heapless::Vec<WritableMapping, MOST_PLANES>, MOST>,
    fd: OwnedFd,
    found: Found,
    memory: Memory,
    /// The raw format in force.
    side: Side,
    room: u32,
}

impl Encoder {
    /// Opens what [`pick`](super::probe::pick) found.
    ///
    /// # Errors
    /// `Gone` when it is not there any more, else `Reopen`.
    pub fn open(found: &Found) -> Result<Self> {
        let fd = open_node(&found.node).map_err(|f| failed(&found.node, "opening", f))?;
        // Only for those who look at the node from outside; the end shows as EPIPE, too.
        let _ = subscribe_event(fd.as_fd(), Event::EndOfStream);
        Ok(Self {
            coded: heapless::Vec::new(),
            raw: heapless::Vec::new(),
            fd,
            found: found.clone(),
            memory: Memory::Dmabuf,
            side: Side {
                raw: Raw::Nv12,
                size: Size::new(0, 0),
                planes: [SidePlane::default(); MOST_PLANES],
            },
            room: 0,
        })
    }

    /// Which one it is.
    #[must_use]
    pub const fn found(&self) -> &Found {
        &self.found
    }

    /// How it wants raw pictures, as it last answered.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// Bytes of the largest coded buffer.
    #[must_use]
    pub const fn room(&self) -> u32 {
        self.room
    }

    /// Sets both formats. `stride` is a wish; 0 leaves it to the driver.
    ///
    /// # Errors
    /// `Refused` when the driver takes no such pictures, `Reopen` when another program has it.
    pub fn set_format(
        &mut self,
        raw: Raw,
        size: Size,
        stride: u32,
        colours: Colours,
    ) -> Result<()> {
        let coded = Pix {
            size_image: coded_bytes(size),
            ..Pix::wish(H264, size.width, size.height)
        };
        let given = self.set(Direction::Capture, coded)?;
        if given.fourcc != H264 {
            return Err(self.refused("it codes something else than H.264 now".to_owned()));
        }
        let planes = u8::try_from(raw.memory_planes()).unwrap_or(1);
        let mut wish = Pix {
            stride,
            memory_planes: planes,
            colorspace: colours.colorspace,
            ycbcr_enc: colours.ycbcr_enc,
            quantization: colours.quantization,
            xfer_func: colours.xfer_func,
            ..Pix::wish(raw.fourcc(), size.width, size.height)
        };
        wish.further = [PixPlane {
            stride,
            size_image: 0,
        }; MOST_PLANES - 1];
        let given = self.set(Direction::Output, wish)?;
        if given.fourcc != raw.fourcc() || usize::from(given.memory_planes) != raw.memory_planes() {
            let fourcc = String::from_utf8_lossy(&given.fourcc);
            return Err(self.refused(format!("it does not take {raw} now, but {fourcc}")));
        }
        self.side = side_of(raw, &given);
        Ok(())
    }

    fn set(&self, direction: Direction, wish: Pix) -> Result<Pix> {
        s_fmt(self.fd(), self.queue(direction), wish).map_err(|fault| match fault {
            Fault::Refused => self.refused("it refuses the format".to_owned()),
            fault => failed(&self.found.node, "setting the format", fault),
        })
    }

    /// Makes the first `size` of the padded picture count; false when the encoder codes the padding,
    /// too.
    #[must_use]
    pub fn crop(&self, size: Size) -> bool {
        let set = s_selection(self.fd(), Direction::Output, size);
        set.or_else(|_| g_selection(self.fd(), Direction::Output))
            .is_ok_and(|rect| (rect.left, rect.top, rect.size) == (0, 0, size))
    }

    /// Says how fast frames come; drivers without rates are fine.
    pub fn set_rate(&self, rate: Rate) {
        let _ = s_parm(self.fd(), self.queue(Direction::Output), rate);
    }

    /// Everything it is told before the first frame; returns the names of what it does not take.
    #[must_use]
    pub fn prepare(&self, settings: Settings, size: Size, rate: Rate) -> Vec<&'static str> {
        let knobs = knobs::at_start(settings, size, rate);
        let deaf = knobs.iter().filter(|knob| !self.turn(knob));
        deaf.map(|knob| knob.name).collect()
    }

    /// Changes bit rate and key frame distance while frames flow.
    ///
    /// # Errors
    /// `Refused` when it takes such changes only before the first frame, or not at all.
    pub fn retune(&self, settings: Settings) -> Result<()> {
        let [bitrate, gop, period] = knobs::live(settings);
        let rate = self.turn(&bitrate);
        // Either name of the key frame distance will do.
        let distance = [gop, period].map(|knob| self.turn(&knob));
        let deaf = match (rate, distance.contains(&true)) {
            (true, true) => return Ok(()),
            (false, _) => bitrate.name,
            (true, false) => "key frame distance",
        };
        Err(self.refused(format!("it does not change the {deaf} while frames flow")))
    }

    fn turn(&self, knob: &Knob) -> bool {
        let mut values = knob.values.iter().flatten();
        values.any(|value| s_ext_ctrls::set(self.fd(), knob.id, *value).is_ok())
    }

    /// Frames it wants before it begins, if it says so.
    #[must_use]
    pub fn least_raw(&self) -> usize {
        let least = g_ext_ctrls::get(self.fd(), knobs::LEAST_RAW).unwrap_or(0);
        usize::try_from(least).unwrap_or(0)
    }

    /// Asks for a key frame; false when it cannot be asked.
    #[must_use]
    pub fn force_key(&self) -> bool {
        s_ext_ctrls::set(self.fd(), knobs::FORCE_KEY_FRAME, 1).is_ok()
    }

    /// Prepares to read the buffers of another device where they lie, and tries with each of them
    /// whether that is possible: a driver without an IOMMU takes contiguous memory only, and says so
    /// only here. Returns how many may be used.
    ///
    /// # Errors
    /// Why not, as half a sentence.
    pub fn import(
        &mut self,
        buffers: &[heapless::Vec<Shared, MOST_PLANES>],
    ) -> Result<usize, String> {
        let queue = self.queue(Direction::Output);
        let wanted = u32::try_from(buffers.len()).unwrap_or(0);
        let count = reqbufs(self.fd(), queue, Memory::Dmabuf, wanted)
            .map_err(|fault| format!("the encoder takes no shared buffers: {fault}"))?;
        self.memory = Memory::Dmabuf;
        let count = usize::try_from(count).unwrap_or(0).min(buffers.len());
        for (at, buffer) in buffers.iter().take(count).enumerate() {
            let index = RawIndex(u32::try_from(at).unwrap_or(0));
            if let Err(error) = self.queue_shared(index, buffer, Stamp(0)) {
                self.free_raw();
                return Err(format!(
                    "the encoder cannot read the camera's memory: {error}"
                ));
            }
        }
        streamoff(self.fd(), queue)
            .map_err(|fault| format!("the encoder does not let go: {fault}"))?;
        Ok(count)
    }

    /// Allocates and maps raw buffers of its own, to be filled by us. Returns how many there are.
    ///
    /// # Errors
    /// `Reopen` when memory is short.
    pub fn allocate_raw(&mut self, count: u32) -> Result<usize> {
        let queue = self.queue(Direction::Output);
        let node = &self.found.node;
        let doing = "allocating raw buffers";
        let count = reqbufs(self.fd.as_fd(), queue, Memory::Mmap, count)
            .map_err(|f| failed(node, doing, f))?;
        self.memory = Memory::Mmap;
        for index in 0..count.min(u32::try_from(MOST).unwrap_or(0)) {
            let places =
                querybuf(self.fd.as_fd(), queue, index).map_err(|f| failed(node, doing, f))?;
            let mut planes = heapless::Vec::new();
            for place in places {
                let mapping = WritableMapping::new(self.fd.as_fd(), place.length, place.offset)
                    .map_err(|errno| failed(node, doing, errno.into()))?;
                let _ = planes.push(mapping); // as many places as there is room for
            }
            let _ = self.raw.push(planes);
        }
        Ok(self.raw.len())
    }

    /// Allocates and maps the buffers for what it codes. Returns how many there are.
    ///
    /// # Errors
    /// `Reopen` when memory is short.
    pub fn allocate_coded(&mut self, count: u32) -> Result<usize> {
        let queue = self.queue(Direction::Capture);
        let node = &self.found.node;
        let doing = "allocating coded buffers";
        let count = reqbufs(self.fd.as_fd(), queue, Memory::Mmap, count)
            .map_err(|f| failed(node, doing, f))?;
        for index in 0..count.min(u32::try_from(MOST).unwrap_or(0)) {
            let places =
                querybuf(self.fd.as_fd(), queue, index).map_err(|f| failed(node, doing, f))?;
            let Some(place) = places.first() else { break };
            let mapping = Mapping::new(self.fd.as_fd(), place.length, place.offset)
                .map_err(|errno| failed(node, doing, errno.into()))?;
            self.room = self.room.max(place.length);
            let _ = self.coded.push(mapping);
        }
        Ok(self.coded.len())
    }

    fn free_raw(&mut self) {
        self.raw.clear();
        let queue = self.queue(Direction::Output);
        let _ = streamoff(self.fd(), queue);
        let _ = reqbufs(self.fd(), queue, self.memory, 0);
    }

    /// Starts both queues.
    ///
    /// # Errors
    /// `Reopen`, or `Gone` when the device is.
    pub fn start(&self) -> Result<()> {
        for direction in [Direction::Output, Direction::Capture] {
            streamon(self.fd(), self.queue(direction))
                .map_err(|f| failed(&self.found.node, "starting", f))?;
        }
        Ok(())
    }

    /// Stops both queues; every buffer is ours then.
    ///
    /// # Errors
    /// As [`Encoder::start`].
    pub fn stop(&self) -> Result<()> {
        for direction in [Direction::Output, Direction::Capture] {
            streamoff(self.fd(), self.queue(direction))
                .map_err(|f| failed(&self.found.node, "stopping", f))?;
        }
        Ok(())
    }

    /// Hands it another device's buffer to code.
    ///
    /// # Errors
    /// See [`QbufError`].
    pub fn queue_shared(
        &self,
        raw: RawIndex,
        buffer: &[Shared],
        stamp: Stamp,
    ) -> Result<(), QbufError> {
        let planes = buffer.iter().zip(&self.side.planes);
        let planes: heapless::Vec<Plane<'_>, MOST_PLANES> = planes
            .map(|(shared, side)| Plane {
                shared: Some(shared.memory.as_fd()),
                length: shared.length,
                used: side.bytes.min(shared.length),
                offset: 0,
            })
            .collect();
        let queue = self.queue(Direction::Output);
        qbuf_filled(self.fd(), queue, raw.0, &planes, stamp.0)
    }

    /// Hands it one of its own buffers, filled by us, to code.
    ///
    /// # Errors
    /// See [`QbufError`].
    pub fn queue_painted(&self, raw: RawIndex, stamp: Stamp) -> Result<(), QbufError> {
        let count = self.side.raw.memory_planes();
        let planes: heapless::Vec<Plane<'_>, MOST_PLANES> = self
            .side
            .planes
            .iter()
            .take(count)
            .map(|side| Plane {
                shared: None,
                length: side.bytes,
                used: side.bytes,
                offset: 0,
            })
            .collect();
        let queue = self.queue(Direction::Output);
        qbuf_filled(self.fd(), queue, raw.0, &planes, stamp.0)
    }

    /// Hands it a coded buffer to fill.
    ///
    /// # Errors
    /// See [`QbufError`].
    pub fn queue_coded(&self, coded: CodedIndex) -> Result<(), QbufError> {
        qbuf(self.fd(), self.queue(Direction::Capture), coded.0)
    }

    /// Takes back a raw buffer that it has read.
    ///
    /// # Errors
    /// See [`DqbufError`].
    pub fn dequeue_raw(&self) -> Result<Filled, DqbufError> {
        dqbuf(self.fd(), self.queue(Direction::Output), self.memory)
    }

    /// Takes what it has coded.
    ///
    /// # Errors
    /// See [`DqbufError`].
    pub fn dequeue_coded(&self) -> Result<Filled, DqbufError> {
        dqbuf(self.fd(), self.queue(Direction::Capture), Memory::Mmap)
    }

    /// The bytes of a coded buffer that is ours; clamped to it.
    #[must_use]
    pub fn coded(&self, coded: CodedIndex, from: u32, to: u32) -> &[u8] {
        let at = usize::try_from(coded.0).ok();
        at.and_then(|at| self.coded.get(at))
            .map_or(&[][..], |buffer| buffer.bytes(from, to))
    }

    /// The memory planes of a raw buffer that is ours.
    pub fn raw_mut(&mut self, raw: RawIndex) -> heapless::Vec<&mut [u8], MOST_PLANES> {
        let at = usize::try_from(raw.0).ok();
        let planes = at.and_then(|at| self.raw.get_mut(at)).into_iter().flatten();
        planes.map(WritableMapping::bytes_mut).collect()
    }

    fn refused(&self, why: String) -> Error {
        Error::new(
            Kind::Refused,
            format!("{}: {why}", self.found.node.display()),
        )
    }

    const fn queue(&self, direction: Direction) -> Queue {
        Queue {
            direction,
            planarity: planarity(self.found.interface),
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsFd for Encoder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A driver's answer as one side of a fit. Some fill in the buffer's size only when it is allocated:
/// then it is taken to be what the lines need.
#[must_use]
pub fn side_of(raw: Raw, pix: &Pix) -> Side {
    let size = Size::new(pix.width, pix.height);
    let planes = pix.planes();
    let least = raw.least_bytes(size, planes.map(|plane| plane.stride));
    let mut side = Side {
        raw,
        size,
        planes: [SidePlane::default(); MOST_PLANES],
    };
    for ((side, plane), least) in side.planes.iter_mut().zip(planes).zip(least) {
        let least = u32::try_from(least).unwrap_or(u32::MAX);
        *side = SidePlane {
            stride: plane.stride,
            bytes: if plane.size_image == 0 {
                least
            } else {
                plane.size_image
            },
        };
    }
    side
}

fn failed(node: &Path, doing: &str, fault: Fault) -> Error {
    let kind = if fault == Fault::Gone {
        Kind::Gone
    } else {
        Kind::Reopen
    };
    Error::new(kind, format!("{}: {doing}", node.display())).because(fault)
}
