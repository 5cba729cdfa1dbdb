//! How late pictures are, stage by stage: as it is now, and since the start.
//!
//! The law: the camera's thread alone writes, anyone reads, nobody waits and nothing is allocated
//! ([`Recorder`] writes, [`Latency`] is read). Each time goes into two log-linear histograms with buckets
//! 3 % wide: one since the start, which only grows, and one of two that take turns every
//! [`TURN`]: together they are the recent past, between one and two turns of it. A reader who looks
//! while they change turns may miss some of the older half; the next look is right again.
//!
//! The crate `histogram` counts: its buckets are atomics, so no reader can hold a frame up.
//! (`hdrhistogram` needs a lock or a channel between writer and reader.)

mod figures;

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use histogram::{AtomicHistogram32, Config, Histogram32};

use crate::clock::Mono;

pub use figures::{Figures, Totals};

/// How long one half of the recent past is written before the other is.
pub const TURN: Duration = Duration::from_secs(30);
/// Buckets per doubling: 2⁵ make each some 3 % wide.
const GROUPING: u8 = 5;
/// Times below 2³⁶ ns, some 69 s, have buckets; longer ones count as the longest.
const LONGEST: u8 = 36;
const LONGEST_NANOS: u64 = (1 << LONGEST) - 1;
const CONFIG: Config = match Config::new(GROUPING, LONGEST) {
    Ok(config) => config,
    Err(_) => panic!("these bounds are constant and right"),
};

/// When a picture passed the stages before the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamps {
    /// The frame was taken; the driver's time stamp.
    pub captured: Mono,
    /// The driver handed it out.
    pub dequeued: Mono,
    /// The access unit was there.
    pub encoded: Mono,
}

/// Five hundred years after boot.
const NEVER: Mono = Mono::from_nanos(u64::MAX);

impl Stamps {
    /// Of a picture that no camera took: no latency counts it.
    #[must_use]
    pub const fn unmeasured(captured: Mono) -> Self {
        Self {
            captured,
            dequeued: NEVER,
            encoded: NEVER,
        }
    }

    /// False for [`Stamps::unmeasured`].
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.encoded != NEVER
    }
}

/// From where to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From the driver's time stamp until the driver handed the frame out.
    Dequeue,
    /// From there until the access unit was there.
    Encode,
    /// From there until the kernel had taken its last byte.
    Send,
    /// From the driver's time stamp until the kernel had taken the last byte.
    Total,
}

impl Stage {
    /// All of them, in the order of a picture's way.
    pub const ALL: [Self; 4] = [Self::Dequeue, Self::Encode, Self::Send, Self::Total];

    /// As answers name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dequeue => "captured_to_dequeued",
            Self::Encode => "dequeued_to_encoded",
            Self::Send => "encoded_to_sent",
            Self::Total => "captured_to_sent",
        }
    }

    /// The time a picture took; zero where a driver's time stamp lies in the future.
    fn of(self, stamps: &Stamps, sent: Mono) -> Duration {
        let Stamps {
            captured,
            dequeued,
            encoded,
        } = *stamps;
        match self {
            Self::Dequeue => dequeued.since(captured),
            Self::Encode => encoded.since(dequeued),
            Self::Send => sent.since(encoded),
            Self::Total => sent.since(captured),
        }
    }
}

/// One half of the recent past.
struct Half {
    counts: AtomicHistogram32,
    /// The longest time in it, nanoseconds.
    max: AtomicU64,
}

/// One stage.
struct Track {
    /// Since the start.
    all: AtomicHistogram32,
    /// Sum of all times since the start, nanoseconds.
    sum: AtomicU64,
    halves: [Half; 2],
}

/// The latencies of one camera.
pub struct Latency {
    tracks: [Track; 4],
    /// When each half began to be written, nanoseconds; 0 = never.
    since: [AtomicU64; 2],
    /// The half being written.
    current: AtomicUsize,
    late: AtomicU64,
}

impl Default for Latency {
    fn default() -> Self {
        let counts = || AtomicHistogram32::with_config(&CONFIG);
        let half = || Half {
            counts: counts(),
            max: AtomicU64::new(0),
        };
        Self {
            tracks: std::array::from_fn(|_| Track {
                all: counts(),
                sum: AtomicU64::new(0),
                halves: [half(), half()],
            }),
            since: [AtomicU64::new(0), AtomicU64::new(0)],
            current: AtomicUsize::new(0),
            late: AtomicU64::new(0),
        }
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latency")
            .field("late", &self.late)
            .finish_non_exhaustive()
    }
}

