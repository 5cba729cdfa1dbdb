//! What is alike in every download once it is found: conditions, ranges, headers, and the place it takes.

pub(super) mod io;
