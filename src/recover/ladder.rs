//! One camera's decider: told what happened and the time, it says what to do next.
//!
//! The law: whoever carries out the orders calls [`Ladder::poll`] until it returns `None`, after every input and
//! at [`Ladder::poll_timeout`]; `Open` is answered by [`Ladder::opened`] or [`Ladder::failed`], `Restream` by
//! [`Ladder::restreamed`]. A failed chain is not asked again before the next order.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::disgrace::Disgrace;
use super::pace::Pace;
use super::silence::Silence;
use super::viewers::Viewers;
use super::{Coder, FaultClass, Ongoing, Recovery, Rung, Situation, words};
use crate::camera::Status;
use crate::clock::Mono;
use crate::error::Kind;
use crate::pipeline::chain::{Failure, Part};
use crate::pipeline::tally::News;
use crate::units::Rate;

/// Pictures for this long mean that all is well again. One frame is no recovery: a device that fails after each
/// must not be opened ten times a second.
const SETTLED: Duration = Duration::from_secs(5);
/// Encoders come and go in groups of nodes: wait until the last one is there.
const ENCODERS_SETTLE: Duration = Duration::from_secs(1);
/// Opens whose rate is not known yet.
const DUE_NOW: Mono = Mono::from_nanos(0);

/// What the camera's thread must do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Choose the route among the encoders known, without those for which [`Ladder::avoids`] is true, and
    /// open. If only an avoided one could do it, open nothing and report the failure.
    Open,
    /// Call the chain's `restream` and report by [`Ladder::restreamed`].
    Restream,
    /// Close every descriptor of camera and encoder. `Open` follows by itself.
    Close,
    /// Everything is closed: look at all nodes and encoders anew. `Open` follows by itself.
    Reprobe,
    /// Show viewers the slate.
    Slate {
        /// The last picture they saw.
        since: Mono,
    },
    /// The picture is back: end the slate. The access unit for which [`Ladder::unit`] returned true is the first.
    Picture,
}

/// Where a chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing is open. Left at `open_at`.
    Closed {
        open_at: Mono,
        /// All is looked at anew first.
        reprobe: bool,
    },
    /// Nothing is open, and all was looked at anew. Left at once.
    Looked,
    /// Nothing is open, and there is no node to open. Left when the device returns.
    Away,
    /// `Open` was ordered. Left by its answer.
    Opening,
    /// Open. Left by a fault or when `plan` falls due.
    Open { plan: Option<(Rung, Mono)> },
    /// `Restream` was ordered. Left by its answer.
    Restreaming,
}

/// What the status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Good,
    Bad,
}

/// An outage, from its first cause to the picture after it.
#[derive(Debug, Clone, Copy)]
struct Outage {
    first: FaultClass,
    now: FaultClass,
    began: Mono,
    rung: Rung,
}

/// The decider of one camera.
#[derive(Debug)]
pub struct Ladder {
    phase: Phase,
    /// Something may be open that must be closed before anything else.
    closing: bool,
    shown: Shown,
    status: Option<Status>,
    outage: Option<Outage>,
    recovery: Option<Recovery>,
    silence: Silence,
    pace: Pace,
    coder: Coder,
    opened_at: Mono,
    disgrace: Disgrace,
    encoders_changed_at: Option<Mono>,
    good_since: Option<Mono>,
    viewers: Viewers,
    picture_is_back: bool,
}

impl Ladder {
    /// A camera that wants to be opened at once.
    #[must_use]
    pub fn new(now: Mono) -> Self {
        Self {
            phase: Phase::Closed {
                open_at: now,
                reprobe: false,
            },
            closing: false,
            shown: Shown::Nothing,
            status: None,
            outage: None,
            recovery: None,
            silence: Silence::new(now),
            pace: Pace::new(),
            coder: Coder::Software,
            opened_at: now,
            disgrace: Disgrace::default(),
            encoders_changed_at: None,
            good_since: None,
            viewers: Viewers::new(),
            picture_is_back: false,
        }
    }

    /// Names what will code before it is opened, so that a failure to open is laid at the right door.
    pub const fn opening(&mut self, coder: Coder) {
        self.coder = coder;
    }

