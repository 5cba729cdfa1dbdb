//! When to connect, what to send, what to give up. Pure: told the time, and the bytes that came.
//!
//! A slow MediaMTX pushes back through the socket; the ring fills, and what it evicts before it was
//! sent is counted as unsent. Sending goes on at the next key frame.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rtsp_types::Url;

use super::outbox::{Outbox, Slices};
use super::ring::{Held, Ring};
use super::rtp::Packetizer;
use super::rtsp::{Client, Event};
use super::session::Session;
use super::timeline::Timeline;
use super::{Limits, State, Target, sdp};
use crate::camera::Counters;
use crate::clock::{Mono, Now};
use crate::encode::AccessUnit;
use crate::latency::{Recorder, Stamps};
use crate::pipeline::chain::Timing;

/// What the shell must do. Asked for with [`Machine::poll_order`] after every other call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Drop the connection, if any, and start a new one.
    Connect,
    /// Drop the connection.
    Close,
}

#[derive(Debug)]
enum Link {
    /// Left on the first key frame, unless the publisher is held.
    Idle,
    /// Left when the handshake ends or at the deadline.
    Connecting { deadline: Mono },
    /// Left on an event of the client or at the deadline.
    Announcing { client: Client, deadline: Mono },
    /// Left when the connection ends or stalls.
    Recording(Box<Session>),
    /// Left when the time has come.
    Backoff { until: Mono, reason: String },
    /// Never left.
    Stopped,
}

/// The publisher of one camera.
#[derive(Debug)]
pub struct Machine {
    target: Target,
    url: Option<Url>,
    limits: Limits,
    counters: Arc<Counters>,
    recorder: Recorder,
    ring: Ring,
    outbox: Outbox,
    link: Link,
    timeline: Timeline,
    order: Option<Order>,
    /// Failures in a row.
    failures: u32,
    keyframe_wanted: bool,
    /// What came cannot be decoded without what was lost; drop until a key frame.
    await_keyframe: bool,
    /// What is pushed is kept and not sent.
    held: bool,
}

impl Machine {
    /// A publisher that starts with the first key frame.
    #[must_use]
    pub fn new(target: Target, counters: Arc<Counters>, limits: Limits) -> Self {
        let url = Url::parse(&format!("rtsp://{}/{}", target.addr, target.path)).ok();
        Self {
            url,
            target,
            limits,
            timeline: Timeline::new(Arc::clone(&counters)),
            counters,
            recorder: Recorder::default(),
            ring: Ring::new(limits.ring_bytes, limits.ring_span),
            outbox: Outbox::default(),
            link: Link::Idle,
            order: None,
            failures: 0,
            keyframe_wanted: false,
            await_keyframe: true,
            held: false,
        }
    }

    /// Has another stream's time told: that of the same camera.
    pub fn tell_time_of(&mut self, timeline: Timeline) {
        self.timeline = timeline;
    }

    /// Ends the session, and keeps what is pushed without sending it until [`Machine::release`]. What the peer has not
    /// taken by now is not sent any more.
    pub fn hold(&mut self) {
        if matches!(self.link, Link::Stopped) {
            return;
        }
        self.held = true;
        self.failures = 0;
        self.link = Link::Idle;
        self.outbox.clear();
        self.order = Some(Order::Close);
        self.publishing_since(0);
    }

    /// Sends again, from the last key frame on that was taken at or before `from`, or else from the first held.
    pub fn release(&mut self, from: Mono, now: Now) {
        if !std::mem::take(&mut self.held) || !matches!(self.link, Link::Idle) {
            return;
        }
        self.ring.rewind(from);
        if !self.ring.is_empty() {
            self.connect(now);
        }
    }

