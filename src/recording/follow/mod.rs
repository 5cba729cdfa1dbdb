//! When MediaMTX is told to begin a file anew at once: after an error it would rest for two seconds.

pub mod io;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Mono;

/// From one time to the next, at least: on a medium that stays full, MediaMTX's own rest is soon enough.
const AGAIN: Duration = Duration::from_secs(2);
/// How much shorter a file may seem that was ended because of its length: its last picture's time may not be known.
const BLUR: Duration = Duration::from_millis(100);

/// A medium that stays full must not be filled with the same pictures again and again.
const BRIDGED: Duration = Duration::from_secs(30);

/// When each device's recorder was made to begin a file last, and when that was worth recording the last pictures again.
#[derive(Debug, Default)]
pub struct Nudges {
    begun: BTreeMap<String, Mono>,
    bridged: BTreeMap<String, Mono>,
}

impl Nudges {
    /// The recorder of a device was told to begin a file: that the one before is closed now is no news.
    pub fn begun(&mut self, device: &str, now: Mono) {
        self.begun.insert(device.to_owned(), now);
    }

    /// The recorder has closed a file that plays so long, though it should go on. Whether to have it begin another now; one
    /// that was as long as files become was ended because of that, and the next one has begun.
    pub fn closed(&mut self, device: &str, plays: Duration, longest: Duration, now: Mono) -> bool {
        let soon = |at: &Mono| now.since(*at) < AGAIN;
        if plays + BLUR >= longest || self.begun.get(device).is_some_and(soon) {
            return false;
        }
        self.begun(device, now);
        true
    }

    /// The recorder of a device was told to begin a file after an error: whether the last pictures are recorded once more.
    pub fn bridged(&mut self, device: &str, now: Mono) -> bool {
        let soon = |at: &Mono| now.since(*at) < BRIDGED;
        if self.bridged.get(device).is_some_and(soon) {
            return false;
        }
        self.bridged.insert(device.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_answered_at_once_but_not_again_and_again_nor_where_there_was_none() {
        let mut nudges = Nudges::default();
        let at = |millis: u64| Mono::from_nanos(millis * 1_000_000);
        let minute = Duration::from_secs(60);
        let day = Duration::from_secs(24 * 3600);
        assert!(nudges.closed("camera0", minute, day, at(10_000)));
        assert!(
            !nudges.closed("camera0", Duration::ZERO, day, at(10_300)),
            "it fails again"
        );
        assert!(nudges.closed("camera1", minute, day, at(10_300)));
        assert!(nudges.closed("camera0", minute, day, at(12_100)));
        assert!(!nudges.closed("camera2", day, day, at(12_100)));
        assert!(
            !nudges.closed("camera4", minute, minute, at(12_100)),
            "it was rolled"
        );
        assert!(nudges.bridged("camera0", at(12_100)));
        assert!(!nudges.bridged("camera0", at(42_000)), "it stays full");
        assert!(nudges.bridged("camera0", at(42_100)));
        nudges.begun("camera3", at(13_000));
        assert!(
            !nudges.closed("camera3", minute, day, at(13_100)),
            "it was told to"
        );
    }
}
