//! The recorder against a stand-in for MediaMTX that writes files as MediaMTX does.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use super::*;
use crate::clock::Wall;
use crate::events::bus::Bus;
use crate::mediamtx::paths::{Keeper, PathWish};
use crate::recording::fmp4::tests::{fragment, head};
use crate::recording::plain;
use crate::recording::plain::tests::closed;
use crate::recording::{EXTENSION, Format, Order, Origin};
use crate::storage::io::{self as medium, Warden};
use crate::storage::moments::Moment;
use crate::storage::note::io::Paper;
use crate::storage::quota::Kind as Of;
use crate::storage::shelf::io::Folder;
use crate::storage::{Cleaned, Figures, policy::Policy};

/// MediaMTX's recorder: a file appears when a path is to be recorded, and is closed when it is not.
#[derive(Debug, Default)]
struct Media {
    root: PathBuf,
    wishes: Mutex<BTreeMap<String, PathWish>>,
    open: Mutex<BTreeMap<String, File>>,
    refuses: bool,
}

impl Media {
    /// Begins a file whose first picture was taken so many seconds into the test.
    fn begin(&self, name: &str, second: u64) {
        let folder = spool::folder(&self.root, name);
        fs::create_dir_all(&folder).unwrap();
        let mut file =
            File::create(folder.join(format!("{}-000000.mp4", 1_790_000_000 + second))).unwrap();
        file.write_all(&[head(0), fragment(0, &[3000; 30])].concat())
            .unwrap();
        self.open.lock().unwrap().insert(name.to_owned(), file);
    }

    /// Closes its file at once, as it is.
    fn close(&self, name: &str) {
        if let Some(mut file) = self.open.lock().unwrap().remove(name) {
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(&head(1000)).unwrap();
        }
    }

    /// Writes some of a fragment, as it does on a full medium, and closes its file.
    fn tear(&self, name: &str, bytes: usize) {
        let fragment = &fragment(90_000, &[3000; 30])[..bytes];
        let mut open = self.open.lock().unwrap();
        open.get_mut(name).unwrap().write_all(fragment).unwrap();
        drop(open);
        self.close(name);
    }

    /// Writes one second more and closes its file, a while after it was told to.
    fn close_late(&self, name: &str) {
        let Some(mut file) = self.open.lock().unwrap().remove(name) else {
            return;
        };
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            file.write_all(&fragment(90_000, &[3000; 30])).unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(&head(2000)).unwrap();
        });
    }
}

impl Keeper for Arc<Media> {
    fn change(&self, name: &str, change: Box<dyn FnOnce(&mut PathWish) + '_>) {
        let mut wishes = self.wishes.lock().unwrap();
        let wish = wishes.entry(name.to_owned()).or_default();
        let before = wish.record.is_some();
        change(wish);
        match (before, wish.record.is_some()) {
            (false, true) if !self.refuses => self.begin(name, 0),
            (true, false) => self.close_late(name),
            _ => {}
        }
    }

    fn forget(&self, name: &str) {
        self.close(name);
        self.wishes.lock().unwrap().remove(name);
    }

    fn wished(&self, name: &str) -> Option<PathWish> {
        self.wishes.lock().unwrap().get(name).cloned()
    }

    fn settled(&self, _: &str, _: Duration) -> Later<()> {
        let refuses = self.refuses;
        Box::pin(async move {
            match refuses {
                false => Ok(()),
                true => Err(Error::new(Kind::Gone, "MediaMTX does not answer")),
            }
        })
    }
}

/// The medium as it is, with so much room as is said.
struct Room(Option<String>, Warden);

