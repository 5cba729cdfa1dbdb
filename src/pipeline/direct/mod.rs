//! The chain of a source and an encoder that codes each frame where it lies: test camera, software, passthrough.

pub mod io;
