//! Where frames begin and end in a client's bytes (RFC 6455 §5.2), so that buffers can be given back.
//!
//! The protocol library keeps a buffer as large as the largest frame it ever read, for as long as the socket
//! lives. After a large frame we therefore read only up to the ends of frames, and once a message was taken and
//! nothing is left in the library's buffer, a new one can take its place. Payloads are not looked at, and a
//! broken header is the library's to refuse.

/// Bytes of a frame from which on its buffer is worth giving back.
pub const LARGE: usize = 16 << 10;

/// A ping without a payload (RFC 6455 §5.5.2).
pub const PING: [u8; 2] = [0x89, 0];

/// A text message as one frame. A server masks nothing, so header and text are all there is to it.
#[must_use]
pub fn text(text: &str) -> Vec<u8> {
    let length = text.len();
    let mut frame = Vec::with_capacity(length + LONGEST_HEAD);
    // The last frame of a message, which is text.
    frame.push(0x81);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => frame.push(short),
        (_, Ok(middle)) => {
            frame.push(126);
            frame.extend(middle.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(text.as_bytes());
    frame
}

/// Longest header: two bytes, eight of length, four of mask.
const LONGEST_HEAD: usize = 14;

/// The position in the stream of frames.
#[derive(Debug, Clone, Copy, Default)]
pub struct Frames {
    head: [u8; LONGEST_HEAD],
    got: usize,
    /// Bytes of payload that are still to come.
    left: u64,
    fragmented: bool,
    large: bool,
    ended: u32,
}

impl Frames {
    /// Takes the bytes of one read.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        self.ended = 0;
        while !bytes.is_empty() {
            if self.left > 0 {
                let here = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                self.left -= here as u64;
                bytes = &bytes[here..];
                if self.left == 0 {
                    self.ended = self.ended.saturating_add(1);
                }
                continue;
            }
            let take = self.head_missing().min(bytes.len());
            self.head[self.got..self.got + take].copy_from_slice(&bytes[..take]);
            self.got += take;
            bytes = &bytes[take..];
            if self.head_missing() == 0 {
                self.begin();
            }
        }
    }

    /// How far to read so as not to read beyond a header or a frame.
    #[must_use]
    pub fn to_next_end(&self) -> usize {
        if self.left > 0 {
            usize::try_from(self.left).unwrap_or(usize::MAX)
        } else {
            self.head_missing()
        }
    }

    /// Whether a large frame has come since the last [`Frames::renewed`].
    #[must_use]
    pub const fn is_large(&self) -> bool {
        self.large
    }

    /// Whether a message is under way in several frames.
    #[must_use]
    pub const fn is_fragmented(&self) -> bool {
        self.fragmented
    }

    /// Whether, once the frame that the last read ended is taken, nothing is left: the read ended one frame, and
    /// nothing beyond. (Whoever reads only when no whole frame is there had nothing left from before.)
    #[must_use]
    pub const fn leaves_nothing(&self) -> bool {
        self.got == 0 && self.left == 0 && self.ended == 1 && !self.fragmented
    }

    /// The buffers are new.
    pub const fn renewed(&mut self) {
        self.large = false;
        self.ended = 0;
    }

    /// Bytes of the header that are known to be missing: two at first, then as many as those two say.
    fn head_missing(&self) -> usize {
        if self.got < 2 {
            return 2 - self.got;
        }
        let length = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        (2 + length + mask) - self.got
    }

    fn begin(&mut self) {
        let length = match self.head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([self.head[2], self.head[3]])),
            127 => self.head[2..10]
                .iter()
                .fold(0, |n, b| n << 8 | u64::from(*b)),
            short => u64::from(short),
        };
        // Opcodes from 8 on are control frames, which may stand between the fragments of a message.
        if self.head[0] & 0x08 == 0 {
            self.fragmented = self.head[0] & 0x80 == 0;
        }
        self.got = 0;
        self.left = length;
        self.large |= length >= LARGE as u64;
        if length == 0 {
            self.ended = self.ended.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A masked frame.
    fn frame(fin: bool, opcode: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![u8::from(fin) << 7 | opcode];
        if let Ok(short @ 0..=125) = u8::try_from(length) {
            bytes.push(0x80 | short);
        } else if let Ok(middle) = u16::try_from(length) {
            bytes.push(0x80 | 126);
            bytes.extend(middle.to_be_bytes());
        } else {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
        bytes.resize(bytes.len() + 4 + length, 0xff);
        bytes
    }

    #[test]
    fn one_frame_in_one_read_leaves_nothing_and_a_byte_more_does() {
        let mut frames = Frames::default();
        frames.feed(&frame(true, 1, 50));
        assert!(frames.leaves_nothing() && !frames.is_large());
        let mut two = frame(true, 1, 50);
        two.push(0x81);
        frames.feed(&two);
        assert!(!frames.leaves_nothing());
        frames.feed(&frame(true, 1, 50)[1..]);
        assert!(frames.leaves_nothing());
        frames.feed(&[frame(true, 1, 5), frame(true, 1, 0)].concat());
        assert!(!frames.leaves_nothing(), "two frames came at once");
    }

    #[test]
    fn a_message_in_fragments_with_a_ping_between_is_over_with_its_last_frame() {
        let mut frames = Frames::default();
        for (bytes, fragmented) in [
            (frame(false, 1, LARGE), true),
            (frame(true, 9, 3), true),
            (frame(false, 0, 7), true),
            (frame(true, 0, 0), false),
        ] {
            frames.feed(&bytes);
            assert_eq!(frames.is_fragmented(), fragmented);
            assert_eq!(frames.leaves_nothing(), !fragmented);
        }
        assert!(frames.is_large());
        frames.renewed();
        assert!(!frames.is_large());
    }

    #[test]
    fn what_we_frame_is_what_the_library_would_make_of_it() {
        use tokio_tungstenite::tungstenite::protocol::frame::Frame;
        use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
        let theirs = |frame: Frame| {
            let mut bytes = Vec::new();
            frame.format(&mut bytes).unwrap();
            bytes
        };
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            let said = "x".repeat(length);
            let frame = Frame::message(said.clone(), OpCode::Data(Data::Text), true);
            assert!(text(&said) == theirs(frame), "{length}");
        }
        assert_eq!(PING.to_vec(), theirs(Frame::ping(Vec::new())));
    }

    proptest! {
        #[test]
        fn reading_up_to_the_next_end_never_reads_beyond_a_frame(
            lengths in prop::collection::vec(prop_oneof![0usize..200, 60_000usize..70_000], 1..20),
        ) {
            let mut frames = Frames::default();
            for length in lengths {
                let bytes = frame(true, 1, length);
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let (now, later) = rest.split_at(frames.to_next_end());
                    frames.feed(now);
                    rest = later;
                    prop_assert_eq!(frames.leaves_nothing(), rest.is_empty());
                }
            }
        }

        #[test]
        fn however_the_bytes_are_cut_the_ends_are_the_same(
            lengths in prop::collection::vec(0usize..300, 1..10), cut in 1usize..50,
        ) {
            let bytes: Vec<u8> = lengths.iter().flat_map(|l| frame(true, 2, *l)).collect();
            let (mut frames, mut ended) = (Frames::default(), 0);
            for piece in bytes.chunks(cut) {
                frames.feed(piece);
                ended += frames.ended;
            }
            prop_assert_eq!(ended as usize, lengths.len());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut frames = Frames::default();
            frames.feed(&bytes);
            prop_assert!(frames.to_next_end() > 0);
        }
    }
}
