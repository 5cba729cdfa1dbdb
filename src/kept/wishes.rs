//! What a picture is asked to be: by the configuration, and by clients over it. Pure.

use crate::camera::remote::VideoChange;
use crate::units::{BitRate, Rate, Size};

/// What is asked of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    /// Encoder target.
    pub bitrate: BitRate,
    /// Seconds from one key frame to the next, at most.
    pub keyframe_seconds: u32,
    /// Picture size.
    pub size: Size,
    /// Frames per second.
    pub rate: Rate,
}

impl Wishes {
    /// These, but what `over` says.
    #[must_use]
    pub fn with(self, over: VideoChange) -> Self {
        Self {
            bitrate: over.bitrate.unwrap_or(self.bitrate),
            keyframe_seconds: over.keyframe_seconds.unwrap_or(self.keyframe_seconds),
            size: over.size.unwrap_or(self.size),
            rate: over.rate.unwrap_or(self.rate),
        }
    }

    /// What of these differs from `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> VideoChange {
        VideoChange {
            bitrate: differs(self.bitrate, before.bitrate),
            keyframe_seconds: differs(self.keyframe_seconds, before.keyframe_seconds),
            size: differs(self.size, before.size),
            rate: differs(self.rate, before.rate),
        }
    }

    /// All of these, as a change.
    #[must_use]
    pub const fn as_change(&self) -> VideoChange {
        VideoChange {
            bitrate: Some(self.bitrate),
            keyframe_seconds: Some(self.keyframe_seconds),
            size: Some(self.size),
            rate: Some(self.rate),
        }
    }

    /// The wishes of a change that says all of them.
    #[must_use]
    pub fn of_change(change: VideoChange) -> Option<Self> {
        Some(Self {
            bitrate: change.bitrate?,
            keyframe_seconds: change.keyframe_seconds?,
            size: change.size?,
            rate: change.rate?,
        })
    }
}

fn differs<T: PartialEq>(now: T, before: T) -> Option<T> {
    (now != before).then_some(now)
}

/// What a client says now, after what it said before.
#[must_use]
pub fn after(before: VideoChange, now: VideoChange) -> VideoChange {
    VideoChange {
        bitrate: now.bitrate.or(before.bitrate),
        keyframe_seconds: now.keyframe_seconds.or(before.keyframe_seconds),
        size: now.size.or(before.size),
        rate: now.rate.or(before.rate),
    }
}

/// What of a client's wishes still holds: those about which the configuration says the same now as `then`, when they
/// were made.
#[must_use]
pub fn still(clients: VideoChange, then: &Wishes, now: &Wishes) -> VideoChange {
    let changed = now.since(then);
    VideoChange {
        bitrate: clients.bitrate.filter(|_| changed.bitrate.is_none()),
        keyframe_seconds: clients
            .keyframe_seconds
            .filter(|_| changed.keyframe_seconds.is_none()),
        size: clients.size.filter(|_| changed.size.is_none()),
        rate: clients.rate.filter(|_| changed.rate.is_none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Wishes = Wishes {
        bitrate: BitRate::from_kbps(2500),
        keyframe_seconds: 1,
        size: Size::new(1280, 720),
        rate: Rate::fps(30),
    };

    fn rate(kbps: u32) -> VideoChange {
        VideoChange {
            bitrate: Some(BitRate::from_kbps(kbps)),
            ..VideoChange::default()
        }
    }

    #[test]
    fn of_file_and_client_the_last_to_speak_is_heard_key_by_key() {
        let client = VideoChange {
            rate: Some(Rate::fps(10)),
            ..rate(900)
        };
        let asked = FILE.with(client);
        assert_eq!(
            (asked.bitrate, asked.size),
            (BitRate::from_kbps(900), FILE.size)
        );
        // The file changes its bit rate: the client's is over, its frame rate is not.
        let edited = FILE.with(rate(4000));
        let left = still(client, &FILE, &edited);
        assert_eq!(
            left,
            VideoChange {
                bitrate: None,
                ..client
            }
        );
        let now = edited.with(left);
        assert_eq!(
            (now.bitrate, now.rate),
            (BitRate::from_kbps(4000), Rate::fps(10))
        );
        // The same file again changes nothing.
        assert_eq!(still(left, &edited, &edited), left);
    }

    #[test]
    fn only_what_differs_is_a_change() {
        assert_eq!(FILE.since(&FILE), VideoChange::default());
        assert_eq!(FILE.with(rate(900)).since(&FILE), rate(900));
        assert_eq!(Wishes::of_change(FILE.as_change()), Some(FILE));
        assert_eq!(Wishes::of_change(rate(900)), None);
        assert_eq!(after(rate(1), rate(2)), rate(2));
    }
}
