//! What changes on the way through: paths in `Location` and `Set-Cookie`, and which headers pass.

/// Which of MediaMTX's servers is behind the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// WebRTC: `/camera0/whep/…` there is `/whep/camera0/…` here.
    Whep,
    /// WebRTC from a publisher: `/live-1/whip/…` there is `/whip/live-1/…` here.
    Whip,
    /// HLS: `/camera0/…` there is `/hls/camera0/…` here.
    Hls,
}

/// Headers that belong to one connection and not to the message (RFC 9110 §7.6.1).
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers a client could use to pretend to be somebody else behind us.
const FORWARDED: &[&str] = &[
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// What an answer would tell about what stands behind us, or settle for our whole origin.
const OURS_TO_SAY: &[&str] = &[
    "alt-svc",
    "clear-site-data",
    "refresh",
    "server",
    "strict-transport-security",
    "via",
    "x-powered-by",
];

/// Whether a request's header goes on; `connection` is the value of that header.
#[must_use]
pub fn request_header_passes(name: &str, connection: &str) -> bool {
    goes_on(name, connection) && !FORWARDED.contains(&name) && name != "host"
}

/// Whether an answer's header goes on; `connection` is the value of that header.
#[must_use]
pub fn response_header_passes(name: &str, connection: &str) -> bool {
    goes_on(name, connection) && !OURS_TO_SAY.contains(&name)
}

fn goes_on(name: &str, connection: &str) -> bool {
    !HOP_BY_HOP.contains(&name)
        // MediaMTX asks for a password; from a page, that opens the browser's own dialogue.
        && name != "www-authenticate"
        // Which pages may read the answer is ours to say.
        && !name.starts_with("access-control-")
        && !connection
            .split(',')
            .any(|named| named.trim().eq_ignore_ascii_case(name))
}

/// `Location` as the client must see it; `upstream` is MediaMTX's `host:port`.
#[must_use]
pub fn location(side: Side, value: &str, upstream: &str) -> String {
    let local = value
        .strip_prefix("http://")
        .or_else(|| value.strip_prefix("//"))
        .and_then(|rest| rest.strip_prefix(upstream))
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(value);
    if !local.starts_with('/') || local.starts_with("//") {
        return local.to_owned();
    }
    outward(side, local)
}

/// `Set-Cookie` with its `Path` as the client must see it.
#[must_use]
pub fn set_cookie(side: Side, value: &str) -> String {
    value
        .split(';')
        .map(|part| {
            let trimmed = part.trim_start();
            match trimmed.split_once('=') {
                Some((name, path)) if name.eq_ignore_ascii_case("path") => {
                    format!(" Path={}", outward(side, path))
                }
                _ => part.to_owned(),
            }
        })
        .collect::<Vec<_>>()
        .join(";")
}

fn outward(side: Side, path: &str) -> String {
    match side {
        Side::Hls if path == "/" => "/hls".to_owned(),
        Side::Hls => format!("/hls{path}"),
        Side::Whep | Side::Whip => {
            let mount = if side == Side::Whep { "/whep" } else { "/whip" };
            let plain = path.split(['?', '#']).next().unwrap_or(path);
            let tail = &path[plain.len()..];
            match plain.trim_start_matches('/').split_once(mount) {
                Some((name, rest)) if rest.is_empty() || rest.starts_with('/') => {
                    format!("{mount}/{name}{rest}{tail}")
                }
                _ => format!("{mount}{path}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UP: &str = "127.0.0.1:8889";

    #[test]
    fn a_whep_session_is_found_again_under_our_path() {
        let ours = |value| location(Side::Whep, value, UP);
        assert_eq!(ours("/camera0/whep/8d-1"), "/whep/camera0/8d-1");
        assert_eq!(
            ours("http://127.0.0.1:8889/camera0/whep/8d"),
            "/whep/camera0/8d"
        );
        assert_eq!(ours("/camera0/whep/8d?x=1"), "/whep/camera0/8d?x=1");
        assert_eq!(
            location(Side::Whip, "/live-1/whip/8d?x=1", UP),
            "/whip/live-1/8d?x=1"
        );
        assert_eq!(ours("8d-1"), "8d-1");
        assert_eq!(ours("https://elsewhere/x"), "https://elsewhere/x");
    }

    #[test]
    fn hls_redirects_and_cookies_stay_under_our_path() {
        let ours = |value| location(Side::Hls, value, "127.0.0.1:8888");
        assert_eq!(
            ours("/camera0/index.m3u8?cookieCheck=1"),
            "/hls/camera0/index.m3u8?cookieCheck=1"
        );
        assert_eq!(ours("index.m3u8?session=s"), "index.m3u8?session=s");
        assert_eq!(ours("http://127.0.0.1:88889/x"), "http://127.0.0.1:88889/x");
        let cookie = |value| set_cookie(Side::Hls, value);
        assert_eq!(
            cookie("hlsSession=a; Path=/camera0; HttpOnly"),
            "hlsSession=a; Path=/hls/camera0; HttpOnly"
        );
        assert_eq!(cookie("a=b; path=/"), "a=b; Path=/hls");
        assert_eq!(cookie("a=b"), "a=b");
    }

    #[test]
    fn headers_of_one_connection_and_pretended_addresses_do_not_pass() {
        assert!(request_header_passes("authorization", ""));
        assert!(request_header_passes("content-type", "close"));
        assert!(!request_header_passes("transfer-encoding", ""));
        assert!(!request_header_passes("x-forwarded-for", ""));
        assert!(!request_header_passes("x-secret", "close, X-Secret"));
        assert!(!request_header_passes("host", ""));
        assert!(response_header_passes("etag", "keep-alive"));
        assert!(!response_header_passes("keep-alive", ""));
        assert!(!response_header_passes("server", ""));
        assert!(!response_header_passes("strict-transport-security", ""));
        assert!(!response_header_passes("access-control-allow-origin", ""));
    }

    proptest! {
        #[test]
        fn any_header_value_is_rewritten_without_panic(value in ".{0,80}") {
            let _ = (location(Side::Whep, &value, UP), location(Side::Hls, &value, UP));
            let _ = (set_cookie(Side::Whep, &value), set_cookie(Side::Hls, &value));
        }
    }
}
