//! Facts in, verdict out. Health never lies: a frozen picture is unhealthy within 2 s.

use std::time::Duration;

use super::catalogue::Fault;
use super::facts::{CameraFact, Facts};
use super::safety;
use crate::camera::{CameraId, Status};
use crate::clock::Mono;
use crate::pipeline::chain::Part;
use crate::recover::FaultClass;
use crate::system::STALE_AFTER;

/// A camera's first picture may take this long into MediaMTX; its paths are looked at every second.
pub const PUBLISHED_WITHIN: Duration = Duration::from_millis(2000);

/// Less than so many percent of the storage free is little.
const STORAGE_LOW: f64 = 15.0;

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

    /// The same as JSON-RPC writes it.
    #[must_use]
    pub const fn as_upper(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Degraded => "DEGRADED",
            Self::Unhealthy => "UNHEALTHY",
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
    /// Since when, where that is known.
    pub since: Option<Mono>,
}

impl Finding {
    fn new(fault: Fault, camera: Option<CameraId>, verdict: Verdict) -> Self {
        Self {
            fault,
            camera,
            verdict,
            cause: fault.cause().to_owned(),
            action: fault.action().to_owned(),
            since: None,
        }
    }

    const fn since(mut self, moment: Mono) -> Self {
        self.since = Some(moment);
        self
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
    /// `mediamtx`, `cameras`, `storage` or `security`.
    pub name: &'static str,
    /// The worst of its findings.
    pub status: Verdict,
    /// One sentence.
    pub message: String,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
}

impl Component {
    pub(super) fn new(name: &'static str, mut findings: Vec<Finding>, fine: String) -> Self {
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
    /// MediaMTX, the cameras, the storage, and what access rests on.
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
    let components = vec![
        media(facts),
        cameras(facts),
        storage(facts),
        safety::security(&facts.alarms),
    ];
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
        let found = Finding::new(fault, None, Verdict::Unhealthy).because(reason);
        findings.push(found.since(state.since));
    }
    let version = state.version.as_deref().unwrap_or("of unknown version");
    Component::new("mediamtx", findings, format!("MediaMTX {version} answers"))
}

/// Judged by what was seen last: a disk that hangs is never asked here, and makes only its figures old.
fn storage(facts: &Facts) -> Component {
    let of = |fault| Finding::new(fault, None, Verdict::Degraded);
    let mut findings = safety::findings(&facts.alarms, safety::STORAGE);
    let age = facts.storage_age();
    if age > STALE_AFTER {
        let cause = format!(
            "the storage has not answered for {} s; what is said of it is as old",
            age.as_secs()
        );
        let seen = facts.storage.map_or(facts.started, |seen| seen.at);
        findings.push(of(Fault::StorageSilent).because(&cause).since(seen));
    }
    let Some(seen) = facts.storage else {
        return Component::new("storage", findings, "it is being looked at".to_owned());
    };
    let free = seen.free_percent();
    if free < STORAGE_LOW {
        let cause = format!("only {free:.1} % of the storage is free");
        findings.push(of(Fault::StorageLow).because(&cause));
    }
    Component::new("storage", findings, format!("{free:.1} % is free"))
}

fn cameras(facts: &Facts) -> Component {
    let mut findings: Vec<Finding> = facts
        .cameras
        .iter()
        .flat_map(|c| findings_of(c, facts))
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

/// Everything that is wrong with one camera, the cause first and what follows from it after.
fn findings_of(camera: &CameraFact, facts: &Facts) -> Vec<Finding> {
    let now = facts.now.mono;
    let mut findings: Vec<Finding> = present(camera, facts).into_iter().collect();
    if let Some(since) = camera.slate_since {
        let passed = now.since(since).as_secs_f64();
        let cause = format!("viewers see the slate instead of the picture for {passed:.1} s");
        let found = Finding::new(Fault::CameraOnSlate, Some(camera.id), Verdict::Degraded);
        findings.push(found.because(&cause).since(since));
    }
    if let Some(avoided) = camera.avoided {
        let left = avoided.until.since(now).as_secs();
        let cause = format!(
            "the encoder /dev/video{} failed {} times in a row; another one codes in its place; it gets its next chance in {left} s",
            avoided.node, avoided.strikes
        );
        let found = Finding::new(Fault::EncoderAvoided, Some(camera.id), Verdict::Degraded);
        findings.push(found.because(&cause));
    }
    findings
}

/// What keeps the picture away now.
fn present(camera: &CameraFact, facts: &Facts) -> Option<Finding> {
    let of = |fault, verdict| Finding::new(fault, Some(camera.id), verdict);
    let began = camera.fault.map_or(camera.since, |fault| fault.began);
    match &camera.status {
        Status::Connected => match camera.silence(facts.now.mono) {
            None => not_published(camera, facts),
            Some((Part::Capture, age)) => {
                let cause = format!(
                    "no frame for {:.1} s although the stream is on",
                    age.as_secs_f64()
                );
                let found = of(Fault::CameraFrozen, Verdict::Unhealthy).because(&cause);
                Some(found.since(camera.last_frame.unwrap_or(camera.since)))
            }
            Some((Part::Encoder, age)) => {
                let cause = format!(
                    "the encoder takes frames and gives no picture for {:.1} s",
                    age.as_secs_f64()
                );
                let found = of(Fault::EncoderStalled, Verdict::Unhealthy).because(&cause);
                Some(found.since(camera.last_unit.unwrap_or(camera.since)))
            }
        },
        Status::Disconnected { reason } => {
            let found = of(Fault::CameraDisconnected, Verdict::Degraded).because(reason);
            Some(found.since(began))
        }
        Status::Error { reason, action } => {
            let fault = kind_of(camera);
            let stands_still = matches!(fault, Fault::CameraFrozen | Fault::EncoderStalled);
            let verdict = if stands_still || facts.cameras.len() == 1 {
                Verdict::Unhealthy
            } else {
                Verdict::Degraded
            };
            let mut found = of(fault, verdict).because(reason).since(began);
            if !action.is_empty() {
                action.clone_into(&mut found.action);
            }
            Some(found)
        }
    }
}

/// What the camera's error is in the catalogue.
fn kind_of(camera: &CameraFact) -> Fault {
    match camera.fault.map(|fault| fault.class) {
        Some(FaultClass::CameraStalled | FaultClass::CameraFramesDamaged) => Fault::CameraFrozen,
        Some(FaultClass::EncoderStalled | FaultClass::EncoderRefusesBuffers) => {
            Fault::EncoderStalled
        }
        Some(FaultClass::EncoderBroken | FaultClass::EncoderOpenFailed) => Fault::EncoderFailed,
        Some(
            FaultClass::CameraGone
            | FaultClass::CameraStreamBroken
            | FaultClass::CameraOpenFailed
            | FaultClass::CameraRefusesBuffers,
        )
        | None => Fault::CameraFailed,
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
    camera.delivers(facts.now.mono) && is_published(camera, facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Now, Wall};
    use crate::recover::{Avoided, Ongoing, Rung};
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
            last_unit: Some(before(age)),
            slate_since: None,
            fault: None,
            avoided: None,
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
            alarms: Vec::new(),
            storage: Some(crate::system::Storage {
                total: 100,
                used: 60,
                available: 40,
                at: NOW,
            }),
            started: Mono::default(),
            now: Now {
                mono: NOW,
                wall: Wall::default(),
            },
            version: "1",
            notes: Vec::new(),
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
    fn an_encoder_that_gives_nothing_is_unhealthy_although_frames_flow() {
        let mut mute = camera(0, Status::Connected, 30);
        mute.last_unit = Some(before(2100));
        let report = assess(&facts(vec![mute]));
        assert_eq!((report.status, report.ready), (Verdict::Unhealthy, false));
        assert_eq!(codes(&report), ["encoder_stalled"]);
    }

    #[test]
    fn a_slate_is_no_picture_even_while_mediamtx_is_ready() {
        let mut slate = camera(0, Status::Connected, 1100);
        slate.slate_since = Some(before(1100));
        let report = assess(&facts(vec![slate.clone()]));
        assert_eq!((report.status, report.ready), (Verdict::Degraded, false));
        assert_eq!(codes(&report), ["camera_on_slate"]);
        slate.status = gone();
        slate.slate_since = Some(before(60_000));
        let report = assess(&facts(vec![slate, camera(1, Status::Connected, 10)]));
        assert_eq!((report.status, report.ready), (Verdict::Degraded, true));
        assert_eq!(codes(&report), ["camera_disconnected", "camera_on_slate"]);
        assert!(report.findings().any(|(_, f)| f.cause.contains("60.0 s")));
    }

    #[test]
    fn an_encoder_in_disgrace_degrades_and_the_picture_still_counts() {
        let mut soft = camera(0, Status::Connected, 10);
        soft.avoided = Some(Avoided {
            node: 11,
            since: before(20_000),
            until: NOW + Duration::from_secs(40),
            strikes: 1,
        });
        let report = assess(&facts(vec![soft]));
        assert_eq!((report.status, report.ready), (Verdict::Degraded, true));
        assert_eq!(codes(&report), ["encoder_avoided"]);
        let (_, found) = report.findings().next().unwrap();
        assert!(found.cause.contains("/dev/video11") && found.cause.contains("40 s"));
    }

    #[test]
    fn a_reported_fault_names_the_half_that_failed() {
        let told = |class| {
            let mut failed = camera(0, error(), 9000);
            failed.fault = Some(Ongoing {
                class,
                began: before(9000),
                rung: Rung::Reopen,
            });
            codes(&assess(&facts(vec![failed])))[0]
        };
        assert_eq!(told(FaultClass::CameraStalled), "camera_frozen");
        assert_eq!(told(FaultClass::EncoderStalled), "encoder_stalled");
        assert_eq!(told(FaultClass::EncoderBroken), "encoder_failed");
        assert_eq!(told(FaultClass::CameraOpenFailed), "camera_failed");
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
        fresh.last_unit = None;
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

    #[test]
    fn little_storage_degrades_and_does_not_end_readiness() {
        let mut facts = facts(vec![camera(0, Status::Connected, 0)]);
        assert_eq!(assess(&facts).status, Verdict::Healthy);
        let storage = facts.storage.as_mut().unwrap();
        (storage.used, storage.available) = (86, 14);
        let report = assess(&facts);
        assert_eq!((report.status, report.ready), (Verdict::Degraded, true));
        let found = &report.component("storage").unwrap().findings[0];
        assert_eq!(found.fault, Fault::StorageLow);
    }

    #[test]
    fn a_disk_that_hangs_is_said_to_and_what_is_said_of_it_carries_its_age() {
        let mut facts = facts(vec![camera(0, Status::Connected, 0)]);
        facts.storage.as_mut().unwrap().at = before(77_000);
        let report = assess(&facts);
        assert_eq!((report.status, report.ready), (Verdict::Degraded, true));
        let found = &report.component("storage").unwrap().findings[0];
        assert_eq!(found.fault, Fault::StorageSilent);
        assert!(found.cause.contains("77 s"), "{}", found.cause);
        // One that never answered is waited for no longer than one that did.
        facts.storage = None;
        facts.started = before(14_000);
        assert_eq!(assess(&facts).status, Verdict::Healthy);
        facts.started = before(16_000);
        assert_eq!(assess(&facts).status, Verdict::Degraded);
    }
}
