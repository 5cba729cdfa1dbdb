//! Asks a camera's thread for a key frame, makes a JPEG of it elsewhere, writes it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tracing::warn;

use super::{Snapshot, Snapshots, jpeg};
use crate::camera::remote::{Coded, Command, Remote, Reply, Wanted};
use crate::camera::{CameraId, Directory};
use crate::clock::{self, Mono};
use crate::encode::convert::Planar;
use crate::error::{Error, Kind, Later, Result};
use crate::events::{Announce, Event, Topic};
use crate::storage::names::Stem;
use crate::storage::shelf::{Entry, Listing, Page, Shelf, page};
use crate::supervise::blocking;

/// Snapshots in the making at once: each holds a decoder and two pictures.
const AT_ONCE: usize = 2;
/// What one may take in all, waiting for its turn included.
const PATIENCE: Duration = Duration::from_secs(5);
/// So old a key frame is still "now": it was on its way when it was asked for.
const FRESH: Duration = Duration::from_millis(100);
/// A camera that gave no key frame for so long makes them when it likes: the pictures since its last one are decoded.
const KEYFRAME: Duration = Duration::from_millis(1200);
/// How often a camera is asked whether its key frame is there.
const GLANCE: Duration = Duration::from_millis(15);
/// What decoding a whole group may take.
const DECODE: Duration = Duration::from_secs(2);

/// Decodes a group of pictures to its last one, within a time told by the clock.
pub type Decode = fn(&[Vec<u8>], Duration) -> Option<Planar>;

/// Takes snapshots. Cheap to clone.
#[derive(Clone)]
pub struct Taker {
    shelf: Arc<dyn Shelf>,
    directory: Arc<Directory>,
    events: Arc<dyn Announce>,
    decode: Decode,
    turns: Arc<Semaphore>,
}

impl std::fmt::Debug for Taker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taker").finish_non_exhaustive()
    }
}

impl Taker {
    /// One that writes into `shelf`.
    #[must_use]
    pub fn new(
        shelf: Arc<dyn Shelf>,
        directory: Arc<Directory>,
        events: Arc<dyn Announce>,
        decode: Decode,
    ) -> Self {
        Self {
            shelf,
            directory,
            events,
            decode,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    async fn make(&self, camera: CameraId, name: Option<Stem>) -> Result<Snapshot> {
        let late = |what: &str| {
            Error::new(
                Kind::Transient,
                format!("{what} within {} s", PATIENCE.as_secs()),
            )
            .action("try again; get_camera_status tells how the camera is")
        };
        let asked = clock::mono();
        let _turn = timeout(PATIENCE, self.turns.acquire())
            .await
            .map_err(|_| late("other snapshots were not finished"))?
            .map_err(|e| Error::new(Kind::Internal, "snapshots have ended").because(e))?;
        let rest = PATIENCE.saturating_sub(clock::mono().since(asked));
        let coded = timeout(rest, self.coded(camera))
            .await
            .map_err(|_| late(&format!("{camera} gave no picture")))??;
        let (decode, shelf) = (self.decode, Arc::clone(&self.shelf));
        let at = clock::now().wall_of(coded.captured);
        blocking(move || {
            let picture = decode(&coded.units, DECODE).ok_or_else(|| {
                Error::new(
                    Kind::Transient,
                    format!("the picture of {camera} cannot be decoded"),
                )
                .action("try again; if it stays, its stream is damaged")
            })?;
            let first = coded.units.first().map(Vec::as_slice).unwrap_or_default();
            let matrix = jpeg::matrix_of(first, picture.dimensions().1);
            let bytes = jpeg::encode(&picture, matrix)?;
            let device = camera.to_string();
            let wish = name.unwrap_or_else(|| Stem::of(&device, at));
            let entry = shelf.put(&device, &wish, &bytes)?;
            Ok(Snapshot {
                stem: entry.stem,
                at,
                size: entry.size,
                path: entry.path,
            })
        })
        .await
    }

    /// A key frame of now; or all pictures since the last one, of a camera that makes them when it likes.
    async fn coded(&self, id: CameraId) -> Result<Coded> {
        let gone = || Error::new(Kind::Gone, format!("{id} is not running"));
        let camera = self.directory.get(id).ok_or_else(gone)?;
        let remote = camera.remote.as_ref().ok_or_else(gone)?;
        let asked = clock::mono();
        let since = Mono::from_nanos(
            asked
                .as_nanos()
                .saturating_sub(u64::try_from(FRESH.as_nanos()).unwrap_or(0)),
        );
        // One that has just been sent, to a viewer who joined, will do.
        let mut coded = ask(&**remote, Wanted::KeyframeSince(since)).await?;
        if coded.units.is_empty() {
            camera
                .counters
                .keyframe_wanted
                .store(true, Ordering::Relaxed);
        }
        while coded.units.is_empty() {
            tokio::time::sleep(GLANCE).await;
            let wanted = if clock::mono().since(asked) > KEYFRAME {
                Wanted::Group
            } else {
                Wanted::KeyframeSince(since)
            };
            coded = ask(&**remote, wanted).await?;
        }
        Ok(coded)
    }

    async fn take_and_tell(self, camera: CameraId, name: Option<Stem>) -> Result<Snapshot> {
        let made = self.make(camera, name).await;
        let event = match &made {
            Ok(snapshot) => Event::new(Topic::SnapshotTaken, snapshot.at)
                .with("filename", snapshot.stem.as_str())
                .with("status", "SUCCESS")
                .with("file_size", snapshot.size),
            Err(error) => {
                warn!(%camera, %error, "no snapshot");
                Event::new(Topic::SnapshotError, clock::wall())
                    .with("status", "FAILED")
                    .with("reason", error.to_string())
            }
        };
        self.events.announce(event.of(camera.to_string()));
        made
    }
}

async fn ask(remote: &dyn Remote, wanted: Wanted) -> Result<Coded> {
    let (sender, answer) = oneshot::channel();
    remote.ask(
        Command::Coded(wanted),
        // Nobody waits any more for an answer that comes late.
        Box::new(move |reply| drop(sender.send(reply))),
    )?;
    match answer.await {
        Ok(Ok(Reply::Coded(coded))) => Ok(coded),
        Ok(Ok(_)) => Err(Error::new(
            Kind::Internal,
            "the camera answered another question",
        )),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::new(
            Kind::Gone,
            "the camera ended before it answered",
        )),
    }
}

impl Snapshots for Taker {
    fn take(&self, camera: CameraId, name: Option<Stem>) -> Later<Snapshot> {
        Box::pin(self.clone().take_and_tell(camera, name))
    }

    fn list(&self, wanted: Page) -> Later<Listing> {
        let shelf = Arc::clone(&self.shelf);
        Box::pin(blocking(move || Ok(page(shelf.all()?, wanted))))
    }

    fn info(&self, stem: Stem) -> Later<Option<Entry>> {
        let shelf = Arc::clone(&self.shelf);
        Box::pin(blocking(move || shelf.find(&stem)))
    }

    fn delete(&self, stem: Stem) -> Later<bool> {
        let shelf = Arc::clone(&self.shelf);
        Box::pin(blocking(move || Ok(shelf.delete(&stem)?.is_some())))
    }
}
