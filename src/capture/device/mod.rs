//! An opened V4L2 capture node, agreed with on a format; whoever holds it maps or exports its buffers.

pub mod io;
