//! What the index of recordings costs, with as many recordings as are asked for.
//!
//! `cargo bench --bench index -- [RECORDINGS [FOLDER]]`: 100,000 in the folder for temporary files, removed afterwards,
//! or in FOLDER, which is kept. The figures land in target/bench/index.jsonl, too; nothing is asserted about time.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use camera_service::clock::{self, Mono, Wall};
use camera_service::recording::index::io::Index;
use camera_service::recording::{EXTENSION, Running};
use camera_service::storage::names::Stem;
use camera_service::storage::quota::Why;
use camera_service::storage::shelf::io::Folder;
use camera_service::storage::shelf::{Page, Shelf};
use camera_service::supervise::Worker;
use serde_json::{Value, json};

const DEVICES: u64 = 4;
/// How long each recording plays.
const SECONDS: u64 = 2;
/// 1280x720 of High profile, level 3.1, as x264 describes it: MediaMTX reads these two and refuses a file without them.
const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00,
    0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];
/// One coded picture of one byte behind its length.
const PICTURE: [u8; 5] = [0, 0, 0, 1, 0x65];

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let inner = parts.concat();
    let size = u32::try_from(inner.len() + 8).unwrap_or(u32::MAX);
    [&size.to_be_bytes()[..], kind, &inner].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

/// What comes before each length that two bytes tell.
fn counted(nal: &[u8]) -> Vec<u8> {
    let length = u16::try_from(nal.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], nal].concat()
}

/// A closed fMP4 of [`SECONDS`] in four parts, as MediaMTX writes it and reads it again, but with next to no picture.
fn recording(begun: Wall) -> Vec<u8> {
    let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 2000]), &[0; 80]]);
    let tkhd = boxed(b"tkhd", &[&words(&[3, 0, 0, 1, 0, 0]), &[0; 60]]);
    let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 90_000, 0, 0])]);
    let hdlr = boxed(b"hdlr", &[&words(&[0, 0]), b"vide", &[0; 13]]);
    let (sps, pps) = (counted(SPS), counted(PPS));
    let avcc = boxed(
        b"avcC",
        &[&[1, 0x64, 0, 0x1f, 0xff, 0xe1], &sps, &[1], &pps],
    );
    let avc1 = boxed(b"avc1", &[&[0; 24], &[5, 0, 2, 208], &[0; 50], &avcc]);
    let stbl = boxed(b"stbl", &[&boxed(b"stsd", &[&words(&[0, 1]), &avc1])]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &boxed(b"minf", &[&stbl])]);
    let trex = boxed(b"trex", &[&words(&[0, 1, 1, 0, 0, 0])]);
    let trak = boxed(b"trak", &[&tkhd, &mdia]);
    // MediaMTX's own box: the stream, the number of the segment, and when it began by the stream's clock and by the wall's.
    let nanos = begun.as_nanos().to_be_bytes();
    let mtxi = boxed(b"mtxi", &[&[0; 4 + 16 + 8 + 8], &nanos]);
    let (mvex, udta) = (boxed(b"mvex", &[&trex]), boxed(b"udta", &[&mtxi]));
    let moov = boxed(b"moov", &[&mvhd, &trak, &mvex, &udta]);
    let mut file = [boxed(b"ftyp", &[b"isom", &words(&[1]), b"isom"]), moov].concat();
    for part in 0..4 {
        let mfhd = boxed(b"mfhd", &[&words(&[0, part + 1])]);
        let tfhd = boxed(b"tfhd", &[&words(&[0x0002_0000, 1])]);
        let tfdt = boxed(b"tfdt", &[&words(&[0x0100_0000, 0, part * 45_000])]);
        let rows: Vec<u32> = (0..15).flat_map(|_| [3000, 5]).collect();
        let moof = |to_pictures| {
            let trun = boxed(b"trun", &[&words(&[0x301, 15, to_pictures]), &words(&rows)]);
            boxed(b"moof", &[&mfhd, &boxed(b"traf", &[&tfhd, &tfdt, &trun])])
        };
        let length = u32::try_from(moof(0).len()).unwrap_or(u32::MAX);
        file.extend(moof(length + 8));
        file.extend(boxed(b"mdat", &[&PICTURE.repeat(15)]));
    }
    file
}

/// Makes so many recordings, one each minute. Their names end in microseconds: to the service a name is a name, but MediaMTX's
/// playback server does not start unless it is told where those stand.
fn fill(root: &Path, count: u64) -> std::io::Result<()> {
    for device in 0..DEVICES {
        fs::create_dir_all(root.join(format!("camera{device}")))?;
    }
    for number in 0..count {
        let device = format!("camera{}", number % DEVICES);
        let at = 1_770_000_000 + number * 60;
        let stem = Stem::of(&device, Wall::from_secs(at));
        let stem: Stem = format!("{stem}-000000").parse().expect("a legal name");
        let path = root.join(&device).join(stem.with(EXTENSION));
        fs::write(&path, recording(Wall::from_secs(at)))?;
        let file = fs::OpenOptions::new().write(true).open(&path)?;
        file.set_modified(UNIX_EPOCH + Duration::from_secs(at + SECONDS))?;
    }
    Ok(())
}

/// Processor time of the whole process.
fn worked() -> Mono {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every Linux has it");
    let of = |v: i64| u64::try_from(v).unwrap_or(0);
    Mono::from_nanos(of(time.tv_sec()) * 1_000_000_000 + of(time.tv_nsec()))
}

