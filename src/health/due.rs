//! How long a verdict holds while nobody tells of a change.
//!
//! Most of what health judges by is told when it changes. What nobody tells is silence: a camera that gives no more
//! frames, a picture that does not arrive. Those have deadlines.

use std::time::Duration;

use super::assess::PUBLISHED_WITHIN;
use super::facts::Facts;
use crate::camera::Status;
use crate::clock::Mono;

/// The first moment from which silence alone may have changed the verdict on these facts; `None` when none can. A moment
/// that has passed already is one of somebody who is silent now: when that ends is told by nobody.
#[must_use]
pub fn due(facts: &Facts) -> Option<Mono> {
    let now = facts.now.mono;
    let connected = |c: &&super::facts::CameraFact| c.status == Status::Connected;
    facts
        .cameras
        .iter()
        .filter(connected)
        .flat_map(|camera| {
            // What is no longer young stays so.
            let grown = Some(camera.since + PUBLISHED_WITHIN).filter(|grown| *grown > now);
            [Some(camera.silent_from()), grown]
        })
        .flatten()
        .min()
}

/// When to look again: what is `due` on the next of the rounds of `grain` from then on, and all that is told by nobody
/// and has no deadline (what parts of the service know to be wrong with themselves) on the next of `beat`.
#[must_use]
pub fn next_look(now: Mono, due: Option<Mono>, grain: Duration, beat: Duration) -> Mono {
    let after = now + Duration::from_nanos(1);
    let due = due.map(|due| due.max(after).up_to(grain));
    let beat = after.up_to(beat);
    due.map_or(beat, |due| due.min(beat))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::CameraId;
    use crate::clock::{Now, Wall};
    use crate::health::assess::{Verdict, assess};
    use crate::health::facts::CameraFact;
    use crate::rpc::media::{MediaState, PathState};
    use proptest::prelude::*;

    fn at(millis: u64) -> Mono {
        Mono::from_nanos(millis * 1_000_000)
    }

    fn facts(now: u64, frame: u64, unit: u64, since: u64, fps: u32) -> Facts {
        let path = PathState {
            ready: true,
            ..PathState::default()
        };
        Facts {
            cameras: vec![CameraFact {
                id: CameraId::TEST,
                status: Status::Connected,
                since: at(since),
                last_frame: Some(at(frame)),
                last_unit: Some(at(unit)),
                interval: Some(Duration::from_secs(1) / fps),
                pixel_format: None,
                frames: 7,
                publish_trouble: None,
                slate_since: None,
                fault: None,
                avoided: None,
            }],
            expected: Vec::new(),
            media: MediaState {
                reachable: true,
                paths: [(CameraId::TEST.to_string(), path)].into(),
                ..MediaState::default()
            },
            storage: Some(crate::system::Storage {
                total: 100,
                available: 90,
                used: 10,
                at: at(now),
            }),
            started: at(0),
            now: Now {
                mono: at(now),
                wall: Wall::default(),
            },
            version: "0",
            alarms: Vec::new(),
            notes: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn no_camera_falls_silent_before_its_deadline_and_each_is_found_so_after_it(
            frame in 0_u64..10_000,
            unit in 0_u64..10_000,
            since in 0_u64..10_000,
            fps in 1_u32..60,
        ) {
            let now = frame.max(unit).max(since);
            let then = facts(now, frame, unit, since, fps);
            let due = due(&then).unwrap().as_nanos() / 1_000_000;
            let of = |millis| assess(&facts(millis, frame, unit, since, fps)).status;
            if assess(&then).status == Verdict::Healthy {
                let mut last = now;
                while last < due {
                    prop_assert_eq!(of(last), Verdict::Healthy);
                    last += 50;
                }
                // It is due because the verdict changes then, or because it is no longer young.
                let grown = since + 2000;
                prop_assert!(due == grown || of(due + 1) == Verdict::Unhealthy);
            }
        }
    }

    #[test]
    fn a_camera_whose_pictures_come_is_looked_at_once_a_second_and_a_silent_one_on_time() {
        let (grain, beat) = (Duration::from_millis(250), Duration::from_secs(1));
        let look = |facts: &Facts| {
            next_look(facts.now.mono, due(facts), grain, beat).as_nanos() / 1_000_000
        };
        // Its last frame came just now: nothing can be wrong with it before the next second.
        assert_eq!(look(&facts(10_000, 9_990, 9_995, 1_000, 30)), 11_000);
        // Its last frame came at 10.2 s: it is frozen from 12.2 s on, and found so at 12.25 s.
        assert_eq!(look(&facts(11_000, 10_200, 10_205, 1_000, 30)), 12_000);
        assert_eq!(look(&facts(12_000, 10_200, 10_205, 1_000, 30)), 12_250);
        // It is silent: nobody tells when that ends.
        assert_eq!(look(&facts(13_000, 10_200, 10_205, 1_000, 30)), 13_250);
        // It has just connected, and has until 12.1 s to arrive.
        assert_eq!(look(&facts(12_010, 12_000, 12_000, 10_100, 30)), 12_250);
    }
}
