//! The software route: openh264 on the CPU. A shell, because it runs a foreign library.

pub mod io;

pub use io::Software;
