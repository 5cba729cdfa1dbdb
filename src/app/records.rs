//! Recordings, snapshots and the medium they lie on, put together.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::camera::Directory;
use crate::clock::{self, Wall};
use crate::config::{Config, Storage as Wanted};
use crate::encode::convert::Planar;
use crate::events::Announce;
use crate::events::bus::Bus;
use crate::http::files::permit::Signer;
use crate::http::files::range::io::Assembler;
use crate::mediamtx::paths::Paths;
use crate::offsite::io::{Copier, Parts as CopierParts};
use crate::recording::flush::io::{Flusher, News, Told};
use crate::recording::follow::io::{Followed, closings};
use crate::recording::index::io::Index;
use crate::recording::io::{Parts as RecorderParts, Recorder};
use crate::recording::modes::io::Keeper;
use crate::recording::modes::{Modes, Wish};
use crate::recording::seal::Witness;
use crate::recording::seal::both::Both;
use crate::recording::seal::chain::Places;
use crate::recording::seal::figures::Figures;
use crate::recording::seal::guard::Guarded;
use crate::recording::seal::io::Sealer;
use crate::recording::{self, Running};
use crate::slate::last_picture;
use crate::snapshot;
use crate::snapshot::io::Taker;
use crate::snapshot::pulled::KeyPictures;
use crate::storage::io::{Parts as WardenParts, Warden};
use crate::storage::medium::lookout::Distrust as _;
use crate::storage::medium::lookout::io::Lookout;
use crate::storage::medium::roots::Roots;
use crate::storage::names::Stem;
use crate::storage::note::io::Paper;
use crate::storage::quota::Kind;
use crate::storage::shelf::Shelf;
use crate::storage::shelf::io::Folder;
use crate::storage::shelf::pair::io::Pair;
use crate::storage::trust::io as trust;
use crate::storage::wear::io::{Folders, Kernel, Observer};
use crate::storage::wear::payload::Payload;
use crate::storage::wear::{self, Wearing as _};
use crate::storage::{Protect, Storage};
use crate::supervise::Supervisor;
use crate::system::System;

