//! The stateful encoder: whatever the two devices do or claim, a buffer has one owner and a frame one end.

use std::collections::BTreeMap;

use camera_service::clock::Mono;
use camera_service::encode::m2m::machine::{
    CodedIndex, Content, Event, Feed, Frame, Machine, Order, Outcome, RawIndex, Side, Stamp,
};

use crate::input::Input;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Us,
    Camera,
    Encoder,
    Reader,
}

/// What both devices hold, as an onlooker notes it.
struct Onlooker {
    machine: Machine,
    feed: Feed,
    raw: Vec<Owner>,
    coded: Vec<Owner>,
    /// Which frame lies in each raw buffer; a frame is known by its number.
    lies_in: BTreeMap<u32, u64>,
    given: BTreeMap<Stamp, u64>,
    inside: Vec<RawIndex>,
    emitted: Vec<u64>,
    said: Option<Stamp>,
    frames: u64,
    refuse: u8,
    gave_up: bool,
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let feed = match input.byte() % 2 {
        0 => Feed::Import,
        _ => Feed::Copy,
    };
    let depth = usize::from(input.byte() % 5);
    let raw = usize::from(input.byte() % 19);
    let coded = usize::from(input.byte() % 19);
    let Some(machine) = Machine::new(feed, raw, coded, depth) else {
        assert!(depth == 0 || raw > 16 || coded > 16 || coded == 0 || raw <= depth);
        return;
    };
    let mut onlooker = Onlooker {
        machine,
        feed,
        raw: vec![Owner::Us; raw],
        coded: vec![Owner::Us; coded],
        lies_in: BTreeMap::new(),
        given: BTreeMap::new(),
        inside: Vec::new(),
        emitted: Vec::new(),
        said: None,
        frames: 0,
        refuse: 0,
        gave_up: false,
    };
    onlooker.obey();
    for _ in 0..400 {
        if input.is_empty() {
            break;
        }
        onlooker.live(&mut input);
        onlooker.obey();
        onlooker.check(depth);
    }
}

impl Onlooker {
    fn live(&mut self, input: &mut Input<'_>) {
        match input.byte() % 16 {
            0..=3 => self.capture(),
            4 | 5 => {
                if !self.inside.is_empty() {
                    let at = usize::from(input.byte()) % self.inside.len();
                    let raw = self.inside.remove(at);
                    self.raw[place(raw.0)] = Owner::Us;
                    self.machine.handle(Event::Returned(raw));
                }
            }
            6 | 7 => {
                let back = usize::from(input.byte());
                let content = content(input.byte());
                let recent = self.given.keys().rev().nth(back % 8).copied();
                self.code(recent, content);
            }
            8 => {
                let stamp = Stamp(input.number::<8>());
                let content = content(input.byte());
                self.code(Some(stamp), content);
            }
            9 => {
                for at in 0..self.coded.len() {
                    if self.coded[at] == Owner::Reader {
                        self.coded[at] = Owner::Us;
                        let coded = CodedIndex(u32::try_from(at).unwrap());
                        self.machine.handle(Event::Released(coded));
                    }
                }
            }
            10 => self.machine.handle(Event::KeyWanted),
            11 => self.refuse = input.byte() % 40,
            12 => {
                self.raw.fill(Owner::Us);
                self.coded.fill(Owner::Us);
                self.inside.clear();
                self.gave_up = false;
                self.machine.handle(Event::Restarted);
            }
            13 => self.lie(input),
            14 => {
                let event = match input.byte() % 4 {
                    0 => Event::Ended,
                    1 => Event::SizeChanged(Side::Camera),
                    2 => Event::SizeChanged(Side::Encoder),
                    _ if self.feed == Feed::Copy => Event::Overrun,
                    _ => Event::KeyWanted,
                };
                self.machine.handle(event);
            }
            _ => {
                if self.feed == Feed::Import
                    && let Some(raw) = held(&self.raw, Owner::Camera)
                {
                    self.raw[place(raw)] = Owner::Us;
                    self.machine.handle(Event::Spoilt(RawIndex(raw)));
                }
            }
        }
    }

    fn capture(&mut self) {
        self.frames += 1;
        let frame = frame(self.frames);
        let raw = match self.feed {
            Feed::Import => held(&self.raw, Owner::Camera).map(RawIndex),
            Feed::Copy => self.machine.vacant(),
        };
        match raw {
            Some(raw) => {
                self.raw[place(raw.0)] = Owner::Us;
                self.lies_in.insert(raw.0, self.frames);
                self.machine.handle(Event::Captured(raw, frame));
            }
            None if self.feed == Feed::Copy => self.machine.handle(Event::Overrun),
            None => {}
        }
    }

    fn code(&mut self, stamp: Option<Stamp>, content: Content) {
        if let (Some(stamp), Some(coded)) = (stamp, held(&self.coded, Owner::Encoder)) {
            self.coded[place(coded)] = Owner::Us;
            self.said = Some(stamp);
            self.machine
                .handle(Event::Coded(CodedIndex(coded), stamp, content));
        }
    }

