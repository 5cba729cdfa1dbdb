//! Small, full, read-only and pulled media under the real binary and the real MediaMTX: each scenario runs in a user and
//! mount namespace of its own, where it may mount what it likes.
#![allow(clippy::unwrap_used)]

#[path = "../support/caller.rs"]
mod caller;
#[path = "../support/film.rs"]
mod film;
#[path = "../support/probe.rs"]
mod probe;
#[allow(dead_code, reason = "shared with the demo's own scenarios")]
#[path = "../demo/stage.rs"]
mod stage;
#[allow(dead_code, reason = "every scenario uses its part")]
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use caller::{client, eventually, result};
use camera_service::clock;
use film::{dropped, pictures, unbroken};
use probe::probed;
use serde_json::{Value, json};
use stage::Demo;
use support::Client;

/// Set in the namespace: whoever runs ignored tests outside must not mount over the machine's folders.
const INSIDE: &str = "MEDIUM_TEST_INSIDE";

/// Runs a scenario of this file where it may mount.
fn in_a_namespace(scenario: &str) {
    let allowed = Command::new("unshare").args(["-rm", "true"]).status();
    if !allowed.is_ok_and(|status| status.success()) {
        println!("skipped: this machine allows no user namespaces (unshare -rm)");
        return;
    }
    let me = std::env::current_exe().unwrap();
    let run = Command::new("timeout")
        .args(["180", "unshare", "-rm"])
        .arg(me)
        .env(INSIDE, "1")
        .args(["--ignored", "--exact", "--nocapture", scenario])
        .output()
        .unwrap();
    // As this test's own words, so that they stand beneath its name when it fails.
    print!("{}", String::from_utf8_lossy(&run.stdout));
    eprint!("{}", String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{scenario} failed");
}

#[test]
fn a_medium_that_fills_up() {
    in_a_namespace("inside_a_medium_that_fills_up");
}

#[test]
fn a_medium_that_becomes_read_only_and_one_that_is_pulled() {
    in_a_namespace("inside_a_medium_that_becomes_read_only_and_one_that_is_pulled");
}

#[test]
fn a_medium_that_is_pulled_while_there_is_a_fallback() {
    in_a_namespace("inside_a_medium_that_is_pulled_while_there_is_a_fallback");
}

#[test]
fn a_medium_that_is_pulled_while_pictures_are_held() {
    in_a_namespace("inside_a_medium_that_is_pulled_while_pictures_are_held");
}

fn run(command: &str, args: &[&str]) {
    let status = Command::new(command).args(args).status().unwrap();
    assert!(status.success(), "{command} {args:?}");
}

/// A small file system, mounted for the test.
struct Medium(PathBuf);

impl Medium {
    fn new(name: &str, size: &str) -> Self {
        let inside = std::env::var_os(INSIDE).is_some();
        assert!(inside, "run the scenario without inside_ in its name");
        let at = stage::scratch(name);
        let medium = Self(at);
        medium.mount(size);
        medium
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn mount(&self, size: &str) {
        let size = format!("size={size}");
        run("mount", &["-t", "tmpfs", "-o", &size, "none", self.path()]);
    }

    fn recordings(&self) -> PathBuf {
        self.0.join("recordings")
    }

    /// Everything beneath it, and how large it is.
    fn files(&self) -> Vec<(String, u64)> {
        fn walk(folder: &Path, found: &mut Vec<(String, u64)>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    walk(&entry.path(), found);
                } else if let Ok(meta) = entry.metadata() {
                    found.push((entry.path().display().to_string(), meta.len()));
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.0, &mut found);
        found.sort();
        found
    }

    fn has(&self, file: &str) -> bool {
        self.0.join(file).exists()
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", self.path()]).status();
        let _ = fs::remove_dir(&self.0);
    }
}

/// The next event of a topic whose reason has this word.
async fn hears(client: &mut Client, topic: &str, word: &str, demo: &Demo) -> Value {
    let listen = async {
        loop {
            let message = client.receive().await;
            let said = message["params"].to_string();
            if message["method"] == topic && said.contains(word) {
                return message["params"].clone();
            }
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(30), listen).await;
    heard.unwrap_or_else(|_| panic!("no {topic} with {word:?}\n{}", demo.log()))
}

/// The findings of the storage in get_readiness.
fn storage_codes(health: &str) -> Vec<String> {
    let health: Value = serde_json::from_str(health).unwrap_or_default();
    let text = health.to_string();
    [
        "storage_read_only",
        "storage_gone",
        "storage_failing",
        "storage_blocked",
        "quota_short",
    ]
    .into_iter()
    .filter(|code| text.contains(code))
    .map(str::to_owned)
    .collect()
}

fn health(demo: &Demo) -> Vec<String> {
    let url = format!(
        "{}/health/detailed",
        demo.text("/page").trim_end_matches('/')
    );
    storage_codes(&demo.http(&url, Some(&demo.text("/tokens/admin"))).1)
}

async fn millis(client: &mut Client, name: &str) -> Option<u64> {
    let answer = client
        .call("get_recording_info", json!({ "filename": name }))
        .await;
    answer["result"]["extensions"]["duration_ms"].as_u64()
}

fn created(info: &Value) -> time::OffsetDateTime {
    let text = info["created_time"].as_str().unwrap();
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(text, format).unwrap()
}

#[tokio::test]
#[ignore = "runs in a mount namespace, by a_medium_that_fills_up"]
async fn inside_a_medium_that_fills_up() {
    let medium = Medium::new("medium-full", "40m");
    let old = medium.recordings().join("camera0");
    fs::create_dir_all(&old).unwrap();
    for number in 0..6 {
        let file = old.join(format!("old-{number}.mp4"));
        fs::write(&file, vec![7; 4_000_000]).unwrap();
        let when = format!("2026-0{}-01", number + 1);
        run("touch", &["-d", &when, file.to_str().unwrap()]);
    }
    fs::write(old.join("notes.txt"), "not ours").unwrap();
    fs::write(medium.0.join("elsewhere.mp4"), "not ours").unwrap();
    let recordings = medium.recordings().display().to_string();
    let demo = Demo::start_with(
        &[],
        &[
            ("CAMERA_SERVICE_STORAGE_RECORDINGS_DIR", &recordings),
            ("CAMERA_SERVICE_STORAGE_QUOTA_MIN_FREE", "4MB"),
        ],
    );
    let mut admin = client(&demo, "admin").await;
    let mark = json!({ "filename": "old-0" });
    let marked = result(&mut admin, "protect_recording", mark).await;
    assert_eq!(marked, json!({ "filename": "old-0", "protected": true }));
    let by_hand = admin
        .call("delete_recording", json!({ "filename": "old-0" }))
        .await;
    assert_eq!(by_hand["error"]["data"]["state"], "PROTECTED", "{by_hand}");
    let begin = json!({ "device": "camera0", "filename": "run" });
    result(&mut admin, "start_recording", begin).await;

    // Somebody else fills the medium slowly: room is made before it is needed.
    let mut other = fs::File::create(medium.0.join("other")).unwrap();
    let mut written = 0_usize;
    while medium.has("recordings/camera0/old-2.mp4") {
        written += 200_000;
        assert!(written < 30_000_000, "nothing goes\n{}", demo.log());
        // At its end: were it written anew each time, the service would now and then see it empty.
        let more = other.write_all(&[1; 200_000]);
        more.unwrap_or_else(|e| panic!("{e}\n{}", demo.log()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(medium.has("recordings/camera0/old-0.mp4"), "protected");
    assert!(
        !medium.has("recordings/camera0/old-1.mp4"),
        "the oldest goes first"
    );
    assert!(
        medium.has("recordings/camera0/old-5.mp4"),
        "no more than needed"
    );
    let whole = millis(&mut admin, "run-2").await;
    assert_eq!(whole, None, "the recording has a hole\n{}", demo.log());
    let before = millis(&mut admin, "run").await.unwrap();
    println!(
        "room was made ahead of need while others wrote {written} bytes; {before} ms recorded without a hole"
    );

    // Somebody fills it to the last byte at once.
    let mut listener = client(&demo, "admin").await;
    let topics = json!({ "topics": ["system.error", "recording.error"] });
    result(&mut listener, "subscribe_events", topics).await;
    let fill = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k", "status=none"])
        .arg(format!("of={}", medium.0.join("all").display()))
        .status();
    assert!(!fill.unwrap().success(), "it is full");
    let filled = clock::mono();
    eventually("it goes on", Duration::from_secs(40), async || {
        let first = millis(&mut admin, "run").await.unwrap_or(0);
        let second = millis(&mut admin, "run-2").await.unwrap_or(0);
        (first > before + 8000 || second > 3000).then_some(())
    })
    .await;
    println!(
        "goes on {:?} after the medium was filled",
        clock::mono().since(filled)
    );
    let stop = json!({ "device": "camera0" });
    let stopped = result(&mut admin, "stop_recording", stop).await;
    let files = stopped["extensions"]["files"].as_array().unwrap();
    let mut end: Option<time::OffsetDateTime> = None;
    for file in files {
        let name = file["filename"].as_str().unwrap();
        let path = old.join(format!("{name}.mp4"));
        assert!(probed(&path) > 0.4, "{stopped}");
        let info = json!({ "filename": name });
        let info = result(&mut admin, "get_recording_info", info).await;
        let length = info["extensions"]["duration_ms"].as_i64().unwrap();
        let begin = created(&info);
        if let Some(end) = end {
            let gap = begin - end;
            println!("the hole before {name}: {gap}");
            // The part that could not be written, and one more on a machine with much else to do; by itself, MediaMTX
            // rests for 2 s after an error, and then waits for a key frame.
            assert!(gap < time::Duration::seconds(2), "{gap}");
        }
        end = Some(begin + time::Duration::milliseconds(length));
    }
    // What could not be written is in memory: it is in another recording.
    let mut ours = sorted(&mut admin).await;
    ours.retain(|name| name.starts_with("run"));
    let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
    let spans = spans(&mut admin, &ours).await;
    let lost = missing(spans.clone());
    println!("{lost} are in none of {ours:?}");
    assert!(lost <= time::Duration::milliseconds(300), "{spans:?}");
    eventually("no empty file", Duration::from_secs(20), async || {
        let empty = medium.files().into_iter().filter(|(_, size)| *size == 0);
        (empty.count() == 0).then_some(())
    })
    .await;
    assert!(medium.has("recordings/camera0/old-0.mp4"), "protected");
    for stays in [
        "recordings/camera0/notes.txt",
        "elsewhere.mp4",
        "other",
        "all",
    ] {
        assert!(medium.has(stays), "{stays} is none of ours");
    }
}

#[tokio::test]
#[ignore = "runs in a mount namespace, by a_medium_that_becomes_read_only_and_one_that_is_pulled"]
async fn inside_a_medium_that_becomes_read_only_and_one_that_is_pulled() {
    let medium = Medium::new("medium-pulled", "40m");
    let recordings = medium.recordings().display().to_string();
    fs::create_dir_all(&recordings).unwrap();
    // The index has its file open while recordings run, which would keep the medium writable: here it must do without.
    fs::write(medium.recordings().join(".index"), "in the way").unwrap();
    let demo = Demo::start_with(
        &[],
        &[("CAMERA_SERVICE_STORAGE_RECORDINGS_DIR", &recordings)],
    );
    let mut admin = client(&demo, "admin").await;
    let mut listener = client(&demo, "admin").await;
    let topics = json!({ "topics": ["system.error", "recording.error"] });
    result(&mut listener, "subscribe_events", topics).await;
    let begin = json!({ "device": "camera0", "filename": "run" });
    result(&mut admin, "start_recording", begin.clone()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;

    // A file system with a file open for writing cannot be made read-only but by the kernel itself, after an error. So
    // MediaMTX dies, and finds it read-only when it is back.
    stage::kill(demo.mediamtx_pid().unwrap(), "KILL");
    let remounted = stage::until(Duration::from_secs(5), || {
        let done = Command::new("mount")
            .args(["-o", "remount,ro", medium.path()])
            .output();
        done.unwrap().status.success().then_some(())
    });
    assert!(
        remounted.is_some(),
        "somebody holds a file open\n{}",
        demo.log()
    );
    let heard = hears(&mut listener, "system.error", "storage_read_only", &demo).await;
    assert!(
        heard["action"].as_str().unwrap().contains("fsck"),
        "{heard}"
    );
    let heard = hears(&mut listener, "recording.error", "read-only", &demo).await;
    println!("recording.error: {}", heard["reason"]);
    assert_eq!(heard["status"], "ERROR", "{heard}");
    assert_eq!(health(&demo), ["storage_read_only"]);
    let refused = admin
        .call("start_recording", json!({ "device": "camera0" }))
        .await;
    assert_eq!(refused["error"]["code"], -32020, "it runs: {refused}");
    run("mount", &["-o", "remount,rw", medium.path()]);
    eventually("it goes on", Duration::from_secs(30), async || {
        millis(&mut admin, "run-2").await.filter(|ms| *ms > 1000)
    })
    .await;
    eventually("health is good", Duration::from_secs(10), async || {
        health(&demo).is_empty().then_some(())
    })
    .await;

    // It is pulled: nothing is written to what is beneath, and the recording goes on when it is back.
    run("umount", &["-l", medium.path()]);
    let heard = hears(&mut listener, "system.error", "storage_gone", &demo).await;
    println!("system.error: {}", heard["reason"]);
    hears(&mut listener, "recording.error", "not mounted", &demo).await;
    assert_eq!(health(&demo), ["storage_gone"]);
    let beneath: u64 = medium.files().iter().map(|(_, size)| size).sum();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let later: u64 = medium.files().iter().map(|(_, size)| size).sum();
    println!("{later} bytes were written beneath the mount point until it was noticed");
    assert_eq!(beneath, later, "the system's own disk fills up");
    result(&mut admin, "get_storage_info", json!({})).await;
    medium.mount("40m");
    eventually("it goes on", Duration::from_secs(30), async || {
        let found = medium.files().into_iter();
        let ours =
            found.filter(|(name, size)| name.ends_with("camera0/run.mp4") && *size > 100_000);
        (ours.count() > 0).then_some(())
    })
    .await;
    eventually("health is good", Duration::from_secs(10), async || {
        health(&demo).is_empty().then_some(())
    })
    .await;
    let stop = json!({ "device": "camera0" });
    let stopped = result(&mut admin, "stop_recording", stop).await;
    assert!(
        stopped["file_size"].as_u64().unwrap() > 100_000,
        "{stopped}"
    );
}

/// The files of a recording that was stopped: each plays, and these are the holes between them, in seconds.
async fn holes(admin: &mut Client, stopped: &Value) -> Vec<(String, f64)> {
    let files = stopped["extensions"]["files"].as_array().unwrap();
    let mut found = Vec::new();
    let mut end: Option<time::OffsetDateTime> = None;
    for file in files {
        let name = file["filename"].as_str().unwrap();
        let info = result(admin, "get_recording_info", json!({ "filename": name })).await;
        let length = info["extensions"]["duration_ms"].as_i64().unwrap();
        let begin = created(&info);
        if let Some(end) = end {
            found.push((name.to_owned(), (begin - end).as_seconds_f64()));
        }
        end = Some(begin + time::Duration::milliseconds(length));
    }
    found
}

/// From the first to the last picture of each.
async fn spans(
    admin: &mut Client,
    names: &[&str],
) -> Vec<(time::OffsetDateTime, time::OffsetDateTime)> {
    let mut found = Vec::new();
    for name in names {
        let info = result(admin, "get_recording_info", json!({ "filename": name })).await;
        let length = info["extensions"]["duration_ms"].as_i64().unwrap();
        let begin = created(&info);
        found.push((begin, begin + time::Duration::milliseconds(length)));
    }
    found
}

async fn names(admin: &mut Client, params: Value) -> Vec<String> {
    let listed = result(admin, "list_recordings", params).await;
    let files = listed["files"].as_array().unwrap().iter();
    files
        .map(|file| file["filename"].as_str().unwrap().to_owned())
        .collect()
}

/// The longest time between the first and the last picture of which nothing is recorded.
fn missing(mut spans: Vec<(time::OffsetDateTime, time::OffsetDateTime)>) -> time::Duration {
    spans.sort();
    let mut until = spans[0].0;
    let mut longest = time::Duration::ZERO;
    for (begin, end) in spans {
        longest = longest.max(begin - until);
        until = until.max(end);
    }
    longest
}

/// All that can be reached, by name.
async fn sorted(admin: &mut Client) -> Vec<String> {
    let mut all = names(admin, json!({})).await;
    all.sort();
    all
}

/// What the offline judge says of a folder; it is given neither a configuration nor the service.
fn verify(dir: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(stage::binary());
    command.arg("verify").arg(dir).arg("--json").args(more);
    let out = command.env_clear().output().unwrap();
    let said = serde_json::from_slice(&out.stdout).unwrap_or_default();
    (out.status.code(), said)
}

/// What `camera-service evidence` prints on the box.
fn evidence(data: &Path, words: &[&str]) -> String {
    let mut command = Command::new(stage::binary());
    command
        .arg("evidence")
        .args(words)
        .env("CAMERA_SERVICE_STORAGE_DATA_DIR", data);
    let out = command.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{words:?}: {said}");
    String::from_utf8(out.stdout).unwrap()
}

async fn proved(dir: &Path, count: u64) {
    let sealed = async || {
        let (_, said) = verify(dir, &[]);
        (said["recordings"]["proved"] == count).then_some(())
    };
    let what = format!("{count} sealed in {}", dir.display());
    eventually(&what, Duration::from_secs(30), sealed).await;
}

/// Both folders verify by what was taken from the box before; then a byte of the fallback's recording is altered, and
/// then its chain is cut short.
fn judge_both(medium: &Path, there: &Path, state: &Path) {
    let data = state.join("data");
    let kept = |name: &str, words: &[&str]| {
        let path = state.join(name);
        fs::write(&path, evidence(&data, words)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let key = kept("box.pem", &["key"]);
    assert_eq!(
        evidence(&data, &["key"]),
        evidence(&data, &["key", "--fallback"])
    );
    let (head, spare_head) = (
        kept("head", &["head"]),
        kept("spare-head", &["head", "--fallback"]),
    );
    let by = |head: &String| ["--key", &key, "--head", head].map(str::to_owned);
    let judged = |dir: &Path, head: &String| {
        let by = by(head);
        verify(dir, &by.each_ref().map(String::as_str))
    };
    let (code, said) = judged(medium, &head);
    assert_eq!((code, &said["good"]), (Some(0), &json!(true)), "{said}");
    let (code, said) = judged(there, &spare_head);
    assert_eq!((code, &said["good"]), (Some(0), &json!(true)), "{said}");
    let counts = &said["recordings"];
    println!("the fallback: {counts}");
    assert_eq!(
        (
            &counts["proved"],
            &counts["deleted_by_users"],
            &counts["not_sealed"]
        ),
        (&json!(2), &json!(1), &json!(0)),
        "{said}"
    );

    let film = there.join("camera0/later-fallback.mp4");
    let good = fs::read(&film).unwrap();
    let mut bytes = good.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&film, bytes).unwrap();
    let (code, said) = judged(there, &spare_head);
    assert_eq!(code, Some(1), "{said}");
    let first = &said["findings"][0];
    assert_eq!(
        (&first["fault"], &first["file"]),
        (&json!("altered"), &json!("camera0/later-fallback.mp4"))
    );
    fs::write(&film, good).unwrap();

    let chain = there.join(".evidence/chain-000000000001.jsonl");
    let whole = fs::read_to_string(&chain).unwrap();
    let end = whole.trim_end().rfind('\n').unwrap() + 1;
    fs::write(&chain, &whole[..end]).unwrap();
    let (code, said) = judged(there, &spare_head);
    let faults = said["findings"].to_string();
    assert!(code == Some(1) && faults.contains("cut_off"), "{said}");
    fs::write(&chain, whole).unwrap();
}

#[tokio::test]
#[ignore = "runs in a mount namespace, by a_medium_that_is_pulled_while_there_is_a_fallback"]
async fn inside_a_medium_that_is_pulled_while_there_is_a_fallback() {
    // The disk is here, and plugged in where it is expected: the recordings' folder is the mount point itself.
    let disk = Medium::new("medium-disk", "60m");
    let slot = stage::scratch("medium-slot");
    let slot = slot.to_str().unwrap();
    let plug = || run("mount", &["--bind", disk.path(), slot]);
    let pull = || run("umount", &["-l", slot]);
    let spare = stage::scratch("medium-spare");
    let state = stage::scratch("medium-state");
    let beneath = || -> Vec<String> {
        let found = fs::read_dir(slot).unwrap().flatten();
        found
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    };
    let settings = [
        ("CAMERA_SERVICE_STORAGE_RECORDINGS_DIR", slot),
        (
            "CAMERA_SERVICE_STORAGE_FALLBACK_PATH",
            spare.to_str().unwrap(),
        ),
        ("CAMERA_SERVICE_STORAGE_BLOCK_PERCENT", "99"),
        ("CAMERA_SERVICE_STORAGE_WARN_PERCENT", "99"),
    ];
    let args = ["--state", state.to_str().unwrap()];
    plug();
    let demo = Demo::start_with(&args, &settings);
    let mut admin = client(&demo, "admin").await;
    let mut listener = client(&demo, "admin").await;
    let topics = json!({ "topics": ["system.error", "recording.error"] });
    result(&mut listener, "subscribe_events", topics).await;
    let begin = json!({ "device": "camera0", "filename": "run" });
    result(&mut admin, "start_recording", begin).await;
    eventually("it records", Duration::from_secs(20), async || {
        // Longer than pictures are held.
        millis(&mut admin, "run").await.filter(|ms| *ms > 9000)
    })
    .await;
    let mark = json!({ "filename": "run" });
    result(&mut admin, "protect_recording", mark).await;
    assert_eq!(health(&demo), Vec::<String>::new());

    pull();
    let heard = hears(&mut listener, "system.error", "storage_gone", &demo).await;
    let reason = heard["reason"].as_str().unwrap();
    println!("system.error: {reason}");
    assert!(
        reason.contains("not mounted") && reason.contains(spare.to_str().unwrap()),
        "{heard}"
    );
    eventually("goes on elsewhere", Duration::from_secs(20), async || {
        millis(&mut admin, "run-fallback")
            .await
            .filter(|ms| *ms > 2000)
    })
    .await;
    assert_eq!(health(&demo), ["storage_gone"]);
    let there = ["run-bridge-fallback", "run-fallback"];
    assert_eq!(sorted(&mut admin).await, there);
    let info = result(&mut admin, "get_storage_info", json!({})).await;
    let told = &info["extensions"]["fallback"];
    assert_eq!(told["in_use"], true, "{info}");
    // A new one can begin, and end, and is kept; the medium's marks are away with its files.
    let stop = json!({ "device": "camera0" });
    let mark = json!({ "filename": "run-fallback" });
    result(&mut admin, "protect_recording", mark).await;
    let (status, _) = demo.http(
        &format!(
            "{}/files/recordings/run-fallback",
            demo.text("/page").trim_end_matches('/')
        ),
        Some(&demo.text("/tokens/admin")),
    );
    assert_eq!(status, 200, "what lies in the fallback can be downloaded");
    assert_eq!(
        beneath(),
        Vec::<String>::new(),
        "something was written beneath the mount point\n{}",
        demo.log()
    );

    plug();
    eventually("it returns", Duration::from_secs(30), async || {
        millis(&mut admin, "run-2").await.filter(|ms| *ms > 1500)
    })
    .await;
    eventually("health is good", Duration::from_secs(10), async || {
        health(&demo).is_empty().then_some(())
    })
    .await;
    let all = [
        "run",
        "run-2",
        "run-bridge",
        "run-bridge-fallback",
        "run-fallback",
    ];
    assert_eq!(sorted(&mut admin).await, all);
    let page = json!({ "limit": 1, "offset": 4 });
    assert_eq!(names(&mut admin, page).await, ["run"]);
    let stopped = result(&mut admin, "stop_recording", stop.clone()).await;
    for (name, hole) in holes(&mut admin, &stopped).await {
        println!("the hole before {name}: {hole:.2} s");
        assert!(hole < 2.5, "{stopped}");
    }
    // What the medium may have lost is there once more, and the two meet.
    let spans = spans(&mut admin, &["run", "run-bridge-fallback", "run-fallback"]).await;
    let [first, bridge, further] = spans[..] else {
        panic!("{spans:?}")
    };
    assert!(bridge.0 <= first.1 - time::Duration::SECOND, "{spans:?}");
    assert!(bridge.1 >= further.0, "{spans:?}");
    // As one film, no picture is missing and none is there twice.
    let whole = json!({ "device": "camera0", "start": stopped["start_time"], "duration": 600 });
    let link = result(&mut admin, "get_range_url", whole).await;
    let film = spare.join("whole.mp4");
    let fetch = ["-sSf", "-m", "20", "-o", film.to_str().unwrap()];
    let url = link["url"].as_str().unwrap();
    run("curl", &[&fetch[..], &[url]].concat());
    println!("{} of {}", link["duration_ms"], link["recordings"]);
    let pictures = pictures(&film);
    unbroken(&pictures, dropped(&mut admin).await);
    for (folder, name) in [(slot, "run"), (slot, "run-bridge"), (slot, "run-2")] {
        probed(
            &Path::new(folder)
                .join("camera0")
                .join(format!("{name}.mp4")),
        );
    }
    for name in there {
        probed(&spare.join(format!("recordings/camera0/{name}.mp4")));
    }
    for name in ["run", "run-fallback"] {
        let by_hand = admin
            .call("delete_recording", json!({ "filename": name }))
            .await;
        assert_eq!(by_hand["error"]["data"]["state"], "PROTECTED", "{by_hand}");
    }
    let off = json!({ "filename": "run-fallback", "protected": false });
    result(&mut admin, "protect_recording", off).await;
    let gone = json!({ "filename": "run-fallback" });
    result(&mut admin, "delete_recording", gone).await;
    let left = ["run", "run-2", "run-bridge", "run-bridge-fallback"];
    assert_eq!(sorted(&mut admin).await, left);
    drop(demo);

    // It is missing at the start: it is missed.
    run("umount", &["-l", slot]);
    let demo = Demo::start_with(&args, &settings);
    let mut admin = client(&demo, "admin").await;
    let begin = json!({ "device": "camera0", "filename": "later" });
    let started = result(&mut admin, "start_recording", begin).await;
    assert_eq!(started["filename"], "later-fallback", "{started}");
    assert_eq!(health(&demo), ["storage_gone"]);
    result(&mut admin, "stop_recording", stop).await;
    let there = ["later-fallback", "run-bridge-fallback"];
    assert_eq!(sorted(&mut admin).await, there);
    // It is sealed where it lies, while the medium is away.
    let there = spare.join("recordings");
    proved(&there, 2).await;
    assert_eq!(
        beneath(),
        Vec::<String>::new(),
        "something was written beneath the mount point\n{}",
        demo.log()
    );
    plug();
    eventually("health is good", Duration::from_secs(20), async || {
        health(&demo).is_empty().then_some(())
    })
    .await;
    let all = [&["later-fallback"], &left[..]].concat();
    assert_eq!(sorted(&mut admin).await, all);
    proved(Path::new(slot), 3).await;
    drop(demo);
    judge_both(Path::new(slot), &there, &state);
    pull();
    for folder in [spare, state] {
        fs::remove_dir_all(folder).unwrap();
    }
}

#[tokio::test]
#[ignore = "runs in a mount namespace, by a_medium_that_is_pulled_while_pictures_are_held"]
async fn inside_a_medium_that_is_pulled_while_pictures_are_held() {
    let disk = Medium::new("medium-held", "60m");
    let slot = stage::scratch("medium-held-slot");
    let slot = slot.to_str().unwrap();
    run("mount", &["--bind", disk.path(), slot]);
    let spare = stage::scratch("medium-held-spare");
    let spare = spare.to_str().unwrap();
    let demo = Demo::start_with(
        &[],
        &[
            ("CAMERA_SERVICE_STORAGE_RECORDINGS_DIR", slot),
            ("CAMERA_SERVICE_STORAGE_FALLBACK_PATH", spare),
            ("CAMERA_SERVICE_STORAGE_BLOCK_PERCENT", "99"),
            ("CAMERA_SERVICE_STORAGE_WARN_PERCENT", "99"),
            ("CAMERA_SERVICE_RECORDING_PRE_EVENT_MS", "2000"),
        ],
    );
    let mut admin = client(&demo, "admin").await;
    let begin = json!({ "device": "camera0", "filename": "run" });
    result(&mut admin, "start_recording", begin).await;
    eventually("it records", Duration::from_secs(20), async || {
        millis(&mut admin, "run").await.filter(|ms| *ms > 5000)
    })
    .await;
    run("umount", &["-l", slot]);
    eventually("goes on elsewhere", Duration::from_secs(20), async || {
        millis(&mut admin, "run-fallback")
            .await
            .filter(|ms| *ms > 4000)
    })
    .await;
    // It is the recording itself that goes on from the past: nothing else is needed.
    assert_eq!(names(&mut admin, json!({})).await, ["run-fallback"]);
    let began = spans(&mut admin, &["run-fallback"]).await[0].0;
    run("mount", &["--bind", disk.path(), slot]);
    eventually("it returns", Duration::from_secs(30), async || {
        millis(&mut admin, "run-2").await.filter(|ms| *ms > 500)
    })
    .await;
    let stop = json!({ "device": "camera0" });
    result(&mut admin, "stop_recording", stop).await;
    let ended = spans(&mut admin, &["run"]).await[0].1;
    let shared = ended - began;
    println!("the recording goes on {shared} before its medium was pulled");
    assert!(shared >= time::Duration::SECOND, "{shared}");
    probed(&Path::new(spare).join("recordings/camera0/run-fallback.mp4"));
    drop(demo);
    run("umount", &["-l", slot]);
    fs::remove_dir_all(spare).unwrap();
}
