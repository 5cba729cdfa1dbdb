//! The thread.
