//! The opening handshake, and the socket that comes of it.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::Request;
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::http::reply::io::text;
use crate::http::ws::wire::io::{Counted, Wire, Ws};
use crate::rpc::links::Reached;

/// Allocated per socket for as long as it lives: room for most requests. A longer message makes it grow.
const READ_BUFFER: usize = 1 << 8;

/// An upgrade that has been promised to the client.
pub(in crate::http) struct Upgrade {
    pub(in crate::http) stream: OnUpgrade,
    pub(in crate::http) reached: Arc<Reached>,
    pub(in crate::http) from: IpAddr,
}

/// Checks an opening handshake (RFC 6455 §4.2.1) and gives the accept key, or status and reason.
pub(in crate::http) fn accept_key<B>(request: &Request<B>) -> Result<String, (u16, &'static str)> {
    let names = |header: &str, word: &str| {
        let mut values = request.headers().get_all(header).iter();
        values.any(|value| {
            value
                .to_str()
                .is_ok_and(|v| v.split(',').any(|v| v.trim().eq_ignore_ascii_case(word)))
        })
    };
    if !names("upgrade", "websocket") || !names("connection", "upgrade") {
        return Err((426, "this path is a WebSocket; connect to it with ws://"));
    }
    if text(request, "sec-websocket-version") != Some("13") {
        return Err((426, "only version 13 of the WebSocket protocol is spoken"));
    }
    // Sixteen bytes in base64.
    match text(request, "sec-websocket-key") {
        Some(key) if key.len() == 24 && key.ends_with("==") => {
            Ok(derive_accept_key(key.as_bytes()))
        }
        _ => Err((
            400,
            "Sec-WebSocket-Key is missing or is not 16 bytes in base64",
        )),
    }
}

/// The socket over `stream`, from which `early` was read already. `longest` bytes a message may have; 0 is no bound.
pub(in crate::http::ws) async fn over<S: Wire>(
    stream: Counted<S>,
    early: Vec<u8>,
    longest: usize,
) -> Box<Ws<S>> {
    let longest = (longest != 0).then_some(longest);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(longest)
        .max_frame_size(longest);
    Box::new(Ws::from_partially_read(stream, early, Role::Server, Some(config)).await)
}
