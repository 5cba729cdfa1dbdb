//! The way through to MediaMTX's own HTTP servers, so that clients need one port only.

pub mod io;
pub mod rewrite;
