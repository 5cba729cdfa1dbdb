//! A child that dies with us, even when we are killed with SIGKILL: `prctl(PR_SET_PDEATHSIG)`, prctl(2).

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{getpid, getppid};

/// Makes the child of `command` receive SIGKILL when its parent is gone.
///
/// The kernel's "parent" is the *thread* that spawns, not the process: spawn from a thread that lives
/// as long as the child should, never from a pool whose threads come and go. Set-user-id binaries
/// and binaries with file capabilities lose the setting at exec.
pub fn die_with_parent(command: &mut Command) {
    let parent = getpid();
    let in_child = move || {
        set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)?;
        // The parent may have died between fork and prctl; then no signal will ever come.
        if getppid() != parent {
            return Err(io::Error::from_raw_os_error(nix::libc::ESRCH));
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure only calls prctl(2) and getppid(2), which are
    // async-signal-safe, and allocates nothing: both error values are plain numbers.
    unsafe { command.pre_exec(in_child) };
}
