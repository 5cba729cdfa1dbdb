//! The signals that tell the service something.

pub mod io;
