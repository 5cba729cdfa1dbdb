//! Binding a port, and saying who has it when it is taken.

pub mod holder;
pub mod io;