impl Latency {
    /// The recent past of a stage; `None` when no picture was sent in it.
    #[must_use]
    pub fn recent(&self, stage: Stage, now: Mono) -> Option<Figures> {
        let track = &self.tracks[stage as usize];
        let mut counts = Histogram32::with_config(&CONFIG);
        let mut max = 0;
        for (half, since) in track.halves.iter().zip(&self.since) {
            let since = since.load(Relaxed);
            // A camera that sends nothing turns nothing either.
            if since != 0 && now.since(Mono::from_nanos(since)) < TURN * 2 {
                // Cannot fail: one configuration, and fewer frames in a minute than a bucket holds.
                let _ = counts.checked_add_assign(&half.counts.load());
                max = half.max.load(Relaxed).max(max);
            }
        }
        Figures::of(&counts, Duration::from_nanos(max))
    }

    /// Everything since the start of a stage. Only ever grows.
    #[must_use]
    pub fn totals(&self, stage: Stage) -> Totals {
        let track = &self.tracks[stage as usize];
        Totals::new(
            track.all.load(),
            Duration::from_nanos(track.sum.load(Relaxed)),
        )
    }

    /// Pictures that were sent only after a session with MediaMTX was back, or behind such. They are
    /// late for a reason of their own and counted nowhere else here.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late.load(Relaxed)
    }
}

/// The writing end of a [`Latency`]; one per camera.
#[derive(Debug)]
pub struct Recorder {
    /// Where the older half is emptied into.
    scratch: Histogram32,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            scratch: Histogram32::with_config(&CONFIG),
        }
    }
}

impl Recorder {
    /// A picture's last byte was taken by the kernel at `sent`.
    pub fn sent(&mut self, to: &Latency, stamps: &Stamps, sent: Mono) {
        let current = self.turn(to, sent);
        for (stage, track) in Stage::ALL.into_iter().zip(&to.tracks) {
            let nanos = u64::try_from(stage.of(stamps, sent).as_nanos()).unwrap_or(u64::MAX);
            let bucket = nanos.min(LONGEST_NANOS);
            let half = &track.halves[current];
            // Cannot fail: the largest value has a bucket.
            let _ = track.all.increment(bucket);
            let _ = half.counts.increment(bucket);
            track.sum.fetch_add(nanos, Relaxed);
            half.max.fetch_max(nanos, Relaxed);
        }
    }

    /// A picture was sent that had waited for the session.
    pub fn late(&mut self, to: &Latency) {
        to.late.fetch_add(1, Relaxed);
    }

    /// The half to write; the other one, emptied, when this one's turn is over.
    fn turn(&mut self, to: &Latency, now: Mono) -> usize {
        let current = to.current.load(Relaxed);
        let since = to.since[current].load(Relaxed);
        if since != 0 && now.since(Mono::from_nanos(since)) < TURN {
            return current;
        }
        let next = if since == 0 { current } else { 1 - current };
        // Hidden from readers while it is emptied.
        to.since[next].store(0, Relaxed);
        for track in &to.tracks {
            let _ = track.halves[next].counts.drain_into(&mut self.scratch);
            track.halves[next].max.store(0, Relaxed);
        }
        to.since[next].store(now.as_nanos().max(1), Relaxed);
        to.current.store(next, Relaxed);
        next
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod race {
    use super::tests::{START, picture};
    use super::*;

    #[test]
    fn whoever_reads_while_a_camera_writes_sees_totals_that_only_grow() {
        let latency = std::sync::Arc::new(Latency::default());
        let shared = std::sync::Arc::clone(&latency);
        let writer = std::thread::spawn(move || {
            let mut recorder = Recorder::default();
            for n in 0..200_000 {
                // Half a second from one to the next: the halves take turns all the time.
                let (stamps, sent) = picture(START + n * 500_000_000, 10_000, 20_000, 30_000);
                recorder.sent(&shared, &stamps, sent);
            }
        });
        let mut last = 0;
        while last < 200_000 {
            let (under, all) = latency.totals(Stage::Send).up_to([Duration::from_secs(1)]);
            assert!(all >= last && under == [all]);
            last = all;
            let now = Mono::from_nanos(START + all * 500_000_000);
            if let Some(figures) = latency.recent(Stage::Send, now) {
                assert!(figures.p50 <= figures.p99 && figures.p99 <= figures.max);
            }
        }
        writer.join().unwrap();
    }
}
