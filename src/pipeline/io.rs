//! The camera's thread: one wait for all its descriptors, then frame → access unit → socket.

mod commands;
mod handle;
mod second;
mod slate;

pub use handle::{Pipeline, Rescan, start};

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::epoll::EpollFlags;
use tracing::{debug, info, warn};

use self::handle::Message;
use self::second::Second;
use super::chain::{Chain, Failure, Interest, Part, Progress, Timing, Way};
use super::open::io::open;
use super::tally::Tally;
use super::wait::io::{Token, Waiter};
use super::{Origin, Plan};
use crate::camera::controls::kept::Kept;
use crate::camera::remote::VideoChange;
use crate::camera::{Counters, Directory, Status};
use crate::capture::Format;
use crate::clock::{self, Mono};
use crate::encode::{AccessUnit, Choice};
use crate::error::{Error, Kind, Result};
use crate::kept::wishes::{Wishes, still};
use crate::recover::{Ladder, Order, Situation};
use crate::slate::Slate;
use crate::stream::State;
use crate::stream::io::Publisher;
use crate::stream::timeline::Timeline;
use crate::supervise::{Inbox, Stop};
use crate::sys::heap;

/// The thread looks around at least this often, so that its tick proves it is alive.
const TICK: Duration = Duration::from_millis(500);
/// Steps per wake at most, so that a device that always has one more frame cannot starve the socket.
const STEPS: usize = 8;
/// The same failure is logged again after this long.
const SAY_AGAIN: Duration = Duration::from_secs(600);
/// From one picture to the next at least, on the stream's clock.
const LEAST_STEP: Duration = Duration::from_millis(1);

/// Everything the thread owns.
struct Hand {
    plan: Plan,
    ladder: Ladder,
    situation: Situation,
    slate: Option<Slate>,
    slate_since: Mono,
    slate_retry: Option<Mono>,
    /// The way the chain goes was looked at again after its first picture.
    way_told: bool,
    /// What the camera delivered last; the slate takes its place in the same format.
    format: Option<Format>,
    /// When the last picture that went out was taken.
    last_captured: Mono,
    rescan: Rescan,
    chain: Option<Box<dyn Chain>>,
    /// Counts openings, so that descriptors with the same number can be told apart.
    opening: u64,
    publisher: Publisher,
    second: Second,
    second_trouble: Option<String>,
    directory: Arc<Directory>,
    counters: Arc<Counters>,
    tally: Tally,
    /// What clients have set of the sensor's controls.
    kept: Kept,
    /// What the configuration asks of the picture, and what clients asked over it.
    configured: Wishes,
    asked: VideoChange,
    force_idr: bool,
    publish_trouble: Option<String>,
    /// What was logged last of openings and failures.
    opened_as: Option<(Format, Way)>,
    complaint: Option<(String, Mono)>,
    inbox: Inbox<Message>,
    stop: Stop,
}

impl Hand {
    fn new(
        mut plan: Plan,
        publisher: Publisher,
        directory: Arc<Directory>,
        counters: Arc<Counters>,
        inbox: Inbox<Message>,
        rescan: Rescan,
        stop: Stop,
    ) -> Self {
        let configured = plan.wishes();
        let before = plan.kept.look();
        let asked = before.over.map_or_else(VideoChange::default, |over| {
            still(before.video, &over, &configured)
        });
        plan.ask(configured.with(asked));
        let second = Second::new(plan.beside.take(), Timeline::new(Arc::clone(&counters)));
        Self {
            second,
            second_trouble: None,
            plan,
            ladder: Ladder::new(clock::mono()),
            situation: Situation::default(),
            slate: None,
            slate_since: Mono::default(),
            slate_retry: None,
            way_told: true,
            format: None,
            last_captured: Mono::default(),
            rescan,
            chain: None,
            opening: 0,
            publisher,
            directory,
            tally: Tally::new(Arc::clone(&counters)),
            counters,
            kept: Kept::new(before.controls),
            configured,
            asked,
            force_idr: true,
            publish_trouble: None,
            opened_as: None,
            complaint: None,
            inbox,
            stop,
        }
    }

