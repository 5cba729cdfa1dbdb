//! Marks of those who said that they watch (`start_streaming`), and how fast streams are.
//!
//! Cameras publish all the time, so there is nothing to start or stop but a mark: "this stream is watched since".
//! A mark belongs to the stream and not to a connection. It ends when it is taken away, when the stream is gone, or
//! when nobody has read the stream for [`UNWATCHED`]. Viewers are never touched.
//!
//! Speeds are measured from counters, over the last [`WINDOW`].

pub mod io;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Mono, Now, Wall};

/// A mark ends when nobody has read the stream for so long (`auto_close_after` of the contract).
pub const UNWATCHED: Duration = Duration::from_secs(300);
/// Speeds are those of this time until now.
pub const WINDOW: Duration = Duration::from_secs(5);
/// A speed of counters less apart than this would be noise.
const SHORTEST: Duration = Duration::from_millis(400);
/// Samples of one stream at most.
const MOST_SAMPLES: usize = 16;

/// One mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// When it was made.
    pub start: Wall,
    made: Mono,
    /// When it was made or renewed, or somebody read last.
    used: Mono,
}

impl Mark {
    /// How long it has stood.
    #[must_use]
    pub const fn age(&self, now: Mono) -> Duration {
        now.since(self.made)
    }
}

/// What the counters of one stream say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The stream.
    pub name: String,
    /// Who reads it, all protocols together.
    pub readers: u32,
    /// Bytes that came from its source.
    pub bytes: u64,
    /// Frames that came from its source; `None` where nobody counts them.
    pub frames: Option<u64>,
    /// When the counters were read.
    pub at: Mono,
}

/// How fast a stream is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Bits per second.
    pub bitrate: u64,
    /// Frames per second; `None` where nobody counts them.
    pub fps: Option<f64>,
}

/// All marks and measurements. Shared; as many of each as there are streams.
#[derive(Debug, Default)]
pub struct Viewing(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    marks: BTreeMap<String, Mark>,
    samples: BTreeMap<String, VecDeque<(Mono, u64, Option<u64>)>>,
}

impl Viewing {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked while holding it left whole maps.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the stream, which the caller knows to exist; a mark that stands is renewed and keeps its beginning.
    pub fn begin(&self, name: &str, now: Now) -> Mark {
        let mut inner = self.inner();
        let mark = inner.marks.entry(name.to_owned()).or_insert(Mark {
            start: now.wall,
            made: now.mono,
            used: now.mono,
        });
        mark.used = now.mono;
        *mark
    }

    /// Takes the mark away.
    pub fn end(&self, name: &str) -> Option<Mark> {
        self.inner().marks.remove(name)
    }

    /// The stream's mark.
    #[must_use]
    pub fn mark(&self, name: &str) -> Option<Mark> {
        self.inner().marks.get(name).copied()
    }

    /// Takes the counters of every stream there is; gives the names whose mark ended by itself.
    pub fn observe(&self, samples: &[Sample], now: Mono) -> Vec<String> {
        let mut inner = self.inner();
        let known = |name: &String| samples.iter().any(|s| s.name == *name);
        inner.samples.retain(|name, _| known(name));
        let mut ended = Vec::new();
        inner.marks.retain(|name, mark| {
            let Some(sample) = samples.iter().find(|s| s.name == *name) else {
                ended.push(name.clone());
                return false;
            };
            if sample.readers > 0 {
                mark.used = now;
            }
            let stays = now.since(mark.used) < UNWATCHED;
            if !stays {
                ended.push(name.clone());
            }
            stays
        });
        for sample in samples {
            let kept = inner.samples.entry(sample.name.clone()).or_default();
            if let Some((at, bytes, _)) = kept.back() {
                if *at == sample.at {
                    continue;
                }
                // A counter that went back belongs to a new source, or a new MediaMTX.
                if *bytes > sample.bytes {
                    kept.clear();
                }
            }
            kept.push_back((sample.at, sample.bytes, sample.frames));
            // One sample from before the window stays, so that it is always whole.
            while kept.len() > MOST_SAMPLES
                || kept.get(1).is_some_and(|(at, ..)| now.since(*at) >= WINDOW)
            {
                kept.pop_front();
            }
        }
        ended
    }

