//! Failures of the hardware route.

pub(super) mod io;
