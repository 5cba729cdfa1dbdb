//! Frames on their way through a stateful V4L2 encoder: who holds which buffer, and what becomes of
//! each frame. Pure: no ioctl, no clock; times only pass through.
//!
//! Tell it what happened ([`Machine::handle`]), then do what it orders ([`Machine::poll`]) until it
//! orders nothing, and report how each order went. The orders are read off the table of buffers, so
//! an order that was not carried out comes again, and none can be lost.
//!
//! The laws:
//! * A buffer has one owner. What a driver says of a buffer it does not hold is not believed.
//! * An access unit belongs to a frame by the time stamp that the encoder carried through, never
//!   by order or by counting: rate control swallows frames (seen on the Raspberry Pi, where pairing by
//!   order ends in `VIDIOC_QBUF` refusing for ever).
//! * Every frame taken ends as emitted, as counted, or is in flight ([`Counts`]).
//! * An encoder slower than the camera costs frames, never latency: the newest frame is dropped
//!   before the encoder when it holds [`Machine::depth`] already.

mod key;
mod words;

use key::Wish;

pub use words::{
    CodedIndex, Content, Counts, Decodable, Event, Feed, Frame, Order, Outcome, RawIndex, Reason,
    Side, Stamp,
};

/// Raw or coded buffers at most; more than any encoder asks for.
pub const MOST: usize = 16;

/// Frames given to the encoder that may be without an answer at once. Encoders hold back a few; a
/// stuck one must not fill memory.
const MOST_TICKETS: usize = 32;

/// So many refused frames in a row are no hiccup: the encoder must be started anew. A third of a
/// second at 30 frames a second.
pub const REFUSALS: u32 = 10;

/// So many nonsensical answers in a row mean that the driver and we disagree for good.
pub const LIES: u32 = 8;

