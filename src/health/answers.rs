//! The bodies of the health questions, in the contract's shapes.
//!
//! What the contract does not name stands under `extensions` or in a component's free `details`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Probe;
use super::assess::{Component, Finding, Report, Verdict, assess};
use super::facts::Facts;
use super::safety;
use crate::camera::Status;

/// Status and body for a question.
#[must_use]
pub fn answer(probe: Probe, facts: &Facts) -> (u16, Value) {
    let report = assess(facts);
    let time = facts.now.wall.rfc3339();
    let good = |fine: bool| if fine { 200 } else { 503 };
    let code = good(report.status != Verdict::Unhealthy);
    match probe {
        Probe::Summary => (code, summary(facts, &report)),
        Probe::Detailed => (code, detailed(facts, &report)),
        Probe::Live => (
            200,
            json!({ "alive": true, "timestamp": time, "message": "the service answers" }),
        ),
        Probe::Ready => (good(report.ready), ready(&report, &time)),
        Probe::System => (code, system(&report, &time)),
        Probe::Cameras => part(&report, "cameras", &time),
        Probe::Mediamtx => part(&report, "mediamtx", &time),
    }
}

fn summary(facts: &Facts, report: &Report) -> Value {
    json!({
        "status": report.status.as_str(),
        "timestamp": facts.now.wall.rfc3339(),
        "version": facts.version,
        "uptime": uptime(facts.now.mono.since(facts.started)),
        "extensions": { "faults": faults(facts, report), "notes": facts.notes },
    })
}

fn detailed(facts: &Facts, report: &Report) -> Value {
    let mut body = summary(facts, report);
    let time = facts.now.wall.rfc3339();
    let count = |v| report.components.iter().filter(|c| c.status == v).count();
    body["components"] = report
        .components
        .iter()
        .map(|c| {
            json!({
                "name": c.name,
                "status": c.status.as_str(),
                "message": c.message,
                "last_checked": time,
                "details": details(facts, c),
            })
        })
        .collect();
    body["metrics"] = json!({
        "uptime_seconds": facts.now.mono.since(facts.started).as_secs(),
        "component_count": report.components.len(),
        "components_healthy": count(Verdict::Healthy),
        "components_degraded": count(Verdict::Degraded),
        "components_unhealthy": count(Verdict::Unhealthy),
    });
    body["environment"] = json!({
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
    });
    body
}

fn ready(report: &Report, time: &str) -> Value {
    let (word, message) = if report.ready {
        ("ready", "a viewer who comes now gets a picture".to_owned())
    } else {
        let why = report.findings().max_by_key(|(_, f)| f.verdict);
        let message = why.map_or_else(
            || "a picture is on its way".to_owned(),
            |(_, f)| format!("{}; {}", f.cause, f.action),
        );
        ("not_ready", message)
    };
    let mut body = json!({
        "ready": report.ready,
        "status": word,
        "timestamp": time,
        "message": message,
    });
    if !report.ready {
        let parts: Map<String, Value> = report
            .components
            .iter()
            .map(|c| (c.name.to_owned(), c.status.as_str().into()))
            .collect();
        body["details"] = parts.into();
    }
    body
}

fn system(report: &Report, time: &str) -> Value {
    let part = |name: &str| {
        report
            .component(name)
            .map(|c| json!({ "status": c.status.as_str(), "details": told(c) }))
    };
    json!({
        "status": report.status.as_str(),
        "timestamp": time,
        "components": {
            "mediamtx": part("mediamtx"),
            "camera_monitor": part("cameras"),
            "service_manager": { "status": "healthy", "details": "the service answers" },
        },
    })
}

fn part(report: &Report, name: &str, time: &str) -> (u16, Value) {
    let Some(component) = report.component(name) else {
        return (
            404,
            json!({ "error": format!("there is no component {name}") }),
        );
    };
    let code = if component.status == Verdict::Unhealthy {
        503
    } else {
        200
    };
    let body = json!({
        "status": component.status.as_str(),
        "timestamp": time,
        "details": told(component),
    });
    (code, body)
}

/// A component in one line: what is wrong and what to do next.
fn told(component: &Component) -> String {
    match component.findings.first() {
        Some(found) => format!("{}; {}", component.message, found.action),
        None => component.message.clone(),
    }
}

fn fault(facts: &Facts, found: &Finding) -> Value {
    let mut shown = json!({
        "code": found.fault.code(),
        "cause": found.cause,
        "action": found.action,
    });
    if let Some(camera) = found.camera {
        shown["device"] = camera.to_string().into();
    }
    if let Some(since) = found.since {
        shown["since"] = facts.now.wall_of(since).rfc3339().into();
    }
    shown
}

fn faults(facts: &Facts, report: &Report) -> Vec<Value> {
    report
        .findings()
        .map(|(component, found)| {
            let mut shown = fault(facts, found);
            shown["status"] = found.verdict.as_str().into();
            shown["component"] = component.name.into();
            shown
        })
        .collect()
}

fn details(facts: &Facts, component: &Component) -> Value {
    let mut shown = match component.name {
        "cameras" => camera_details(facts),
        "storage" => storage_details(facts),
        safety::NAME => json!({}),
        _ => media_details(facts),
    };
    if let Some(found) = component.findings.first() {
        shown["action"] = found.action.as_str().into();
    }
    shown["faults"] = component
        .findings
        .iter()
        .map(|found| fault(facts, found))
        .collect();
    shown
}

