//! A running way from a camera to access units, whatever it is made of.
//!
//! [`direct`](super::direct) is a source and an encoder that codes a frame where it lies. The hardware route keeps several
//! frames in flight between two V4L2 devices. Above this trait nobody knows which.

use std::fmt;
use std::os::fd::BorrowedFd;

use super::tally::Tally;
use crate::camera::controls::{Control, Setting};
use crate::capture::{Format, no_control};
use crate::clock::Mono;
use crate::encode::{AccessUnit, Route, Settings};
use crate::error::{Error, Result};
use crate::recover::Coder;

/// What to wait for on a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// `EPOLLIN`: a filled buffer.
    Readable,
    /// `EPOLLIN | EPOLLPRI`: a filled buffer, or an event that was subscribed to.
    Events,
    /// `EPOLLIN | EPOLLOUT`: a filled buffer, or one to fill again.
    Both,
}

/// What a wait said of one descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// A filled buffer is there.
    pub readable: bool,
    /// A buffer to fill again is there.
    pub writable: bool,
    /// An event is there (`EPOLLPRI`).
    pub event: bool,
}

impl Ready {
    /// Everything may be there.
    pub const ALL: Self = Self {
        readable: true,
        writable: true,
        event: true,
    };
}

/// Descriptors a chain may have: the camera's, the encoder's.
pub const MOST_DESCRIPTORS: usize = 2;

/// When a picture passed the stages before the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// When the driver handed the frame out.
    pub dequeued: Mono,
    /// When the access unit was there.
    pub encoded: Mono,
}

/// What one look brought.
#[derive(Debug)]
pub enum Progress<'a> {
    /// An access unit. Its bytes are good until the next call.
    Unit(AccessUnit<'a>, Timing),
    /// Something moved but no picture came of it; more may be there.
    Moved,
    /// Nothing now; wait for the descriptors.
    Pending,
}

/// Which half failed; recovery treats them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The camera.
    Capture,
    /// The encoder.
    Encoder,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capture => "the camera",
            Self::Encoder => "the encoder",
        })
    }
}

/// A failure, and whose it is.
#[derive(Debug)]
pub struct Failure {
    /// Whose.
    pub part: Part,
    /// What.
    pub error: Error,
    /// Which encoder, where opening it failed; a running one is known.
    pub coder: Option<Coder>,
}

impl Failure {
    /// A failure of the camera.
    #[must_use]
    pub const fn capture(error: Error) -> Self {
        Self {
            part: Part::Capture,
            error,
            coder: None,
        }
    }

    /// A failure of the encoder.
    #[must_use]
    pub const fn encoder(error: Error) -> Self {
        Self {
            part: Part::Encoder,
            error,
            coder: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// Which way the pictures go, and why that one, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The route.
    pub route: Route,
    /// What codes.
    pub coder: Coder,
    /// Why no better one, or what it runs on: one sentence.
    pub why: String,
}

/// A running chain. Lives on its camera's thread.
pub trait Chain {
    /// What the camera delivers.
    fn format(&self) -> Format;

    /// Which way the pictures go.
    fn way(&self) -> Way;

    /// Names every descriptor to wait for. Always the same ones in the same order until the chain is dropped.
    fn watch(&self, add: &mut dyn FnMut(BorrowedFd<'_>, Interest));

    /// Tells what the wait said, in the order of [`Chain::watch`]. A chain that knows asks its devices for nothing else: each
    /// question that ends in `EAGAIN` takes the lock of a device that may just be painting.
    fn woken(&mut self, _ready: [Ready; MOST_DESCRIPTORS]) {}

    /// Takes one step: at most one frame in, at most one access unit out. Allocates nothing.
    ///
    /// `force_idr` asks for a decodable start; it must be repeated until a key frame came.
    ///
    /// # Errors
    /// The part that failed, and by the error's kind what may help.
    fn next(&mut self, force_idr: bool, tally: &mut Tally) -> Result<Progress<'_>, Failure>;

    /// Stops and starts the streams on the open descriptors: the mildest cure of a broken stream.
    ///
    /// # Errors
    /// When the devices refuse; the chain is of no use then.
    fn restream(&mut self) -> Result<(), Failure>;

    /// Changes bit rate and key frame distance while pictures flow.
    ///
    /// # Errors
    /// `Refused` when this encoder cannot; a new chain with these settings can.
    fn retune(&mut self, settings: Settings) -> Result<()>;

    /// The sensor's controls, as they stand now.
    ///
    /// # Errors
    /// When the device does not answer.
    fn controls(&self) -> Result<Vec<Control>> {
        Ok(Vec::new())
    }

    /// Sets one control of the sensor and returns it as the driver has it now.
    ///
    /// # Errors
    /// `Refused` with the reason: no such control, out of range, inactive now.
    fn set_control(&mut self, name: &str, _to: &Setting) -> Result<Control> {
        Err(no_control(name))
    }
}
