//! Which chain a camera gets: the best way that this camera and this machine offer.

#[cfg(feature = "v4l2")]
mod device;
pub mod io;
