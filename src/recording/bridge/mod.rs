//! What a medium has lost of a recording is recorded once more, from memory.
//!
//! When a medium fails, what no flush had brought to it is gone, and the recording goes on elsewhere a moment later. Where
//! the camera's last pictures are held, neither is a hole: a recording from the second track goes on from the past itself;
//! beside one from the first, a short one is made from the second.

pub mod io;