impl Storage for Room {
    fn figures(&self) -> Later<Figures> {
        self.1.figures()
    }
    fn refusal(&self) -> Later<Option<String>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
    fn set_policy(&self, policy: Policy) -> Later<()> {
        self.1.set_policy(policy)
    }
    fn clean(&self) -> Later<Cleaned> {
        self.1.clean()
    }
    fn delete_recording(&self, stem: Stem, who: String) -> Later<Erased> {
        self.1.delete_recording(stem, who)
    }
    fn protect(&self, stem: Stem, protected: bool) -> Later<bool> {
        self.1.protect(stem, protected)
    }
    fn is_protected(&self, stem: &Stem) -> bool {
        self.1.is_protected(stem)
    }
    fn trouble(&self) -> Option<String> {
        self.0.clone()
    }
    fn wall_of(&self, moment: Mono) -> Wall {
        self.1.wall_of(moment)
    }
    fn began(&self, kind: Of, stem: &Stem, first: Option<Mono>, told: Option<Wall>) -> Wall {
        self.1.began(kind, stem, first, told)
    }
    fn moment(&self, kind: Of, stem: &Stem, own: Option<Wall>) -> Moment {
        self.1.moment(kind, stem, own)
    }
    fn is_away(&self) -> bool {
        false
    }
}

struct Bench {
    recorder: Recorder,
    media: Arc<Media>,
    dir: PathBuf,
    heard: Arc<Mutex<Vec<Event>>>,
    stop: watch::Sender<bool>,
}

