//! What is fuzzed. A target panics when a promise is broken; the fuzzer then keeps the input.

mod config;
mod credentials;
mod files;
mod frames;
mod h264;
mod http;
mod kept;
mod m2m;
mod mediamtx;
mod playlist;
mod probe;
mod pulled;
mod recording;
mod rpc;
mod rtsp;
mod uevent;
mod url;

/// One target.
pub(crate) struct Target {
    /// Its name, and that of its folder of seeds.
    pub(crate) name: &'static str,
    /// Takes one input.
    pub(crate) run: fn(&[u8]),
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    target("config", config::run),
    target("credentials", credentials::run),
    target("files", files::run),
    target("frames", frames::run),
    target("h264", h264::run),
    target("http", http::run),
    target("kept", kept::run),
    target("m2m", m2m::run),
    target("mediamtx", mediamtx::run),
    target("playlist", playlist::run),
    target("probe", probe::run),
    target("pulled", pulled::run),
    target("recording", recording::run),
    target("rpc", rpc::run),
    target("rtsp", rtsp::run),
    target("uevent", uevent::run),
    target("url", url::run),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}
