//! How a connection becomes a WebSocket (RFC 6455 §4.2).

pub mod io;