/// A number out of one of the process's own files.
fn told(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// What the process takes, and the most it has taken, in MiB.
fn memory() -> (f64, f64) {
    let mib = |name| told("/proc/self/status", name) as f64 / 1024.0;
    (mib("VmRSS"), mib("VmHWM"))
}

fn memory_said() -> String {
    let (now, most) = memory();
    format!("resident {now:.0} MiB, at most {most:.0} MiB")
}

/// One line for programs.
fn record(line: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    fs::create_dir_all(&folder).expect("a folder for the figures");
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("index.jsonl"));
    writeln!(file.expect("a file for the figures"), "{line}").expect("room for the figures");
}

/// No more digits than were measured.
fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

fn index(root: &Path) -> Index {
    let shelf = Arc::new(Folder::new(root.to_owned(), EXTENSION));
    Index::new(shelf, Arc::new(Running::default()))
}

/// A point on the index's way, and whether it has come there.
type Point = (&'static str, fn(&Index) -> bool);

/// Starts the index and waits for each point.
fn start(root: &Path, what: &str, until: &[Point]) -> (Index, Worker) {
    let (begin, cpu) = (clock::mono(), worked());
    let written = told("/proc/self/io", "write_bytes");
    let index = index(root);
    let own = index.clone();
    let worker = Worker::spawn("index", move |stop| own.look_after(&stop)).expect("a thread");
    for (said, is) in until {
        while !is(&index) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let (took, worked) = (
            clock::mono().since(begin).as_secs_f64(),
            worked().since(cpu).as_secs_f64(),
        );
        let bytes = told("/proc/self/io", "write_bytes") - written;
        println!(
            "{what}: {said} after {took:.2} s ({worked:.2} s of processor, {:.1} MB written; {})",
            bytes as f64 / 1e6,
            memory_said()
        );
        let (now, most) = memory();
        record(&json!({
            "what": format!("{what}: {said}"), "seconds": rounded(took), "cpu_seconds": rounded(worked),
            "written_bytes": bytes, "rss_mib": rounded(now), "rss_most_so_far_mib": rounded(most),
        }));
    }
    (index, worker)
}

fn times(what: &str, rounds: usize, mut step: impl FnMut(usize)) {
    let mut all: Vec<f64> = (0..rounds)
        .map(|round| {
            let begin = clock::mono();
            step(round);
            clock::mono().since(begin).as_secs_f64() * 1e3
        })
        .collect();
    all.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| all[(all.len() - 1) * percent / 100];
    let (p50, p99, max) = (at(50), at(99), at(100));
    println!("{what:48} p50 {p50:8.3}  p99 {p99:8.3}  max {max:8.3} ms");
    record(&json!({
        "what": what, "p50_ms": rounded(p50), "p99_ms": rounded(p99), "max_ms": rounded(max), "rounds": rounds,
    }));
}

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let count: u64 = words
        .first()
        .and_then(|word| word.parse().ok())
        .unwrap_or(100_000);
    let kept = words.get(1).map(PathBuf::from);
    let root = kept.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("index-bench-{}", std::process::id()))
    });
    fill(&root, count)?;
    println!(
        "{count} recordings in {}; {}",
        root.display(),
        memory_said()
    );
    let bytes = recording(Wall::from_secs(0)).len();
    record(&json!({"what": "the tree", "recordings": count, "bytes_of_each": bytes}));

    let compared: Point = ("lists come from it", Index::is_compared);
    let examined: Point = ("all files examined", Index::is_complete);
    drop(start(&root, "index lost", &[compared, examined]));
    let file = root.join(".index/recordings.sqlite3");
    let bytes = fs::metadata(&file)?.len();
    println!("the index takes {bytes} bytes");
    record(&json!({"what": "the index", "bytes": bytes}));
    let (index, worker) = start(&root, "nothing changed", &[compared, examined]);

    let page = |limit, offset| Page { limit, offset };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let list = |page| assert_eq!(index.list(page).expect("a list").total, count);
    // The last answer is kept for whoever asks the same again: two pages in turn are never that.
    times("list_recordings, 50 from the newest", 1000, |round| {
        list(page(50, round % 2))
    });
    times("list_recordings, the same 50 again", 1000, |_| {
        list(page(50, 0))
    });
    times("list_recordings, 1,000 from the newest", 100, |round| {
        list(page(1000, round % 2))
    });
    times("list_recordings, 50 of the oldest", 100, |round| {
        list(page(50, count - 50 - round % 2))
    });
    let all = index.list(page(1000, 0)).expect("a list");
    let stems: Vec<Stem> = all.files.iter().map(|i| i.entry.stem.clone()).collect();
    times("get_recording_info", stems.len(), |round| {
        assert!(index.find(&stems[round]).expect("an answer").is_some());
    });
    let shelf = Folder::new(root.clone(), EXTENSION);
    times(
        "delete_recording, and the list after it",
        100.min(stems.len()),
        |round| {
            shelf.delete(&stems[round], Why::Asked).expect("an answer");
            assert_eq!(
                index.list(page(50, 0)).expect("a list").total,
                count - round - 1
            );
        },
    );
    times("the folder read instead, 50 from the newest", 5, |_| {
        let mut all = shelf.all().expect("a list");
        camera_service::storage::shelf::sort(&mut all);
        assert!(camera_service::storage::shelf::cut(&all, page(50, 0)).total > 0);
    });
    println!("at the end {}", memory_said());
    drop(worker);
    match kept {
        Some(_) => Ok(()),
        None => fs::remove_dir_all(&root),
    }
}
