//! One `epoll` for everything a camera's thread waits for.

pub mod io;