fn camera_details(facts: &Facts) -> Value {
    let cameras: Vec<Value> = facts
        .cameras
        .iter()
        .map(|c| {
            let age = c
                .last_frame
                .map(|at| facts.now.mono.since(at).as_secs_f64());
            let (reason, action) = match &c.status {
                Status::Connected => (None, None),
                Status::Disconnected { reason } => (Some(reason), None),
                Status::Error { reason, action } => (Some(reason), Some(action)),
            };
            json!({
                "device": c.id.to_string(),
                "status": c.status.as_str(),
                "reason": reason,
                "action": action,
                "pixel_format": c.pixel_format.map(|p| p.to_string()),
                "frames": c.frames,
                "last_frame_age_seconds": age,
                "slate_seconds": c.slate_since.map(|at| facts.now.mono.since(at).as_secs_f64()),
                "fault": c.fault.map(|fault| json!({
                    "class": fault.class.as_str(),
                    "seconds": facts.now.mono.since(fault.began).as_secs_f64(),
                    "tried": fault.rung.as_str(),
                })),
            })
        })
        .collect();
    let expected: Vec<String> = facts.expected.iter().map(ToString::to_string).collect();
    json!({ "cameras": cameras, "expected": expected })
}

fn storage_details(facts: &Facts) -> Value {
    let seen = facts.storage;
    json!({
        "total_bytes": seen.map(|s| s.total),
        "available_bytes": seen.map(|s| s.available),
        "free_percent": seen.map(|s| s.free_percent()),
        "age_seconds": facts.storage_age().as_secs_f64(),
    })
}

fn media_details(facts: &Facts) -> Value {
    let media = &facts.media;
    json!({
        "reachable": media.reachable,
        "process_running": media.process_running,
        "version": media.version,
        "since_seconds": facts.now.mono.since(media.since).as_secs(),
        "paths": media.paths.len(),
        "readers": media.paths.values().map(|p| u64::from(p.readers)).sum::<u64>(),
    })
}

/// As in `72h15m30s`.
fn uptime(passed: Duration) -> String {
    let seconds = passed.as_secs();
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (h, m) {
        (0, 0) => format!("{s}s"),
        (0, _) => format!("{m}m{s}s"),
        _ => format!("{h}h{m}m{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::{CameraId, Status};
    use crate::clock::{Mono, Now, Wall};
    use crate::health::facts::CameraFact;
    use crate::rpc::media::{MediaState, PathState};

    fn facts(reachable: bool) -> Facts {
        let now = Mono::from_nanos(260_130_000_000_000);
        Facts {
            cameras: vec![CameraFact {
                id: CameraId::TEST,
                status: Status::Connected,
                since: now,
                last_frame: Some(now),
                interval: None,
                pixel_format: None,
                frames: 0,
                publish_trouble: None,
                last_unit: Some(now),
                slate_since: None,
                fault: None,
                avoided: None,
            }],
            expected: Vec::new(),
            media: MediaState {
                reachable,
                paths: [(
                    "camera0".to_owned(),
                    PathState {
                        ready: true,
                        ..PathState::default()
                    },
                )]
                .into(),
                ..MediaState::default()
            },
            alarms: Vec::new(),
            storage: Some(crate::system::Storage {
                total: 100,
                available: 40,
                used: 60,
                at: now,
            }),
            started: Mono::default(),
            now: Now {
                mono: now,
                wall: Wall::from_secs(1_790_000_000),
            },
            version: "1.2.3",
            notes: Vec::new(),
        }
    }

    fn keys(value: &Value) -> Vec<&str> {
        value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect()
    }

    #[test]
    fn the_summary_is_the_contracts_with_ours_under_extensions() {
        let (code, body) = answer(Probe::Summary, &facts(true));
        assert_eq!(code, 200);
        assert_eq!(
            keys(&body),
            ["extensions", "status", "timestamp", "uptime", "version"]
        );
        assert_eq!(body["uptime"], "72h15m30s");
        assert_eq!(body["status"], "healthy");
    }

    #[test]
    fn unhealthy_answers_503_with_the_fault_and_its_next_action() {
        let (code, body) = answer(Probe::Summary, &facts(false));
        assert_eq!(code, 503);
        let fault = &body["extensions"]["faults"][0];
        assert_eq!(fault["code"], "mediamtx_unreachable");
        assert_eq!(fault["component"], "mediamtx");
        assert!(!fault["action"].as_str().unwrap().is_empty());
        // It has been so since the machine started, by a clock that counts from there.
        assert_eq!(fault["since"], "2026-09-18T13:57:50.000Z");
        assert_eq!(fault["status"], "unhealthy");
        let (code, body) = answer(Probe::Ready, &facts(false));
        assert_eq!(code, 503);
        assert_eq!(
            (&body["ready"], &body["status"]),
            (&json!(false), &json!("not_ready"))
        );
        assert_eq!(answer(Probe::Mediamtx, &facts(false)).0, 503);
        assert_eq!(answer(Probe::Cameras, &facts(false)).0, 200);
        assert_eq!(answer(Probe::Live, &facts(false)).0, 200);
    }

    #[test]
    fn every_question_has_the_documented_members() {
        let of = |probe| answer(probe, &facts(true)).1;
        let detailed = of(Probe::Detailed);
        for name in ["components", "metrics", "environment", "uptime", "version"] {
            assert!(detailed.get(name).is_some(), "{name}");
        }
        assert_eq!(
            keys(&detailed["components"][0]),
            ["details", "last_checked", "message", "name", "status"]
        );
        assert_eq!(detailed["metrics"]["components_healthy"], 4);
        assert_eq!(
            keys(&of(Probe::Ready)),
            ["message", "ready", "status", "timestamp"]
        );
        assert_eq!(keys(&of(Probe::Live)), ["alive", "message", "timestamp"]);
        assert_eq!(
            keys(&of(Probe::System)["components"]),
            ["camera_monitor", "mediamtx", "service_manager"]
        );
        assert_eq!(
            keys(&of(Probe::Cameras)),
            ["details", "status", "timestamp"]
        );
    }
}
