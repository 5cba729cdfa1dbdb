//! Whether viewers see the camera's picture or the slate. The law: they never see it change more than once a
//! second, and no slate comes before the first picture.

use std::time::Duration;

use crate::clock::Mono;

/// No access unit for so long: the slate. Slow cameras get [`INTERVALS`] frames.
const PATIENCE: Duration = Duration::from_secs(1);
/// As [`PATIENCE`], in frames.
const INTERVALS: u32 = 4;
/// The least time from one change to the next.
const STEADY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// Nothing was ever shown. Left at the first key frame.
    Nothing,
    /// The camera's picture. Left when it ends.
    Picture {
        /// The last access unit shown.
        last: Mono,
        /// The device is known to be away: no reason to wait.
        gone: bool,
    },
    /// The slate. Left at a key frame.
    Slate {
        /// The last picture before it.
        since: Mono,
    },
}

/// What viewers see.
#[derive(Debug)]
pub(super) struct Viewers {
    view: View,
    patience: Duration,
    changed: Option<Mono>,
}

impl Viewers {
    pub(super) const fn new() -> Self {
        Self {
            view: View::Nothing,
            patience: PATIENCE,
            changed: None,
        }
    }

    /// The camera promised this time from frame to frame.
    pub(super) fn interval(&mut self, interval: Duration) {
        self.patience = PATIENCE.max(interval.saturating_mul(INTERVALS));
    }

    /// The device is away.
    pub(super) const fn gone(&mut self) {
        if let View::Picture { gone, .. } = &mut self.view {
            *gone = true;
        }
    }

    /// An access unit came: whether viewers get it, and whether it ends the slate.
    pub(super) fn unit(&mut self, keyframe: bool, now: Mono) -> (bool, bool) {
        match self.view {
            View::Nothing if !keyframe => (true, false),
            View::Slate { .. } if !keyframe || !self.is_steady(now) => (false, false),
            View::Slate { .. } => {
                self.changed = Some(now);
                self.view = View::Picture {
                    last: now,
                    gone: false,
                };
                (true, true)
            }
            View::Nothing | View::Picture { .. } => {
                self.view = View::Picture {
                    last: now,
                    gone: false,
                };
                (true, false)
            }
        }
    }

    /// The moment of the last picture, when the slate is due.
    pub(super) fn slate_due(&mut self, now: Mono) -> Option<Mono> {
        let View::Picture { last, .. } = self.view else {
            return None;
        };
        if now < self.timeout()? {
            return None;
        }
        self.changed = Some(now);
        self.view = View::Slate { since: last };
        Some(last)
    }

    /// When the slate falls due if no picture comes.
    pub(super) fn timeout(&self) -> Option<Mono> {
        let View::Picture { last, gone } = self.view else {
            return None;
        };
        let due = if gone { last } else { last + self.patience };
        Some(
            self.changed
                .map_or(due, |changed| due.max(changed + STEADY)),
        )
    }

    /// Whether a key frame would bring the picture back now.
    pub(super) fn wants_keyframe(&self, now: Mono) -> bool {
        matches!(self.view, View::Slate { .. }) && self.is_steady(now)
    }

    /// Since when the slate is shown.
    pub(super) const fn slate_since(&self) -> Option<Mono> {
        match self.view {
            View::Slate { since } => Some(since),
            View::Nothing | View::Picture { .. } => None,
        }
    }

    fn is_steady(&self, now: Mono) -> bool {
        self.changed.is_none_or(|changed| now >= changed + STEADY)
    }
}
