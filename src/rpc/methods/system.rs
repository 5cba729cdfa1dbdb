//! `get_status`, `get_system_status`, `get_server_info`, `get_metrics` (contract §5.6, §20.11).

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::access::Role;
use crate::camera::{Camera, Device, Status};
use crate::clock::{Mono, Now};
use crate::events::Topic;
use crate::health::assess::assess;
use crate::health::facts::Facts;
use crate::recording::Format;
use crate::rpc::Desk;
use crate::rpc::table::{METHODS, Method, Outcome};
use crate::system::status::{Decided, Figures, judge, verdict};
use crate::system::{Phase, Storage};
use crate::units::Rate;

/// How many cameras the box is made for (contract §5.6). More work as far as the processor goes.
const MOST_CAMERAS: u32 = 10;
/// Until then a service that is not ready is starting; after it, something keeps it from being so.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// `get_status`.
pub const STATUS: Method = Method {
    name: "get_status",
    role: Some(Role::Admin),
    params: &[],
    result: "ServiceStatus",
    errors: &[],
    doc: "Tells in one word how the service is, and which figure decided it.",
    handler: |_, call| Outcome::Now(Ok(status(&call.desk, call.now))),
};

/// `get_system_status`.
pub const READINESS: Method = Method {
    name: "get_system_status",
    role: Some(Role::Viewer),
    params: &[],
    result: "SystemStatus",
    errors: &[],
    doc: "Tells whether a viewer who comes now gets a picture.",
    handler: |_, call| Outcome::Now(Ok(readiness(&call.desk, call.now))),
};

/// `get_server_info`.
pub const INFO: Method = Method {
    name: "get_server_info",
    role: Some(Role::Viewer),
    params: &[],
    result: "ServerInfo",
    errors: &[],
    doc: "Tells which program this is and what it can.",
    handler: |_, _| Outcome::Now(Ok(info())),
};

/// `get_metrics`.
pub const METRICS: Method = Method {
    name: "get_metrics",
    role: Some(Role::Admin),
    params: &[],
    result: "SystemMetrics",
    errors: &[],
    doc: "Tells the figures of the machine, the cameras and the streams; from memory, at once.",
    handler: |_, call| Outcome::Now(Ok(metrics(&call.desk, call.now))),
};

fn facts(desk: &Desk, now: Now) -> Facts {
    Facts::gather(&desk.directory, desk.media.state(), &desk.system, || now)
}

fn status(desk: &Desk, now: Now) -> Value {
    let facts = facts(desk, now);
    let figures = figures(desk, &facts);
    let decided = judge(&figures);
    let phase = desk.system.phase();
    let mediamtx = if phase == Phase::Stopping {
        "STOPPING"
    } else {
        media_word(&facts)
    };
    json!({
        "status": verdict(&decided).as_upper(),
        "uptime": now.mono.since(desk.system.about.started).as_secs_f64(),
        "version": env!("CARGO_PKG_VERSION"),
        "components": {
            // It answers this question.
            "websocket_server": if phase == Phase::Stopping { "STOPPING" } else { "RUNNING" },
            "camera_monitor": phase.as_str(),
            "mediamtx": mediamtx,
        },
        "extensions": {
            "decided_by": decided.iter().map(told).collect::<Vec<_>>(),
            "memory_percent": figures.memory_percent,
            "calls": figures.calls,
            "failed_calls": figures.failed,
            "connections": figures.connections,
            "tasks": figures.tasks,
            "storage_free_percent": figures.free_percent,
            "storage_age_s": figures.storage_age.as_secs(),
            "mediamtx_failures": figures.failures,
        },
    })
}

fn told(decided: &Decided) -> Value {
    json!({
        "figure": decided.figure,
        "status": decided.verdict.as_upper(),
        "cause": decided.cause,
        "action": decided.action,
    })
}

/// A process that has never answered yet, or was started anew, gets its time before it counts as failed.
fn media_word(facts: &Facts) -> &'static str {
    let media = &facts.media;
    let silent = facts.now.mono.since(media.since);
    match media.process_running {
        _ if media.reachable => "RUNNING",
        Some(false) => "STOPPED",
        _ if silent < STARTS_WITHIN => "STARTING",
        _ => "ERROR",
    }
}

/// What `get_status` is made of.
fn figures(desk: &Desk, facts: &Facts) -> Figures {
    let (system, now) = (&desk.system, facts.now.mono);
    let recent = system.calls.recent(now);
    let machine = system.machine();
    let report = assess(facts);
    let cameras = report.component("cameras").and_then(|component| {
        let worst = component.findings.first()?;
        Some((
            component.status,
            component.message.clone(),
            worst.action.clone(),
        ))
    });
    Figures {
        memory_percent: machine.and_then(|m| m.memory_percent),
        calls: recent.calls,
        failed: recent.failed,
        took: recent.took,
        connections: system.connections(),
        most_connections: system.most_connections(),
        tasks: machine.map(|m| m.tasks + m.threads),
        free_percent: facts.storage.map(|s| s.free_percent()),
        storage_age: facts.storage_age(),
        failures: system.failures(),
        media_silent: (!facts.media.reachable).then(|| now.since(facts.media.since)),
        cameras,
    }
}

