//! Both devices brought to one format and one set of buffers.
//!
//! Drivers have the last word at every step, so each way is tried for real and left when a driver says
//! no; its reason ends up in the status.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::unistd::{Whence, lseek};
use tracing::debug;

use super::super::Memory;
use super::super::choose::{Attempt, attempts};
use crate::camera::Mode;
use crate::capture::device::io::{Agreed, Device, Disagreed};
use crate::capture::io::V4l2Source;
use crate::capture::layout::{MOST_PLANES, Raw};
use crate::capture::negotiate::Wish;
use crate::capture::stamp::Stamps;
use crate::capture::{Format, Range};
use crate::encode::Settings;
use crate::encode::m2m::fit::{Asked, Fit, Side, crop, fit, too_few_bytes};
use crate::encode::m2m::io::{Colours, Encoder, Shared, side_of, survey};
use crate::encode::m2m::machine::{Feed, MOST, Machine};
use crate::encode::m2m::paint::{How, Painter, Target};
use crate::encode::m2m::probe::{Found, pick};
use crate::error::{Error, Kind, Result};
use crate::pipeline::chain::Failure;
use crate::sys::v4l2::pix::{Pix, Plane};
use crate::units::Rate;

/// Frames ahead of the encoder: one being coded, one waiting. More only for encoders that do not
/// begin with less; each costs a frame's time of latency when the encoder is slow.
const DEPTH: std::ops::RangeInclusive<usize> = 2..=8;

/// Buffers left to the camera while the encoder has all of its own: one being filled, two in reserve.
const CAMERA_BUFFERS: usize = 3;

/// Coded buffers beyond the frames ahead: one lent to the publisher, one spare.
const SPARE_CODED: usize = 2;

/// Drivers allocate whole pages (vb2 does it for all of them), so a buffer is never smaller.
const PAGE: u32 = 4096;

/// `V4L2_QUANTIZATION_LIM_RANGE`.
const LIMITED: u32 = 2;
/// `V4L2_COLORSPACE_SRGB` and `V4L2_YCBCR_ENC_601`: what is left of JPEG's colour space when its full
/// range is not.
const SRGB: u32 = 8;
const E601: u32 = 1;
/// `V4L2_COLORSPACE_JPEG`.
const JPEG: u32 = 7;

/// Camera and encoder, ready to be started.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) front: Front,
    pub(crate) encoder: Encoder,
    pub(crate) machine: Machine,
    pub(crate) format: Format,
    pub(crate) why: String,
}

/// The camera's side.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per camera; a box would only add a hop per frame"
)]
pub(crate) enum Front {
    /// Its buffers are lent to the encoder.
    Shared {
        device: Device,
        buffers: heapless::Vec<heapless::Vec<Shared, MOST_PLANES>, MOST>,
        /// Fewer bytes in a memory plane are half a picture.
        least: [u64; MOST_PLANES],
        /// The driver tells when the picture's size changes.
        tells_size: bool,
        /// Judges the driver's time stamps.
        stamps: Stamps,
    },
    /// Its frames are copied.
    Copied {
        source: Box<V4l2Source>,
        painter: Box<Painter>,
    },
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Ready(Box<Pair>),
    Unsuitable(String),
}

/// Why one attempt came to nothing.
enum Miss {
    /// Try the next one.
    Next(String),
    /// The camera failed; no attempt would do better.
    Camera(Error),
}

impl From<Disagreed> for Miss {
    fn from(how: Disagreed) -> Self {
        match how {
            Disagreed::Unusable(error) => Self::Next(error.to_string()),
            Disagreed::Failed(error) => Self::Camera(error),
        }
    }
}

