//! The verbs of the command line.

mod evidence;
mod keys;
mod revoke;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::access::{self, Role};
use crate::config::{self, Config};
use crate::error::{Error, Kind, Result};
use crate::units::{Rate, Size};
use crate::{app, demo, log};

/// Turns a board with a camera into an appliance: capture, H.264, RTSP, WebRTC and HLS.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    arg_required_else_help = true,
    after_help = "\
A first picture:      camera-service demo
On a box:             camera-service run --config /etc/camera-service/config.yaml
Every key explained:  camera-service check-config --reference"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the service in the foreground (what systemd starts)
    Run {
        /// The configuration file; without it, every key has its default
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show a picture now: test camera, generated secret, everything in one throw-away folder
    Demo {
        /// Print one line of JSON once a picture flows, and keep the log on standard error
        #[arg(long)]
        json: bool,
        /// Keep the state in this folder instead of a fresh one that is removed at the end
        #[arg(long, value_name = "DIR")]
        state: Option<PathBuf>,
        /// A configuration file over the demo's own settings
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Check a configuration and say everything that is wrong with it
    CheckConfig {
        /// The file to check; without it only the environment is checked
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print every key with its meaning and default, as a valid file
        #[arg(long)]
        reference: bool,
    },
    /// Mint a token for a person, a script or the web page
    Token {
        /// viewer, operator or admin
        #[arg(long, value_parser = parse_role)]
        role: Role,
        /// How long it is valid: 30m, 24h, 90d; the configured life without it
        #[arg(long, value_parser = parse_ttl, value_name = "TTL")]
        ttl: Option<u64>,
        /// Whom it is for, as it will stand in logs
        #[arg(long, default_value = "cli")]
        user: String,
        /// A private key (PEM; P-256 or Ed25519) to sign with, instead of this device's secret
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// The name under which devices trust that key; the file's own name without it
        #[arg(long, requires = "key", value_name = "NAME")]
        kid: Option<String>,
        /// The configuration that names the data folder
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Make, list, revoke, replace and sweep API keys; the running service follows within half a second
    Keys(keys::Args),
    /// Take the rights of a token, or of all tokens of a user, at once
    Revoke(revoke::Args),
    /// Print the code that makes a fresh box yours on its page
    ClaimCode {
        /// The configuration that names the data folder
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show the TLS certificate's file and fingerprint, for comparing with what a browser shows
    Certificate {
        /// The configuration that names the certificate, or the data folder where ours lies
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print or change the key that signs the evidence that recordings are as they were
    Evidence(evidence::Args),
    /// Judge whether recordings are as they were sealed; needs neither the service nor its configuration.
    /// Exit status: 0 all is, 1 something was altered, taken away, inserted or reordered, 2 it cannot be told
    Verify(verify::Args),
    /// Encode the test camera for a while and decode it again; needs no device and no network
    SelfTest {
        /// Seconds of video
        #[arg(long, default_value_t = 1)]
        seconds: u32,
        /// Picture size
        #[arg(long, default_value = "640x480")]
        size: Size,
    },
    /// Write the test camera's raw YU12 frames to standard output in real time, for measuring other programs
    TestCard {
        /// Picture size
        #[arg(long, default_value = "1280x720")]
        size: Size,
        /// Frames per second
        #[arg(long, default_value_t = 30)]
        fps: u32,
    },
    /// Print the version, the compiler and the target
    Version,
}

fn parse_role(text: &str) -> Result<Role, String> {
    text.parse()
}

/// `90d`, `24h`, `30m`, `45s` or bare seconds, as seconds.
fn parse_ttl(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => {
            return Err(format!(
                "{text:?} is not a time: write 45s, 30m, 24h or 90d"
            ));
        }
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .filter(|secs| (1..=10 * 366 * 86400).contains(secs))
        .ok_or_else(|| format!("{text:?} must be more than nothing and at most ten years"))
}

/// Parses the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    crate::sys::heap::keep_small();
    let verb = Cli::parse().verb;
    if let Verb::Verify(args) = &verb {
        return verify::io::run(args);
    }
    let ended = dispatch(verb);
    log::io::flush();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("camera-service: {error}");
            // sysexits.h: EX_CONFIG lets a unit say RestartPreventExitStatus=78.
            ExitCode::from(if error.kind() == Kind::Config { 78 } else { 1 })
        }
    }
}

fn dispatch(verb: Verb) -> Result<()> {
    match verb {
        Verb::Run { config } => {
            let base = Config::default();
            let source = config::Source { base, file: config };
            let config = source.read()?;
            log::io::start(&config.logging)?;
            app::run_until_signal(config, source)
        }
        Verb::Demo {
            json,
            state,
            config,
        } => demo::io::run(json, state, config.as_deref()),
        Verb::CheckConfig {
            reference: true, ..
        } => {
            print!("{}", config::load::reference());
            Ok(())
        }
        Verb::CheckConfig { config, .. } => {
            config::io::read(Config::default(), config.as_deref())?;
            println!("the configuration is good");
            Ok(())
        }
        Verb::Token {
            role,
            ttl,
            user,
            key,
            kid,
            config,
        } => {
            let config = config::io::read(Config::default(), config.as_deref())?;
            let ttl = ttl.unwrap_or(u64::from(config.security.jwt_expiry_hours) * 3600);
            if let Some(key) = key {
                let token = keys::io::sign(&key, kid.as_deref(), &user, role, ttl)?;
                println!("{token}");
                return Ok(());
            }
            access::io::become_owner(&config.storage.data_dir)?;
            println!("{}", app::mint_token(&config, &user, role, ttl)?);
            Ok(())
        }
        Verb::Keys(args) => {
            keys::io::run(&args)?;
            if args.changes() {
                keys::io::settle();
            }
            Ok(())
        }
        Verb::Revoke(args) => {
            keys::io::revoke(&args)?;
            keys::io::settle();
            Ok(())
        }
        Verb::ClaimCode { config } => {
            let config = config::io::read(Config::default(), config.as_deref())?;
            access::io::become_owner(&config.storage.data_dir)?;
            let code = app::claim_code(&config)?.ok_or_else(|| {
                Error::new(
                    Kind::Refused,
                    "this box is somebody's already; there is no code",
                )
                .action("make a token with `camera-service token --role admin`")
            })?;
            println!("{code}");
            Ok(())
        }
        Verb::Certificate { config } => {
            let config = config::io::read(Config::default(), config.as_deref())?;
            // One that was configured may lie where only root reads.
            if config.server.tls_certificate.as_os_str().is_empty() {
                access::io::become_owner(&config.storage.data_dir)?;
            }
            println!("{}", app::certificate_text(&config)?);
            Ok(())
        }
        Verb::Evidence(args) => evidence::io::run(&args),
        // Answered by `main`, which knows its exit status.
        Verb::Verify(_) => Ok(()),
        Verb::SelfTest { seconds, size } => self_test(seconds, size),
        Verb::TestCard { size, fps } => {
            crate::capture::testcard::io::write_frames(size, Rate::fps(fps))
        }
        Verb::Version => {
            println!("{}", app::version_text());
            Ok(())
        }
    }
}

/// Every coded picture must decode again to a readable time code, in order.
fn self_test(seconds: u32, size: Size) -> Result<()> {
    let report = crate::pipeline::self_test::run(seconds.clamp(1, 3600), size, Rate::fps(30))?;
    println!("{report}");
    if report.is_good() {
        Ok(())
    } else {
        Err(Error::new(
            Kind::Internal,
            "the self test failed: a coded picture did not come back as it was",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(parse_ttl("90d").unwrap(), 90 * 86400);
        assert_eq!(parse_ttl("30m").unwrap(), 1800);
        assert_eq!(parse_ttl("45").unwrap(), 45);
        for bad in ["", "0s", "5y", "-1h", "99999999999999999999d", "h"] {
            assert!(parse_ttl(bad).is_err(), "{bad}");
        }
    }
}
