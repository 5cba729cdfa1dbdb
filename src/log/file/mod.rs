//! The log file.

pub mod io;
