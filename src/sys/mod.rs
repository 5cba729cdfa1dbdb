//! The one door to `unsafe` and to what the kernel alone defines: one file per system call.

pub mod boot;
pub mod descriptors;
pub mod heap;
pub mod inotify;
pub mod lease;
pub mod mmap;
pub mod nice;
pub mod openh264;
pub mod pdeathsig;
pub mod timex;

#[cfg(feature = "v4l2")]
pub mod v4l2;
