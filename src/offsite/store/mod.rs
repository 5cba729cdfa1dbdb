//! The store: what is asked of it.

pub mod io;
