//! Recordings, snapshots and the medium they lie on, put together.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::camera::Directory;
use crate::clock;
use crate::config::Storage as Wanted;
use crate::encode::convert::Planar;
use crate::events::Announce;
use crate::mediamtx::paths::Paths;
use crate::recording::index::io::Index;
use crate::recording::io::{Parts as RecorderParts, Recorder};
use crate::recording::{self, Running};
use crate::slate::last_picture;
use crate::snapshot;
use crate::snapshot::io::Taker;
use crate::snapshot::pulled::KeyPictures;
use crate::storage::Storage;
use crate::storage::io::{Parts as WardenParts, Warden};
use crate::storage::note::io::Paper;
use crate::storage::shelf::Shelf;
use crate::storage::shelf::io::Folder;

/// The parts.
#[derive(Debug)]
pub struct Records {
    /// Recordings.
    pub recorder: Recorder,
    /// What recordings there are.
    pub index: Index,
    /// Snapshots.
    pub taker: Taker,
    /// The medium.
    pub warden: Warden,
}

impl Records {
    /// Reads what the last run left behind; nothing moves before the parts' tasks run.
    #[must_use]
    pub fn new(
        wanted: &Wanted,
        paths: Paths,
        pulled: Arc<dyn KeyPictures>,
        directory: &Arc<Directory>,
        events: &Arc<dyn Announce>,
    ) -> Self {
        let folder = |root, extension| {
            let folder = Folder::new(root, extension);
            if let Err(error) = folder.sweep() {
                warn!(%error, "what a power cut left half written stays");
            }
            Arc::new(folder) as Arc<dyn Shelf>
        };
        let recordings = folder(wanted.recordings(), recording::EXTENSION);
        let snapshots = folder(wanted.snapshots(), snapshot::EXTENSION);
        let running = Arc::new(Running::default());
        let warden = Warden::new(WardenParts {
            recordings: Arc::clone(&recordings),
            snapshots: Arc::clone(&snapshots),
            protect: Arc::clone(&running) as _,
            note: Box::new(Paper::new(wanted.data_dir.join("retention.json"))),
            warn_percent: wanted.warn_percent,
            block_percent: wanted.block_percent,
        });
        let index = Index::new(Arc::clone(&recordings), Arc::clone(&running) as _);
        let recorder = Recorder::new(RecorderParts {
            shelf: recordings,
            index: index.clone(),
            note: Box::new(Paper::new(wanted.data_dir.join("running-recordings.json"))),
            running,
            storage: Arc::new(warden.clone()) as Arc<dyn Storage>,
            paths,
            events: Arc::clone(events),
            directory: Arc::clone(directory),
        });
        let (directory, events) = (Arc::clone(directory), Arc::clone(events));
        let taker = Taker::new(snapshots, directory, pulled, events, decode);
        Self {
            recorder,
            index,
            taker,
            warden,
        }
    }
}

fn decode(units: &[Vec<u8>], patience: Duration) -> Option<Planar> {
    last_picture(units.iter().map(Vec::as_slice), patience, clock::mono)
}
