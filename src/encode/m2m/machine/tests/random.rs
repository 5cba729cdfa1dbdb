//! Histories that nobody would think of.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::*;
use super::rig::{Owner, Rig, at};
use crate::clock::Mono;

/// Anything a pair of devices, good or mad, may do.
#[derive(Debug, Clone, Copy)]
enum Happening {
    /// The camera gives a frame from the buffer it has longest, its stamp so many µs later (or not).
    Capture {
        later: i16,
    },
    Spoilt,
    /// The encoder gives back one of those it has.
    Return {
        which: u8,
    },
    /// The encoder codes one of the frames it ever took.
    Code {
        which: u8,
        content: Content,
    },
    /// The encoder gives a coded buffer with this stamp.
    CodeForeign {
        stamp: u64,
        content: Content,
    },
    Release,
    KeyWanted,
    /// The next so many orders are refused.
    Refuse {
        orders: u8,
    },
    Restart,
    Ended,
    /// A driver names any buffer at all.
    LieRaw {
        camera: bool,
        index: u32,
    },
    LieCoded {
        index: u32,
        stamp: u64,
        content: Content,
    },
    /// The shell reports an order that was never given.
    Nonsense {
        index: u32,
        taken: bool,
    },
    /// Somebody releases what was not lent.
    FalseRelease {
        index: u32,
    },
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        4 => Just(Content::Delta),
        2 => Just(Content::Key),
        1 => Just(Content::Empty),
        1 => Just(Content::Headers),
        1 => Just(Content::Damaged),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let index = || prop_oneof![8 => 0_u32..20, 1 => any::<u32>()];
    prop_oneof![
        12 => any::<i16>().prop_map(|later| Happening::Capture { later }),
        1 => Just(Happening::Spoilt),
        10 => any::<u8>().prop_map(|which| Happening::Return { which }),
        10 => (any::<u8>(), content()).prop_map(|(which, content)| Happening::Code { which, content }),
        2 => (any::<u64>(), content())
            .prop_map(|(stamp, content)| Happening::CodeForeign { stamp, content }),
        8 => Just(Happening::Release),
        2 => Just(Happening::KeyWanted),
        2 => (0_u8..40).prop_map(|orders| Happening::Refuse { orders }),
        1 => Just(Happening::Restart),
        1 => Just(Happening::Ended),
        2 => (any::<bool>(), index()).prop_map(|(camera, index)| Happening::LieRaw { camera, index }),
        2 => (index(), any::<u64>(), content())
            .prop_map(|(index, stamp, content)| Happening::LieCoded { index, stamp, content }),
        1 => (index(), any::<bool>())
            .prop_map(|(index, taken)| Happening::Nonsense { index, taken }),
        1 => index().prop_map(|index| Happening::FalseRelease { index }),
    ]
}

