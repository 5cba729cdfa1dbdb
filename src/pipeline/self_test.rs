//! Proves that the encoder of this machine works: draws the test camera, codes it, decodes it
//! again and reads every time code. Needs no device, no network and no clock.

use std::fmt;

use openh264::decoder::Decoder;
use openh264::formats::YUVSource as _;

use crate::capture::Frame;
use crate::capture::testcard::picture::Picture;
use crate::capture::testcard::{self, timecode};
use crate::clock::{Mono, Wall};
use crate::encode::{self, Settings};
use crate::error::{Error, Kind, Result};
use crate::units::{BitRate, Rate, Size};

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Picture size.
    pub size: Size,
    /// Frames drawn.
    pub drawn: u32,
    /// Frames that came back with the right number.
    pub read: u32,
    /// Key frames among them.
    pub keyframes: u32,
    /// Bytes of H.264.
    pub bytes: usize,
}

impl Report {
    /// Every frame came back.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.read == self.drawn && self.keyframes > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {} of {} frames coded, decoded and read, {} key frames, {} bytes",
            if self.is_good() { "good" } else { "BAD" },
            self.size,
            self.read,
            self.drawn,
            self.keyframes,
            self.bytes
        )
    }
}

/// Runs `seconds` of video through encoder and decoder.
///
/// # Errors
/// Whatever the encoder says; `Internal` when the decoder cannot be opened.
pub fn run(seconds: u32, size: Size, rate: Rate) -> Result<Report> {
    let format = testcard::format(size, rate)?;
    let settings = Settings {
        bitrate: BitRate::from_kbps(1500),
        gop: rate.rounded(),
    };
    let mut picture = Picture::new(format);
    let mut encoder = encode::open(format, settings)?;
    let mut decoder =
        Decoder::new().map_err(|e| Error::new(Kind::Internal, "no H.264 decoder").because(e))?;
    let mut report = Report {
        size,
        drawn: 0,
        read: 0,
        keyframes: 0,
        bytes: 0,
    };
    let interval = u64::try_from(rate.interval().as_nanos()).unwrap_or(u64::MAX);
    for counter in 0..seconds * rate.rounded() {
        let at = u64::from(counter) * interval;
        let frame = Frame {
            data: picture.draw(counter, Wall::from_nanos(at)),
            sequence: counter,
            captured: Mono::from_nanos(at),
        };
        report.drawn += 1;
        let Some(unit) = encoder.encode(&frame, counter == 0)? else {
            continue;
        };
        report.bytes += unit.data.len();
        report.keyframes += u32::from(unit.keyframe);
        if let Ok(Some(decoded)) = decoder.decode(unit.data) {
            let (width, height) = decoded.dimensions();
            let (stride, _, _) = decoded.strides();
            let read = timecode::decode(decoded.y(), width, height, stride);
            report.read += u32::from(read.is_ok_and(|code| code.counter == counter));
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_second_of_the_test_camera_comes_back_frame_by_frame() {
        let report = run(1, Size::new(640, 480), Rate::fps(30)).unwrap();
        assert!(report.is_good(), "{report}");
        assert_eq!(report.drawn, 30);
    }
}
