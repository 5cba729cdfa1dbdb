//! How willingly a thread waits for others: `setpriority(2)`. On Linux each thread has a value of its own and hands it on to
//! those it starts.

use nix::libc::{PRIO_PROCESS, getpriority, setpriority};

/// The calling thread's value: −20 goes before all, 19 behind all.
#[must_use]
pub fn own() -> i32 {
    // SAFETY: the call takes plain numbers; 0 is the calling thread, which exists, so it cannot fail.
    unsafe { getpriority(PRIO_PROCESS, 0) }
}

/// The calling thread, and those it starts from now on, give way to others as `value` says (nice(7): each step is a
/// tenth of the processor's time less, when all want it). A higher value needs no privilege, and there is no way back without.
pub fn give_way(value: i32) {
    // SAFETY: the call takes plain numbers; 0 is the calling thread. One that fails changes nothing.
    unsafe {
        setpriority(PRIO_PROCESS, 0, value);
    }
}

#[cfg(test)]
mod tests {
    use super::{give_way, own};

    #[test]
    fn one_thread_gives_way_with_those_it_starts_and_the_others_stay() {
        let before = own();
        let behind = (before + 1).min(19);
        let theirs = std::thread::spawn(move || {
            give_way(behind);
            (own(), std::thread::spawn(own).join().unwrap())
        });
        assert_eq!(theirs.join().unwrap(), (behind, behind));
        assert_eq!(own(), before);
    }
}
