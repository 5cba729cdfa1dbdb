//! glibc's allocator, told that this is a small machine.
//!
//! Left alone it keeps what a slate or a 4K picture once needed: a freed block raises its own threshold for
//! asking the kernel, and each thread gets an arena of its own that never shrinks.

/// Blocks from this size on come from the kernel and go back to it, bytes.
#[cfg(target_env = "gnu")]
const FROM_THE_KERNEL: i32 = 128 << 10;

/// Arenas at most; the camera threads do not allocate while pictures flow, so there is nobody to contend with.
#[cfg(target_env = "gnu")]
const ARENAS: i32 = 2;

/// Call once, before threads start.
pub fn keep_small() {
    #[cfg(target_env = "gnu")]
    {
        use nix::libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, mallopt};
        // SAFETY: mallopt takes two integers and only sets the allocator's parameters.
        unsafe {
            mallopt(M_ARENA_MAX, ARENAS);
            mallopt(M_MMAP_THRESHOLD, FROM_THE_KERNEL);
        }
    }
}

/// Gives free memory back to the kernel: after something large that will not be needed again soon.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        use nix::libc::malloc_trim;
        // SAFETY: malloc_trim takes a size and touches only free memory.
        unsafe {
            malloc_trim(0);
        }
    }
}
