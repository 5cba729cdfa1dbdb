//! Gives files their names.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::warn;

use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::events::Topic;
use crate::recording::disk::io as disk;
use crate::recording::io::Recorder;
use crate::recording::{spool, track};
use crate::storage::names::Stem;
use crate::supervise::blocking;

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
