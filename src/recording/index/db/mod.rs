//! The database: rows in, rows out, and whether it can be believed.

pub mod io;
