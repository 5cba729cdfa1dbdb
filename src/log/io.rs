//! Starts the log: journald under systemd, else readable lines on standard error, and a file beside it if asked.
//!
//! The log belongs to the process, not to one running service: so its handles are kept here, once.

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, dynamic_filter_fn, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::file::io::{Mouth, bounds};
use super::whole::Whole;
use crate::config::{LogFormat, Logging};
use crate::error::{Error, Kind, Result};

/// How long the end of the process waits for a disk that takes no line at all; one that is only slow gets longer.
const LAST_LINES: Duration = Duration::from_secs(5);

/// What can be changed of the log while it runs.
struct Handles {
    filter: reload::Handle<EnvFilter, Registry>,
    file: Mouth,
}

static HANDLES: OnceLock<Handles> = OnceLock::new();

/// Whether standard error goes to the journal. The variable alone proves nothing: a terminal's
/// programs inherit it from a desktop that systemd started (systemd.exec(5), `$JOURNAL_STREAM`).
fn stderr_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    nix::sys::stat::fstat(std::io::stderr())
        .is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

fn filter(level: &str) -> Result<EnvFilter> {
    EnvFilter::try_new(level).map_err(|e| {
        Error::new(
            Kind::Config,
            format!("logging.level {level:?} is not a filter"),
        )
        .because(e)
        .action("use error, warn, info, debug or trace")
    })
}

/// Some libraries speak through the crate `log`. What nobody wants to hear of them ends where they say it: to carry
/// every line of the WebSocket library's trace as far as the filter is a twentieth of the price of an answer.
fn hush(filter: &EnvFilter) {
    let most = filter.max_level_hint().map(|most| most.to_string().parse());
    log::set_max_level(most.and_then(|m| m.ok()).unwrap_or(log::LevelFilter::Trace));
}

/// The WebSocket library's trace shows messages whole, and with them tokens.
fn tells_no_tokens(what: &Metadata<'_>) -> bool {
    *what.level() != Level::TRACE
        || !["tungstenite", "tokio_tungstenite"]
            .iter()
            .any(|library| what.target().starts_with(library))
}

/// Starts the log once for the process.
///
/// # Errors
/// `Config` for a filter that does not parse, `Internal` when the kernel gives no thread.
pub fn start(logging: &Logging) -> Result<()> {
    let filter = filter(&logging.level)?;
    let most = filter.clone();
    let (filter, handle) = reload::Layer::new(filter);
    let file = Mouth::new(bounds(logging))?;
    let json = logging.format == LogFormat::Json;
    let (written, asked) = (file.clone(), file.clone());
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(move || Whole {
            to: written.clone(),
            colours: false,
        });
    let lines = if json {
        lines.json().boxed()
    } else {
        lines.with_target(false).boxed()
    };
    let lines = lines.with_filter(dynamic_filter_fn(move |_, _| asked.is_open()));
    let colours = std::io::stderr().is_terminal();
    let registry = tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(tells_no_tokens))
        .with(lines);
    let journald = (logging.format == LogFormat::Auto && stderr_is_the_journal())
        .then(tracing_journald::layer)
        .and_then(std::io::Result::ok);
    // A second start, as in a test process that runs several services, keeps the first.
    let started = if let Some(journald) = journald {
        registry.with(journald).try_init()
    } else if json {
        let lines = tracing_subscriber::fmt::layer()
            .json()
            .with_writer(std::io::stderr);
        registry.with(lines).try_init()
    } else {
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || Whole {
                to: std::io::stderr(),
                colours,
            })
            .with_ansi(colours)
            .with_target(false);
        registry.with(lines).try_init()
    };
    if started.is_ok() {
        hush(&most);
        let handles = Handles {
            filter: handle,
            file,
        };
        // Set once, by the one who was first.
        let _ = HANDLES.set(handles);
    }
    Ok(())
}

/// Says more or less from now on.
///
/// # Errors
/// `Config` for a filter that does not parse.
pub fn set_level(level: &str) -> Result<()> {
    let filter = filter(level)?;
    let Some(handles) = HANDLES.get() else {
        return Ok(());
    };
    hush(&filter);
    handles
        .filter
        .reload(filter)
        .map_err(|e| Error::new(Kind::Internal, "the log's level cannot be changed").because(e))
}

/// Writes another file from now on, or none.
pub fn set_file(logging: &Logging) {
    if let Some(handles) = HANDLES.get() {
        handles.file.set(bounds(logging));
    }
}

/// Opens the file anew, in case somebody has moved it away.
pub fn reopen() {
    if let Some(handles) = HANDLES.get() {
        handles.file.reopen();
    }
}

/// Waits a moment for what was said last to be in the file.
pub fn flush() {
    if let Some(handles) = HANDLES.get().filter(|handles| handles.file.is_open()) {
        handles.file.flush(LAST_LINES);
    }
}
