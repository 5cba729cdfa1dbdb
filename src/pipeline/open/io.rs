//! Opens the chain of a plan.

#[cfg(feature = "v4l2")]
use super::device::io::open as open_device;
use crate::capture::testcard::io::TestCamera;
use crate::capture::{PixelFormat, Source};
use crate::clock::Mono;
use crate::encode::{self, Route};
use crate::error::Result;
use crate::pipeline::chain::{Chain, Failure};
use crate::pipeline::direct::io::Direct;
use crate::pipeline::{Origin, Plan};
use crate::recover::{Coder, Ladder};

/// Opens the best chain there is, and tells `ladder` what it is about to open.
///
/// # Errors
/// The part that failed. A machine without an encoder chip is no failure.
pub fn open(plan: &Plan, ladder: &mut Ladder, now: Mono) -> Result<Box<dyn Chain>, Failure> {
    match &plan.origin {
        Origin::Test { size, rate } => {
            let source = TestCamera::open(*size, *rate).map_err(Failure::capture)?;
            let why = "the test camera is drawn in memory".to_owned();
            direct(plan, ladder, Box::new(source), why)
        }
        Origin::V4l2 { node, modes, wish } => open_device(plan, (node, modes, wish), ladder, now),
    }
}

#[cfg(not(feature = "v4l2"))]
fn open_device<T>(_: &Plan, _: T, _: &mut Ladder, _: Mono) -> Result<Box<dyn Chain>, Failure> {
    use crate::error::{Error, Kind};
    let what = "this build has no V4L2 support";
    Err(Failure::capture(Error::new(Kind::Config, what)))
}

/// The chain of a source and an encoder of ours; `why` says why there is no better one.
pub(super) fn direct(
    plan: &Plan,
    ladder: &mut Ladder,
    source: Box<dyn Source>,
    why: String,
) -> Result<Box<dyn Chain>, Failure> {
    let format = source.format();
    ladder.opening(if format.pixel == PixelFormat::H264 {
        Coder::Camera
    } else {
        Coder::Software
    });
    let encoder = encode::open(format, plan.settings(format.rate)).map_err(Failure::encoder)?;
    let why = if encoder.route() == Route::Passthrough {
        "the camera codes H.264 itself".to_owned()
    } else {
        why
    };
    Ok(Box::new(Direct::new(source, encoder, why)))
}
