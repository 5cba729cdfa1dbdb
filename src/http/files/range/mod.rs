//! A stretch of time of one camera as one MP4: `/files/range/{device}?start=…&end=…`.
//!
//! What that MP4 is, [`crate::recording::range`] decides; nothing is written for it. [`io`] finds the recordings, keeps
//! what was worked out for the next request of the same player, and sends.

pub mod io;

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::name;
use super::terms::Version;
use crate::access::Principal;
use crate::clock::Wall;
use crate::error::Later;
use crate::recording::range::{LONGEST, NoStretch, Plan, Stretch, moment};
use crate::storage::names::Stem;

/// Whose recordings, and which time: as it was asked, and as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What a link is signed over, beside the device.
    pub words: String,
    /// From when to when, or what to say instead.
    pub stretch: Result<Stretch, String>,
}

/// What a link to a stretch of a device is signed over: no file's name holds a `?`.
#[must_use]
pub fn subject(device: &str, words: &str) -> String {
    format!("{device}?{words}")
}

/// The words of a stretch, as our own links say them.
#[must_use]
pub fn words(stretch: Stretch) -> String {
    // Down to the nanosecond: what was asked for is what is signed.
    let text = |at: Wall| {
        let all = at.rfc3339();
        let whole = all.split('.').next().unwrap_or_default();
        format!("{whole}.{:09}Z", at.as_nanos() % 1_000_000_000)
    };
    format!("start={}&end={}", text(stretch.start), text(stretch.end))
}

/// From when to when, of a beginning and either an end or a length in seconds.
///
/// # Errors
/// What is wrong with them, and what to send.
pub fn stretch(start: &str, end: Option<&str>, seconds: Option<f64>) -> Result<Stretch, String> {
    let read = |what: &str, text: &str| {
        moment(text).ok_or_else(|| {
            format!("{what} is no moment; write it as 2026-11-21T10:15:00Z (RFC 3339), with + as %2B in a link")
        })
    };
    let begin = read("start", start)?;
    let end = match (end, seconds) {
        (Some(end), None) => read("end", end)?,
        (None, Some(seconds)) => {
            let lasts = Duration::try_from_secs_f64(seconds)
                .map_err(|_| "duration is no number of seconds; write it as 60 or 0.5")?;
            begin + lasts
        }
        _ => return Err("a stretch has a start, and either an end or a duration".to_owned()),
    };
    Stretch::new(begin, end).map_err(|no| match no {
        NoStretch::Backwards => "the end does not lie after the start; send a later one".to_owned(),
        NoStretch::TooLong => format!(
            "that is longer than {} hours; ask for it in parts",
            LONGEST.as_secs() / 3600
        ),
    })
}

impl Query {
    /// Reads `start`, `end` and `duration`; what else a query holds is somebody else's.
    #[must_use]
    pub fn read(query: &str) -> Self {
        let value = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(name, _)| *name == wanted)?;
            name::decode(value)
        };
        let (start, end, lasts) = (value("start"), value("end"), value("duration"));
        let words = [("start", &start), ("end", &end), ("duration", &lasts)];
        let words: Vec<String> = words
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)))
            .collect();
        let seconds = match lasts.map(|text| text.parse::<f64>()) {
            None => Ok(None),
            Some(Ok(seconds)) => Ok(Some(seconds)),
            Some(Err(_)) => Err("duration is no number of seconds; write it as 60".to_owned()),
        };
        Self {
            words: words.join("&"),
            stretch: seconds.and_then(|seconds| {
                stretch(
                    start.as_deref().unwrap_or_default(),
                    end.as_deref(),
                    seconds,
                )
            }),
        }
    }
}

/// A recording's file, told from every other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its name in the device's folder.
    pub filename: String,
    /// File system, number, and when it was made, where the file system remembers it: a number is given again as soon as
    /// its file is deleted.
    pub identity: (u64, u64, Option<Wall>),
    /// Bytes when it was read; it may have grown since.
    pub length: u64,
}

/// A recording that may lie in a stretch: its name, its bytes, and when it was written last.
pub type Input = (Stem, u64, Wall);

/// A stretch that can be sent.
#[derive(Debug)]
pub struct Ready {
    /// The camera or stream.
    pub device: String,
    /// What was asked for.
    pub stretch: Stretch,
    /// The MP4.
    pub plan: Plan,
    /// The files of [`Plan::parts`].
    pub origins: Vec<Origin>,
    /// All recordings that may lie in it, with their sizes and times when they were read.
    pub inputs: Vec<Input>,
    digest: [u8; 24],
    weight: Weight,
}

impl Ready {
    /// Its name: camera, moment of the first picture, length in seconds.
    #[must_use]
    pub fn filename(&self) -> String {
        let begin = self.plan.begin();
        let nanos = self.plan.end().as_nanos().saturating_sub(begin.as_nanos());
        let seconds = nanos.saturating_add(500_000_000) / 1_000_000_000;
        format!("{}_{seconds}s.mp4", Stem::of(&self.device, begin))
    }

    /// For conditions and ranges. It is told by the bytes it consists of, so its tag is strong even where the last recording
    /// grows, as long as that changes nothing in it.
    #[must_use]
    pub fn version(&self) -> Version {
        let part = |n: usize| {
            let bytes = self.digest.get(n..n + 8).and_then(|b| b.try_into().ok());
            u64::from_be_bytes(bytes.unwrap_or_default())
        };
        Version {
            size: self.plan.size(),
            modified: Wall::from_nanos(0),
            changed: Wall::from_nanos(part(0)),
            inode: part(8),
        }
    }

