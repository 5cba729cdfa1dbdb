//! The camera's thread: one wait for all its descriptors, then frame → access unit → socket.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::epoll::EpollFlags;
use tracing::{info, warn};

use super::Plan;
use super::chain::{Chain, Failure, Interest, Progress};
use super::open::io::open;
use super::tally::Tally;
use super::wait::io::{Token, Waiter};
use super::watch::{Order, Watch};
use crate::camera::remote::{Answer, Command, Remote, Reply, Video, VideoChange};
use crate::camera::{Counters, Directory, Status};
use crate::clock::{self, Mono};
use crate::error::{Error, Kind, Result};
use crate::stream::State;
use crate::stream::io::Publisher;
use crate::supervise::{Inbox, Post, Stop, Worker};

/// The thread looks around at least this often, so that its tick proves it is alive.
const TICK: Duration = Duration::from_millis(500);
/// Steps per wake at most, so that a device that always has one more frame cannot starve the socket.
const STEPS: usize = 8;

/// What other threads tell a camera's thread.
pub enum Message {
    /// A client's command.
    Command(Command, Answer),
}

/// The line of clients to a camera's thread.
struct Line(Post<Message>);

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

impl Remote for Line {
    fn ask(&self, command: Command, answer: Answer) -> Result<()> {
        self.0.send(Message::Command(command, answer))
    }
}

/// Starts the thread of `plan`. The camera must be in `directory` already.
///
/// # Errors
/// `Internal` when the kernel gives no thread, or the camera is not in the directory.
pub fn start(plan: Plan, publisher: Publisher, directory: Arc<Directory>) -> Result<Worker> {
    let id = plan.id;
    let counters = directory
        .get(id)
        .map(|camera| camera.counters)
        .ok_or_else(|| Error::new(Kind::Internal, format!("{id} is not in the directory")))?;
    let (post, inbox) = Inbox::new()?;
    let waiter = Waiter::new()?;
    directory.update(id, |camera| camera.remote = Some(Arc::new(Line(post))));
    // Built on its own thread: chains need not be able to move between threads.
    Worker::spawn(&id.to_string(), move |stop| {
        Hand::new(plan, publisher, directory, counters, inbox, stop).run(waiter);
    })
}

/// Everything the thread owns.
struct Hand {
    plan: Plan,
    watch: Watch,
    chain: Option<Box<dyn Chain>>,
    /// Counts openings, so that descriptors with the same number can be told apart.
    opening: u64,
    publisher: Publisher,
    directory: Arc<Directory>,
    counters: Arc<Counters>,
    tally: Tally,
    force_idr: bool,
    publish_trouble: Option<String>,
    inbox: Inbox<Message>,
    stop: Stop,
}

impl Hand {
    fn new(
        plan: Plan,
        publisher: Publisher,
        directory: Arc<Directory>,
        counters: Arc<Counters>,
        inbox: Inbox<Message>,
        stop: Stop,
    ) -> Self {
        Self {
            plan,
            watch: Watch::new(clock::mono()),
            chain: None,
            opening: 0,
            publisher,
            directory,
            tally: Tally::new(Arc::clone(&counters)),
            counters,
            force_idr: true,
            publish_trouble: None,
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
            let now = clock::now();
            if self
                .publisher
                .poll_timeout()
                .is_some_and(|at| at <= now.mono)
            {
                self.publisher.on_timeout(now);
            }
            if woken.chain() {
                self.take_frames(woken.chain_failed());
            }
            if woken.has(Token::Inbox) {
                self.read_inbox();
            }
            self.tell_publishing();
        }
        self.publisher.stop();
    }

    /// Registers what to wait for.
    fn seat(&self, waiter: &mut Waiter) -> Result<()> {
        let readable = EpollFlags::EPOLLIN;
        waiter.want(Token::Stop, self.stop.fd(), 0, readable)?;
        waiter.want(Token::Inbox, self.inbox.fd(), 0, readable)?;
        match self.publisher.fd() {
            Some(fd) => {
                let interest = self.publisher.interest();
                let mut flags = EpollFlags::empty();
                flags.set(EpollFlags::EPOLLIN, interest.read);
                flags.set(EpollFlags::EPOLLOUT, interest.write);
                waiter.want(Token::Publisher, fd, self.publisher.connection(), flags)?;
            }
            None => waiter.left(Token::Publisher),
        }
        let mut result = Ok(());
        let mut nth = 0;
        if let Some(chain) = &self.chain {
            chain.watch(&mut |fd, interest| {
                let mut flags = EpollFlags::EPOLLIN;
                flags.set(EpollFlags::EPOLLOUT, interest == Interest::Both);
                if result.is_ok() {
                    result = waiter.want(Token::Chain(nth), fd, self.opening, flags);
                }
                nth += 1;
            });
        }
        result
    }

    fn deadline(&self, now: Mono) -> Mono {
        [self.watch.poll_timeout(), self.publisher.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + TICK)
            .min(now + TICK)
    }

