//! `camera-service demo`: what it prints. Pure; `io.rs` runs it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::Serialize;

use crate::app::Addresses;
use crate::camera::CameraId;

pub mod io;

/// A token for each role.
#[derive(Debug, Clone, Serialize)]
pub struct Tokens {
    /// Sees.
    pub viewer: String,
    /// Acts.
    pub operator: String,
    /// Administers.
    pub admin: String,
}

/// The addresses of one camera.
#[derive(Debug, Clone, Serialize)]
pub struct CameraLinks {
    /// `cameraN`.
    pub device: String,
    /// RTSP, with the viewer token inside, ready to paste into a player.
    pub rtsp: String,
    /// HLS.
    pub hls: String,
    /// WHEP.
    pub webrtc: String,
}

/// Everything a person or a rig needs; the one line of `demo --json`.
#[derive(Debug, Clone, Serialize)]
pub struct Card {
    /// The web page.
    pub page: String,
    /// The web page, logged in.
    pub page_with_token: String,
    /// The JSON-RPC WebSocket.
    pub ws: String,
    /// Health.
    pub health: String,
    /// Where all state of this demo lives.
    pub state_dir: String,
    /// The cameras known now.
    pub cameras: Vec<CameraLinks>,
    /// Tokens.
    pub tokens: Tokens,
    /// Our process id.
    pub pid: u32,
    /// Milliseconds from the start of the process to the first picture inside MediaMTX.
    pub first_picture_ms: u64,
}

/// An address that somebody on this machine can open: 0.0.0.0 is not one.
fn reachable(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => {
            SocketAddr::new(IpAddr::from([127, 0, 0, 1]), addr.port())
        }
        IpAddr::V6(ip) if ip.is_unspecified() => {
            SocketAddr::new(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), addr.port())
        }
        _ => addr,
    }
}

/// Scheme and address of a door: the plain one where it is open.
fn door(plain: Option<SocketAddr>, secure: Option<SocketAddr>) -> String {
    match (plain, secure) {
        (Some(addr), _) => format!("http://{}", reachable(addr)),
        (None, Some(addr)) => format!("https://{}", reachable(addr)),
        // The configuration's check keeps one of them open.
        (None, None) => String::new(),
    }
}

impl Card {
    /// Lays out the card.
    #[must_use]
    pub fn new(
        addresses: Addresses,
        websocket_path: &str,
        cameras: &[CameraId],
        tokens: Tokens,
        state_dir: &Path,
        pid: u32,
        first_picture_ms: u64,
    ) -> Self {
        let api = door(addresses.api, addresses.secure);
        let page = door(addresses.health, addresses.secure);
        let rtsp = reachable(addresses.rtsp);
        Self {
            page: format!("{page}/"),
            page_with_token: format!("{page}/#token={}", tokens.viewer),
            ws: format!("{}{websocket_path}", api.replacen("http", "ws", 1)),
            health: format!("{page}/health"),
            state_dir: state_dir.display().to_string(),
            cameras: cameras
                .iter()
                .map(|id| CameraLinks {
                    device: id.to_string(),
                    // Not as a password: ffmpeg cuts user and password off at 127 bytes.
                    rtsp: format!("rtsp://{rtsp}/{id}?token={}", tokens.viewer),
                    hls: format!("{api}/hls/{id}.m3u8"),
                    webrtc: format!("{api}/whep/{id}"),
                })
                .collect(),
            tokens,
            pid,
            first_picture_ms,
        }
    }

    /// As a person reads it.
    #[must_use]
    pub fn text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = format!(
            "\n  A picture flows, {:.1} s after the start.\n\n  Open this page:\n\n    {}\n\n  The same page as administrator, who also records, tunes and gives out keys:\n\n    {}#token={}\n\n",
            std::time::Duration::from_millis(self.first_picture_ms).as_secs_f64(),
            self.page_with_token,
            self.page,
            self.tokens.admin
        );
        for camera in &self.cameras {
            let _ = write!(
                text,
                "  {}\n    RTSP    {}\n    HLS     {}\n    WebRTC  {}\n",
                camera.device, camera.rtsp, camera.hls, camera.webrtc
            );
        }
        let _ = write!(
            text,
            "\n  Control   {}\n  Health    {}\n  State     {}\n\n  Viewer token (HLS and WebRTC want it as `Authorization: Bearer …`)\n    {}\n\n  Ctrl-C ends everything.\n\n",
            self.ws, self.health, self.state_dir, self.tokens.viewer
        );
        text
    }
}