    /// Whether it is still what these recordings give.
    #[must_use]
    pub fn is_of(&self, inputs: &[Input]) -> bool {
        let last = self.inputs.len().saturating_sub(1);
        self.inputs.len() == inputs.len()
            && self
                .inputs
                .iter()
                .zip(inputs)
                .enumerate()
                .all(|(n, (was, is))| {
                    // The last one may have grown beyond it.
                    let grown = n == last && self.plan.complete && is.1 >= was.1 && was.0 == is.0;
                    was == is || grown
                })
    }
}

/// Over the head, which holds the size of every sample, and the recordings.
fn digest(plan: &Plan) -> [u8; 24] {
    let mut sum = Sha256::new();
    sum.update(plan.head());
    for part in &plan.parts {
        sum.update(part.stem.as_str());
        sum.update([0]);
        sum.update(part.begin.as_nanos().to_be_bytes());
    }
    let mut digest = [0; 24];
    for (to, from) in digest.iter_mut().zip(sum.finalize()) {
        *to = from;
    }
    digest
}

/// Memory that stretches take; given back when dropped.
#[derive(Debug)]
struct Weight {
    all: Arc<std::sync::atomic::AtomicUsize>,
    own: usize,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.all
            .fetch_sub(self.own, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Why a stretch cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing was recorded there.
    Nothing {
        /// When the last picture before it was taken, as far as lists tell.
        before: Option<Wall>,
        /// When the first picture after it was taken.
        after: Option<Wall>,
    },
    /// The codec changed in between.
    Changed {
        /// When.
        at: Wall,
        /// In words.
        what: String,
    },
    /// More recordings, or pictures, than one answer holds.
    TooMany,
    /// As many long stretches as memory is set aside for are being sent.
    Busy,
}

impl Trouble {
    /// A sentence about the stretch of `device`, with what to do.
    #[must_use]
    pub fn sentence(&self, device: &str) -> String {
        match self {
            Self::Nothing {
                before: None,
                after: None,
            } => {
                format!("there is no recording of {device}; the list of recordings names every one")
            }
            Self::Nothing { before, after } => {
                let told = [("ends at", before), ("begins at", after)];
                let told: Vec<String> = told
                    .iter()
                    .filter_map(|(word, at)| Some(format!("{word} {}", at.as_ref()?.rfc3339())))
                    .collect();
                format!(
                    "nothing of {device} was recorded then; the nearest {}",
                    told.join(", and ")
                )
            }
            Self::Changed { at, what } => format!(
                "the codec of {device} changed {what} at {}; ask for the time before that and the time from then on by themselves",
                at.rfc3339()
            ),
            Self::TooMany => {
                "there are too many recordings or pictures for one answer; ask for it in parts"
                    .to_owned()
            }
            Self::Busy => {
                "as many long stretches as there is room for are being sent; try again in a while"
                    .to_owned()
            }
        }
    }

    /// The status that tells it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Nothing { .. } => 404,
            Self::Changed { .. } => 409,
            Self::TooMany => 400,
            Self::Busy => 503,
        }
    }
}

/// [`Trouble`] or a stretch.
pub type Found = Result<Arc<Ready>, Trouble>;

/// Stretches of time, for methods that hand out links.
pub trait Ranges: Send + Sync {
    /// What is there of `device`. Reads the recordings' tables.
    fn find(&self, device: &str, stretch: Stretch) -> Later<Found>;

    /// Path and query that download it without a header until `until`, and as long as the credential of `who` stands.
    fn link(&self, device: &str, stretch: Stretch, who: &Principal, until: Wall) -> String;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_query_says_a_time_by_its_end_or_its_length() {
        let end = Query::read(
            "x=1&start=2027-01-15T08:00:00Z&end=2027-01-15T09%3A01:00%2B01:00&signature=a",
        );
        let lasts = Query::read("duration=60&start=2027-01-15T08:00:00Z");
        assert_eq!(end.stretch, lasts.stretch);
        let wanted = Stretch::new(
            Wall::from_secs(1_800_000_000),
            Wall::from_secs(1_800_000_060),
        );
        assert_eq!(end.stretch, Ok(wanted.unwrap()));
        assert_eq!(
            end.words,
            "start=2027-01-15T08:00:00Z&end=2027-01-15T09:01:00+01:00"
        );
        let ours = words(wanted.unwrap());
        assert_eq!(Query::read(&ours).stretch, end.stretch);
        assert_eq!(Query::read(&ours).words, ours);
    }

    #[test]
    fn what_is_wrong_with_a_query_is_said() {
        for (query, word) in [
            ("", "start is no moment"),
            ("start=2027-01-15T08:00:00Z", "either an end or a duration"),
            ("start=2027-01-15T08:00:00Z&duration=x", "no number"),
            ("start=2027-01-15T08:00:00Z&duration=-1", "no number"),
            ("start=2027-01-15T08:00:00Z&duration=1e300", "no number"),
            ("start=2027-01-15T08:00:00Z&duration=NaN", "no number"),
            ("start=2027-01-15T08:00:00Z&duration=0", "after the start"),
            ("start=2027-01-15T08:00:00Z&duration=90000", "12 hours"),
            (
                "start=2027-01-15T08:00:00Z&end=2027-01-15T08:00:00+01:00",
                "after the start",
            ),
        ] {
            let said = Query::read(query).stretch.unwrap_err();
            assert!(said.contains(word), "{query}: {said}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_without_panic(text in "(start=|end=|duration=|&|%|[0-9TZ:+.-]|.){0,40}") {
            let _ = Query::read(&text);
        }
    }
}
