//! The hardware route at work: does what the [`machine`](crate::encode::m2m::machine) orders.
//!
//! The laws: [`Hardware::next`](Chain::next) allocates nothing and waits for nothing; every buffer that
//! came from a driver is told to the machine before anything else happens with it.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use tracing::warn;

use super::Memory;
use super::failures::io::{encoder_failed, given_up};
use super::setup::io::{Front, Outcome as Met, Pair, bring_together};
use crate::camera::controls::io as sensor;
use crate::camera::controls::{Control, Setting};
use crate::camera::discovery;
use crate::camera::{CameraId, Mode};
use crate::capture::device::io::Queued;
use crate::capture::negotiate::Wish;
use crate::capture::{Capture, Format, Source};
use crate::clock::{self, Mono};
use crate::encode::m2m::headers::Headers;
use crate::encode::m2m::io::Encoder;
use crate::encode::m2m::machine::{
    CodedIndex, Content, Counts, Decodable, Event, Frame, MOST, Machine, Order, Outcome, RawIndex,
    Reason, Side, Stamp,
};
use crate::encode::sps::Sps;
use crate::encode::{AccessUnit, Route, Settings};
use crate::error::{Kind, Result};
use crate::pipeline::chain::{
    Chain, Failure, Interest, MOST_DESCRIPTORS, Part, Progress, Ready, Timing, Way,
};
use crate::pipeline::tally::{Seen, Tally};
use crate::recover::Coder;
use crate::sys::v4l2::dqbuf::DqbufError;
use crate::sys::v4l2::qbuf::QbufError;

/// What came of opening.
#[derive(Debug)]
pub enum Opening {
    /// Pictures flow.
    Running(Box<Hardware>),
    /// This machine or this camera is no case for it: one sentence says why.
    Unsuitable(String),
}

/// Where the bytes of a coded buffer lie, noted when it was taken.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    from: u32,
    to: u32,
    /// A key frame without its parameter sets.
    bare: bool,
    taken: Mono,
}

/// What [`Machine`] ordered to hand out.
struct Emission {
    coded: CodedIndex,
    frame: Frame,
    decodable: Decodable,
}

/// A camera and an encoder, running.
#[derive(Debug)]
pub struct Hardware {
    front: Front,
    encoder: Encoder,
    machine: Machine,
    headers: Headers,
    spans: [Span; MOST],
    lent: Option<CodedIndex>,
    // What the wait said is there; each is taken once and then waited for again.
    frame_ready: bool,
    event_ready: bool,
    coded_ready: bool,
    raw_ready: bool,
    told: Counts,
    /// Buffers that the camera's driver refused at first, not told yet.
    requeued: u32,
    format: Format,
    why: String,
    /// The size of the coded pictures was looked at.
    sized: bool,
}

impl Hardware {
    /// Opens the camera `node` and an encoder that takes one of its `modes`, near to `wish`.
    /// Encoders at nodes in `avoid` are left alone. The key frame distance counts in frames of the
    /// wished rate; where the camera gives another one, the seconds are kept.
    ///
    /// # Errors
    /// The camera's failures, and the encoder's where starting what was agreed on fails.
    pub fn open(
        node: &Path,
        modes: &[Mode],
        wish: &Wish,
        settings: Settings,
        avoid: &[PathBuf],
        memory: Memory,
    ) -> Result<Opening, Failure> {
        let pair = match bring_together(node, modes, wish, settings, avoid, memory)? {
            Met::Ready(pair) => *pair,
            Met::Unsuitable(why) => return Ok(Opening::Unsuitable(why)),
        };
        let Pair {
            front,
            encoder,
            machine,
            format,
            why,
        } = pair;
        let room = usize::try_from(encoder.room()).unwrap_or(0);
        let mut hardware = Self {
            headers: Headers::new(room),
            spans: [Span::default(); MOST],
            lent: None,
            frame_ready: false,
            event_ready: false,
            coded_ready: false,
            raw_ready: false,
            told: Counts::default(),
            requeued: 0,
            sized: false,
            front,
            encoder,
            machine,
            format,
            why,
        };
        if let Err(mut failure) = hardware.start() {
            failure.coder = Some(hardware.coder());
            return Err(failure);
        }
        Ok(Opening::Running(Box::new(hardware)))
    }

