//! The one door to `unsafe`: one file per system call, each with one safe function.

pub mod descriptors;
pub mod heap;
pub mod lease;
pub mod mmap;
pub mod nice;
pub mod openh264;
pub mod pdeathsig;
pub mod timex;

#[cfg(feature = "v4l2")]
pub mod v4l2;