    fn run(mut self, mut waiter: Waiter) {
        while !self.stop.is_given() {
            let now = clock::mono();
            self.counters
                .tick_nanos
                .store(now.as_nanos(), Ordering::Relaxed);
            self.obey(now);
            if self.stop.is_given() {
                // A driver held this thread up, and another one may serve the camera by now.
                break;
            }
            self.tell(now);
            if let Err(error) = self.seat(&mut waiter) {
                // Without it the thread would sleep through its frames; the fleet starts it again.
                warn!(camera = %self.plan.id, %error, "cannot wait");
                return;
            }
            let woken = waiter.wait(now, self.deadline(now));
            if woken.has(Token::Publisher) {
                self.publisher.on_ready(clock::now());
            }
            self.tend_second(woken.has(Token::Second));
            let now = clock::now();
            if self
                .publisher
                .poll_timeout()
                .is_some_and(|at| at <= now.mono)
            {
                self.publisher.on_timeout(now);
            }
            if woken.chain() {
                if let Some(chain) = &mut self.chain {
                    chain.woken(woken.ready());
                }
                self.take_frames(woken.failed());
                self.obey(clock::mono());
            }
            if self.slate.as_ref().is_some_and(|s| s.due() <= now.mono) {
                self.show_slate();
            } else if self.slate_retry.is_some_and(|at| at <= now.mono) {
                self.begin_slate();
            }
            if woken.has(Token::Inbox) {
                self.read_inbox();
            }
            self.tell_publishing();
        }
        self.publisher.stop();
        if let Some(second) = self.second.publisher() {
            second.stop();
        }
    }

    /// Registers what to wait for.
    fn seat(&mut self, waiter: &mut Waiter) -> Result<()> {
        let readable = EpollFlags::EPOLLIN;
        waiter.want(Token::Stop, self.stop.fd(), 0, readable)?;
        waiter.want(Token::Inbox, self.inbox.fd(), 0, readable)?;
        match self.publisher.fd() {
            Some(fd) => {
                let flags = flags_of(&self.publisher);
                waiter.want(Token::Publisher, fd, self.publisher.connection(), flags)?;
            }
            None => waiter.left(Token::Publisher),
        }
        let connection = self.second.connection();
        match self.second.publisher().map(|p| (p.fd(), flags_of(p))) {
            Some((Some(fd), flags)) => waiter.want(Token::Second, fd, connection, flags)?,
            _ => waiter.left(Token::Second),
        }
        let mut result = Ok(());
        let mut nth = 0;
        if let Some(chain) = &self.chain {
            chain.watch(&mut |fd, interest| {
                let mut flags = EpollFlags::EPOLLIN;
                flags.set(EpollFlags::EPOLLOUT, interest == Interest::Both);
                flags.set(EpollFlags::EPOLLPRI, interest == Interest::Events);
                if result.is_ok() {
                    result = waiter.want(Token::Chain(nth), fd, self.opening, flags);
                }
                nth += 1;
            });
        }
        result
    }

