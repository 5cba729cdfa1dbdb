//! The watch over the recordings' folder and each device's.

pub mod io;
