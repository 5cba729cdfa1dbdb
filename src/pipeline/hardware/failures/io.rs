//! Drivers' failures in words.

use std::path::Path;

use crate::encode::m2m::machine::{Reason, Side};
use crate::error::{Error, Kind};
use crate::pipeline::chain::Failure;
use crate::sys::v4l2::dqbuf::DqbufError;
use crate::sys::v4l2::qbuf::QbufError;

/// Either of the two running calls' failures.
pub(in crate::pipeline::hardware) enum Broken {
    Out(DqbufError),
    In(QbufError),
}

impl From<DqbufError> for Broken {
    fn from(error: DqbufError) -> Self {
        Self::Out(error)
    }
}

impl From<QbufError> for Broken {
    fn from(error: QbufError) -> Self {
        Self::In(error)
    }
}

/// Why the machine gave up.
pub(in crate::pipeline::hardware) fn given_up(encoder: &Path, reason: Reason) -> Failure {
    let (side, kind, what) = match reason {
        Reason::EncoderRefuses => (
            Side::Encoder,
            Kind::Reopen,
            "it refuses one frame after the other",
        ),
        Reason::EncoderStuck => (
            Side::Encoder,
            Kind::Reopen,
            "it refuses its own coded buffers",
        ),
        Reason::CameraRefuses => (Side::Camera, Kind::Reopen, "it refuses its own buffers"),
        Reason::Nonsense(side) => (
            side,
            Kind::Reopen,
            "it hands out buffers again and again that it does not hold",
        ),
        Reason::NoStamps => (
            Side::Encoder,
            Kind::Config,
            "it does not carry time stamps through, so nobody knows which frame is which",
        ),
        Reason::Ended => (Side::Encoder, Kind::Reopen, "it ended its stream"),
        Reason::SizeChanged(side) => (side, Kind::Reopen, "the size of its pictures changed"),
    };
    match side {
        Side::Encoder => {
            let node = encoder.display();
            Failure::encoder(Error::new(kind, format!("{node}: {what}")))
        }
        Side::Camera => Failure::capture(Error::new(kind, what)),
    }
}

/// An encoder's failure while it ran.
pub(in crate::pipeline::hardware) fn encoder_failed(
    encoder: &Path,
    doing: &str,
    because: impl Into<Broken>,
) -> Failure {
    let (gone, text) = match because.into() {
        Broken::Out(DqbufError::Gone) | Broken::In(QbufError::Gone) => {
            (true, "the device is gone".to_owned())
        }
        Broken::Out(error) => (false, error.to_string()),
        Broken::In(error) => (false, error.to_string()),
    };
    let kind = if gone { Kind::Gone } else { Kind::Reopen };
    let what = format!("{}: {doing}", encoder.display());
    Failure::encoder(Error::new(kind, what).because(text))
}
