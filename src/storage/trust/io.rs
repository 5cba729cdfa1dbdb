//! Looks at the clock.

use std::os::unix::fs::MetadataExt as _;

use super::Sight;
use crate::clock::{self, Wall};
use crate::sys::timex;

/// systemd-timesyncd touches this each time it has synchronised the clock (systemd-timesyncd.service(8)).
const NOTED: &str = "/run/systemd/timesync/synchronized";

/// What is seen now. Answers from memory: procfs and tmpfs only.
#[must_use]
pub fn sight(newest: Option<Wall>) -> Sight {
    let now = clock::now();
    let found = std::fs::metadata(NOTED).ok();
    Sight {
        now,
        kernel: timex::is_synchronised(),
        noted: found.map(|meta| {
            let second = u64::try_from(meta.mtime()).unwrap_or_default();
            let nanos = u64::try_from(meta.mtime_nsec()).unwrap_or_default();
            second.wrapping_mul(1_000_000_000).wrapping_add(nanos)
        }),
        newest,
    }
}
