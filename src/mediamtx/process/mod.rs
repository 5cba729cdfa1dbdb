//! MediaMTX as our child: when to start, restart and stop it ([`life`]), what its words mean ([`words`])
//! without what is secret in them ([`masked`]),
//! and the thread that does it ([`io`]).

pub mod io;
pub mod life;
pub mod masked;
pub mod words;
