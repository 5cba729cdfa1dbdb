use super::*;
use proptest::prelude::*;

/// One packet as a receiver sees it.
struct Packet {
    marker: bool,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: Vec<u8>,
}

/// Runs the packetizer to the end, batch by batch, and parses what goes on the wire.
fn packets(rtp: &mut Packetizer, au: &[u8], captured: Mono) -> Vec<Packet> {
    let mut wire = Vec::new();
    rtp.begin(au, captured);
    while !rtp.is_done() {
        let mut batch = Chunks::new();
        rtp.fill(au, &mut batch);
        for chunk in &batch {
            wire.extend_from_slice(chunk.prefix());
            wire.extend_from_slice(&au[chunk.payload()]);
        }
    }
    parse(&wire)
}

fn parse(mut wire: &[u8]) -> Vec<Packet> {
    let mut found = Vec::new();
    while let [b'$', 0, hi, lo, rest @ ..] = wire {
        let (packet, next) = rest.split_at(usize::from(u16::from_be_bytes([*hi, *lo])));
        assert_eq!(packet[0], 0x80, "version 2, no padding, extension or CSRC");
        assert_eq!(packet[1] & 0x7F, PAYLOAD_TYPE);
        let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
        found.push(Packet {
            marker: packet[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([packet[2], packet[3]]),
            timestamp: word(4),
            ssrc: word(8),
            payload: packet[12..].to_vec(),
        });
        wire = next;
    }
    assert!(wire.is_empty(), "bytes outside a frame");
    found
}

/// RFC 6184 §5.6–5.8 the other way round.
fn depacketize(packets: &[Packet]) -> Vec<Vec<u8>> {
    let mut nals: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    for packet in packets {
        let payload = &packet.payload;
        match payload[0] & 0x1F {
            STAP_A => {
                let mut rest = &payload[1..];
                while let [hi, lo, tail @ ..] = rest {
                    let (nal, next) = tail.split_at(usize::from(u16::from_be_bytes([*hi, *lo])));
                    nals.push(nal.to_vec());
                    rest = next;
                }
                assert!(rest.is_empty());
            }
            FU_A => {
                let (start, end) = (payload[1] & 0x80 != 0, payload[1] & 0x40 != 0);
                assert!(!(start && end), "a fragmented unit needs two fragments");
                assert_eq!(start, !open);
                if start {
                    nals.push(vec![(payload[0] & 0xE0) | (payload[1] & 0x1F)]);
                }
                nals.last_mut().unwrap().extend_from_slice(&payload[2..]);
                open = !end;
            }
            _ => nals.push(payload.clone()),
        }
    }
    assert!(!open);
    nals
}

fn annex_b(nals: &[Vec<u8>]) -> Vec<u8> {
    nals.iter()
        .flat_map(|nal| [&[0, 0, 0, 1], nal.as_slice()].concat())
        .collect()
}

/// A NAL unit of `len` bytes without zeros, so that no start code hides inside.
fn nal(head: u8, len: usize) -> Vec<u8> {
    let body = (1..len).map(|i| u8::try_from(1 + i % 251).unwrap());
    std::iter::once(head).chain(body).collect()
}

proptest! {
    #[test]
    fn a_receiver_gets_the_same_nal_units_back_whatever_their_sizes(
        sizes in proptest::collection::vec(prop_oneof![1usize..40, 1400usize..1500, 1usize..20_000], 1..40),
        max in prop_oneof![Just(1440usize), 64usize..2000, Just(60_000)],
    ) {
        let heads = [0x67, 0x68, 0x65, 0x41, 0x06];
        let nals: Vec<_> = sizes.iter().enumerate().map(|(i, &n)| nal(heads[i % 5], n)).collect();
        let mut rtp = Packetizer::new(7, max);
        let packets = packets(&mut rtp, &annex_b(&nals), Mono::from_nanos(1));
        prop_assert_eq!(depacketize(&packets), nals);
        prop_assert!(packets.iter().all(|p| p.payload.len() <= max));
        let marked: Vec<_> = packets.iter().map(|p| p.marker).collect();
        prop_assert!(marked.iter().rev().skip(1).all(|m| !m) && marked.last() == Some(&true));
        prop_assert!(packets.windows(2).all(|w| w[1].sequence == w[0].sequence.wrapping_add(1)));
        prop_assert!(packets.iter().all(|p| p.ssrc == rtp.ssrc() && p.timestamp == packets[0].timestamp));
        let octets: usize = packets.iter().map(|p| p.payload.len()).sum();
        prop_assert_eq!(rtp.totals(), (u32::try_from(packets.len()).unwrap(), u32::try_from(octets).unwrap()));
    }
}

#[test]
fn parameter_sets_share_one_packet_and_a_large_idr_follows_in_fragments() {
    let nals = [nal(0x67, 20), nal(0x68, 5), nal(0x65, 5000)];
    let mut rtp = Packetizer::new(0, 1440);
    let packets = packets(&mut rtp, &annex_b(&nals), Mono::from_nanos(0));
    assert_eq!(packets[0].payload[0], 0x60 | STAP_A);
    let types: Vec<_> = packets.iter().map(|p| p.payload[0] & 0x1F).collect();
    assert_eq!(types, [STAP_A, FU_A, FU_A, FU_A, FU_A]);
}

#[test]
fn a_second_of_the_monotonic_clock_is_ninety_thousand_ticks_and_both_counters_wrap() {
    let mut rtp = Packetizer::new(3, 1440);
    let at = |secs: u64| Mono::from_nanos(secs * 1_000_000_000);
    assert_eq!(rtp.time(at(6)).wrapping_sub(rtp.time(at(5))), 90_000);
    // 2³² ticks are 47721 s and 76096 ticks: well within an uptime.
    assert_eq!(
        rtp.time(at(100_000)).wrapping_sub(rtp.time(at(0))),
        u32::try_from(100_000u64 * 90_000 % (1 << 32)).unwrap()
    );
    rtp.sequence = u16::MAX;
    let au = annex_b(&[nal(0x65, 3000)]);
    let numbers: Vec<_> = packets(&mut rtp, &au, at(1))
        .iter()
        .map(|p| p.sequence)
        .collect();
    assert_eq!(numbers, [u16::MAX, 0, 1]);
}

#[test]
fn the_primer_is_one_delimiter_with_the_time_of_the_picture_after_it() {
    let mut rtp = Packetizer::new(9, 1440);
    let mut wire = Vec::new();
    let captured = Mono::from_nanos(77_000_000);
    rtp.primer(captured, &mut wire);
    let primer = &parse(&wire)[0];
    assert_eq!(primer.payload, [AUD, 0xF0]);
    assert!(!primer.marker);
    let next = packets(&mut rtp, &annex_b(&[nal(0x65, 10)]), captured);
    assert_eq!(next[0].timestamp, primer.timestamp);
    assert_eq!(next[0].sequence, primer.sequence.wrapping_add(1));
}

#[test]
fn an_access_unit_without_nal_units_makes_no_packet() {
    let mut rtp = Packetizer::new(9, 1440);
    assert!(packets(&mut rtp, &[1, 2, 3], Mono::from_nanos(0)).is_empty());
}
