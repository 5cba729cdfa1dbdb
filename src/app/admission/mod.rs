//! Who MediaMTX may let in.

pub(super) mod io;
