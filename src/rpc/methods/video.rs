//! `get_video`, `set_video`, `request_keyframe`: the coded picture, while viewers watch it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use super::controls::or_fault;
use super::running::{Running, running, trouble, unexpected, without_action};
use super::{DEVICE, camera_of};
use crate::access::Role;
use crate::camera::remote::{Command, KEYFRAME_SECONDS, Reply, VideoChange};
use crate::encode::Route;
use crate::error::{Error, Kind};
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::{Heard, ask};
use crate::rpc::params::{Param, Rule, whole};
use crate::rpc::table::{Answer, Call, Method, Outcome};
use crate::units::{BitRate, Rate};

const BITRATE: &str = "bitrate_kbps";
const KEYFRAME: &str = "keyframe_seconds";
const SIZE: &str = "resolution";
const FPS: &str = "fps";

/// `get_video`.
pub const GET: Method = Method {
    name: "get_video",
    role: Some(Role::Viewer),
    params: &[DEVICE],
    result: "Video",
    errors: &[Code::NotFound, Code::InvalidState, Code::DependencyFailed],
    doc: "Tells bit rate, key frame distance, size and rate of a camera's picture; the first two are null where the camera codes by itself and nobody knows them.",
    handler: |_, call| or_fault(get(&call)),
};

/// `set_video`.
pub const SET: Method = Method {
    name: "set_video",
    role: Some(Role::Operator),
    params: &[
        DEVICE,
        Param {
            name: BITRATE,
            rule: Rule::within(&BitRate::KBPS),
            required: false,
            doc: "the encoder's target in thousands of bits per second",
        },
        Param {
            name: KEYFRAME,
            rule: Rule::within(&KEYFRAME_SECONDS),
            required: false,
            doc: "seconds from one key frame to the next, at most; a viewer waits this long for a picture",
        },
        Param {
            name: SIZE,
            rule: Rule::Size,
            required: false,
            doc: "picture size such as 1280x720; get_camera_capabilities lists them, the camera gives its nearest one",
        },
        Param {
            name: FPS,
            rule: Rule::within(&Rate::ASKED),
            required: false,
            doc: "frames per second; the camera gives its nearest rate",
        },
    ],
    result: "Video",
    errors: &[Code::NotFound, Code::InvalidState, Code::DependencyFailed],
    doc: "Changes a camera's picture while viewers watch; at least one of the four. What is left out stays. Tells what the picture is like now, and whether the change took no pause. It is remembered for this camera, also over a restart, until the configuration file asks for something else than it did.",
    handler: |_, call| or_fault(set(&call)),
};

/// `request_keyframe`.
pub const KEYFRAME_NOW: Method = Method {
    name: "request_keyframe",
    role: Some(Role::Operator),
    params: &[DEVICE],
    result: "KeyframeRequest",
    errors: &[
        Code::NotFound,
        Code::InvalidState,
        Code::Unsupported,
        Code::DependencyFailed,
    ],
    doc: "Asks for a key frame as soon as the encoder can give one. A camera that codes by itself is asked through its control force_key_frame; one without it is unsupported.",
    handler: |_, call| or_fault(keyframe(&call)),
};

fn get(call: &Call) -> Result<Outcome, Fault> {
    change(call, VideoChange::default())
}

fn set(call: &Call) -> Result<Outcome, Fault> {
    let number = |name: &str| {
        let value = call.params.get(name).and_then(whole);
        value.and_then(|n| u32::try_from(n).ok())
    };
    let wanted = VideoChange {
        bitrate: number(BITRATE).map(BitRate::from_kbps),
        keyframe_seconds: number(KEYFRAME),
        size: call.text(SIZE).parse().ok(),
        rate: number(FPS).map(Rate::fps),
    };
    if wanted == VideoChange::default() {
        return Err(Fault::param(
            "params",
            "at_least_one",
            "nothing to change was sent",
            format!("send one or more of {BITRATE}, {KEYFRAME}, {SIZE}, {FPS}"),
        ));
    }
    change(call, wanted)
}

fn change(call: &Call, wanted: VideoChange) -> Result<Outcome, Fault> {
    let camera = running(&camera_of(call)?)?;
    let remote = Arc::clone(&camera.remote);
    Ok(ask(&*remote, Command::Video(wanted), move |heard| {
        shown(&camera, wanted, heard)
    }))
}

fn shown(camera: &Running, wanted: VideoChange, heard: Heard) -> Answer {
    match heard {
        Heard::Answer(Ok(Reply::Video(video))) => Ok(json!({
            "device": camera.device,
            BITRATE: video.bitrate.map(BitRate::as_kbps),
            KEYFRAME: video.keyframe_seconds,
            SIZE: video.size.to_string(),
            FPS: video.rate.rounded(),
            "seamless": video.seamless,
        })),
        Heard::Answer(Err(error)) if error.kind() == Kind::Refused => {
            Err(refused(wanted, &error, camera.otherwise))
        }
        other => Err(unexpected(&other, camera.otherwise)),
    }
}

/// -32602 that names the parameter, where only one can be meant.
fn refused(wanted: VideoChange, error: &Error, otherwise: &str) -> Fault {
    let sent = [
        wanted.bitrate.map(|_| BITRATE),
        wanted.keyframe_seconds.map(|_| KEYFRAME),
        wanted.size.map(|_| SIZE),
        wanted.rate.map(|_| FPS),
    ];
    let mut sent = sent.into_iter().flatten();
    match (sent.next(), sent.next()) {
        (Some(only), None) => Fault::param(
            only,
            "refused",
            without_action(error),
            error.next_action().unwrap_or("try another value"),
        ),
        _ => trouble(error, otherwise),
    }
}

fn keyframe(call: &Call) -> Result<Outcome, Fault> {
    let camera = camera_of(call)?;
    let running = running(&camera)?;
    if camera.route != Some(Route::Passthrough) {
        camera.counters.keyframe_wanted.store(true, Relaxed);
        return Ok(Outcome::Now(Ok(requested(&running))));
    }
    let remote = Arc::clone(&running.remote);
    Ok(ask(&*remote, Command::Keyframe, move |heard| {
        pressed(&running, heard)
    }))
}

fn requested(camera: &Running) -> Value {
    json!({ "device": camera.device, "requested": true })
}

/// What a camera that codes by itself made of the wish.
fn pressed(camera: &Running, heard: Heard) -> Answer {
    match heard {
        Heard::Answer(Ok(Reply::Keyframe)) => Ok(requested(camera)),
        Heard::Answer(Err(error)) if error.kind() == Kind::Refused => Err(Fault::new(
            Code::Unsupported,
            "unsupported",
            format!(
                "{} codes its pictures itself and takes no wish for a key frame: {}",
                camera.device,
                without_action(&error)
            ),
            "look for the distance of key frames in get_camera_controls, or choose another pixel format in the configuration, so that the service codes the picture",
        )
        .with("feature", "request_keyframe")),
        other => Err(unexpected(&other, camera.otherwise)),
    }
}
