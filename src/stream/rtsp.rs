//! The RTSP/1.0 session of a publisher: ANNOUNCE, SETUP, RECORD, TEARDOWN (RFC 2326 §10), over one
//! TCP connection with interleaved RTP (§10.12). Sans-IO: bytes in, bytes and events out.
//!
//! Credentials go with every request as Basic (RFC 7617), so MediaMTX has no reason to ask for them.
//! The peer is trusted to be neither well nor honest: what it may make us hold is bounded by
//! [`MAX_REPLY`].

use data_encoding::BASE64;
use rtsp_types::headers::{AUTHORIZATION, CONTENT_TYPE, CSEQ, SESSION, TRANSPORT, USER_AGENT};
use rtsp_types::{Message, Method, ParseError, Request, Response, Url, Version};

use super::sdp;

/// Bytes of one reply that are held while it is incomplete. MediaMTX's replies are below 500.
pub const MAX_REPLY: usize = 8 << 10;
/// Interleaved channels of RTP and RTCP (RFC 2326 §12.39).
pub const CHANNELS: (u8, u8) = (0, 1);

/// Which request is waiting for its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Left on the reply to ANNOUNCE.
    Announce,
    /// Left on the reply to SETUP.
    Setup,
    /// Left on the reply to RECORD.
    Record,
    /// Media flows. Left by TEARDOWN or by a broken peer.
    Recording,
    /// Nothing is sent or believed any more.
    Over,
}

/// What came of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// RECORD was answered: media may flow.
    Recording,
    /// The server said no.
    Refused {
        /// RTSP status code.
        status: u16,
        /// Which request, and the server's own words.
        reason: String,
    },
    /// The peer does not speak RTSP as we know it.
    Broken(String),
}

/// The client's side of one connection.
#[derive(Debug)]
pub struct Client {
    url: Url,
    authorization: Option<String>,
    phase: Phase,
    cseq: u32,
    session: Option<String>,
    /// A reply not yet complete; at most [`MAX_REPLY`] bytes.
    input: Vec<u8>,
    /// Bytes of an interleaved frame still to be skipped.
    skip: usize,
    output: Vec<u8>,
}

impl Client {
    /// A session about to announce `description` at `url`. An empty `user` sends no credentials.
    #[must_use]
    pub fn new(url: Url, user: &str, password: &str, description: Vec<u8>) -> Self {
        let authorization = (!user.is_empty()).then(|| {
            format!(
                "Basic {}",
                BASE64.encode(format!("{user}:{password}").as_bytes())
            )
        });
        let mut client = Self {
            url,
            authorization,
            phase: Phase::Announce,
            cseq: 0,
            session: None,
            // Its bound at once, so that no reply makes it grow later.
            input: Vec::with_capacity(MAX_REPLY),
            skip: 0,
            output: Vec::new(),
        };
        let request = client
            .request(Method::Announce, client.url.clone())
            .header(CONTENT_TYPE, "application/sdp")
            .build(description);
        client.send(&request);
        client
    }

