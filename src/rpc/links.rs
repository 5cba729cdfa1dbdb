//! Links that work where the client is: built on the name or address it itself used to reach us.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Where a client reached us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    host: String,
    port: u16,
}

impl Reached {
    /// From the request's `Host` and the socket's own address. A `Host` that is no name or address
    /// is not echoed; the socket's address stands in for it.
    #[must_use]
    pub fn new(host_header: Option<&str>, local: SocketAddr) -> Self {
        let (host, port) = host_header
            .and_then(split_host)
            .unwrap_or_else(|| (bracketed(local.ip()), None));
        Self {
            host,
            port: port.unwrap_or_else(|| local.port()),
        }
    }

    /// The name or address, an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The RTSP link of a camera or external stream.
    #[must_use]
    pub fn rtsp(&self, camera: impl fmt::Display, port: u16) -> String {
        format!("rtsp://{}:{port}/{camera}", self.host)
    }

    /// The HLS link of a camera or external stream, through our own port.
    #[must_use]
    pub fn hls(&self, camera: impl fmt::Display) -> String {
        format!("http://{}:{}/hls/{camera}.m3u8", self.host, self.port)
    }

    /// The WHEP link of a camera or external stream, through our own port.
    #[must_use]
    pub fn webrtc(&self, camera: impl fmt::Display) -> String {
        format!("http://{}:{}/whep/{camera}", self.host, self.port)
    }
}

fn bracketed(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// Splits `host[:port]` (RFC 9110 §7.2) and checks the host: a DNS name, an IPv4 address, or an
/// IPv6 address in brackets.
#[must_use]
pub fn split_host(value: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if let Some(rest) = value.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        (format!("[{address}]"), after)
    } else {
        let end = value.find(':').unwrap_or(value.len());
        let (name, after) = value.split_at(end);
        let plain = (1..=253).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            && !name.starts_with(['-', '.']);
        if !plain {
            return None;
        }
        (name.to_ascii_lowercase(), after)
    };
    let port = match port {
        "" | ":" => None,
        text => {
            let digits = text.strip_prefix(':')?;
            if !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            Some(digits.parse().ok().filter(|p| *p != 0)?)
        }
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::CameraId;
    use proptest::prelude::*;

    fn local() -> SocketAddr {
        "192.168.1.5:8002".parse().unwrap()
    }

    #[test]
    fn links_use_the_name_the_client_used() {
        let reached = Reached::new(Some("Box.local:8003"), local());
        let camera = CameraId::TEST;
        assert_eq!(
            reached.hls(camera),
            "http://box.local:8003/hls/camera0.m3u8"
        );
        assert_eq!(reached.webrtc(camera), "http://box.local:8003/whep/camera0");
        assert_eq!(reached.rtsp(camera, 8554), "rtsp://box.local:8554/camera0");
        let reached = Reached::new(Some("[fe80::1]:8002"), local());
        assert_eq!(reached.rtsp(camera, 8554), "rtsp://[fe80::1]:8554/camera0");
    }

    #[test]
    fn a_host_that_is_none_falls_back_to_the_sockets_address() {
        for host in [
            None,
            Some(""),
            Some("a b"),
            Some("evil\"><script>"),
            Some("user@box"),
            Some("box:port"),
            Some("box:99999"),
            Some("[::1"),
            Some("-x"),
        ] {
            let reached = Reached::new(host, local());
            assert_eq!(
                reached.hls(CameraId::TEST),
                "http://192.168.1.5:8002/hls/camera0.m3u8",
                "{host:?}"
            );
        }
        let mapped = "[::ffff:10.0.0.7]:8002".parse().unwrap();
        assert_eq!(Reached::new(None, mapped).host(), "10.0.0.7");
    }

    proptest! {
        #[test]
        fn any_host_header_gives_a_link_without_stray_characters(host in ".{0,80}") {
            let reached = Reached::new(Some(&host), local());
            prop_assert!(reached.host().bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b)));
        }
    }
}
