//! What the log looks like and where it goes.

pub mod io;
