//! Tells of recordings that stand still, and rests them while their medium is away.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{info, warn};

use super::{News, Stalls};
use crate::clock;
use crate::events::Topic;
use crate::recording::io::Recorder;
use crate::supervise::blocking;

/// What is remembered of running recordings.
#[derive(Debug, Default)]
pub(in crate::recording) struct Watch {
    stalls: Mutex<Stalls>,
    /// Devices that are not recorded now because the medium is away; their recordings run.
    resting: Mutex<BTreeSet<String>>,
}

/// What is behind the locks is whole whoever panicked: each change is one insertion or removal.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    /// Rests the recording of a device while the medium is away: MediaMTX would write on beneath the empty mount point
    /// and fill the system's own disk. True: it rests.
    pub(in crate::recording) fn rests(&self, device: &str) -> bool {
        let away = self.0.parts.storage.is_away();
        let was = held(&self.0.watch.resting).contains(device);
        match (was, away) {
            (false, true) => {
                held(&self.0.watch.resting).insert(device.to_owned());
                self.0.parts.paths.wish(device, |w| w.record = None);
                warn!(device, "the recording rests: its medium is away");
            }
            (true, false) => {
                held(&self.0.watch.resting).remove(device);
                info!(device, "the recording goes on: its medium is back");
                if let Err(error) = self.wish(device) {
                    warn!(device, %error, "cannot go on recording");
                }
            }
            _ => {}
        }
        away
    }

    /// Looks whether a running recording grows, and tells when it does not, and why.
    pub(in crate::recording) async fn look_for_stall(&self, device: &str) {
        let session = self.ledger().get(device).cloned();
        let Some((first, last)) =
            session.and_then(|s| Some((s.stem.clone(), s.files.last()?.clone())))
        else {
            return;
        };
        let (shelf, wanted) = (Arc::clone(&self.0.parts.shelf), last.clone());
        // A medium that cannot be asked holds no file.
        let found = blocking(move || shelf.find(&wanted)).await.ok().flatten();
        let size = found.map(|entry| entry.size);
        let news = held(&self.0.watch.stalls).look(device, &last, size, clock::mono());
        match news {
            Some(News::Stands(long)) => {
                let why = self.0.parts.storage.trouble().unwrap_or_else(|| {
                    "its picture does not come, or MediaMTX cannot write; see the log".to_owned()
                });
                let reason = format!("nothing has been written for {} s: {why}", long.as_secs());
                warn!(device, name = %first, reason, "the recording stands still");
                let said = [
                    ("filename", first.as_str().into()),
                    ("reason", reason.into()),
                ];
                self.tell(Topic::RecordingError, device, "ERROR", said);
            }
            Some(News::GoesOn(after)) => {
                info!(device, name = %first, after_s = after.as_secs_f64(), "the recording goes on");
            }
            None => {}
        }
    }

    /// Forgets recordings that have ended.
    pub(in crate::recording) fn keep_watching(&self, devices: &[String]) {
        held(&self.0.watch.stalls).keep(devices);
        held(&self.0.watch.resting).retain(|device| devices.contains(device));
    }
}