/// Tries everything that could work, best first.
pub(crate) fn bring_together(
    node: &Path,
    modes: &[Mode],
    wish: &Wish,
    settings: Settings,
    avoid: &[PathBuf],
    memory: Memory,
) -> Result<Outcome, Failure> {
    // First, so that a camera that is away does not have every other node asked.
    let mut device = Device::open(node).map_err(Failure::capture)?;
    let encoders = match pick(&survey(), avoid) {
        Ok(encoders) => encoders,
        Err(why) => return Ok(Outcome::Unsuitable(why)),
    };
    let all = attempts(modes, wish, &encoders, memory, device.is_multi_planar());
    let all = match all {
        Ok(all) => all,
        Err(why) => return Ok(Outcome::Unsuitable(why)),
    };
    let mut missed: Vec<(Attempt, String)> = Vec::new();
    for attempt in all {
        let Some(found) = encoders.get(attempt.encoder) else {
            continue;
        };
        let miss = match Encoder::open(found) {
            Err(error) => Miss::Next(error.to_string()),
            Ok(encoder) if attempt.share => {
                match share(&device, encoder, &attempt, settings, wish.rate) {
                    Ok(shared) => return Ok(shared.with(device)),
                    Err(miss) => miss,
                }
            }
            Ok(encoder) => {
                let because = because(&attempt, found, memory, &missed);
                match copy(&device, encoder, &attempt, settings, wish.rate) {
                    Ok(copied) => return copied.with(device, wish, &because),
                    Err(miss) => miss,
                }
            }
        };
        match miss {
            Miss::Camera(error) => return Err(Failure::capture(error)),
            Miss::Next(why) => {
                debug!(camera = %node.display(), encoder = %found.node.display(), ?attempt, why, "this way does not work");
                missed.push((attempt, why));
            }
        }
        // A driver may keep what it exported until its descriptor is closed: begin anew.
        drop(device);
        device = Device::open(node).map_err(Failure::capture)?;
    }
    let why = missed.pop().map(|(_, why)| why).unwrap_or_default();
    Ok(Outcome::Unsuitable(format!(
        "no way from the camera to a hardware encoder works: {why}"
    )))
}

/// Why frames are copied: what the last try to share them ran into.
fn because(
    attempt: &Attempt,
    found: &Found,
    memory: Memory,
    missed: &[(Attempt, String)],
) -> String {
    let tried = missed.iter().rev().find(|(missed, _)| {
        missed.share && missed.encoder == attempt.encoder && missed.candidate == attempt.candidate
    });
    match tried {
        Some((_, why)) => why.clone(),
        None if memory == Memory::Copy => "sharing buffers was given up".to_owned(),
        None => {
            let takes: Vec<_> = found.takes.iter().map(Raw::to_string).collect();
            let gives = attempt.candidate.pixel;
            format!(
                "the camera gives {gives} and the encoder takes {}",
                takes.join(" ")
            )
        }
    }
}

fn numbers(encoder: &Encoder) -> (usize, u32) {
    let depth = encoder.least_raw().clamp(*DEPTH.start(), *DEPTH.end());
    (depth, u32::try_from(depth + SPARE_CODED).unwrap_or(4))
}

fn colours(pix: &Pix) -> Colours {
    Colours {
        colorspace: pix.colorspace,
        ycbcr_enc: pix.ycbcr_enc,
        quantization: pix.quantization,
        xfer_func: pix.xfer_func,
    }
}

fn next(error: impl ToString) -> Miss {
    Miss::Next(error.to_string())
}

/// The same seconds from one key frame to the next at the rate that the camera gives.
fn paced(settings: Settings, wished: Rate, given: Rate) -> Settings {
    let seconds = f64::from(settings.gop) / wished.as_f64();
    let frames = (seconds * given.as_f64()).round().clamp(1.0, 10_000.0);
    Settings {
        // Between 1 and 10 000, so nothing is cut off.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        gop: frames as u32,
        ..settings
    }
}

/// What both ways do once formats are agreed on.
fn settle(
    encoder: &mut Encoder,
    format: Format,
    settings: Settings,
    wished: Rate,
) -> Result<usize, Miss> {
    encoder.set_rate(format.rate);
    if let Some(size) = crop(format.size, encoder.side().size)
        && !encoder.crop(size)
    {
        // Some encoders leave the padding out without being told; the SPS will say.
        debug!(encoder = %encoder.found().node.display(), %size, "cannot be told to leave out its padding");
    }
    let deaf = encoder.prepare(
        paced(settings, wished, format.rate),
        format.size,
        format.rate,
    );
    debug!(encoder = %encoder.found().node.display(), ?deaf, "controls it does not have");
    let (_, coded) = numbers(encoder);
    encoder.allocate_coded(coded).map_err(next)
}

struct SharedPair {
    encoder: Encoder,
    machine: Machine,
    agreed: Agreed,
    raw: Raw,
    buffers: heapless::Vec<heapless::Vec<Shared, MOST_PLANES>, MOST>,
}

