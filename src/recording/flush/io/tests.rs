//! The thread against files that are written as MediaMTX writes them.

use std::io::Write;

use super::*;
use crate::events::bus::Bus;

struct Bench {
    root: PathBuf,
    flusher: Flusher,
    worker: Option<Worker>,
}

impl Bench {
    fn new() -> Self {
        let root = std::env::temp_dir().join(format!("flush-{}", uuid::Uuid::new_v4()));
        let flusher = Flusher::new(root.clone(), Duration::from_millis(100)).unwrap();
        let worker = flusher.start(Arc::new(Bus::default())).unwrap();
        let bench = Self {
            root,
            flusher,
            worker,
        };
        bench.until("the spool is watched", || spool::all(&bench.root).is_dir());
        bench
    }

    /// A file that MediaMTX has just begun.
    fn begin(&self, device: &str, name: &str) -> (PathBuf, File) {
        let folder = spool::folder(&self.root, device);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        let mut file = File::create(&path).unwrap();
        file.write_all(b"part").unwrap();
        (path, file)
    }

    fn flushes(&self) -> u64 {
        self.flusher.figures().flushes
    }

    fn until(&self, what: &str, done: impl Fn() -> bool) {
        let begin = clock::mono();
        while !done() {
            let waited = clock::mono().since(begin);
            assert!(
                waited < Duration::from_secs(10),
                "{what}: {:?}",
                self.flusher
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether this process has a file open.
    fn holds(path: &Path) -> bool {
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        open.filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|to| to.to_string_lossy().starts_with(&*path.to_string_lossy()))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.worker.take());
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn each_part_is_flushed_whatever_the_file_is_called_by_then() {
    let bench = Bench::new();
    let (path, mut file) = bench.begin("camera0", "1790000000-000000.mp4");
    bench.until("its first part", || bench.flushes() == 1);
    let named = bench.root.join("camera0.mp4");
    fs::rename(&path, &named).unwrap();
    bench.flusher.named(&named);
    for part in 2..5 {
        file.write_all(b"part").unwrap();
        bench.until("a further part", || bench.flushes() == part);
    }
    // Nothing is added, nothing is flushed.
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(bench.flushes(), 4);
    drop(file);
    bench.until("its end", || bench.flushes() == 5);
    bench.until("it is let go of", || !Bench::holds(&named));
}

#[test]
fn a_file_that_got_its_name_before_it_was_seen_is_flushed_too() {
    let bench = Bench::new();
    let named = bench.root.join("party.mp4");
    let mut file = File::create(&named).unwrap();
    bench.flusher.named(&named);
    bench.until("its beginning", || bench.flushes() == 1);
    file.write_all(b"part").unwrap();
    bench.until("its part", || bench.flushes() == 2);
}

#[test]
fn a_deleted_file_does_not_keep_its_place_on_the_medium() {
    let bench = Bench::new();
    let (path, file) = bench.begin("camera0", "1790000000-000000.mp4");
    bench.until("it is watched", || bench.flushes() == 1);
    // Whoever writes it keeps it for longer.
    fs::remove_file(&path).unwrap();
    let held = || {
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let to = open.filter_map(|fd| fs::read_link(fd.path()).ok());
        to.filter(|to| to.to_string_lossy().starts_with(&*path.to_string_lossy()))
            .count()
    };
    bench.until("only its writer has it", || held() == 1);
    drop(file);
}

#[test]
fn a_spool_that_is_removed_is_made_and_watched_anew() {
    let bench = Bench::new();
    drop(bench.begin("camera0", "1790000000-000000.mp4"));
    bench.until("its end", || {
        !Bench::holds(&bench.root.join(".recording/camera0/1"))
    });
    fs::remove_dir_all(spool::all(&bench.root)).unwrap();
    bench.until("it is there again", || spool::all(&bench.root).is_dir());
    let before = bench.flushes();
    let _open = bench.begin("camera1", "1790000001-000000.mp4");
    bench.until("a part in it", || bench.flushes() > before);
}

#[test]
fn what_was_written_last_is_flushed_when_the_service_ends() {
    let mut bench = Bench::new();
    let (_, mut file) = bench.begin("camera0", "1790000000-000000.mp4");
    bench.until("its first part", || bench.flushes() == 1);
    file.write_all(b"last").unwrap();
    drop(bench.worker.take());
    assert_eq!(bench.flushes(), 2);
}

#[test]
fn a_flush_that_hangs_or_fails_is_told_and_zero_flushes_nothing() {
    let inner = Flusher::new(PathBuf::from("/nowhere"), Duration::from_millis(100)).unwrap();
    let state = &inner.0.as_ref().unwrap().state;
    let at = |secs: u64| Mono::from_nanos(secs * 1_000_000_000);
    assert_eq!(inner.alarms(at(100)), []);
    state.busy_nanos.store(at(93).as_nanos(), Relaxed);
    let told = inner.alarms(at(100));
    assert!(told[0].what.contains("7 s"), "{told:?}");
    state.busy_nanos.store(0, Relaxed);
    *locked(&state.trouble) = Some(("camera0.mp4: Input/output error".to_owned(), at(95)));
    assert!(inner.alarms(at(100))[0].what.contains("Input/output"));
    assert_eq!(inner.alarms(at(800)), [], "it is not told for ever");
    let off = Flusher::new(PathBuf::from("/nowhere"), Duration::ZERO).unwrap();
    assert!(off.start(Arc::new(Bus::default())).unwrap().is_none());
}
