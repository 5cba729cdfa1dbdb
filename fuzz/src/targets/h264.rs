//! H.264 from a camera or an encoder: the units of a stream, its parameter sets, what MediaMTX is told of it, and
//! its way into RTP packets and back.

use std::collections::HashSet;

use camera_service::capture::{Colour, Format, Frame, Matrix, PixelFormat, Range};
use camera_service::clock::Mono;
use camera_service::encode::Encoder;
use camera_service::encode::h264::{Contents, NalKind, nals, push_nal, ranges};
use camera_service::encode::m2m::headers::Headers;
use camera_service::encode::m2m::machine::Content;
use camera_service::encode::passthrough::Passthrough;
use camera_service::encode::sps::Sps;
use camera_service::stream::rtp::{Chunks, Packetizer};
use camera_service::stream::sdp;
use camera_service::units::{Rate, Size};

use crate::input::Input;

const START: [u8; 3] = [0, 0, 1];

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let payload = 64 + usize::from(input.byte()) * 8;
    let stream = input.rest();
    units(stream);
    parameters(stream);
    packets(stream, payload);
    let (first, second) = stream.split_at(stream.len() / 2);
    kept_complete(&[first, second, stream]);
    described(stream);
}

fn units(stream: &[u8]) {
    let mut again = Vec::new();
    let mut end = 0;
    for range in ranges(stream) {
        assert!(range.start >= end + START.len() && !range.is_empty());
        assert_eq!(stream[range.start - START.len()..range.start], START);
        end = range.end;
        let nal = &stream[range];
        assert!(!nal.windows(3).any(|window| window == START));
        assert_ne!(nal.last(), Some(&0));
        push_nal(&mut again, nal);
    }
    assert!(nals(stream).eq(nals(&again)));
    assert_eq!(Contents::of(stream), Contents::of(&again));
}

fn parameters(stream: &[u8]) {
    for nal in nals(stream).chain([stream]) {
        if let Some(sps) = Sps::parse(nal) {
            let possible = 1..=16_384;
            assert!(possible.contains(&sps.size.width) && possible.contains(&sps.size.height));
            assert_eq!(NalKind::of(nal), NalKind::Sps);
        }
    }
}

/// Takes the packets apart as a receiver does (RFC 6184): the units must be the ones that went in.
fn packets(stream: &[u8], payload: usize) {
    let mut packetizer = Packetizer::new(1, payload);
    let mut chunks = Chunks::new();
    let mut wire = Vec::new();
    packetizer.begin(stream, Mono::from_nanos(1));
    while !packetizer.is_done() {
        packetizer.fill(stream, &mut chunks);
        assert!(!chunks.is_empty(), "nothing moves");
        for chunk in &chunks {
            wire.extend_from_slice(chunk.prefix());
            wire.extend_from_slice(&stream[chunk.payload()]);
        }
        chunks.clear();
    }
    // A unit that itself has the type of a packet cannot be told from one; none of H.264's own has.
    if nals(stream).any(|nal| matches!(nal[0] & 0x1F, 24 | 28)) {
        return;
    }
    let mut units: Vec<Vec<u8>> = Vec::new();
    let mut rest = wire.as_slice();
    let mut marked = false;
    while let [b'$', 0, hi, lo, after @ ..] = rest {
        let (packet, after) = after.split_at(usize::from(u16::from_be_bytes([*hi, *lo])));
        rest = after;
        assert!(packet.len() <= 12 + payload && !marked);
        marked = packet[1] & 0x80 != 0;
        let body = &packet[12..];
        match body[0] & 0x1F {
            24 => {
                let mut body = &body[1..];
                while let [hi, lo, after @ ..] = body {
                    let (unit, after) = after.split_at(usize::from(u16::from_be_bytes([*hi, *lo])));
                    units.push(unit.to_vec());
                    body = after;
                }
            }
            28 if body[1] & 0x80 != 0 => {
                units.push(vec![body[0] & 0xE0 | body[1] & 0x1F]);
                units.last_mut().unwrap().extend(&body[2..]);
            }
            28 => units.last_mut().unwrap().extend(&body[2..]),
            _ => units.push(body.to_vec()),
        }
    }
    assert!(rest.is_empty());
    assert!(nals(stream).eq(units.iter().map(Vec::as_slice)));
    assert_eq!(marked, !units.is_empty());
}

/// Whatever goes out as a key frame can be decoded alone.
fn kept_complete(units: &[&[u8]]) {
    let format = Format {
        pixel: PixelFormat::H264,
        size: Size::new(640, 480),
        stride: 0,
        rate: Rate::fps(30),
        colour: Colour {
            matrix: Matrix::Bt601,
            range: Range::Limited,
            srgb: false,
        },
    };
    let mut passthrough = Passthrough::open(format).unwrap();
    let mut headers = Headers::new(4096);
    let mut started = false;
    let mut known: HashSet<&[u8]> = HashSet::new();
    for unit in units {
        known.extend(nals(unit));
        let frame = Frame {
            data: unit,
            sequence: 0,
            captured: Mono::from_nanos(1),
        };
        if let Ok(Some(out)) = passthrough.encode(&frame, false) {
            assert!(started || out.keyframe, "no viewer could begin here");
            started = true;
            assert!(!out.keyframe || Contents::of(out.data).is_keyframe());
            assert!(nals(out.data).all(|nal| known.contains(nal)));
        }
        let seen = headers.look(unit);
        assert!(!seen.bare || seen.content == Content::Key);
        if seen.bare {
            let joined = headers.join(unit);
            assert!(Contents::of(joined).is_keyframe());
            assert!(nals(joined).all(|nal| known.contains(nal)));
            assert!(joined.len() <= unit.len() + 4 + 2 * 512);
        }
    }
}

fn described(stream: &[u8]) {
    let text = sdp::describe(stream, "camera0");
    let session = sdp_types::Session::parse(&text).unwrap();
    assert_eq!(session.medias.len(), 1);
    let fmtp = session.medias[0].get_first_attribute_value("fmtp").unwrap();
    assert!(fmtp.unwrap().contains("packetization-mode=1"));
}
