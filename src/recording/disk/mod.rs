//! What is done with the files of recordings themselves, beside naming and listing them.

pub mod io;
