//! Looks at V4L2 cameras with the service's own eyes: for bringing up a board, and for the rig.
//!
//! ```text
//! capture list                        what is there and what it offers
//! capture watch --seconds 60          cameras coming and going
//! capture frames /dev/video0 --size 640x480 --rate 30 --pixel NV12 --frames 100 --save last.raw
//! capture controls /dev/video0 --set brightness=200 --set auto_exposure="Manual Mode"
//! ```
//!
//! One line per event, each beginning with its moment on `CLOCK_MONOTONIC` in milliseconds.
//! `frames` ends with 0 after the wished number, and with 1 and the kind of the error otherwise;
//! with `--reopen N` it opens again up to N times after an error of kind `Reopen`. `controls` sets
//! what it is told to, in that order, and lists all controls as they are then; with `--set`, `frames`
//! sets them once the stream runs.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use camera_service::camera::change::{Change, Found};
use camera_service::camera::controls::{self, Control, Range, Setting};
use camera_service::camera::io::{Watcher, probe};
use camera_service::capture::io::V4l2Source;
use camera_service::capture::negotiate::Wish;
use camera_service::capture::{Capture, PixelFormat, Source};
use camera_service::clock;
use camera_service::error::{Error, Kind, Result};
use camera_service::units::{Rate, Size};
use clap::{Args, Parser, Subcommand};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Looks at V4L2 cameras.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists cameras and what they offer.
    List,
    /// Reports cameras that come and go.
    Watch {
        /// How long.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Takes frames.
    Frames(Frames),
    /// Sets and lists controls.
    Controls {
        /// The node.
        node: PathBuf,
        /// NAME=VALUE: a number, true or false, a menu item's name, or "default".
        #[arg(long, value_parser = wish)]
        set: Vec<(String, Setting)>,
    },
}

fn wish(text: &str) -> std::result::Result<(String, Setting), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    let setting = match value {
        "default" => Setting::Default,
        "true" => Setting::Switch(true),
        "false" => Setting::Switch(false),
        value => value
            .parse()
            .map_or_else(|_| Setting::Item(value.to_owned()), Setting::Number),
    };
    Ok((name.to_owned(), setting))
}

#[derive(Args)]
struct Frames {
    /// The node.
    node: PathBuf,
    /// Picture size.
    #[arg(long, default_value = "640x480")]
    size: Size,
    /// Frames per second.
    #[arg(long, default_value_t = 30)]
    rate: u32,
    /// Layout to prefer: H264, NV12, YU12, YUYV, UYVY or MJPG.
    #[arg(long)]
    pixel: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 100)]
    frames: u32,
    /// Where to put the last frame's bytes.
    #[arg(long)]
    save: Option<PathBuf>,
    /// NAME=VALUE of a control, set while the stream runs.
    #[arg(long, value_parser = wish)]
    set: Vec<(String, Setting)>,
    /// How often to open again after an error that asks for it.
    #[arg(long, default_value_t = 0)]
    reopen: u32,
    /// Give up after this many seconds without a frame.
    #[arg(long, default_value_t = 5)]
    patience: u64,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::DEBUG)
        .init();
    let result = match Cli::parse().command {
        Command::List => watch(Duration::ZERO, true),
        Command::Watch { seconds } => watch(Duration::from_secs(seconds), false),
        Command::Frames(wanted) => frames(&wanted),
        Command::Controls { node, set } => list_controls(&node, &set),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error {:?}: {error}", error.kind()));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    let micros = clock::mono().as_nanos() / 1000;
    println!("{}.{:03} {line}", micros / 1000, micros % 1000);
}

fn watch(time: Duration, details: bool) -> Result<()> {
    let end = clock::mono() + time;
    let mut watcher = Watcher::open()?;
    let mut changes = watcher.scan();
    loop {
        for change in &changes {
            match change {
                Change::Added(found) => added(found, details),
                Change::Removed(id) => say(&format!("removed {id}")),
                Change::Codec => say("codec"),
                Change::Unreadable { node, why } => say(&format!("unreadable {node} {why}")),
            }
        }
        let left = end.since(clock::mono());
        if left.is_zero() || !ready(watcher.fd(), left)? {
            return Ok(());
        }
        changes = watcher.read()?;
    }
}

fn added(found: &Found, details: bool) {
    let node = found.node.display();
    say(&format!(
        "added {} {node} {:?} {} {} modes={}",
        found.id,
        found.name,
        found.driver,
        found.bus,
        found.modes.len()
    ));
    for mode in found.modes.iter().filter(|_| details) {
        let rates: Vec<_> = mode.rates.iter().map(Rate::to_string).collect();
        println!("  {} {} {}", mode.pixel, mode.size, rates.join(" "));
    }
}

