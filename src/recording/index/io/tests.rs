//! The index as whoever asks for recordings meets it, with a folder that others change behind its back.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::recording::EXTENSION;
use crate::recording::Running;
use crate::recording::examine::tests::{recording, video_head};
use crate::recording::fmp4::tests::fragment;
use crate::recording::index::db::io::file;
use crate::storage::quota::Why;
use crate::storage::shelf::io::Folder;
use crate::storage::shelf::sort;

const ALL: Page = Page {
    limit: usize::MAX,
    offset: 0,
};
/// How long a machine may take that stands still meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// A medium, and the service that comes and goes.
struct Medium {
    root: PathBuf,
    running: Arc<Running>,
    index: Index,
    worker: Option<Worker>,
}

impl Medium {
    fn new() -> Self {
        let root = std::env::temp_dir().join(format!("index-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(root.join("camera0")).unwrap();
        let (running, index) = service(&root);
        Self {
            root,
            running,
            index,
            worker: None,
        }
    }

    /// The service starts, and has compared and examined all.
    fn start(&mut self) -> &Self {
        (self.running, self.index) = service(&self.root);
        let index = self.index.clone();
        let work = move |stop: Stop| index.look_after(&stop);
        self.worker = Some(Worker::spawn("index", work).unwrap());
        self.settle();
        self
    }

    /// It ends.
    fn stop(&mut self) {
        self.worker = None;
    }

    fn settle(&self) {
        let begin = clock::mono();
        while !self.index.is_complete() {
            assert!(clock::mono().since(begin) < PATIENCE, "it is not indexed");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    fn list(&self) -> Arc<Inventory> {
        self.index.list(ALL).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let all = self.list();
        let name = |i: &Item| format!("{}/{}", i.entry.device, i.entry.stem);
        let mut names: Vec<String> = all.files.iter().map(name).collect();
        assert_eq!(names.len(), all.total);
        names.sort();
        names
    }

    /// What lies there and what each file is, without any index.
    fn truth(&self) -> Vec<Item> {
        let mut all = Folder::new(self.root.clone(), EXTENSION).all().unwrap();
        sort(&mut all);
        let item = |entry: Entry| Item {
            facts: Some(examine_at(&entry.path)),
            entry,
        };
        all.into_iter().map(item).collect()
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        self.worker = None;
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn service(root: &Path) -> (Arc<Running>, Index) {
    let running = Arc::new(Running::default());
    let shelf = Arc::new(Folder::new(root.to_owned(), EXTENSION));
    let index = Index::new(shelf, Arc::clone(&running) as _);
    (running, index)
}

/// Gives a file a time of its own, so that the order of a list is certain.
fn written_at(path: &Path, second: u64) {
    let file = OpenOptions::new().append(true).open(path).unwrap();
    let at = std::time::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + second);
    file.set_modified(at).unwrap();
}

fn a_few(medium: &Medium) {
    for (seconds, name) in (1_u32..).zip(["camera0/a.mp4", "camera0/b.mp4", "camera1/c.mp4"]) {
        medium.put(name, &recording(seconds));
        written_at(&medium.path(name), u64::from(seconds));
    }
    medium.put("camera1/empty.mp4", b"");
    medium.put("camera1/noise.mp4", &[0x5a; 3000]);
    medium.put("camera1/torn.mp4", &recording(3)[..1400]);
}

#[test]
fn a_list_tells_what_each_file_is_and_a_bad_one_is_flagged_and_hides_none() {
    let mut medium = Medium::new();
    a_few(&medium);
    medium.start();
    assert_eq!(medium.list().files, medium.truth());
    let of = |name: &str| {
        let all = medium.list();
        let mut found = all.files.iter().filter(|i| i.entry.stem.as_str() == name);
        found.next().unwrap().facts.clone().unwrap()
    };
    assert_eq!(of("c").duration, Duration::from_secs(3));
    assert!(of("empty").unplayable && of("noise").unplayable && of("torn").torn);
    assert!(!of("torn").unplayable);
}

#[test]
fn a_second_start_examines_nothing_that_is_as_it_was() {
    let mut medium = Medium::new();
    a_few(&medium);
    medium.start();
    medium.stop();
    // Whoever examined it again would find this.
    let path = medium.path("camera0/a.mp4");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0; 100], 0).unwrap();
    file.set_modified(before).unwrap();
    drop(file);
    medium.start();
    let found = medium.index.find(&"a".parse().unwrap()).unwrap().unwrap();
    assert_eq!(found.facts.unwrap().duration, Duration::from_secs(1));
}

#[test]
fn before_the_index_is_there_the_folder_answers() {
    let medium = Medium::new();
    a_few(&medium);
    let mut truth = medium.truth();
    for item in &mut truth {
        item.facts = None;
    }
    assert_eq!(medium.list().files, truth);
    assert!(medium.index.find(&"a".parse().unwrap()).unwrap().is_some());
    assert!(!medium.index.is_complete());
}

#[test]
fn what_others_do_in_the_folder_is_seen_at_once() {
    let mut medium = Medium::new();
    a_few(&medium);
    medium.start();
    let bad = ["camera1/empty", "camera1/noise", "camera1/torn"];
    let expect = |there: &[&str]| {
        let mut all: Vec<&str> = there.iter().chain(&bad).copied().collect();
        all.sort_unstable();
        assert_eq!(medium.names(), all);
    };
    fs::copy(
        medium.path("camera0/a.mp4"),
        medium.path("camera0/copy.mp4"),
    )
    .unwrap();
    expect(&["camera0/a", "camera0/b", "camera0/copy", "camera1/c"]);
    fs::rename(
        medium.path("camera0/a.mp4"),
        medium.path("camera1/moved.mp4"),
    )
    .unwrap();
    expect(&["camera0/b", "camera0/copy", "camera1/c", "camera1/moved"]);
    fs::remove_file(medium.path("camera0/b.mp4")).unwrap();
    fs::rename(
        medium.path("camera0/copy.mp4"),
        medium.path("camera1/c.mp4"),
    )
    .unwrap();
    expect(&["camera1/c", "camera1/moved"]);
    medium.put("drone/new.mp4", &recording(1));
    expect(&["camera1/c", "camera1/moved", "drone/new"]);
    fs::rename(medium.path("drone"), medium.path("kite")).unwrap();
    expect(&["camera1/c", "camera1/moved", "kite/new"]);
    medium.put("kite/newer.mp4", &recording(1));
    expect(&["camera1/c", "camera1/moved", "kite/new", "kite/newer"]);
    fs::remove_dir_all(medium.path("kite")).unwrap();
    medium.put(".recording/camera0/hidden.mp4", &recording(1));
    medium.put("camera0/.unfinished-1", b"x");
    std::os::unix::fs::symlink("/etc/passwd", medium.path("camera0/secret.mp4")).unwrap();
    fs::create_dir(medium.path("camera0/folder.mp4")).unwrap();
    expect(&["camera1/c", "camera1/moved"]);
    medium.settle();
    assert_eq!(medium.list().files, medium.truth());
}

#[test]
fn what_happened_while_the_service_was_away_is_seen_after_its_start() {
    let mut medium = Medium::new();
    a_few(&medium);
    medium.start();
    medium.stop();
    fs::remove_file(medium.path("camera0/a.mp4")).unwrap();
    fs::rename(medium.path("camera0/b.mp4"), medium.path("camera0/z.mp4")).unwrap();
    medium.put("camera1/c.mp4", &recording(9));
    medium.put("drone/new.mp4", &recording(2));
    medium.start();
    assert_eq!(medium.list().files, medium.truth());
}

#[test]
fn a_recording_that_grows_has_its_size_of_now_and_is_examined_when_it_is_done() {
    let mut medium = Medium::new();
    medium.start();
    let stem: Stem = "live".parse().unwrap();
    medium.running.set([stem.clone()].into());
    let path = medium.path("camera0/live.mp4");
    let mut pen = File::create(&path).unwrap();
    let mut length = 0;
    for part in [
        video_head(0),
        fragment(0, &[3000; 30]),
        fragment(90_000, &[3000; 30]),
    ] {
        pen.write_all(&part).unwrap();
        length += part.len() as u64;
        let item = medium.list().files[0].clone();
        assert_eq!((item.entry.size, item.facts), (length, None));
    }
    drop(pen);
    medium.running.set([].into());
    medium.settle();
    let facts = medium.list().files[0].facts.clone().unwrap();
    assert_eq!(
        (facts.duration, facts.torn),
        (Duration::from_secs(2), false)
    );
}

#[test]
fn a_recording_whose_time_is_set_after_its_end_is_known_again() {
    let mut medium = Medium::new();
    medium.put("camera0/done.mp4", &recording(2));
    medium.start();
    medium.settle();
    let file = File::open(medium.path("camera0/done.mp4")).unwrap();
    let at = std::time::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    file.set_modified(at).unwrap();
    medium.list();
    medium.settle();
    let known = medium.list().files[0].clone();
    assert_eq!(known.entry.modified.as_secs(), 1_790_000_000);
    assert!(known.facts.is_some());
}

#[test]
fn what_grows_is_the_newest_and_is_not_written_down_for_it() {
    let mut medium = Medium::new();
    for number in 0..20 {
        let name = format!("camera0/r{number:02}.mp4");
        medium.put(&name, b"");
        written_at(&medium.path(&name), number);
    }
    medium.start();
    let mut pens: Vec<File> = ["camera0/r03.mp4", "camera0/r11.mp4"]
        .iter()
        .map(|name| {
            OpenOptions::new()
                .append(true)
                .open(medium.path(name))
                .unwrap()
        })
        .collect();
    let written = || {
        let wal = file(&medium.root).with_extension("sqlite3-wal");
        fs::read(wal).unwrap()
    };
    let before = written();
    for round in 0..10 {
        pens[round % 2].write_all(b"more").unwrap();
        let mut truth = Folder::new(medium.root.clone(), EXTENSION).all().unwrap();
        sort(&mut truth);
        for offset in [0, 1, 2, 5, 18] {
            let page = Page { limit: 3, offset };
            let part = medium.index.list(page).unwrap();
            let part: Vec<&Entry> = part.files.iter().map(|item| &item.entry).collect();
            let there: Vec<&Entry> = truth.iter().skip(offset).take(3).collect();
            assert_eq!(part, there, "round {round}, from {offset}");
        }
    }
    assert!(written() == before, "something was written down");
    pens.clear();
    medium.settle();
    assert!(written() != before);
    assert_eq!(medium.list().files, medium.truth());
}

#[test]
fn where_two_devices_have_a_name_the_first_is_meant_and_both_are_listed() {
    let mut medium = Medium::new();
    medium.put("camera1/same.mp4", &recording(2));
    medium.put("camera0/same.mp4", &recording(1));
    medium.start();
    assert_eq!(medium.names(), ["camera0/same", "camera1/same"]);
    let stem: Stem = "same".parse().unwrap();
    let device = || medium.index.find(&stem).unwrap().unwrap().entry.device;
    assert_eq!(device(), "camera0");
    let shelf = Folder::new(medium.root.clone(), EXTENSION);
    shelf.delete(&stem, Why::Asked).unwrap().unwrap();
    assert_eq!(device(), "camera1");
    assert_eq!(medium.names(), ["camera1/same"]);
}

#[test]
fn pages_put_together_are_the_whole_list_while_files_are_added() {
    let mut medium = Medium::new();
    for number in 0..1000 {
        let name = format!("camera{}/r{number:04}.mp4", number % 3);
        medium.put(&name, b"");
        // Two of each moment: then the name decides.
        written_at(&medium.path(&name), number / 2);
    }
    medium.start();
    let before = medium.truth();
    let before: Vec<&Entry> = before.iter().map(|item| &item.entry).collect();
    let (mut seen, mut added) = (Vec::new(), 0);
    loop {
        // What is added comes before all others and pushes them on.
        let page = Page {
            limit: 77,
            offset: seen.len() + added,
        };
        let part = medium.index.list(page).unwrap();
        assert_eq!(part.total, 1000 + added);
        if part.files.is_empty() {
            break;
        }
        seen.extend(part.files.iter().map(|item| item.entry.clone()));
        medium.put(&format!("camera0/added{added}.mp4"), b"");
        added += 1;
    }
    assert!(seen.iter().eq(before));
    assert!(added > 10);
}

#[test]
fn another_medium_in_the_place_of_the_folder_is_the_one_that_is_told() {
    let mut medium = Medium::new();
    a_few(&medium);
    medium.start();
    let away = medium.root.with_extension("away");
    fs::rename(&medium.root, &away).unwrap();
    assert_eq!(medium.names(), [""; 0]);
    medium.put("camera0/other.mp4", &recording(5));
    assert_eq!(medium.names(), ["camera0/other"]);
    medium.settle();
    assert_eq!(medium.list().files, medium.truth());
    // Each carries its own index.
    assert!(file(&away).exists() && file(&medium.root).exists());
    fs::remove_dir_all(&medium.root).unwrap();
    fs::rename(&away, &medium.root).unwrap();
    medium.settle();
    assert_eq!(medium.list().files, medium.truth());
    assert_eq!(medium.names().len(), 6);
}

#[test]
fn a_medium_that_nobody_uses_is_let_go_of_and_is_there_again_when_somebody_asks() {
    let held = |medium: &Medium| {
        let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let mut all = all.filter_map(|fd| fs::read_link(fd.path()).ok());
        all.any(|path| path.starts_with(&medium.root))
    };
    let let_go = |medium: &Medium| {
        let begin = clock::mono();
        while held(medium) {
            assert!(clock::mono().since(begin) < PATIENCE, "it is held");
            medium
                .index
                .let_go(clock::mono() + Duration::from_secs(3600));
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    let mut medium = Medium::new();
    a_few(&medium);
    medium.start();
    assert!(held(&medium));
    let_go(&medium);
    assert_eq!(medium.list().files, medium.truth());
    assert!(held(&medium));
    let_go(&medium);
    medium.put("camera0/more.mp4", &recording(4));
    medium.settle();
    assert_eq!(medium.list().files, medium.truth());
    // Another one's index in the place of ours: the recordings are what they were.
    let_go(&medium);
    fs::write(file(&medium.root), "no database").unwrap();
    assert_eq!(medium.names().len(), 7);
    medium.settle();
    assert_eq!(medium.list().files, medium.truth());
}

#[test]
fn a_second_service_on_the_same_folder_leaves_the_index_alone_and_reads_the_folder() {
    let mut medium = Medium::new();
    a_few(&medium);
    medium.start();
    let (_, second) = service(&medium.root);
    let index = second.clone();
    let worker = Worker::spawn("second", move |stop| index.look_after(&stop)).unwrap();
    let begin = clock::mono();
    while !second.tries().failed {
        assert!(clock::mono().since(begin) < PATIENCE, "it has an index");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(second.list(ALL).unwrap().total, 6);
    drop(worker);
    medium.put("camera0/more.mp4", &recording(1));
    medium.settle();
    assert_eq!(medium.list().files, medium.truth());
}

#[test]
fn where_no_index_can_be_kept_the_folder_answers() {
    let mut medium = Medium::new();
    a_few(&medium);
    fs::write(medium.path(".index"), "somebody's file").unwrap();
    (medium.running, medium.index) = service(&medium.root);
    let index = medium.index.clone();
    medium.worker = Some(Worker::spawn("index", move |stop| index.look_after(&stop)).unwrap());
    assert_eq!(medium.names().len(), 6);
    medium.put("camera0/more.mp4", b"");
    assert_eq!(medium.names().len(), 7);
    assert!(medium.path(".index").is_file());
}

/// Starts the service with an index to which `damage` was done, and finds nothing missing, neither in the list nor on
/// the medium. The folder alone is as true before the index is there.
fn survives(medium: &mut Medium, what: &str, damage: impl FnOnce(&Path)) {
    medium.stop();
    let truth = medium.truth();
    damage(&file(&medium.root));
    medium.start();
    assert_eq!(medium.list().files, truth, "{what}");
    assert_eq!(medium.truth(), truth, "{what}: a recording was touched");
}

#[test]
fn an_index_that_is_lost_or_another_kind_of_file_is_made_anew() {
    let mut medium = Medium::new();
    a_few(&medium);
    medium.start();
    survives(&mut medium, "deleted", |file| {
        fs::remove_file(file).unwrap()
    });
    survives(&mut medium, "its folder deleted", |file| {
        fs::remove_dir_all(file.parent().unwrap()).unwrap();
    });
    survives(&mut medium, "emptied", |file| fs::write(file, "").unwrap());
    survives(&mut medium, "a text", |file| {
        fs::write(file, "no database ".repeat(999)).unwrap();
    });
    survives(&mut medium, "of another version", |file| {
        let other = rusqlite::Connection::open(file).unwrap();
        other.pragma_update(None, "user_version", 99).unwrap();
    });
    survives(&mut medium, "with a trigger of a stranger's", |file| {
        let other = rusqlite::Connection::open(file).unwrap();
        let sql = "CREATE TRIGGER t AFTER INSERT ON recording BEGIN DELETE FROM recording; END";
        other.execute_batch(sql).unwrap();
    });
    survives(
        &mut medium,
        "with rows of files that are not there",
        |file| {
            let other = rusqlite::Connection::open(file).unwrap();
            let sql = "UPDATE recording SET device = '..', stem = '../x' WHERE stem = 'a'; \
                   UPDATE recording SET duration = 1 WHERE stem = 'b'";
            other.execute_batch(sql).unwrap();
        },
    );
    survives(&mut medium, "with fewer rows", |file| {
        let other = rusqlite::Connection::open(file).unwrap();
        other.execute_batch("DELETE FROM recording").unwrap();
    });
}

#[test]
fn an_index_that_goes_bad_while_the_service_runs_is_made_anew() {
    let mut medium = Medium::new();
    a_few(&medium);
    medium.start();
    // A card that gives back other bits: behind SQLite's back, into the file it has open.
    let path = file(&medium.root);
    for name in [path.clone(), path.with_extension("sqlite3-wal")] {
        if let Ok(there) = OpenOptions::new().write(true).open(&name) {
            let length = there.metadata().unwrap().len();
            let noise = vec![0xa5; usize::try_from(length).unwrap()];
            std::os::unix::fs::FileExt::write_all_at(&there, &noise, 0).unwrap();
        }
    }
    medium.put("camera0/more.mp4", &recording(1));
    assert_eq!(medium.names().len(), 7);
    medium.stop();
    medium.start();
    assert_eq!(medium.list().files, medium.truth());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_to_the_index_hides_or_takes_a_recording(
        cut in prop::option::of(0.0_f64..1.0),
        flips in prop::collection::vec((0.0_f64..1.0, 1_u8..), 0..40),
    ) {
        let mut medium = Medium::new();
        a_few(&medium);
        for number in 0..30 {
            medium.put(&format!("camera0/m{number}.mp4"), &recording(1));
        }
        medium.start();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a small length")]
        survives(&mut medium, "damaged", |file| {
            let mut bytes = fs::read(file).unwrap();
            let length = bytes.len() as f64;
            for (at, bits) in flips {
                bytes[(at * length) as usize] ^= bits;
            }
            bytes.truncate(cut.map_or(bytes.len(), |cut| (cut * length) as usize));
            fs::write(file, bytes).unwrap();
        });
    }
}
