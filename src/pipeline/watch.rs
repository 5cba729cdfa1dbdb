//! When to open the source, when to give it up, and what the camera's status says. Pure.

use std::time::Duration;

use crate::camera::Status;
use crate::clock::Mono;
use crate::error::{Error, Kind};
use crate::units::Rate;

/// A picture that stands still for this long is reported. Below the promised 2 s, so that the
/// report itself is out by then.
const FROZEN: Duration = Duration::from_millis(1800);
/// Cameras slower than this many frames per [`FROZEN`] get longer: slow is not frozen.
const FROZEN_FRAMES: u32 = 4;
/// First pause before an open is tried again; doubles up to [`LAST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// A camera that stays broken is tried this often: cheap, and back soon after a human acted.
const LAST_RETRY: Duration = Duration::from_secs(2);
/// Frames for this long mean that the camera is well again.
const SETTLED: Duration = Duration::from_secs(5);
/// A stalled stream is closed and opened again this often; some sensors start only at the second try.
const REOPEN_STALLED: Duration = Duration::from_secs(5);

/// Where a pipeline stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing is open; open at the moment given.
    Closed { open_at: Mono },
    /// Open, and this long without a frame.
    Open {
        /// The opening.
        opened: Mono,
        /// The last frame, or the opening.
        last: Mono,
        /// How long silence may last.
        patience: Duration,
        /// Whether the silence was reported.
        stalled: bool,
    },
}

/// What the thread must do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// Open the source.
    Open,
    /// Close it; `Open` follows by itself.
    Close,
}

/// The decider of one pipeline.
#[derive(Debug)]
pub struct Watch {
    phase: Phase,
    retry: Duration,
    reopen_at: Option<Mono>,
    /// Frames since the last good one that could not be used.
    damaged: u32,
    status: Option<Status>,
}

impl Watch {
    /// A pipeline that wants to open at once.
    #[must_use]
    pub const fn new(now: Mono) -> Self {
        Self {
            phase: Phase::Closed { open_at: now },
            retry: FIRST_RETRY,
            reopen_at: None,
            damaged: 0,
            status: None,
        }
    }

    /// The source is open and promised `rate`.
    pub fn opened(&mut self, rate: Rate, now: Mono) {
        self.phase = Phase::Open {
            opened: now,
            last: now,
            patience: FROZEN.max(rate.interval() * FROZEN_FRAMES),
            stalled: false,
        };
        self.reopen_at = None;
    }

    /// A good frame arrived.
    pub fn frame(&mut self, now: Mono) {
        if let Phase::Open {
            last,
            stalled,
            opened,
            ..
        } = &mut self.phase
        {
            *last = now;
            *stalled = false;
            // One frame is no recovery: a device that fails after each must not be opened ten times a second.
            if now.since(*opened) > SETTLED {
                self.retry = FIRST_RETRY;
            }
        }
        self.damaged = 0;
        self.reopen_at = None;
        self.set(Status::Connected);
    }

    /// A frame arrived that could not be used.
    pub const fn damaged(&mut self) {
        self.damaged = self.damaged.saturating_add(1);
    }

    /// Opening or reading failed; the source is closed now.
    pub fn failed(&mut self, error: &Error, now: Mono) {
        if error.kind() == Kind::Gone {
            // An unplug ends this pipeline within milliseconds. A device that only said it was gone,
            // and whose node stayed, is looked at again.
            self.phase = Phase::Closed {
                open_at: now + LAST_RETRY,
            };
            return self.set(Status::Disconnected {
                reason: error.to_string(),
            });
        }
        self.phase = Phase::Closed {
            open_at: now + self.retry,
        };
        self.retry = (self.retry * 2).min(LAST_RETRY);
        self.set(Status::Error {
            reason: error.to_string(),
            action: error
                .next_action()
                .unwrap_or(
                    "the service keeps trying; if it lasts, unplug the camera and plug it in again",
                )
                .to_owned(),
        });
    }

