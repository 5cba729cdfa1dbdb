use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What both devices hold, as an onlooker would note it: the orders that were obeyed and the events
/// that really happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Us,
    Camera,
    Encoder,
    Reader,
}

struct Rig {
    machine: Machine,
    feed: Feed,
    raw: Vec<Owner>,
    coded: Vec<Owner>,
    /// Stamps the encoder has, oldest first.
    inside: Vec<(Stamp, RawIndex)>,
    emitted: Vec<Mono>,
    forced: u32,
    gave_up: Option<Reason>,
    clock: u64,
}

impl Rig {
    fn new(feed: Feed, raw: usize, coded: usize, depth: usize) -> Self {
        let mut rig = Self {
            machine: Machine::new(feed, raw, coded, depth).unwrap(),
            feed,
            raw: vec![Owner::Us; raw],
            coded: vec![Owner::Us; coded],
            inside: Vec::new(),
            emitted: Vec::new(),
            forced: 0,
            gave_up: None,
            clock: 1_000_000,
        };
        rig.obey(&mut |_| Outcome::Taken);
        rig
    }

    /// Carries out all orders; `answer` says how each goes. Panics on an order that names a buffer
    /// somebody else has.
    fn obey(&mut self, answer: &mut dyn FnMut(&Order) -> Outcome) {
        // Far more than there are buffers: the orders of one round must come to an end.
        for _ in 0..500 {
            let Some(order) = self.machine.poll() else {
                return;
            };
            let outcome = answer(&order);
            let taken = outcome == Outcome::Taken;
            match order {
                Order::Emit(coded, frame, _) => {
                    let owner = &mut self.coded[at(coded.0)];
                    assert_eq!(*owner, Owner::Us, "emitted {coded:?}");
                    *owner = Owner::Reader;
                    self.emitted.push(frame.captured);
                    continue;
                }
                Order::Recycle(coded) => {
                    let owner = &mut self.coded[at(coded.0)];
                    assert_eq!(*owner, Owner::Us, "recycled {coded:?}");
                    if taken {
                        *owner = Owner::Encoder;
                    }
                }
                Order::Encode(raw, stamp) => {
                    let owner = &mut self.raw[at(raw.0)];
                    assert_eq!(*owner, Owner::Us, "encoded {raw:?}");
                    if taken {
                        *owner = Owner::Encoder;
                        self.inside.push((stamp, raw));
                    }
                }
                Order::Refill(raw) => {
                    let owner = &mut self.raw[at(raw.0)];
                    assert_eq!(*owner, Owner::Us, "refilled {raw:?}");
                    if taken {
                        *owner = Owner::Camera;
                    }
                }
                Order::ForceKey => self.forced += u32::from(taken),
                Order::GiveUp(reason) => {
                    self.gave_up = Some(reason);
                    return;
                }
            }
            self.machine.handle(Event::Done(order, outcome));
        }
        panic!("the orders never end");
    }

    fn obey_all(&mut self) {
        self.obey(&mut |_| Outcome::Taken);
    }

    fn frame(&mut self) -> Frame {
        self.clock += 33_366_667;
        Frame {
            captured: Mono::from_nanos(self.clock),
            dequeued: Mono::from_nanos(self.clock + 1000),
        }
    }

    /// The camera hands out its next frame, as it would.
    fn capture(&mut self) -> Frame {
        let frame = self.frame();
        let raw = match self.feed {
            Feed::Import => {
                let place = self.raw.iter().position(|o| *o == Owner::Camera);
                let raw = RawIndex(u32::try_from(place.expect("the camera starves")).unwrap());
                self.raw[at(raw.0)] = Owner::Us;
                raw
            }
            Feed::Copy => match self.machine.vacant() {
                Some(raw) => raw,
                None => {
                    self.machine.handle(Event::Overrun);
                    return frame;
                }
            },
        };
        self.machine.handle(Event::Captured(raw, frame));
        self.obey_all();
        frame
    }

    /// The encoder hands back the raw buffer it has longest.
    fn hand_back(&mut self) -> Stamp {
        let (stamp, raw) = self.inside.remove(0);
        self.raw[at(raw.0)] = Owner::Us;
        self.machine.handle(Event::Returned(raw));
        self.obey_all();
        stamp
    }

