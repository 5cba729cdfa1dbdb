//! H.264 access units as RTP packets (RFC 6184, packetization-mode 1) in interleaved frames.
//!
//! Nothing is copied: a packet is one or more [`Chunk`]s, each a few bytes of header and a range of
//! the access unit, for the socket to gather. Time stamps count 90 kHz of the monotonic clock, so
//! they follow the sensor, not the frame count.

use std::ops::Range;

use crate::clock::Mono;
use crate::encode::h264;

/// RTP payload type announced in the SDP.
pub const PAYLOAD_TYPE: u8 = 96;
/// RTP clock rate of H.264 (RFC 6184 §8.2.1), Hz.
pub const CLOCK_RATE: u32 = 90_000;
/// Interleaved header (4) + RTP header (12) + STAP-A header and first size (3), rounded up.
const PREFIX: usize = 20;
/// NAL units put into one STAP-A at most; bounds the chunks one packet needs.
const AGGREGATE: usize = 8;
/// Chunks in one batch: at 1440 bytes each, 92 KB per system call.
pub const BATCH: usize = 64;

/// `nal_unit_type` of an access unit delimiter (H.264 Table 7-1).
const AUD: u8 = 9;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Header bytes and the range of the access unit that follows them.
#[derive(Debug, Clone)]
pub struct Chunk {
    prefix: [u8; PREFIX],
    prefix_len: usize,
    payload: Range<usize>,
    /// True for the last chunk of an RTP packet.
    pub ends_packet: bool,
}

impl Chunk {
    /// The header bytes.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.prefix[..self.prefix_len]
    }

    /// Where in the access unit the payload lies.
    #[must_use]
    pub fn payload(&self) -> Range<usize> {
        self.payload.clone()
    }

    /// Bytes on the wire.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.prefix_len + self.payload.len()
    }

    fn new(prefix: &[&[u8]], payload: Range<usize>, ends_packet: bool) -> Self {
        let mut chunk = Self {
            prefix: [0; PREFIX],
            prefix_len: 0,
            payload,
            ends_packet,
        };
        for part in prefix {
            let to = chunk.prefix_len + part.len();
            chunk.prefix[chunk.prefix_len..to].copy_from_slice(part);
            chunk.prefix_len = to;
        }
        chunk
    }
}

/// A batch of chunks, in order.
pub type Chunks = heapless::Vec<Chunk, BATCH>;

/// Cuts access units into packets. One per RTSP session.
#[derive(Debug)]
pub struct Packetizer {
    ssrc: u32,
    sequence: u16,
    /// RTP time of monotonic time zero.
    offset: u32,
    max_payload: usize,
    timestamp: u32,
    nals: Vec<Range<usize>>,
    /// The NAL unit to send next.
    nal: usize,
    /// Bytes of it already in fragments, its header byte included; 0 = not begun.
    fragment: usize,
    packets: u32,
    octets: u32,
}

impl Packetizer {
    /// A packetizer whose SSRC, first sequence number and time offset come from `seed`
    /// (RFC 3550 §5.1 wants them hard to guess; on loopback, different per session is enough).
    #[must_use]
    pub fn new(seed: u64, max_payload: usize) -> Self {
        // SplitMix64's finaliser spreads the few changing bits of a clock over all 64.
        let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let [a, b, c, d, e, f, g, h] = (z ^ (z >> 31)).to_be_bytes();
        Self {
            ssrc: u32::from_be_bytes([a, b, c, d]),
            sequence: u16::from_be_bytes([g, h]),
            offset: u32::from_be_bytes([e, f, g, h]),
            max_payload: max_payload.clamp(64, 65_000),
            timestamp: 0,
            nals: Vec::with_capacity(32),
            nal: 0,
            fragment: 0,
            packets: 0,
            octets: 0,
        }
    }

    /// The stream's synchronisation source.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets and payload bytes made so far, both wrapping, as a sender report wants them.
    #[must_use]
    pub const fn totals(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// The RTP time stamp of a moment.
    #[must_use]
    pub fn time(&self, at: Mono) -> u32 {
        let nanos = at.as_nanos();
        let rate = u64::from(CLOCK_RATE);
        let ticks = (nanos / 1_000_000_000)
            .wrapping_mul(rate)
            .wrapping_add(nanos % 1_000_000_000 * rate / 1_000_000_000);
        let wrapped = u32::try_from(ticks & u64::from(u32::MAX)).unwrap_or(0);
        self.offset.wrapping_add(wrapped)
    }

    /// Starts on an access unit; a half-sent one before it is given up.
    pub fn begin(&mut self, au: &[u8], captured: Mono) {
        self.timestamp = self.time(captured);
        self.nals.clear();
        self.nals.extend(h264::ranges(au));
        self.nal = 0;
        self.fragment = 0;
    }

    /// True when every packet of the access unit was made.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.nal >= self.nals.len()
    }