    /// The encoder's node, to be avoided if it fails again and again.
    #[must_use]
    pub fn encoder(&self) -> &Path {
        &self.encoder.found().node
    }

    fn coder(&self) -> Coder {
        node_number(self.encoder()).map_or(Coder::Software, Coder::Node)
    }

    /// What became of the frames so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.machine.counts()
    }

    /// Gives every buffer to whom it belongs and starts what is not running.
    fn start(&mut self) -> Result<(), Failure> {
        self.obey()?;
        self.encoder.start().map_err(Failure::encoder)?;
        if let Front::Shared { device, .. } = &self.front {
            device.start().map_err(Failure::capture)?;
        }
        Ok(())
    }

    /// Carries out all orders; at most one of them is to hand something out.
    fn obey(&mut self) -> Result<Option<Emission>, Failure> {
        let mut emission = None;
        while let Some(order) = self.machine.poll() {
            let outcome = match order {
                Order::Emit(coded, frame, decodable) => {
                    emission = Some(Emission {
                        coded,
                        frame,
                        decodable,
                    });
                    continue;
                }
                Order::Recycle(coded) => taken(self.encoder.queue_coded(coded))
                    .map_err(|e| encoder_failed(self.encoder(), "queueing a coded buffer", e))?,
                Order::ForceKey => {
                    if self.encoder.force_key() {
                        Outcome::Taken
                    } else {
                        Outcome::Refused
                    }
                }
                Order::Encode(raw, stamp) => taken(self.hand_over(raw, stamp))
                    .map_err(|e| encoder_failed(self.encoder(), "queueing a frame", e))?,
                Order::Refill(raw) => {
                    if let Front::Shared { device, .. } = &self.front
                        && device.queue(raw.0).map_err(Failure::capture)? == Queued::SecondTime
                    {
                        self.requeued += 1;
                    }
                    Outcome::Taken
                }
                Order::GiveUp(reason) => return Err(given_up(self.encoder(), reason)),
            };
            self.machine.handle(Event::Done(order, outcome));
        }
        Ok(emission)
    }

    fn hand_over(&self, raw: RawIndex, stamp: Stamp) -> Result<(), QbufError> {
        match &self.front {
            Front::Shared { buffers, .. } => {
                let at = usize::try_from(raw.0).ok();
                let buffer = at
                    .and_then(|at| buffers.get(at))
                    .ok_or(QbufError::Refused)?;
                self.encoder.queue_shared(raw, buffer, stamp)
            }
            Front::Copied { .. } => self.encoder.queue_painted(raw, stamp),
        }
    }

    /// Takes at most one coded buffer.
    fn take_coded(&mut self) -> Result<bool, Failure> {
        let filled = match self.encoder.dequeue_coded() {
            Ok(filled) => filled,
            Err(DqbufError::NotReady) => return Ok(false),
            Err(DqbufError::Ended) => {
                self.machine.handle(Event::Ended);
                return Ok(true);
            }
            Err(error) => {
                return Err(encoder_failed(
                    self.encoder(),
                    "taking what was coded",
                    error,
                ));
            }
        };
        let coded = CodedIndex(filled.index);
        let unit = self.encoder.coded(coded, filled.from, filled.to);
        let promised = filled.to.saturating_sub(filled.from);
        let cut = u32::try_from(unit.len()).is_ok_and(|there| there < promised);
        let (content, bare) = if filled.damaged || cut {
            (Content::Damaged, false)
        } else {
            let seen = self.headers.look(unit);
            (seen.content, seen.bare)
        };
        if let Some(span) = usize::try_from(coded.0)
            .ok()
            .and_then(|at| self.spans.get_mut(at))
        {
            *span = Span {
                from: filled.from,
                to: filled.to,
                bare,
                taken: clock::mono(),
            };
        }
        let stamp = Stamp(filled.micros);
        self.machine.handle(Event::Coded(coded, stamp, content));
        if filled.last {
            self.machine.handle(Event::Ended);
        }
        Ok(true)
    }

    /// Takes at most one raw buffer back.
    fn take_raw(&mut self) -> Result<bool, Failure> {
        match self.encoder.dequeue_raw() {
            Ok(filled) => {
                self.machine.handle(Event::Returned(RawIndex(filled.index)));
                Ok(true)
            }
            Err(DqbufError::NotReady) => Ok(false),
            Err(error) => Err(encoder_failed(self.encoder(), "taking a frame back", error)),
        }
    }

    /// Takes an event; the only one subscribed to says that the picture's size changed.
    fn take_event(&mut self) {
        if let Front::Shared { device, .. } = &self.front
            && device.size_changed()
        {
            self.machine.handle(Event::SizeChanged(Side::Camera));
        }
    }

    /// Takes at most one frame.
    fn take_frame(&mut self, tally: &mut Tally) -> Result<bool, Failure> {
        match &mut self.front {
            Front::Shared {
                device,
                least,
                stamps,
                ..
            } => {
                let Some(filled) = device.dequeue().map_err(Failure::capture)? else {
                    return Ok(false);
                };
                let raw = RawIndex(filled.index);
                let parts = [
                    (filled.from, filled.to),
                    filled.further[0],
                    filled.further[1],
                ];
                let whole = parts
                    .iter()
                    .zip(least)
                    .all(|((from, to), least)| u64::from(to.saturating_sub(*from)) >= *least);
                // A header in front of the picture would be read as picture by most encoders.
                let plain = parts.iter().all(|(from, _)| *from == 0);
                if filled.damaged || !whole || !plain {
                    tally.damaged();
                    self.machine.handle(Event::Spoilt(raw));
                    return Ok(true);
                }
                let now = clock::mono();
                let captured = stamps.mend(filled.sequence, filled.captured, now);
                if tally.taken(filled.sequence, captured, now) == Seen::Repeat {
                    self.machine.handle(Event::Spoilt(raw));
                    return Ok(true);
                }
                let frame = Frame {
                    captured,
                    dequeued: now,
                };
                self.machine.handle(Event::Captured(raw, frame));
                Ok(true)
            }
            Front::Copied { source, painter } => {
                let frame = match source.next().map_err(Failure::capture)? {
                    Capture::Pending => return Ok(false),
                    Capture::Damaged => {
                        tally.damaged();
                        return Ok(true);
                    }
                    Capture::Frame(frame) => frame,
                };
                let now = clock::mono();
                if tally.taken(frame.sequence, frame.captured, now) == Seen::Repeat {
                    return Ok(true);
                }
                let Some(raw) = self.machine.vacant() else {
                    self.machine.handle(Event::Overrun);
                    return Ok(true);
                };
                let mut planes = self.encoder.raw_mut(raw);
                match painter.paint(frame.data, &mut planes) {
                    Ok(()) => {
                        let frame = Frame {
                            captured: frame.captured,
                            dequeued: now,
                        };
                        self.machine.handle(Event::Captured(raw, frame));
                    }
                    Err(error) if error.kind() == Kind::Transient => {
                        if tally.damaged() == 0 {
                            warn!(%error, "frame skipped; further ones are only counted");
                        }
                    }
                    Err(error) => return Err(Failure::encoder(error)),
                }
                Ok(true)
            }
        }
    }

    /// Passes on what the machine counted since the last time.
    fn count(&mut self, tally: &mut Tally) {
        let gone = |counts: &Counts| {
            counts.late
                + counts.refused
                + counts.swallowed
                + counts.damaged
                + counts.undecodable
                + counts.lost
        };
        let now = self.machine.counts();
        for _ in gone(&self.told)..gone(&now) {
            tally.swallowed();
        }
        for _ in self.told.requeued..now.requeued {
            tally.requeued(Part::Encoder);
        }
        self.told = now;
        for _ in 0..std::mem::take(&mut self.requeued) {
            tally.requeued(Part::Capture);
        }
    }

    /// Compares the size of the coded pictures with what was asked for, once.
    fn check_size(&mut self) {
        let Some(sps) = self.headers.sps().and_then(Sps::parse) else {
            return;
        };
        self.sized = true;
        if sps.size != self.format.size {
            let (coded, wished) = (sps.size, self.format.size);
            warn!(encoder = %self.encoder().display(), %coded, %wished, "the encoder codes its padding, too");
            self.why.push_str(&format!("; its pictures are {coded}"));
        }
    }
}