/// So many access units in a row that belong to no frame mean that the driver does not carry time
/// stamps through.
pub const STRANGERS: u32 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RawState {
    /// Ours and empty. Left by [`Order::Refill`], or by being filled.
    Idle {
        /// The camera refused it.
        refused: bool,
    },
    /// The camera's. Left when it hands it out.
    Camera,
    /// Ours, with a frame. Left by [`Order::Encode`].
    Filled {
        frame: Frame,
        stamp: Stamp,
        /// The encoder refused it once.
        refused: bool,
    },
    /// The encoder's. Left when it hands it back.
    Encoding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CodedState {
    /// Ours and read. Left by [`Order::Recycle`].
    Ours {
        /// The encoder refused it once.
        refused: bool,
    },
    /// Refused twice: tried again when something else happened.
    Shelved,
    /// The encoder's. Left when it hands it out.
    Encoder,
    /// Ours, to be handed out. Left by [`Order::Emit`].
    Ready(Frame, Decodable),
    /// Somebody reads it. Left by [`Event::Released`].
    Lent,
}

/// A frame that the encoder took.
#[derive(Debug, Clone, Copy)]
struct Ticket {
    stamp: Stamp,
    frame: Frame,
    /// The buffer it lies in, until the encoder hands that back.
    raw: Option<RawIndex>,
}

/// The table of buffers and frames.
#[derive(Debug)]
pub struct Machine {
    feed: Feed,
    depth: usize,
    raw: heapless::Vec<RawState, MOST>,
    coded: heapless::Vec<CodedState, MOST>,
    /// Oldest first.
    tickets: heapless::Vec<Ticket, MOST_TICKETS>,
    key: Wish,
    /// Everything since the last key frame went out.
    whole: bool,
    last: Stamp,
    refusals: u32,
    shelvings: u32,
    strangers: u32,
    lies: u32,
    broken: Option<Reason>,
    counts: Counts,
}

impl Machine {
    /// A machine for `raw` raw and `coded` coded buffers, all ours. The encoder gets at most `depth`
    /// frames ahead. `None` for numbers that cannot be: none, more than [`MOST`], or no raw
    /// buffer left for the camera.
    #[must_use]
    pub fn new(feed: Feed, raw: usize, coded: usize, depth: usize) -> Option<Self> {
        let least = match feed {
            Feed::Import => depth + 1,
            Feed::Copy => depth,
        };
        if depth == 0 || raw < least || coded == 0 {
            return None;
        }
        let mut machine = Self {
            feed,
            depth,
            raw: heapless::Vec::new(),
            coded: heapless::Vec::new(),
            tickets: heapless::Vec::new(),
            key: Wish::Idle,
            whole: false,
            last: Stamp(0),
            refusals: 0,
            shelvings: 0,
            strangers: 0,
            lies: 0,
            broken: None,
            counts: Counts::default(),
        };
        let (idle, ours) = (RawState::IDLE, CodedState::OURS);
        machine.raw.resize(raw, idle).ok()?;
        machine.coded.resize(coded, ours).ok()?;
        Some(machine)
    }

    /// Frames that the encoder holds at most.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// What became of the frames so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Frames taken of which nothing is known yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let filled = |state: &&RawState| matches!(state, RawState::Filled { .. });
        let ready = |state: &&CodedState| matches!(state, CodedState::Ready(..));
        self.tickets.len()
            + self.raw.iter().filter(filled).count()
            + self.coded.iter().filter(ready).count()
    }

    /// [`Feed::Copy`]: the buffer to fill with the next frame; `None` when the encoder has enough.
    #[must_use]
    pub fn vacant(&self) -> Option<RawIndex> {
        if self.feed != Feed::Copy || self.ahead() >= self.depth {
            return None;
        }
        let idle = |state: &RawState| matches!(state, RawState::Idle { .. });
        self.raw.iter().position(idle).and_then(raw_index)
    }

    /// True when the encoder has at least one buffer to put something into. If not, its descriptor
    /// reports an error at every look, and waiting for it would spin.
    #[must_use]
    pub fn encoder_can_answer(&self) -> bool {
        self.coded.contains(&CodedState::Encoder)
    }

    /// Takes note of what happened.
    pub fn handle(&mut self, event: Event) {
        match event {
            Event::Captured(raw, frame) => self.captured(raw, frame),
            Event::Spoilt(raw) => {
                if self.camera_gave(raw) {
                    self.put_raw(raw, RawState::IDLE);
                }
            }
            Event::Overrun => {
                self.counts.taken += 1;
                self.counts.late += 1;
            }
            Event::Returned(raw) => self.returned(raw),
            Event::Coded(coded, stamp, content) => self.coded(coded, stamp, content),
            Event::Released(coded) => {
                if self.coded_state(coded) == Some(CodedState::Lent) {
                    self.put_coded(coded, CodedState::OURS);
                }
            }
            Event::KeyWanted => self.key.want(),
            Event::Ended => self.give_up(Reason::Ended),
            Event::SizeChanged(side) => self.give_up(Reason::SizeChanged(side)),
            Event::Restarted => self.restarted(),
            Event::Done(order, outcome) => self.done(order, outcome),
        }
    }

    /// What to do next; `None` when there is nothing to do. The same order comes again until
    /// [`Event::Done`] tells how it went (an [`Order::Emit`] comes once).
    pub fn poll(&mut self) -> Option<Order> {
        if let Some(reason) = self.broken {
            return Some(Order::GiveUp(reason));
        }
        for at in 0..self.coded.len() {
            if let (Some(CodedState::Ready(frame, decodable)), Some(coded)) =
                (self.coded.get(at).copied(), coded_index(at))
            {
                self.put_coded(coded, CodedState::Lent);
                self.counts.emitted += 1;
                return Some(Order::Emit(coded, frame, decodable));
            }
        }
        let ours = |state: &CodedState| matches!(state, CodedState::Ours { .. });
        if let Some(coded) = self.coded.iter().position(ours).and_then(coded_index) {
            return Some(Order::Recycle(coded));
        }
        if let Some((raw, stamp)) = self.oldest_filled() {
            return Some(if self.key == Wish::Wanted {
                Order::ForceKey
            } else {
                Order::Encode(raw, stamp)
            });
        }
        let idle = |state: &RawState| matches!(state, RawState::Idle { .. });
        match self.feed {
            Feed::Import => {
                let idle = self.raw.iter().position(idle).and_then(raw_index);
                idle.map(Order::Refill)
            }
            Feed::Copy => None,
        }
    }

    fn captured(&mut self, raw: RawIndex, frame: Frame) {
        if !self.camera_gave(raw) {
            return;
        }
        self.unshelve();
        self.counts.taken += 1;
        if self.ahead() >= self.depth {
            self.counts.late += 1;
            return self.put_raw(raw, RawState::IDLE);
        }
        // A camera that repeats a stamp or goes back must not make two frames look like one.
        let micros = frame.captured.as_nanos() / 1000;
        let stamp = Stamp(micros.max(self.last.0.saturating_add(1)));
        self.last = stamp;
        let filled = RawState::Filled {
            frame,
            stamp,
            refused: false,
        };
        self.put_raw(raw, filled);
    }

    /// Whether the camera can have handed out this buffer; if not, that is a lie.
    fn camera_gave(&mut self, raw: RawIndex) -> bool {
        let state = self.raw_state(raw);
        let right = match self.feed {
            Feed::Import => state == Some(RawState::Camera),
            Feed::Copy => matches!(state, Some(RawState::Idle { .. })),
        };
        self.judge(right, Side::Camera)
    }

    fn returned(&mut self, raw: RawIndex) {
        let right = self.raw_state(raw) == Some(RawState::Encoding);
        if !self.judge(right, Side::Encoder) {
            return;
        }
        self.unshelve();
        self.put_raw(raw, RawState::IDLE);
        for ticket in &mut self.tickets {
            if ticket.raw == Some(raw) {
                ticket.raw = None;
            }
        }
    }

    fn coded(&mut self, coded: CodedIndex, stamp: Stamp, content: Content) {
        let right = self.coded_state(coded) == Some(CodedState::Encoder);
        if !self.judge(right, Side::Encoder) {
            return;
        }
        self.unshelve();
        self.put_coded(coded, CodedState::OURS);
        let at = self.tickets.iter().position(|ticket| ticket.stamp == stamp);
        let decodable = match content {
            // Parameter sets may carry the stamp of the picture that follows.
            Content::Headers => return,
            Content::Empty => {
                if at.and_then(|at| self.close(at)).is_some() {
                    self.counts.swallowed += 1;
                }
                return;
            }
            Content::Damaged => {
                if at.and_then(|at| self.close(at)).is_some() {
                    self.counts.damaged += 1;
                }
                return self.torn();
            }
            Content::Key => Decodable::Alone,
            Content::Delta => Decodable::WithOthers,
        };
        let Some(ticket) = at.and_then(|at| self.close(at)) else {
            self.counts.strangers += 1;
            self.strangers += 1;
            if self.strangers >= STRANGERS {
                self.give_up(Reason::NoStamps);
            }
            return self.torn();
        };
        self.strangers = 0;
        self.swallow_before(ticket.stamp);
        match decodable {
            Decodable::Alone => {
                self.whole = true;
                self.key.fulfilled();
            }
            Decodable::WithOthers => {
                self.key.passed(ticket.stamp);
                if !self.whole {
                    self.counts.undecodable += 1;
                    return self.key.want();
                }
            }
        }
        self.put_coded(coded, CodedState::Ready(ticket.frame, decodable));
    }

    /// Frames older than one that came out will not come any more, once the encoder has handed back
    /// their buffers.
    fn swallow_before(&mut self, stamp: Stamp) {
        let before = self.tickets.len();
        self.tickets
            .retain(|ticket| ticket.stamp >= stamp || ticket.raw.is_some());
        self.counts.swallowed += (before - self.tickets.len()) as u64;
    }

    /// A picture is missing from the stream: those that refer to it are of no use.
    fn torn(&mut self) {
        self.whole = false;
        self.key.want();
    }

    fn done(&mut self, order: Order, outcome: Outcome) {
        let taken = outcome == Outcome::Taken;
        match order {
            Order::Recycle(coded) => {
                if let Some(CodedState::Ours { refused }) = self.coded_state(coded) {
                    self.recycled(coded, taken, refused);
                }
            }
            Order::Encode(raw, stamp) => {
                if let Some(state @ RawState::Filled { stamp: s, .. }) = self.raw_state(raw)
                    && s == stamp
                {
                    self.encoded(raw, taken, state);
                }
            }
            Order::Refill(raw) => {
                if let Some(RawState::Idle { refused }) = self.raw_state(raw)
                    && self.feed == Feed::Import
                {
                    self.refilled(raw, taken, refused);
                }
            }
            Order::ForceKey => self.key.told(taken),
            Order::Emit(..) | Order::GiveUp(_) => {}
        }
    }

    fn recycled(&mut self, coded: CodedIndex, taken: bool, refused: bool) {
        if taken {
            self.shelvings = 0;
            self.counts.requeued += u64::from(refused);
            return self.put_coded(coded, CodedState::Encoder);
        }
        if !refused {
            return self.put_coded(coded, CodedState::Ours { refused: true });
        }
        self.put_coded(coded, CodedState::Shelved);
        self.shelvings += 1;
        if self.shelvings >= REFUSALS {
            self.give_up(Reason::EncoderStuck);
        }
    }

    fn encoded(&mut self, raw: RawIndex, taken: bool, state: RawState) {
        let RawState::Filled {
            frame,
            stamp,
            refused,
        } = state
        else {
            return;
        };
        if taken {
            self.refusals = 0;
            self.counts.requeued += u64::from(refused);
            self.put_raw(raw, RawState::Encoding);
            self.open_ticket(Ticket {
                stamp,
                frame,
                raw: Some(raw),
            });
            self.key.sent(stamp);
        } else if refused {
            self.counts.refused += 1;
            self.refusals += 1;
            self.put_raw(raw, RawState::IDLE);
            if self.refusals >= REFUSALS {
                self.give_up(Reason::EncoderRefuses);
            }
        } else {
            let again = RawState::Filled {
                frame,
                stamp,
                refused: true,
            };
            self.put_raw(raw, again);
        }
    }

    fn refilled(&mut self, raw: RawIndex, taken: bool, refused: bool) {
        if taken {
            self.put_raw(raw, RawState::Camera);
        } else if refused {
            self.give_up(Reason::CameraRefuses);
        } else {
            self.put_raw(raw, RawState::Idle { refused: true });
        }
    }

    fn restarted(&mut self) {
        self.counts.lost += self.in_flight() as u64;
        self.tickets.clear();
        self.raw.fill(RawState::IDLE);
        self.coded.fill(CodedState::OURS);
        self.whole = false;
        // An encoder begins with a key frame; one that refused to be asked before its first frame may be asked again.
        self.key = Wish::Idle;
        self.refusals = 0;
        self.shelvings = 0;
        self.strangers = 0;
        self.lies = 0;
        self.broken = None;
    }

    /// Notes whether what a device said can be; gives up on one that only says what cannot.
    fn judge(&mut self, right: bool, side: Side) -> bool {
        if right {
            self.lies = 0;
        } else {
            self.counts.lies += 1;
            self.lies += 1;
            if self.lies >= LIES {
                self.give_up(Reason::Nonsense(side));
            }
        }
        right
    }

    /// The first reason stays: later ones follow from it.
    const fn give_up(&mut self, reason: Reason) {
        if self.broken.is_none() {
            self.broken = Some(reason);
        }
    }

    /// Something moved: what was refused may be taken now.
    fn unshelve(&mut self) {
        for state in &mut self.coded {
            if *state == CodedState::Shelved {
                *state = CodedState::Ours { refused: true };
            }
        }
    }

    /// Frames at or on their way to the encoder.
    fn ahead(&self) -> usize {
        let ahead =
            |state: &&RawState| matches!(state, RawState::Filled { .. } | RawState::Encoding);
        self.raw.iter().filter(ahead).count()
    }

    fn oldest_filled(&self) -> Option<(RawIndex, Stamp)> {
        let filled = self.raw.iter().enumerate().filter_map(|(at, state)| {
            if let RawState::Filled { stamp, .. } = state {
                Some((raw_index(at)?, *stamp))
            } else {
                None
            }
        });
        filled.min_by_key(|(_, stamp)| *stamp)
    }

    fn open_ticket(&mut self, ticket: Ticket) {
        if self.tickets.is_full()
            && let Some(oldest) = self.tickets.iter().position(|t| t.raw.is_none())
        {
            self.tickets.remove(oldest);
            self.counts.swallowed += 1;
        }
        // There is room now: fewer tickets have a buffer than there are places.
        let _ = self.tickets.push(ticket);
    }

    fn close(&mut self, at: usize) -> Option<Ticket> {
        (at < self.tickets.len()).then(|| self.tickets.remove(at))
    }

    fn raw_state(&self, raw: RawIndex) -> Option<RawState> {
        self.raw.get(usize::try_from(raw.0).ok()?).copied()
    }

    fn put_raw(&mut self, raw: RawIndex, state: RawState) {
        let slot = usize::try_from(raw.0)
            .ok()
            .and_then(|at| self.raw.get_mut(at));
        if let Some(slot) = slot {
            *slot = state;
        }
    }

    fn coded_state(&self, coded: CodedIndex) -> Option<CodedState> {
        self.coded.get(usize::try_from(coded.0).ok()?).copied()
    }

    fn put_coded(&mut self, coded: CodedIndex, state: CodedState) {
        let slot = usize::try_from(coded.0)
            .ok()
            .and_then(|at| self.coded.get_mut(at));
        if let Some(slot) = slot {
            *slot = state;
        }
    }
}

impl RawState {
    const IDLE: Self = Self::Idle { refused: false };
}

impl CodedState {
    const OURS: Self = Self::Ours { refused: false };
}

fn raw_index(at: usize) -> Option<RawIndex> {
    u32::try_from(at).ok().map(RawIndex)
}

fn coded_index(at: usize) -> Option<CodedIndex> {
    u32::try_from(at).ok().map(CodedIndex)
}

#[cfg(test)]
mod tests;
