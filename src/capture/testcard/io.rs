//! The test camera as a [`Source`]: a timer descriptor instead of a driver.
//!
//! The timer is absolute, so the rate never drifts. Who is late finds the last few frames waiting, as in
//! a driver's buffers; older ones are "dropped by the driver": the sequence jumps over them.

use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::picture::Picture;
use crate::capture::{Capture, Format, Frame, Source};
use crate::clock::{self, Mono};
use crate::error::{Error, Kind, Result};
use crate::units::{Rate, Size};

/// Frames that wait for whoever is late, as many as our V4L2 queue has buffers.
const BUFFERS: u64 = 4;

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
        .map_err(no_timer)?;
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

/// Writes raw YU12 frames to standard output in real time until it is closed.
///
/// # Errors
/// As [`TestCamera::open`]; a closed pipe is an ordinary end.
pub fn write_frames(size: Size, rate: Rate) -> Result<()> {
    let mut camera = TestCamera::open(size, rate)?;
    let mut out = std::io::stdout().lock();
    loop {
        let mut fds = [PollFd::new(camera.fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE).map_err(no_timer)?;
        if let Capture::Frame(frame) = camera.next()?
            && out.write_all(frame.data).is_err()
        {
            return Ok(());
        }
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
        // Frames wait in the "driver's buffers"; only what is older than those is lost.
        let rate = self.picture.format().rate;
        let late = now.mono.since(self.due(self.next)).as_nanos();
        let missed =
            late * u128::from(rate.frames()) / (1_000_000_000 * u128::from(rate.seconds()));
        let missed = u64::try_from(missed).unwrap_or(u64::MAX);
        let number = self.next + missed.saturating_sub(BUFFERS - 1);
        let due = self.due(number);
        self.next = number + 1;
        self.arm(self.next)?;
        let sequence = u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0);
        Ok(Capture::Frame(Frame {
            data: self.picture.draw(sequence, now.wall_of(due)),
            sequence,
            captured: due,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::testcard::timecode;
    use std::time::Duration;

    fn wait(camera: &TestCamera) {
        let mut fds = [PollFd::new(camera.fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::from(1000_u16)).unwrap(), 1);
    }

    fn sequence(camera: &mut TestCamera) -> Option<(u32, Mono)> {
        match camera.next().unwrap() {
            Capture::Frame(frame) => Some((frame.sequence, frame.captured)),
            _ => None,
        }
    }

    #[test]
    fn frames_come_when_the_descriptor_says_so_and_at_the_rate_asked_for() {
        let mut camera = TestCamera::open(Size::new(160, 90), Rate::fps(100)).unwrap();
        assert!(
            sequence(&mut camera).is_none(),
            "the first frame is due later"
        );
        let mut last = (0, Mono::default());
        let mut first = None;
        while last.0 < 20 {
            wait(&camera);
            let now = sequence(&mut camera).unwrap();
            assert!(
                first.is_none() || now.0 > last.0,
                "{} after {}",
                now.0,
                last.0
            );
            first.get_or_insert(now);
            last = now;
        }
        let (number, begin) = first.unwrap();
        let expected = Duration::from_millis(10) * (last.0 - number);
        let off = last.1.since(begin).abs_diff(expected);
        assert!(off < Duration::from_millis(60), "off by {off:?}");
    }

    #[test]
    fn a_reader_that_sleeps_loses_frames_and_sees_it_in_the_sequence() {
        let mut camera = TestCamera::open(Size::new(160, 90), Rate::fps(100)).unwrap();
        wait(&camera);
        let before = sequence(&mut camera).unwrap().0;
        std::thread::sleep(Duration::from_millis(205));
        let after = sequence(&mut camera).unwrap().0;
        let lost = after - before - 1;
        assert!(lost >= 16, "{after} after {before}");
    }

    #[test]
    fn a_reader_that_is_a_little_late_loses_nothing() {
        let mut camera = TestCamera::open(Size::new(160, 90), Rate::fps(20)).unwrap();
        wait(&camera);
        let before = sequence(&mut camera).unwrap();
        std::thread::sleep(Duration::from_millis(110));
        for late in 1..=2 {
            let (number, captured) = sequence(&mut camera).unwrap();
            assert_eq!(number, before.0 + late);
            assert_eq!(captured, before.1 + Duration::from_millis(50) * late);
        }
    }

    #[test]
    fn the_burnt_in_number_and_time_are_those_of_the_frame() {
        let mut camera = TestCamera::open(Size::new(320, 180), Rate::fps(100)).unwrap();
        wait(&camera);
        let Capture::Frame(frame) = camera.next().unwrap() else {
            panic!("no frame though the descriptor said so");
        };
        let code = timecode::decode(&frame.data[..320 * 180], 320, 180, 320).unwrap();
        assert_eq!(code.counter, frame.sequence);
        let now = clock::now();
        let due = now.wall_of(frame.captured);
        // The strip counts in tenths of a millisecond; the two clocks are read one after the other.
        assert!(code.captured.as_nanos().abs_diff(due.as_nanos()) < 1_000_000);
        assert!(code.captured <= now.wall);
    }
}
