//! The session description that ANNOUNCE carries (RFC 8866; H.264 parameters RFC 6184 §8.2).

use data_encoding::BASE64;
use std::net::{IpAddr, Ipv4Addr};

use sdp_types::{AddrType, Connection, Media, MediaType, Origin, Session, Time, TransportProto};

use super::rtp;
use crate::encode::h264::{NalKind, nals};

/// `a=control` of the one track; SETUP appends it to the presentation's URL.
pub const CONTROL: &str = "trackID=0";

/// Describes one H.264 track. `key_frame` is an access unit in Annex B; parameter sets found in it go
/// into `sprop-parameter-sets`, so that a reader can set up its decoder before the first picture.
#[must_use]
pub fn describe(key_frame: &[u8], name: &str) -> Vec<u8> {
    let find = |wanted| nals(key_frame).find(|nal| NalKind::of(nal) == wanted);
    let payload_type = rtp::PAYLOAD_TYPE;
    // MediaMTX refuses packetization-mode 0, which is also what a missing one means.
    let mut fmtp = format!("{payload_type} packetization-mode=1");
    if let (Some(sps), Some(pps)) = (find(NalKind::Sps), find(NalKind::Pps)) {
        if let [_, profile, constraints, level, ..] = sps {
            fmtp += &format!("; profile-level-id={profile:02X}{constraints:02X}{level:02X}");
        }
        let (sps, pps) = (BASE64.encode(sps), BASE64.encode(pps));
        fmtp += &format!("; sprop-parameter-sets={sps},{pps}");
    }
    let rtpmap = format!("{payload_type} H264/{}", rtp::CLOCK_RATE);
    let media = Media::builder(
        MediaType::Video,
        0,
        TransportProto::RtpAvp,
        payload_type.to_string(),
    )
    .attribute_with_value("rtpmap", rtpmap)
    .attribute_with_value("fmtp", fmtp)
    .attribute_with_value("control", CONTROL)
    .build();
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let origin = Origin::new(
        "0",
        0,
        sdp_types::NetType::In,
        AddrType::Ip4,
        here.to_string(),
    );
    let session = Session::builder(origin, name)
        .connection(Connection::from_ip_addr(here))
        .time(Time::new(0, 0))
        .media(media)
        .build();
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = session.write(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_FRAME: &[u8] = &[
        0, 0, 0, 1, 0x67, 0x42, 0xC0, 0x1E, 0xAA, 0, 0, 0, 1, 0x68, 0xCE, 0x3C, 0x80, 0, 0, 1,
        0x65, 1,
    ];

    #[test]
    fn the_description_names_mode_profile_parameter_sets_and_control() {
        let text = String::from_utf8(describe(KEY_FRAME, "camera0")).unwrap();
        let expected = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera0\r\nc=IN IP4 127.0.0.1\r\n\
            t=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
            a=fmtp:96 packetization-mode=1; profile-level-id=42C01E; \
            sprop-parameter-sets=Z0LAHqo=,aM48gA==\r\na=control:trackID=0\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn without_parameter_sets_the_mode_is_still_named() {
        let text = String::from_utf8(describe(&[0, 0, 1, 0x65, 1], "x")).unwrap();
        assert!(
            text.contains("a=fmtp:96 packetization-mode=1\r\n"),
            "{text}"
        );
    }
}