    fn deadline(&self, now: Mono) -> Mono {
        let slate = self.slate.as_ref().map(Slate::due).or(self.slate_retry);
        [
            self.ladder.poll_timeout(),
            self.publisher.poll_timeout(),
            self.second.poll_timeout(),
            slate,
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(now + TICK)
        .min(now + TICK)
    }

    /// Does what the decider wants.
    fn obey(&mut self, now: Mono) {
        while let Some(order) = self.ladder.poll(now) {
            match order {
                Order::Close => self.chain = None,
                Order::Reprobe => (self.rescan)(),
                Order::Open => self.open(),
                Order::Restream => self.restream(),
                Order::Slate { since } => {
                    self.slate_since = since;
                    self.begin_slate();
                }
                Order::Picture => {
                    self.slate_retry = None;
                    info!(camera = %self.plan.id, "the picture is back");
                    // Decoder and encoder of the slate took megabytes.
                    heap::give_back();
                }
            }
        }
    }

    fn open(&mut self) {
        if let Err(failure) = self.try_open() {
            self.complain(&failure);
            self.ladder.failed(&failure, clock::mono());
        }
    }

    /// Opens what is planned; a failure is the caller's to tell.
    fn try_open(&mut self) -> Result<(), Failure> {
        // Closed first: a device that is open twice is busy.
        self.chain = None;
        let chain = open(&self.plan, &mut self.ladder, clock::mono())?;
        let (format, way) = (chain.format(), chain.way());
        if self.opened_as.as_ref() != Some(&(format, way.clone())) {
            info!(camera = %self.plan.id, size = %format.size, rate = %format.rate, pixel = %format.pixel, route = way.route.as_str(), why = way.why, "opened");
            self.opened_as = Some((format, way.clone()));
        }
        self.directory.update(self.plan.id, |camera| {
            camera.format = Some(format);
            camera.route = Some(way.route);
            camera.route_why = Some(way.why);
        });
        self.ladder.opened(format.rate, way.coder, clock::mono());
        self.tally.reopened();
        self.force_idr = true;
        self.opening += 1;
        self.format = Some(format);
        self.chain = Some(chain);
        self.way_told = false;
        self.restore_controls();
        Ok(())
    }

    /// Logs a failure, unless it is the last one once more: a camera that stays broken for a month must not fill the disk.
    fn complain(&mut self, failure: &Failure) {
        let (said, now) = (failure.to_string(), clock::mono());
        let again = self
            .complaint
            .as_ref()
            .is_some_and(|(last, at)| *last == said && now.since(*at) < SAY_AGAIN);
        if !again {
            warn!(camera = %self.plan.id, part = %failure.part, %failure, "failed");
            self.complaint = Some((said, now));
        }
    }

    fn restream(&mut self) {
        let Some(chain) = &mut self.chain else {
            let failure = Failure::capture(Error::new(Kind::Reopen, "nothing is open"));
            return self.ladder.failed(&failure, clock::mono());
        };
        let result = chain.restream();
        debug!(camera = %self.plan.id, ok = result.is_ok(), "stream stopped and started");
        self.tally.reopened();
        self.force_idr = true;
        self.ladder
            .restreamed(result.as_ref().copied(), clock::mono());
    }

    /// Publishes what changed of the status.
    fn tell(&mut self, now: Mono) {
        if let Some(recovery) = self.ladder.take_recovery() {
            info!(camera = %self.plan.id, fault = recovery.class.as_str(), rung = recovery.rung.as_str(), took_ms = recovery.took.as_millis(), "mended");
            if let Some(camera) = self.directory.get(self.plan.id) {
                camera.remember(recovery);
            }
        }
        let situation = self.ladder.situation(now);
        if situation != self.situation {
            self.situation = situation;
            self.directory.update(self.plan.id, |camera| {
                camera.fault = situation.fault;
                camera.avoided = situation.avoided;
                camera.slate_since = situation.slate_since;
            });
        }
        if !self.way_told && self.tally.pictures() > 0 {
            self.tell_way();
        }
        let Some(status) = self.ladder.take_status() else {
            return;
        };
        if self.slate.is_some() {
            let text = self.slate_text();
            if let Some(slate) = &mut self.slate {
                slate.retitle(text, clock::now());
            }
        }
        let changed = self
            .directory
            .get(self.plan.id)
            .is_some_and(|c| c.status != status);
        if !changed {
            return;
        }
        match &status {
            Status::Connected => info!(camera = %self.plan.id, "frames flow"),
            Status::Disconnected { reason } => {
                warn!(camera = %self.plan.id, reason, "disconnected")
            }
            Status::Error { reason, action } => {
                warn!(camera = %self.plan.id, reason, action, "no picture")
            }
        }
        self.directory.update(self.plan.id, |camera| {
            camera.status = status;
            camera.since = now;
        });
    }

    /// What a chain is like may show only in its first picture.
    fn tell_way(&mut self) {
        self.way_told = true;
        let Some(way) = self.chain.as_ref().map(|chain| chain.way()) else {
            return;
        };
        self.directory
            .update(self.plan.id, |camera| camera.route_why = Some(way.why));
    }

    /// Publishes a change between "pictures arrive" and "they do not, because".
    fn tell_publishing(&mut self) {
        let trouble = match self.publisher.state() {
            State::Backoff { reason, .. } => Some(reason),
            State::Recording { .. } => None,
            // On the way: neither better nor worse than before.
            State::Idle | State::Connecting | State::Announcing | State::Stopped => return,
        };
        if trouble == self.publish_trouble {
            return;
        }
        match &trouble {
            Some(reason) => {
                warn!(camera = %self.plan.id, reason, "pictures do not reach MediaMTX; trying on")
            }
            None => info!(camera = %self.plan.id, "pictures reach MediaMTX"),
        }
        self.publish_trouble.clone_from(&trouble);
        self.directory
            .update(self.plan.id, |camera| camera.publish_trouble = trouble);
    }

    /// Takes what the chain has and hands it on.
    fn take_frames(&mut self, failed: Option<Part>) {
        let mut moved = false;
        for _ in 0..STEPS {
            let Some(chain) = &mut self.chain else { return };
            let now = clock::mono();
            let mut force = self.force_idr | self.ladder.wants_keyframe(now);
            if self.slate.is_none() {
                force |= self.publisher.wants_keyframe()
                    | self.second.wants_keyframe()
                    | self.counters.keyframe_wanted.swap(false, Ordering::Relaxed);
            }
            self.force_idr = force;
            let progress = chain.next(force, &mut self.tally);
            let now = clock::mono();
            self.ladder.news(&self.tally.take_news(), now);
            match progress {
                Ok(Progress::Unit(unit, timing)) => {
                    self.force_idr = force && !unit.keyframe;
                    if self.ladder.unit(unit.keyframe, now) {
                        // Nothing of the slate may follow: its pictures refer to its own.
                        self.slate = None;
                        self.last_captured = push(
                            (&mut self.publisher, &mut self.second),
                            &unit,
                            Some(timing),
                            self.last_captured,
                        );
                    }
                    moved = true;
                }
                Ok(Progress::Moved) => moved = true,
                Ok(Progress::Pending) => break,
                Err(failure) => {
                    self.complain(&failure);
                    self.ladder.failed(&failure, now);
                    return self.obey(now);
                }
            }
        }
        if let Some(part) = failed.filter(|_| !moved) {
            // The wait would end at once for ever.
            let what = "the device reports a failure without saying which";
            let error = Error::new(Kind::Reopen, what);
            let failure = match part {
                Part::Capture => Failure::capture(error),
                Part::Encoder => Failure::encoder(error),
            };
            self.ladder.failed(&failure, clock::mono());
            self.obey(clock::mono());
        }
    }

    fn read_inbox(&mut self) {
        // One at a time: frames come between the orders of whoever asks without end.
        if let Some(message) = self.inbox.next() {
            match message {
                Message::Command(command, answer) => answer(self.carry_out(command)),
                Message::Encoders => {
                    let waits = matches!(self.plan.origin, Origin::V4l2 { .. })
                        && self.plan.encoder != Choice::Software;
                    if waits {
                        self.ladder.encoders_changed(clock::mono());
                    }
                }
                Message::Configured(wishes) => self.configure(wishes),
                Message::Gone => self.ladder.gone(clock::mono()),
                Message::Back(mut origin) => {
                    // What clients have asked for holds for the returned device, too.
                    let (size, rate) = self.plan.origin.wished();
                    origin.wish(Some(size), Some(rate));
                    self.plan.origin = origin;
                    self.ladder.returned(clock::mono());
                }
            }
        }
    }
}

/// Publishes a picture; returns when it was taken. The stream's clock never goes back, whatever a driver's does.
fn push(
    (publisher, second): (&mut Publisher, &mut Second),
    unit: &AccessUnit<'_>,
    timing: Option<Timing>,
    last: Mono,
) -> Mono {
    let captured = unit.captured.max(last + LEAST_STEP);
    let unit = AccessUnit { captured, ..*unit };
    publisher.push(&unit, timing, clock::now());
    // Viewers do not wait for what is recorded.
    second.push(&unit, clock::now());
    captured
}

fn flags_of(publisher: &Publisher) -> EpollFlags {
    let interest = publisher.interest();
    let mut flags = EpollFlags::empty();
    flags.set(EpollFlags::EPOLLIN, interest.read);
    flags.set(EpollFlags::EPOLLOUT, interest.write);
    flags
}

#[cfg(test)]
mod tests;