    fn coded(&mut self, stamp: Stamp, content: Content) {
        let place = self.coded.iter().position(|o| *o == Owner::Encoder);
        let coded = CodedIndex(u32::try_from(place.expect("no coded buffer")).unwrap());
        self.coded[at(coded.0)] = Owner::Us;
        self.machine.handle(Event::Coded(coded, stamp, content));
        self.obey_all();
    }

    /// The reader is done with everything.
    fn release(&mut self) {
        for place in 0..self.coded.len() {
            if self.coded[place] == Owner::Reader {
                self.coded[place] = Owner::Us;
                let coded = CodedIndex(u32::try_from(place).unwrap());
                self.machine.handle(Event::Released(coded));
            }
        }
        self.obey_all();
    }

    /// One frame all the way through.
    fn round(&mut self, content: Content) -> Frame {
        let frame = self.capture();
        let stamp = self.hand_back();
        self.coded(stamp, content);
        self.release();
        frame
    }

    fn counts(&self) -> Counts {
        self.machine.counts()
    }
}

fn at(index: u32) -> usize {
    usize::try_from(index).unwrap()
}

fn import() -> Rig {
    Rig::new(Feed::Import, 5, 4, 2)
}

#[test]
fn a_frame_goes_from_the_camera_through_the_encoder_and_back_with_its_own_time() {
    let mut rig = import();
    assert!(rig.raw.iter().all(|o| *o == Owner::Camera));
    assert!(rig.coded.iter().all(|o| *o == Owner::Encoder));
    let frames: Vec<_> = [Content::Key, Content::Delta, Content::Delta]
        .into_iter()
        .map(|content| rig.round(content).captured)
        .collect();
    assert_eq!(rig.emitted, frames);
    assert!(rig.raw.iter().all(|o| *o == Owner::Camera));
    assert_eq!(rig.machine.in_flight(), 0);
    assert_eq!((rig.counts().taken, rig.counts().emitted), (3, 3));
}

#[test]
fn frames_swallowed_by_rate_control_do_not_shift_the_later_ones() {
    let mut rig = import();
    rig.round(Content::Key);
    // Three frames go in; the encoder reads all of them and codes only the last.
    let mut stamps = Vec::new();
    let mut last = None;
    for _ in 0..3 {
        last = Some(rig.capture().captured);
        stamps.push(rig.hand_back());
    }
    rig.coded(stamps[2], Content::Delta);
    assert_eq!(rig.emitted.last().copied(), last);
    assert_eq!(rig.counts().swallowed, 2);
    assert_eq!(rig.machine.in_flight(), 0);
}

#[test]
fn an_empty_coded_buffer_means_that_its_frame_was_swallowed() {
    let mut rig = import();
    rig.round(Content::Key);
    rig.round(Content::Empty);
    assert_eq!((rig.counts().swallowed, rig.emitted.len()), (1, 1));
    assert!(
        rig.coded.iter().all(|o| *o == Owner::Encoder),
        "it went back"
    );
}

#[test]
fn a_slow_encoder_costs_the_newest_frames_and_no_latency() {
    for mut rig in [import(), Rig::new(Feed::Copy, 2, 4, 2)] {
        let first = rig.capture().captured;
        let second = rig.capture().captured;
        for _ in 0..10 {
            rig.capture();
        }
        assert_eq!(rig.counts().late, 10);
        assert_eq!(rig.inside.len(), 2, "no more than two are ahead");
        for content in [Content::Key, Content::Delta] {
            let stamp = rig.hand_back();
            rig.coded(stamp, content);
            rig.release();
        }
        assert_eq!(rig.emitted, [first, second]);
        let third = rig.capture().captured;
        let stamp = rig.hand_back();
        rig.coded(stamp, Content::Delta);
        assert_eq!(rig.emitted.last(), Some(&third));
    }
}

#[test]
fn a_refused_frame_is_tried_once_more_at_once_and_then_dropped() {
    let mut rig = import();
    let frame = rig.frame();
    rig.raw[0] = Owner::Us;
    rig.machine.handle(Event::Captured(RawIndex(0), frame));
    let mut tries = 0;
    rig.obey(&mut |order| {
        tries += u32::from(matches!(order, Order::Encode(..)));
        if tries == 1 && matches!(order, Order::Encode(..)) {
            Outcome::Refused
        } else {
            Outcome::Taken
        }
    });
    assert_eq!((tries, rig.inside.len()), (2, 1), "the second try helped");
    assert_eq!((rig.counts().refused, rig.counts().requeued), (0, 1));
}

