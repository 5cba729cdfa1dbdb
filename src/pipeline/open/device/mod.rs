//! The chain of a V4L2 camera.

pub(super) mod io;
