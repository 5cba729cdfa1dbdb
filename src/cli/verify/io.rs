//! Does what `camera-service verify` says; needs no service and no configuration.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::Args;
use crate::durable;
use crate::error::{Error, Kind, Result};
use crate::recording::seal::chain::{FOLDER, io::parts};
use crate::recording::seal::keys;
use crate::recording::seal::record::{LONGEST, Line, written};
use crate::recording::seal::verify::io::Medium;
use crate::recording::seal::verify::{Known, Report, verify};

/// `camera-service verify`: 0 = all is as it was sealed; 1 = something is not; 2 = that cannot be told.
pub(in crate::cli) fn run(args: &Args) -> ExitCode {
    let report = match judge(args) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("camera-service: {error}");
            return ExitCode::from(2);
        }
    };
    let text = match args.json {
        true => format!("{:#}\n", report.to_json()),
        false => report.to_text(),
    };
    // A reader that has gone is no panic; the exit code says it all.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::from(u8::from(!report.is_good()))
}

fn judge(args: &Args) -> Result<Report> {
    let known = Known {
        key: match &args.key {
            Some(path) => Some(written(&keys::io::public_of(path)?)),
            None => None,
        },
        head: args.head.as_deref().map(head).transpose()?,
        records: args.records,
        breaks: args.known.iter().copied().collect(),
    };
    let unreadable = |e| {
        Error::new(Kind::Config, format!("cannot read {}", args.dir.display()))
            .because(e)
            .action("name the recordings' folder, and run this as a user who may read it")
    };
    let nothing = parts(&args.dir.join(FOLDER))
        .map_err(unreadable)?
        .is_empty();
    if nothing && known.head.is_none() && known.records.is_none() {
        return Err(Error::new(
            Kind::Gone,
            format!("there is no evidence chain in {}", args.dir.join(FOLDER).display()),
        )
        .action("name the recordings' folder itself; if this is it and the box has sealed recordings, the chain was taken away"));
    }
    verify(&Medium::new(&args.dir), &known, &|line| line.is_signed()).map_err(unreadable)
}

/// The line of a record in a file.
fn head(path: &Path) -> Result<Vec<u8>> {
    let refuse = |what: String| {
        Error::new(Kind::Config, format!("{} {what}", path.display())).action(
            "name a file that `camera-service evidence head` printed on the box, or leave --head out",
        )
    };
    let found = durable::read(path, LONGEST as u64)
        .map_err(|e| refuse(format!("cannot be read: {e}")))?
        .ok_or_else(|| refuse("is not there".to_owned()))?;
    let line = found.text.trim_ascii_end();
    match Line::read(line) {
        Ok(read) if read.is_signed() => Ok(line.to_vec()),
        _ => Err(refuse("holds no signed record".to_owned())),
    }
}
