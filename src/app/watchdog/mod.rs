//! Systemd and its watchdog.

pub(super) mod io;
