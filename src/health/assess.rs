//! Facts in, verdict out. Health never lies: a frozen picture is unhealthy within 2 s.

use std::time::Duration;

use super::catalogue::Fault;
use super::facts::{CameraFact, Facts};
use crate::camera::{CameraId, Status};

/// A connected camera from which nothing came for so long is frozen. Cameras slower than a frame
/// A camera's first picture may take this long into MediaMTX; its paths are looked at every second.
const PUBLISHED_WITHIN: Duration = Duration::from_millis(2000);
/// each 0.7 s get three intervals.
pub const FROZEN_AFTER: Duration = Duration::from_secs(2);

/// How good or bad, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All is as it should be.
    Healthy,
    /// It works, but not all of it.
    Degraded,
    /// It does not do its work.
    Unhealthy,
}

impl Verdict {
    /// The word in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub fault: Fault,
    /// The camera it is about, if one.
    pub camera: Option<CameraId>,
    /// How bad.
    pub verdict: Verdict,
    /// The closest cause known.
    pub cause: String,
    /// The next action.
    pub action: String,
}

impl Finding {
    fn new(fault: Fault, camera: Option<CameraId>, verdict: Verdict) -> Self {
        Self {
            fault,
            camera,
            verdict,
            cause: fault.cause().to_owned(),
            action: fault.action().to_owned(),
        }
    }

    fn because(mut self, cause: &str) -> Self {
        if !cause.is_empty() {
            cause.clone_into(&mut self.cause);
        }
        self
    }
}

/// One part of the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// `mediamtx` or `cameras`.
    pub name: &'static str,
    /// The worst of its findings.
    pub status: Verdict,
    /// One sentence.
    pub message: String,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
}

impl Component {
    fn new(name: &'static str, mut findings: Vec<Finding>, fine: String) -> Self {
        findings.sort_by_key(|f| (std::cmp::Reverse(f.verdict), f.camera));
        let status = findings.first().map_or(Verdict::Healthy, |f| f.verdict);
        let message = findings.first().map_or(fine, |f| match f.camera {
            Some(camera) => format!("{camera}: {}", f.cause),
            None => f.cause.clone(),
        });
        Self {
            name,
            status,
            message,
            findings,
        }
    }
}

/// The whole verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The worst of the components.
    pub status: Verdict,
    /// MediaMTX and the cameras.
    pub components: Vec<Component>,
    /// Whether somebody who comes now gets a picture: MediaMTX answers, every expected camera
    /// delivers, and at least one camera does.
    pub ready: bool,
}

impl Report {
    /// The component of that name.
    #[must_use]
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components.iter().find(|c| c.name == name)
    }

    /// All findings, worst first within each component.
    pub fn findings(&self) -> impl Iterator<Item = (&Component, &Finding)> {
        self.components
            .iter()
            .flat_map(|c| c.findings.iter().map(move |f| (c, f)))
    }
}

/// Judges.
#[must_use]
pub fn assess(facts: &Facts) -> Report {
    let components = vec![media(facts), cameras(facts)];
    let delivers = |id: &CameraId| {
        facts
            .cameras
            .iter()
            .any(|c| c.id == *id && is_viewable(c, facts))
    };
    Report {
        status: components
            .iter()
            .map(|c| c.status)
            .max()
            .unwrap_or(Verdict::Healthy),
        ready: facts.media.reachable
            && facts.expected.iter().all(delivers)
            && facts.cameras.iter().any(|c| is_viewable(c, facts)),
        components,
    }
}

fn media(facts: &Facts) -> Component {
    let state = &facts.media;
    let reason = state.last_reason.as_deref().unwrap_or_default();
    let mut findings = Vec::new();
    if !state.reachable {
        let fault = if state.process_running == Some(false) {
            Fault::MediaStopped
        } else {
            Fault::MediaUnreachable
        };
        findings.push(Finding::new(fault, None, Verdict::Unhealthy).because(reason));
    }
    let version = state.version.as_deref().unwrap_or("of unknown version");
    Component::new("mediamtx", findings, format!("MediaMTX {version} answers"))
}

fn cameras(facts: &Facts) -> Component {
    let mut findings: Vec<Finding> = facts
        .cameras
        .iter()
        .filter_map(|c| finding(c, facts))
        .collect();
    for id in &facts.expected {
        if facts.cameras.iter().all(|c| c.id != *id) {
            findings.push(Finding::new(
                Fault::CameraMissing,
                Some(*id),
                Verdict::Degraded,
            ));
        }
    }
    if facts.cameras.is_empty() && findings.is_empty() {
        findings.push(Finding::new(Fault::NoCamera, None, Verdict::Degraded));
    }
    let fine = match facts.cameras.len() {
        1 => "1 camera delivers".to_owned(),
        n => format!("{n} cameras deliver"),
    };
    Component::new("cameras", findings, fine)
}