#[test]
fn an_encoder_that_refuses_for_ever_is_given_up_and_works_again_after_a_restart() {
    let mut rig = import();
    let refuse = |order: &Order| match order {
        Order::Encode(..) => Outcome::Refused,
        _ => Outcome::Taken,
    };
    let mut frames = 0;
    while rig.gave_up.is_none() {
        frames += 1;
        let frame = rig.frame();
        let place = rig.raw.iter().position(|o| *o == Owner::Camera).unwrap();
        rig.raw[place] = Owner::Us;
        let raw = RawIndex(u32::try_from(place).unwrap());
        rig.machine.handle(Event::Captured(raw, frame));
        rig.obey(&mut { refuse });
    }
    assert_eq!(frames, REFUSALS);
    assert_eq!(rig.gave_up, Some(Reason::EncoderRefuses));
    assert_eq!(rig.counts().refused, u64::from(REFUSALS));

    rig.gave_up = None;
    rig.raw.fill(Owner::Us);
    rig.coded.fill(Owner::Us);
    rig.inside.clear();
    rig.machine.handle(Event::Restarted);
    rig.obey_all();
    rig.round(Content::Key);
    assert_eq!(rig.emitted.len(), 1);
}

#[test]
fn nothing_goes_out_before_the_first_key_frame() {
    let mut rig = import();
    rig.round(Content::Delta);
    rig.round(Content::Delta);
    assert!(rig.emitted.is_empty());
    assert_eq!(rig.counts().undecodable, 2);
    assert_eq!(rig.forced, 1, "one was asked for, once");
    rig.round(Content::Key);
    assert_eq!(rig.emitted.len(), 1);
}

#[test]
fn after_a_damaged_picture_nothing_goes_out_until_a_key_frame_is_there_and_one_is_asked_for() {
    let mut rig = import();
    rig.round(Content::Key);
    rig.round(Content::Damaged);
    rig.round(Content::Delta);
    assert_eq!((rig.emitted.len(), rig.forced), (1, 1));
    rig.round(Content::Key);
    rig.round(Content::Delta);
    assert_eq!(rig.emitted.len(), 3);
    let counts = rig.counts();
    assert_eq!((counts.damaged, counts.undecodable), (1, 1));
}

#[test]
fn a_wish_for_a_key_frame_asks_once_and_again_only_if_it_was_not_heard() {
    let mut rig = import();
    rig.round(Content::Key);
    for _ in 0..3 {
        rig.machine.handle(Event::KeyWanted); // repeated, as the caller must
        rig.round(Content::Delta);
    }
    assert_eq!(rig.forced, 1);
    for _ in 0..KEY_PATIENCE {
        rig.machine.handle(Event::KeyWanted);
        rig.round(Content::Delta);
    }
    assert_eq!(rig.forced, 2, "the encoder did not hear the first time");
    rig.machine.handle(Event::KeyWanted);
    rig.round(Content::Key);
    rig.round(Content::Delta);
    assert_eq!(rig.forced, 2);
}

#[test]
fn an_encoder_that_cannot_be_asked_for_key_frames_is_not_asked_again() {
    let mut rig = import();
    rig.machine.handle(Event::KeyWanted);
    let mut asked = 0;
    for _ in 0..3 {
        let frame = rig.frame();
        let place = rig.raw.iter().position(|o| *o == Owner::Camera).unwrap();
        rig.raw[place] = Owner::Us;
        let raw = RawIndex(u32::try_from(place).unwrap());
        rig.machine.handle(Event::Captured(raw, frame));
        rig.obey(&mut |order| {
            if *order == Order::ForceKey {
                asked += 1;
                Outcome::Refused
            } else {
                Outcome::Taken
            }
        });
        let stamp = rig.hand_back();
        rig.coded(stamp, Content::Key);
        rig.release();
        rig.machine.handle(Event::KeyWanted);
    }
    assert_eq!(asked, 1);
    assert_eq!(rig.emitted.len(), 3);
}

#[test]
fn parameter_sets_in_a_buffer_of_their_own_do_not_use_up_the_frame_whose_stamp_they_bear() {
    let mut rig = import();
    let frame = rig.capture().captured;
    let stamp = rig.hand_back();
    rig.coded(stamp, Content::Headers);
    assert!(rig.emitted.is_empty());
    rig.coded(stamp, Content::Key);
    assert_eq!(rig.emitted, [frame]);
}

