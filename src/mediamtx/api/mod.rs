//! MediaMTX's control API (`/v3`), as far as we use it: what it says, read with tolerance.
//!
//! Fields come and go between versions: `available` was `ready`, `inboundBytes` was `bytesReceived`, `info`
//! is young. Unknown fields and words are passed over; an absent one is its empty value.

pub mod io;

use serde::Deserialize;
use uuid::Uuid;

/// Items asked for at once.
pub const PAGE: usize = 100;

/// Where one page of `kind` (`paths`, `rtspsessions` …) is.
#[must_use]
pub fn page_path(kind: &str, page: usize) -> String {
    format!("/v3/{kind}/list?itemsPerPage={PAGE}&page={page}")
}

/// One page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
pub struct Page<T> {
    /// Pages in all.
    #[serde(default)]
    pub page_count: usize,
    /// The items of this one.
    #[serde(default = "Vec::new")]
    pub items: Vec<T>,
}

/// `GET /v3/info`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Info {
    /// Such as `v1.20.1`.
    #[serde(default)]
    pub version: String,
}

/// What is behind a path, or in front of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Party {
    /// Such as `rtspSession`, `webRTCSession`, `hlsSession`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Its id in the list of its kind.
    #[serde(default)]
    pub id: String,
}

/// One path that exists now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawPath")]
pub struct PathInfo {
    /// Its name: for our cameras, the camera id.
    pub name: String,
    /// Somebody publishes, viewers can read.
    pub ready: bool,
    /// Who reads.
    pub readers: Vec<Party>,
    /// Bytes from the publisher.
    pub bytes_received: u64,
    /// Bytes to all readers.
    pub bytes_sent: u64,
    /// Who publishes.
    pub source: Option<Party>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPath {
    name: String,
    available: Option<bool>,
    ready: Option<bool>,
    readers: Option<Vec<Party>>,
    inbound_bytes: Option<u64>,
    bytes_received: Option<u64>,
    outbound_bytes: Option<u64>,
    bytes_sent: Option<u64>,
    source: Option<Party>,
}

impl From<RawPath> for PathInfo {
    fn from(raw: RawPath) -> Self {
        Self {
            name: raw.name,
            ready: raw.available.or(raw.ready).unwrap_or(false),
            readers: raw.readers.unwrap_or_default(),
            bytes_received: raw.inbound_bytes.or(raw.bytes_received).unwrap_or(0),
            bytes_sent: raw.outbound_bytes.or(raw.bytes_sent).unwrap_or(0),
            source: raw.source,
        }
    }
}

/// The kinds of session that can be listed and kicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionKind {
    /// RTSP, publishers and viewers.
    Rtsp,
    /// WHEP and WHIP.
    WebRtc,
    /// HLS viewers (MediaMTX 1.18 and newer).
    Hls,
}

impl SessionKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rtsp, Self::WebRtc, Self::Hls];

    /// The name in the API's addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rtsp => "rtspsessions",
            Self::WebRtc => "webrtcsessions",
            Self::Hls => "hlssessions",
        }
    }
}

/// One session. Its query is left out: it may hold a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawSession")]
pub struct Session {
    /// What it is kicked by.
    pub id: Uuid,
    /// The path it reads or publishes; empty until it has chosen one.
    pub path: String,
    /// It sends, rather than reads.
    pub publishes: bool,
    /// Address and port of the client.
    pub remote: String,
    /// The ids of its RTSP connections; MediaMTX asks for authorisation of DESCRIBE under such an id.
    pub connections: Vec<Uuid>,
    /// Bytes from the client.
    pub bytes_received: u64,
    /// Bytes to the client.
    pub bytes_sent: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSession {
    id: String,
    path: Option<String>,
    state: Option<String>,
    remote_addr: Option<String>,
    conns: Option<Vec<String>>,
    inbound_bytes: Option<u64>,
    bytes_received: Option<u64>,
    outbound_bytes: Option<u64>,
    bytes_sent: Option<u64>,
}

impl TryFrom<RawSession> for Session {
    type Error = uuid::Error;
    fn try_from(raw: RawSession) -> Result<Self, uuid::Error> {
        let connections = raw.conns.unwrap_or_default();
        Ok(Self {
            id: raw.id.parse()?,
            path: raw.path.unwrap_or_default(),
            publishes: raw.state.as_deref() == Some("publish"),
            remote: raw.remote_addr.unwrap_or_default(),
            connections: connections.iter().filter_map(|c| c.parse().ok()).collect(),
            bytes_received: raw.inbound_bytes.or(raw.bytes_received).unwrap_or(0),
            bytes_sent: raw.outbound_bytes.or(raw.bytes_sent).unwrap_or(0),
        })
    }
}

/// The sentence in an error answer, which is `{"error": "…"}`; else the start of whatever came.
#[must_use]
pub fn complaint(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Complaint {
        error: String,
    }
    serde_json::from_slice::<Complaint>(body).map_or_else(
        |_| {
            String::from_utf8_lossy(body)
                .trim()
                .chars()
                .take(200)
                .collect()
        },
        |c| c.error,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_is_read_the_same_from_1_20_and_from_1_15() {
        let new = json!({"name":"camera0","confName":"~^camera","ready":false,"available":true,"online":true,
            "source":{"type":"rtspSession","id":"a"},"tracks2":[{"codec":"H264","codecProps":null}],
            "readers":[{"type":"hlsSession","id":"b"}],"inboundBytes":7,"outboundBytes":9,"bytesReceived":1,"bytesSent":1});
        let old = json!({"name":"camera0","confName":"all","source":{"type":"rtspSession","id":"a"},"ready":true,
            "readyTime":"2026-01-01T00:00:00Z","tracks":["H264"],"bytesReceived":7,"bytesSent":9,
            "readers":[{"type":"hlsSession","id":"b"}]});
        let new: PathInfo = serde_json::from_value(new).unwrap();
        let old: PathInfo = serde_json::from_value(old).unwrap();
        assert_eq!(new, old);
        assert!(
            new.ready && new.readers.len() == 1 && new.bytes_received == 7 && new.bytes_sent == 9
        );
    }

    #[test]
    fn a_path_without_publisher_or_with_nulls_is_not_ready_and_empty() {
        let bare: PathInfo = serde_json::from_value(
            json!({"name":"camera1","source":null,"readers":null,"available":null}),
        )
        .unwrap();
        assert!(!bare.ready && bare.readers.is_empty() && bare.source.is_none());
        let page: Page<PathInfo> = serde_json::from_value(json!({"itemCount":0})).unwrap();
        assert!(page.items.is_empty());
    }

    #[test]
    fn a_session_says_whether_it_publishes_and_never_shows_its_query() {
        let id = "b2e8a0f4-7d5e-4a53-9f3e-0a8c5d0f3f11";
        let session: Session =
            serde_json::from_value(json!({"id":id,"state":"publish","path":"camera0",
            "query":"token=geheim","remoteAddr":"192.0.2.1:5","conns":[id],"inboundBytes":3}))
            .unwrap();
        assert!(session.publishes && session.connections.len() == 1);
        assert!(!format!("{session:?}").contains("geheim"));
    }

    #[test]
    fn a_complaint_is_found_in_json_and_in_anything_else() {
        assert_eq!(
            complaint(br#"{"status":"error","error":"path not found"}"#),
            "path not found"
        );
        assert_eq!(complaint(b"404 page not found\n"), "404 page not found");
    }
}
