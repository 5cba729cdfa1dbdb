//! Gives files their names.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use crate::clock::{self, Mono, Wall};
use crate::error::{Error, Kind, Result};
use crate::events::Topic;
use crate::recording::disk::io as disk;
use crate::recording::io::Recorder;
use crate::recording::{spool, track};
use crate::storage::names::Stem;
use crate::storage::quota::Kind as Of;
use crate::stream::timeline::taken;
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
        self.adopt_further_from(device, self.spool(device)).await;
    }

    /// Names the files that were left where files went before.
    pub(in crate::recording) async fn adopt_left(&self, device: &str, folder: PathBuf) {
        if self.ledger().get(device).is_some() {
            return self.adopt_further_from(device, folder).await;
        }
        let _one = self.0.adopting.lock().await;
        if !self.ledger().is_known(device) {
            self.adopt_strangers(device, folder).await;
        }
    }

    async fn adopt_further_from(&self, device: &str, folder: PathBuf) {
        let _one = self.0.adopting.lock().await;
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
        let start = self.start_of(track, &file);
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
        // Both as they are known by now: the clock may have been set in between.
        let (from, to) = (
            self.known_start(&before.stem, before.start),
            self.known_start(&stem, start),
        );
        let hole = gap(from, length, to);
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
        self.adopt_strangers(device, self.spool(device)).await;
    }

    /// Call it with the adopters' lock held.
    async fn adopt_strangers(&self, device: &str, folder: PathBuf) {
        let found = blocking(move || disk::fresh(&folder).map_err(unreadable)).await;
        for file in found.unwrap_or_default() {
            let wish = Stem::of(&track::device(device), self.start_of(device, &file));
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
        let (first, told) = (self.first_picture(device, &file), spool::begun(&file));
        let (inner, device) = (Arc::clone(&self.0), track::device(device));
        blocking(move || {
            let entry = inner.parts.shelf.adopt(&device, &wish, &file)?;
            inner.parts.flush.named(&entry.path);
            let storage = &inner.parts.storage;
            storage.began(Of::Recording, &entry.stem, first, told);
            Ok(entry.stem)
        })
        .await
    }

    /// When the first picture of a file of MediaMTX's was taken, as well as that is known.
    pub(in crate::recording) fn start_of(&self, device: &str, file: &Path) -> Wall {
        let first = self.first_picture(device, file);
        let first = first.map(|first| self.0.parts.storage.wall_of(first));
        first
            .or_else(|| spool::begun(file))
            .unwrap_or_else(clock::wall)
    }

    /// The same on the clock that cannot jump. `None`: the file was begun before the service was, or names no time of which
    /// that can be told.
    fn first_picture(&self, device: &str, file: &Path) -> Option<Mono> {
        let told = spool::begun(file)?;
        let now = clock::now();
        let first = match self.counters(device) {
            Some(counters) => taken(&counters, told)?,
            // Of other streams MediaMTX takes the time from the wall clock.
            None => {
                let ago = now.wall.as_nanos().checked_sub(told.as_nanos())?;
                Mono::from_nanos(now.mono.as_nanos().checked_sub(ago)?)
            }
        };
        (first >= self.0.since && first <= now.mono).then_some(first)
    }

    /// Has MediaMTX told a time that does not jump while a recording of a camera runs, or one that follows the clock.
    /// Another recording of the same camera holds it as well.
    pub(in crate::recording) fn hold_time(&self, track: &str, held: bool) {
        let held = held || track::other(track).is_some_and(|other| self.ledger().is_known(&other));
        if let Some(counters) = self.counters(track) {
            counters.recorded.store(held, Ordering::Relaxed);
        }
    }
}

pub(in crate::recording) fn unreadable(source: io::Error) -> Error {
    Error::new(Kind::Config, "cannot read MediaMTX's recordings")
        .because(source)
        .action("let the service's user read and write what MediaMTX records")
}