    /// The chain is open: the camera promised `rate`, and `coder` codes.
    pub fn opened(&mut self, rate: Rate, coder: Coder, now: Mono) {
        self.phase = Phase::Open { plan: None };
        self.closing = false;
        self.coder = coder;
        self.opened_at = now;
        self.good_since = None;
        self.silence.opened(rate.interval(), now);
        self.viewers.interval(rate.interval());
    }

    /// A new frame came from the camera: one that [`Seen::New`](crate::pipeline::tally::Seen) says is new.
    pub fn frame(&mut self, now: Mono) {
        if self.is_open() {
            self.silence.frame(now);
        }
    }

    /// A frame came that could not be used.
    pub const fn damaged(&mut self) {
        self.silence.damaged(1);
    }

    /// The chain queued a buffer of `part` again because the driver refused it once.
    pub fn requeued(&mut self, part: Part, now: Mono) {
        if !self.silence.refused(part) || !self.is_open() {
            return;
        }
        let class = words::class(part, Kind::Reopen, false, true);
        self.set(words::mute(class, now.since(self.silence.began()), 0));
        self.fault(class, false, true, now);
    }

    /// An access unit came. True when viewers get it; false while they see the slate.
    #[must_use]
    pub fn unit(&mut self, keyframe: bool, now: Mono) -> bool {
        let Phase::Open { plan } = &mut self.phase else {
            return false;
        };
        if self.silence.unit(now) {
            *plan = None;
            self.mended(now);
        }
        let (shown, back) = self.viewers.unit(keyframe, now);
        self.picture_is_back |= back;
        shown
    }

    /// Opening or running the chain failed. It must not be asked again before the next order.
    pub fn failed(&mut self, failure: &Failure, now: Mono) {
        let opening = match self.phase {
            Phase::Opening => true,
            Phase::Open { .. } | Phase::Restreaming => false,
            // The end of something that is being closed already.
            Phase::Closed { .. } | Phase::Looked | Phase::Away => return,
        };
        let kind = failure.error.kind();
        let refused = self.silence.has_refused(failure.part);
        let class = words::class(failure.part, kind, opening, refused);
        self.set(words::failed(class, &failure.error));
        // An encoder that is not there any more: others may be.
        let lost = failure.part == Part::Encoder && kind == Kind::Gone;
        self.fault(class, lost, true, now);
    }

    /// Everything a chain's tally learned since it was asked last.
    pub fn news(&mut self, news: &News, now: Mono) {
        if news.fresh.is_some() {
            self.frame(now);
        }
        self.silence.damaged(news.damaged);
        for _ in 0..news.requeued_capture {
            self.requeued(Part::Capture, now);
        }
        for _ in 0..news.requeued_encoder {
            self.requeued(Part::Encoder, now);
        }
    }

    /// The answer to [`Order::Restream`].
    pub fn restreamed(&mut self, result: Result<(), &Failure>, now: Mono) {
        match result {
            Ok(()) if self.phase == Phase::Restreaming => {
                self.phase = Phase::Open { plan: None };
                self.silence.restreamed(now);
            }
            Ok(()) => {}
            Err(failure) => self.failed(failure, now),
        }
    }

    /// The kernel says that the node is gone: nothing is opened until [`Ladder::returned`], lest it be another
    /// device that took the number.
    pub fn gone(&mut self, now: Mono) {
        self.closing |= self.may_hold_descriptors();
        self.phase = Phase::Away;
        self.good_since = None;
        self.viewers.gone();
        self.note(FaultClass::CameraGone, now);
        self.set(words::gone());
    }

    /// The device is there again, perhaps under another node.
    pub fn returned(&mut self, now: Mono) {
        self.closing |= self.may_hold_descriptors();
        let soon = self.pace.returned(now);
        let (open_at, reprobe) = match self.phase {
            Phase::Closed { open_at, reprobe } => (open_at.min(soon), reprobe),
            _ => (soon, false),
        };
        self.phase = Phase::Closed { open_at, reprobe };
    }

    /// V4L2 encoders came or went: those in disgrace get another chance.
    pub fn encoders_changed(&mut self, now: Mono) {
        self.disgrace.pardon(now);
        self.encoders_changed_at = Some(now);
    }

