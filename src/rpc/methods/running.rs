//! What the methods share that speak to a running camera: its line, and the faults of that line.

use std::sync::Arc;

use crate::camera::remote::Remote;
use crate::camera::{Camera, Status};
use crate::error::{Error, Kind};
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::{Heard, PATIENCE};

/// The line to a camera that is there.
///
/// # Errors
/// -32020 while the camera is unplugged or was not started yet.
pub fn remote_of(camera: &Camera) -> Result<Arc<dyn Remote>, Fault> {
    if let Status::Disconnected { reason } = &camera.status {
        return Err(disconnected(format!(
            "{} is not there: {reason}",
            camera.id
        )));
    }
    camera.remote.clone().ok_or_else(|| {
        state(
            camera.status.as_str(),
            format!("{} is not running yet", camera.id),
            "wait until get_camera_status tells CONNECTED, then try again",
        )
    })
}

fn state(now: &str, details: String, suggestion: &str) -> Fault {
    Fault::new(Code::InvalidState, "invalid_state", details, suggestion)
        .with("state", now)
        .with("allowed_states", vec!["CONNECTED"])
}

fn disconnected(details: String) -> Fault {
    let suggestion = "plug the camera in, wait until it is CONNECTED, then try again";
    state("DISCONNECTED", details, suggestion)
}

/// The fault for an error of the camera's thread that names no parameter.
#[must_use]
pub fn trouble(error: &Error) -> Fault {
    let details = without_action(error);
    let action = |otherwise: &str| error.next_action().unwrap_or(otherwise).to_owned();
    match error.kind() {
        Kind::Refused => Fault::param("params", "refused", details, action("try other values")),
        Kind::Gone => disconnected(details),
        Kind::Transient | Kind::Reopen => {
            Fault::dependency("camera", details, action("try again in some seconds"))
        }
        Kind::Config | Kind::Internal => Fault::dependency(
            "camera",
            details,
            action("get_camera_status and the service's log tell more"),
        ),
    }
}

/// The error's sentence; its action has a field of its own.
#[must_use]
pub fn without_action(error: &Error) -> String {
    let whole = error.to_string();
    error
        .next_action()
        .and_then(|action| whole.strip_suffix(&format!(" ({action})")))
        .map_or(whole.clone(), ToOwned::to_owned)
}

/// The fault for a camera that gave no answer, or one to another question.
#[must_use]
pub fn unexpected(heard: &Heard) -> Fault {
    match heard {
        Heard::Nothing => Fault::dependency(
            "camera",
            format!("the camera did not answer within {} s", PATIENCE.as_secs()),
            "it may still carry it out: ask how it is, then try again",
        ),
        Heard::Dropped => Fault::dependency(
            "camera",
            "the camera stopped before it answered",
            "wait until get_camera_status tells CONNECTED, then try again",
        ),
        Heard::Answer(Err(error)) => trouble(error),
        Heard::Answer(Ok(_)) => Fault::new(
            Code::InternalError,
            "internal_error",
            "the camera answered another question",
            "report it with the service's log",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_trouble_has_its_code_a_cause_and_an_action() {
        for (kind, code) in [
            (Kind::Refused, Code::InvalidParams),
            (Kind::Gone, Code::InvalidState),
            (Kind::Transient, Code::DependencyFailed),
            (Kind::Reopen, Code::DependencyFailed),
            (Kind::Internal, Code::DependencyFailed),
        ] {
            let fault = trouble(&Error::new(kind, "it broke").because("cable"));
            assert_eq!(fault.code(), code, "{kind:?}");
            let data = fault.to_json("1")["data"].take();
            assert_eq!(data["details"], "it broke: cable");
            assert_ne!(data["suggestion"], "");
        }
        let told = Error::new(Kind::Transient, "too many wait").action("slow down");
        let data = trouble(&told).to_json("1")["data"].take();
        assert_eq!(data["details"], "too many wait");
        assert_eq!(data["suggestion"], "slow down");
    }
}