    /// A device names a buffer that it does not hold.
    fn lie(&mut self, input: &mut Input<'_>) {
        let kind = input.byte() % 5;
        let index = match input.byte() {
            255 => u32::MAX,
            small => u32::from(small) % 20,
        };
        let raw = self.raw.get(place(index)).copied();
        let coded = self.coded.get(place(index)).copied();
        match kind {
            0 if self.feed == Feed::Import && raw != Some(Owner::Camera) => {
                let event = Event::Captured(RawIndex(index), frame(u64::MAX / 2000));
                self.machine.handle(event);
            }
            1 if raw != Some(Owner::Encoder) => {
                self.machine.handle(Event::Returned(RawIndex(index)));
            }
            2 if coded != Some(Owner::Encoder) => {
                let event = Event::Coded(CodedIndex(index), Stamp(1), Content::Key);
                self.machine.handle(event);
            }
            3 if coded != Some(Owner::Reader) => {
                self.machine.handle(Event::Released(CodedIndex(index)));
            }
            4 => {
                let order = Order::Encode(RawIndex(index), Stamp(u64::MAX));
                self.machine.handle(Event::Done(order, Outcome::Taken));
            }
            _ => {}
        }
    }

    /// Carries out all orders; each must be for a buffer that is ours.
    fn obey(&mut self) {
        // Far more than there are buffers: the orders of one round must come to an end.
        for _ in 0..500 {
            let Some(order) = self.machine.poll() else {
                return;
            };
            let outcome = match self.refuse.checked_sub(1) {
                Some(left) if !matches!(order, Order::Emit(..) | Order::GiveUp(_)) => {
                    self.refuse = left;
                    Outcome::Refused
                }
                _ => Outcome::Taken,
            };
            let taken = outcome == Outcome::Taken;
            match order {
                Order::Emit(coded, frame, _) => {
                    let owner = &mut self.coded[place(coded.0)];
                    assert_eq!(*owner, Owner::Us, "emitted {coded:?}");
                    *owner = Owner::Reader;
                    let number = self.said.and_then(|stamp| self.given.get(&stamp)).copied();
                    assert_eq!(number, Some(number_of(frame)), "another frame's time");
                    self.emitted.extend(number);
                    continue;
                }
                Order::Recycle(coded) => {
                    let owner = &mut self.coded[place(coded.0)];
                    assert_eq!(*owner, Owner::Us, "recycled {coded:?}");
                    if taken {
                        *owner = Owner::Encoder;
                    }
                }
                Order::Encode(raw, stamp) => {
                    let owner = &mut self.raw[place(raw.0)];
                    assert_eq!(*owner, Owner::Us, "encoded {raw:?}");
                    if taken {
                        *owner = Owner::Encoder;
                        self.inside.push(raw);
                        let before = self.given.insert(stamp, self.lies_in[&raw.0]);
                        assert_eq!(before, None, "two frames under one stamp");
                    }
                }
                Order::Refill(raw) => {
                    let owner = &mut self.raw[place(raw.0)];
                    assert_eq!(*owner, Owner::Us, "refilled {raw:?}");
                    if taken {
                        *owner = Owner::Camera;
                    }
                }
                Order::ForceKey => {}
                Order::GiveUp(_) => {
                    self.gave_up = true;
                    return;
                }
            }
            self.machine.handle(Event::Done(order, outcome));
        }
        panic!("the orders never end");
    }

    fn check(&self, depth: usize) {
        let counts = self.machine.counts();
        let ends = counts.emitted
            + counts.late
            + counts.refused
            + counts.swallowed
            + counts.damaged
            + counts.undecodable
            + counts.lost;
        assert_eq!(counts.taken, ends + self.machine.in_flight() as u64);
        assert_eq!(counts.emitted, self.emitted.len() as u64);
        let mut once = self.emitted.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), self.emitted.len(), "a frame went out twice");
        let ahead = self.raw.iter().filter(|o| **o == Owner::Encoder).count();
        assert!(ahead <= depth, "{ahead} frames ahead");
        if !self.gave_up && self.feed == Feed::Import {
            assert!(!self.raw.contains(&Owner::Us), "{:?}", self.raw);
        }
    }
}

fn frame(number: u64) -> Frame {
    let at = Mono::from_nanos(number * 1000);
    Frame {
        captured: at,
        dequeued: at,
    }
}

fn number_of(frame: Frame) -> u64 {
    frame.captured.as_nanos() / 1000
}

const fn content(byte: u8) -> Content {
    match byte % 8 {
        0 => Content::Empty,
        1 => Content::Headers,
        2 => Content::Damaged,
        3..=5 => Content::Delta,
        _ => Content::Key,
    }
}

/// The first buffer that `owner` holds.
fn held(owners: &[Owner], owner: Owner) -> Option<u32> {
    let at = owners.iter().position(|o| *o == owner)?;
    u32::try_from(at).ok()
}

fn place(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
