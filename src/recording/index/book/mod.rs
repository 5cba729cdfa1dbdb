//! The index of one folder, compared with it and kept up to date.

pub mod io;
