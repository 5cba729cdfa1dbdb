//! Which wall time MediaMTX is told that pictures have.
//!
//! The wall clock less the monotonic one is constant but for steps: the kernel slews both alike. MediaMTX's recorder holds
//! the told time against the length of what it has recorded, and if they are more than 5 s apart it gives up, rests for
//! 2 s and begins another file. So while a recording runs the difference stays what it was when it began, whatever is done
//! to the wall clock; who named the file knows it and computes the true time from it. Otherwise it follows the clock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::camera::Counters;
use crate::clock::{Mono, Now, Wall};

/// A change of wall against monotonic time larger than this is a step and is told at once, nanoseconds.
const STEP: u64 = 100_000_000;
/// NTP counts seconds in 32 bits, which end on 2036-02-07 (RFC 5905, 6); MediaMTX takes what comes then for 1900. A
/// recording that begins a year before ends before.
const ERA_END: u64 = (1 << 32) - 2_208_988_800 - 366 * 86_400;
/// What is told instead is a multiple of so many seconds less: nobody but the service takes a recording's time from it.
const LESS: u64 = 1 << 30;

/// The time of one camera's stream.
#[derive(Debug, Clone)]
pub struct Timeline(Arc<Counters>);

impl Timeline {
    /// Of the camera with these counters: what was told stands there, over all its sessions.
    #[must_use]
    pub const fn new(counters: Arc<Counters>) -> Self {
        Self(counters)
    }

    /// The wall time to be told of this very moment. It is kept as told.
    pub fn tell(&self, now: Now) -> Wall {
        let apart = self.held().unwrap_or_else(|| tellable(now));
        self.0.told_apart_nanos.store(apart, Ordering::Relaxed);
        let nanos = signed(now.mono.as_nanos()).saturating_add(apart);
        Wall::from_nanos(u64::try_from(nanos).unwrap_or_default())
    }

    /// Whether the wall clock was set since it was told last, and may be followed.
    #[must_use]
    pub fn is_off(&self, now: Now) -> bool {
        let told = self.0.told_apart_nanos.load(Ordering::Relaxed);
        told != 0 && self.held().is_none() && told.abs_diff(tellable(now)) > STEP
    }

    /// What must not change now.
    fn held(&self) -> Option<i64> {
        let told = self.0.told_apart_nanos.load(Ordering::Relaxed);
        (told != 0 && self.0.recorded.load(Ordering::Relaxed)).then_some(told)
    }
}

/// When a picture was taken of which MediaMTX was told this time; `None`: nothing was told yet, or it cannot be.
#[must_use]
pub fn taken(counters: &Counters, told: Wall) -> Option<Mono> {
    let apart = counters.told_apart_nanos.load(Ordering::Relaxed);
    let nanos = signed(told.as_nanos()).checked_sub(apart)?;
    (apart != 0).then_some(())?;
    u64::try_from(nanos).ok().map(Mono::from_nanos)
}

fn tellable(now: Now) -> i64 {
    let apart = signed(now.wall.as_nanos()).saturating_sub(signed(now.mono.as_nanos()));
    let beyond = now.wall.as_secs().checked_sub(ERA_END);
    let less = beyond.map_or(0, |secs| (secs / LESS + 1) * LESS);
    let apart = apart.saturating_sub(signed(less.saturating_mul(1_000_000_000)));
    // 0 means nothing.
    if apart == 0 { 1 } else { apart }
}

/// Nanoseconds up to the year 2262.
fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64, wall_ms: u64) -> Now {
        Now {
            mono: Mono::from_nanos(mono_ms * 1_000_000),
            wall: Wall::from_nanos(wall_ms * 1_000_000),
        }
    }

    const TRUE: u64 = 1_790_000_000_000;
    const YEAR: u64 = 365 * 86_400_000;

    #[test]
    fn while_a_recording_runs_no_step_of_the_clock_is_told_and_each_pictures_moment_stays_known() {
        let counters = Arc::new(Counters::default());
        let timeline = Timeline::new(Arc::clone(&counters));
        assert_eq!(timeline.tell(at(5_000, TRUE)), at(0, TRUE).wall);
        counters.recorded.store(true, Ordering::Relaxed);
        for (second, by) in (1..).zip([TRUE, TRUE + 20 * YEAR, 5_000, TRUE + 3_600_000]) {
            let now = at(5_000 + second * 1000, by);
            assert!(!timeline.is_off(now));
            let told = timeline.tell(now);
            assert_eq!(told, at(0, TRUE + second * 1000).wall);
            assert_eq!(taken(&counters, told), Some(now.mono));
        }
        counters.recorded.store(false, Ordering::Relaxed);
        let now = at(20_000, TRUE + YEAR);
        assert!(timeline.is_off(now));
        assert_eq!(timeline.tell(now), now.wall);
        assert!(!timeline.is_off(at(20_040, TRUE + YEAR + 40)));
    }

    #[test]
    fn beyond_2036_what_is_told_fits_into_32_bits_and_the_moment_comes_back() {
        let counters = Arc::new(Counters::default());
        let timeline = Timeline::new(Arc::clone(&counters));
        for year in [8, 9, 10, 12, 20, 60, 160] {
            let now = at(7_000, TRUE + year * YEAR);
            let told = timeline.tell(now);
            assert!(told.as_secs() + 2_208_988_800 < 1 << 32, "{told:?}");
            assert_eq!(taken(&counters, told), Some(now.mono));
        }
    }

    #[test]
    fn before_anything_was_told_no_moment_is_known() {
        assert_eq!(taken(&Counters::default(), Wall::from_secs(1)), None);
    }
}