fn share(
    device: &Device,
    mut encoder: Encoder,
    attempt: &Attempt,
    settings: Settings,
    wished: Rate,
) -> Result<SharedPair, Miss> {
    let Attempt { candidate, raw, .. } = attempt;
    let planes = u8::try_from(raw.memory_planes()).unwrap_or(1);
    let wish = Pix {
        memory_planes: planes,
        ..Pix::wish(raw.fourcc(), candidate.size.width, candidate.size.height)
    };
    let mut agreed = device.ask(candidate, wish)?;
    encoder
        .set_format(*raw, agreed.format.size, 0, colours(&agreed.pix))
        .map_err(next)?;
    let mut asked = Asked::default();
    let enlarge = loop {
        let (camera, other) = (in_pages(side_of(*raw, &agreed.pix)), encoder.side());
        match fit(&camera, &other, asked) {
            Fit::Import => break None,
            Fit::ImportEnlarged { bytes } => break Some((bytes, too_few_bytes(&camera, &other))),
            Fit::AskEncoder { stride } => {
                asked.encoder = true;
                encoder
                    .set_format(*raw, agreed.format.size, stride, colours(&agreed.pix))
                    .map_err(next)?;
            }
            Fit::AskCamera { planes } => {
                asked.camera = true;
                let [first, rest @ ..] = planes.map(|plane| Plane {
                    stride: plane.stride,
                    size_image: plane.bytes,
                });
                let wish = Pix {
                    stride: first.stride,
                    size_image: first.size_image,
                    further: rest,
                    ..wish
                };
                agreed = device.ask(candidate, wish)?;
            }
            Fit::Copy { why } | Fit::Never { why } => return Err(Miss::Next(why)),
        }
    };
    let coded = settle(&mut encoder, agreed.format, settings, wished)?;
    let (depth, _) = numbers(&encoder);
    let wanted = u32::try_from(depth + CAMERA_BUFFERS).unwrap_or(5);
    let count = match enlarge {
        None => device.allocate(wanted).map_err(Miss::Camera)?,
        Some((bytes, otherwise)) => {
            let larger = enlarged(agreed.pix, bytes);
            device
                .allocate_larger(wanted, larger)
                .ok_or_else(|| match otherwise {
                    Fit::Copy { why } => Miss::Next(why),
                    _ => Miss::Next("the camera's buffers are too small".to_owned()),
                })?
        }
    };
    let header = device.header().map_err(Miss::Camera)?;
    if header > 0 {
        // Encoders read from the first byte on; hardly one looks at the offset.
        let why = format!("the camera puts {header} bytes in front of each picture");
        return Err(Miss::Next(why));
    }
    let buffers = export(device, count, raw.memory_planes())?;
    let usable = encoder.import(&buffers).map_err(Miss::Next)?;
    let depth = depth.min(usable.saturating_sub(2)).max(1);
    let machine = Machine::new(Feed::Import, usable, coded, depth).ok_or_else(|| {
        next(format!(
            "{usable} raw and {coded} coded buffers are too few"
        ))
    })?;
    Ok(SharedPair {
        encoder,
        machine,
        agreed,
        raw: *raw,
        buffers,
    })
}

impl SharedPair {
    fn with(self, device: Device) -> Outcome {
        let Self {
            encoder,
            machine,
            agreed,
            raw,
            buffers,
        } = self;
        let why = format!(
            "{} reads the camera's buffers where they lie ({raw})",
            named(&encoder)
        );
        Outcome::Ready(Box::new(Pair {
            front: Front::Shared {
                tells_size: device.watch_size(),
                stamps: Stamps::default(),
                least: raw.least_bytes(agreed.format.size, agreed.pix.planes().map(|p| p.stride)),
                device,
                buffers,
            },
            encoder,
            machine,
            format: agreed.format,
            why,
        }))
    }
}

