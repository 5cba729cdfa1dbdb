//! Asks a camera's thread, or MediaMTX, for a key frame, makes a JPEG of it elsewhere, writes it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tracing::warn;

use super::pulled::KeyPictures;
use super::{Of, Snapshot, Snapshots, jpeg};
use crate::camera::remote::{Coded, Command, Remote, Reply, Wanted};
use crate::camera::{CameraId, Directory};
use crate::clock::{self, Mono};
use crate::encode::convert::Planar;
use crate::error::{Error, Kind, Later, Result};
use crate::events::{Announce, Event, Topic};
use crate::storage::Storage;
use crate::storage::names::Stem;
use crate::storage::quota::{self, Why};
use crate::storage::shelf::{Entry, Listing, Page, Shelf, cut};
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
    storage: Arc<dyn Storage>,
    directory: Arc<Directory>,
    pulled: Arc<dyn KeyPictures>,
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
    /// One that writes into `shelf`; `storage` knows the time, `pulled` has the pictures of external streams.
    #[must_use]
    pub fn new(
        shelf: Arc<dyn Shelf>,
        storage: Arc<dyn Storage>,
        directory: Arc<Directory>,
        pulled: Arc<dyn KeyPictures>,
        events: Arc<dyn Announce>,
        decode: Decode,
    ) -> Self {
        Self {
            shelf,
            storage,
            directory,
            pulled,
            events,
            decode,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    async fn make(&self, of: &Of, name: Option<Stem>) -> Result<Snapshot> {
        let late = |what: &str| {
            Error::new(
                Kind::Transient,
                format!("{what} within {} s", PATIENCE.as_secs()),
            )
            .action("try again; get_stream_status tells how it is")
        };
        let asked = clock::mono();
        let _turn = timeout(PATIENCE, self.turns.acquire())
            .await
            .map_err(|_| late("other snapshots were not finished"))?
            .map_err(|e| Error::new(Kind::Internal, "snapshots have ended").because(e))?;
        let rest = PATIENCE.saturating_sub(clock::mono().since(asked));
        let coded = match of {
            Of::Camera(camera) => timeout(rest, self.coded(*camera))
                .await
                .map_err(|_| late(&format!("{camera} gave no picture")))??,
            Of::External(name) => self.pulled.newest(name, rest).await?,
        };
        let (decode, shelf) = (self.decode, Arc::clone(&self.shelf));
        let storage = Arc::clone(&self.storage);
        let at = storage.wall_of(coded.captured);
        let device = of.to_string();
        blocking(move || {
            let picture = decode(&coded.units, DECODE).ok_or_else(|| {
                Error::new(
                    Kind::Transient,
                    format!("the picture of {device} cannot be decoded"),
                )
                .action(
                    "try again; if it stays, its stream is damaged, interlaced or finer than 8 bit 4:2:0",
                )
            })?;
            let first = coded.units.first().map(Vec::as_slice).unwrap_or_default();
            let matrix = jpeg::matrix_of(first, picture.dimensions().1);
            let bytes = jpeg::encode(&picture, matrix)?;
            let wish = name.unwrap_or_else(|| Stem::of(&device, at));
            let entry = shelf.put(&device, &wish, &bytes)?;
            let at = storage.began(quota::Kind::Snapshot, &entry.stem, Some(coded.captured), None);
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

    async fn take_and_tell(self, of: Of, name: Option<Stem>) -> Result<Snapshot> {
        let made = self.make(&of, name).await;
        let event = match &made {
            Ok(snapshot) => Event::new(Topic::SnapshotTaken, snapshot.at)
                .with("filename", snapshot.stem.as_str())
                .with("status", "SUCCESS")
                .with("file_size", snapshot.size),
            Err(error) => {
                warn!(device = %of, %error, "no snapshot");
                Event::new(Topic::SnapshotError, clock::wall())
                    .with("status", "FAILED")
                    .with("reason", error.to_string())
            }
        };
        self.events.announce(event.of(of.to_string()));
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
    fn take(&self, of: Of, name: Option<Stem>) -> Later<Snapshot> {
        Box::pin(self.clone().take_and_tell(of, name))
    }

    fn list(&self, wanted: Page) -> Later<Listing> {
        let shelf = Arc::clone(&self.shelf);
        match shelf.recall() {
            Some(all) => Box::pin(std::future::ready(Ok(cut(&all, wanted)))),
            None => Box::pin(blocking(move || Ok(cut(&shelf.sorted()?, wanted)))),
        }
    }

    fn info(&self, stem: Stem) -> Later<Option<Entry>> {
        let shelf = Arc::clone(&self.shelf);
        Box::pin(blocking(move || shelf.find(&stem)))
    }

    fn delete(&self, stem: Stem) -> Later<bool> {
        let shelf = Arc::clone(&self.shelf);
        Box::pin(blocking(move || {
            Ok(shelf.delete(&stem, Why::Asked)?.is_some())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::remote::Answer;
    use crate::camera::{Camera, Counters, Device, Status};
    use crate::events::bus::Bus;
    use crate::storage::io::{Parts as Medium, Warden};
    use crate::storage::note::io::Paper;
    use crate::storage::shelf::io::Folder;
    use std::path::PathBuf;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    /// How a stand-in for a camera's thread answers.
    #[derive(Debug, Clone, Copy)]
    enum Manner {
        /// A key frame when one was asked for.
        Well,
        /// It makes key frames when it likes.
        Stubborn,
        /// No picture.
        Dark,
    }

    #[derive(Debug)]
    struct Line(Manner, Arc<Counters>);

    impl Remote for Line {
        fn ask(&self, command: Command, answer: Answer) -> Result<()> {
            let Command::Coded(wanted) = command else {
                return Err(Error::new(Kind::Internal, "nothing else is asked"));
            };
            let asked = self.1.keyframe_wanted.load(Ordering::Relaxed);
            let there = match (self.0, wanted) {
                (Manner::Dark, _) => {
                    answer(Err(Error::new(
                        Kind::Gone,
                        "the camera gives no picture now",
                    )));
                    return Ok(());
                }
                (_, Wanted::Group) => true,
                (Manner::Well, Wanted::KeyframeSince(_)) => asked,
                (Manner::Stubborn, Wanted::KeyframeSince(_)) => false,
            };
            answer(Ok(Reply::Coded(Coded {
                units: if there { vec![vec![0; 4]] } else { Vec::new() },
                captured: clock::mono(),
            })));
            Ok(())
        }
    }

    struct Bench {
        taker: Taker,
        dir: PathBuf,
        heard: Arc<Mutex<Vec<Event>>>,
    }

    /// External streams of which none comes in, but `drone`.
    struct Away;

    impl KeyPictures for Away {
        fn newest(&self, name: &str, _: Duration) -> Later<Coded> {
            let coded = if name == "drone" {
                Ok(Coded {
                    units: vec![vec![0; 4]],
                    captured: clock::mono(),
                })
            } else {
                Err(Error::new(Kind::Gone, "nothing comes in"))
            };
            Box::pin(std::future::ready(coded))
        }
    }

    fn bench(manner: Manner, decode: Decode) -> Bench {
        let directory = Arc::new(Directory::default());
        let counters = Arc::new(Counters::default());
        directory.put(Camera {
            id: CameraId::TEST,
            name: "Stand-in".to_owned(),
            device: Device::Test,
            status: Status::Connected,
            format: None,
            route: None,
            route_why: None,
            slate_since: None,
            fault: None,
            avoided: None,
            history: Arc::default(),
            remote: Some(Arc::new(Line(manner, Arc::clone(&counters)))),
            publish_trouble: None,
            modes: Arc::from([]),
            since: clock::mono(),
            counters,
        });
        let heard = Arc::new(Mutex::new(Vec::new()));
        let bus = Bus::default();
        let note = Arc::clone(&heard);
        bus.listen(Box::new(move |event| {
            note.lock().unwrap().push((**event).clone())
        }));
        let dir = std::env::temp_dir().join(format!("taker-{}", uuid::Uuid::new_v4()));
        let shelf: Arc<dyn Shelf> = Arc::new(Folder::new(dir.clone(), "jpg"));
        let storage = Arc::new(Warden::new(Medium {
            recordings: Arc::new(Folder::new(dir.join("recordings"), "mp4")),
            snapshots: Arc::clone(&shelf),
            protect: Arc::new(crate::recording::Running::default()),
            note: Box::new(Paper::new(dir.join("retention.json"))),
            warn_percent: 100,
            block_percent: 100,
            quota: quota::Limits::default(),
            eyes: Box::new(crate::storage::trust::io::sight),
            length: Box::new(|_| None),
            events: Arc::new(Bus::default()),
            lookout: Arc::new(crate::storage::medium::lookout::io::Lookout::plain(
                &dir.join("recordings"),
            )),
        }));
        Bench {
            taker: Taker::new(
                Arc::clone(&shelf),
                storage,
                directory,
                Arc::new(Away),
                Arc::new(bus),
                decode,
            ),
            dir,
            heard,
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }

    fn grey(_: &[Vec<u8>], _: Duration) -> Option<Planar> {
        Some(Planar::new(64, 48))
    }

    #[tokio::test]
    async fn a_snapshot_is_announced_with_its_name_and_size() {
        let bench = bench(Manner::Well, grey);
        let name = Some("a".parse().unwrap());
        let taken = bench
            .taker
            .take(Of::Camera(CameraId::TEST), name)
            .await
            .unwrap();
        assert_eq!(std::fs::metadata(&taken.path).unwrap().len(), taken.size);
        let heard = bench.heard.lock().unwrap();
        assert_eq!(heard[0].topic, Topic::SnapshotTaken);
        assert_eq!(
            (heard[0].device.as_deref(), &heard[0].data["filename"]),
            (Some("camera0"), &"a".into())
        );
    }

    #[tokio::test]
    async fn an_external_stream_is_announced_by_its_name_whether_it_has_a_picture_or_not() {
        let bench = bench(Manner::Dark, grey);
        let of = |name: &str| Of::External(name.to_owned());
        let taken = bench.taker.take(of("drone"), None).await.unwrap();
        assert!(
            taken.stem.as_str().starts_with("drone_"),
            "{:?}",
            taken.stem
        );
        let away = bench.taker.take(of("other"), None).await.unwrap_err();
        assert_eq!(away.kind(), Kind::Gone);
        let heard = bench.heard.lock().unwrap();
        let told: Vec<_> = heard
            .iter()
            .map(|e| (e.topic, e.device.as_deref()))
            .collect();
        let expected = [
            (Topic::SnapshotTaken, Some("drone")),
            (Topic::SnapshotError, Some("other")),
        ];
        assert_eq!(told, expected);
    }

    #[tokio::test]
    async fn a_camera_that_makes_key_frames_when_it_likes_gives_its_last_pictures() {
        let bench = bench(Manner::Stubborn, grey);
        let asked = clock::mono();
        bench
            .taker
            .take(Of::Camera(CameraId::TEST), None)
            .await
            .unwrap();
        let took = clock::mono().since(asked);
        assert!(took >= KEYFRAME && took < PATIENCE, "{took:?}");
    }

    #[tokio::test]
    async fn a_failure_is_told_to_the_caller_and_announced_and_leaves_no_file() {
        for (manner, decode) in [(Manner::Dark, grey as Decode), (Manner::Well, |_, _| None)] {
            let bench = bench(manner, decode);
            bench
                .taker
                .take(Of::Camera(CameraId::TEST), None)
                .await
                .unwrap_err();
            assert_eq!(bench.heard.lock().unwrap()[0].topic, Topic::SnapshotError);
            assert_eq!(
                bench
                    .taker
                    .list(Page {
                        limit: 9,
                        offset: 0
                    })
                    .await
                    .unwrap()
                    .total,
                0
            );
        }
        let bench = bench(Manner::Well, grey);
        let unknown = CameraId::new(7).unwrap();
        assert_eq!(
            bench
                .taker
                .take(Of::Camera(unknown), None)
                .await
                .unwrap_err()
                .kind(),
            Kind::Gone
        );
    }

    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);

    fn slow(_: &[Vec<u8>], _: Duration) -> Option<Planar> {
        let now = NOW.fetch_add(1, Ordering::SeqCst) + 1;
        MOST.fetch_max(now, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        NOW.fetch_sub(1, Ordering::SeqCst);
        Some(Planar::new(64, 48))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_than_two_are_made_at_once_and_all_get_names_of_their_own() {
        let bench = bench(Manner::Well, slow);
        let asked: Vec<_> = (0..6)
            .map(|_| {
                tokio::spawn(
                    bench
                        .taker
                        .take(Of::Camera(CameraId::TEST), Some("x".parse().unwrap())),
                )
            })
            .collect();
        let mut names = std::collections::BTreeSet::new();
        for one in asked {
            names.insert(one.await.unwrap().unwrap().stem.to_string());
        }
        assert_eq!(names.len(), 6, "{names:?}");
        assert_eq!(MOST.load(Ordering::SeqCst), AT_ONCE);
    }
}