/// The parts.
#[derive(Debug)]
pub struct Records {
    /// Recordings.
    pub recorder: Recorder,
    /// When they are made by themselves.
    pub modes: Keeper,
    /// What recordings there are.
    pub index: Index,
    /// Snapshots.
    pub taker: Arc<Taker>,
    /// The medium.
    pub warden: Warden,
    /// Keeps growing recordings on it.
    pub flush: Flusher,
    /// What is proved of recordings: on the medium, and in the fallback where there is one.
    pub sealers: Vec<Sealer>,
    /// How the disks wear.
    pub observer: Observer,
    /// Where recordings go.
    pub followed: Followed,
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

/// Looks at the medium, once already: what is missing is not to be begun anew beneath its place.
fn lookout(wanted: &Wanted) -> Arc<Lookout> {
    let roots = |medium, fallback| Arc::new(Roots::new(medium, fallback));
    let lookout = Lookout::new(
        roots(wanted.recordings(), wanted.fallback_recordings()),
        roots(wanted.snapshots(), wanted.fallback_snapshots()),
        Some(Box::new(Paper::new(wanted.data_dir.join("medium.json")))),
    );
    lookout.look(wanted.block_percent);
    Arc::new(lookout)
}

/// The folder on the medium, and the one in the fallback.
fn folders(
    roots: &Arc<Roots>,
    extension: &'static str,
) -> (Arc<dyn Shelf>, Option<Arc<dyn Shelf>>) {
    let swept = |folder: Folder| {
        if let Err(error) = folder.sweep() {
            warn!(%error, "what a power cut left half written stays");
        }
        Arc::new(folder) as Arc<dyn Shelf>
    };
    let medium = Folder::new(roots.medium().to_owned(), extension).of(Arc::clone(roots));
    let fallback = roots
        .fallback()
        .map(|root| swept(Folder::new(root.to_owned(), extension)));
    (swept(medium), fallback)
}

/// Both as one, where there are two.
fn together(
    roots: &Arc<Roots>,
    medium: Arc<dyn Shelf>,
    fallback: Option<Arc<dyn Shelf>>,
) -> Arc<dyn Shelf> {
    match fallback {
        None => medium,
        Some(fallback) => Arc::new(Pair::new(Arc::clone(roots), medium, fallback)),
    }
}

impl Records {
    /// Reads what the last run left behind; nothing moves before the parts' tasks run.
    #[must_use]
    pub fn new(
        config: &Config,
        paths: Paths,
        pulled: Arc<dyn KeyPictures>,
        directory: &Arc<Directory>,
        events: &Arc<dyn Announce>,
    ) -> Self {
        let (wanted, recording) = (&config.storage, &config.recording);
        let lookout = lookout(wanted);
        let (roots, shots) = (lookout.recordings(), lookout.snapshots());
        let (recordings, spare) = folders(roots, recording::EXTENSION);
        let (snapshots, spare_shots) = folders(shots, snapshot::EXTENSION);
        let snapshots = together(shots, snapshots, spare_shots);
        let running = Arc::new(Running::default());
        let sealed = |shelf: Arc<dyn Shelf>, places| {
            let sealer = Sealer::new(Arc::clone(&shelf), Arc::clone(&running) as _, places);
            let witness = Arc::new(sealer.clone()) as Arc<dyn Witness>;
            // Nothing is deleted before it is written down by whom.
            let guarded = Arc::new(Guarded::new(shelf, Arc::clone(&witness))) as Arc<dyn Shelf>;
            (sealer, witness, guarded)
        };
        let data = &wanted.data_dir;
        let places = Places::new(roots.medium(), data);
        let (sealer, mut witness, guarded) = sealed(recordings, places);
        let mut sealers = vec![sealer];
        let spare = spare.zip(roots.fallback()).map(|(spare, root)| {
            let (sealer, there, guarded) = sealed(spare, Places::of_fallback(root, data));
            sealers.push(sealer);
            let medium = Arc::clone(&witness);
            witness = Arc::new(Both::new(Arc::clone(roots), medium, there));
            guarded
        });
        let running_too = Arc::clone(&running);
        let beside = spare.clone().map(|spare| Index::new(spare, running_too));
        let index = Index::with(Arc::clone(&guarded), Arc::clone(&running) as _, beside);
        let recordings = together(roots, guarded, spare);
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
            length: Box::new(recording::disk::io::length),
            events: Arc::clone(events),
            lookout: Arc::clone(&lookout),
        });
        let (closing, closed) = closings();
        let distrust = Arc::clone(&lookout);
        let told: Told = Box::new(move |news| match news {
            News::Failed(_) => distrust.failed(),
            News::Closed(device, path) => {
                distrust.look_now();
                closing.tell(device, path);
            }
        });
        let every = Duration::from_millis(u64::from(wanted.flush_interval_ms));
        let flush = Flusher::of(Arc::clone(roots), every, Some(told)).unwrap_or_else(|error| {
            warn!(%error, "growing recordings are not flushed: a power cut may take some 30 s");
            Flusher::default()
        });
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
            longest_lead: recording.pre_event(),
            roll: Duration::from_secs(u64::from(recording.roll_seconds)),
        });
        let wish = Wish {
            mode: recording.mode,
            schedule: recording.schedule.clone(),
        };
        let modes = Keeper::new(
            Modes::new(wish, recording.time_zone.clone()),
            recorder.clone(),
            Arc::clone(directory),
            Box::new(Paper::new(wanted.data_dir.join("recording-modes.json"))),
        );
        let payload = Arc::new(Payload::default());
        let folders = Folders {
            recordings: wanted.recordings(),
            snapshots: wanted.snapshots(),
            data: wanted.data_dir.clone(),
        };
        let note = Box::new(Paper::new(wanted.data_dir.join("wear.json")));
        let observer = Observer::new(Kernel::default(), folders, Arc::clone(&payload), note);
        let (directory, events) = (Arc::clone(directory), Arc::clone(events));
        let storage = Arc::new(warden.clone()) as Arc<dyn Storage>;
        let taker = Taker::new(snapshots, storage, directory, pulled, events, decode);
        let followed = Followed {
            roots: Arc::clone(roots),
            moves: lookout.moves(),
            closed,
        };
        Self {
            followed,
            recorder,
            modes,
            index,
            taker: Arc::new(taker),
            warden,
            flush,
            sealers,
            observer,
            payload,
            shelves,
        }
    }

    /// Has all of them work until the service ends.
    pub fn run(self, supervisor: &mut Supervisor, copier: Option<Copier>, system: &System) {
        let recorder = self.recorder.clone();
        supervisor.spawn("the recorder", self.recorder.run(supervisor.stopping()));
        let following = recorder
            .clone()
            .follow(self.followed, supervisor.stopping());
        supervisor.spawn("where recordings go", following);
        supervisor.spawn("the recording modes", self.modes.run(supervisor.stopping()));
        if let Some(copier) = copier {
            let copies = copier.run(recorder.looked(), supervisor.stopping());
            supervisor.spawn("the off-site copy", copies);
        }
        for sealer in self.sealers {
            let evidence = sealer.run(recorder.looked(), supervisor.stopping());
            supervisor.spawn("the evidence", evidence);
        }
        let wear = self.observer.run(supervisor.stopping());
        supervisor.spawn("the wear of the disks", wear);
        if let Some(spare) = self.index.beside() {
            let index = spare.clone().run(supervisor.stopping());
            supervisor.spawn("the index of the fallback", index);
        }
        let index = self.index.run(supervisor.stopping());
        supervisor.spawn("the index of recordings", index);
        let warden = self.warden.clone();
        system.alarms.ask(move |_| warden.alarms());
        supervisor.spawn("the storage", self.warden.run(supervisor.stopping()));
    }

    /// Makes one MP4 of what was recorded in a stretch of time.
    #[must_use]
    pub fn ranges(&self, wanted: &Wanted, signer: Signer) -> Assembler {
        let warden = self.warden.clone();
        let begins = move |stem: &Stem, own: Wall| {
            let moment = warden.moment(Kind::Recording, stem, Some(own));
            moment.at.unwrap_or(own)
        };
        let roots = [Some(wanted.recordings()), wanted.fallback_recordings()];
        let roots = roots.into_iter().flatten().collect();
        Assembler::new(
            Arc::new(self.recorder.clone()),
            Box::new(begins),
            roots,
            signer,
        )
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
        let sealers = self.sealers.clone();
        system
            .alarms
            .ask(move |_| sealers.iter().flat_map(Sealer::alarms).collect());
        let sealers = self.sealers.clone();
        system.samples.ask(move || {
            let each = sealers.iter().map(Sealer::figures);
            each.fold(Figures::default(), Figures::and).samples()
        });
        let payload = Arc::clone(&self.payload);
        bus.listen(Box::new(move |event| payload.hear(event)));
        let observer = self.observer.clone();
        system.samples.ask(move || wear::samples(&observer.wear()));
    }
}

fn decode(units: &[Vec<u8>], patience: Duration) -> Option<Planar> {
    last_picture(units.iter().map(Vec::as_slice), patience, clock::mono)
}
