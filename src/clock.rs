//! The only clock. Everything else is told the time.
//!
//! Frames are stamped by the kernel with `CLOCK_MONOTONIC`, so the whole data plane counts in it
//! ([`Mono`]). Wall time ([`Wall`]) exists only at the edges: RTCP sender reports, tokens, logs.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A moment on `CLOCK_MONOTONIC`, nanoseconds since an arbitrary origin near boot.
///
/// The same clock as `std::time::Instant` on Linux, but constructible from a V4L2 time stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(u64);

impl Mono {
    /// From nanoseconds on `CLOCK_MONOTONIC`.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds on `CLOCK_MONOTONIC`.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The first moment from this one on that is a whole number of `grain`s.
    #[must_use]
    pub fn up_to(self, grain: Duration) -> Self {
        let grain = u64::try_from(grain.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self(self.0.checked_next_multiple_of(grain).unwrap_or(u64::MAX))
    }
}

impl std::ops::Add<Duration> for Mono {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// A moment on `CLOCK_BOOTTIME`, nanoseconds since boot: as [`Mono`], but it goes on while the machine sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Boottime(u64);

impl Boottime {
    /// From nanoseconds since boot.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since boot.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

/// A moment of wall time, nanoseconds since the Unix epoch. May jump; never used to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(u64);

impl Wall {
    /// From nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From whole seconds since the Unix epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// RFC 3339 in UTC with milliseconds, as every answer of ours writes time.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let format = time::macros::format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0))
            .ok()
            .and_then(|t| t.format(&format).ok())
            .unwrap_or_else(|| "1970-01-01T00:00:00.000Z".to_owned())
    }
}

impl std::ops::Add<Duration> for Wall {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// Both clocks read as close together as user space can: what maps a frame's stamp to wall time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The monotonic side.
    pub mono: Mono,
    /// The wall side.
    pub wall: Wall,
}

impl Now {
    /// The wall time of a monotonic moment near this one.
    #[must_use]
    pub const fn wall_of(&self, mono: Mono) -> Wall {
        Wall(if mono.0 >= self.mono.0 {
            self.wall.0.saturating_add(mono.0 - self.mono.0)
        } else {
            self.wall.0.saturating_sub(self.mono.0 - mono.0)
        })
    }
}

fn read(id: ClockId) -> u64 {
    // Both clocks exist on every Linux since 2.6; a failure would be a broken kernel.
    clock_gettime(id).map_or(0, |t| {
        let secs = u64::try_from(t.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(t.tv_nsec()).unwrap_or(0);
        secs.saturating_mul(1_000_000_000).saturating_add(nanos)
    })
}

/// Reads `CLOCK_MONOTONIC`.
#[must_use]
pub fn mono() -> Mono {
    Mono(read(ClockId::CLOCK_MONOTONIC))
}

/// Reads `CLOCK_BOOTTIME`.
#[must_use]
pub fn boottime() -> Boottime {
    Boottime(read(ClockId::CLOCK_BOOTTIME))
}

/// The time since boot of a monotonic moment since the machine slept last.
#[must_use]
pub fn boottime_of(moment: Mono) -> Boottime {
    let (boot, mono) = (boottime().0, mono().0);
    Boottime(boot.saturating_sub(mono).saturating_add(moment.0))
}

/// Reads `CLOCK_REALTIME`.
#[must_use]
pub fn wall() -> Wall {
    Wall(read(ClockId::CLOCK_REALTIME))
}

/// Reads both clocks.
#[must_use]
pub fn now() -> Now {
    Now {
        mono: mono(),
        wall: wall(),
    }
}

/// Waits for the next whole multiple of `every` on `CLOCK_MONOTONIC`. All who look again and again wait so: then one
/// wake-up does for them all, and an idle processor sleeps in between.
pub async fn round(every: Duration) {
    let now = mono();
    tokio::time::sleep(next_round(now, every).since(now)).await;
}

/// The first multiple of `every` after `now`.
fn next_round(now: Mono, every: Duration) -> Mono {
    (now + Duration::from_nanos(1)).up_to(every)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_written_as_rfc3339_with_milliseconds() {
        let wall = Wall::from_nanos(1_790_000_000_123_456_789);
        assert_eq!(wall.rfc3339(), "2026-09-21T14:13:20.123Z");
    }

    #[test]
    fn those_who_look_again_and_again_wake_together() {
        let (short, long) = (Duration::from_millis(250), Duration::from_secs(1));
        let at = |millis: u64| Mono::from_nanos(millis * 1_000_000);
        assert_eq!(next_round(at(1_000), short), at(1_250));
        assert_eq!(next_round(at(1_249), short), at(1_250));
        for started in [1_000, 1_001, 1_999] {
            assert_eq!(next_round(at(started), long), at(2_000));
        }
        assert_eq!(next_round(at(1_750), short), at(2_000));
    }

    #[test]
    fn a_stamp_before_and_after_now_maps_to_wall_time() {
        let now = Now {
            mono: Mono::from_nanos(5_000),
            wall: Wall::from_nanos(1_000_000),
        };
        assert_eq!(now.wall_of(Mono::from_nanos(4_000)).as_nanos(), 999_000);
        assert_eq!(now.wall_of(Mono::from_nanos(6_500)).as_nanos(), 1_001_500);
    }
}