fn finding(camera: &CameraFact, facts: &Facts) -> Option<Finding> {
    let of = |fault, verdict| Finding::new(fault, Some(camera.id), verdict);
    match &camera.status {
        Status::Connected if is_delivering(camera, facts) => not_published(camera, facts),
        Status::Connected => {
            let age = silence(camera, facts);
            Some(
                of(Fault::CameraFrozen, Verdict::Unhealthy).because(&format!(
                    "no frame for {:.1} s although the stream is on",
                    age.as_secs_f64()
                )),
            )
        }
        Status::Disconnected { reason } => {
            Some(of(Fault::CameraDisconnected, Verdict::Degraded).because(reason))
        }
        Status::Error { reason, action } => {
            let verdict = if facts.cameras.len() == 1 {
                Verdict::Unhealthy
            } else {
                Verdict::Degraded
            };
            let mut found = of(Fault::CameraFailed, verdict).because(reason);
            if !action.is_empty() {
                action.clone_into(&mut found.action);
            }
            Some(found)
        }
    }
}

/// A camera that delivers while MediaMTX, which answers, does not have its picture.
fn not_published(camera: &CameraFact, facts: &Facts) -> Option<Finding> {
    let young = facts.now.mono.since(camera.since) < PUBLISHED_WITHIN;
    if is_published(camera, facts) || !facts.media.reachable || young {
        return None;
    }
    let verdict = if facts.cameras.len() == 1 {
        Verdict::Unhealthy
    } else {
        Verdict::Degraded
    };
    let reason = camera
        .publish_trouble
        .as_deref()
        .unwrap_or("its path is not ready yet");
    Some(Finding::new(Fault::CameraNotPublished, Some(camera.id), verdict).because(reason))
}

/// Whether MediaMTX has the camera's picture, as far as it was asked.
fn is_published(camera: &CameraFact, facts: &Facts) -> bool {
    facts
        .media
        .paths
        .get(&camera.id.to_string())
        .is_some_and(|path| path.ready)
}

/// Whether somebody who comes now gets its picture.
fn is_viewable(camera: &CameraFact, facts: &Facts) -> bool {
    is_delivering(camera, facts) && is_published(camera, facts)
}

/// How long nothing came from a connected camera.
fn silence(camera: &CameraFact, facts: &Facts) -> Duration {
    let last = camera.last_frame.unwrap_or_default().max(camera.since);
    facts.now.mono.since(last)
}

