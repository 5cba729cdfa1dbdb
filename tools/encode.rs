//! Encodes a V4L2 camera's pictures with the machine's hardware encoder: for bringing up a board, and
//! for the rig.
//!
//! ```text
//! encode list                                     the video nodes, and which of them are encoders
//! encode run /dev/video0 --units 100 --out x.h264 --size 1280x720 --rate 30 --memory copy
//! ```
//!
//! One line per event, each beginning with its moment on `CLOCK_MONOTONIC` in milliseconds. `run`
//! ends with 0 after the wished number of access units, and otherwise with 1 and the part that
//! failed with its kind of error; with 2 when there is no suitable encoder.

#[path = "../tests/support/allocations.rs"]
mod allocations;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use camera_service::camera::Counters;
use camera_service::camera::io::probe;
use camera_service::capture::PixelFormat;
use camera_service::capture::negotiate::Wish;
use camera_service::clock::{self, Mono};
use camera_service::encode::Settings;
use camera_service::encode::m2m::io::survey;
use camera_service::encode::m2m::probe::judge;
use camera_service::error::{Error, Kind, Result};
use camera_service::pipeline::chain::{
    Chain, Failure, Interest, MOST_DESCRIPTORS, Progress, Ready,
};
use camera_service::pipeline::hardware::Memory;
use camera_service::pipeline::hardware::io::{Hardware, Opening};
use camera_service::pipeline::tally::Tally;
use camera_service::units::{BitRate, Rate, Size};
use clap::{Args, Parser, Subcommand};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

/// Encodes a V4L2 camera's pictures in hardware.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists video nodes and says which of them code H.264.
    List,
    /// Writes access units to a file.
    Run(Run),
}

#[derive(Args)]
struct Run {
    /// The camera.
    node: PathBuf,
    /// Where the byte stream goes.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Access units wanted.
    #[arg(long, default_value_t = 100)]
    units: u32,
    /// Picture size.
    #[arg(long, default_value = "640x480")]
    size: Size,
    /// Frames per second.
    #[arg(long, default_value_t = 30)]
    rate: u32,
    /// Layout to prefer: NV12, YU12, YUYV, UYVY or MJPG.
    #[arg(long)]
    pixel: Option<String>,
    /// Thousands of bits per second.
    #[arg(long, default_value_t = 2000)]
    bitrate: u32,
    /// Frames from one key frame to the next.
    #[arg(long, default_value_t = 30)]
    gop: u32,
    /// How frames get to the encoder: auto or copy.
    #[arg(long, default_value = "auto")]
    memory: String,
    /// Encoders to leave alone.
    #[arg(long)]
    avoid: Vec<PathBuf>,
    /// Ask for a key frame after so many access units.
    #[arg(long)]
    key_after: Option<u32>,
    /// Stop and start the streams after so many access units.
    #[arg(long)]
    restream_after: Option<u32>,
    /// Stop and start the streams up to so often when the chain fails.
    #[arg(long, default_value_t = 0)]
    restreams: u32,
    /// Set this bit rate after half of the access units.
    #[arg(long)]
    retune: Option<u32>,
    /// Give up after this many seconds without an access unit.
    #[arg(long, default_value_t = 5)]
    patience: u64,
    /// After the last access unit keep everything open until killed.
    #[arg(long)]
    stay: bool,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::DEBUG)
        .init();
    match Cli::parse().command {
        Command::List => {
            list();
            ExitCode::SUCCESS
        }
        Command::Run(wanted) => match run(&wanted) {
            Ok(code) => code,
            Err(failure) => {
                let (part, kind) = (failure.part, failure.error.kind());
                say(&format!("failed {part} {kind:?}: {failure}"));
                ExitCode::FAILURE
            }
        },
    }
}

fn say(line: &str) {
    let micros = clock::mono().as_nanos() / 1000;
    println!("{}.{:03} {line}", micros / 1000, micros % 1000);
}

fn list() {
    for facts in survey() {
        let node = facts.node.display();
        match judge(&facts) {
            Ok(found) => say(&format!(
                "{node} ({}) codes H.264 from {:?}, {:?}, {:?}",
                facts.card, found.takes, found.sizes, found.interface
            )),
            Err(why) => say(&format!("{node} ({}) {why}", facts.card)),
        }
    }
}

