//! From which of its two paths a camera is recorded.
//!
//! A *track* is the MediaMTX path a recording is made from, and what a running recording is known by. A stream of somebody
//! else has one, of its own name. A camera has two: the first, which viewers see, and a second one that exists only while
//! it is recorded and whose pictures come from the ring that is held before a trigger. So a camera may be recorded twice at
//! the same time, once because its mode says so and once because somebody asks.

use std::time::Duration;

use super::Origin;
use super::ledger::{Ledger, State};
use crate::camera::CameraId;
use crate::mediamtx::paths::{camera_of_second, second};

/// Whose track this is.
#[must_use]
pub fn device(track: &str) -> String {
    camera_of_second(track).map_or_else(|| track.to_owned(), |camera| camera.to_string())
}

/// The second track of a device; only cameras have one.
#[must_use]
pub fn beside(device: &str) -> Option<String> {
    device.parse::<CameraId>().ok().map(second)
}

/// The other track of a camera.
#[must_use]
pub fn other(track: &str) -> Option<String> {
    camera_of_second(track).map_or_else(|| beside(track), |camera| Some(camera.to_string()))
}

/// Whether this is a second track.
#[must_use]
pub fn is_second(track: &str) -> bool {
    camera_of_second(track).is_some()
}

/// The track of the recording of a device that a client has asked for, if there is one.
#[must_use]
pub fn asked_for(ledger: &Ledger, device: &str) -> Option<String> {
    let tracks = [Some(device.to_owned()), beside(device)];
    tracks
        .into_iter()
        .flatten()
        .find(|track| ledger.is_known(track) && !ledger.is_by_mode(track))
}

/// Which track a recording takes that is about to begin.
///
/// A client's takes the first one, unless it begins before its trigger or the first is taken by the mode. The mode's takes
/// the first one, and waits while a client's recording has it. What lies over a hole takes the second.
///
/// # Errors
/// The state of the recording that is in the way.
pub fn choose(
    ledger: &Ledger,
    device: &str,
    lead: Duration,
    origin: Origin,
) -> Result<String, State> {
    let first = ledger.state(device);
    if origin == Origin::Bridge {
        let Some(second) = beside(device) else {
            return Err(State::Recording);
        };
        return ledger.state(&second).map_or(Ok(second), Err);
    }
    if origin == Origin::Mode {
        return first.map_or_else(|| Ok(device.to_owned()), Err);
    }
    if let Some(state) = asked_for(ledger, device).and_then(|track| ledger.state(&track)) {
        return Err(state);
    }
    match (first, beside(device)) {
        (_, Some(second)) if !lead.is_zero() || first.is_some() => Ok(second),
        (Some(state), _) => Err(state),
        (None, _) => Ok(device.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODE: Origin = Origin::Mode;
    const NONE: Duration = Duration::ZERO;
    const LEAD: Duration = Duration::from_secs(5);

    fn ledger(taken: &[(&str, bool)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (track, by_mode) in taken {
            ledger.begin(track).unwrap();
            if *by_mode {
                ledger.set_by_mode(track);
            }
        }
        ledger
    }

    #[test]
    fn what_somebody_asks_for_goes_beside_what_the_mode_records() {
        let busy = Err(State::Starting);
        let free = ledger(&[]);
        let moded = ledger(&[("camera0", true)]);
        let asked = ledger(&[("camera0", false)]);
        let asked_early = ledger(&[("camera0", true), ("event-camera0", false)]);
        let at = |ledger: &Ledger, lead, origin| choose(ledger, "camera0", lead, origin);
        let call = Origin::Call;
        assert_eq!(at(&free, NONE, call).as_deref(), Ok("camera0"));
        assert_eq!(at(&free, LEAD, call).as_deref(), Ok("event-camera0"));
        assert_eq!(at(&moded, NONE, call).as_deref(), Ok("event-camera0"));
        assert_eq!(at(&moded, LEAD, call).as_deref(), Ok("event-camera0"));
        assert_eq!(at(&asked, NONE, call), busy);
        assert_eq!(at(&asked, LEAD, call), busy);
        assert_eq!(at(&asked_early, NONE, call), busy);
        assert_eq!(at(&free, NONE, MODE).as_deref(), Ok("camera0"));
        assert_eq!(at(&asked, NONE, MODE), busy);
        assert_eq!(at(&moded, NONE, MODE), busy);
        let early = ledger(&[("event-camera0", false)]);
        assert_eq!(at(&early, NONE, MODE).as_deref(), Ok("camera0"));
    }

    #[test]
    fn what_lies_over_a_hole_goes_beside_it_where_there_is_room() {
        let at = |taken: &[(&str, bool)]| choose(&ledger(taken), "camera0", LEAD, Origin::Bridge);
        let busy = Err(State::Starting);
        assert_eq!(at(&[("camera0", true)]).as_deref(), Ok("event-camera0"));
        assert_eq!(at(&[("camera0", false)]).as_deref(), Ok("event-camera0"));
        let both = [("camera0", true), ("event-camera0", false)];
        assert_eq!(at(&both), busy);
        assert!(choose(&ledger(&[]), "door", LEAD, Origin::Bridge).is_err());
        let bridged = ledger(&[("camera0", false), ("event-camera0", true)]);
        let asked = asked_for(&bridged, "camera0");
        assert_eq!(asked.as_deref(), Some("camera0"), "it is nobody's to stop");
    }

    #[test]
    fn a_stream_of_somebody_else_has_one_track() {
        let moded = ledger(&[("door", true)]);
        assert_eq!(
            choose(&moded, "door", NONE, Origin::Call),
            Err(State::Starting)
        );
        assert_eq!(
            choose(&ledger(&[]), "door", NONE, Origin::Call).as_deref(),
            Ok("door")
        );
        assert_eq!((device("door"), beside("door")), ("door".to_owned(), None));
        assert_eq!(device("event-camera12"), "camera12");
    }
}
