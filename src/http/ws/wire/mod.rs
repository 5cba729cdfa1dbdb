//! The stream beneath a WebSocket, counted.

pub mod io;
