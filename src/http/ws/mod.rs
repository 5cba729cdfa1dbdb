//! The WebSocket: upgrade, liveness, one task per connection.

pub mod beat;
pub mod frames;
pub mod io;
pub mod outbox;
pub mod wire;
