//! What the log looks like and where it goes.
//!
//! `io` starts it; [`whole`] keeps what came from outside within its entry; [`rotate`] decides when a log file is full and which files there are; `file` writes it from a
//! thread of its own, so that a disk that hangs stops nobody.

pub mod file;
pub mod io;
pub mod rotate;
pub mod whole;
