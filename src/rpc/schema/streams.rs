//! Streams: where they are, who watches, how fast they are.

use serde_json::{Value, json};

use super::{closed, count, link, text, told, words};

pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    vec![
        (
            "StreamUrl",
            closed(&json!({
                "device": text(),
                "stream_name": text(),
                "stream_url": text(),
                "available": { "type": "boolean" },
                "active_consumers": count(),
                "stream_status": words(&["READY", "NOT_READY", "ERROR"]),
            })),
        ),
        (
            "StreamInfo",
            closed(&json!({
                "name": text(),
                "source": text(),
                "ready": { "type": "boolean" },
                "readers": count(),
                "bytes_sent": count(),
            })),
        ),
        (
            "StreamList",
            json!({ "type": "array", "items": link("StreamInfo") }),
        ),
        (
            "StreamStart",
            closed(&json!({
                "device": text(),
                "stream_name": text(),
                "stream_url": text(),
                "status": words(&["STARTED", "FAILED"]),
                "start_time": moment("since when the stream is marked as watched"),
                "auto_close_after": told("string", "the mark ends when nobody has read the stream for so long"),
            })),
        ),
        (
            "StreamStop",
            closed(&json!({
                "device": text(),
                "stream_name": text(),
                "status": words(&["STOPPED", "FAILED"]),
                "start_time": moment("when the mark was made"),
                "end_time": moment("when it was taken away"),
                "duration": count(),
                "stream_continues": told("boolean", "the stream is still sent, or still read"),
                "message": text(),
            })),
        ),
        ("StreamStatus", stream_status()),
    ]
}

fn moment(meaning: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": meaning })
}

fn or_null(mut shape: Value) -> Value {
    shape["type"] = json!([shape["type"].take(), "null"]);
    shape
}

fn stream_status() -> Value {
    let mut extensions = closed(&json!({
        "marked": told("boolean", "start_streaming marked it as watched"),
        "fps": told("number", "the exact rate of the last 5 s"),
        "reason": told("string", "why there is no picture"),
    }));
    extensions["required"] = json!(["marked"]);
    closed(&json!({
        "device": text(),
        "stream_name": text(),
        "status": words(&["ACTIVE", "INACTIVE", "ERROR", "STARTING", "STOPPING"]),
        "ready": told("boolean", "the source's own picture can be watched"),
        "ffmpeg_process": closed(&json!({
            "running": told("boolean", "the source's pictures are sent to MediaMTX"),
            "pid": or_null(told("integer", "the process that sends; null for an external stream")),
            "uptime": or_null(told("integer", "seconds for which they have been sent")),
        })),
        "mediamtx_path": closed(&json!({
            "exists": { "type": "boolean" },
            "ready": { "type": "boolean" },
            "readers": count(),
        })),
        "metrics": closed(&json!({
            "bytes_sent": told("integer", "to all viewers, since the path was made"),
            "frames_sent": told("integer", "to MediaMTX, since the camera was started; 0 for an external stream, nobody counts its frames"),
            "bitrate": told("integer", "bit/s of the source over the last 5 s"),
            "fps": told("integer", "frames per second of the source over the last 5 s"),
        })),
        "start_time": or_null(moment("since when it is marked as watched")),
        "extensions": extensions,
    }))
}
