//! The map of the camera box's one daemon.
//!
//! Two paths cross this tree. The *data plane* carries a picture: [`capture`] takes frames from a
//! source, [`encode`] makes H.264 of them, [`stream`] publishes them to MediaMTX by RTSP; one
//! thread per camera, wired in [`pipeline`]; [`slate`] is what viewers see while a camera has no
//! picture. The *control plane* carries a command: [`http`] listens, [`rpc`] answers JSON-RPC,
//! [`access`] says who may, [`health`] says how things are. [`mediamtx`] owns the media server
//! beside us; [`offsite`] copies what was recorded to a store. [`app`] wires every part to its neighbours.
//!
//! In each concern the pure files decide and `io.rs` does; `tests/layering.rs` holds that wall.

pub mod access;
pub mod app;
pub mod camera;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod durable;
pub mod encode;
pub mod error;
pub mod events;
pub mod external;
pub mod health;
pub mod http;
pub mod kept;
pub mod latency;
pub mod log;
pub mod mediamtx;
pub mod nearest;
pub mod offsite;
pub mod pipeline;
mod raster;
pub mod recording;
pub mod recover;
pub mod rpc;
pub mod slate;
pub mod snapshot;
pub mod storage;
pub mod stream;
pub mod supervise;
#[expect(
    unsafe_code,
    reason = "the one door: system calls that no safe crate offers"
)]
pub mod sys;
pub mod system;
pub mod units;
pub mod viewing;
