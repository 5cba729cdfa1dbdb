//! A made-up world, and a stand-in for the camera's thread that carries out orders on it.

use super::super::*;
use crate::error::Error;

pub(super) fn at(ms: u64) -> Mono {
    Mono::from_nanos(1_000_000_000_000 + ms * 1_000_000)
}

pub(super) fn broken(kind: Kind) -> Failure {
    Failure::capture(Error::new(kind, "/dev/video0: taking a frame"))
}

pub(super) fn stuck(kind: Kind) -> Failure {
    Failure::encoder(Error::new(kind, "/dev/video11: queueing a frame"))
}

/// What is really there, for [`Rig::until`].
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    /// The device opens.
    pub(super) opens: bool,
    /// Frames come.
    pub(super) frames: bool,
    /// The hardware encoder gives access units.
    pub(super) hardware: bool,
    /// A restart of the streams mends what is broken.
    pub(super) restream_helps: bool,
}

pub(super) const FINE: World = World {
    opens: true,
    frames: true,
    hardware: true,
    restream_helps: true,
};

/// A stand-in for the camera's thread: carries out orders on a made-up world, and keeps a diary.
pub(super) struct Rig {
    pub(super) ladder: Ladder,
    pub(super) now: u64,
    pub(super) rate: Rate,
    pub(super) node: Option<u16>,
    pub(super) open: Option<Coder>,
    /// A failure to report at the next step.
    pub(super) fails: Option<Failure>,
    pub(super) diary: Vec<(u64, Order)>,
    pub(super) status: Option<Status>,
    pub(super) next_frame: u64,
    pub(super) frame_no: u64,
    /// The last access unit.
    pub(super) pictured: u64,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self {
            ladder: Ladder::new(at(0)),
            now: 0,
            rate: Rate::fps(25),
            node: None,
            open: None,
            fails: None,
            diary: Vec::new(),
            status: None,
            next_frame: 0,
            frame_no: 0,
            pictured: 0,
        }
    }

    pub(super) fn with_encoder(node: u16) -> Self {
        Self {
            node: Some(node),
            ..Self::new()
        }
    }

    pub(super) fn obey(&mut self, world: World) {
        let now = at(self.now);
        for round in 0.. {
            assert!(round < 20, "the orders never end: {:?}", self.diary);
            let Some(order) = self.ladder.poll(now) else {
                break;
            };
            match &order {
                Order::Close => self.open = None,
                Order::Reprobe => assert!(self.open.is_none(), "all is closed before"),
                Order::Open => {
                    assert!(self.open.is_none(), "closed before it is opened again");
                    let coder = match self.node {
                        Some(node) if !self.ladder.avoids(node, now) => Coder::Node(node),
                        _ => Coder::Software,
                    };
                    self.ladder.opening(coder);
                    if world.opens {
                        self.open = Some(coder);
                        self.next_frame = self.now;
                        self.ladder.opened(self.rate, coder, now);
                    } else {
                        self.ladder.failed(&broken(Kind::Reopen), now);
                    }
                }
                Order::Restream => {
                    assert!(self.open.is_some());
                    if world.restream_helps {
                        self.ladder.restreamed(Ok(()), now);
                    } else {
                        self.ladder.restreamed(Err(&broken(Kind::Reopen)), now);
                    }
                }
                Order::Slate { .. } | Order::Picture => {}
            }
            self.diary.push((self.now, order));
        }
        if let Some(status) = self.ladder.take_status() {
            self.status = Some(status);
        }
    }

    /// Lets the world run up to `end`, in steps of a frame or as the ladder asks.
    pub(super) fn until(&mut self, end: u64, world: World) {
        while self.now < end {
            if let Some(failure) = self.fails.take() {
                self.ladder.failed(&failure, at(self.now));
            }
            self.obey(world);
            if let Some(coder) = self.open
                && world.frames
                && self.now >= self.next_frame
            {
                self.next_frame = self.now + 1000 / u64::from(self.rate.rounded());
                self.ladder.frame(at(self.now));
                self.frame_no += 1;
                if world.hardware || !matches!(coder, Coder::Node(_)) {
                    let key = self.frame_no.is_multiple_of(25)
                        || self.ladder.wants_keyframe(at(self.now))
                        || self.frame_no == 1;
                    let _ = self.ladder.unit(key, at(self.now));
                    self.pictured = self.now;
                }
                self.obey(world);
            }
            let mut next = end;
            if self.open.is_some() && world.frames {
                next = next.min(self.next_frame.max(self.now + 1));
            }
            if let Some(due) = self.ladder.poll_timeout() {
                let due = due.since(at(0)).as_nanos().div_ceil(1_000_000);
                next = next.min(u64::try_from(due).unwrap().max(self.now + 1));
            }
            self.now = next;
        }
        self.obey(world);
    }

    pub(super) fn rungs(&self) -> Vec<&'static str> {
        self.diary
            .iter()
            .filter_map(|(_, order)| match order {
                Order::Open => Some("open"),
                Order::Restream => Some("restream"),
                Order::Close => Some("close"),
                Order::Reprobe => Some("reprobe"),
                Order::Slate { .. } | Order::Picture => None,
            })
            .collect()
    }

    pub(super) fn views(&self) -> Vec<(u64, &'static str)> {
        self.diary
            .iter()
            .filter_map(|(at, order)| match order {
                Order::Slate { .. } => Some((*at, "slate")),
                Order::Picture => Some((*at, "picture")),
                _ => None,
            })
            .collect()
    }

    pub(super) fn said(&self) -> String {
        format!("{:?}", self.status)
    }
}
