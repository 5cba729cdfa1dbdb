//! The sealer on a real folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::recording::fmp4::tests::{fragment, head};
use crate::recording::seal::guard::Guarded;
use crate::recording::seal::keys;
use crate::recording::seal::verify::io::Medium;
use crate::recording::seal::verify::{Fault, Known, Report, verify};
use crate::recording::{EXTENSION, Running};
use crate::storage::quota::Why;
use crate::storage::shelf::io::Folder;

struct Bench {
    dir: PathBuf,
    shelf: Arc<dyn Shelf>,
    running: Arc<Running>,
    sealer: Sealer,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn stem(text: &str) -> Stem {
    text.parse().unwrap()
}

impl Bench {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("sealer-{}", uuid::Uuid::new_v4()));
        let shelf = Arc::new(Folder::new(dir.join("recordings"), EXTENSION)) as Arc<dyn Shelf>;
        let running = Arc::new(Running::default());
        Self {
            sealer: Sealer::new(
                Arc::clone(&shelf),
                Arc::clone(&running) as _,
                Places::new(&dir.join("recordings"), &dir.join("data")),
            ),
            dir,
            shelf,
            running,
        }
    }

    /// The service begins, as after a restart.
    fn start(&mut self) {
        let running = Arc::clone(&self.running) as _;
        let places = Places::new(&self.shelf.root(), &self.dir.join("data"));
        self.sealer = Sealer::new(Arc::clone(&self.shelf), running, places);
        self.sealer.0.look().unwrap();
        self.sealer.0.work();
    }

    fn begin(&self, name: &str) {
        let bytes = [head(1000), fragment(0, &[3000; 30]), name.into()].concat();
        self.shelf.put("camera0", &stem(name), &bytes).unwrap();
        let (began, _) = self.running.set([stem(name)].into());
        self.sealer.changed(&began, &[]);
    }

    fn end(&self) {
        let (_, ended) = self.running.set(BTreeSet::new());
        self.sealer.changed(&[], &ended);
    }

    fn record(&self, name: &str) {
        self.begin(name);
        self.sealer.0.work();
        self.end();
        self.sealer.0.work();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("recordings/camera0/{name}.mp4"))
    }

    fn verify(&self) -> Report {
        let head = keys::io::head(&self.sealer.0.places).unwrap();
        let known = Known {
            head: head.map(String::into_bytes),
            ..Known::default()
        };
        let medium = Medium::new(&self.dir.join("recordings"));
        verify(&medium, &known, &|line| line.is_signed()).unwrap()
    }

    fn chain(&self) -> String {
        let folder = self.dir.join("recordings/.evidence");
        fs::read_to_string(folder.join("chain-000000000001.jsonl")).unwrap()
    }
}

#[test]
fn a_finished_recording_is_sealed_and_one_that_runs_is_only_named() {
    let bench = Bench::new();
    bench.record("a");
    bench.begin("b");
    bench.sealer.0.work();
    let report = bench.verify();
    assert!(report.is_good(), "{}", report.to_text());
    assert_eq!((report.counts.proved, report.counts.unsealed), (1, 1));
    assert_eq!(bench.sealer.figures().sealed, 1);
    // What the film tells of itself stands in its seal.
    let line = bench.chain().lines().nth(1).unwrap().to_owned();
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let what = &value["record"]["what"];
    let at = |name: &str| {
        let text = what[name].as_str().unwrap();
        let format = &time::format_description::well_known::Rfc3339;
        time::OffsetDateTime::parse(text, format).unwrap()
    };
    assert_eq!((at("end") - at("begin")).whole_milliseconds(), 1000);
    fs::write(bench.path("a"), "another film").unwrap();
    let report = bench.verify();
    assert_eq!(report.findings[0].fault, Fault::Altered);
    assert_eq!(report.findings[0].file.as_deref(), Some("camera0/a.mp4"));
}

#[test]
fn what_was_finished_and_not_sealed_when_the_power_went_is_sealed_at_the_next_start() {
    let mut bench = Bench::new();
    bench.record("before");
    bench.begin("cut");
    bench.sealer.0.work();
    // The power goes; nobody has said that it ended.
    bench.running.set(BTreeSet::new());
    bench.start();
    let report = bench.verify();
    assert!(report.is_good(), "{}", report.to_text());
    assert_eq!((report.counts.proved, report.counts.late), (2, 1));
    // A restart later there is nothing to do.
    let chain = bench.chain();
    bench.start();
    assert_eq!(bench.chain(), chain);
}

#[test]
fn a_file_that_somebody_put_there_is_never_sealed_as_ours() {
    let mut bench = Bench::new();
    bench.record("a");
    fs::write(bench.path("inserted"), "a film").unwrap();
    bench.start();
    let report = bench.verify();
    assert_eq!(
        (report.wrong, report.findings[0].fault),
        (1, Fault::Inserted)
    );
    assert_eq!(
        report.findings[0].file.as_deref(),
        Some("camera0/inserted.mp4")
    );
}

