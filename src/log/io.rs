//! Starts the log: journald under systemd, else readable lines on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, Logging};
use crate::error::{Error, Kind, Result};

/// Whether standard error goes to the journal. The variable alone proves nothing: a terminal's
/// programs inherit it from a desktop that systemd started (systemd.exec(5), `$JOURNAL_STREAM`).
fn stderr_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    nix::sys::stat::fstat(std::io::stderr())
        .is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Starts the log once for the process.
///
/// # Errors
/// `Config` for a filter that does not parse.
pub fn start(logging: &Logging) -> Result<()> {
    let filter = EnvFilter::try_new(&logging.level).map_err(|e| {
        Error::new(
            Kind::Config,
            format!("logging.level {:?} is not a filter", logging.level),
        )
        .because(e)
        .action("use error, warn, info, debug or trace")
    })?;
    // The WebSocket library's trace shows messages whole, and with them tokens.
    let filter = ["tungstenite=debug", "tokio_tungstenite=debug"]
        .into_iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, EnvFilter::add_directive);
    let registry = tracing_subscriber::registry().with(filter);
    let journald = (logging.format == LogFormat::Auto && stderr_is_the_journal())
        .then(tracing_journald::layer)
        .and_then(std::io::Result::ok);
    // A second start, as in a test process that runs several services, keeps the first.
    let _ = if let Some(journald) = journald {
        registry.with(journald).try_init()
    } else if logging.format == LogFormat::Json {
        let lines = tracing_subscriber::fmt::layer()
            .json()
            .with_writer(std::io::stderr);
        registry.with(lines).try_init()
    } else {
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false);
        registry.with(lines).try_init()
    };
    Ok(())
}