    /// What to do now, if anything.
    pub fn poll(&mut self, now: Mono) -> Option<Order> {
        match &mut self.phase {
            Phase::Closed { open_at } if now >= *open_at => Some(Order::Open),
            Phase::Open {
                last,
                patience,
                stalled,
                ..
            } => {
                if let Some(at) = self.reopen_at {
                    if now < at {
                        return None;
                    }
                    self.reopen_at = None;
                    self.phase = Phase::Closed { open_at: now };
                    return Some(Order::Close);
                }
                if !*stalled && now >= *last + *patience {
                    *stalled = true;
                    let silent = now.since(*last).as_secs_f64();
                    self.reopen_at = Some(now + REOPEN_STALLED);
                    let status = if self.damaged > 0 {
                        Status::Error {
                            reason: format!("no usable frame for {silent:.1} s: {} came, all damaged", self.damaged),
                            action: "check the cable and the power of the camera; a USB camera may do better on another port or at a smaller size".into(),
                        }
                    } else {
                        Status::Error {
                        reason: format!("no frame for {silent:.1} s: the device is there but gives no picture"),
                        action: "check the sensor cable and whether another setting (exposure, input, standard) stops the picture; the device is opened again every few seconds".into(),
                    }
                    };
                    self.set(status);
                }
                None
            }
            Phase::Closed { .. } => None,
        }
    }

    /// When [`Watch::poll`] wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        match self.phase {
            Phase::Closed { open_at } => Some(open_at),
            Phase::Open {
                last,
                patience,
                stalled,
                ..
            } => self.reopen_at.or((!stalled).then(|| last + patience)),
        }
    }

    /// The status to publish, once after each change.
    pub fn take_status(&mut self) -> Option<Status> {
        self.status.take()
    }

    fn set(&mut self, status: Status) {
        self.status = Some(status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_camera_is_connected_only_once_a_frame_came() {
        let mut watch = Watch::new(at(0));
        assert_eq!(watch.poll(at(0)), Some(Order::Open));
        watch.opened(Rate::fps(30), at(10));
        assert_eq!(watch.take_status(), None);
        watch.frame(at(50));
        assert_eq!(watch.take_status(), Some(Status::Connected));
    }

    #[test]
    fn silence_is_reported_within_two_seconds_and_the_device_is_opened_again() {
        let mut watch = Watch::new(at(0));
        watch.opened(Rate::fps(30), at(0));
        watch.frame(at(0));
        watch.take_status();
        let wake = watch.poll_timeout().unwrap();
        assert!(wake <= at(2000));
        assert_eq!(watch.poll(wake), None);
        assert!(matches!(watch.take_status(), Some(Status::Error { .. })));
        let reopen = watch.poll_timeout().unwrap();
        assert_eq!(watch.poll(reopen), Some(Order::Close));
        assert_eq!(watch.poll(reopen), Some(Order::Open));
    }

    #[test]
    fn a_slow_camera_is_not_called_frozen() {
        let mut watch = Watch::new(at(0));
        watch.opened(Rate::fps(1), at(0));
        watch.frame(at(0));
        watch.take_status();
        watch.poll(at(3000));
        assert_eq!(watch.take_status(), None);
    }

    #[test]
    fn a_broken_camera_is_retried_ever_slower_but_for_ever() {
        let mut watch = Watch::new(at(0));
        let mut now = at(0);
        let broken = Error::new(Kind::Reopen, "the stream broke");
        for _ in 0..50 {
            assert_eq!(watch.poll(now), Some(Order::Open));
            watch.failed(&broken, now);
            let next = watch.poll_timeout().unwrap();
            assert!(next > now && next.since(now) <= LAST_RETRY);
            now = next;
        }
    }

    #[test]
    fn a_device_that_says_it_is_gone_is_disconnected_and_looked_at_again() {
        let mut watch = Watch::new(at(0));
        watch.failed(&Error::new(Kind::Gone, "unplugged"), at(5));
        assert!(matches!(
            watch.take_status(),
            Some(Status::Disconnected { .. })
        ));
        assert_eq!(watch.poll(at(1000)), None);
        assert_eq!(watch.poll(watch.poll_timeout().unwrap()), Some(Order::Open));
    }
}