fn list_controls(node: &Path, wanted: &[(String, Setting)]) -> Result<()> {
    let device = fs::File::options()
        .read(true)
        .write(true)
        .open(node)
        .map_err(|e| Error::new(Kind::Gone, format!("opening {}", node.display())).because(e))?;
    set(device.as_fd(), wanted)?;
    for control in controls::io::list(device.as_fd())? {
        show(&control);
    }
    Ok(())
}

fn set(fd: BorrowedFd<'_>, wanted: &[(String, Setting)]) -> Result<()> {
    for (name, to) in wanted {
        let now = controls::io::set(fd, name, to)?;
        say(&format!("set {name} to {}", now.value));
    }
    Ok(())
}

fn show(control: &Control) {
    let kind = match &control.range {
        Range::Integer { min, max, step } => format!("integer min={min} max={max} step={step}"),
        Range::Boolean => "boolean".to_owned(),
        Range::Menu(_) => "menu".to_owned(),
        Range::Button => "button".to_owned(),
    };
    let flag = |on, word| if on { word } else { "" };
    println!(
        "control {} {kind} default={} value={}{}{}",
        control.name,
        control.default,
        control.value,
        flag(control.inactive, " inactive"),
        flag(control.read_only, " read_only")
    );
    if let Range::Menu(items) = &control.range {
        for (value, name) in items {
            println!("  item {value} {name}");
        }
    }
}

fn frames(wanted: &Frames) -> Result<()> {
    let pixel = wanted.pixel.as_deref().map(|text| {
        let fourcc = text.as_bytes().try_into().ok();
        fourcc
            .and_then(PixelFormat::from_fourcc)
            .ok_or_else(|| Error::new(Kind::Refused, format!("no such layout: {text}")))
    });
    let wish = Wish {
        size: wanted.size,
        rate: Rate::fps(wanted.rate),
        pixel: pixel.transpose()?,
    };
    let mut tally = Tally::default();
    let mut reopened = 0;
    loop {
        match run(wanted, &wish, &mut tally) {
            Err(error) if error.kind() == Kind::Reopen && reopened < wanted.reopen => {
                reopened += 1;
                say(&format!(
                    "reopen {reopened} after {:?}: {error}",
                    error.kind()
                ));
            }
            result => {
                say(&tally.to_string());
                return result;
            }
        }
    }
}

#[derive(Default)]
struct Tally {
    frames: u32,
    damaged: u32,
    missing: u32,
    last: Option<u32>,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            frames,
            damaged,
            missing,
            ..
        } = self;
        write!(
            f,
            "total frames={frames} damaged={damaged} missing={missing}"
        )
    }
}

fn run(wanted: &Frames, wish: &Wish, tally: &mut Tally) -> Result<()> {
    let modes = probe(&wanted.node)?.map(|found| found.modes);
    let mut source = V4l2Source::open(&wanted.node, &modes.unwrap_or_default(), wish)?;
    say(&format!(
        "format {} | {:?}",
        source.outcome(),
        source.format()
    ));
    set(source.fd(), &wanted.set)?;
    tally.last = None;
    while tally.frames < wanted.frames {
        if !ready(source.fd(), Duration::from_secs(wanted.patience))? {
            let what = format!("no frame for {} s", wanted.patience);
            return Err(Error::new(Kind::Transient, what));
        }
        match source.next()? {
            Capture::Pending => {}
            Capture::Damaged => {
                tally.damaged += 1;
                say("damaged");
            }
            Capture::Frame(frame) => {
                tally.frames += 1;
                if let Some(last) = tally.last {
                    tally.missing += frame.sequence.wrapping_sub(last).saturating_sub(1);
                }
                tally.last = Some(frame.sequence);
                say(&format!(
                    "frame seq={} bytes={} captured={:.3}",
                    frame.sequence,
                    frame.data.len(),
                    Duration::from_nanos(frame.captured.as_nanos()).as_secs_f64() * 1000.0
                ));
                if tally.frames == wanted.frames
                    && let Some(path) = &wanted.save
                {
                    save(path, frame.data)?;
                }
            }
        }
    }
    Ok(())
}

fn save(path: &Path, data: &[u8]) -> Result<()> {
    fs::write(path, data)
        .map_err(|e| Error::new(Kind::Config, format!("writing {}", path.display())).because(e))
}

/// Waits until `fd` has something or the time is over.
fn ready(fd: BorrowedFd<'_>, time: Duration) -> Result<bool> {
    let millis = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, millis)
        .map(|n| n > 0)
        .map_err(|errno| Error::new(Kind::Internal, "waiting").because(errno))
}
