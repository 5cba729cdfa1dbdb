//! What goes to the socket next, in an order that never breaks a frame.
//!
//! Between two interleaved frames anything may go; inside one nothing may. So: first the rest of a
//! frame whose access unit is gone (*spill*), then the rest of the frame under way, then control
//! bytes (RTSP requests, sender reports), then further packets.

use std::io::IoSlice;

use super::rtp::{BATCH, Chunk, Chunks};

/// Two slices per chunk, and spill and control.
const SLICES: usize = 2 * BATCH + 2;

/// Bytes to gather into one `writev`.
pub type Slices<'a> = heapless::Vec<IoSlice<'a>, SLICES>;

/// A byte queue that keeps its memory.
#[derive(Debug)]
struct Tail {
    bytes: Vec<u8>,
    done: usize,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            // A few sender reports, or the rest of a packet: it need not grow while pictures flow.
            bytes: Vec::with_capacity(2048),
            done: 0,
        }
    }
}

impl Tail {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.done..]
    }

    /// Takes up to `n` bytes off; returns what of `n` is left.
    fn consume(&mut self, n: usize) -> usize {
        let taken = n.min(self.rest().len());
        self.done += taken;
        if self.rest().is_empty() {
            self.bytes.clear();
            self.done = 0;
        }
        n - taken
    }
}

/// The outgoing side of one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    spill: Tail,
    control: Tail,
    chunks: Chunks,
    /// The chunk under way, and how many of its bytes are out.
    chunk: usize,
    done: usize,
}

impl Outbox {
    /// Where control bytes are appended: whole RTSP messages or whole interleaved frames.
    pub fn control(&mut self) -> &mut Vec<u8> {
        &mut self.control.bytes
    }

    /// Control bytes not yet written.
    #[must_use]
    pub fn control_len(&self) -> usize {
        self.control.rest().len()
    }

    /// The batch, if the last one is out and a new one may be filled in.
    pub fn refill(&mut self) -> Option<&mut Chunks> {
        self.batch_is_out().then_some(&mut self.chunks)
    }

    /// True when every packet handed in is out.
    #[must_use]
    pub fn batch_is_out(&self) -> bool {
        self.chunks.is_empty()
    }

    /// True when nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spill.rest().is_empty() && self.control.rest().is_empty() && self.batch_is_out()
    }

    /// True when part of an RTP packet is out and the rest is not.
    fn inside_packet(&self) -> bool {
        !self.chunks.is_empty()
            && (self.done > 0 || (self.chunk > 0 && !self.chunks[self.chunk - 1].ends_packet))
    }

    /// The bytes to write next; `au` is the access unit that the batch points into.
    #[must_use]
    pub fn slices<'a>(&'a self, au: &'a [u8]) -> Slices<'a> {
        let mut slices = Slices::new();
        let mut add = |bytes: &'a [u8]| {
            if !bytes.is_empty() {
                // Capacity covers the worst case; a refused slice would only be sent later.
                let _ = slices.push(IoSlice::new(bytes));
            }
        };
        add(self.spill.rest());
        let mut inside = self.inside_packet();
        let mut control = self.control.rest();
        let mut done = self.done;
        for chunk in &self.chunks[self.chunk..] {
            if !inside {
                add(std::mem::take(&mut control));
            }
            let (prefix, payload) = parts(chunk, au, done);
            add(prefix);
            add(payload);
            done = 0;
            inside = !chunk.ends_packet;
        }
        add(control);
        slices
    }

    /// Takes `n` written bytes off; returns how many of them were RTP.
    pub fn written(&mut self, n: usize) -> usize {
        let mut rtp = 0;
        let left = self.spill.consume(n);
        rtp += n - left;
        let mut n = left;
        while n > 0 {
            if !self.control.rest().is_empty() && !self.inside_packet() {
                n = self.control.consume(n);
                continue;
            }
            let Some(chunk) = self.chunks.get(self.chunk) else {
                break;
            };
            let taken = n.min(chunk.wire_len() - self.done);
            self.done += taken;
            rtp += taken;
            n -= taken;
            if self.done == chunk.wire_len() {
                self.done = 0;
                self.chunk += 1;
                if self.chunk == self.chunks.len() {
                    self.chunks.clear();
                    self.chunk = 0;
                }
            }
        }
        rtp
    }

    /// Gives the batch up because its access unit is about to go. The rest of a packet under way is
    /// copied aside: the peer counts on its announced length.
    pub fn abandon(&mut self, au: &[u8]) {
        if self.inside_packet() {
            let mut done = self.done;
            for chunk in &self.chunks[self.chunk..] {
                let (prefix, payload) = parts(chunk, au, done);
                self.spill.bytes.extend_from_slice(prefix);
                self.spill.bytes.extend_from_slice(payload);
                done = 0;
                if chunk.ends_packet {
                    break;
                }
            }
        }
        self.chunks.clear();
        self.chunk = 0;
        self.done = 0;
    }

    /// Forgets everything; the connection is gone. Keeps the memory.
    pub fn clear(&mut self) {
        for tail in [&mut self.spill, &mut self.control] {
            tail.bytes.clear();
            tail.done = 0;
        }
        self.chunks.clear();
        self.chunk = 0;
        self.done = 0;
    }
}

