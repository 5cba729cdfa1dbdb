//! The camera's thread: one wait for all its descriptors, then frame → access unit → socket.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::{info, warn};

use super::watch::{Order, Watch};
use super::{Origin, Plan};
use crate::camera::{Counters, Directory, Status};
use crate::capture::{Capture, Source};
use crate::clock::{self, Mono};
use crate::encode::{self, Encoder};
use crate::error::{Error, Kind, Result};
use crate::stream::State;
use crate::stream::io::Publisher;
use crate::supervise::{Stop, Worker};

/// The thread looks around at least this often, so that its tick proves it is alive.
const TICK: Duration = Duration::from_millis(500);

/// Starts the thread of `plan`. The camera must be in `directory` already.
///
/// # Errors
/// `Internal` when the kernel gives no thread, or the camera is not in the directory.
pub fn start(plan: Plan, publisher: Publisher, directory: Arc<Directory>) -> Result<Worker> {
    let id = plan.id;
    let counters = directory
        .get(id)
        .map(|camera| camera.counters)
        .ok_or_else(|| Error::new(Kind::Internal, format!("{id} is not in the directory")))?;
    // Built on its own thread: sources and encoders need not be able to move between threads.
    Worker::spawn(&id.to_string(), move |stop| {
        Line::new(plan, publisher, directory, counters, stop).run();
    })
}

/// What is open while frames flow.
struct Open {
    source: Box<dyn Source>,
    encoder: Box<dyn Encoder>,
}

/// Everything the thread owns.
struct Line {
    plan: Plan,
    watch: Watch,
    open: Option<Open>,
    publisher: Publisher,
    directory: Arc<Directory>,
    counters: Arc<Counters>,
    last_sequence: Option<u32>,
    force_idr: bool,
    publish_trouble: Option<String>,
    stop: Stop,
}

impl Line {
    fn new(
        plan: Plan,
        publisher: Publisher,
        directory: Arc<Directory>,
        counters: Arc<Counters>,
        stop: Stop,
    ) -> Self {
        Self {
            plan,
            watch: Watch::new(clock::mono()),
            open: None,
            publisher,
            directory,
            counters,
            last_sequence: None,
            force_idr: true,
            publish_trouble: None,
            stop,
        }
    }

    fn run(mut self) {
        while !self.stop.is_given() {
            let now = clock::mono();
            self.counters
                .tick_nanos
                .store(now.as_nanos(), Ordering::Relaxed);
            self.obey(now);
            self.tell(now);
            let (source_ready, publisher_ready) = self.wait(now);
            if publisher_ready {
                self.publisher.on_ready(clock::now());
            }
            let now = clock::now();
            if self
                .publisher
                .poll_timeout()
                .is_some_and(|at| at <= now.mono)
            {
                self.publisher.on_timeout(now);
            }
            if source_ready {
                self.take_frames();
            }
            self.tell_publishing();
        }
        self.publisher.stop();
    }

    /// Does what the decider wants.
    fn obey(&mut self, now: Mono) {
        while let Some(order) = self.watch.poll(now) {
            match order {
                Order::Close => self.open = None,
                Order::Open => match self.try_open() {
                    Ok(open) => {
                        let format = open.source.format();
                        let route = open.encoder.route();
                        info!(camera = %self.plan.id, size = %format.size, rate = %format.rate, pixel = %format.pixel, route = route.as_str(), "opened");
                        self.directory.update(self.plan.id, |camera| {
                            camera.format = Some(format);
                            camera.route = Some(route);
                        });
                        self.watch.opened(format.rate, clock::mono());
                        self.last_sequence = None;
                        self.force_idr = true;
                        self.open = Some(open);
                    }
                    Err(error) => self.watch.failed(&error, clock::mono()),
                },
            }
        }
    }

    fn try_open(&self) -> Result<Open> {
        let source: Box<dyn Source> = match &self.plan.origin {
            Origin::Test { size, rate } => Box::new(
                crate::capture::testcard::io::TestCamera::open(*size, *rate)?,
            ),
            #[cfg(feature = "v4l2")]
            Origin::V4l2 { node, modes, wish } => {
                Box::new(crate::capture::io::V4l2Source::open(node, modes, wish)?)
            }
            #[cfg(not(feature = "v4l2"))]
            Origin::V4l2 { .. } => {
                return Err(Error::new(Kind::Config, "this build has no V4L2 support"));
            }
        };
        let format = source.format();
        let encoder = encode::open(format, self.plan.settings(format.rate))?;
        Ok(Open { source, encoder })
    }