impl Bench {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("recorder-{}", uuid::Uuid::new_v4()));
        Self::at(dir, false, None)
    }

    fn at(dir: PathBuf, refuses: bool, full: Option<&str>) -> Self {
        let media = Arc::new(Media {
            root: dir.join("recordings"),
            refuses,
            ..Media::default()
        });
        let heard = Arc::new(Mutex::new(Vec::new()));
        let bus = Bus::default();
        let note = Arc::clone(&heard);
        bus.listen(Box::new(move |event| {
            note.lock().unwrap().push((**event).clone())
        }));
        let shelf: Arc<dyn Shelf> = Arc::new(Folder::new(media.root.clone(), EXTENSION));
        let running = Arc::<Running>::default();
        let events: Arc<dyn Announce> = Arc::new(bus);
        let warden = Warden::new(medium::Parts {
            recordings: Arc::clone(&shelf),
            snapshots: Arc::new(Folder::new(dir.join("snapshots"), "jpg")),
            protect: Arc::clone(&running) as _,
            note: Box::new(Paper::new(dir.join("retention.json"))),
            warn_percent: 100,
            block_percent: 100,
            quota: Default::default(),
            eyes: Box::new(crate::storage::trust::io::sight),
            length: Box::new(crate::recording::disk::io::length),
            events: Arc::clone(&events),
            lookout: Arc::new(crate::storage::medium::lookout::io::Lookout::plain(
                &media.root,
            )),
        });
        let recorder = Recorder::new(Parts {
            index: Index::new(Arc::clone(&shelf), Arc::clone(&running) as _),
            witness: Arc::new(crate::recording::seal::Nobody),
            shelf,
            note: Box::new(Paper::new(dir.join("note.json"))),
            running,
            storage: Arc::new(Room(full.map(str::to_owned), warden)),
            paths: Paths::new(Arc::new(Arc::clone(&media))),
            events,
            directory: Arc::default(),
            flush: Flusher::default(),
            mark: Box::new(Paper::new(dir.join("mark.json"))),
            longest_lead: Duration::ZERO,
            roll: Duration::from_secs(600),
        });
        Self {
            recorder,
            media,
            dir,
            heard,
            stop: watch::channel(false).0,
        }
    }

    fn run(&self) {
        tokio::spawn(self.recorder.clone().run(self.stop.subscribe()));
    }

    async fn start(&self, device: &str, name: &str) -> Start {
        let order = Order {
            device: device.to_owned(),
            name: name.parse().ok(),
            duration: None,
            format: Format::Fmp4,
            lead: Duration::ZERO,
            origin: Origin::Call,
        };
        self.recorder.start(order).await.unwrap()
    }

    async fn stopped(&self, device: &str) -> super::super::Stopped {
        match self.recorder.stop(device).await.unwrap() {
            Stop::Stopped(stopped) => stopped,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for an event.
    async fn hears(&self, topic: Topic) -> Event {
        let begin = clock::mono();
        loop {
            let found = self
                .heard
                .lock()
                .unwrap()
                .iter()
                .find(|e| e.topic == topic)
                .cloned();
            if let Some(event) = found {
                return event;
            }
            assert!(
                clock::mono().since(begin) < Duration::from_secs(10),
                "no {topic:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn note(&self) -> String {
        fs::read_to_string(self.dir.join("note.json")).unwrap()
    }

    fn files(&self, device: &str) -> Vec<String> {
        names(&self.media.root.join(device))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_recording_has_its_name_while_it_grows_and_its_true_figures_when_it_ends() {
    let bench = Bench::new();
    let started = bench.start("camera0", "").await;
    assert!(
        matches!(&started, Start::Started(s) if s.start == Wall::from_secs(1_790_000_000)),
        "{started:?}"
    );
    let name = "camera0_2026-09-21_14-13-20";
    assert_eq!(bench.files("camera0"), [format!("{name}.mp4")]);
    assert!(bench.note().contains(name));
    let stem: Stem = name.parse().unwrap();
    assert_eq!(
        bench.recorder.delete(stem.clone(), "ada").await.unwrap(),
        Deletion::Running
    );
    assert_eq!(
        bench.start("camera0", "").await,
        Start::Busy { state: "RECORDING" }
    );
    let stopped = bench.stopped("camera0").await;
    assert_eq!(
        (stopped.stem.as_str(), stopped.duration),
        (name, Duration::from_secs(2))
    );
    let path = bench.media.root.join("camera0").join(format!("{name}.mp4"));
    assert_eq!(stopped.size, fs::metadata(path).unwrap().len());
    assert_eq!(stopped.end, Wall::from_secs(1_790_000_002));
    assert_eq!(bench.note(), "[]");
    let topics: Vec<Topic> = bench
        .heard
        .lock()
        .unwrap()
        .iter()
        .map(|e| e.topic)
        .collect();
    assert_eq!(
        topics,
        [
            Topic::MediamtxRecordingStarted,
            Topic::RecordingStart,
            Topic::MediamtxRecordingStopped,
            Topic::RecordingStop
        ]
    );
    assert_eq!(
        bench.recorder.delete(stem, "ada").await.unwrap(),
        Deletion::Done
    );
}

#[tokio::test]
async fn a_start_that_fails_leaves_nothing_behind_and_can_be_tried_again() {
    let dir = std::env::temp_dir().join(format!("recorder-{}", uuid::Uuid::new_v4()));
    let bench = Bench::at(dir, true, None);
    for _ in 0..2 {
        let order = Order {
            device: "camera0".to_owned(),
            name: None,
            duration: None,
            format: Format::Fmp4,
            lead: Duration::ZERO,
            origin: Origin::Call,
        };
        bench.recorder.start(order).await.unwrap_err();
    }
    assert!(bench.media.wished("camera0").unwrap().record.is_none());
    assert_eq!(
        bench.recorder.stop("camera0").await.unwrap(),
        Stop::Idle { state: "IDLE" }
    );
    assert_eq!(
        bench.hears(Topic::RecordingError).await.data["status"],
        "FAILED"
    );
    let told = bench.hears(Topic::MediamtxRecordingFailed).await;
    assert_eq!(told.data["name"], "camera0");
    assert!(told.data["reason"].is_string(), "{told:?}");
}

#[tokio::test]
async fn a_full_medium_is_said_before_anything_is_begun() {
    let dir = std::env::temp_dir().join(format!("recorder-{}", uuid::Uuid::new_v4()));
    let bench = Bench::at(dir, false, Some("it is full"));
    assert_eq!(
        bench.start("camera0", "").await,
        Start::Full("it is full".to_owned())
    );
    assert!(bench.media.wished("camera0").is_none());
}

#[tokio::test]
async fn an_interrupted_recording_goes_on_in_a_further_file_and_both_are_counted() {
    let bench = Bench::new();
    bench.run();
    bench.start("camera0", "night").await;
    bench.media.close("camera0");
    bench.media.begin("camera0", 7);
    let hole = bench.hears(Topic::RecordingError).await;
    assert!(
        hole.data["reason"].as_str().unwrap().contains("night-2"),
        "{hole:?}"
    );
    assert_eq!(
        bench
            .recorder
            .delete("night".parse().unwrap(), "ada")
            .await
            .unwrap(),
        Deletion::Running
    );
    let stopped = bench.stopped("camera0").await;
    assert_eq!(
        (stopped.files.len(), stopped.duration),
        (2, Duration::from_secs(3))
    );
    assert_eq!(bench.files("camera0"), ["night-2.mp4", "night.mp4"]);
}

#[tokio::test]
async fn a_fragment_that_was_not_written_to_its_end_is_cut_off_before_the_stop_is_answered() {
    let bench = Bench::new();
    bench.run();
    bench.start("camera0", "night").await;
    let path = bench.media.root.join("camera0/night.mp4");
    let whole = path.metadata().unwrap().len();
    bench.media.tear("camera0", 100);
    let stopped = bench.stopped("camera0").await;
    assert_eq!(stopped.duration, Duration::from_secs(1));
    assert_eq!(path.metadata().unwrap().len(), whole);
    let told = bench.hears(Topic::RecordingError).await;
    assert!(
        told.data["reason"].as_str().unwrap().contains("100 bytes"),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_ran_when_the_service_died_goes_on_and_a_nameless_file_gets_a_name() {
    let bench = Bench::new();
    bench.start("camera0", "night").await;
    let dir = bench.dir.clone();
    bench.media.begin("camera1", 3);
    let again = Bench::at(dir, false, None);
    again.run();
    // MediaMTX has begun a new file, which belongs to the recording.
    again.hears(Topic::RecordingError).await;
    assert_eq!(again.files("camera0"), ["night-2.mp4", "night.mp4"]);
    assert_eq!(again.files("camera1"), ["camera1_2026-09-21_14-13-23.mp4"]);
    assert_eq!(again.stopped("camera0").await.files.len(), 2);
}

#[tokio::test]
async fn a_damaged_note_keeps_nobody_from_recording() {
    let dir = std::env::temp_dir().join(format!("recorder-{}", uuid::Uuid::new_v4()));
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("note.json"), "[{\"device\":").unwrap();
    let bench = Bench::at(dir, false, None);
    bench.run();
    assert!(matches!(
        bench.start("camera0", "a").await,
        Start::Started(_)
    ));
    bench.stopped("camera0").await;
}

#[tokio::test]
async fn the_recording_of_a_stream_that_was_removed_ends_by_itself() {
    let bench = Bench::new();
    bench.run();
    bench.start("drone", "flight").await;
    bench.media.forget("drone");
    let told = bench.hears(Topic::RecordingStop).await;
    assert_eq!(
        (told.device.as_deref(), &told.data["filename"]),
        (Some("drone"), &"flight".into())
    );
    assert_eq!(
        bench.recorder.stop("drone").await.unwrap(),
        Stop::Idle { state: "IDLE" }
    );
}

#[tokio::test]
async fn a_file_that_a_start_is_waiting_for_is_nobodys_orphan() {
    let bench = Bench::new();
    bench.recorder.ledger().begin("camera0").unwrap();
    bench.media.begin("camera0", 0);
    bench.recorder.adopt_orphans("camera0", false).await;
    let none: [&str; 0] = [];
    assert_eq!(bench.files("camera0"), none);
    bench.recorder.ledger().remove("camera0");
    bench.recorder.adopt_orphans("camera0", false).await;
    assert_eq!(bench.files("camera0").len(), 1);
}

#[tokio::test]
async fn what_cannot_be_made_plain_stays_as_it_was_and_that_is_said() {
    let bench = Bench::new();
    let order = Order {
        device: "camera0".to_owned(),
        name: "night".parse().ok(),
        duration: None,
        format: Format::Mp4,
        lead: Duration::ZERO,
        origin: Origin::Call,
    };
    // The stand-in's files do not say what their pictures are.
    bench.recorder.start(order).await.unwrap();
    let stopped = bench.stopped("camera0").await;
    assert_eq!((stopped.format, stopped.finalising), (Format::Fmp4, false));
    assert_eq!(stopped.duration, Duration::from_secs(2));
    assert_eq!(bench.files("camera0"), ["night.mp4"]);
    let told = bench.hears(Topic::RecordingError).await;
    assert_eq!(
        (&told.data["filename"], &told.data["status"]),
        (&"night".into(), &"ERROR".into())
    );
    assert_eq!(bench.note(), "[]", "it is not tried for ever");
}

#[tokio::test]
async fn a_plain_file_that_takes_long_keeps_neither_the_answer_nor_the_camera() {
    let bench = Bench::new();
    // Another one is being made.
    let long = bench.recorder.0.finalising.lock().await;
    let order = Order {
        device: "camera0".to_owned(),
        name: "night".parse().ok(),
        duration: None,
        format: Format::Mp4,
        lead: Duration::ZERO,
        origin: Origin::Call,
    };
    bench.recorder.start(order).await.unwrap();
    let asked = clock::mono();
    let stopped = bench.stopped("camera0").await;
    assert!(clock::mono().since(asked) < Duration::from_secs(8));
    assert_eq!((stopped.format, stopped.finalising), (Format::Fmp4, true));
    let stem: Stem = "night".parse().unwrap();
    assert_eq!(
        bench.recorder.delete(stem.clone(), "ada").await.unwrap(),
        Deletion::Running
    );
    assert!(bench.note().contains("\"ended\": true"));
    assert!(matches!(
        bench.start("camera0", "day").await,
        Start::Started(_)
    ));
    drop(long);
    // The stand-in's file cannot be made plain: what matters is that it is tried now.
    let told = bench.hears(Topic::RecordingError).await;
    assert_eq!(told.data["filename"], "night");
    let begin = clock::mono();
    while bench.note().contains("night") {
        assert!(clock::mono().since(begin) < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        bench.recorder.delete(stem, "ada").await.unwrap(),
        Deletion::Done
    );
}

#[tokio::test]
async fn what_was_not_plain_when_the_service_died_is_made_plain_after_the_next_start() {
    let dir = std::env::temp_dir().join(format!("recorder-{}", uuid::Uuid::new_v4()));
    let folder = dir.join("recordings/camera0");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("night.mp4");
    fs::write(&path, closed()).unwrap();
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    let note =
        r#"[{"device":"camera0","files":["night"],"start_nanos":0,"plain":true,"ended":true}]"#;
    fs::write(dir.join("note.json"), note).unwrap();
    let bench = Bench::at(dir, false, None);
    let stem: Stem = "night".parse().unwrap();
    assert_eq!(
        bench.recorder.delete(stem.clone(), "ada").await.unwrap(),
        Deletion::Running
    );
    bench.run();
    let begin = clock::mono();
    while bench.note() != "[]" {
        assert!(clock::mono().since(begin) < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(4).any(|w| w == b"moof"));
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
    assert_eq!(bench.files("camera0"), ["night.mp4"]);
    assert_eq!(
        bench.recorder.delete(stem, "ada").await.unwrap(),
        Deletion::Done
    );
}

#[test]
fn a_service_that_ends_leaves_the_file_as_it_was() {
    let bench = std::env::temp_dir().join(format!("recorder-{}", uuid::Uuid::new_v4()));
    fs::create_dir_all(&bench).unwrap();
    let path = bench.join("a.mp4");
    fs::write(&path, closed()).unwrap();
    let made = |halt| plain::io::finalise(&path, &AtomicBool::new(halt)).unwrap();
    assert_eq!(made(true), plain::io::Made::Halted);
    assert_eq!(fs::read(&path).unwrap(), closed());
    assert_eq!(names(&bench), ["a.mp4"]);
    assert_eq!(made(false), plain::io::Made::Plain);
    assert_ne!(fs::read(&path).unwrap(), closed());
    fs::remove_dir_all(bench).unwrap();
}

#[tokio::test]
async fn what_a_mode_records_is_rolled_into_recordings_of_their_own_beside_what_somebody_asked_for()
{
    let bench = Bench::new();
    bench.run();
    let order = |origin| Order {
        device: "camera0".to_owned(),
        name: None,
        duration: None,
        format: Format::Fmp4,
        lead: Duration::ZERO,
        origin,
    };
    let begun = bench.recorder.start(order(Origin::Mode)).await.unwrap();
    let Start::Started(first) = begun else {
        panic!("{begun:?}")
    };
    assert_eq!(
        bench
            .media
            .wished("camera0")
            .unwrap()
            .record
            .unwrap()
            .segment,
        Duration::from_secs(600)
    );
    assert_eq!(bench.recorder.state("camera0"), None, "nobody asked for it");
    assert_eq!(
        bench.recorder.stop("camera0").await.unwrap(),
        Stop::Idle { state: "IDLE" }
    );
    assert!(bench.recorder.is_running(&first.stem));

    // MediaMTX goes on in another file, whose first picture comes right after the last one's.
    bench.media.close("camera0");
    bench.media.begin("camera0", 1);
    let ended = bench.hears(Topic::RecordingStop).await;
    assert_eq!(ended.data["filename"], first.stem.as_str());
    assert_eq!(ended.data["duration"], 1.0);
    assert!(!bench.recorder.is_running(&first.stem));
    let second: Stem = "camera0_2026-09-21_14-13-21".parse().unwrap();
    assert!(bench.recorder.is_running(&second));
    let note = bench.note();
    assert!(
        note.contains(second.as_str()) && !note.contains(first.stem.as_str()),
        "{note}"
    );
    let again = Ledger::from_text(&note, clock::now(), "").unwrap();
    assert!(
        again.is_by_mode("camera0"),
        "a restart would take it for somebody's"
    );

    // Somebody asks for one beside it, from the second track into the same folder.
    let asked = bench.start("camera0", "asked").await;
    assert!(matches!(asked, Start::Started(_)), "{asked:?}");
    assert_eq!(bench.recorder.state("camera0"), Some("RECORDING"));
    assert!(
        bench
            .media
            .wished("event-camera0")
            .unwrap()
            .record
            .is_some()
    );
    assert_eq!(bench.stopped("camera0").await.stem.as_str(), "asked");
    assert_eq!(bench.recorder.state("camera0"), None);
    assert!(bench.recorder.is_running(&second));

    // This one begins three seconds later than the one before it ended.
    bench.media.close("camera0");
    bench.media.begin("camera0", 5);
    let begin = clock::mono();
    let hole = |event: &Event| {
        let reason = event.data.get("reason").and_then(Value::as_str);
        event.topic == Topic::RecordingError
            && reason.is_some_and(|reason| reason.contains("3.0 s are missing"))
    };
    // On a busy machine the stand-in also stands still for so long that it is told.
    while !bench.heard.lock().unwrap().iter().any(hole) {
        assert!(clock::mono().since(begin) < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.recorder.end_by_mode("camera0");
    let begin = clock::mono();
    while bench.note() != "[]" {
        assert!(clock::mono().since(begin) < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(bench.files("camera0").len(), 4);
    assert!(bench.files("event-camera0").is_empty());
}
