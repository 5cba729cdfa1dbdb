//! Decides what an RTSP server is asked, and what its answers say: is there a stream with a picture?
//!
//! OPTIONS tells whether RTSP is spoken at all, DESCRIBE whether the path exists and what it carries (RFC 2326
//! §10.1, §10.2). An open port alone is no stream. The peer may be anybody: what is held of its answers is
//! bounded by [`LONGEST`].

pub mod io;

use std::net::{IpAddr, SocketAddr};

use rtsp_types::headers::{ACCEPT, CSEQ, USER_AGENT};
use rtsp_types::{Message, Method, ParseError, Request, Response, StatusCode, Version};
use sdp_types::Session;

use super::discovery::Media;

/// Bytes of one answer that are held.
pub const LONGEST: usize = 64 << 10;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Is RTSP spoken?
    Options,
    /// What is there?
    Describe,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// RTSP is spoken; what is there was not asked.
    Speaks,
    /// A stream with a picture.
    Stream(Media),
    /// There may be one, for those who log in.
    LogIn,
    /// No picture under this path.
    Nothing,
}

/// One request; `path` begins with a slash.
///
/// # Errors
/// A sentence, when address and path make no URL.
pub fn request(
    question: Question,
    peer: SocketAddr,
    path: &str,
    cseq: u32,
) -> Result<Vec<u8>, String> {
    let host = match peer.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let url = format!("rtsp://{host}:{}{path}", peer.port());
    let url = rtsp_types::Url::parse(&url).map_err(|e| format!("{url} is no URL: {e}"))?;
    let method = match question {
        Question::Options => Method::Options,
        Question::Describe => Method::Describe,
    };
    let request: Request<rtsp_types::Empty> = Request::builder(method, Version::V1_0)
        .request_uri(url)
        .header(CSEQ, cseq.to_string())
        .header(USER_AGENT, "camera-service")
        .header(ACCEPT, "application/sdp")
        .empty();
    let mut bytes = Vec::new();
    request
        .write(&mut bytes)
        .map_err(|e| format!("a request cannot be written: {e}"))?;
    Ok(bytes)
}

/// Reads the answer to `question` from all bytes that came after it; `None` while it is incomplete.
///
/// # Errors
/// A sentence, when this is no RTSP, or too much of it.
pub fn answer(question: Question, cseq: u32, bytes: &[u8]) -> Result<Option<Said>, String> {
    let (message, _) = match Message::<Vec<u8>>::parse(bytes) {
        Ok(parsed) => parsed,
        Err(ParseError::Incomplete(_)) if bytes.len() < LONGEST => return Ok(None),
        Err(ParseError::Incomplete(_)) => {
            return Err(format!("its answer is longer than {LONGEST} bytes"));
        }
        Err(ParseError::Error) => return Err("it does not speak RTSP".to_owned()),
    };
    let Message::Response(response) = message else {
        return Err("it asks instead of answering".to_owned());
    };
    let ours = response
        .header(&CSEQ)
        .is_none_or(|c| c.as_str().trim() == cseq.to_string());
    if !ours {
        return Err("it answers something that was not asked".to_owned());
    }
    Ok(Some(match question {
        Question::Options => Said::Speaks,
        Question::Describe => described(&response),
    }))
}

fn described(response: &Response<Vec<u8>>) -> Said {
    match response.status() {
        StatusCode::Ok => media(response.body()).map_or(Said::Nothing, Said::Stream),
        StatusCode::Unauthorized | StatusCode::Forbidden => Said::LogIn,
        _ => Said::Nothing,
    }
}

/// The codecs that are told apart, by their names in `a=rtpmap` (RFC 3551, RFC 6184, RFC 7798, …).
const CODECS: &[(&str, &str)] = &[
    ("H264", "h264"),
    ("H265", "h265"),
    ("MP2T", "mpegts"),
    ("JPEG", "mjpeg"),
    ("MP4V-ES", "mpeg4"),
    ("VP8", "vp8"),
    ("VP9", "vp9"),
    ("AV1", "av1"),
];