    /// Bytes for the peer, if there are any; whole requests.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Vec<u8>> {
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output))
    }

    /// Takes bytes from the peer. Stops at the first event that ends the session.
    pub fn handle_bytes(&mut self, mut bytes: &[u8]) -> Option<Event> {
        let mut event = None;
        while !bytes.is_empty() && self.phase != Phase::Over {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let room = (MAX_REPLY - self.input.len()).min(bytes.len());
            self.input.extend_from_slice(&bytes[..room]);
            bytes = &bytes[room..];
            event = self.parse().or(event);
            if self.input.len() == MAX_REPLY {
                event = Some(self.broken("a reply is longer than 8 KiB"));
            }
        }
        event
    }

    /// Asks the peer to end the session; the caller sends what [`Client::poll_output`] gives.
    pub fn teardown(&mut self) {
        if self.phase != Phase::Over {
            let request = self.request(Method::Teardown, self.url.clone()).empty();
            self.send(&request);
            self.phase = Phase::Over;
        }
    }

    /// Bytes held of incomplete replies.
    #[must_use]
    pub fn held(&self) -> usize {
        self.input.len()
    }

    /// Handles every whole message in `input`; leaves at most a partial one.
    fn parse(&mut self) -> Option<Event> {
        let mut event = None;
        let mut at = 0;
        while at < self.input.len() && self.phase != Phase::Over {
            let rest = &self.input[at..];
            if rest[0] == b'$' {
                // Receiver reports: nothing in them that the socket does not tell sooner.
                let &[_, _, hi, lo, ref body @ ..] = rest else {
                    break;
                };
                let len = usize::from(u16::from_be_bytes([hi, lo]));
                self.skip = len.saturating_sub(body.len());
                at += 4 + len.min(body.len());
                continue;
            }
            match Message::<Vec<u8>>::parse(rest) {
                Ok((Message::Response(reply), used)) => {
                    at += used.max(1);
                    event = self.reply(&reply).or(event);
                }
                // A server may ask too; MediaMTX does not, and no answer is owed for the media.
                Ok((_, used)) => at += used.max(1),
                Err(ParseError::Incomplete(_)) => break,
                Err(ParseError::Error) => {
                    event = Some(self.broken("the peer does not speak RTSP"));
                }
            }
        }
        self.input.drain(..at.min(self.input.len()));
        event
    }

    fn reply(&mut self, reply: &Response<Vec<u8>>) -> Option<Event> {
        let asked = match self.phase {
            Phase::Announce => "ANNOUNCE",
            Phase::Setup => "SETUP",
            Phase::Record => "RECORD",
            Phase::Recording | Phase::Over => return None,
        };
        let number = reply.header(&CSEQ).map(|v| v.as_str().trim());
        if number.and_then(|n| n.parse().ok()) != Some(self.cseq) {
            return Some(self.broken("a reply has another CSeq than its request"));
        }
        let status = u16::from(reply.status());
        if !reply.status().is_success() {
            let mut reason = format!(
                "MediaMTX answered {asked} with {status} {}",
                reply.reason_phrase()
            );
            let body: String = String::from_utf8_lossy(reply.body())
                .chars()
                .take(200)
                .collect();
            if !body.trim().is_empty() {
                reason = format!("{reason}: {}", body.trim());
            }
            self.phase = Phase::Over;
            return Some(Event::Refused { status, reason });
        }
        if let Some(session) = reply.header(&SESSION) {
            // RFC 2326 §12.37: the identifier ends at the first semicolon.
            let id = session
                .as_str()
                .split(';')
                .next()
                .unwrap_or_default()
                .trim();
            self.session = Some(id.to_owned());
        }
        match self.phase {
            Phase::Announce => {
                self.phase = Phase::Setup;
                let (rtp, rtcp) = CHANNELS;
                let transport = format!("RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp};mode=record");
                let mut track = self.url.clone();
                track.set_path(&format!("{}/{}", self.url.path(), sdp::CONTROL));
                let request = self
                    .request(Method::Setup, track)
                    .header(TRANSPORT, transport)
                    .empty();
                self.send(&request);
                None
            }
            Phase::Setup => {
                self.phase = Phase::Record;
                let request = self.request(Method::Record, self.url.clone()).empty();
                self.send(&request);
                None
            }
            _ => {
                self.phase = Phase::Recording;
                Some(Event::Recording)
            }
        }
    }

    fn request(&mut self, method: Method, url: Url) -> rtsp_types::RequestBuilder {
        self.cseq += 1;
        let mut request = Request::builder(method, Version::V1_0)
            .request_uri(url)
            .header(CSEQ, self.cseq.to_string())
            .header(
                USER_AGENT,
                concat!("camera-service/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.as_str());
        }
        if let Some(session) = &self.session {
            request = request.header(SESSION, session.as_str());
        }
        request
    }

    fn send<B: AsRef<[u8]>>(&mut self, request: &Request<B>) {
        // Writing to memory cannot fail.
        let _ = request.write(&mut self.output);
    }

    fn broken(&mut self, what: &str) -> Event {
        self.phase = Phase::Over;
        self.input.clear();
        Event::Broken(what.to_owned())
    }
}

#[cfg(test)]
mod tests;
