//! What the benchmark's programs share: raw WebSocket clients, and the figures of a process.

pub mod client;
pub mod process;