    /// Does what the decider wants.
    fn obey(&mut self, now: Mono) {
        while let Some(order) = self.watch.poll(now) {
            match order {
                Order::Close => self.chain = None,
                Order::Open => self.open(),
            }
        }
    }

    fn open(&mut self) {
        // Closed first: a device that is open twice is busy.
        self.chain = None;
        match open(&self.plan) {
            Ok(chain) => {
                let (format, way) = (chain.format(), chain.way());
                info!(camera = %self.plan.id, size = %format.size, rate = %format.rate, pixel = %format.pixel, route = way.route.as_str(), why = way.why, "opened");
                self.directory.update(self.plan.id, |camera| {
                    camera.format = Some(format);
                    camera.route = Some(way.route);
                    camera.route_why = Some(way.why);
                });
                self.watch.opened(format.rate, clock::mono());
                self.tally.reopened();
                self.force_idr = true;
                self.opening += 1;
                self.chain = Some(chain);
            }
            Err(failure) => self.watch.failed(&failure.error, clock::mono()),
        }
    }

    /// Publishes a changed status.
    fn tell(&mut self, now: Mono) {
        let Some(status) = self.watch.take_status() else {
            return;
        };
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
    fn take_frames(&mut self, descriptor_failed: bool) {
        let mut moved = false;
        for _ in 0..STEPS {
            let Some(chain) = &mut self.chain else { return };
            let force = self.force_idr
                | self.publisher.wants_keyframe()
                | self.counters.keyframe_wanted.swap(false, Ordering::Relaxed);
            self.force_idr = force;
            let damaged = self.counters.damaged.load(Ordering::Relaxed);
            match chain.next(force, &mut self.tally) {
                Ok(Progress::Unit(unit, timing)) => {
                    self.force_idr = force && !unit.keyframe;
                    self.publisher.push(&unit, timing, clock::now());
                    self.watch.frame(timing.encoded);
                    moved = true;
                }
                Ok(Progress::Moved) => {
                    if self.counters.damaged.load(Ordering::Relaxed) > damaged {
                        self.watch.damaged();
                    }
                    moved = true;
                }
                Ok(Progress::Pending) => break,
                Err(failure) => {
                    warn!(camera = %self.plan.id, part = %failure.part, %failure, "no frame");
                    return self.close(&failure);
                }
            }
        }
        if descriptor_failed && !moved {
            // The wait would end at once for ever.
            let what = "the device reports a failure without saying which";
            self.close(&Failure::capture(Error::new(Kind::Reopen, what)));
        }
    }

    /// Closes the chain; the decider says what follows.
    fn close(&mut self, failure: &Failure) {
        self.chain = None;
        self.watch.failed(&failure.error, clock::mono());
    }

    fn read_inbox(&mut self) {
        while let Some(message) = self.inbox.next() {
            match message {
                Message::Command(command, answer) => answer(self.carry_out(command)),
            }
        }
    }

    fn carry_out(&mut self, command: Command) -> Result<Reply> {
        let Some(chain) = &mut self.chain else {
            return Err(Error::new(Kind::Gone, "the camera gives no picture now")
                .action("get_camera_status tells why; try again when it is CONNECTED"));
        };
        match command {
            Command::Controls => chain.controls().map(Reply::Controls),
            Command::SetControls(settings) => settings
                .iter()
                .map(|(name, to)| chain.set_control(name, to))
                .collect::<Result<_>>()
                .map(Reply::Controls),
            Command::Video(change) => self.change_video(change).map(Reply::Video),
        }
    }

    /// Changes the picture inside the running session: a new bit rate at once, a new size by a new chain whose first
    /// picture carries its own parameter sets.
    fn change_video(&mut self, change: VideoChange) -> Result<Video> {
        let before = self.plan.clone();
        self.plan.bitrate = change.bitrate.unwrap_or(before.bitrate);
        self.plan.keyframe_seconds = change.keyframe_seconds.unwrap_or(before.keyframe_seconds);
        self.plan.origin.wish(change.size, change.rate);
        let mut seamless = self.plan.origin == before.origin;
        if seamless && let Some(chain) = &mut self.chain {
            let settings = self.plan.settings(chain.format().rate);
            match chain.retune(settings) {
                Ok(()) => self.force_idr = true,
                Err(error) if chain.way().route == crate::encode::Route::Passthrough => {
                    self.plan = before;
                    return Err(error);
                }
                Err(_) => seamless = false,
            }
        }
        if !seamless {
            self.open();
        }
        let Some(chain) = &self.chain else {
            // As it was before, so that a wish the device cannot bear does not cost the picture.
            self.plan = before;
            self.open();
            return Err(Error::new(
                Kind::Refused,
                "the camera does not start with these settings; it goes on with the former ones",
            )
            .action("get_camera_capabilities lists what it offers"));
        };
        let format = chain.format();
        Ok(Video {
            bitrate: self.plan.bitrate,
            keyframe_seconds: self.plan.keyframe_seconds,
            size: format.size,
            rate: format.rate,
            seamless,
        })
    }
}

#[cfg(test)]
mod tests;