    /// Takes one access unit. While a session records, the ring holds only its place: [`Machine::fill`]
    /// and [`Machine::slices`] take its bytes from `fresh`, and [`Machine::store`] must follow before
    /// any other call.
    ///
    /// Without a `timing` the picture is no camera's, and no latency counts it.
    pub fn push(&mut self, au: &AccessUnit<'_>, timing: Option<Timing>, now: Now) {
        if au.data.is_empty() || matches!(self.link, Link::Stopped) {
            return;
        }
        if !self.admit(au, timing) {
            self.unsent(1);
            self.await_keyframe = true;
            self.keyframe_wanted = true;
            return;
        }
        self.await_keyframe = false;
        match &mut self.link {
            Link::Recording(session) => {
                if session.clock_stepped(now) {
                    session.report(&mut self.outbox, now);
                }
            }
            Link::Idle => {
                self.store(au.data);
                if !self.held {
                    self.connect(now);
                }
            }
            _ => self.store(au.data),
        }
    }

    /// Copies the bytes of the access unit pushed last into the ring, where they are not yet.
    pub fn store(&mut self, fresh: &[u8]) {
        self.ring.store(fresh);
    }

    /// Makes room and reserves it; false when the access unit is given up.
    fn admit(&mut self, au: &AccessUnit<'_>, timing: Option<Timing>) -> bool {
        if self.await_keyframe && !au.keyframe || au.data.len() > self.ring.capacity() {
            return false;
        }
        while let Some(count) = self.ring.must_evict(au.data.len(), au.captured) {
            let after = self.ring.first() + count as u64;
            // A group longer than the ring loses its head. That is fine for what a running session
            // has sent already; anything else could not be decoded any more, so it all goes.
            let headless = self.ring.get(after).is_some_and(|held| !held.keyframe);
            let behind_us = matches!(&self.link, Link::Recording(s) if after <= s.cursor());
            if headless && !behind_us {
                self.evict(self.ring.len());
                if !au.keyframe {
                    return false;
                }
                break;
            }
            self.keyframe_wanted |= headless;
            self.evict(count);
        }
        let stamps = timing.map_or(Stamps::unmeasured(au.captured), |timing| Stamps {
            captured: au.captured,
            dequeued: timing.dequeued,
            encoded: timing.encoded,
        });
        let len = au.data.len();
        self.ring.reserve(len, stamps, au.keyframe).is_some()
    }

    fn evict(&mut self, count: usize) {
        let after = self.ring.first() + count as u64;
        if let Link::Recording(session) = &mut self.link {
            session.skip_to(after, &self.ring, &mut self.outbox);
        }
        let unsent = self.ring.evict(count);
        self.unsent(unsent);
    }

    /// The connection stands.
    pub fn connected(&mut self, now: Now) {
        let (Link::Connecting { .. }, Some(url)) = (&self.link, &self.url) else {
            return;
        };
        // The newest key frame held describes what will be sent.
        let keyframe = (self.ring.first()..self.ring.next())
            .rev()
            .filter_map(|number| self.ring.get(number))
            .find(|held| held.keyframe);
        let description = sdp::describe(keyframe.map_or(&[], |held| held.data), &self.target.path);
        let Target { user, password, .. } = &self.target;
        let mut client = Client::new(url.clone(), user, password, description);
        self.outbox
            .control()
            .extend(client.poll_output().unwrap_or_default());
        let deadline = now.mono + self.limits.reply_timeout;
        self.link = Link::Announcing { client, deadline };
    }

    /// The connection failed or ended, for the reason given.
    pub fn failed(&mut self, reason: impl Into<String>, now: Now) {
        self.back_off(reason.into(), false, now);
    }

    /// Bytes came.
    pub fn received(&mut self, bytes: &[u8], now: Now) {
        let client = match &mut self.link {
            Link::Announcing { client, .. } => client,
            Link::Recording(session) => session.client(),
            _ => return,
        };
        let event = client.handle_bytes(bytes);
        let output = client.poll_output().unwrap_or_default();
        self.outbox.control().extend(output);
        match event {
            None => {}
            Some(Event::Recording) => self.start_recording(now),
            Some(Event::Refused { status, reason }) => {
                let hint = match status {
                    401 | 403 => " (check the publisher's user and password in MediaMTX)",
                    _ => " (MediaMTX's log tells why)",
                };
                self.back_off(format!("{reason}{hint}"), true, now);
            }
            Some(Event::Broken(what)) => self.back_off(what, false, now),
        }
    }