fn is_delivering(camera: &CameraFact, facts: &Facts) -> bool {
    let patience = camera
        .interval
        .map_or(FROZEN_AFTER, |i| (i * 3).max(FROZEN_AFTER));
    camera.status == Status::Connected && silence(camera, facts) <= patience
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Mono, Now, Wall};
    use crate::rpc::media::{MediaState, PathState};

    const NOW: Mono = Mono::from_nanos(100_000_000_000);

    fn before(millis: u64) -> Mono {
        Mono::from_nanos(NOW.as_nanos() - millis * 1_000_000)
    }

    fn camera(number: u16, status: Status, age: u64) -> CameraFact {
        CameraFact {
            id: CameraId::new(number).unwrap(),
            status,
            since: before(50_000),
            last_frame: Some(before(age)),
            interval: Some(Duration::from_millis(33)),
            pixel_format: None,
            frames: 0,
            publish_trouble: None,
        }
    }

    fn facts(cameras: Vec<CameraFact>) -> Facts {
        let ready = PathState {
            ready: true,
            ..PathState::default()
        };
        let paths = cameras
            .iter()
            .map(|c| (c.id.to_string(), ready.clone()))
            .collect();
        Facts {
            cameras,
            expected: Vec::new(),
            media: MediaState {
                reachable: true,
                paths,
                ..MediaState::default()
            },
            started: Mono::default(),
            now: Now {
                mono: NOW,
                wall: Wall::default(),
            },
            version: "1",
        }
    }

    fn error() -> Status {
        Status::Error {
            reason: "the device answered EIO".into(),
            action: "plug it in again".into(),
        }
    }

    fn gone() -> Status {
        Status::Disconnected {
            reason: "unplugged".into(),
        }
    }

    fn codes(report: &Report) -> Vec<&'static str> {
        report.findings().map(|(_, f)| f.fault.code()).collect()
    }

    #[test]
    fn a_picture_that_does_not_reach_mediamtx_is_not_ready_and_says_why() {
        let mut all = facts(vec![camera(0, Status::Connected, 40)]);
        all.media.paths.clear();
        all.cameras[0].publish_trouble = Some("RTSP 401 Unauthorized".to_owned());
        let report = assess(&all);
        assert_eq!(report.status, Verdict::Unhealthy);
        assert!(!report.ready);
        assert!(report.findings().any(|(_, f)| f.cause.contains("401")));
        all.cameras[0].since = before(500);
        assert_eq!(
            assess(&all).status,
            Verdict::Healthy,
            "the first picture is on its way"
        );
    }

    #[test]
    fn frames_that_flow_are_healthy_and_ready() {
        let report = assess(&facts(vec![camera(0, Status::Connected, 40)]));
        assert_eq!((report.status, report.ready), (Verdict::Healthy, true));
        assert!(report.findings().next().is_none());
    }

    #[test]
    fn a_frozen_picture_is_unhealthy_from_two_seconds_on() {
        let at = |age| assess(&facts(vec![camera(0, Status::Connected, age)]));
        assert_eq!(at(2000).status, Verdict::Healthy);
        let report = at(2001);
        assert_eq!((report.status, report.ready), (Verdict::Unhealthy, false));
        assert_eq!(codes(&report), ["camera_frozen"]);
    }

    #[test]
    fn one_frozen_camera_among_good_ones_is_still_unhealthy() {
        let report = assess(&facts(vec![
            camera(0, Status::Connected, 10),
            camera(1, Status::Connected, 9000),
        ]));
        assert_eq!(report.status, Verdict::Unhealthy);
        assert!(
            report
                .component("cameras")
                .unwrap()
                .message
                .starts_with("camera1:")
        );
    }

    #[test]
    fn a_camera_that_has_just_connected_gets_its_two_seconds() {
        let mut fresh = camera(0, Status::Connected, 0);
        fresh.last_frame = None;
        fresh.since = before(1500);
        assert_eq!(assess(&facts(vec![fresh.clone()])).status, Verdict::Healthy);
        fresh.since = before(2500);
        assert_eq!(assess(&facts(vec![fresh])).status, Verdict::Unhealthy);
    }

    #[test]
    fn a_slow_camera_is_not_called_frozen_between_its_frames() {
        let mut slow = camera(0, Status::Connected, 4000);
        slow.interval = Some(Duration::from_secs(2));
        assert_eq!(assess(&facts(vec![slow])).status, Verdict::Healthy);
    }

    #[test]
    fn an_unplugged_camera_degrades_and_the_last_one_ends_readiness() {
        let report = assess(&facts(vec![
            camera(0, Status::Connected, 10),
            camera(1, gone(), 9000),
        ]));
        assert_eq!((report.status, report.ready), (Verdict::Degraded, true));
        let report = assess(&facts(vec![camera(1, gone(), 9000)]));
        assert_eq!((report.status, report.ready), (Verdict::Degraded, false));
    }

    #[test]
    fn a_failed_camera_is_unhealthy_alone_and_degraded_among_others() {
        let alone = assess(&facts(vec![camera(0, error(), 9000)]));
        assert_eq!(alone.status, Verdict::Unhealthy);
        let (_, found) = alone.findings().next().unwrap();
        assert_eq!(found.cause, "the device answered EIO");
        assert_eq!(found.action, "plug it in again");
        let among = assess(&facts(vec![
            camera(0, error(), 9000),
            camera(1, Status::Connected, 10),
        ]));
        assert_eq!(among.status, Verdict::Degraded);
    }

    #[test]
    fn no_camera_at_all_degrades_and_says_what_to_do() {
        let report = assess(&facts(Vec::new()));
        assert_eq!((report.status, report.ready), (Verdict::Degraded, false));
        assert_eq!(codes(&report), ["no_camera"]);
    }

    #[test]
    fn an_expected_camera_that_is_not_there_degrades_and_ends_readiness() {
        let mut facts = facts(vec![camera(0, Status::Connected, 10)]);
        facts.expected = vec![CameraId::TEST, CameraId::TEST_ASIDE];
        let report = assess(&facts);
        assert_eq!((report.status, report.ready), (Verdict::Degraded, false));
        assert_eq!(codes(&report), ["camera_missing"]);
    }

    #[test]
    fn mediamtx_away_is_unhealthy_and_tells_stopped_from_unreachable() {
        let mut facts = facts(vec![camera(0, Status::Connected, 10)]);
        facts.media.reachable = false;
        facts.media.last_reason = Some("connection refused".into());
        let report = assess(&facts);
        assert_eq!((report.status, report.ready), (Verdict::Unhealthy, false));
        assert_eq!(codes(&report), ["mediamtx_unreachable"]);
        assert_eq!(report.components[0].message, "connection refused");
        facts.media.process_running = Some(false);
        assert_eq!(codes(&assess(&facts)), ["mediamtx_stopped"]);
    }
}
