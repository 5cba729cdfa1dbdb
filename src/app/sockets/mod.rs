//! Where everything listens.

pub(super) mod io;