    fn start_recording(&mut self, now: Now) {
        let link = std::mem::replace(&mut self.link, Link::Idle);
        let Link::Announcing { client, .. } = link else {
            self.link = link;
            return;
        };
        // What cannot be decoded any more would only be noise to a new reader.
        let cursor = self.ring.resume_from().unwrap_or_else(|| {
            self.evict(self.ring.len());
            self.await_keyframe = true;
            self.ring.next()
        });
        let seed = now.wall.as_nanos().rotate_left(32) ^ now.mono.as_nanos();
        let rtp = Packetizer::new(seed, self.limits.rtp_payload);
        let session = Session::new(
            client,
            rtp,
            self.timeline.clone(),
            (&self.target.path, &self.limits),
            cursor,
            now.mono,
        );
        self.link = Link::Recording(Box::new(session));
        self.keyframe_wanted = true;
        self.publishing_since(now.mono.as_nanos().max(1));
    }

    /// Makes the next packets if the last are out. Call before [`Machine::slices`].
    /// `fresh` are the bytes of an access unit between [`Machine::push`] and [`Machine::store`].
    pub fn fill(&mut self, fresh: &[u8], now: Now) {
        if let Link::Recording(session) = &mut self.link {
            let sent = session.fill(&mut self.ring, fresh, &mut self.outbox, now);
            self.counters.sent.fetch_add(sent, Ordering::Relaxed);
        }
    }

    /// The bytes to write next; empty when nothing waits. `fresh` as in [`Machine::fill`].
    #[must_use]
    pub fn slices<'a>(&'a self, fresh: &'a [u8]) -> Slices<'a> {
        self.outbox.slices(self.current(fresh).unwrap_or_default())
    }

    /// What the outbox points into, or what comes next.
    fn current<'a>(&'a self, fresh: &'a [u8]) -> Option<&'a [u8]> {
        match &self.link {
            Link::Recording(session) => {
                let held = self.ring.look(session.cursor(), fresh)?;
                Some(held.data)
            }
            _ => None,
        }
    }

    /// True when [`Machine::slices`] gives or would give something after [`Machine::fill`].
    #[must_use]
    pub fn wants_write(&self) -> bool {
        let paused = matches!(&self.link, Link::Recording(s) if s.paused_until().is_some());
        !self.outbox.is_empty() || (!paused && self.current(&[]).is_some())
    }

    /// The socket had taken `n` bytes of [`Machine::slices`] at `now`.
    pub fn written(&mut self, n: usize, now: Mono) {
        let rtp = self.outbox.written(n);
        self.counters
            .bytes_sent
            .fetch_add(rtp as u64, Ordering::Relaxed);
        if let Link::Recording(session) = &mut self.link
            && let Some(sent) = session.written(&mut self.ring, &self.outbox)
        {
            self.counters.sent.fetch_add(1, Ordering::Relaxed);
            let latency = &self.counters.latency;
            if !sent.stamps.is_measured() {
                // The slate's.
            } else if sent.live {
                self.recorder.sent(latency, &sent.stamps, now);
            } else {
                self.recorder.late(latency);
            }
        }
    }

