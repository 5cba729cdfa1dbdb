//! The keeper of the credentials while the service runs.

pub mod io;
mod watch;
