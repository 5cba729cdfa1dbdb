//! What we tell of a camera beyond the contract's fields: everything under `extensions`.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::camera::{Camera, Device, Status};
use crate::clock::{Mono, Now};
use crate::latency::Stage;

/// In every place where a camera is shown.
pub(super) fn extensions(camera: &Camera) -> Value {
    let mut shown = Map::new();
    match &camera.status {
        Status::Connected => {}
        Status::Disconnected { reason } => {
            shown.insert("reason".to_owned(), reason.as_str().into());
            shown.insert(
                "action".to_owned(),
                "if it lasts, check the cable and the power of the camera, then plug it in again"
                    .into(),
            );
        }
        Status::Error { reason, action } => {
            shown.insert("reason".to_owned(), reason.as_str().into());
            shown.insert("action".to_owned(), action.as_str().into());
        }
    }
    if let Some(format) = camera.format {
        shown.insert("fps".to_owned(), format.rate.as_f64().into());
        shown.insert("pixel_format".to_owned(), format.pixel.to_string().into());
    }
    if let Some(route) = camera.route {
        shown.insert("route".to_owned(), route.as_str().into());
    }
    if let Some(why) = &camera.route_why {
        shown.insert("route_why".to_owned(), why.as_str().into());
    }
    shown.insert("slate".to_owned(), camera.slate_since.is_some().into());
    let driver = match &camera.device {
        Device::Test => "test",
        Device::V4l2 { driver, .. } => driver,
    };
    shown.insert("driver".to_owned(), driver.into());
    let counters = &camera.counters;
    shown.insert(
        "counters".to_owned(),
        json!({
            "captured": counters.captured.load(Relaxed),
            "dropped_by_driver": counters.dropped_by_driver.load(Relaxed),
            "damaged": counters.damaged.load(Relaxed),
            "repeated": counters.repeated.load(Relaxed),
            "requeued": counters.requeued.load(Relaxed),
            "encoded": counters.encoded.load(Relaxed),
            "swallowed": counters.swallowed.load(Relaxed),
            "sent": counters.sent.load(Relaxed),
            "unsent": counters.unsent.load(Relaxed),
        }),
    );
    Value::Object(shown)
}

/// Only in `get_camera_status`: latency while pictures flow, and what was mended.
pub(super) fn figures(camera: &Camera, now: Now) -> Map<String, Value> {
    let mut shown = Map::new();
    if let Some(latency) = latency(camera, now) {
        shown.insert("latency".to_owned(), latency);
    }
    shown.insert("recovery".to_owned(), recovery(camera, now.mono));
    shown
}

/// How late pictures were in the last minute, by stage; `None` while none were sent.
fn latency(camera: &Camera, now: Now) -> Option<Value> {
    // Microseconds are exact enough, and short.
    let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let stages: Map<String, Value> = Stage::ALL
        .into_iter()
        .filter_map(|stage| {
            let found = camera.counters.latency.recent(stage, now.mono)?;
            let shown = json!({
                "p50_ms": millis(found.p50),
                "p95_ms": millis(found.p95),
                "p99_ms": millis(found.p99),
                "max_ms": millis(found.max),
                "frames": found.frames,
            });
            Some((stage.as_str().to_owned(), shown))
        })
        .collect();
    (!stages.is_empty()).then_some(Value::Object(stages))
}

/// What lasts, and what was mended: how often, and the last ones, newest first.
fn recovery(camera: &Camera, now: Mono) -> Value {
    let ago = |then: Mono| now.since(then).as_secs();
    let history = camera.mended();
    let mended: u64 = history.figures().map(|(_, figures)| figures.count).sum();
    let last: Vec<Value> = history
        .last()
        .rev()
        .map(|recovery| {
            json!({
                "fault": recovery.class.as_str(),
                "rung": recovery.rung.as_str(),
                "took_ms": u64::try_from(recovery.took.as_millis()).unwrap_or(u64::MAX),
                "ago_s": ago(recovery.began),
            })
        })
        .collect();
    json!({
        "now": camera.fault.map(|fault| json!({
            "fault": fault.class.as_str(),
            "rung": fault.rung.as_str(),
            "for_s": ago(fault.began),
        })),
        "mended": mended,
        "last": last,
    })
}
