//! How soon the next attempt may be made, and which rung it is. The law: for ever, but ever slower.

use std::time::Duration;

use super::{FaultClass, Rung};
use crate::clock::Mono;

/// The pause after the first attempt that did not help; doubles up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A camera that stays broken is tried this often: cheap, and back soon after a human acted.
pub(super) const LAST_PAUSE: Duration = Duration::from_secs(2);
/// From one look at everything to the next; doubles up to [`LAST_LOOK`].
const FIRST_LOOK: Duration = Duration::from_secs(4);
/// Looking at every node wakes every camera's driver: not more often than this in the long run.
const LAST_LOOK: Duration = Duration::from_secs(30);

/// The budgets since the last settled picture.
#[derive(Debug)]
pub(super) struct Pace {
    attempts: u32,
    reopens: u8,
    look_at: Option<Mono>,
    look_gap: Duration,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self {
            attempts: 0,
            reopens: 0,
            look_at: None,
            look_gap: FIRST_LOOK,
        }
    }

    /// The picture held: all budgets are full again.
    pub(super) const fn settled(&mut self) {
        *self = Self::new();
    }

    /// The next rung against `class` and when it may be climbed. `first` is the mildest wanted; a look that is not due yet becomes a reopening.
    pub(super) fn next(&mut self, class: FaultClass, first: Rung, now: Mono) -> (Rung, Mono) {
        let pause = match (self.attempts, class.first_rung()) {
            // What broke in the middle of a picture is mended at once.
            (0, Rung::Restream) => Duration::ZERO,
            (n, _) => FIRST_PAUSE
                .saturating_mul(1 << n.saturating_sub(1).min(8))
                .min(LAST_PAUSE),
        };
        self.attempts = self.attempts.saturating_add(1);
        let at = now + pause;
        // Only the first attempt: a stream that was restarted in vain is not restarted again.
        let rung = if first <= Rung::Restream && pause.is_zero() {
            Rung::Restream
        } else if first <= Rung::Reopen && self.reopens < class.reopens() {
            self.reopens += 1;
            Rung::Reopen
        } else if self.look_at.is_none_or(|due| at >= due) {
            self.reopens = 0;
            self.look_at = Some(at + self.look_gap);
            self.look_gap = (self.look_gap * 2).min(LAST_LOOK);
            Rung::Reprobe
        } else {
            Rung::Reopen
        };
        (rung, at)
    }

    /// When a device that has come back may be opened: soon, but a loose plug sets no pace.
    pub(super) fn returned(&mut self, now: Mono) -> Mono {
        let pause = if self.attempts < 2 {
            Duration::ZERO
        } else {
            FIRST_PAUSE
        };
        self.attempts = self.attempts.saturating_add(1);
        now + pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_broken_stream_is_restarted_at_once_then_reopened_then_all_is_looked_at() {
        let mut pace = Pace::new();
        let class = FaultClass::CameraStreamBroken;
        assert_eq!(
            pace.next(class, Rung::Restream, at(0)),
            (Rung::Restream, at(0))
        );
        assert_eq!(
            pace.next(class, Rung::Restream, at(0)),
            (Rung::Reopen, at(100))
        );
        assert_eq!(
            pace.next(class, Rung::Restream, at(100)),
            (Rung::Reprobe, at(300))
        );
    }

    #[test]
    fn a_camera_that_stays_broken_is_tried_every_two_seconds_and_all_looked_at_every_thirty() {
        let mut pace = Pace::new();
        let (mut now, mut looks, mut tries) = (at(0), 0, 0);
        while now < at(3_600_000) {
            let (rung, next) = pace.next(FaultClass::CameraOpenFailed, Rung::Reopen, now);
            assert!(next > now && next.since(now) <= LAST_PAUSE);
            tries += 1;
            looks += u32::from(rung == Rung::Reprobe);
            now = next;
        }
        assert!((1795..=1810).contains(&tries), "{tries}");
        assert!((100..=125).contains(&looks), "{looks}");
    }
}
