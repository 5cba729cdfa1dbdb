//! What the benchmark's programs share: raw WebSocket and HTTP clients, percentiles, and the figures of a process.

pub mod client;
pub mod figures;
pub mod http;
pub mod process;
pub mod slots;