#[test]
fn access_units_without_a_frame_of_their_own_never_go_out_and_are_given_up_on() {
    for foreign in [Stamp(0), Stamp(7), Stamp(u64::MAX)] {
        let mut rig = import();
        rig.round(Content::Key);
        let mut strangers = 0;
        while rig.gave_up.is_none() {
            strangers += 1;
            rig.capture();
            rig.hand_back();
            rig.coded(foreign, Content::Delta);
            rig.release();
        }
        assert_eq!((strangers, rig.emitted.len()), (STRANGERS, 1));
        assert_eq!(rig.gave_up, Some(Reason::NoStamps));
    }
}

#[test]
fn a_camera_that_repeats_its_stamps_does_not_mix_up_frames() {
    let mut rig = import();
    let frame = Frame {
        captured: Mono::from_nanos(5_000_000),
        dequeued: Mono::default(),
    };
    for raw in [0, 1] {
        rig.raw[raw as usize] = Owner::Us;
        rig.machine.handle(Event::Captured(RawIndex(raw), frame));
        rig.obey_all();
    }
    let stamps: Vec<_> = rig.inside.iter().map(|(stamp, _)| *stamp).collect();
    assert_ne!(stamps[0], stamps[1]);
    assert_eq!(stamps[0], Stamp(5_000), "the first one is exact");
}

#[test]
fn a_driver_that_hands_out_what_it_does_not_hold_is_not_believed_and_finally_given_up() {
    let mut rig = import();
    rig.round(Content::Key);
    rig.machine.handle(Event::Returned(RawIndex(0)));
    rig.machine.handle(Event::Returned(RawIndex(77)));
    rig.machine
        .handle(Event::Coded(CodedIndex(9), Stamp(1), Content::Key));
    rig.obey_all();
    assert_eq!((rig.counts().lies, rig.gave_up), (3, None));
    rig.round(Content::Delta);
    assert_eq!(rig.emitted.len(), 2, "all goes on");
    for _ in 0..LIES {
        rig.machine.handle(Event::Returned(RawIndex(u32::MAX)));
    }
    rig.obey_all();
    assert_eq!(rig.gave_up, Some(Reason::Nonsense(Side::Encoder)));
}

#[test]
fn frames_lost_in_a_restart_are_counted() {
    let mut rig = import();
    rig.capture();
    rig.capture();
    rig.raw.fill(Owner::Us);
    rig.coded.fill(Owner::Us);
    rig.machine.handle(Event::Restarted);
    rig.obey_all();
    assert_eq!((rig.counts().lost, rig.machine.in_flight()), (2, 0));
    assert!(rig.raw.iter().all(|o| *o == Owner::Camera));
}

#[test]
fn the_end_of_the_stream_and_another_size_are_reasons_to_begin_anew() {
    for (event, reason) in [
        (Event::Ended, Reason::Ended),
        (
            Event::SizeChanged(Side::Camera),
            Reason::SizeChanged(Side::Camera),
        ),
    ] {
        let mut rig = import();
        rig.machine.handle(event);
        rig.obey_all();
        assert_eq!(rig.gave_up, Some(reason));
    }
}

#[test]
fn numbers_that_cannot_work_are_refused() {
    assert!(
        Machine::new(Feed::Import, 2, 4, 2).is_none(),
        "none for the camera"
    );
    assert!(Machine::new(Feed::Import, 5, 0, 2).is_none());
    assert!(Machine::new(Feed::Import, 17, 4, 2).is_none());
    assert!(Machine::new(Feed::Copy, 2, 4, 2).is_some());
    assert!(Machine::new(Feed::Copy, 2, 4, 0).is_none());
}

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
                            rig.machine.handle(Event::Captured(RawIndex(raw), frame));
                        }
                    }
                    Feed::Copy => match rig.machine.vacant() {
                        Some(raw) => rig.machine.handle(Event::Captured(raw, frame)),
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
                    rig.machine
                        .handle(Event::Coded(CodedIndex(coded), stamp, content));
                }
            }
            Happening::CodeForeign { stamp, content } => {
                if let Some(coded) = held(&rig.coded, Owner::Encoder) {
                    rig.coded[at(coded)] = Owner::Us;
                    let event = Event::Coded(CodedIndex(coded), Stamp(stamp), content);
                    rig.machine.handle(event);
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
                    rig.machine.handle(Event::Captured(RawIndex(index), frame));
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
