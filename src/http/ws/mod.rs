//! The WebSocket: upgrade, liveness, one task per connection.

pub mod beat;
pub mod feed;
pub mod frames;
pub mod goodbye;
pub mod io;
pub mod news;
pub mod outbox;
pub mod pace;
pub mod upgrade;
pub mod wire;