#[test]
fn recordings_from_before_there_was_a_chain_are_sealed_as_they_are_found() {
    let mut bench = Bench::new();
    for name in ["old", "older"] {
        bench
            .shelf
            .put("camera0", &stem(name), &head(1000))
            .unwrap();
    }
    bench.start();
    let report = bench.verify();
    assert!(report.is_good(), "{}", report.to_text());
    assert_eq!((report.counts.proved, report.counts.found), (2, 2));
}

#[test]
fn the_chain_tells_who_deleted_what_and_why() {
    let bench = Bench::new();
    bench.record("a");
    bench.record("b");
    let witness = Arc::new(bench.sealer.clone()) as Arc<dyn Witness>;
    let guarded = Guarded::new(Arc::clone(&bench.shelf), witness);
    let asked = guarded.delete_for(&stem("a"), Why::Asked, "ada");
    assert!(asked.unwrap().is_some());
    assert!(guarded.delete(&stem("b"), Why::Age).unwrap().is_some());
    assert_eq!(guarded.delete(&stem("b"), Why::Age).unwrap(), None);
    let chain = bench.chain();
    assert!(chain.contains(r#""stem":"a","by":"ada","why":"asked""#));
    assert!(chain.contains(r#""stem":"b","by":"service","why":"max_age""#));
    let report = bench.verify();
    assert!(report.is_good(), "{}", report.to_text());
    assert_eq!((report.counts.deleted, report.counts.retired), (1, 1));
}

#[test]
fn a_medium_that_takes_no_record_still_lets_go_of_files_and_the_record_follows() {
    let bench = Bench::new();
    bench.record("a");
    let (chain, away) = (
        bench.dir.join("recordings/.evidence"),
        bench.dir.join("recordings/.away"),
    );
    fs::rename(&chain, &away).unwrap();
    fs::write(&chain, "in the way").unwrap();
    bench.sealer.0.chain.lock().unwrap().take();
    let witness = Arc::new(bench.sealer.clone()) as Arc<dyn Witness>;
    let guarded = Guarded::new(Arc::clone(&bench.shelf), witness);
    assert!(guarded.delete(&stem("a"), Why::Bytes).unwrap().is_some());
    assert!(!bench.path("a").exists());
    fs::remove_file(&chain).unwrap();
    fs::rename(&away, &chain).unwrap();
    assert_eq!(bench.verify().findings[0].fault, Fault::Missing);
    let later = clock::mono() + Duration::from_secs(31);
    let (owed, _) = bench.sealer.0.todo().news(later).unwrap();
    bench.sealer.0.todo().owe(owed[0].clone());
    bench.sealer.0.work();
    let report = bench.verify();
    assert!(report.is_good(), "{}", report.to_text());
    assert_eq!(report.counts.retired, 1);
}

#[test]
fn a_sealed_file_that_the_service_changes_is_sealed_anew() {
    let bench = Bench::new();
    bench.record("a");
    let entry = bench.shelf.find(&stem("a")).unwrap().unwrap();
    bench.sealer.rewriting(&entry, "made a plain MP4");
    fs::write(bench.path("a"), head(2000)).unwrap();
    let between = bench.verify();
    assert!(between.is_good() && between.counts.unsealed == 1);
    bench.sealer.changed(&[], &[stem("a")]);
    bench.sealer.0.work();
    let report = bench.verify();
    assert!(report.is_good(), "{}", report.to_text());
    assert_eq!(report.counts.proved, 1);
}

#[test]
fn a_file_that_is_still_written_waits_for_its_seal() {
    let bench = Bench::new();
    let bytes = [head(0), fragment(0, &[3000; 30])].concat();
    bench.shelf.put("camera0", &stem("a"), &bytes).unwrap();
    bench.sealer.changed(&[stem("a")], &[stem("a")]);
    bench.sealer.0.work();
    let figures = bench.sealer.figures();
    assert_eq!((figures.sealed, figures.waiting), (0, 1));
    let text = bench.chain();
    assert!(text.contains("\"begin\"") && !text.contains("\"seal\""));
}

#[test]
fn a_digest_is_what_everybody_gets_and_reading_stops_when_the_service_does() {
    let bench = Bench::new();
    fs::create_dir_all(&bench.dir).unwrap();
    let path = bench.dir.join("file");
    fs::write(&path, "abc").unwrap();
    let digest = digest_file(&path, Some(RATE), &AtomicBool::new(false)).unwrap();
    // FIPS 180-2, appendix B.1.
    assert_eq!(
        digest.map(|d| hex(&d)).unwrap(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(
        digest_file(&path, None, &AtomicBool::new(true)).unwrap(),
        None
    );
}
