//! mediamtx.
