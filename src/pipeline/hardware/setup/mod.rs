//! Bringing camera and encoder together, once per opening.

pub(super) mod io;
