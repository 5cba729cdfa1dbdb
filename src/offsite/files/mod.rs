//! The files that are copied, and those in which is written down what was.

pub mod io;
