//! The doors without their listeners, for fuzzing only (docs/fuzzing.md).

pub mod io;