    /// The newest group of pictures held, from its key frame on.
    pub fn last_group(&self) -> impl Iterator<Item = Held<'_>> {
        self.ring.last_group()
    }

    /// The socket takes no more for now.
    pub fn blocked(&mut self, now: Now) {
        if let Link::Recording(session) = &mut self.link {
            session.blocked(now.mono);
        }
    }

    /// When to call [`Machine::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        match &self.link {
            Link::Idle | Link::Stopped => None,
            Link::Connecting { deadline } | Link::Announcing { deadline, .. } => Some(*deadline),
            Link::Recording(session) => {
                let report = Some(session.next_report());
                let all = [report, self.stalled_at(session), session.paused_until()];
                all.into_iter().flatten().min()
            }
            Link::Backoff { until, .. } => Some(*until),
        }
    }

    /// The time of [`Machine::poll_timeout`] may have come; early and late calls do no harm.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.poll_timeout().is_none_or(|at| now.mono < at) {
            return;
        }
        match &mut self.link {
            Link::Idle | Link::Stopped => {}
            Link::Connecting { .. } => self.failed("MediaMTX does not take the connection", now),
            Link::Announcing { .. } => self.failed("MediaMTX does not answer", now),
            Link::Backoff { .. } => self.connect(now),
            Link::Recording(session) => {
                if session.next_report() <= now.mono {
                    session.report_due(&mut self.outbox, now);
                }
            }
        }
        if let Link::Recording(session) = &self.link
            && self.stalled_at(session).is_some_and(|at| at <= now.mono)
        {
            self.failed("MediaMTX has stopped reading", now);
        }
    }

    fn stalled_at(&self, session: &Session) -> Option<Mono> {
        Some(session.blocked_since()? + self.limits.stall_timeout)
    }

    /// Whether a key frame should be made now; asking clears the wish.
    pub fn take_keyframe_wish(&mut self) -> bool {
        std::mem::take(&mut self.keyframe_wanted)
    }

    /// The next order to the shell.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.order.take()
    }

    /// How the publisher stands.
    #[must_use]
    pub fn state(&self) -> State {
        match &self.link {
            Link::Idle => State::Idle,
            Link::Connecting { .. } => State::Connecting,
            Link::Announcing { .. } => State::Announcing,
            Link::Recording(session) => State::Recording {
                since: session.since(),
            },
            Link::Backoff { until, reason } => State::Backoff {
                until: *until,
                reason: reason.clone(),
            },
            Link::Stopped => State::Stopped,
        }
    }

    /// Ends the session; the shell writes what [`Machine::slices`] still gives and closes.
    pub fn stop(&mut self) {
        // The batch under way points into the ring, which is about to be emptied.
        self.evict(self.ring.len());
        match std::mem::replace(&mut self.link, Link::Stopped) {
            Link::Announcing { mut client, .. } => self.tear_down(&mut client),
            Link::Recording(mut session) => self.tear_down(session.client()),
            Link::Idle | Link::Connecting { .. } | Link::Backoff { .. } | Link::Stopped => {}
        }
        self.publishing_since(0);
        self.order = Some(Order::Close);
    }

    fn tear_down(&mut self, client: &mut Client) {
        client.teardown();
        self.outbox
            .control()
            .extend(client.poll_output().unwrap_or_default());
    }

    fn connect(&mut self, now: Now) {
        let deadline = now.mono + self.limits.connect_timeout;
        self.link = Link::Connecting { deadline };
        self.order = Some(Order::Connect);
        if self.url.is_none() {
            self.back_off(format!("{:?} is not a URL", self.target), true, now);
        }
    }

    fn back_off(&mut self, reason: String, refused: bool, now: Now) {
        match &self.link {
            Link::Idle | Link::Backoff { .. } | Link::Stopped => return,
            Link::Recording(s) if now.mono.since(s.since()) >= self.limits.settled => {
                self.failures = 0
            }
            _ => {}
        }
        // 2⁶ · 50 ms is beyond the longest pause already.
        let doubled = self.limits.backoff_min * 2u32.pow(self.failures.min(6));
        self.failures = self.failures.saturating_add(1);
        let longest = self.limits.backoff_max;
        let pause = if refused {
            longest
        } else {
            doubled.min(longest)
        };
        self.link = Link::Backoff {
            until: now.mono + pause,
            reason,
        };
        self.outbox.clear();
        self.order = Some(Order::Close);
        self.publishing_since(0);
    }

    fn publishing_since(&self, nanos: u64) {
        self.counters
            .publishing_since_nanos
            .store(nanos, Ordering::Relaxed);
    }

    fn unsent(&self, count: u64) {
        self.counters.unsent.fetch_add(count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;