/// What a description (RFC 8866) says of the picture; `None` when it names none.
fn media(sdp: &[u8]) -> Option<Media> {
    let session = Session::parse(sdp).ok()?;
    let video = session.medias.iter().find(|m| m.media == "video")?;
    let names = |media: &sdp_types::Media| -> Vec<String> {
        media
            .get_attribute_values("rtpmap")
            .flatten()
            // `96 H264/90000`
            .filter_map(|map| map.split_whitespace().nth(1)?.split('/').next())
            .map(str::to_ascii_uppercase)
            .collect()
    };
    let mut all = names(video);
    // Static payload types need no rtpmap (RFC 3551 §6).
    match video.fmt.split_whitespace().next() {
        Some("33") => all.push("MP2T".to_owned()),
        Some("26") => all.push("JPEG".to_owned()),
        _ => {}
    }
    let codec = CODECS
        .iter()
        .find(|(name, _)| all.iter().any(|n| n == name))
        .map_or("unknown", |(_, word)| word);
    let klv = session
        .medias
        .iter()
        .any(|m| names(m).iter().any(|n| n == "SMPTE336M"));
    Some(Media {
        codec,
        metadata: if klv { "klv" } else { "none" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SDP: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";

    fn response(status: &str, body: &str) -> Vec<u8> {
        format!(
            "RTSP/1.0 {status}\r\nCSeq: 2\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    fn said(status: &str, body: &str) -> Said {
        answer(Question::Describe, 2, &response(status, body))
            .unwrap()
            .unwrap()
    }

    #[test]
    fn a_description_with_a_picture_is_a_stream_and_nothing_else_is() {
        let h264 = Media {
            codec: "h264",
            metadata: "none",
        };
        assert_eq!(said("200 OK", SDP), Said::Stream(h264));
        let klv = format!("{SDP}m=application 0 RTP/AVP 97\r\na=rtpmap:97 smpte336m/90000\r\n");
        assert_eq!(
            said("200 OK", &klv),
            Said::Stream(Media {
                metadata: "klv",
                ..h264
            })
        );
        let ts = SDP.replace("RTP/AVP 96\r\na=rtpmap:96 H264/90000", "RTP/AVP 33");
        assert_eq!(
            said("200 OK", &ts),
            Said::Stream(Media {
                codec: "mpegts",
                ..h264
            })
        );
        assert_eq!(
            said("200 OK", &SDP.replace("m=video", "m=audio")),
            Said::Nothing
        );
        assert_eq!(said("200 OK", "hello"), Said::Nothing);
        assert_eq!(said("404 Not Found", ""), Said::Nothing);
        assert_eq!(said("401 Unauthorized", ""), Said::LogIn);
    }

    #[test]
    fn whoever_speaks_something_else_is_no_stream() {
        for other in [
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            "SSH-2.0-x\r\n",
            "\0\0\0\0",
        ] {
            assert!(
                answer(Question::Options, 1, other.as_bytes()).is_err(),
                "{other:?}"
            );
        }
        let echo = request(Question::Options, "127.0.0.1:554".parse().unwrap(), "/", 2).unwrap();
        assert!(
            answer(Question::Options, 2, &echo).is_err(),
            "an echo is no answer"
        );
        assert!(answer(Question::Options, 3, &response("200 OK", "")).is_err());
        let endless = vec![b'a'; LONGEST];
        assert!(answer(Question::Options, 1, &endless).is_err());
    }

    #[test]
    fn an_answer_in_pieces_is_waited_for() {
        let whole = response("200 OK", SDP);
        for cut in 0..whole.len() {
            assert_eq!(
                answer(Question::Describe, 2, &whole[..cut]),
                Ok(None),
                "{cut}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_whatever_make_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..400), body in "\\PC{0,200}") {
            let _ = answer(Question::Describe, 2, &bytes);
            let _ = answer(Question::Describe, 2, &response("200 OK", &body));
            let _ = answer(Question::Describe, 2, &response("200 OK", &format!("{SDP}{body}")));
        }
    }
}
