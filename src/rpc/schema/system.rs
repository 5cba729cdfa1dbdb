//! The shapes of what the service says of itself.

use serde_json::{Value, json};

use super::{closed, count, text, texts, told, words};

const COMPONENT: [&str; 5] = ["RUNNING", "STOPPED", "ERROR", "STARTING", "STOPPING"];

pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    vec![
        ("ServiceStatus", service_status()),
        (
            "SystemStatus",
            closed(&json!({
                "status": words(&["starting", "partial", "ready"]),
                "message": text(),
                "available_cameras": texts(),
                "discovery_active": { "type": "boolean" },
            })),
        ),
        (
            "ServerInfo",
            closed(&json!({
                "name": text(),
                "version": text(),
                "build_date": told("string", "when the sources were last changed"),
                "go_version": told("string", "the compiler; the name is older than this program"),
                "architecture": text(),
                "capabilities": texts(),
                "supported_formats": texts(),
                "max_cameras": count(),
            })),
        ),
        ("SystemMetrics", system_metrics()),
        ("CameraMetrics", camera_metrics()),
    ]
}

fn service_status() -> Value {
    let word = || words(&["HEALTHY", "DEGRADED", "UNHEALTHY"]);
    let maybe = |kind: &str, meaning: &str| {
        let mut shape = told(kind, meaning);
        shape["type"] = json!([kind, "null"]);
        shape
    };
    let decided = closed(&json!({
        "figure": text(),
        "status": word(),
        "cause": text(),
        "action": text(),
    }));
    closed(&json!({
        "status": word(),
        "uptime": told("number", "seconds"),
        "version": text(),
        "components": closed(&json!({
            "websocket_server": words(&COMPONENT),
            "camera_monitor": words(&COMPONENT),
            "mediamtx": words(&COMPONENT),
        })),
        "extensions": closed(&json!({
            "decided_by": {
                "type": "array",
                "items": decided,
                "description": "figures that are not as they should be, worst first; the first one decides",
            },
            "memory_percent": maybe("number", "of the machine's memory in use"),
            "calls": told("integer", "of the last five minutes"),
            "failed_calls": told("integer", "of those, by the service's own doing"),
            "connections": count(),
            "tasks": maybe("integer", "live tasks and threads"),
            "storage_free_percent": maybe("number", "of what may be written"),
            "storage_age_s": told("integer", "how old that is"),
            "mediamtx_failures": told("integer", "checks in a row, one each second"),
        })),
    }))
}

fn system_metrics() -> Value {
    let number = |meaning| told("number", meaning);
    let mut cameras = json!({
        "type": "object",
        "additionalProperties": super::link("CameraMetrics"),
    });
    cameras["description"] = "by camera id".into();
    let age =
        || json!({ "type": ["number", "null"], "description": "seconds since it was looked at" });
    closed(&json!({
        "timestamp": { "type": "string", "format": "date-time" },
        "system_metrics": closed(&json!({
            "cpu_usage": number("percentage of all processors"),
            "memory_usage": number("percentage of the machine's memory"),
            "disk_usage": number("percentage of the file system recordings are kept on"),
            "goroutines": told("integer", "live tasks and threads"),
        })),
        "camera_metrics": closed(&json!({ "connected_cameras": count(), "cameras": cameras })),
        "recording_metrics": { "type": "object" },
        "stream_metrics": closed(&json!({
            "active_streams": count(),
            "total_streams": count(),
            "total_viewers": count(),
        })),
        "extensions": closed(&json!({
            "machine_age_s": age(),
            "disk_age_s": age(),
            "connections": count(),
            "recordings": closed(&json!({ "started": count(), "stopped": count(), "failed": count() })),
            "snapshots": closed(&json!({ "taken": count(), "failed": count() })),
        })),
    }))
}

fn camera_metrics() -> Value {
    let format = closed(&json!({
        "pixel_format": text(),
        "width": count(),
        "height": count(),
        "frame_rates": texts(),
    }));
    closed(&json!({
        "path": told("string", "the path viewers use"),
        "name": text(),
        "status": words(&["CONNECTED", "DISCONNECTED", "ERROR"]),
        "device_num": count(),
        "last_seen": { "type": "string", "format": "date-time" },
        "capabilities": closed(&json!({
            "driver_name": text(),
            "card_name": text(),
            "bus_info": text(),
            "version": text(),
            "capabilities": texts(),
            "device_caps": texts(),
        })),
        "formats": { "type": "array", "items": format },
    }))
}
