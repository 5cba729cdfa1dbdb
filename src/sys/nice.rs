//! How willingly a thread waits for others: `setpriority(2)`. On Linux each thread has a value of its own and hands it on to
//! those it starts.

/// The calling thread, and those it starts from now on, give way to the others by `steps` more (nice(7): each step is a
/// tenth of the processor's time less, when all want it). Going down needs no privilege, and there is no way back without.
pub fn step_back(steps: i32) {
    use nix::libc::{PRIO_PROCESS, getpriority, setpriority};
    // SAFETY: both calls take plain numbers; 0 is the calling thread. One that fails changes nothing.
    unsafe {
        let now = getpriority(PRIO_PROCESS, 0);
        setpriority(PRIO_PROCESS, 0, now + steps);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::step_back;

    /// The calling thread's value: the 19th field of stat, proc_pid_stat(5).
    fn nice() -> i32 {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        after_name
            .split_whitespace()
            .nth(16)
            .unwrap()
            .parse()
            .unwrap()
    }

    #[test]
    fn one_thread_steps_back_and_the_others_stay() {
        let before = nice();
        let theirs = std::thread::spawn(|| {
            step_back(1);
            (nice(), std::thread::spawn(nice).join().unwrap())
        });
        let lower = (before + 1).min(19);
        assert_eq!(theirs.join().unwrap(), (lower, lower));
        assert_eq!(nice(), before);
    }
}