fn run(wanted: &Run) -> Result<ExitCode, Failure> {
    let pixel = wanted.pixel.as_deref().map(|text| {
        let fourcc = text.as_bytes().try_into().ok();
        fourcc
            .and_then(PixelFormat::from_fourcc)
            .ok_or_else(|| Error::new(Kind::Refused, format!("no such layout: {text}")))
    });
    let wish = Wish {
        size: wanted.size,
        rate: Rate::fps(wanted.rate),
        pixel: pixel.transpose().map_err(Failure::capture)?,
    };
    let settings = Settings {
        bitrate: BitRate::from_kbps(wanted.bitrate),
        gop: wanted.gop,
    };
    let memory = match wanted.memory.as_str() {
        "copy" => Memory::Copy,
        _ => Memory::Auto,
    };
    let found = probe(&wanted.node).map_err(Failure::capture)?;
    let modes = found.map(|found| found.modes).unwrap_or_default();
    let opened = Hardware::open(&wanted.node, &modes, &wish, settings, &wanted.avoid, memory)?;
    let mut chain = match opened {
        Opening::Running(chain) => chain,
        Opening::Unsuitable(why) => {
            say(&format!("unsuitable: {why}"));
            return Ok(ExitCode::from(2));
        }
    };
    let way = chain.way();
    say(&format!("way {} | {}", way.route.as_str(), way.why));
    say(&format!("format {:?}", chain.format()));
    let mut out = match &wanted.out {
        None => None,
        Some(path) => Some(File::create(path).map_err(|e| {
            let what = format!("creating {}", path.display());
            Failure::capture(Error::new(Kind::Config, what).because(e))
        })?),
    };
    let counters = Arc::new(Counters::default());
    let result = pump(wanted, settings, &mut chain, &mut out, &counters);
    say(&format!("{counters:?}"));
    say(&format!("way {}", chain.way().why));
    say(&format!("counts {:?}", chain.counts()));
    result.map(|()| ExitCode::SUCCESS)
}

fn pump(
    wanted: &Run,
    settings: Settings,
    chain: &mut Hardware,
    out: &mut Option<File>,
    counters: &Arc<Counters>,
) -> Result<(), Failure> {
    let mut tally = Tally::new(Arc::clone(counters));
    let (mut units, mut wakes, mut idle, mut restreams) = (0, 0_u64, 0_u64, 0);
    let (mut force, mut asked) = (false, 0);
    let mut last = clock::mono();
    let epoll = watch(chain)?;
    while units < wanted.units {
        wakes += 1;
        let mut events = [EpollEvent::empty(); 4];
        // A wait cut short by a signal is as good as any other.
        let _ = epoll.wait(&mut events, 500_u16);
        chain.woken([Ready::ALL; MOST_DESCRIPTORS]);
        // As the service does: several looks a wake, with a bound.
        for look in 0..8 {
            let (times, progress) = allocations::asked(|| chain.next(force, &mut tally));
            asked += times;
            let progress = match progress {
                Ok(progress) => progress,
                Err(failure) if restreams < wanted.restreams => {
                    restreams += 1;
                    say(&format!("restream {restreams} after {failure}"));
                    chain.restream()?;
                    break;
                }
                Err(failure) => return Err(failure),
            };
            match progress {
                Progress::Pending => {
                    idle += u64::from(look == 0);
                    break;
                }
                Progress::Moved => {}
                Progress::Unit(unit, timing) => {
                    units += 1;
                    force &= !unit.keyframe;
                    last = clock::mono();
                    let millis =
                        |at: Mono| Duration::from_nanos(at.as_nanos()).as_secs_f64() * 1000.0;
                    say(&format!(
                        "unit {units} bytes={} key={} captured={:.3} dequeued={:.3} encoded={:.3}",
                        unit.data.len(),
                        unit.keyframe,
                        millis(unit.captured),
                        millis(timing.dequeued),
                        millis(timing.encoded)
                    ));
                    if let Some(file) = out.as_mut() {
                        file.write_all(unit.data).map_err(|e| {
                            Failure::capture(Error::new(Kind::Config, "writing").because(e))
                        })?;
                    }
                    if wanted.key_after == Some(units) {
                        say("asking for a key frame");
                        force = true;
                    }
                    if wanted.restream_after == Some(units) {
                        say("restream as told");
                        chain.restream()?;
                    }
                    if let Some(kbps) = wanted.retune.filter(|_| units == wanted.units / 2) {
                        let retuned = chain.retune(Settings {
                            bitrate: BitRate::from_kbps(kbps),
                            ..settings
                        });
                        say(&format!("retune {kbps}: {retuned:?}"));
                    }
                    if units == wanted.units {
                        break;
                    }
                }
            }
        }
        if clock::mono().since(last) > Duration::from_secs(wanted.patience) {
            let what = format!("no access unit for {} s", wanted.patience);
            return Err(Failure::encoder(Error::new(Kind::Transient, what)));
        }
    }
    say(&format!(
        "done units={units} wakes={wakes} idle={idle} restreams={restreams} asked={asked}"
    ));
    if wanted.stay {
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

/// Everything the chain wants to be woken by.
fn watch(chain: &Hardware) -> Result<Epoll, Failure> {
    let failed = |errno| Failure::capture(Error::new(Kind::Internal, "waiting").because(errno));
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
    let mut added = Ok(());
    chain.watch(&mut |fd, interest| {
        let flags = match interest {
            Interest::Readable | Interest::Events => EpollFlags::EPOLLIN,
            Interest::Both => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
        };
        let result = epoll.add(fd, EpollEvent::new(flags, 0)).map_err(failed);
        if result.is_err() {
            added = result;
        }
    });
    added.map(|()| epoll)
}