    /// Publishes a changed status.
    fn tell(&mut self, now: Mono) {
        let Some(status) = self.watch.take_status() else {
            return;
        };
        let changed = self
            .directory
            .get(self.plan.id)
            .is_some_and(|c| c.status != status);
        if !changed {
            return;
        }
        match &status {
            Status::Connected => info!(camera = %self.plan.id, "frames flow"),
            Status::Disconnected { reason } => {
                warn!(camera = %self.plan.id, reason, "disconnected")
            }
            Status::Error { reason, action } => {
                warn!(camera = %self.plan.id, reason, action, "no picture")
            }
        }
        self.directory.update(self.plan.id, |camera| {
            camera.status = status;
            camera.since = now;
        });
    }

    /// Publishes a change between "pictures arrive" and "they do not, because".
    fn tell_publishing(&mut self) {
        let trouble = match self.publisher.state() {
            State::Backoff { reason, .. } => Some(reason),
            State::Recording { .. } => None,
            // On the way: neither better nor worse than before.
            State::Idle | State::Connecting | State::Announcing | State::Stopped => return,
        };
        if trouble == self.publish_trouble {
            return;
        }
        match &trouble {
            Some(reason) => {
                warn!(camera = %self.plan.id, reason, "pictures do not reach MediaMTX; trying on")
            }
            None => info!(camera = %self.plan.id, "pictures reach MediaMTX"),
        }
        self.publish_trouble.clone_from(&trouble);
        self.directory
            .update(self.plan.id, |camera| camera.publish_trouble = trouble);
    }

