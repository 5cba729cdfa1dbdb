//! The way to the store: one connection, paced, over TLS where the address says so.

pub mod io;
