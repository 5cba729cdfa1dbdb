//! What an interruption has taken of a recording is recorded once more, from memory.
//!
//! When a medium fails, what no flush had brought to it is gone, and the recording goes on elsewhere a moment later. While
//! a camera is recorded its last pictures are held, so neither is a hole: a recording from the second track goes on from the
//! past itself; beside one from the first, a short one is made from the second.

pub mod io;
