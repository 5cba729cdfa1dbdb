//! The folder on the medium and the one in the fallback, as one shelf.

pub mod io;
