//! A V4L2 capture node as a [`Source`]: agrees on a format, runs the ring of mapped buffers.
//!
//! The law: [`Source::next`] allocates nothing. Everything that does is in [`V4l2Source::open`].

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::device::io::{Agreed, Device, Queued};
use super::layout::least_bytes;
use super::negotiate::{Outcome, Wish, rank};
use super::queue::{MOST, Ring};
use super::stamp::Stamps;
use super::{Capture, Format, Frame, Source};
use crate::camera::Mode;
use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::sys::mmap::Mapping;

/// Buffers asked of the driver: one with us, one being filled, two in reserve. At 30 frames per
/// second the thread may be late by 60 ms before a frame is lost.
const BUFFERS: u32 = 4;

/// A running V4L2 camera.
#[derive(Debug)]
pub struct V4l2Source {
    // Fields drop in this order: the mappings go before the descriptor.
    buffers: heapless::Vec<Mapping, MOST>,
    device: Device,
    ring: Ring,
    stamps: Stamps,
    /// Buffers that the driver refused at first, not told yet.
    requeued: u32,
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
        let device = Device::open(node)?;
        let agreed = device.agree(&rank(modes, wish))?;
        Self::start(device, agreed, wish)
    }

    /// Starts a camera that was agreed with already.
    ///
    /// # Errors
    /// As [`V4l2Source::open`].
    pub fn start(device: Device, agreed: Agreed, wish: &Wish) -> Result<Self> {
        let format = agreed.format;
        let (ring, buffers) = map(&device)?;
        let mut source = Self {
            buffers,
            device,
            ring,
            stamps: Stamps::default(),
            requeued: 0,
            outcome: Outcome {
                asked: *wish,
                given: format,
            },
            least: least_bytes(format.pixel, format.size, format.stride),
        };
        source.give_back()?;
        source.device.start()?;
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
            if self.device.queue(index)? == Queued::SecondTime {
                self.requeued += 1;
            }
            self.ring
                .queued(index)
                .map_err(|how| self.device.broke_rules(how))?;
        }
        Ok(())
    }
}

impl Source for V4l2Source {
    fn format(&self) -> Format {
        self.outcome.given
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }

    fn next(&mut self) -> Result<Capture<'_>> {
        self.give_back()?;
        let Some(filled) = self.device.dequeue()? else {
            return Ok(Capture::Pending);
        };
        self.ring
            .dequeued(filled.index)
            .map_err(|how| self.device.broke_rules(how))?;
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

    fn restream(&mut self) -> Result<()> {
        self.device.stop()?;
        self.ring.all_dequeued();
        self.give_back()?;
        self.device.start()
    }

    fn requeued(&mut self) -> u32 {
        std::mem::take(&mut self.requeued)
    }

    fn device(&self) -> Option<BorrowedFd<'_>> {
        Some(self.device.as_fd())
    }
}

fn map(device: &Device) -> Result<(Ring, heapless::Vec<Mapping, MOST>)> {
    let count = device.allocate(BUFFERS)?;
    let failed = || format!("{}: mapping the buffers", device.node().display());
    let Some(ring) = Ring::new(count) else {
        let what = format!("{}: {count} buffers are too many", failed());
        return Err(Error::new(Kind::Reopen, what));
    };
    let mut buffers = heapless::Vec::new();
    for index in 0..count {
        let places = device.places(index)?;
        let [place] = places[..] else {
            let what = format!("{}: memory planes apart", failed());
            return Err(Error::new(Kind::Config, what));
        };
        let mapping = Mapping::new(device.as_fd(), place.length, place.offset)
            .map_err(|errno| Error::new(Kind::Reopen, failed()).because(errno))?;
        if buffers.push(mapping).is_err() {
            break; // cannot happen: the ring is no longer than the table
        }
    }
    Ok((ring, buffers))
}
