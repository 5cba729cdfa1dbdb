//! A WebSocket client that costs next to nothing (RFC 6455): frames are made once, masked with zeros, which leaves
//! the text as it is; answers are looked at only as far as needed.

use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// An open connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

/// A text frame ready to be sent as often as one likes.
#[must_use]
pub fn frame(text: &str) -> Vec<u8> {
    masked(0x81, text.as_bytes())
}

fn masked(head: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![head];
    match body.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        middle @ 126..=65535 => {
            out.push(0x80 | 126);
            out.extend((middle as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend((long as u64).to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out.extend(body);
    out
}

/// Loopback has more addresses than one; each has ports and, where a server counts by address, bounds of its own.
#[must_use]
pub fn source(nth: usize, of: usize) -> Option<Ipv4Addr> {
    let nth = u8::try_from(nth.checked_rem(of)?).ok()?;
    Some(Ipv4Addr::new(127, 0, 1, nth.checked_add(1)?))
}

async fn connect(target: &str, source: Option<Ipv4Addr>) -> Result<TcpStream> {
    let Some(source) = source else {
        return TcpStream::connect(target).await;
    };
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    let target: SocketAddr = target.parse().map_err(Error::other)?;
    socket.connect(target).await
}

impl Client {
    /// Connects from `source`, or from any address, and upgrades.
    ///
    /// # Errors
    /// What the socket says; `Other` with the server's status line where it refuses.
    pub async fn open(
        target: &str,
        path: &str,
        room: usize,
        source: Option<Ipv4Addr>,
    ) -> Result<Self> {
        let stream = connect(target, source).await?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream,
            buffer: vec![0; room],
            from: 0,
            to: 0,
        };
        let ask = format!(
            "GET {path} HTTP/1.1\r\nhost: {target}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        client.send(ask.as_bytes()).await?;
        loop {
            client.more().await?;
            let got = &client.buffer[..client.to];
            if let Some(end) = got.windows(4).position(|w| w == b"\r\n\r\n") {
                if !got.starts_with(b"HTTP/1.1 101") {
                    let line = got.split(|b| *b == b'\r').next().unwrap_or_default();
                    return Err(Error::other(String::from_utf8_lossy(line).into_owned()));
                }
                client.from = end + 4;
                return Ok(client);
            }
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// What the socket says.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next text message that `wanted` takes; others are passed over, pings are answered.
    ///
    /// # Errors
    /// What the socket says; `ConnectionAborted` for a close frame.
    pub async fn text(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Result<&[u8]> {
        let found = self.wait(wanted).await?;
        Ok(&self.buffer[found])
    }

    async fn wait(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Result<Range<usize>> {
        loop {
            let (kind, start, end) = self.next().await?;
            self.from = end;
            match kind {
                1 if wanted(&self.buffer[start..end]) => return Ok(start..end),
                8 => return Err(ErrorKind::ConnectionAborted.into()),
                9 => {
                    let pong = masked(0x8a, &self.buffer[start..end]);
                    self.send(&pong).await?;
                }
                _ => {}
            }
        }
    }

    async fn next(&mut self) -> Result<(u8, usize, usize)> {
        loop {
            let got = &self.buffer[self.from..self.to];
            if let [first, second, rest @ ..] = got {
                let (head, length) = match (second & 0x7f, rest) {
                    (126, [a, b, ..]) => (4, Some(usize::from(u16::from_be_bytes([*a, *b])))),
                    (127, [a, b, c, d, e, f, g, h, ..]) => {
                        let long = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                        (10, usize::try_from(long).ok())
                    }
                    (short @ 0..=125, _) => (2, Some(usize::from(short))),
                    _ => (0, None),
                };
                if let Some(length) = length
                    && got.len() >= head + length
                {
                    let start = self.from + head;
                    return Ok((first & 0x0f, start, start + length));
                }
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<()> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        } else if self.to == self.buffer.len() {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        if self.to == self.buffer.len() {
            let more = self.buffer.len().max(1024);
            self.buffer.resize(self.buffer.len() + more, 0);
        }
        let count = self.stream.read(&mut self.buffer[self.to..]).await?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.to += count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::source;

    #[test]
    fn clients_are_dealt_to_the_addresses() {
        let dealt: Vec<_> = (0..4)
            .map(|n| source(n, 3).map(|ip| ip.octets()[3]))
            .collect();
        assert_eq!(dealt, [Some(1), Some(2), Some(3), Some(1)]);
        assert_eq!(source(5, 0), None);
    }
}
