//! How the files MediaMTX has written get the names people know them by.

pub mod io;
