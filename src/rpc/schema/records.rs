//! The shapes of recordings, snapshots and storage (contract §5.3, §5.5).

use serde_json::{Value, json};

use super::{closed, count, link, text, told, words};
use crate::offsite::Stand;
use crate::recording::modes::Mode;
use crate::storage::moments::Standing;
use crate::storage::policy::Type;

pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    vec![
        ("RecStart", rec_start()),
        ("RecStop", rec_stop()),
        ("RecordingFile", recording_file()),
        ("RecordingList", list(recording(&[]))),
        (
            "SnapshotList",
            list(json!({ "device": text(), "time": standing() })),
        ),
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
                "extensions": closed(&json!({ "device": text(), "time": standing() })),
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
        (
            "Protection",
            closed(&json!({ "filename": text(), "protected": { "type": "boolean" } })),
        ),
        (
            "RecordingMode",
            closed(&json!({
                "device": text(),
                "mode": words(Mode::WORDS),
                "schedule": {
                    "type": ["string", "null"],
                    "description": "the windows, with ; between them; null unless the mode is scheduled",
                },
                "time_zone": told("string", "where the windows are local time"),
                "from_configuration": told("boolean", "the camera has no mode of its own"),
                "wanted": told("boolean", "the mode asks for a recording now"),
                "reason": words(&["manual", "continuous", "window_open", "window_closed", "clock_unknown"]),
                "recording": told("boolean", "a recording runs because of the mode"),
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
        "protected": told("boolean", "it is never deleted"),
        "start_time": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "when its first picture was taken; in a list null until it has been examined",
        },
        "time": standing(),
        "offsite": words(Stand::WORDS),
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

/// How well it is known when a file was taken.
fn standing() -> Value {
    let mut shape = words(&Standing::ALL.map(Standing::as_str));
    shape["description"] = "how well the time is known: exact: the clock was believed; corrected: it was wrong, and the time was computed once it was right; uncertain: it was never right since that start of the machine, and the time is a guess".into();
    shape
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
            "pre_event_ms": told("integer", "how long before the call its first picture was taken"),
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
            "durability": closed(&json!({
                "flushes": told("integer", "flushes of growing recordings since the start"),
                "flush_failures": count(),
                "longest_flush_ms": count(),
                "repaired": told("integer", "recordings whose torn end was cut off since the start"),
                "quarantined": told("integer", "files that lie aside because nothing of them plays"),
            })),
            "limits": limits(),
            "clock_trusted": told("boolean", "files may be deleted by their age"),
            "clock_doubt": {
                "type": ["string", "null"],
                "description": "why the clock is not believed",
            },
            "protected_recordings": count(),
            "recordings_allocated": told("integer", "bytes of the medium that recordings take"),
            "snapshots_allocated": told("integer", "likewise"),
            "fallback": {
                "description": "where recordings go while their medium cannot take them; null: nowhere",
                "anyOf": [
                    { "type": "null" },
                    closed(&json!({
                        "path": told("string", "its folder of recordings"),
                        "in_use": told("boolean", "new files go there now"),
                        "recordings_size": told("integer", "bytes of the recordings that lie there"),
                    })),
                ],
            },
            "wear": { "type": "array", "items": wear() },
        })),
    }))
}

/// What limits files now; null: no such limit.
fn limits() -> Value {
    let some =
        |what: &str| json!({ "type": ["integer", "null"], "minimum": 0, "description": what });
    let bytes = || some("bytes at most");
    let age = || some("files older than so many seconds are deleted");
    closed(&json!({
        "bytes": bytes(),
        "age_s": age(),
        "min_free_bytes": some("bytes of the medium that stay free"),
        "camera_bytes": bytes(),
        "camera_age_s": age(),
        "cameras": {
            "type": "object",
            "description": "cameras and streams with limits of their own",
            "additionalProperties": closed(&json!({ "bytes": bytes(), "age_s": age() })),
        },
    }))
}

/// One partition; null is what cannot be told.
fn wear() -> Value {
    let or_null =
        |kind: &str, meaning: &str| json!({ "type": [kind, "null"], "description": meaning });
    closed(&json!({
        "holds": { "type": "array", "items": words(&["recordings", "snapshots", "data"]) },
        "device": or_null("string", "the partition's name; null: the file system lies on no disk of its own"),
        "written_since_boot": or_null("integer", "bytes, by whomever"),
        "seconds": told("integer", "what written and payload look back on: an hour, or the time since the service started"),
        "written": told("integer", "bytes that went to the partition in that time"),
        "payload": told("integer", "bytes of recordings and snapshots that were to be kept on it in that time"),
        "ratio": or_null("number", "written for each byte of payload"),
        "life_used_percent_at_most": or_null("integer", "as an eMMC tells it, in steps of 10; 110 = more than it was made for"),
        "spare_blocks": words(&["unknown", "normal", "warning", "urgent"]),
        "days_left": or_null("integer", "at the rate of that time"),
        "message": told("string", "how long it will last, for people"),
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
