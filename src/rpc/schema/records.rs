//! The shapes of recordings, snapshots and storage (contract §5.3, §5.5).

use serde_json::{Value, json};

use super::{closed, count, link, text, told, words};
use crate::storage::policy::Type;

pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    vec![
        ("RecStart", rec_start()),
        ("RecStop", rec_stop()),
        ("RecordingFile", recording_file()),
        ("RecordingList", list(recording(&[]))),
        ("SnapshotList", list(json!({ "device": text() }))),
        (
            "RecInfo",
            closed(&json!({
                "filename": text(),
                "file_size": count(),
                "duration": count(),
                "created_time": time(),
                "download_url": text(),
                "extensions": closed(&recording(&[(
                    "whole_bytes",
                    told("integer", "from the beginning to the end of the last whole fragment"),
                )])),
            })),
        ),
        (
            "SnapInfo",
            closed(&json!({
                "filename": text(),
                "file_size": count(),
                "created_time": time(),
                "download_url": text(),
                "extensions": closed(&json!({ "device": text() })),
            })),
        ),
        (
            "Snapshot",
            closed(&json!({
                "device": text(),
                "filename": text(),
                "status": words(&["SUCCESS", "FAILED"]),
                "timestamp": time(),
                "file_size": count(),
                "file_path": text(),
            })),
        ),
        (
            "Deleted",
            closed(&json!({
                "filename": text(),
                "deleted": { "type": "boolean" },
                "message": text(),
            })),
        ),
        ("StorageInfo", storage_info()),
        ("RetentionPolicy", retention(true)),
        (
            "Cleanup",
            closed(&json!({
                "cleanup_executed": told("boolean", "a policy was in force"),
                "files_deleted": count(),
                "space_freed": count(),
                "message": text(),
            })),
        ),
    ]
}

/// What is told of one recording beside the contract, and what else.
fn recording(more: &[(&str, Value)]) -> Value {
    let or_null = |kind: &str, what: &str| json!({ "type": [kind, "null"], "description": what });
    let gap = closed(&json!({
        "at_ms": told("integer", "where the last picture before it stands, from the beginning"),
        "length_ms": told("integer", "until the next picture"),
    }));
    let mut fields = json!({
        "device": text(),
        "recording": told("boolean", "it runs"),
        "duration_ms": or_null("integer", "how long it plays, exactly; in a list null while it runs"),
        "codec": or_null("string", "of its pictures, as RFC 6381 names it, or the sample entry alone"),
        "width": or_null("integer", "pixels per line"),
        "height": or_null("integer", "lines"),
        "gaps": {
            "type": ["array", "null"],
            "items": gap,
            "description": "stretches without a picture, longer than 1 s and than three pictures take otherwise, the first 100; null while it runs",
        },
        "flags": {
            "type": "array",
            "items": words(&["closed", "torn", "unplayable", "finalising", "pending"]),
            "description": "closed: its writer closed it; torn: it ends in the middle of a fragment, and plays up to there; unplayable: nothing in it plays, or it cannot be read; finalising: it becomes a plain MP4; pending: it has not been examined yet, and what is null will be told",
        },
    });
    for (name, shape) in more {
        fields[*name] = shape.clone();
    }
    fields
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn rec_start() -> Value {
    closed(&json!({
        "device": text(),
        "filename": text(),
        "status": words(&["RECORDING", "STARTING", "STOPPING", "PAUSED", "ERROR", "FAILED"]),
        "start_time": time(),
        "format": text(),
        "extensions": closed(&json!({
            "ends_at": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "when it ends by itself",
            },
        })),
    }))
}

fn rec_stop() -> Value {
    closed(&json!({
        "device": text(),
        "filename": text(),
        "status": words(&["STOPPED", "STARTING", "STOPPING", "PAUSED", "ERROR", "FAILED"]),
        "start_time": time(),
        "end_time": time(),
        "duration": count(),
        "file_size": count(),
        "format": text(),
        "extensions": closed(&json!({
            "duration_ms": count(),
            "files": {
                "type": "array",
                "items": link("RecordingFile"),
                "description": "one, unless the recording was interrupted; duration and file_size are their sums",
            },
            "finalising": told("boolean", "the files are fragmented still and become plain MP4"),
        })),
    }))
}

fn recording_file() -> Value {
    closed(&json!({ "filename": text(), "file_size": count(), "duration_ms": count() }))
}

fn list(extensions: Value) -> Value {
    let file = closed(&json!({
        "filename": text(),
        "file_size": count(),
        "modified_time": time(),
        "download_url": text(),
        "extensions": closed(&extensions),
    }));
    closed(&json!({
        "files": { "type": "array", "items": file },
        "total": count(),
        "limit": count(),
        "offset": count(),
    }))
}

fn storage_info() -> Value {
    closed(&json!({
        "total_space": count(),
        "used_space": count(),
        "available_space": told("integer", "what the service may still write"),
        "usage_percentage": told("number", "0 to 100, as df counts"),
        "recordings_size": count(),
        "snapshots_size": count(),
        "low_space_warning": { "type": "boolean" },
        "extensions": closed(&json!({
            "recording_blocked": told("boolean", "no recording begins"),
            "warn_percent": count(),
            "block_percent": count(),
            "retention": retention(false),
        })),
    }))
}

/// A policy; with a message where it is an answer.
fn retention(with_message: bool) -> Value {
    let mut shape = closed(&json!({
        "policy_type": words(Type::WORDS),
        "enabled": { "type": "boolean" },
        "max_age_days": count(),
        "max_size_gb": { "type": "number" },
    }));
    shape["required"] = json!(["policy_type", "enabled"]);
    if with_message {
        shape["properties"]["message"] = text();
        shape["required"] = json!(["policy_type", "enabled", "message"]);
    }
    shape
}