fn readiness(desk: &Desk, now: Now) -> Value {
    let facts = facts(desk, now);
    let report = assess(&facts);
    let young = now.mono.since(desk.system.about.started) < STARTS_WITHIN;
    let (word, message) = if report.ready {
        ("ready", "a viewer who comes now gets a picture".to_owned())
    } else {
        let worst = report.findings().max_by_key(|(_, found)| found.verdict);
        let why = worst.map_or_else(
            || "a picture is on its way".to_owned(),
            |(_, found)| format!("{}; {}", found.cause, found.action),
        );
        (if young { "starting" } else { "partial" }, why)
    };
    let available: Vec<String> = facts
        .cameras
        .iter()
        .filter(|camera| camera.delivers(now.mono))
        .map(|camera| camera.id.to_string())
        .collect();
    json!({
        "status": word,
        "message": message,
        "available_cameras": available,
        "discovery_active": desk.system.phase() == Phase::Running,
    })
}

fn info() -> Value {
    let has = |name: &str| METHODS.iter().find(|method| method.name == name);
    let mut capabilities = Vec::new();
    let mut formats = Vec::new();
    if has("take_snapshot").is_some() {
        capabilities.push("snapshots");
    }
    if has("start_recording").is_some() {
        capabilities.push("recordings");
        formats.extend(Format::ALL.map(Format::as_str));
    }
    capabilities.push("streaming");
    if has("take_snapshot").is_some() {
        formats.push("jpg");
    }
    json!({
        "name": "camera-service",
        "version": env!("CARGO_PKG_VERSION"),
        "build_date": env!("BUILD_DATE"),
        "go_version": env!("BUILD_RUSTC"),
        "architecture": std::env::consts::ARCH,
        "capabilities": capabilities,
        "supported_formats": formats,
        "max_cameras": MOST_CAMERAS,
    })
}

fn metrics(desk: &Desk, now: Now) -> Value {
    let machine = desk.system.machine();
    let storage = desk.system.storage();
    let media = desk.media.state();
    let cameras = desk.directory.list();
    let connected = cameras
        .iter()
        .filter(|camera| camera.status == Status::Connected)
        .count();
    let shown: Map<String, Value> = cameras
        .iter()
        .map(|camera| {
            let shown = camera_metrics(camera, &desk.system.about.kernel, now);
            (camera.id.to_string(), shown)
        })
        .collect();
    let age = |at: Option<Mono>| at.map(|at| now.mono.since(at).as_secs_f64());
    let events = |topic| desk.system.events.of(topic);
    json!({
        "timestamp": now.wall.rfc3339(),
        "system_metrics": {
            "cpu_usage": machine.and_then(|m| m.cpu_percent).unwrap_or_default(),
            "memory_usage": machine.and_then(|m| m.memory_percent).unwrap_or_default(),
            "disk_usage": storage.map_or(0.0, |s: Storage| s.used_percent()),
            "goroutines": machine.map_or(0, |m| m.tasks + m.threads),
        },
        "camera_metrics": { "connected_cameras": connected, "cameras": shown },
        "recording_metrics": {},
        "stream_metrics": {
            "active_streams": media.paths.values().filter(|path| path.ready).count(),
            "total_streams": media.paths.len(),
            "total_viewers": media.paths.values().map(|p| u64::from(p.readers)).sum::<u64>(),
        },
        "extensions": {
            "machine_age_s": age(machine.map(|m| m.at)),
            "disk_age_s": age(storage.map(|s| s.at)),
            "connections": desk.system.connections(),
            "recordings": {
                "started": events(Topic::RecordingStart),
                "stopped": events(Topic::RecordingStop),
                "failed": events(Topic::RecordingError),
            },
            "snapshots": {
                "taken": events(Topic::SnapshotTaken),
                "failed": events(Topic::SnapshotError),
            },
        },
    })
}

fn camera_metrics(camera: &Camera, kernel: &str, now: Now) -> Value {
    let (driver, bus, version) = match &camera.device {
        Device::Test => ("test", "built-in", env!("CARGO_PKG_VERSION")),
        Device::V4l2 { driver, bus, .. } => (driver.as_str(), bus.as_str(), kernel),
    };
    let last = camera.counters.last_frame_nanos.load(Relaxed);
    let last = Mono::from_nanos(last).max(camera.since);
    let formats: Vec<Value> = camera
        .modes
        .iter()
        .map(|mode| {
            let rate = |rate: &Rate| format!("{:.3}", rate.as_f64());
            json!({
                "pixel_format": mode.pixel.to_string(),
                "width": mode.size.width,
                "height": mode.size.height,
                "frame_rates": mode.rates.iter().map(rate).collect::<Vec<_>>(),
            })
        })
        .collect();
    // A node without these two is not taken for a camera.
    let abilities = ["Video Capture", "Streaming"];
    json!({
        // The path viewers use; a device's node is nobody's business.
        "path": camera.id.to_string(),
        "name": camera.name,
        "status": camera.status.as_str(),
        "device_num": camera.id.number(),
        "last_seen": now.wall_of(last).rfc3339(),
        "capabilities": {
            "driver_name": driver,
            "card_name": camera.name,
            "bus_info": bus,
            "version": version,
            "capabilities": abilities,
            "device_caps": abilities,
        },
        "formats": formats,
    })
}
