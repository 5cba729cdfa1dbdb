//! What a coded buffer holds, and the promise that every key frame carries its parameter sets. Pure.
//!
//! Drivers are not trusted: `V4L2_BUF_FLAG_KEYFRAME` is set on pictures that are none, and "repeat the
//! sequence header" is not obeyed by all that offer it. The NAL units say what is there. Memory is
//! fixed: nothing is allocated after [`Headers::new`].

use super::machine::Content;
use crate::encode::h264::{Contents, NalKind, nals, ranges};

/// Bytes in which parameter sets and the first slice's header lie. Looking at all bytes of every picture
/// would cost as much as copying it, and coded buffers are uncached memory on many boards.
const FRONT: usize = 4096;

/// Bytes of the parameter sets of one kind; a few dozen in truth.
const SETS: usize = 512;

/// Parameter sets seen so far, with start codes.
#[derive(Debug)]
pub struct Headers {
    sps: heapless::Vec<u8, SETS>,
    pps: heapless::Vec<u8, SETS>,
    joined: Vec<u8>,
}

/// What was found in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Of what use it is.
    pub content: Content,
    /// It is a key frame that lacks parameter sets which we know: hand out [`Headers::join`].
    pub bare: bool,
}

impl Headers {
    /// For coded buffers of `room` bytes.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self {
            sps: heapless::Vec::new(),
            pps: heapless::Vec::new(),
            joined: Vec::with_capacity(room + 2 * SETS + 4),
        }
    }

    /// Looks at a buffer and remembers its parameter sets.
    pub fn look(&mut self, unit: &[u8]) -> Seen {
        let front = unit.get(..FRONT).unwrap_or(unit);
        let mut contents = Contents::of(front);
        let mut looked = front;
        let last = || nals(front).last().map(NalKind::of);
        // A long message in front of the picture, or a parameter set that goes on behind the front.
        if unit.len() > front.len()
            && (!contents.picture || matches!(last(), Some(NalKind::Sps | NalKind::Pps)))
        {
            contents = Contents::of(unit);
            looked = unit;
        }
        for (kind, kept, there) in [
            (NalKind::Sps, &mut self.sps, contents.sps),
            (NalKind::Pps, &mut self.pps, contents.pps),
        ] {
            if there {
                keep(kept, looked, kind);
            }
        }
        let known = !self.sps.is_empty() && !self.pps.is_empty();
        let content = if unit.is_empty() {
            Content::Empty
        } else if contents.picture && contents.idr && known {
            Content::Key
        } else if contents.picture {
            Content::Delta // also a key frame that nobody could decode
        } else if nals(looked).next().is_some() {
            Content::Headers
        } else {
            Content::Damaged
        };
        Seen {
            content,
            bare: content == Content::Key && !contents.is_keyframe(),
        }
    }

    /// The access unit with the parameter sets in front; a delimiter stays first.
    pub fn join(&mut self, unit: &[u8]) -> &[u8] {
        self.joined.clear();
        let mut rest = unit;
        if let Some(first) = ranges(unit).next() {
            let nal = unit.get(first.clone()).unwrap_or_default();
            // Bytes before the first start code would become part of the last parameter set.
            rest = unit.get(first.start - 3..).unwrap_or_default();
            if NalKind::of(nal) == NalKind::Delimiter {
                self.joined.extend_from_slice(&[0, 0, 0, 1]);
                self.joined.extend_from_slice(nal);
                rest = unit.get(first.end..).unwrap_or_default();
            }
        }
        self.joined.extend_from_slice(&self.sps);
        self.joined.extend_from_slice(&self.pps);
        self.joined.extend_from_slice(rest);
        &self.joined
    }

    /// The sequence parameter set, without its start code.
    #[must_use]
    pub fn sps(&self) -> Option<&[u8]> {
        nals(&self.sps).next()
    }
}