    /// How fast the stream is; `None` until two samples far enough apart are there.
    #[must_use]
    pub fn speed(&self, name: &str) -> Option<Speed> {
        let inner = self.inner();
        let kept = inner.samples.get(name)?;
        let ((from, bytes, frames), (to, more, more_frames)) = (kept.front()?, kept.back()?);
        let span = to.since(*from);
        if span < SHORTEST {
            return None;
        }
        let bits = u128::from(more.saturating_sub(*bytes)) * 8 * 1_000_000_000;
        let fps = frames.zip(*more_frames).map(|(from, to)| {
            let frames = u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
            f64::from(frames) / span.as_secs_f64()
        });
        Some(Speed {
            bitrate: u64::try_from(bits / span.as_nanos()).unwrap_or(u64::MAX),
            fps,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(secs: u64) -> Now {
        Now {
            mono: Mono::from_nanos((1000 + secs) * 1_000_000_000),
            wall: Wall::from_secs(1_790_000_000 + secs),
        }
    }

    fn sample(name: &str, readers: u32, secs: u64) -> Sample {
        Sample {
            name: name.to_owned(),
            readers,
            bytes: secs * 250_000,
            frames: Some(secs * 30),
            at: at(secs).mono,
        }
    }

    #[test]
    fn a_mark_ends_five_minutes_after_the_last_reader_and_not_before() {
        let viewing = Viewing::default();
        viewing.begin("camera0", at(0));
        let watch =
            |readers, secs| viewing.observe(&[sample("camera0", readers, secs)], at(secs).mono);
        assert!(watch(1, 10).is_empty());
        assert!(watch(1, 400).is_empty(), "somebody still reads");
        assert!(watch(0, 699).is_empty());
        assert_eq!(watch(0, 700), ["camera0"]);
        assert!(viewing.mark("camera0").is_none());
    }

    #[test]
    fn marking_again_keeps_the_beginning_and_gives_five_more_minutes() {
        let viewing = Viewing::default();
        let first = viewing.begin("camera0", at(0));
        assert_eq!(viewing.begin("camera0", at(200)).start, first.start);
        assert!(
            viewing
                .observe(&[sample("camera0", 0, 499)], at(499).mono)
                .is_empty()
        );
        let mark = viewing.end("camera0").unwrap();
        assert_eq!(mark.age(at(499).mono), Duration::from_secs(499));
        assert!(viewing.end("camera0").is_none());
    }

    #[test]
    fn a_stream_that_is_gone_takes_its_mark_along() {
        let viewing = Viewing::default();
        viewing.begin("drone", at(0));
        assert_eq!(
            viewing.observe(&[sample("camera0", 0, 1)], at(1).mono),
            ["drone"]
        );
    }

    #[test]
    fn speeds_are_those_of_the_last_seconds() {
        let viewing = Viewing::default();
        assert_eq!(viewing.speed("camera0"), None);
        for secs in 1..30 {
            viewing.observe(&[sample("camera0", 0, secs)], at(secs).mono);
        }
        let speed = viewing.speed("camera0").unwrap();
        assert_eq!((speed.bitrate, speed.fps), (2_000_000, Some(30.0)));
        // It stands still.
        for secs in 30..40 {
            let mut still = sample("camera0", 0, 29);
            still.at = at(secs).mono;
            viewing.observe(&[still], at(secs).mono);
        }
        let speed = viewing.speed("camera0").unwrap();
        assert_eq!((speed.bitrate, speed.fps), (0, Some(0.0)));
        // A counter that begins anew is no negative speed.
        let mut anew = sample("camera0", 0, 0);
        anew.at = at(41).mono;
        viewing.observe(&[anew], at(41).mono);
        assert_eq!(viewing.speed("camera0"), None);
    }

    proptest! {
        #[test]
        fn it_holds_no_more_than_there_are_streams(rounds in proptest::collection::vec(proptest::collection::btree_set("[a-e]", 0..5), 1..40)) {
            let viewing = Viewing::default();
            for (secs, names) in (1..).zip(rounds) {
                let samples: Vec<Sample> = names.iter().map(|n| sample(n, 0, secs)).collect();
                for name in &names {
                    viewing.begin(name, at(secs));
                }
                viewing.observe(&samples, at(secs).mono);
                let inner = viewing.inner();
                prop_assert_eq!(inner.marks.len(), names.len());
                prop_assert_eq!(inner.samples.len(), names.len());
                prop_assert!(inner.samples.values().all(|s| s.len() <= MOST_SAMPLES));
            }
        }
    }
}
