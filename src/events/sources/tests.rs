//! Each real change, once.

use super::*;
use crate::camera::Device;
use crate::capture::PixelFormat;
use crate::clock::Mono;
use crate::health::assess::{Component, Finding};
use crate::health::catalogue::Fault;
use crate::units::{Rate, Size};

const AT: Wall = Wall::from_secs(1_790_000_000);

fn camera(status: Status) -> Camera {
    let mode = |pixel, width, height| Mode {
        pixel,
        size: Size::new(width, height),
        rates: vec![Rate::fps(30)],
    };
    Camera {
        id: CameraId::TEST,
        name: "Desk camera".to_owned(),
        device: Device::Test,
        status,
        format: None,
        route: None,
        route_why: None,
        slate_since: None,
        fault: None,
        avoided: None,
        history: Default::default(),
        remote: None,
        publish_trouble: None,
        modes: Arc::from([
            mode(PixelFormat::Yuyv, 1280, 720),
            mode(PixelFormat::Mjpeg, 1280, 720),
        ]),
        since: Mono::default(),
        counters: Arc::default(),
    }
}

fn away(reason: &str) -> Status {
    Status::Disconnected {
        reason: reason.to_owned(),
    }
}

fn broken(reason: &str) -> Status {
    Status::Error {
        reason: reason.to_owned(),
        action: "look at it".to_owned(),
    }
}

fn topics(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.topic.as_str()).collect()
}

#[test]
fn a_camera_that_comes_fails_and_goes_is_told_step_by_step() {
    let mut watch = Cameras::default();
    let mut told = |status| watch.changed(&camera(status), AT);
    let first = told(away("being opened"));
    assert_eq!(topics(&first), ["camera.capability_detected"]);
    assert_eq!(
        first[0].data["formats"],
        serde_json::json!(["YUYV", "MJPG"])
    );
    assert_eq!(
        first[0].data["resolutions"],
        serde_json::json!(["1280x720"])
    );
    let up = told(Status::Connected);
    assert_eq!(topics(&up), ["camera.connected", "camera.status_change"]);
    assert_eq!(up[1].device.as_deref(), Some("camera0"));
    assert_eq!(up[1].data["status"], "CONNECTED");
    assert_eq!(up[1].data["previous"], "DISCONNECTED");
    assert_eq!(up[1].data["name"], "Desk camera");
    assert_eq!(topics(&told(Status::Connected)), [""; 0]);
    let failed = told(broken("no frames"));
    assert_eq!(topics(&failed), ["camera.status_change"]);
    assert_eq!(failed[0].data["reason"], "no frames");
    // Another reason for the same status is no other status.
    assert_eq!(topics(&told(broken("still no frames"))), [""; 0]);
    let gone = told(away("unplugged"));
    assert_eq!(
        topics(&gone),
        ["camera.disconnected", "camera.status_change"]
    );
    assert_eq!(gone[0].data["reason"], "unplugged");
}

#[test]
fn a_camera_that_is_first_seen_delivering_or_broken_is_told_at_once() {
    let up = Cameras::default().changed(&camera(Status::Connected), AT);
    assert_eq!(
        topics(&up)[1..],
        ["camera.connected", "camera.status_change"]
    );
    assert_eq!(up[1].data.get("previous"), None);
    let failed = Cameras::default().changed(&camera(broken("busy")), AT);
    assert_eq!(topics(&failed)[1..], ["camera.status_change"]);
}

#[test]
fn other_modes_are_new_capabilities() {
    let mut watch = Cameras::default();
    watch.changed(&camera(Status::Connected), AT);
    let mut other = camera(Status::Connected);
    other.modes = Arc::from([other.modes[0].clone()]);
    assert_eq!(
        topics(&watch.changed(&other, AT)),
        ["camera.capability_detected"]
    );
}

fn media(reachable: bool, running: Option<bool>, paths: &[(&str, bool)]) -> MediaState {
    let path = |(name, ready): &(&str, bool)| {
        let state = PathState {
            ready: *ready,
            ..PathState::default()
        };
        ((*name).to_owned(), state)
    };
    MediaState {
        reachable,
        process_running: running,
        last_reason: (!reachable).then(|| "it was killed".to_owned()),
        paths: paths.iter().map(path).collect(),
        ..MediaState::default()
    }
}

