//! How long an API key is good for, as people write it: `90d`, `12h`, `1y`, `never`.

use std::fmt;
use std::str::FromStr;

use crate::clock::Wall;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// Seconds of the longest one that is not `never`.
const LONGEST: u64 = 100 * YEAR;

/// How long an API key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// So many seconds.
    After(u64),
    /// Until it is revoked.
    Never,
}

impl Expiry {
    /// Ninety days.
    pub const DEFAULT: Self = Self::After(90 * DAY);

    /// When a key made at `now` ends, in seconds since the epoch.
    #[must_use]
    pub const fn end(self, now: Wall) -> Option<u64> {
        match self {
            Self::After(secs) => Some(now.as_secs().saturating_add(secs)),
            Self::Never => None,
        }
    }
}

impl FromStr for Expiry {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let odd = || format!("{text:?} is no time for a key: write 12h, 30d, 90d, 1y or never");
        let unit = text.chars().last().ok_or_else(odd)?;
        let factor = match unit {
            'h' => HOUR,
            'd' => DAY,
            'y' => YEAR,
            _ => return Err(odd()),
        };
        let digits = &text[..text.len() - 1];
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(odd());
        }
        digits
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(factor))
            .filter(|secs| (1..=LONGEST).contains(secs))
            .map(Self::After)
            .ok_or_else(odd)
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Never => f.write_str("never"),
            Self::After(secs) if secs % YEAR == 0 => write!(f, "{}y", secs / YEAR),
            Self::After(secs) if secs % DAY == 0 => write!(f, "{}d", secs / DAY),
            Self::After(secs) => write!(f, "{}h", secs.div_ceil(HOUR)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_as_people_write_them() {
        for text in ["90d", "30d", "1y", "12h", "never"] {
            assert_eq!(text.parse::<Expiry>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "d",
            "0d",
            "-1d",
            "+1d",
            "1.5d",
            "90",
            "101y",
            "99999999999999999999d",
            "1ä",
        ] {
            assert!(bad.parse::<Expiry>().is_err(), "{bad}");
        }
    }
}
