//! A camera and an encoder, as an onlooker would note them, around the machine under test.

use std::collections::BTreeMap;

use super::super::*;
use crate::clock::Mono;

/// What both devices hold, as an onlooker would note it: the orders that were obeyed and the events
/// that really happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Us,
    Camera,
    Encoder,
    Reader,
}

pub(super) struct Rig {
    pub(super) machine: Machine,
    pub(super) feed: Feed,
    pub(super) raw: Vec<Owner>,
    pub(super) coded: Vec<Owner>,
    /// Stamps the encoder has, oldest first.
    pub(super) inside: Vec<(Stamp, RawIndex)>,
    pub(super) emitted: Vec<Mono>,
    /// What lies in each raw buffer, and what went in under each stamp.
    pub(super) frames: BTreeMap<u32, Mono>,
    pub(super) given: BTreeMap<Stamp, Mono>,
    /// The stamp that the encoder put on what it gave last.
    pub(super) said: Option<Stamp>,
    pub(super) forced: u32,
    pub(super) gave_up: Option<Reason>,
    pub(super) clock: u64,
}

impl Rig {
    pub(super) fn new(feed: Feed, raw: usize, coded: usize, depth: usize) -> Self {
        let mut rig = Self {
            machine: Machine::new(feed, raw, coded, depth).unwrap(),
            feed,
            raw: vec![Owner::Us; raw],
            coded: vec![Owner::Us; coded],
            inside: Vec::new(),
            emitted: Vec::new(),
            frames: BTreeMap::new(),
            given: BTreeMap::new(),
            said: None,
            forced: 0,
            gave_up: None,
            clock: 1_000_000,
        };
        rig.obey(&mut |_| Outcome::Taken);
        rig
    }

    /// Carries out all orders; `answer` says how each goes. Panics on an order that names a buffer
    /// somebody else has.
    pub(super) fn obey(&mut self, answer: &mut dyn FnMut(&Order) -> Outcome) {
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
                    let said = self.said.and_then(|stamp| self.given.get(&stamp));
                    assert_eq!(said, Some(&frame.captured), "another frame's time");
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
                        self.given.insert(stamp, self.frames[&raw.0]);
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

    /// Tells the machine what happened, and remembers what it must be judged by.
    pub(super) fn tell(&mut self, event: Event) {
        match event {
            Event::Captured(raw, frame) => {
                self.frames.insert(raw.0, frame.captured);
            }
            Event::Coded(_, stamp, _) => self.said = Some(stamp),
            _ => {}
        }
        self.machine.handle(event);
    }

    pub(super) fn obey_all(&mut self) {
        self.obey(&mut |_| Outcome::Taken);
    }

    pub(super) fn frame(&mut self) -> Frame {
        self.clock += 33_366_667;
        Frame {
            captured: Mono::from_nanos(self.clock),
            dequeued: Mono::from_nanos(self.clock + 1000),
        }
    }

    /// The camera hands out its next frame, as it would.
    pub(super) fn capture(&mut self) -> Frame {
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
        self.tell(Event::Captured(raw, frame));
        self.obey_all();
        frame
    }

    /// The encoder hands back the raw buffer it has longest.
    pub(super) fn hand_back(&mut self) -> Stamp {
        let (stamp, raw) = self.inside.remove(0);
        self.raw[at(raw.0)] = Owner::Us;
        self.machine.handle(Event::Returned(raw));
        self.obey_all();
        stamp
    }

    pub(super) fn coded(&mut self, stamp: Stamp, content: Content) {
        let place = self.coded.iter().position(|o| *o == Owner::Encoder);
        let coded = CodedIndex(u32::try_from(place.expect("no coded buffer")).unwrap());
        self.coded[at(coded.0)] = Owner::Us;
        self.tell(Event::Coded(coded, stamp, content));
        self.obey_all();
    }

    /// The reader is done with everything.
    pub(super) fn release(&mut self) {
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
    pub(super) fn round(&mut self, content: Content) -> Frame {
        let frame = self.capture();
        let stamp = self.hand_back();
        self.coded(stamp, content);
        self.release();
        frame
    }

    pub(super) fn counts(&self) -> Counts {
        self.machine.counts()
    }
}

pub(super) fn at(index: u32) -> usize {
    usize::try_from(index).unwrap()
}
