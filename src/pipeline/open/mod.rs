//! Which chain a camera gets: the best way that this camera and this machine offer.

pub mod io;
