//! What is said of a fault: which half, what was seen, what happens now and what a person can do.

use std::time::Duration;

use super::FaultClass;
use crate::camera::Status;
use crate::error::{Error, Kind};

/// The status of a fault that an error told of.
pub(super) fn failed(class: FaultClass, error: &Error) -> Status {
    let reason = format!("{}: {error}", class.part());
    if class == FaultClass::CameraGone {
        return Status::Disconnected { reason };
    }
    Status::Error {
        reason,
        action: error.next_action().unwrap_or(action(class)).to_owned(),
    }
}

/// The status of a picture that stands still.
pub(super) fn mute(class: FaultClass, silent: Duration, damaged: u32) -> Status {
    Status::Error {
        reason: what(class, silent, damaged),
        action: action(class).to_owned(),
    }
}

/// The status of a device whose node is gone.
pub(super) fn gone() -> Status {
    Status::Disconnected {
        reason: "the device was unplugged; its picture comes back when it does".to_owned(),
    }
}

/// Why there is no picture, for viewers: without the seconds, for the slate says since when.
pub(super) const fn plain(class: FaultClass) -> &'static str {
    match class {
        FaultClass::CameraGone => "the camera was unplugged",
        FaultClass::CameraStalled => "the camera gives no new frames",
        FaultClass::CameraFramesDamaged => "the camera gives no usable frames",
        FaultClass::CameraStreamBroken => "the camera's stream broke",
        FaultClass::CameraOpenFailed => "the camera cannot be opened",
        FaultClass::CameraRefusesBuffers => "the camera takes no buffers",
        FaultClass::EncoderStalled => "the encoder gives no pictures",
        FaultClass::EncoderRefusesBuffers => "the encoder refuses buffers",
        FaultClass::EncoderBroken => "the encoder failed",
        FaultClass::EncoderOpenFailed => "the encoder cannot be opened",
    }
}

/// Why there is no picture, in one sentence.
pub(super) fn what(class: FaultClass, silent: Duration, damaged: u32) -> String {
    let silent = silent.as_secs_f64();
    match class {
        FaultClass::CameraGone => "the camera is away".to_owned(),
        FaultClass::CameraStalled => {
            format!("the camera gives no new frame for {silent:.1} s, although it is open")
        }
        FaultClass::CameraFramesDamaged if damaged == 0 => {
            format!(
                "the camera sends pictures for {silent:.1} s, but none that decoding can start at"
            )
        }
        FaultClass::CameraFramesDamaged => {
            format!(
                "the camera gives no usable frame for {silent:.1} s: {damaged} came, all damaged"
            )
        }
        FaultClass::CameraStreamBroken => "the camera's stream broke".to_owned(),
        FaultClass::CameraOpenFailed => "the camera cannot be opened".to_owned(),
        FaultClass::CameraRefusesBuffers => "the camera takes no buffers".to_owned(),
        FaultClass::EncoderStalled => {
            format!("the encoder takes frames and gives no picture for {silent:.1} s")
        }
        FaultClass::EncoderRefusesBuffers => {
            format!("the encoder refuses buffers and gives no picture for {silent:.1} s")
        }
        FaultClass::EncoderBroken => "the encoder failed".to_owned(),
        FaultClass::EncoderOpenFailed => "the encoder cannot be opened".to_owned(),
    }
}

/// What happens by itself, and what a person can do if it does not help.
const fn action(class: FaultClass) -> &'static str {
    match class {
        FaultClass::CameraGone => {
            "check its cable and power; it is opened as soon as it is there again"
        }
        FaultClass::CameraStalled => {
            "the service restarts the stream and then opens the camera again; if it lasts, check the sensor cable and whether a setting (exposure, input, standard) stops the picture"
        }
        FaultClass::CameraFramesDamaged => {
            "the service restarts the stream; check the cable and the power of the camera; a USB camera may do better on another port or at a smaller size"
        }
        FaultClass::CameraStreamBroken | FaultClass::CameraRefusesBuffers => {
            "the service restarts the stream and then opens the camera again; if it lasts, unplug the camera and plug it in again"
        }
        FaultClass::CameraOpenFailed => {
            "the service keeps trying; if it lasts, unplug the camera and plug it in again"
        }
        FaultClass::EncoderStalled
        | FaultClass::EncoderRefusesBuffers
        | FaultClass::EncoderBroken
        | FaultClass::EncoderOpenFailed => {
            "the service restarts the encoder and then codes in software; if it lasts, choose a smaller size or rate"
        }
    }
}

/// The class of a failure while the streams ran, or while they were being opened.
pub(super) const fn class(
    part: crate::pipeline::chain::Part,
    kind: Kind,
    opening: bool,
    refused: bool,
) -> FaultClass {
    use crate::pipeline::chain::Part;
    match (part, kind, opening) {
        (Part::Capture, Kind::Gone, _) => FaultClass::CameraGone,
        (Part::Capture, _, true) => FaultClass::CameraOpenFailed,
        (Part::Capture, _, false) if refused => FaultClass::CameraRefusesBuffers,
        (Part::Capture, _, false) => FaultClass::CameraStreamBroken,
        (Part::Encoder, _, true) => FaultClass::EncoderOpenFailed,
        (Part::Encoder, _, false) if refused => FaultClass::EncoderRefusesBuffers,
        (Part::Encoder, _, false) => FaultClass::EncoderBroken,
    }
}
