//! A session that MediaMTX accepted: where in the ring it is, and what time it told.
//!
//! The start loses nothing: one RTP packet with an access unit delimiter, then a sender report, then
//! the key frame at the cursor (`docs/design/0001-publishing-to-mediamtx.md`).

use std::time::Duration;

use super::Limits;
use super::outbox::Outbox;
use super::pace::Pace;
use super::ring::Ring;
use super::rtcp::{self, SenderReport};
use super::rtp::{Chunk, Packetizer};
use super::rtsp::{CHANNELS, Client};
use super::timeline::Timeline;
use crate::clock::{Mono, Now};
use crate::latency::Stamps;

/// An access unit that is out in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// When it passed the stages before.
    pub stamps: Stamps,
    /// It did not wait for the session, nor behind what did.
    pub live: bool,
}

/// One recording session.
#[derive(Debug)]
pub struct Session {
    client: Client,
    rtp: Packetizer,
    cname: String,
    /// From one sender report to the next.
    every: Duration,
    since: Mono,
    /// Number in the ring of the access unit under way, or next.
    cursor: u64,
    /// The access unit at `cursor` was begun.
    begun: bool,
    /// What was held when the session began is out.
    caught_up: bool,
    timeline: Timeline,
    /// The start sequence is made.
    reported: bool,
    next_report: Mono,
    /// Since when the socket takes nothing although something waits.
    blocked: Option<Mono>,
    pace: Pace,
    /// Until when a backlog waits for its pace.
    paused: Option<Mono>,
}

impl Session {
    /// A session that starts with the access unit numbered `cursor`, which must be a key frame.
    #[must_use]
    pub fn new(
        client: Client,
        rtp: Packetizer,
        timeline: Timeline,
        (cname, limits): (&str, &Limits),
        cursor: u64,
        now: Mono,
    ) -> Self {
        Self {
            client,
            rtp,
            cname: cname.to_owned(),
            every: limits.sender_report,
            since: now,
            cursor,
            begun: false,
            caught_up: false,
            timeline,
            reported: false,
            next_report: now + limits.sender_report,
            blocked: None,
            pace: Pace::new(limits.catch_up, limits.burst),
            paused: None,
        }
    }

    /// The RTSP side.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Since when MediaMTX records.
    #[must_use]
    pub const fn since(&self) -> Mono {
        self.since
    }

    /// Number of the access unit under way, or next.
    #[must_use]
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// When the next sender report is due.
    #[must_use]
    pub const fn next_report(&self) -> Mono {
        self.next_report
    }

    /// Since when the socket takes nothing.
    #[must_use]
    pub const fn blocked_since(&self) -> Option<Mono> {
        self.blocked
    }

    /// Until when a backlog waits although the socket would take it.
    #[must_use]
    pub const fn paused_until(&self) -> Option<Mono> {
        self.paused
    }

    /// The socket takes no more for now.
    pub fn blocked(&mut self, now: Mono) {
        self.blocked.get_or_insert(now);
    }

    /// Makes the next packets if the last are out; returns how many access units that ended (those
    /// without any NAL unit). `fresh` as in [`Ring::look`].
    pub fn fill(&mut self, ring: &mut Ring, fresh: &[u8], outbox: &mut Outbox, now: Now) -> u64 {
        let mut ended = 0;
        self.paused = None;
        while let Some(held) = ring.look(self.cursor, fresh) {
            if !self.reported {
                self.rtp.primer(held.stamps.captured, outbox.control());
                self.report(outbox, now);
            }
            let Some(batch) = outbox.refill() else { break };
            self.paused = self.pace.wait(now.mono);
            if self.paused.is_some() {
                break;
            }
            if !self.begun {
                self.rtp.begin(held.data, held.stamps.captured);
                self.begun = true;
            }
            self.rtp.fill(held.data, batch);
            if !batch.is_empty() {
                let bytes = batch.iter().map(Chunk::wire_len).sum();
                self.pace.spend(bytes, now.mono);
                break;
            }
            ended += u64::from(self.finish(ring).is_some());
        }
        ended
    }

    /// Bytes went out; returns the access unit that is out in full now, for the first time.
    pub fn written(&mut self, ring: &mut Ring, outbox: &Outbox) -> Option<Sent> {
        self.blocked = None;
        (self.begun && outbox.batch_is_out() && self.rtp.is_done())
            .then(|| self.finish(ring))
            .flatten()
    }

    fn finish(&mut self, ring: &mut Ring) -> Option<Sent> {
        let first_time = ring.mark_sent(self.cursor);
        let live = self.caught_up;
        self.cursor += 1;
        self.begun = false;
        self.caught_up |= self.cursor == ring.next();
        first_time.map(|stamps| Sent { stamps, live })
    }

    /// What is before `number` is about to leave the ring: gives it up where it is not out yet.
    pub fn skip_to(&mut self, number: u64, ring: &Ring, outbox: &mut Outbox) {
        if self.cursor >= number {
            return;
        }
        if self.begun {
            outbox.abandon(ring.get(self.cursor).map_or(&[], |held| held.data));
            self.begun = false;
        }
        self.cursor = number;
    }

    /// True when the wall clock was set since the last report, and no recording runs.
    #[must_use]
    pub fn clock_stepped(&self, now: Now) -> bool {
        self.reported && self.timeline.is_off(now)
    }

    /// A regular report is due. While an earlier one still waits for the socket, that one does.
    pub fn report_due(&mut self, outbox: &mut Outbox, now: Now) {
        if outbox.control_len() == 0 {
            self.report(outbox, now);
        } else {
            self.next_report = now.mono + self.every;
        }
    }

    /// Queues a sender report (RFC 3550 §6.4.1) that maps this very moment.
    pub fn report(&mut self, outbox: &mut Outbox, now: Now) {
        self.next_report = now.mono + self.every;
        // Before the start sequence MediaMTX ignores what a report says; it only shows that we live.
        self.reported |= self.rtp.totals().0 > 0;
        let (packets, octets) = self.rtp.totals();
        let report = SenderReport {
            ssrc: self.rtp.ssrc(),
            wall: self.timeline.tell(now),
            rtp: self.rtp.time(now.mono),
            packets,
            octets,
        };
        rtcp::write(&report, &self.cname, CHANNELS.1, outbox.control());
    }
}
