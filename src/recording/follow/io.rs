//! Has running recordings go where files go now, and go on at once after an error.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::Nudges;
use crate::clock;
use crate::error::Result;
use crate::recording::disk::io as disk;
use crate::recording::io::Recorder;
use crate::recording::{spool, track};
use crate::storage::medium::roots::{Place, Roots};
use crate::storage::names::Stem;
use crate::supervise::blocking;

/// The files of a medium that does not answer are not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Files that were closed at the same time.
const CLOSED: usize = 64;

/// Tells of files that were closed by whoever wrote them.
#[derive(Debug)]
pub struct Closing(mpsc::Sender<(String, PathBuf)>);

impl Closing {
    /// A file of this device was closed. Does not wait: of too many at once, MediaMTX goes on with the rest by itself.
    pub fn tell(&self, device: &str, file: &Path) {
        let _ = self.0.try_send((device.to_owned(), file.to_owned()));
    }
}

/// One who tells, and who is told.
#[must_use]
pub fn closings() -> (Closing, mpsc::Receiver<(String, PathBuf)>) {
    let (send, receive) = mpsc::channel(CLOSED);
    (Closing(send), receive)
}

/// What is followed.
#[derive(Debug)]
pub struct Followed {
    /// Where files go.
    pub roots: Arc<Roots>,
    /// Another number each time that they go elsewhere.
    pub moves: watch::Receiver<u64>,
    /// Devices whose file was closed by whoever wrote it, and the file.
    pub closed: mpsc::Receiver<(String, PathBuf)>,
}

/// What a file with a name of ours is called.
fn stem_of(file: &Path) -> Option<Stem> {
    file.file_stem()?.to_str()?.parse().ok()
}

impl Recorder {
    /// Follows until the service stops.
    ///
    /// # Errors
    /// Never: what fails is told and tried again.
    pub async fn follow(
        self,
        mut followed: Followed,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<()> {
        let mut nudges = Nudges::default();
        loop {
            tokio::select! {
                _ = stopping.changed() => return Ok(()),
                moved = followed.moves.changed() => {
                    if moved.is_err() {
                        return Ok(());
                    }
                    self.move_all(&followed.roots, &mut nudges).await;
                }
                Some((_, file)) = followed.closed.recv() => {
                    // Elsewhere, it was closed because files go here now.
                    if file.starts_with(followed.roots.active()) {
                        self.go_on(&file, &mut nudges).await;
                    }
                    if let Some(stem) = stem_of(&file) {
                        let this = self.clone();
                        tokio::spawn(async move { this.mend_closed(stem).await });
                    }
                }
            }
        }
    }

    /// Files go elsewhere.
    async fn move_all(&self, roots: &Arc<Roots>, nudges: &mut Nudges) {
        self.0.parts.flush.moved();
        let devices = self.growing();
        let mut begun = self.ledger().starting();
        // One that is given up is not wished for any more.
        let wished = |track: &String| self.0.parts.paths.wished(track)?.record;
        begun.retain(|track| wished(track).is_some());
        if roots.place() == Place::Nowhere {
            for device in devices.iter().chain(&begun) {
                self.rests(device);
            }
            return;
        }
        for track in &begun {
            if let Err(error) = self.wish(track) {
                warn!(track, %error, "cannot begin recording");
            }
            if track::is_second(track) {
                self.bridge(track);
            }
        }
        for device in &devices {
            nudges.begun(device, clock::mono());
            info!(device, to = %roots.active().display(), "the recording goes on elsewhere");
            if let Err(error) = self.wish(device) {
                warn!(device, %error, "cannot go on recording");
            }
            self.ask_keyframe(device);
            self.bridge(device);
        }
        for device in &devices {
            let this = self.clone();
            let device = device.clone();
            // Asks for key frames until the file is there, and gives it its name at once.
            tokio::spawn(async move {
                if let Err(error) = this.first_file(&device).await {
                    warn!(device, %error, "the recording does not go on yet");
                }
                this.adopt_further(&device).await;
            });
        }
        // What the trouble has torn is mended when it can be reached, now or at the next start.
        self.0.counts.scrubbed.store(false, Ordering::Relaxed);
        if roots.place() == Place::Medium {
            let this = self.clone();
            tokio::spawn(async move { this.scrub().await });
        }
        // What had been begun where they were and has no name yet; a medium that hangs is left for the next start.
        if let Some(other) = roots.other().filter(|_| !roots.is_away()) {
            let (this, other) = (self.clone(), other.to_owned());
            let left = async move {
                let spool = spool::all(&other);
                let devices = blocking(move || Ok(disk::devices(&spool))).await;
                for device in devices.unwrap_or_default() {
                    let folder = spool::folder(&other, &device);
                    this.adopt_left(&device, folder).await;
                }
            };
            if tokio::time::timeout(PATIENCE, left).await.is_err() {
                warn!("files on the medium are left without a name for now");
            }
        }
    }

    /// Has MediaMTX begin a file anew at once, where it has given up one that should go on and there is room.
    async fn go_on(&self, file: &Path, nudges: &mut Nudges) {
        // Both tracks of a camera write into its folder.
        let Some(name) = stem_of(file) else { return };
        let last = |track: &str| {
            self.ledger()
                .get(track)
                .and_then(|s| s.files.last().cloned())
        };
        let found = self.growing().into_iter().find_map(|track| {
            let last = last(&track).filter(|stem| *stem == name)?;
            Some((track, last))
        });
        let Some((device, last)) = found else { return };
        let device = device.as_str();
        let longest = self.segment(device);
        let inner = Arc::clone(&self.0);
        let plays = blocking(move || {
            let found = inner.parts.shelf.find(&last)?;
            Ok(found.map(|entry| inner.measure(&entry).duration))
        });
        // One that cannot be read any more did not end by its length.
        let plays = plays.await.ok().flatten().unwrap_or_default();
        if !nudges.closed(device, plays, longest, clock::mono()) {
            return;
        }
        // Room is made first, where there is none.
        if let Ok(Some(why)) = self.0.parts.storage.refusal().await {
            warn!(device, why, "the recording cannot go on yet");
            return;
        }
        let paths = &self.0.parts.paths;
        let wished = paths.wished(device).and_then(|wish| wish.record);
        let Some(mut record) = wished else { return };
        record.path = spool::other_words(&record.path);
        info!(
            device,
            "its file was closed: the recording goes on in another"
        );
        paths.wish(device, |wish| wish.record = Some(record));
        self.ask_keyframe(device);
        if !self.is_bridge(device) && nudges.bridged(device, clock::mono()) {
            self.bridge(device);
        }
        let (this, device) = (self.clone(), device.to_owned());
        tokio::spawn(async move {
            // Its log tells why there is none.
            let _ = this.first_file(&device).await;
            this.adopt_further(&device).await;
        });
    }
}