/// N of `/dev/videoN`.
fn node_number(node: &Path) -> Option<u16> {
    discovery::node_number(node.file_name()?.to_str()?).map(CameraId::number)
}

/// What the machine is told of a hand-over. Whatever the driver's reason is, the frame can be dropped
/// and the next one tried, unless the device or the stream is no more.
fn taken(result: Result<(), QbufError>) -> Result<Outcome, QbufError> {
    match result {
        Ok(()) => Ok(Outcome::Taken),
        Err(error @ (QbufError::Gone | QbufError::Broken)) => Err(error),
        Err(QbufError::Refused | QbufError::Other(_)) => Ok(Outcome::Refused),
    }
}

impl Chain for Hardware {
    fn format(&self) -> Format {
        self.format
    }

    fn way(&self) -> Way {
        Way {
            route: match self.front {
                Front::Copied { .. } => Route::HardwareCopy,
                Front::Shared { .. } => Route::Hardware,
            },
            coder: self.coder(),
            why: self.why.clone(),
        }
    }

    fn watch(&self, add: &mut dyn FnMut(BorrowedFd<'_>, Interest)) {
        match &self.front {
            Front::Shared {
                device, tells_size, ..
            } => add(
                device.as_fd(),
                if *tells_size {
                    Interest::Events
                } else {
                    Interest::Readable
                },
            ),
            Front::Copied { source, .. } => add(source.fd(), Interest::Readable),
        }
        add(self.encoder.as_fd(), Interest::Both);
    }

    fn woken(&mut self, [camera, encoder]: [Ready; MOST_DESCRIPTORS]) {
        self.frame_ready |= camera.readable;
        self.event_ready |= camera.event;
        self.coded_ready |= encoder.readable;
        self.raw_ready |= encoder.writable;
    }

    fn next(&mut self, force_idr: bool, tally: &mut Tally) -> Result<Progress<'_>, Failure> {
        if let Some(coded) = self.lent.take() {
            self.machine.handle(Event::Released(coded));
        }
        if force_idr {
            self.machine.handle(Event::KeyWanted);
        }
        let mut moved = std::mem::take(&mut self.coded_ready) && self.take_coded()?;
        moved |= std::mem::take(&mut self.raw_ready) && self.take_raw()?;
        moved |= std::mem::take(&mut self.frame_ready) && self.take_frame(tally)?;
        if std::mem::take(&mut self.event_ready) {
            self.take_event();
        }
        let emission = self.obey();
        self.count(tally);
        let Some(emission) = emission? else {
            if !self.machine.encoder_can_answer() {
                return Err(given_up(self.encoder(), Reason::EncoderStuck));
            }
            return Ok(if moved {
                Progress::Moved
            } else {
                Progress::Pending
            });
        };
        let Emission {
            coded,
            frame,
            decodable,
        } = emission;
        self.lent = Some(coded);
        if !self.sized {
            self.check_size();
        }
        let at = usize::try_from(coded.0).ok();
        let span = at
            .and_then(|at| self.spans.get(at))
            .copied()
            .unwrap_or_default();
        tally.coded(span.taken);
        let data = self.encoder.coded(coded, span.from, span.to);
        let data = if span.bare {
            self.headers.join(data)
        } else {
            data
        };
        let unit = AccessUnit {
            data,
            keyframe: decodable == Decodable::Alone,
            captured: frame.captured,
        };
        let timing = Timing {
            dequeued: frame.dequeued,
            encoded: span.taken,
        };
        Ok(Progress::Unit(unit, timing))
    }

    fn restream(&mut self) -> Result<(), Failure> {
        self.lent = None;
        self.encoder.stop().map_err(Failure::encoder)?;
        match &mut self.front {
            Front::Shared { device, .. } => device.stop().map_err(Failure::capture)?,
            Front::Copied { source, .. } => source.restream().map_err(Failure::capture)?,
        }
        self.machine.handle(Event::Restarted);
        self.start()
    }

    fn retune(&mut self, settings: Settings) -> Result<()> {
        self.encoder.retune(settings)
    }

    fn controls(&self) -> Result<Vec<Control>> {
        sensor::list(self.camera_fd())
    }

    fn set_control(&mut self, name: &str, to: &Setting) -> Result<Control> {
        sensor::set(self.camera_fd(), name, to)
    }
}

impl Hardware {
    fn camera_fd(&self) -> BorrowedFd<'_> {
        match &self.front {
            Front::Shared { device, .. } => device.as_fd(),
            Front::Copied { source, .. } => source.fd(),
        }
    }
}