    /// What to do now, if anything. Call it until it returns `None`.
    pub fn poll(&mut self, now: Mono) -> Option<Order> {
        // First of all: while a descriptor of a device that left is open, it comes back under another number.
        if std::mem::take(&mut self.closing) {
            return Some(Order::Close);
        }
        if std::mem::take(&mut self.picture_is_back) {
            return Some(Order::Picture);
        }
        if self.may_report() && self.silence.is_frozen(now) {
            self.report(now);
        }
        if let Some(since) = self.viewers.slate_due(now) {
            return Some(Order::Slate { since });
        }
        self.watch(now);
        self.step(now)
    }

    /// When [`Ladder::poll`] wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        if self.closing || self.picture_is_back {
            return Some(DUE_NOW);
        }
        let phase = match self.phase {
            Phase::Closed { open_at, .. } => Some(open_at),
            Phase::Looked => Some(DUE_NOW),
            Phase::Open {
                plan: Some((_, at)),
            } => Some(at),
            Phase::Open { plan: None } => Some(self.silence.deadline()),
            Phase::Away | Phase::Opening | Phase::Restreaming => None,
        };
        let report = self.may_report().then(|| self.silence.frozen_at());
        [phase, report, self.viewers.timeout(), self.chance()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The status to publish, once after each change.
    pub const fn take_status(&mut self) -> Option<Status> {
        self.status.take()
    }

    /// The fault that was mended last, once.
    pub const fn take_recovery(&mut self) -> Option<Recovery> {
        self.recovery.take()
    }

    /// How recovery stands.
    #[must_use]
    pub fn situation(&self, now: Mono) -> Situation {
        Situation {
            fault: self.outage.map(|outage| Ongoing {
                class: outage.now,
                began: outage.began,
                rung: outage.rung,
            }),
            avoided: self.disgrace.avoided(now),
            slate_since: self.viewers.slate_since(),
        }
    }

    /// Whether the V4L2 encoder at `/dev/videoN` must not be used now.
    #[must_use]
    pub fn avoids(&self, node: u16, now: Mono) -> bool {
        self.disgrace.is_avoided(node, now)
    }

    /// Whether a key frame would end the slate: force one.
    #[must_use]
    pub fn wants_keyframe(&self, now: Mono) -> bool {
        self.viewers.wants_keyframe(now)
    }

    const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// Carries out what the phase asks for.
    fn step(&mut self, now: Mono) -> Option<Order> {
        if std::mem::take(&mut self.closing) {
            return Some(Order::Close);
        }
        match &mut self.phase {
            Phase::Closed { open_at, .. } if now < *open_at => None,
            Phase::Closed { reprobe: true, .. } => {
                self.phase = Phase::Looked;
                self.encoders_changed_at = None;
                self.climbed(Rung::Reprobe);
                Some(Order::Reprobe)
            }
            Phase::Closed { .. } => {
                self.climbed(Rung::Reopen);
                Some(self.open())
            }
            Phase::Looked => Some(self.open()),
            Phase::Open {
                plan: Some((rung, at)),
            } if now >= *at => {
                if *rung == Rung::Restream {
                    self.phase = Phase::Restreaming;
                    self.climbed(Rung::Restream);
                    return Some(Order::Restream);
                }
                let reprobe = *rung == Rung::Reprobe;
                self.close(now, reprobe);
                self.step(now)
            }
            _ => None,
        }
    }

    fn open(&mut self) -> Order {
        // Until `opening` says otherwise no hardware encoder is to blame.
        self.coder = Coder::Software;
        self.phase = Phase::Opening;
        Order::Open
    }

    /// A rung is tried now.
    const fn climbed(&mut self, rung: Rung) {
        if let Some(outage) = &mut self.outage {
            outage.rung = rung;
        }
    }

    const fn may_hold_descriptors(&self) -> bool {
        matches!(
            self.phase,
            Phase::Opening | Phase::Open { .. } | Phase::Restreaming
        )
    }

    /// Looks for silence, and for an encoder whose time has come.
    fn watch(&mut self, now: Mono) {
        if self.phase != (Phase::Open { plan: None }) {
            return;
        }
        if let Some(class) = self.silence.mute(now).map(|class| self.whose(class)) {
            if self.outage.is_none_or(|outage| outage.now != class) {
                self.say_mute(class, now);
            }
            self.fault(class, false, false, now);
        } else if self.chance().is_some_and(|at| now >= at) {
            self.close(now, true);
        }
    }

    fn close(&mut self, open_at: Mono, reprobe: bool) {
        self.closing = true;
        self.phase = Phase::Closed { open_at, reprobe };
    }

    /// A fault: remembers it and plans the next rung. `broken`: the chain is of no use until then.
    fn fault(&mut self, class: FaultClass, lost: bool, broken: bool, now: Mono) {
        self.good_since = None;
        self.note(class, now);
        let was_open = matches!(self.phase, Phase::Open { .. } | Phase::Restreaming);
        let encoder = class.part() == Part::Encoder;
        let probation = match self.coder {
            Coder::Node(node) => encoder && self.disgrace.is_on_probation(node),
            Coder::Camera | Coder::Software => false,
        };
        let first = if lost || probation {
            Rung::Reprobe
        } else {
            class.first_rung()
        };
        let (rung, at) = self.pace.next(class, first, now);
        if encoder && (probation || rung == Rung::Reprobe) {
            match self.coder {
                Coder::Node(node) => self.disgrace.strike(node, now),
                // What we fell back to does not work either.
                Coder::Camera | Coder::Software => self.disgrace.pardon(now),
            }
        }
        self.phase = if rung == Rung::Restream || (was_open && !broken) {
            Phase::Open {
                plan: Some((rung, at)),
            }
        } else {
            self.closing |= was_open;
            Phase::Closed {
                open_at: at,
                reprobe: rung == Rung::Reprobe,
            }
        };
    }

    /// Notes the fault in the outage, which begins with it if there was none.
    fn note(&mut self, class: FaultClass, now: Mono) {
        let began = if self.silence.is_frozen(now) {
            self.silence.began()
        } else {
            now
        };
        let outage = self.outage.get_or_insert(Outage {
            first: class,
            now: class,
            began,
            rung: Rung::Wait,
        });
        outage.now = class;
    }

    /// The picture lives.
    fn mended(&mut self, now: Mono) {
        if self.shown != Shown::Good {
            self.shown = Shown::Good;
            self.status = Some(Status::Connected);
        }
        if let Some(outage) = self.outage.take() {
            self.recovery = Some(Recovery {
                class: outage.first,
                began: outage.began,
                took: now.since(outage.began),
                rung: outage.rung,
            });
        }
        let well = now.since(*self.good_since.get_or_insert(now));
        if well > SETTLED {
            self.pace.settled();
        }
        if let Coder::Node(node) = self.coder {
            self.disgrace.works(node, well);
        }
    }

    /// A camera that codes by itself and sends nothing to start decoding at has no encoder to blame.
    fn whose(&self, class: FaultClass) -> FaultClass {
        if self.coder == Coder::Camera && class.part() == Part::Encoder {
            FaultClass::CameraFramesDamaged
        } else {
            class
        }
    }

    /// Whether a picture that stands still must still be told of.
    const fn may_report(&self) -> bool {
        match self.shown {
            Shown::Good => true,
            Shown::Nothing => self.is_open(),
            Shown::Bad => false,
        }
    }

    fn report(&mut self, now: Mono) {
        let class = self.whose(self.silence.blame(now));
        self.good_since = None;
        self.note(class, now);
        self.say_mute(class, now);
    }

    fn say_mute(&mut self, class: FaultClass, now: Mono) {
        let silent = now.since(self.silence.began());
        self.set(words::mute(class, silent, self.silence.damaged_frames()));
    }

    /// Why there is no picture, for viewers.
    #[must_use]
    pub fn why_no_picture(&self, now: Mono) -> String {
        let class = match self.outage {
            Some(outage) => outage.now,
            None => self.whose(self.silence.blame(now)),
        };
        words::plain(class).to_owned()
    }

    /// When a better encoder may be tried while pictures flow, and flow well.
    fn chance(&self) -> Option<Mono> {
        let well = self.shown == Shown::Good && self.outage.is_none();
        if !well || self.phase != (Phase::Open { plan: None }) || self.coder != Coder::Software {
            return None;
        }
        let settled = self.good_since? + SETTLED;
        let changed = self.encoders_changed_at.map(|at| at + ENCODERS_SETTLE);
        [changed, self.disgrace.next_chance(self.opened_at)]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.max(settled))
    }

    fn set(&mut self, status: Status) {
        self.shown = Shown::Bad;
        self.status = Some(status);
    }
}
