//! One HTTP/1.1 exchange on a connection of its own, as probes and MediaMTX's questions come.

use std::io::{Error, Result};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The request's bytes; a body makes it a POST of JSON.
#[must_use]
pub fn request(target: &str, path: &str, body: Option<&str>) -> Vec<u8> {
    let head = |method: &str| {
        format!("{method} {path} HTTP/1.1\r\nhost: {target}\r\nconnection: close\r\n")
    };
    match body {
        None => format!("{}\r\n", head("GET")),
        Some(body) => format!(
            "{}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            head("POST"),
            body.len()
        ),
    }
    .into_bytes()
}

/// The status of an answer; `None` where it is none.
#[must_use]
pub fn status(answer: &[u8]) -> Option<u16> {
    let digits = answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Connects, asks, reads until the other side closes.
///
/// # Errors
/// What the socket says, and `Other` for an answer that is none.
pub async fn exchange(target: &str, request: &[u8]) -> Result<u16> {
    let mut stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request).await?;
    let mut answer = Vec::with_capacity(4096);
    stream.read_to_end(&mut answer).await?;
    status(&answer).ok_or_else(|| Error::other("no HTTP answer"))
}

#[cfg(test)]
mod tests {
    use super::{request, status};

    #[test]
    fn a_body_makes_it_a_post() {
        let get = String::from_utf8(request("h:1", "/health", None)).unwrap();
        assert!(
            get.starts_with("GET /health HTTP/1.1\r\nhost: h:1\r\n") && get.ends_with("\r\n\r\n")
        );
        let post = String::from_utf8(request("h:1", "/auth", Some("{}"))).unwrap();
        assert!(post.starts_with("POST /auth ") && post.ends_with("content-length: 2\r\n\r\n{}"));
    }

    #[test]
    fn a_status_is_read() {
        assert_eq!(status(b"HTTP/1.1 204 No Content\r\n"), Some(204));
        assert_eq!(status(b"HTTP/1.1 2"), None);
        assert_eq!(status(b"RTSP/1.0 200"), None);
    }
}
