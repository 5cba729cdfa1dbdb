//! The test camera as a [`Source`]: a timer descriptor instead of a driver.
//!
//! The timer is absolute, so the rate never drifts; ticks that nobody collected in time are frames
//! "the driver dropped": the sequence jumps over them, exactly as a real camera's does.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::picture::Picture;
use crate::capture::{Capture, Format, Frame, Source};
use crate::clock::{self, Mono};
use crate::error::{Error, Kind, Result};
use crate::units::{Rate, Size};

/// The running test camera.
#[derive(Debug)]
pub struct TestCamera {
    timer: TimerFd,
    picture: Picture,
    /// When frame 0 was due.
    start: Mono,
    /// The next frame's number.
    next: u64,
}

impl TestCamera {
    /// Starts the test camera; the first frame is due one interval from now.
    ///
    /// # Errors
    /// `Refused` for a size or rate it cannot draw, `Internal` when the kernel gives no timer.
    pub fn open(size: Size, rate: Rate) -> Result<Self> {
        let picture = Picture::new(super::format(size, rate)?);
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )
        .map_err(|e| no_timer(e))?;
        let start = clock::mono() + rate.interval();
        let camera = Self {
            timer,
            picture,
            start,
            next: 0,
        };
        camera.arm(0)?;
        Ok(camera)
    }

    /// When frame `number` is due: counted from the start, so that rounding never adds up.
    fn due(&self, number: u64) -> Mono {
        let rate = self.picture.format().rate;
        let nanos = u128::from(number) * 1_000_000_000 * u128::from(rate.seconds())
            / u128::from(rate.frames());
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        Mono::from_nanos(self.start.as_nanos().saturating_add(nanos))
    }

    /// Sets the timer to frame `number`.
    fn arm(&self, number: u64) -> Result<()> {
        let at = std::time::Duration::from_nanos(self.due(number).as_nanos());
        self.timer
            .set(
                Expiration::OneShot(TimeSpec::from_duration(at)),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )
            .map_err(no_timer)
    }
}

fn no_timer(e: nix::Error) -> Error {
    Error::new(Kind::Internal, "the test camera has no timer").because(e)
}

impl Source for TestCamera {
    fn format(&self) -> Format {
        self.picture.format()
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    fn next(&mut self) -> Result<Capture<'_>> {
        let now = clock::now();
        if now.mono < self.due(self.next) {
            return Ok(Capture::Pending);
        }
        // The newest frame that is due; older ones are lost, as in a driver without free buffers.
        let rate = self.picture.format().rate;
        let late = now.mono.since(self.due(self.next)).as_nanos();
        let missed =
            late * u128::from(rate.frames()) / (1_000_000_000 * u128::from(rate.seconds()));
        let number = self.next + u64::try_from(missed).unwrap_or(0);
        self.next = number + 1;
        self.arm(self.next)?;
        let sequence = u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0);
        Ok(Capture::Frame(Frame {
            data: self.picture.draw(sequence, now.wall),
            sequence,
            captured: now.mono,
        }))
    }
}