fn keep(kept: &mut heapless::Vec<u8, SETS>, unit: &[u8], kind: NalKind) {
    kept.clear();
    for nal in nals(unit).filter(|nal| NalKind::of(nal) == kind) {
        // Sets too long to be true are left out as a whole.
        if kept.len() + 4 + nal.len() <= SETS {
            let _ = kept.extend_from_slice(&[0, 0, 0, 1]);
            let _ = kept.extend_from_slice(nal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 66, 0xC0, 30, 0xDA];
    const PPS: &[u8] = &[0, 0, 0, 1, 0x68, 0xCE, 0x38, 0x80];
    const IDR: &[u8] = &[0, 0, 0, 1, 0x65, 0x88, 0x80];
    const SLICE: &[u8] = &[0, 0, 1, 0x41, 0x9A, 0x02];
    const DELIMITER: &[u8] = &[0, 0, 0, 1, 0x09, 0xF0];

    #[test]
    fn a_complete_key_frame_goes_out_as_it_is() {
        let mut headers = Headers::new(1024);
        let seen = headers.look(&[SPS, PPS, IDR].concat());
        assert_eq!((seen.content, seen.bare), (Content::Key, false));
        assert_eq!(headers.look(SLICE).content, Content::Delta);
    }

    #[test]
    fn an_encoder_that_gives_its_parameter_sets_once_still_makes_complete_key_frames() {
        let mut headers = Headers::new(1024);
        assert_eq!(headers.look(&[SPS, PPS].concat()).content, Content::Headers);
        let unit = [DELIMITER, IDR].concat();
        let seen = headers.look(&unit);
        assert_eq!((seen.content, seen.bare), (Content::Key, true));
        assert_eq!(headers.join(&unit), [DELIMITER, SPS, PPS, IDR].concat());
    }

    #[test]
    fn bytes_before_the_first_start_code_do_not_spoil_the_parameter_sets() {
        let mut headers = Headers::new(1024);
        headers.look(&[SPS, PPS].concat());
        let joined = headers.join(&[&[0xAA, 0xBB][..], IDR].concat()).to_vec();
        let expected: Vec<&[u8]> = [SPS, PPS, IDR].map(|unit| &unit[4..]).to_vec();
        assert_eq!(nals(&joined).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_key_frame_without_any_parameter_sets_is_none() {
        let mut headers = Headers::new(1024);
        assert_eq!(headers.look(IDR).content, Content::Delta);
    }

    #[test]
    fn nothing_and_noise_are_told_apart() {
        let mut headers = Headers::new(1024);
        assert_eq!(headers.look(&[]).content, Content::Empty);
        assert_eq!(headers.look(&[1, 2, 3]).content, Content::Damaged);
    }

    #[test]
    fn a_parameter_set_across_the_end_of_the_front_is_kept_whole() {
        let mut headers = Headers::new(1024);
        let set = [&[0x67, 66, 0xC0, 30][..], &[0x55; 300]].concat();
        let slice = [SLICE, &[0x55; FRONT - 100]].concat();
        headers.look(&[&slice, &[0, 0, 0, 1][..], &set, PPS, IDR].concat());
        assert_eq!(headers.sps(), Some(set.as_slice()));
    }

    #[test]
    fn a_picture_behind_a_long_message_is_found() {
        let mut headers = Headers::new(1024);
        let message = [&[0, 0, 0, 1, 6][..], &[0x55; 6000]].concat();
        let unit = [SPS, PPS, &message, IDR].concat();
        assert_eq!(headers.look(&unit).content, Content::Key);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_never_make_the_memory_grow(
            units in prop::collection::vec(prop::collection::vec(
                prop_oneof![Just(0_u8), Just(1), Just(0x67), Just(0x68), Just(0x65), any::<u8>()], 0..900), 0..6),
        ) {
            let mut headers = Headers::new(1024);
            let room = headers.joined.capacity();
            for unit in &units {
                headers.look(unit);
                headers.join(unit);
                prop_assert!(headers.sps.len() <= SETS && headers.pps.len() <= SETS);
            }
            prop_assert_eq!(headers.joined.capacity(), room);
        }
    }
}