#[test]
fn streams_start_and_stop_with_their_paths() {
    let mut watch = Media::default();
    let mut told = |paths: &[(&str, bool)]| {
        let events = watch.look(&media(true, Some(true), paths), AT);
        let told = |e: &Event| {
            let device = e.device.as_deref().unwrap_or_default();
            format!("{} {device} {}", e.topic.as_str(), e.status().unwrap())
        };
        events.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(told(&[("camera0", false)]), ["mediamtx.path camera0 ADDED"]);
    assert_eq!(
        told(&[("camera0", true)]),
        [
            "mediamtx.stream_started camera0 READY",
            "mediamtx.stream camera0 READY"
        ]
    );
    assert_eq!(told(&[("camera0", true)]), [""; 0]);
    assert_eq!(
        told(&[("gate", false)]),
        [
            "mediamtx.stream_stopped camera0 NOT_READY",
            "mediamtx.stream camera0 NOT_READY",
            "mediamtx.path camera0 REMOVED",
            "mediamtx.path gate ADDED"
        ]
    );
}

#[test]
fn a_death_of_mediamtx_is_one_error_and_ends_its_streams_and_a_start_is_none() {
    let mut watch = Media::default();
    assert_eq!(
        topics(&watch.look(&media(false, Some(true), &[]), AT)),
        [""; 0],
        "it is starting"
    );
    watch.look(&media(true, Some(true), &[("camera0", true)]), AT);
    let died = watch.look(&media(false, Some(false), &[]), AT);
    assert_eq!(
        topics(&died),
        [
            "mediamtx.error",
            "mediamtx.stream_stopped",
            "mediamtx.stream",
            "mediamtx.path"
        ]
    );
    assert_eq!(died[0].data["reason"], "it was killed");
    for running in [Some(false), Some(true)] {
        assert_eq!(
            topics(&watch.look(&media(false, running, &[]), AT)),
            [""; 0]
        );
    }
    let back = watch.look(&media(true, Some(true), &[("camera0", true)]), AT);
    assert_eq!(topics(&back)[1], "mediamtx.stream_started");
    // One that never starts is told, too.
    let mut never = Media::default();
    let first = never.look(&media(false, Some(false), &[]), AT);
    assert_eq!(topics(&first), ["mediamtx.error"]);
}

#[test]
fn mediamtx_that_goes_and_comes_back_between_two_looks_is_told_all_the_same() {
    let mut watch = Media::default();
    let mut state = media(true, Some(true), &[("camera0", true)]);
    watch.look(&state, AT);
    assert_eq!(topics(&watch.look(&state, AT)), [""; 0]);
    state.since = Mono::from_nanos(1);
    assert_eq!(topics(&watch.look(&state, AT)), ["mediamtx.error"]);
    assert_eq!(topics(&watch.look(&state, AT)), [""; 0]);
}

#[test]
fn a_silence_of_mediamtx_is_an_error_and_says_nothing_of_its_streams() {
    let mut watch = Media::default();
    watch.look(&media(true, None, &[("camera0", true)]), AT);
    let silent = watch.look(&media(false, None, &[]), AT);
    assert_eq!(topics(&silent), ["mediamtx.error"]);
    let back = watch.look(&media(true, None, &[("camera0", true)]), AT);
    assert_eq!(topics(&back), [""; 0]);
}

#[test]
fn a_verdict_is_told_when_it_changes_with_its_worst_finding() {
    let report = |status, camera| Report {
        status,
        ready: status == Verdict::Healthy,
        components: vec![Component {
            name: "cameras",
            status,
            message: String::new(),
            findings: (status > Verdict::Healthy)
                .then(|| Finding {
                    fault: Fault::CameraFrozen,
                    camera,
                    verdict: status,
                    cause: "it stands still".to_owned(),
                    action: "shake it".to_owned(),
                    since: None,
                })
                .into_iter()
                .collect(),
        }],
    };
    let mut watch = Health::default();
    assert_eq!(watch.look(&report(Verdict::Healthy, None), AT), None);
    assert_eq!(watch.look(&report(Verdict::Healthy, None), AT), None);
    let bad = watch
        .look(&report(Verdict::Unhealthy, Some(CameraId::TEST)), AT)
        .unwrap();
    assert_eq!(bad.topic, Topic::SystemHealth);
    assert_eq!(bad.device.as_deref(), Some("camera0"));
    assert_eq!(bad.data["status"], "UNHEALTHY");
    assert_eq!(bad.data["previous"], "HEALTHY");
    assert_eq!(bad.data["code"], "camera_frozen");
    assert_eq!(bad.data["action"], "shake it");
    let good = watch.look(&report(Verdict::Healthy, None), AT).unwrap();
    assert_eq!(good.data["ready"], true);
}
