//! What goes on the wire is what was pushed, byte by byte, from wherever it is taken.

use super::tests::{Rig, at};
use super::*;
use crate::stream::rtp::Chunks;
use proptest::prelude::*;

/// An access unit of several NAL units, its number in the second and third byte of each.
fn unit(number: u64, keyframe: bool, slices: &[usize]) -> Vec<u8> {
    let digits = [number / 200, number % 200].map(|d| u8::try_from(d).unwrap() + 1);
    let mut data = vec![];
    let mut add = |head: u8, len: usize| {
        data.extend([0, 0, 0, 1, head]);
        data.extend(digits);
        data.extend((0..len).map(|i| u8::try_from(1 + (i + len) % 251).unwrap()));
    };
    if keyframe {
        add(0x67, 20);
        add(0x68, 4);
    }
    for &len in slices {
        add(if keyframe { 0x65 } else { 0x41 }, len);
    }
    data
}

/// The RTP payloads of an access unit that is packetized all at once.
fn payloads(data: &[u8]) -> Vec<Vec<u8>> {
    let mut rtp = Packetizer::new(1, 1440);
    rtp.begin(data, Mono::default());
    let (mut found, mut wire) = (vec![], vec![]);
    while !rtp.is_done() {
        let mut batch = Chunks::new();
        rtp.fill(data, &mut batch);
        for chunk in &batch {
            wire.extend_from_slice(chunk.prefix());
            wire.extend_from_slice(&data[chunk.payload()]);
            if chunk.ends_packet {
                found.push(wire.split_off(16));
                wire.clear();
            }
        }
    }
    found
}

/// Compares what a session sent with what was pushed; returns the access units it sent in full.
fn whole_units(rig: &Rig, pushed: &[Vec<u8>]) -> Vec<usize> {
    let mut whole = vec![];
    let mut under_way: Option<(usize, usize)> = None;
    for (channel, packet) in rig.frames() {
        let payload = &packet[12..];
        if channel == 1 || payload == [9, 0xF0] {
            continue;
        }
        let at = match payload[0] & 0x1F {
            24 => 4,
            28 => 2,
            _ => 1,
        };
        let starts = payload[0] & 0x1F != 28 || payload[1] & 0x80 != 0;
        let number = if starts {
            (usize::from(payload[at]) - 1) * 200 + usize::from(payload[at + 1]) - 1
        } else {
            under_way.expect("a fragment without a start").0
        };
        let place = match under_way {
            Some((same, place)) if same == number => place,
            _ => 0,
        };
        let expected = payloads(&pushed[number]);
        assert_eq!(
            payload, expected[place],
            "packet {place} of picture {number}"
        );
        under_way = Some((number, place + 1));
        let marked = packet[1] & 0x80 != 0;
        assert_eq!(marked, place + 1 == expected.len());
        if marked {
            whole.push(number);
            under_way = None;
        }
    }
    whole
}

#[derive(Debug, Clone)]
enum Step {
    /// A picture, and what the socket takes at a time while the ring has no copy of it.
    Push {
        keyframe: bool,
        slices: Vec<usize>,
        writes: Vec<usize>,
    },
    Write(usize),
    Fail,
    Wait(u64),
}

fn taken() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0usize), 4 => 1usize..40, 4 => 40usize..9000, 2 => Just(usize::MAX)]
}

fn step() -> impl Strategy<Value = Step> {
    let slices = proptest::collection::vec(prop_oneof![1usize..60, 1000usize..5000], 1..5);
    let writes = proptest::collection::vec(taken(), 0..8);
    prop_oneof![
        10 => (prop::bool::weighted(0.2), slices, writes)
            .prop_map(|(keyframe, slices, writes)| Step::Push { keyframe, slices, writes }),
        6 => taken().prop_map(Step::Write),
        1 => Just(Step::Fail),
        2 => (1u64..900).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn every_byte_is_right_whatever_the_socket_takes_and_whatever_leaves_the_ring(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut rig = Rig::new();
        let mut pushed: Vec<Vec<u8>> = vec![];
        let (mut now, mut whole) = (at(0), std::collections::BTreeSet::new());
        for step in steps {
            match step {
                Step::Push { keyframe, slices, writes } => {
                    let data = unit(rig.pushed, keyframe, &slices);
                    let au = AccessUnit { data: &data, keyframe, captured: now.mono };
                    rig.push_and_write(&au, &writes, now);
                    pushed.push(data);
                }
                Step::Write(most) => { rig.write(most, now); }
                Step::Fail => rig.machine.failed("gone", now),
                Step::Wait(millis) => {
                    now = at(now.mono.as_nanos() / 1_000_000 + millis);
                    rig.machine.handle_timeout(now);
                }
            }
            if rig.machine.state() == State::Connecting {
                whole.extend(whole_units(&rig, &pushed));
                rig.record(now);
            }
        }
        whole.extend(whole_units(&rig, &pushed));
        // A picture that left the ring inside its last packet counts as lost; its rest went out all the same.
        let (sent, whole) = (rig.sent(), whole.len() as u64);
        prop_assert!(sent <= whole && whole <= rig.pushed, "{} counted, {} came", sent, whole);
    }
}

#[test]
fn a_picture_goes_out_from_where_the_encoder_left_it_while_the_session_keeps_up() {
    let mut rig = Rig::new();
    let first = unit(0, true, &[3000]);
    let au = |data, keyframe| AccessUnit {
        data,
        keyframe,
        captured: at(0).mono,
    };
    rig.push_and_write(&au(&first, true), &[], at(0));
    rig.record(at(0));
    rig.drain(at(0));

    let data = unit(1, false, &[2000, 10, 3000]);
    let timing = Timing {
        dequeued: at(0).mono,
        encoded: at(0).mono,
    };
    rig.machine.push(&au(&data, false), Some(timing), at(0));
    rig.machine.fill(&data, at(0));
    let own = data.as_ptr_range();
    let slices = rig.machine.slices(&data);
    // Packet headers are 16 to 19 bytes; whatever is longer is picture.
    let picture = slices.iter().filter(|s| s.len() > 19);
    let found: Vec<bool> = picture.map(|s| own.contains(&s.as_ptr())).collect();
    drop(slices);
    assert!(
        found.len() >= 4 && found.iter().all(|own| *own),
        "{found:?}"
    );

    // The socket takes half of it; the rest comes from the copy.
    rig.machine.written(2500, at(0).mono);
    rig.machine.store(&data);
    let slices = rig.machine.slices(&[]);
    let left: usize = slices.iter().map(|s| s.len()).sum();
    assert!(left > 2500, "{left} bytes left");
    assert!(slices.iter().all(|s| !own.contains(&s.as_ptr())));
}