/// Runs a history against the rig, which panics on an order for a buffer that is not ours.
fn live_through(feed: Feed, raw: usize, coded: usize, depth: usize, history: &[Happening]) {
    let mut rig = Rig::new(feed, raw, coded, depth);
    let mut refuse = 0_u8;
    let mut given: Vec<Stamp> = Vec::new();
    let mut stamps: BTreeMap<Mono, u32> = BTreeMap::new();
    for happening in history {
        match *happening {
            Happening::Capture { later } => {
                let micros = i64::try_from(rig.clock / 1000).unwrap() + i64::from(later);
                rig.clock = u64::try_from(micros.max(0)).unwrap() * 1000;
                let frame = Frame {
                    captured: Mono::from_nanos(rig.clock),
                    dequeued: Mono::from_nanos(rig.clock),
                };
                *stamps.entry(frame.captured).or_default() += 1;
                match feed {
                    Feed::Import => {
                        if let Some(raw) = held(&rig.raw, Owner::Camera) {
                            rig.raw[at(raw)] = Owner::Us;
                            rig.tell(Event::Captured(RawIndex(raw), frame));
                        }
                    }
                    Feed::Copy => match rig.machine.vacant() {
                        Some(raw) => rig.tell(Event::Captured(raw, frame)),
                        None => rig.machine.handle(Event::Overrun),
                    },
                }
            }
            Happening::Spoilt => {
                if feed == Feed::Import
                    && let Some(raw) = held(&rig.raw, Owner::Camera)
                {
                    rig.raw[at(raw)] = Owner::Us;
                    rig.machine.handle(Event::Spoilt(RawIndex(raw)));
                }
            }
            Happening::Return { which } => {
                if !rig.inside.is_empty() {
                    let (_, raw) = rig.inside.remove(usize::from(which) % rig.inside.len());
                    rig.raw[at(raw.0)] = Owner::Us;
                    rig.machine.handle(Event::Returned(raw));
                }
            }
            Happening::Code { which, content } => {
                if !given.is_empty()
                    && let Some(coded) = held(&rig.coded, Owner::Encoder)
                {
                    let recent = given.len().min(8);
                    let stamp = given[given.len() - 1 - usize::from(which) % recent];
                    rig.coded[at(coded)] = Owner::Us;
                    rig.tell(Event::Coded(CodedIndex(coded), stamp, content));
                }
            }
            Happening::CodeForeign { stamp, content } => {
                if let Some(coded) = held(&rig.coded, Owner::Encoder) {
                    rig.coded[at(coded)] = Owner::Us;
                    let event = Event::Coded(CodedIndex(coded), Stamp(stamp), content);
                    rig.tell(event);
                }
            }
            Happening::Release => {
                for place in 0..rig.coded.len() {
                    if rig.coded[place] == Owner::Reader {
                        rig.coded[place] = Owner::Us;
                        let coded = CodedIndex(u32::try_from(place).unwrap());
                        rig.machine.handle(Event::Released(coded));
                    }
                }
            }
            Happening::KeyWanted => rig.machine.handle(Event::KeyWanted),
            Happening::Refuse { orders } => refuse = orders,
            Happening::Restart => {
                rig.raw.fill(Owner::Us);
                rig.coded.fill(Owner::Us);
                rig.inside.clear();
                rig.gave_up = None;
                rig.machine.handle(Event::Restarted);
            }
            Happening::Ended => rig.machine.handle(Event::Ended),
            Happening::LieRaw { camera, index } => {
                let truth = rig.raw.get(at(index)).copied();
                if camera && feed == Feed::Import && truth != Some(Owner::Camera) {
                    let frame = rig.frame();
                    rig.tell(Event::Captured(RawIndex(index), frame));
                } else if !camera && truth != Some(Owner::Encoder) {
                    rig.machine.handle(Event::Returned(RawIndex(index)));
                }
            }
            Happening::LieCoded {
                index,
                stamp,
                content,
            } => {
                if rig.coded.get(at(index)) != Some(&Owner::Encoder) {
                    let event = Event::Coded(CodedIndex(index), Stamp(stamp), content);
                    rig.machine.handle(event);
                }
            }
            Happening::Nonsense { index, taken } => {
                let outcome = if taken {
                    Outcome::Taken
                } else {
                    Outcome::Refused
                };
                // All orders were obeyed, so whatever is reported here was not ordered.
                if rig.machine.poll().is_none() {
                    let order = Order::Encode(RawIndex(index), Stamp(u64::MAX));
                    rig.machine.handle(Event::Done(order, outcome));
                    rig.machine.handle(Event::Done(Order::ForceKey, outcome));
                }
            }
            Happening::FalseRelease { index } => {
                if rig.coded.get(at(index)) != Some(&Owner::Reader) {
                    rig.machine.handle(Event::Released(CodedIndex(index)));
                }
            }
        }
        rig.obey(&mut |_| {
            if refuse > 0 {
                refuse -= 1;
                Outcome::Refused
            } else {
                Outcome::Taken
            }
        });
        given.extend(
            rig.inside
                .iter()
                .map(|(stamp, _)| *stamp)
                .filter(|stamp| !given.contains(stamp))
                .collect::<Vec<_>>(),
        );
        check(&rig, depth);
    }
    // Every stamp that went out was a frame's own, and no frame went out twice.
    for captured in &rig.emitted {
        let left = stamps.get_mut(captured);
        let left = left.unwrap_or_else(|| panic!("{captured:?} was never captured"));
        assert!(*left > 0, "{captured:?} went out twice");
        *left -= 1;
    }
}

/// The first buffer that `owner` holds.
fn held(owners: &[Owner], owner: Owner) -> Option<u32> {
    let place = owners.iter().position(|o| *o == owner)?;
    u32::try_from(place).ok()
}

/// What must hold whenever all orders are carried out.
fn check(rig: &Rig, depth: usize) {
    let counts = rig.counts();
    let ends = counts.emitted
        + counts.late
        + counts.refused
        + counts.swallowed
        + counts.damaged
        + counts.undecodable
        + counts.lost;
    let in_flight = rig.machine.in_flight() as u64;
    assert_eq!(counts.taken, ends + in_flight, "{counts:?}");
    assert_eq!(counts.emitted, rig.emitted.len() as u64);
    let ahead = rig.raw.iter().filter(|o| **o == Owner::Encoder).count();
    assert!(ahead <= depth, "{ahead} frames ahead");
    if rig.gave_up.is_none() {
        // None is lost: what is ours was given on, except what the encoder refuses.
        if rig.feed == Feed::Import {
            assert!(!rig.raw.contains(&Owner::Us), "{:?}", rig.raw);
        }
        let kept = rig.coded.iter().filter(|o| **o == Owner::Us).count();
        let shelved = rig.machine.coded.iter();
        let shelved = shelved.filter(|s| **s == CodedState::Shelved).count();
        assert_eq!(kept, shelved);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_shrink_iters: 20_000,
        ..ProptestConfig::default() // the number of cases: PROPTEST_CASES
    })]

    #[test]
    fn whatever_the_devices_do_every_buffer_has_one_owner_and_every_frame_one_end(
        copy: bool,
        depth in 1_usize..5,
        spare in 1_usize..5,
        coded in 1_usize..6,
        history in prop::collection::vec(happening(), 0..200),
    ) {
        let feed = if copy { Feed::Copy } else { Feed::Import };
        live_through(feed, depth + spare, coded, depth, &history);
    }
}
