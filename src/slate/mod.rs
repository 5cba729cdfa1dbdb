//! What viewers see while a camera is unplugged, stalled, or its encoder failed: its last picture,
//! dimmed, with a band that says what is wrong, why, and since when.
//!
//! The one law: for a viewer the stream goes on. The slate is coded by the same encoder with the same
//! size, colour, rate and bit rate as the camera's software route, so nothing is negotiated anew, and
//! its time stamps only ever grow.
//!
//! * [`last_picture`]: the group of pictures that was sent last, decoded to its last picture.
//! * [`Slate`]: the encoder and when its next frame is due. * [`picture`]: what it looks like, and
//!   from [`wording`] and [`layout`], which words stand where.

pub mod io;
pub mod last;
pub mod layout;
pub mod picture;
pub mod wording;

pub use io::Slate;
pub use last::io::last_picture;

use std::time::Duration;

use crate::capture::{Format, PixelFormat, Range};
use crate::clock::Mono;
use crate::encode::Settings;
use crate::units::{Rate, Size};

/// Frames a second of a slate.
///
/// Enough that a player never takes the stream for dead: the longest wait is one part of MediaMTX's
/// HLS (`hlsPartDuration` 200 ms), a browser's jitter buffer stays filled, and a viewer who joins
/// gets the IDR that was asked for within a fifth of a second. More would cost a machine whose camera
/// is broken without showing anything new.
pub const RATE: Rate = Rate::fps(5);

/// What a slate says. Any text is taken: what has no glyph is replaced, what has no room is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// What is wrong, for everybody.
    pub what: String,
    /// Why, for who can help it.
    pub why: String,
    /// When it began.
    pub since: Mono,
}

impl Text {
    /// "No picture from `camera`".
    #[must_use]
    pub fn no_picture(camera: &str, why: impl Into<String>, since: Mono) -> Self {
        Self {
            what: format!("No picture from {camera}"),
            why: why.into(),
            since,
        }
    }
}

/// The format in which a slate for a camera of `format` is drawn and coded: the same colours in
/// limited range, the same rate, and the same size, as long as openh264 can code it. A camera that
/// codes by itself may deliver larger pictures: then it is the largest size of the same shape that
/// fits into 3840x2160, and decoders are told so by the slate's own SPS. Odd sizes lose their last
/// column or line, as on the software route.
#[must_use]
pub fn coded(format: Format) -> Format {
    let size = codable(format.size);
    Format {
        pixel: PixelFormat::Yu12,
        size,
        stride: size.width,
        rate: format.rate,
        colour: crate::capture::Colour {
            range: Range::Limited,
            ..format.colour
        },
    }
}

/// The nearest size of the same shape that openh264 codes: even, and between 16x16 and 3840x2160
/// lying or standing.
fn codable(size: Size) -> Size {
    const SHORT: u32 = 2160;
    const LONG: u32 = 3840;
    const LEAST: u32 = 16;
    let (long, short) = (size.width.max(size.height), size.width.min(size.height));
    let (long, short) = (long.max(1), short.max(1));
    // By the side that is the most beyond what may be.
    let (of, by) = if short < LEAST {
        (LEAST, short)
    } else if long <= LONG && short <= SHORT {
        (1, 1)
    } else if u64::from(long) * u64::from(SHORT) > u64::from(short) * u64::from(LONG) {
        (LONG, long)
    } else {
        (SHORT, short)
    };
    let fit = |side: u32, most: u32| {
        let scaled = u64::from(side) * u64::from(of) / u64::from(by);
        u32::try_from(scaled).unwrap_or(most).clamp(LEAST, most) & !1
    };
    let (long, short) = (fit(long, LONG), fit(short, SHORT));
    if size.width >= size.height {
        Size::new(long, short)
    } else {
        Size::new(short, long)
    }
}

/// The camera's settings for a stream of [`RATE`]: the time from one IDR to the next stays, so that
/// who joins waits no longer, and MediaMTX cuts its segments as before.
#[must_use]
pub fn settings(camera: Settings, rate: Rate) -> Settings {
    let frames = u64::from(camera.gop) * u64::from(rate.seconds()) * u64::from(RATE.frames())
        / u64::from(rate.frames());
    Settings {
        gop: u32::try_from(frames).unwrap_or(u32::MAX).max(1),
        ..camera
    }
}

/// Time stamps must differ by more than a tick of RTP's clock (11 µs) to count as growing.
const TICK: Duration = Duration::from_millis(1);

/// When frames are due and what time they carry. Pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    due: Mono,
    last: Option<Mono>,
}

impl Cadence {
    /// The first frame is due at once.
    #[must_use]
    pub const fn new(now: Mono) -> Self {
        Self {
            due: now,
            last: None,
        }
    }

    /// When the next frame is due.
    #[must_use]
    pub const fn due(&self) -> Mono {
        self.due
    }

    /// A frame is made now: gives its time stamp, always later than the one before.
    ///
    /// Who comes a little late still stamps the moment it was due: frames exactly 200 ms apart fit
    /// into the parts of MediaMTX's HLS, while each new distance makes it announce longer parts, which
    /// players on iOS take for an error. Who comes very late has missed the frames between; who comes
    /// early starts the wait anew.
    pub fn frame(&mut self, now: Mono) -> Mono {
        let next = self.due + RATE.interval();
        let (stamp, due) = if self.due <= now && now < next {
            (self.due, next)
        } else {
            (now, now + RATE.interval())
        };
        self.due = due;
        let stamp = self.last.map_or(stamp, |last| stamp.max(last + TICK));
        self.last = Some(stamp);
        stamp
    }
}

#[cfg(test)]
mod tests;
