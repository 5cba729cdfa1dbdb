//! Off-site copy against a real S3 server. Needs its binary (`tools/s3`), and MediaMTX's for the whole service.
#![allow(clippy::unwrap_used)]

#[path = "../support/caller.rs"]
mod caller;
mod s3;
mod service;
#[allow(dead_code, reason = "shared with the demo's own scenarios")]
#[path = "../demo/stage.rs"]
mod stage;
#[allow(dead_code, reason = "every scenario uses its part")]
#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use camera_service::clock;
use camera_service::events::bus::Bus;
use camera_service::events::{Announce, Event};
use camera_service::offsite::io::{Copier, Parts};
use camera_service::offsite::{Id, Offsite, Report, Settings, Stand, State};
use camera_service::recording::Running;
use camera_service::storage::Storage;
use camera_service::storage::io::{Parts as WardenParts, Warden};
use camera_service::storage::medium::lookout::io::Lookout;
use camera_service::storage::names::Stem;
use camera_service::storage::note::io::Paper;
use camera_service::storage::quota::{Kind, Limits};
use camera_service::storage::shelf::Shelf;
use camera_service::storage::shelf::io::Folder;
use camera_service::storage::trust::io as trust;
use camera_service::system::alarms::About;
use s3::{BUCKET, KEY, SECRET, Server};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// No story waits longer than this for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a request to put parts together takes, and more.
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const PART: u64 = 5 * MIB;

/// A box with a medium, and no more of the service than a copy needs.
struct Camera {
    dir: PathBuf,
    recordings: Arc<Folder>,
    snapshots: Arc<Folder>,
    running: Arc<Running>,
    warden: Warden,
    bus: Arc<Bus>,
    heard: Arc<Mutex<Vec<Event>>>,
}

/// A copier at work.
struct Work {
    copier: Copier,
    stop: watch::Sender<bool>,
    done: JoinHandle<()>,
}

impl Camera {
    fn new(quota: Limits, block_percent: u32) -> Self {
        let dir = std::env::temp_dir().join(format!("offsite-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&dir).unwrap();
        let recordings = Arc::new(Folder::new(dir.join("recordings"), "mp4"));
        let snapshots = Arc::new(Folder::new(dir.join("snapshots"), "jpg"));
        let running = Arc::new(Running::default());
        let bus = Arc::new(Bus::default());
        let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
        let ear = Arc::clone(&heard);
        bus.listen(Box::new(move |event| {
            ear.lock().unwrap().push((**event).clone())
        }));
        let warden = Warden::new(WardenParts {
            recordings: Arc::clone(&recordings) as _,
            snapshots: Arc::clone(&snapshots) as _,
            protect: Arc::clone(&running) as _,
            note: Box::new(Paper::new(dir.join("retention.json"))),
            warn_percent: block_percent,
            block_percent,
            quota,
            eyes: Box::new(trust::sight),
            length: Box::new(|_| None),
            events: Arc::clone(&bus) as Arc<dyn Announce>,
            lookout: Arc::new(Lookout::plain(&dir.join("recordings"))),
        });
        Self {
            dir,
            recordings,
            snapshots,
            running,
            warden,
            bus,
            heard,
        }
    }

    fn plain() -> Self {
        Self::new(Limits::default(), 100)
    }

    /// A file that was finished a while ago, of bytes that tell every place in it apart.
    fn file(&self, kind: Kind, name: &str, size: u64, ago: u64) -> Vec<u8> {
        let (folder, extension) = match kind {
            Kind::Recording => ("recordings", "mp4"),
            Kind::Snapshot => ("snapshots", "jpg"),
        };
        let folder = self.dir.join(folder).join("camera0");
        fs::create_dir_all(&folder).unwrap();
        let mut state = size ^ 0x9e37_79b9_7f4a_7c15;
        let bytes: Vec<u8> = (0..size)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[3]
            })
            .collect();
        let path = folder.join(format!("{name}.{extension}"));
        fs::write(&path, &bytes).unwrap();
        let now = Duration::from_nanos(clock::wall().as_nanos());
        let when = UNIX_EPOCH + now - Duration::from_secs(ago);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(when).unwrap();
        bytes
    }

    fn key(&self, secret: &str) -> PathBuf {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.dir.join("store-key");
        let _ = fs::remove_file(&path);
        let text = format!("aws_access_key_id = {KEY}\naws_secret_access_key = {secret}\n");
        let mut file = File::options();
        let mut file = file
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        path
    }