/// The camera's buffers as descriptors.
fn export(
    device: &Device,
    count: u32,
    planes: usize,
) -> Result<heapless::Vec<heapless::Vec<Shared, MOST_PLANES>, MOST>, Miss> {
    let mut buffers = heapless::Vec::new();
    for index in 0..count.min(u32::try_from(MOST).unwrap_or(0)) {
        let places = device.places(index).map_err(Miss::Camera)?;
        if places.len() != planes {
            let there = places.len();
            return Err(next(format!(
                "the camera's buffers have {there} memory planes"
            )));
        }
        let mut buffer = heapless::Vec::new();
        for (plane, place) in (0..).zip(&places) {
            let memory = device
                .export(index, plane)
                .map_err(|fault| next(format!("the camera does not share its buffers: {fault}")))?;
            // The memory is often a little larger than the driver's word: whole pages.
            let whole = lseek(memory.as_fd(), 0, Whence::SeekEnd).unwrap_or(0);
            let length = u32::try_from(whole).unwrap_or(0).max(place.length);
            let _ = buffer.push(Shared { memory, length }); // no more planes than there is room for
        }
        let _ = buffers.push(buffer);
    }
    Ok(buffers)
}

/// A format whose buffers have at least `bytes`.
fn enlarged(pix: Pix, bytes: [u32; MOST_PLANES]) -> Pix {
    let [first, second, third] = bytes;
    let mut larger = pix;
    larger.size_image = larger.size_image.max(first);
    for (plane, bytes) in larger.further.iter_mut().zip([second, third]) {
        plane.size_image = plane.size_image.max(bytes);
    }
    larger
}

fn in_pages(side: Side) -> Side {
    let mut side = side;
    for plane in &mut side.planes {
        plane.bytes = plane
            .bytes
            .checked_next_multiple_of(PAGE)
            .unwrap_or(plane.bytes);
    }
    side
}

struct CopiedPair {
    encoder: Encoder,
    machine: Machine,
    agreed: Agreed,
    painter: Painter,
}

fn copy(
    device: &Device,
    mut encoder: Encoder,
    attempt: &Attempt,
    settings: Settings,
    wished: Rate,
) -> Result<CopiedPair, Miss> {
    let Attempt { candidate, raw, .. } = attempt;
    let agreed = device
        .agree(&[*candidate])
        .map_err(|error| match error.kind() {
            Kind::Config => next(error),
            _ => Miss::Camera(error),
        })?;
    let Format { pixel, size, .. } = agreed.format;
    let mut colours = colours(&agreed.pix);
    if How::between(pixel, *raw).is_some_and(|how| how != How::Copied) {
        colours.quantization = LIMITED;
        if colours.colorspace == JPEG {
            colours.colorspace = SRGB;
            colours.ycbcr_enc = E601;
        }
    }
    encoder.set_format(*raw, size, 0, colours).map_err(next)?;
    let side = encoder.side();
    if side.size.width < size.width || side.size.height < size.height {
        return Err(next(format!("it codes {} at most, not {size}", side.size)));
    }
    let target = Target {
        raw: *raw,
        lines: side.size.height,
        strides: side.planes.map(|plane| plane.stride),
    };
    let painter = Painter::new(agreed.format, target).map_err(next)?;
    let coded = settle(&mut encoder, agreed.format, settings, wished)?;
    let (depth, _) = numbers(&encoder);
    let wanted = u32::try_from(depth).unwrap_or(2);
    let slots = encoder.allocate_raw(wanted).map_err(next)?;
    let machine = Machine::new(Feed::Copy, slots, coded, depth.min(slots))
        .ok_or_else(|| next(format!("{slots} raw and {coded} coded buffers are too few")))?;
    Ok(CopiedPair {
        encoder,
        machine,
        agreed,
        painter,
    })
}

impl CopiedPair {
    fn with(self, device: Device, wish: &Wish, because: &str) -> Result<Outcome, Failure> {
        let Self {
            encoder,
            machine,
            agreed,
            painter,
        } = self;
        let how = painter.how().as_str();
        let why = format!("{}; {how}, because {because}", named(&encoder));
        let mut format = agreed.format;
        if painter.range() == Range::Limited {
            format.colour.range = Range::Limited;
        }
        let source = V4l2Source::start(device, agreed, wish).map_err(Failure::capture)?;
        Ok(Outcome::Ready(Box::new(Pair {
            front: Front::Copied {
                source: Box::new(source),
                painter: Box::new(painter),
            },
            encoder,
            machine,
            format,
            why,
        })))
    }
}

fn named(encoder: &Encoder) -> String {
    let found = encoder.found();
    format!("{} ({})", found.node.display(), found.card)
}
