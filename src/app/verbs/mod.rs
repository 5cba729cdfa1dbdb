//! The short verbs of the command line.

pub(super) mod io;
