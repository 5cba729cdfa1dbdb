//! How one recording begins and ends.

pub mod io;
