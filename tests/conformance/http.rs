//! A small HTTP client for downloads: one request a connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing that the suite fetches is larger.
const MOST: u64 = 64 << 20;

/// An answer.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    }
}

/// Asks for a path, with further headers as whole lines.
pub(crate) async fn fetch(
    authority: &str,
    verb: &str,
    path: &str,
    headers: &[String],
) -> Result<Page, String> {
    let talk = async {
        let mut stream = TcpStream::connect(authority).await?;
        let mut text =
            format!("{verb} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
        for header in headers {
            text += header;
            text += "\r\n";
        }
        stream.write_all((text + "\r\n").as_bytes()).await?;
        let mut all = Vec::new();
        // A server may reset what it refuses; what came until then is the answer.
        let read = stream.take(MOST).read_to_end(&mut all).await;
        if all.is_empty() {
            read?;
        }
        Ok::<_, std::io::Error>(all)
    };
    let all = tokio::time::timeout(Duration::from_secs(30), talk)
        .await
        .map_err(|_| format!("{verb} {path}: no answer within 30 s"))?
        .map_err(|e| format!("{verb} {path}: {e}"))?;
    parse(&all).ok_or_else(|| {
        format!(
            "{verb} {path}: that is no HTTP: {}",
            String::from_utf8_lossy(&all)
        )
    })
}

fn parse(all: &[u8]) -> Option<Page> {
    let end = all.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&all[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut page = Page {
        status,
        head,
        body: all[end + 4..].to_vec(),
    };
    if page.header("transfer-encoding") == Some("chunked") {
        page.body = unchunked(&page.body)?;
    }
    Some(page)
}

/// RFC 9112 §7.1.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        rest = rest.get(end + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_chunked_bodies_are_read() {
        let plain = parse(b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-1/9\r\n\r\nab").unwrap();
        assert_eq!(
            (plain.status, plain.header("content-range")),
            (206, Some("bytes 0-1/9"))
        );
        assert_eq!(plain.body, b"ab");
        let chunked = parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\n\r\n").unwrap();
        assert_eq!(chunked.body, b"abc");
    }
}