    fn settings(&self, endpoint: String) -> Settings {
        let mut offsite = camera_service::config::Config::default().offsite;
        offsite.bucket = BUCKET.to_owned();
        offsite.endpoint = endpoint;
        offsite.prefix = "barn".to_owned();
        offsite.key_file = self.key(SECRET);
        offsite.settings().unwrap()
    }

    /// Begins to copy, as a start of the service does.
    fn copy(&self, settings: Settings) -> Work {
        let copier = Copier::new(
            settings,
            Parts {
                recordings: Arc::clone(&self.recordings) as _,
                snapshots: Arc::clone(&self.snapshots) as _,
                protect: Arc::clone(&self.running) as _,
                storage: Arc::new(self.warden.clone()),
                events: Arc::clone(&self.bus) as _,
                data_dir: self.dir.clone(),
            },
        );
        let (stop, stopping) = watch::channel(false);
        let (_, mended) = watch::channel(true);
        let run = copier.clone().run(mended, stopping);
        let done = tokio::spawn(async move { run.await.unwrap() });
        Work { copier, stop, done }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Work {
    fn report(&self) -> Report {
        self.copier.report().unwrap()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Report) -> bool) -> Report {
        let begun = clock::mono();
        loop {
            let report = self.report();
            if holds(&report) {
                return report;
            }
            assert!(
                clock::mono().since(begun) < PATIENCE,
                "not {what}: {report:#?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// So many files have their copies.
    async fn copied(&self, files: u64) -> Report {
        self.until("copied", |r| r.copied >= files && r.state == State::Idle)
            .await
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        tokio::time::timeout(PATIENCE, self.done)
            .await
            .unwrap()
            .unwrap();
    }
}

fn id(kind: Kind, name: &str) -> Id {
    (kind, name.parse::<Stem>().unwrap())
}

fn stored(report: &Report) -> u64 {
    report.current.as_ref().map_or(0, |current| current.stored)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_finished_arrives_byte_for_byte_and_what_runs_does_not() {
    let server = Server::running().await;
    let camera = Camera::plain();
    let party = camera.file(Kind::Recording, "party", 12 * MIB + 345, 90);
    let small = camera.file(Kind::Recording, "small", 4567, 80);
    let empty = camera.file(Kind::Recording, "empty", 0, 75);
    let still = camera.file(Kind::Snapshot, "party", 89_000, 70);
    let film = camera.file(Kind::Recording, "film", 999, 60);
    let film_stem: Stem = "film".parse().unwrap();
    camera.running.set([film_stem].into());
    let work = camera.copy(camera.settings(server.endpoint()));
    let report = work.copied(4).await;
    assert_eq!(
        server.object("barn/recordings/camera0/party.mp4").as_ref(),
        Some(&party)
    );
    assert_eq!(
        server.object("barn/recordings/camera0/small.mp4").as_ref(),
        Some(&small)
    );
    assert_eq!(
        server.object("barn/recordings/camera0/empty.mp4").as_ref(),
        Some(&empty)
    );
    assert_eq!(
        server.object("barn/snapshots/camera0/party.jpg").as_ref(),
        Some(&still)
    );
    assert_eq!(server.object("barn/recordings/camera0/film.mp4"), None);
    let all = party.len() + small.len() + still.len();
    let more = report.sent_bytes - all as u64;
    assert!(more < KIB, "nothing is sent twice: {more}");
    assert_eq!(
        work.copier.stand(&id(Kind::Recording, "party")),
        Stand::Copied
    );
    assert_eq!(
        work.copier.stand(&id(Kind::Recording, "film")),
        Stand::Waiting
    );
    // It ends: nobody has to say so.
    camera.running.set([].into());
    work.copied(5).await;
    assert_eq!(
        server.object("barn/recordings/camera0/film.mp4"),
        Some(film)
    );
    work.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_record_costs_questions_and_no_uploads() {
    let server = Server::running().await;
    let camera = Camera::plain();
    camera.file(Kind::Recording, "long", 6 * MIB, 90);
    camera.file(Kind::Recording, "short", 500, 80);
    let settings = camera.settings(server.endpoint());
    let work = camera.copy(settings.clone());
    work.copied(2).await;
    work.stop().await;
    // With its record, a new start asks nothing.
    let work = camera.copy(settings.clone());
    work.until("looked", |r| r.state == State::Idle).await;
    assert_eq!(
        work.copier.stand(&id(Kind::Recording, "long")),
        Stand::Copied
    );
    work.stop().await;
    fs::remove_dir_all(camera.dir.join("offsite")).unwrap();
    let work = camera.copy(settings);
    let report = work.copied(2).await;
    assert_eq!(report.sent_bytes, 0, "the store has them");
    work.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_killed_in_the_middle_gets_the_rest_and_not_the_whole_again() {
    let mut server = Server::running().await;
    let camera = Camera::plain();
    let size = 27 * MIB + 17;
    let film = camera.file(Kind::Recording, "film", size, 90);
    let mut settings = camera.settings(server.endpoint());
    settings.rate = Some(8 * MIB);
    let work = camera.copy(settings);
    work.until("two parts", |r| stored(r) >= 2 * PART).await;
    server.kill();
    let report = work.until("retrying", |r| r.state == State::Retrying).await;
    let trouble = report.trouble.unwrap();
    assert_eq!(trouble.cause.word, "unreachable");
    assert!(trouble.cause.action.contains("network"));
    assert!(report.next_try.is_some());
    server.start().await;
    let report = work.copied(1).await;
    assert_eq!(
        server.object("barn/recordings/camera0/film.mp4"),
        Some(film)
    );
    assert!(
        report.sent_bytes <= size + PART + KIB,
        "{} bytes were sent for {size}",
        report.sent_bytes
    );
    assert!(!report.trouble.unwrap().lasts);
    work.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_killed_in_the_middle_goes_on_where_it_was() {
    let server = Server::running().await;
    let camera = Camera::plain();
    let size = 22 * MIB;
    let film = camera.file(Kind::Recording, "film", size, 90);
    // Older, and so first; but what has begun is finished before.
    let mut settings = camera.settings(server.endpoint());
    settings.rate = Some(8 * MIB);
    let work = camera.copy(settings.clone());
    let before = work.until("two parts", |r| stored(r) >= 2 * PART).await;
    // A task that is dropped writes nothing more, as a killed process.
    work.done.abort();
    let _ = work.done.await;
    camera.file(Kind::Recording, "older", 700, 900);
    let work = camera.copy(settings);
    let report = work.copied(2).await;
    assert_eq!(
        server.object("barn/recordings/camera0/film.mp4"),
        Some(film)
    );
    assert!(
        report.sent_bytes <= size - stored(&before) + 700 + KIB,
        "{} bytes were sent after the start",
        report.sent_bytes
    );
    assert!(server.files(".upload").is_empty(), "no upload stays behind");
    work.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_the_store_forgot_begins_anew() {
    let mut server = Server::running().await;
    let camera = Camera::plain();
    let film = camera.file(Kind::Recording, "film", 12 * MIB, 90);
    let mut settings = camera.settings(server.endpoint());
    settings.rate = Some(8 * MIB);
    let work = camera.copy(settings.clone());
    work.until("a part", |r| stored(r) >= PART).await;
    work.stop().await;
    server.kill();
    // A store that lost everything, the upload among it.
    fs::remove_dir_all(&server.root).unwrap();
    fs::create_dir_all(server.root.join(BUCKET)).unwrap();
    server.start().await;
    settings.rate = None;
    let work = camera.copy(settings);
    work.copied(1).await;
    assert_eq!(
        server.object("barn/recordings/camera0/film.mp4"),
        Some(film)
    );
    work.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_said_with_what_to_do_and_not_tried_in_a_loop() {
    let server = Server::running().await;
    let camera = Camera::plain();
    camera.file(Kind::Recording, "film", 1000, 90);
    let settings = camera.settings(server.endpoint());
    camera.key("wrong");
    let work = camera.copy(settings);
    let report = work.until("refused", |r| r.state == State::Refused).await;
    let cause = report.trouble.unwrap().cause;
    assert_eq!(cause.word, "credentials_refused", "{cause:?}");
    assert!(cause.action.contains("offsite.key_file"));
    assert_eq!(work.copier.alarms()[0].about, About::OffsiteFailing);
    let event = camera.heard.lock().unwrap()[0].clone();
    assert_eq!(event.data["component"], "offsite");
    assert_eq!(event.data["code"], "credentials_refused");
    // A few rounds later it is still the one attempt.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let report = work.report();
    assert_eq!(report.failures, 1);
    assert!(report.next_try.is_some());
    assert_eq!(camera.heard.lock().unwrap().len(), 1, "it is told once");
    let told = format!("{report:?}{:?}", camera.heard.lock().unwrap());
    assert!(!told.contains(SECRET) && !told.contains("wrong"), "{told}");
    // Mended, it goes on at once.
    camera.key(SECRET);
    work.copied(1).await;
    assert!(work.copier.alarms().is_empty());
    work.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_others_may_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let camera = Camera::plain();
    camera.file(Kind::Recording, "film", 1000, 90);
    let settings = camera.settings("http://127.0.0.1:1".to_owned());
    let file = camera.dir.join("store-key");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let work = camera.copy(settings);
    let report = work.until("refused", |r| r.state == State::Refused).await;
    let cause = report.trouble.unwrap().cause;
    assert_eq!(cause.word, "credentials_missing");
    assert!(cause.what.contains("chmod 600"), "{}", cause.what);
    work.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_goes_in_a_second_than_may() {
    let server = Server::running().await;
    let camera = Camera::plain();
    let size = 8 * MIB;
    camera.file(Kind::Recording, "film", size, 90);
    let mut settings = camera.settings(server.endpoint());
    settings.rate = Some(2 * MIB);
    let work = camera.copy(settings);
    work.until("begun", |r| r.sent_bytes > 0).await;
    let begun = clock::mono();
    let from = work.report().sent_bytes;
    let report = work.copied(1).await;
    let took = clock::mono().since(begun).as_secs_f64();
    let sent = (report.sent_bytes - from) as f64;
    assert!(
        sent <= (took + 0.5) * 2.0 * MIB as f64,
        "{sent} bytes in {took} s"
    );
    assert!(took > 3.0, "{took} s");
    work.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_content_of_that_name_is_never_overwritten() {
    let server = Server::running().await;
    let camera = Camera::plain();
    let first = camera.file(Kind::Recording, "party", 700, 90);
    let settings = camera.settings(server.endpoint());
    let work = camera.copy(settings.clone());
    work.copied(1).await;
    work.stop().await;
    // The medium was replaced, and the name comes again.
    let second = camera.file(Kind::Recording, "party", 800, 50);
    let work = camera.copy(settings);
    work.copied(1).await;
    assert_eq!(
        server.object("barn/recordings/camera0/party.mp4"),
        Some(first)
    );
    let digest = Sha256::digest(&second);
    let name = format!("party.{}", &data_encoding::HEXLOWER.encode(&digest)[..16]);
    assert_eq!(
        server.object(&format!("barn/recordings/camera0/{name}.mp4")),
        Some(second)
    );
    work.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_waits_for_the_copy() {
    let mut server = Server::new();
    let quota = Limits {
        bytes: Some(1),
        ..Limits::default()
    };
    let camera = Camera::new(quota, 100);
    camera.file(Kind::Recording, "film", 1000, 90);
    camera.file(Kind::Recording, "party", 2000, 80);
    let work = camera.copy(camera.settings(server.endpoint()));
    camera.warden.wait_for(Arc::new(work.copier.clone()));
    work.until("retrying", |r| r.state == State::Retrying).await;
    let cleaned = camera.warden.clean().await.unwrap();
    assert_eq!(cleaned.files, 0, "{}", cleaned.message);
    assert!(
        cleaned.message.contains("off-site copy"),
        "{}",
        cleaned.message
    );
    server.start().await;
    work.copied(2).await;
    let cleaned = camera.warden.clean().await.unwrap();
    assert_eq!(cleaned.files, 2, "{}", cleaned.message);
    assert_eq!(work.report().shed, 0);
    work.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_for_ever_does_not_fill_the_medium() {
    // From 1 % on the medium counts as full: it is, whatever machine this runs on.
    let quota = Limits {
        bytes: Some(2500),
        ..Limits::default()
    };
    let camera = Camera::new(quota, 1);
    camera.file(Kind::Recording, "old", 1000, 90);
    camera.file(Kind::Recording, "mid", 1000, 80);
    camera.file(Kind::Recording, "new", 1000, 70);
    let work = camera.copy(camera.settings("http://127.0.0.1:1".to_owned()));
    camera.warden.wait_for(Arc::new(work.copier.clone()));
    work.until("retrying", |r| r.state == State::Retrying).await;
    let cleaned = camera.warden.clean().await.unwrap();
    assert_eq!(cleaned.files, 1, "{}", cleaned.message);
    assert!(
        camera
            .recordings
            .find(&"old".parse().unwrap())
            .unwrap()
            .is_none()
    );
    assert_eq!(work.report().shed, 1);
    let alarms = work.copier.alarms();
    assert!(alarms.iter().any(|alarm| alarm.about == About::OffsiteShed));
    let heard = camera.heard.lock().unwrap().clone();
    assert!(
        heard
            .iter()
            .any(|event| event.data.get("code") == Some(&"offsite_shed".into()))
    );
    work.stop().await;
}
