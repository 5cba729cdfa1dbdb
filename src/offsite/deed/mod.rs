//! The copy of one file, from its digest to the line in the record.

pub mod io;