    /// Waits for the source, the publisher, the stop signal or the next deadline.
    fn wait(&self, now: Mono) -> (bool, bool) {
        let mut fds: heapless::Vec<PollFd<'_>, 3> = heapless::Vec::new();
        let mut add = |fd, flags| {
            let at = fds.len();
            // Never more than there is room for: stop signal, source, publisher.
            let _ = fds.push(PollFd::new(fd, flags));
            at
        };
        add(self.stop.fd(), PollFlags::POLLIN);
        let source_at = self
            .open
            .as_ref()
            .map(|open| add(open.source.fd(), PollFlags::POLLIN));
        let interest = self.publisher.interest();
        let publisher_at = self.publisher.fd().map(|fd| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, interest.read);
            flags.set(PollFlags::POLLOUT, interest.write);
            add(fd, flags)
        });
        let deadline = [self.watch.poll_timeout(), self.publisher.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + TICK)
            .min(now + TICK);
        // Rounded up, lest the last fraction of a millisecond becomes a busy loop.
        let millis =
            u16::try_from(deadline.since(now).as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        if poll(&mut fds, PollTimeout::from(millis)).is_err() {
            return (false, false);
        }
        let ready = |at: Option<usize>| {
            at.and_then(|at| fds.get(at))
                .and_then(|fd| fd.revents())
                .is_some_and(|r| !r.is_empty())
        };
        (ready(source_at), ready(publisher_at))
    }

    /// Takes what the source has, codes it and hands it on.
    fn take_frames(&mut self) {
        // A bound, so that a device that always has one more frame cannot starve the socket.
        for _ in 0..4 {
            let Some(open) = &mut self.open else { return };
            let frame = match open.source.next() {
                Ok(Capture::Frame(frame)) => frame,
                Ok(Capture::Damaged) => {
                    self.counters.damaged.fetch_add(1, Ordering::Relaxed);
                    self.watch.damaged();
                    continue;
                }
                Ok(Capture::Pending) => return,
                Err(error) => {
                    warn!(camera = %self.plan.id, %error, "the source failed");
                    return self.close(&error);
                }
            };
            let now = clock::now();
            self.counters.captured.fetch_add(1, Ordering::Relaxed);
            self.counters
                .last_frame_nanos
                .store(now.mono.as_nanos(), Ordering::Relaxed);
            if let Some(last) = self.last_sequence {
                let gap = frame.sequence.wrapping_sub(last).wrapping_sub(1);
                // A sequence that went backwards is a restarted counter, not four thousand million losses.
                if gap < u32::MAX / 2 {
                    self.counters
                        .dropped_by_driver
                        .fetch_add(gap.into(), Ordering::Relaxed);
                }
            }
            self.last_sequence = Some(frame.sequence);
            let force = self.force_idr
                | self.publisher.wants_keyframe()
                | self.counters.keyframe_wanted.swap(false, Ordering::Relaxed);
            match open.encoder.encode(&frame, force) {
                Ok(Some(unit)) => {
                    self.force_idr = force && !unit.keyframe;
                    self.counters.encoded.fetch_add(1, Ordering::Relaxed);
                    self.counters
                        .last_unit_nanos
                        .store(now.mono.as_nanos(), Ordering::Relaxed);
                    self.publisher.push(&unit, clock::now());
                    self.watch.frame(now.mono);
                }
                Ok(None) => self.force_idr |= force,
                Err(error) if error.kind() == Kind::Transient => {
                    self.force_idr |= force;
                    self.watch.damaged();
                    if self.counters.damaged.fetch_add(1, Ordering::Relaxed) == 0 {
                        warn!(camera = %self.plan.id, %error, "frame skipped; further ones are only counted");
                    }
                }
                Err(error) => {
                    warn!(camera = %self.plan.id, %error, "the encoder failed");
                    return self.close(&error);
                }
            }
        }
    }

    /// Closes source and encoder; the decider says what follows.
    fn close(&mut self, error: &Error) {
        self.open = None;
        self.watch.failed(error, clock::mono());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::{CameraId, Device};
    use crate::capture::{Colour, Format, Frame, Matrix, PixelFormat, Range};
    use crate::encode::Settings;
    use crate::pipeline::fleet::newcomer;
    use crate::stream::{Limits, Target};
    use crate::units::{BitRate, Rate, Size};

    const GOOD: &[u8] = include_bytes!("../encode/testdata/bars_422p.jpg");

    /// A stand-in for a camera that sends truncated JPEGs: no virtual V4L2 device delivers MJPEG.
    struct Script {
        format: Format,
        frames: std::vec::IntoIter<&'static [u8]>,
        sequence: u32,
        never: Stop,
    }

    impl Source for Script {
        fn format(&self) -> Format {
            self.format
        }

        fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
            self.never.fd()
        }

        fn next(&mut self) -> Result<Capture<'_>> {
            let Some(data) = self.frames.next() else {
                return Ok(Capture::Pending);
            };
            self.sequence += 1;
            Ok(Capture::Frame(Frame {
                data,
                sequence: self.sequence,
                captured: clock::mono(),
            }))
        }
    }

    #[test]
    fn truncated_jpegs_are_counted_and_skipped_and_the_picture_goes_on() {
        let id = CameraId::TEST;
        let directory = Arc::new(Directory::default());
        let modes = Vec::new().into();
        directory.put(newcomer(
            id,
            "script".into(),
            Device::Test,
            modes,
            clock::mono(),
        ));
        let counters = directory.get(id).unwrap().counters;
        let plan = Plan {
            id,
            origin: Origin::Test {
                size: Size::new(64, 64),
                rate: Rate::fps(30),
            },
            bitrate: BitRate::from_kbps(500),
            keyframe_seconds: 1,
        };
        let target = Target {
            addr: std::net::SocketAddr::from(([127, 0, 0, 1], 9)),
            path: id.to_string(),
            user: String::new(),
            password: String::new(),
        };
        let publisher = Publisher::new(target, Arc::clone(&counters), Limits::default());
        let never = Stop::new().unwrap();
        let mut line = Line::new(
            plan,
            publisher,
            Arc::clone(&directory),
            Arc::clone(&counters),
            never.clone(),
        );
        let format = Format {
            pixel: PixelFormat::Mjpeg,
            size: jpeg_size(GOOD),
            stride: 0,
            rate: Rate::fps(30),
            colour: Colour {
                matrix: Matrix::Bt601,
                range: Range::Full,
                srgb: true,
            },
        };
        let settings = Settings {
            bitrate: BitRate::from_kbps(500),
            gop: 30,
        };
        let cut = &GOOD[..GOOD.len() / 2];
        let frames = vec![GOOD, cut, GOOD, &GOOD[..20], GOOD];
        line.watch.opened(format.rate, clock::mono());
        line.open = Some(Open {
            encoder: encode::open(format, settings).unwrap(),
            source: Box::new(Script {
                format,
                frames: frames.into_iter(),
                sequence: 0,
                never: never.clone(),
            }),
        });
        line.take_frames();
        line.take_frames();
        line.tell(clock::mono());
        assert_eq!(counters.captured.load(Ordering::Relaxed), 5);
        assert_eq!(counters.damaged.load(Ordering::Relaxed), 2);
        assert_eq!(counters.encoded.load(Ordering::Relaxed), 3);
        assert_eq!(directory.get(id).unwrap().status, Status::Connected);
    }

    /// Width and height as the frame header (SOF0) says them: ITU-T T.81 B.2.2.
    fn jpeg_size(jpeg: &[u8]) -> Size {
        let at = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        let side = |i: usize| u32::from(u16::from_be_bytes([jpeg[at + i], jpeg[at + i + 1]]));
        Size::new(side(7), side(5))
    }
}
