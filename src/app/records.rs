//! Recordings, snapshots and the medium they lie on, put together.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::camera::Directory;
use crate::clock;
use crate::config::{Config, Storage as Wanted};
use crate::encode::convert::Planar;
use crate::events::Announce;
use crate::events::bus::Bus;
use crate::mediamtx::paths::Paths;
use crate::offsite::io::{Copier, Parts as CopierParts};
use crate::recording::flush::io::Flusher;
use crate::recording::index::io::Index;
use crate::recording::io::{Parts as RecorderParts, Recorder};
use crate::recording::seal::Witness;
use crate::recording::seal::guard::Guarded;
use crate::recording::seal::io::Sealer;
use crate::recording::{self, Running};
use crate::slate::last_picture;
use crate::snapshot;
use crate::snapshot::io::Taker;
use crate::snapshot::pulled::KeyPictures;
use crate::storage::io::{Parts as WardenParts, Warden};
use crate::storage::note::io::Paper;
use crate::storage::shelf::Shelf;
use crate::storage::shelf::io::Folder;
use crate::storage::trust::io as trust;
use crate::storage::wear::io::{Folders, Kernel, Observer};
use crate::storage::wear::payload::Payload;
use crate::storage::wear::{self, Wearing as _};
use crate::storage::{Protect, Storage};
use crate::system::System;

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
    /// Keeps growing recordings on it.
    pub flush: Flusher,
    /// What is proved of recordings.
    pub sealer: Sealer,
    /// How the disks wear.
    pub observer: Observer,
    payload: Arc<Payload>,
    shelves: Shelves,
}

/// What lies on the medium.
struct Shelves {
    recordings: Arc<dyn Shelf>,
    snapshots: Arc<dyn Shelf>,
    running: Arc<dyn Protect>,
}

impl std::fmt::Debug for Shelves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shelves")
    }
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
        let sealer = Sealer::new(
            Arc::clone(&recordings),
            Arc::clone(&running) as _,
            &wanted.data_dir,
        );
        let witness = Arc::new(sealer.clone()) as Arc<dyn Witness>;
        // Nothing is deleted before it is written down by whom.
        let guarded = Guarded::new(Arc::clone(&recordings), Arc::clone(&witness));
        let recordings = Arc::new(guarded) as Arc<dyn Shelf>;
        let shelves = Shelves {
            recordings: Arc::clone(&recordings),
            snapshots: Arc::clone(&snapshots),
            running: Arc::clone(&running) as _,
        };
        let warden = Warden::new(WardenParts {
            recordings: Arc::clone(&recordings),
            snapshots: Arc::clone(&snapshots),
            protect: Arc::clone(&running) as _,
            note: Box::new(Paper::new(wanted.data_dir.join("retention.json"))),
            warn_percent: wanted.warn_percent,
            block_percent: wanted.block_percent,
            quota: wanted.quota(),
            eyes: Box::new(trust::sight),
            events: Arc::clone(events),
        });
        let every = Duration::from_millis(u64::from(wanted.flush_interval_ms));
        let flush = Flusher::new(wanted.recordings(), every).unwrap_or_else(|error| {
            warn!(%error, "growing recordings are not flushed: a power cut may take some 30 s");
            Flusher::default()
        });
        let index = Index::new(Arc::clone(&recordings), Arc::clone(&running) as _);
        let recorder = Recorder::new(RecorderParts {
            shelf: recordings,
            witness,
            index: index.clone(),
            note: Box::new(Paper::new(wanted.data_dir.join("running-recordings.json"))),
            running,
            storage: Arc::new(warden.clone()) as Arc<dyn Storage>,
            paths,
            events: Arc::clone(events),
            directory: Arc::clone(directory),
            flush: flush.clone(),
            mark: Box::new(Paper::new(wanted.data_dir.join("recordings-scrubbed.json"))),
        });
        let payload = Arc::new(Payload::default());
        let folders = Folders {
            recordings: wanted.recordings(),
            snapshots: wanted.snapshots(),
            data: wanted.data_dir.clone(),
        };
        let note = Box::new(Paper::new(wanted.data_dir.join("wear.json")));
        let observer = Observer::new(Kernel::default(), folders, Arc::clone(&payload), note);
        let (directory, events) = (Arc::clone(directory), Arc::clone(events));
        let taker = Taker::new(snapshots, directory, pulled, events, decode);
        Self {
            recorder,
            index,
            taker,
            warden,
            flush,
            sealer,
            observer,
            payload,
            shelves,
        }
    }

    /// Who copies off-site, where that is configured; limits wait for it where they shall.
    #[must_use]
    pub fn copier(
        &self,
        config: &Config,
        events: &Arc<dyn Announce>,
        system: &System,
    ) -> Option<Copier> {
        let settings = config.offsite.settings()?;
        let keeps = settings.keep;
        let parts = CopierParts {
            recordings: Arc::clone(&self.shelves.recordings),
            snapshots: Arc::clone(&self.shelves.snapshots),
            protect: Arc::clone(&self.shelves.running),
            storage: Arc::new(self.warden.clone()),
            events: Arc::clone(events),
            data_dir: config.storage.data_dir.clone(),
        };
        let copier = Copier::new(settings, parts);
        if keeps {
            self.warden.wait_for(Arc::new(copier.clone()));
        }
        let told = copier.clone();
        system.alarms.ask(move |_| told.alarms());
        let told = copier.clone();
        system.samples.ask(move || told.samples());
        Some(copier)
    }

    /// Has what is proved and worn told by health and `/metrics`.
    pub fn show(&self, system: &System, bus: &Bus) {
        let sealer = self.sealer.clone();
        system.alarms.ask(move |_| sealer.alarms());
        let sealer = self.sealer.clone();
        system.samples.ask(move || sealer.samples());
        let payload = Arc::clone(&self.payload);
        bus.listen(Box::new(move |event| payload.hear(event)));
        let observer = self.observer.clone();
        system.samples.ask(move || wear::samples(&observer.wear()));
    }
}

fn decode(units: &[Vec<u8>], patience: Duration) -> Option<Planar> {
    last_picture(units.iter().map(Vec::as_slice), patience, clock::mono)
}
