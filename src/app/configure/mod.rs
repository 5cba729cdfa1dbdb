//! The configuration of the running service.

pub(super) mod io;
