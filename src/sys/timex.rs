//! Whether the clock is synchronised: `adjtimex(2)`.

use nix::libc::{STA_UNSYNC, adjtimex, timex};

/// Whether something has synchronised the wall clock since it was last set by hand. Asking needs no privilege. A kernel
/// that does not answer is one that knows of nothing.
#[must_use]
pub fn is_synchronised() -> bool {
    // SAFETY: a timex consists of integers, for which zero is a value.
    let mut asked: timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a timex that lives through the call; `modes` is 0, so nothing is set.
    let state = unsafe { adjtimex(&raw mut asked) };
    state >= 0 && asked.status & STA_UNSYNC == 0
}

#[cfg(test)]
mod tests {
    use super::is_synchronised;

    #[test]
    fn the_kernel_says_the_same_twice() {
        assert_eq!(is_synchronised(), is_synchronised());
    }
}
