//! Gives files their names.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::clock::{self, Wall};
use crate::error::{Error, Kind, Result};
use crate::events::Topic;
use crate::recording::disk::io as disk;
use crate::recording::io::Recorder;
use crate::recording::{spool, track};
use crate::storage::names::Stem;
use crate::supervise::blocking;

/// Between two recordings of a camera's mode there is no more than a picture's time, unless something was interrupted.
const SEAM: Duration = Duration::from_secs(1);

/// From the last picture of one file to the first of the next, as their times tell.
fn gap(start: Wall, length: Duration, next: Wall) -> Duration {
    let end = start + length;
    Duration::from_nanos(next.as_nanos().saturating_sub(end.as_nanos()))
}

impl Recorder {
    /// Gives the files of an interrupted recording their names.
    pub(in crate::recording) async fn adopt_further(&self, device: &str) {
        let _one = self.0.adopting.lock().await;
        let folder = self.spool(device);
        let Ok(found) = blocking(move || disk::fresh(&folder).map_err(unreadable)).await else {
            return;
        };
        for file in found {
            let Some(first) = self.ledger().get(device).map(|s| s.stem.clone()) else {
                return;
            };
            if self.ledger().is_by_mode(device) {
                if let Err(error) = self.roll(device, file).await {
                    warn!(device, %error, "a recording has no name yet");
                }
                continue;
            }
            match self.adopt(device, first.clone(), file).await {
                Ok(stem) => {
                    self.ledger().add(device, stem.clone());
                    self.keep().await;
                    warn!(device, name = %first, goes_on_in = %stem, "the recording was interrupted");
                    let said = [
                        ("filename", first.as_str().into()),
                        (
                            "reason",
                            format!("it was interrupted and goes on in {stem}").into(),
                        ),
                    ];
                    self.tell(Topic::RecordingError, device, "ERROR", said);
                    // It writes one file at a time: where there is a further one, the one before has ended.
                    let why = Some("it was interrupted");
                    self.tell_recorder(Topic::MediamtxRecordingStopped, device, why);
                    self.tell_recorder(Topic::MediamtxRecordingStarted, device, None);
                }
                Err(error) => warn!(device, %error, "a file of the recording has no name yet"),
            }
        }
    }

    /// What a camera's mode wants goes on in another file, which is a recording of its own; the one before is finished.
    async fn roll(&self, track: &str, file: PathBuf) -> Result<()> {
        let device = track::device(track);
        let now = clock::now();
        let start = spool::begun(&file).unwrap_or(now.wall);
        let stem = self.adopt(track, Stem::of(&device, start), file).await?;
        let Some(before) = self.ledger().roll(track, stem.clone(), start, now.mono) else {
            return Ok(());
        };
        self.keep().await;
        info!(track, before = %before.stem, goes_on_as = %stem, "the recording is rolled");
        let finished = self.clone().look(before.stem.clone(), true).await;
        let (length, size) = match finished {
            Ok(Some(info)) => (info.duration, info.entry.size),
            // Deleted, or the medium is away: there is nothing to be told of it.
            _ => (Duration::ZERO, 0),
        };
        let said = [
            ("filename", before.stem.as_str().into()),
            ("duration", length.as_secs_f64().into()),
            ("file_size", size.into()),
        ];
        self.tell(Topic::RecordingStop, track, "STOPPED", said);
        let said = [("filename", stem.as_str().into()), ("duration", 0.into())];
        self.tell(Topic::RecordingStart, track, "STARTED", said);
        let hole = gap(before.start, length, start);
        if hole > SEAM {
            let hole = hole.as_secs_f64();
            warn!(track, name = %stem, hole_s = hole, "the recording was interrupted");
            let reason = format!("it was interrupted: {hole:.1} s are missing before {stem}");
            let said = [
                ("filename", before.stem.as_str().into()),
                ("reason", reason.into()),
            ];
            self.tell(Topic::RecordingError, track, "ERROR", said);
        }
        Ok(())
    }

    /// Gives files that were left behind their names: those of the recording that ran, or names of their own.
    /// A file that has just been begun is none of them: `starting` says that the caller begins it later.
    pub(in crate::recording) async fn adopt_orphans(&self, device: &str, starting: bool) {
        if self.ledger().get(device).is_some() {
            return self.adopt_further(device).await;
        }
        let _one = self.0.adopting.lock().await;
        if !starting && self.ledger().is_known(device) {
            return;
        }
        let folder = self.spool(device);
        let found = blocking(move || disk::fresh(&folder).map_err(unreadable)).await;
        for file in found.unwrap_or_default() {
            let begun = spool::begun(&file).unwrap_or_else(clock::wall);
            let wish = Stem::of(&track::device(device), begun);
            match self.adopt(device, wish, file).await {
                Ok(stem) => {
                    warn!(device, name = %stem, "a recording that was left without a name has one now");
                    let stem = [stem];
                    self.0.parts.witness.changed(&stem, &stem);
                }
                Err(error) => warn!(device, %error, "a recording was left without a name"),
            }
        }
    }

    pub(in crate::recording) async fn adopt(
        &self,
        device: &str,
        wish: Stem,
        file: PathBuf,
    ) -> Result<Stem> {
        let (inner, device) = (Arc::clone(&self.0), track::device(device));
        blocking(move || {
            let entry = inner.parts.shelf.adopt(&device, &wish, &file)?;
            inner.parts.flush.named(&entry.path);
            Ok(entry.stem)
        })
        .await
    }
}

pub(in crate::recording) fn unreadable(source: io::Error) -> Error {
    Error::new(Kind::Config, "cannot read MediaMTX's recordings")
        .because(source)
        .action("let the service's user read and write what MediaMTX records")
}
