//! MediaMTX as our child: when to start, restart and stop it ([`life`]), what its words mean ([`words`]),
//! and the thread that does it ([`io`]).

pub mod io;
pub mod life;
pub mod words;
