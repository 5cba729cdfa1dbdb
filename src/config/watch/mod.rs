//! Noticing that the configuration file is another.

pub mod io;