    /// Appends whole packets of `au` (the one given to [`Packetizer::begin`]) while there is room.
    pub fn fill(&mut self, au: &[u8], out: &mut Chunks) {
        while out.capacity() - out.len() >= AGGREGATE {
            let Some(nal) = self.nals.get(self.nal).cloned() else {
                return;
            };
            if nal.len() > self.max_payload {
                self.fragment(au, nal, out);
            } else {
                match self.aggregate_len() {
                    1 => {
                        self.nal += 1;
                        let header = self.header(nal.len(), self.is_done());
                        push(out, Chunk::new(&[&header], nal, true));
                    }
                    many => self.aggregate(au, many, out),
                }
            }
        }
    }

    /// One whole packet that carries only an access unit delimiter, as an interleaved frame.
    ///
    /// It teaches the receiver the SSRC, so that the sender report after it counts; MediaMTX ignores
    /// a report from a source it has not seen. It has no marker: for any other receiver it is the
    /// first NAL unit of the access unit captured at `captured`, which must follow.
    pub fn primer(&mut self, captured: Mono, out: &mut Vec<u8>) {
        self.timestamp = self.time(captured);
        out.extend(self.header(2, false));
        // nal_ref_idc 0, type 9; primary_pic_type 7 (any slices) and the stop bit: H.264 §7.3.2.4.
        out.extend([AUD, 0xF0]);
    }

    /// How many NAL units from the current one on fit into one STAP-A (1 = send it alone).
    fn aggregate_len(&self) -> usize {
        let mut size = 1;
        self.nals[self.nal..]
            .iter()
            .take(AGGREGATE)
            .take_while(|nal| {
                size += 2 + nal.len();
                size <= self.max_payload
            })
            .count()
            .max(1)
    }

    /// STAP-A (RFC 6184 §5.7.1).
    fn aggregate(&mut self, au: &[u8], many: usize, out: &mut Chunks) {
        let group = self.nal..self.nal + many;
        let size = 1 + self.nals[group.clone()]
            .iter()
            .map(|n| 2 + n.len())
            .sum::<usize>();
        // The aggregate is as important as the most important unit in it; a set F bit taints it.
        let heads = || self.nals[group.clone()].iter().map(|n| au[n.start]);
        let nri = heads().map(|h| h & 0x60).max().unwrap_or(0);
        let forbidden = heads().fold(0, |f, h| f | (h & 0x80));
        self.nal += many;
        let header = self.header(size, self.is_done());
        for index in group.clone() {
            let nal = self.nals[index].clone();
            let length = u16::try_from(nal.len()).unwrap_or(0).to_be_bytes();
            let last = index + 1 == group.end;
            let chunk = if index == group.start {
                Chunk::new(&[&header, &[forbidden | nri | STAP_A], &length], nal, last)
            } else {
                Chunk::new(&[&length], nal, last)
            };
            push(out, chunk);
        }
    }

    /// The next FU-A (RFC 6184 §5.8).
    fn fragment(&mut self, au: &[u8], nal: Range<usize>, out: &mut Chunks) {
        let head = au[nal.start];
        let start = self.fragment == 0;
        let from = nal.start + self.fragment.max(1);
        let to = nal.end.min(from + self.max_payload - 2);
        let end = to == nal.end;
        if end {
            self.nal += 1;
            self.fragment = 0;
        } else {
            self.fragment = to - nal.start;
        }
        let header = self.header(2 + (to - from), end && self.is_done());
        let fu = u8::from(start) << 7 | u8::from(end) << 6 | (head & 0x1F);
        push(
            out,
            Chunk::new(&[&header, &[(head & 0xE0) | FU_A, fu]], from..to, true),
        );
    }

    /// Interleaved header on channel 0 (RFC 2326 §10.12) and RTP header (RFC 3550 §5.1).
    fn header(&mut self, payload: usize, marker: bool) -> [u8; 16] {
        let mut header = [0; 16];
        header[0] = b'$';
        let length = u16::try_from(12 + payload).unwrap_or(u16::MAX);
        header[2..4].copy_from_slice(&length.to_be_bytes());
        header[4] = 2 << 6;
        header[5] = u8::from(marker) << 7 | PAYLOAD_TYPE;
        header[6..8].copy_from_slice(&self.sequence.to_be_bytes());
        header[8..12].copy_from_slice(&self.timestamp.to_be_bytes());
        header[12..16].copy_from_slice(&self.ssrc.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self
            .octets
            .wrapping_add(u32::try_from(payload).unwrap_or(0));
        header
    }
}

/// Room was checked by [`Packetizer::fill`], so this cannot fail.
fn push(out: &mut Chunks, chunk: Chunk) {
    let full = out.push(chunk).is_err();
    debug_assert!(!full, "fill() keeps room for a whole packet");
}

#[cfg(test)]
mod tests;
