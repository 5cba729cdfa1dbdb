//! The signals that end the service.

pub mod io;
