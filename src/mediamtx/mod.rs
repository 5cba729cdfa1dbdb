//! The media server beside us: MediaMTX, a process that we configure, start, watch and authorise.
//!
//! ```text
//! settings ──► configuration file ──► MediaMTX ──► auth: may this one? ──► yes, no; key frame wanted
//! locate ────► process (life, words) ──┘  │
//!                                        api ──► state: what the rest of the service sees
//!                                         ▲
//!                     paths: what single paths shall be, made true again after every start
//! ```
//!
//! It is never trusted to be up, and it is never told a secret: see `docs/design/0002-mediamtx-beside-us.md`.

pub mod api;
pub mod auth;
pub mod io;
pub mod locate;
pub mod paths;
pub mod process;
pub mod settings;
pub mod state;

pub use api::PathInfo;
pub use paths::Paths;
pub use process::life::ProcessState;
pub use settings::Settings;
pub use state::{ApiState, Shared, Snapshot};
