//! What the methods share that speak to a running camera: its line, and the faults of that line.

use std::sync::Arc;

use crate::camera::remote::Remote;
use crate::camera::{Camera, Status};
use crate::error::{Error, Kind};
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::{Heard, PATIENCE};

/// A camera that is there.
#[derive(Debug)]
pub struct Running {
    /// Its id.
    pub device: String,
    /// The line to its thread.
    pub remote: Arc<dyn Remote>,
    /// How it is, should its thread say that there is nothing to ask.
    pub otherwise: &'static str,
}

/// The line to a camera that is there.
///
/// # Errors
/// -32020 while the camera is unplugged or was not started yet.
pub fn running(camera: &Camera) -> Result<Running, Fault> {
    let device = camera.id.to_string();
    let now = camera.status.as_str();
    if let Status::Disconnected { reason } = &camera.status {
        return Err(state(
            now,
            format!("{device} is not there: {reason}"),
            "plug the camera in, wait until it is CONNECTED, then try again",
        ));
    }
    let Some(remote) = camera.remote.clone() else {
        return Err(state(
            now,
            format!("{device} is not running yet"),
            "wait until get_camera_status tells CONNECTED, then try again",
        ));
    };
    Ok(Running {
        device,
        remote,
        otherwise: match camera.status {
            // It gave pictures a moment ago: plugged in, as far as anybody knows, and without a picture.
            Status::Connected => "ERROR",
            _ => now,
        },
    })
}

fn state(now: &str, details: String, suggestion: &str) -> Fault {
    Fault::new(Code::InvalidState, "invalid_state", details, suggestion)
        .with("state", now)
        .with("allowed_states", vec!["CONNECTED"])
}

/// The fault for an error of the camera's thread that names no parameter; `otherwise` is
/// [`Running::otherwise`].
#[must_use]
pub fn trouble(error: &Error, otherwise: &str) -> Fault {
    let details = without_action(error);
    let action = |own: &'static str| error.next_action().unwrap_or(own);
    match error.kind() {
        Kind::Refused => Fault::param("params", "refused", details, action("try other values")),
        Kind::Gone => state(
            otherwise,
            details,
            action("wait until get_camera_status tells CONNECTED, then try again"),
        ),
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
pub fn unexpected(heard: &Heard, otherwise: &str) -> Fault {
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
        Heard::Answer(Err(error)) => trouble(error, otherwise),
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
            let fault = trouble(&Error::new(kind, "it broke").because("cable"), "ERROR");
            assert_eq!(fault.code(), code, "{kind:?}");
            let data = fault.to_json("1")["data"].take();
            assert_eq!(data["details"], "it broke: cable");
            assert_ne!(data["suggestion"], "");
            if code == Code::InvalidState {
                assert_eq!(data["state"], "ERROR");
            }
        }
        let told = Error::new(Kind::Transient, "too many wait").action("slow down");
        let data = trouble(&told, "ERROR").to_json("1")["data"].take();
        assert_eq!(data["details"], "too many wait");
        assert_eq!(data["suggestion"], "slow down");
    }
}
