//! What a folder held when it was last read, for as long as it is certain that it still does.

pub mod io;
