//! The way of news from those who announce to all sockets.

pub mod io;