/// A chunk's header and payload without its first `done` bytes.
fn parts<'a>(chunk: &'a Chunk, au: &'a [u8], done: usize) -> (&'a [u8], &'a [u8]) {
    let prefix = chunk.prefix();
    let payload = au.get(chunk.payload()).unwrap_or_default();
    let head = done.min(prefix.len());
    (
        &prefix[head..],
        &payload[(done - head).min(payload.len())..],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mono;
    use crate::stream::rtp::Packetizer;
    use proptest::prelude::*;

    /// Splits interleaved frames; panics when the framing is broken.
    fn frames(mut wire: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut found = Vec::new();
        while !wire.is_empty() {
            assert_eq!(wire[0], b'$', "framing is broken");
            let len = usize::from(u16::from_be_bytes([wire[2], wire[3]]));
            found.push((wire[1], wire[4..4 + len].to_vec()));
            wire = &wire[4 + len..];
        }
        found
    }

    proptest! {
        #[test]
        fn framing_survives_short_writes_control_bytes_and_abandoned_pictures(
            steps in proptest::collection::vec((0usize..4000, 0u8..8), 1..200),
        ) {
            let mut rtp = Packetizer::new(1, 500);
            let mut au = vec![0, 0, 1, 0x67, 1, 2, 3, 0, 0, 1, 0x68, 4, 0, 0, 1, 0x65];
            au.extend(std::iter::repeat_n(7, 3000));
            let mut outbox = Outbox::default();
            let (mut wire, mut controls) = (Vec::new(), 0);
            for (size, what) in steps {
                match what {
                    0 => { outbox.control().extend([b'$', 9, 0, 1, 42]); controls += 1; }
                    1 => outbox.abandon(&au),
                    _ => if let Some(batch) = outbox.refill() {
                        rtp.begin(&au, Mono::from_nanos(1));
                        rtp.fill(&au, batch);
                    }
                }
                let all: Vec<u8> = outbox.slices(&au).iter().flat_map(|s| s.to_vec()).collect();
                let n = size.min(all.len());
                wire.extend_from_slice(&all[..n]);
                outbox.written(n);
            }
            let rest: Vec<u8> = outbox.slices(&au).iter().flat_map(|s| s.to_vec()).collect();
            wire.extend_from_slice(&rest);
            outbox.written(rest.len());
            prop_assert!(outbox.is_empty());
            let found = frames(&wire);
            prop_assert_eq!(found.iter().filter(|(channel, _)| *channel == 9).count(), controls);
            prop_assert!(found.iter().all(|(channel, body)| *channel == 9 || body.len() >= 13));
        }
    }
}
