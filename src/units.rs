//! Numbers with units. Conversions between widths live here and nowhere else.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Frames per second as the exact fraction that drivers speak: `frames / seconds`.
///
/// V4L2's `timeperframe` is the inverse; [`Rate::from_interval`] turns it round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    frames: u32,
    seconds: u32,
}

impl Rate {
    /// Whole frames per second that can be asked for.
    pub const ASKED: RangeInclusive<u32> = 1..=240;

    /// `frames` per `seconds`; `None` when either is zero.
    #[must_use]
    pub const fn new(frames: u32, seconds: u32) -> Option<Self> {
        if frames == 0 || seconds == 0 {
            None
        } else {
            Some(Self { frames, seconds })
        }
    }

    /// Whole frames per second; zero becomes one.
    #[must_use]
    pub const fn fps(frames: u32) -> Self {
        Self {
            frames: if frames == 0 { 1 } else { frames },
            seconds: 1,
        }
    }

    /// From V4L2's `timeperframe` (numerator / denominator seconds).
    #[must_use]
    pub const fn from_interval(numerator: u32, denominator: u32) -> Option<Self> {
        Self::new(denominator, numerator)
    }

    /// Numerator: frames.
    #[must_use]
    pub const fn frames(self) -> u32 {
        self.frames
    }

    /// Denominator: seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// As a fraction.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.frames) / f64::from(self.seconds)
    }

    /// Rounded to whole frames per second, at least 1, as the JSON-RPC contract wants it.
    #[must_use]
    pub const fn rounded(self) -> u32 {
        let r = (self.frames + self.seconds / 2) / self.seconds;
        if r == 0 { 1 } else { r }
    }

    /// The time from one frame to the next.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_nanos(1_000_000_000 * u64::from(self.seconds) / u64::from(self.frames))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seconds == 1 {
            write!(f, "{}", self.frames)
        } else {
            write!(f, "{:.2}", self.as_f64())
        }
    }
}

/// Picture size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    /// Pixels per line.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

impl Size {
    /// What each side can be, in pixels. 16: the smallest picture our encoder takes. 4096: level 5.1's widest.
    pub const SIDES: RangeInclusive<u32> = 16..=4096;

    /// Whether a picture can be of this size: both sides are in [`Size::SIDES`].
    #[must_use]
    pub fn is_possible(self) -> bool {
        Self::SIDES.contains(&self.width) && Self::SIDES.contains(&self.height)
    }

    /// `width` × `height` pixels.
    #[must_use]
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Pixels in all.
    #[must_use]
    pub const fn pixels(self) -> u64 {
        self.width as u64 * self.height as u64
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl std::str::FromStr for Size {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        s.split_once('x')
            .and_then(|(w, h)| Some(Self::new(w.parse().ok()?, h.parse().ok()?)))
            .ok_or_else(|| format!("{s:?} is not a size: write it as 1280x720"))
    }
}

/// Bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitRate(u32);

impl BitRate {
    /// Thousands of bits per second that can be asked of an encoder.
    pub const KBPS: RangeInclusive<u32> = 50..=100_000;

    /// From bits per second.
    #[must_use]
    pub const fn from_bps(bps: u32) -> Self {
        Self(bps)
    }

    /// From thousands of bits per second.
    #[must_use]
    pub const fn from_kbps(kbps: u32) -> Self {
        Self(kbps.saturating_mul(1000))
    }

    /// Bits per second.
    #[must_use]
    pub const fn as_bps(self) -> u32 {
        self.0
    }

    /// Whole thousands of bits per second.
    #[must_use]
    pub const fn as_kbps(self) -> u32 {
        self.0 / 1000
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kbit/s", self.0 / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_interval_becomes_a_rate_and_rounds_as_people_say_it() {
        let ntsc = Rate::from_interval(1001, 30000).unwrap();
        assert_eq!(ntsc.rounded(), 30);
        assert_eq!(ntsc.interval().as_micros(), 33_366);
        assert_eq!(ntsc.to_string(), "29.97");
        assert!(Rate::from_interval(0, 30).is_none());
    }
}
