//! What the kernel says of this process. Nothing here can wait: procfs answers from memory.

use std::fs;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::{SysconfVar, sysconf};

use super::Process;

/// Looks at this process.
pub(in crate::http) fn look() -> Process {
    let pages = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| {
            // proc_pid_statm(5): size, resident, …, in pages.
            text.split(' ').nth(1)?.parse::<u64>().ok()
        });
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
    Process {
        resident_bytes: pages
            .zip(page.and_then(|p| u64::try_from(p).ok()))
            .map(|(n, size)| n * size),
        cpu_micros: usage.map(|u| {
            let micros = (u.user_time() + u.system_time()).num_microseconds();
            u64::try_from(micros).unwrap_or(0)
        }),
        // The folder itself is open while it is counted.
        open_fds: fs::read_dir("/proc/self/fd")
            .ok()
            .map(|all| all.count().saturating_sub(1)),
    }
}
