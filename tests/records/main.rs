//! Recordings and snapshots as their user meets them: the real binary, the real MediaMTX, ffprobe as the judge.
#![allow(clippy::unwrap_used)]

#[path = "../support/caller.rs"]
mod caller;
mod evidence;
#[path = "../support/probe.rs"]
mod probe;
mod range;
#[allow(dead_code, reason = "shared with the demo's own scenarios")]
#[path = "../demo/stage.rs"]
mod stage;
#[allow(dead_code, reason = "every scenario uses its part")]
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use caller::{client, eventually, file, grows, result};
use camera_service::clock;
use camera_service::recording::plain::io::{Made, finalise};
use probe::probed;
use serde_json::{Value, json};
use stage::Demo;
use support::Client;
use zune_core::bytestream::ZCursor;
use zune_jpeg::JpegDecoder;

/// Frames ffmpeg decodes without a word of complaint.
fn decodes(path: &Path) {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        // At its own time stamps: on a grid of the rate, pictures of a busy machine would fall on one place.
        .args(["-vsync", "passthrough", "-enc_time_base", "1:90000"])
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.is_empty(), "{said}");
}

/// What ffprobe says of every packet (track, times, size, sync, checksum of its bytes), and of each track.
fn packets(path: &Path) -> Vec<String> {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-show_data_hash", "MD5", "-show_entries"])
        .arg("packet=stream_index,pts,dts,size,flags,data_hash:stream=codec_name,profile,time_base,extradata_hash")
        .args(["-of", "csv"])
        .arg(path)
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(complaints.is_empty(), "{complaints}");
    let text = String::from_utf8(out.stdout).unwrap();
    // Two tracks are told in the order of the file, which each container has in its own way.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    assert!(lines.len() > 10, "{text}");
    lines
}

/// Two files hold the same packets, of the same tracks, at the same times.
fn same_packets(one: &Path, other: &Path) {
    let (one, other) = (packets(one), packets(other));
    let apart: Vec<_> = one.iter().zip(&other).filter(|(a, b)| a != b).collect();
    assert!(apart.is_empty(), "{:?}", &apart[..apart.len().min(5)]);
    assert_eq!(one.len(), other.len());
}

/// The types of a file's outermost boxes.
fn outline(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap();
    let (mut at, mut kinds) = (0, Vec::new());
    while let Some(head) = bytes.get(at..at + 16) {
        kinds.push(String::from_utf8_lossy(&head[4..8]).into_owned());
        at += match u32::from_be_bytes(head[..4].try_into().unwrap()) {
            1 => usize::try_from(u64::from_be_bytes(head[8..].try_into().unwrap())).unwrap(),
            size => size as usize,
        };
    }
    assert_eq!(at, bytes.len(), "the boxes are not the whole file");
    kinds
}

async fn info(client: &mut Client, stem: &Value) -> Value {
    result(client, "get_recording_info", json!({ "filename": stem })).await
}

#[tokio::test]
async fn what_is_recorded_is_as_long_and_as_large_as_the_answer_says() {
    let demo = Demo::start(&[]);
    let mut operator = client(&demo, "operator").await;
    let asked = clock::mono();
    let started = result(
        &mut operator,
        "start_recording",
        json!({ "device": "camera0" }),
    )
    .await;
    println!("recording {:?} after the call", clock::mono().since(asked));
    let stem = &started["filename"];
    assert!(
        stem.as_str().unwrap().starts_with("camera0_20"),
        "{started}"
    );
    assert!(
        file(&demo, stem.as_str().unwrap())
            .metadata()
            .unwrap()
            .len()
            > 0
    );
    let again = operator
        .call("start_recording", json!({ "device": "camera0" }))
        .await;
    assert_eq!(again["error"]["code"], -32020, "{again}");
    let running = operator
        .call("delete_recording", json!({ "filename": stem }))
        .await;
    assert_eq!(running["error"]["data"]["state"], "RECORDING", "{running}");

    tokio::time::sleep(Duration::from_secs(3)).await;
    let growing = info(&mut operator, stem).await;
    assert_eq!(growing["extensions"]["recording"], true);
    assert!(
        growing["extensions"]["duration_ms"].as_u64().unwrap() > 1500,
        "{growing}"
    );

    let asked = clock::mono();
    let stopped = result(
        &mut operator,
        "stop_recording",
        json!({ "device": "camera0" }),
    )
    .await;
    println!(
        "stopped {:?} after the call: {stopped}",
        clock::mono().since(asked)
    );
    assert_eq!(&stopped["filename"], stem);
    assert_eq!(stopped["extensions"]["files"].as_array().unwrap().len(), 1);
    let path = file(&demo, stem.as_str().unwrap());
    assert_eq!(stopped["file_size"], path.metadata().unwrap().len());
    let told = stopped["extensions"]["duration_ms"].as_f64().unwrap() / 1000.0;
    assert!(
        (probed(&path) - told).abs() < 0.1,
        "{} against {told}",
        probed(&path)
    );
    assert!(told > 2.5 && told < 8.0, "{told}");
    decodes(&path);

    let listed = result(&mut operator, "list_recordings", json!({})).await;
    assert_eq!(
        (&listed["total"], &listed["files"][0]["filename"]),
        (&json!(1), stem)
    );
    // When it was made is said by all answers alike, and is not when its file was.
    let second = |text: &Value| -> f64 { text.as_str().unwrap()[17..23].parse().unwrap() };
    let known = info(&mut operator, stem).await;
    let told = [
        &stopped["start_time"],
        &known["created_time"],
        &known["extensions"]["start_time"],
    ];
    for told in told {
        let apart = (second(told) - second(&started["start_time"])).rem_euclid(60.0);
        assert!(apart.min(60.0 - apart) < 0.003, "{started} {told}");
    }
    // Examined soon after its end, by what the file itself tells.
    let held = eventually(
        "the list says it is closed",
        Duration::from_secs(10),
        async || {
            let listed = result(&mut operator, "list_recordings", json!({})).await;
            let held = listed["files"][0]["extensions"].clone();
            (held["flags"] == json!(["closed"])).then_some(held)
        },
    )
    .await;
    assert_eq!(held["duration_ms"], stopped["extensions"]["duration_ms"]);
    assert_eq!(held["gaps"], json!([]), "{held}");
    assert!(
        held["codec"].as_str().unwrap().starts_with("avc1."),
        "{held}"
    );
    assert!(held["width"].as_u64() > Some(0) && held["height"].as_u64() > Some(0));
    let idle = operator
        .call("stop_recording", json!({ "device": "camera0" }))
        .await;
    assert_eq!(idle["error"]["data"]["state"], "IDLE", "{idle}");
    result(
        &mut operator,
        "delete_recording",
        json!({ "filename": format!("{}.mp4", stem.as_str().unwrap()) }),
    )
    .await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_timed_recording_ends_by_itself_and_a_taken_name_gets_a_number() {
    let demo = Demo::start(&[]);
    let mut operator = client(&demo, "operator").await;
    for expected in ["party", "party-2"] {
        let params = json!({ "device": "camera0", "duration": 2.5, "filename": "party" });
        let started = result(&mut operator, "start_recording", params).await;
        assert_eq!(started["filename"], expected);
        let done = eventually("it ends by itself", Duration::from_secs(15), async || {
            let now = info(&mut operator, &json!(expected)).await;
            (now["extensions"]["recording"] == false).then_some(now)
        })
        .await;
        let millis = done["extensions"]["duration_ms"].as_u64().unwrap();
        assert!((2000..3700).contains(&millis), "{done}");
        decodes(&file(&demo, expected));
    }
}

#[tokio::test]
async fn a_recording_outlives_a_killed_mediamtx_in_a_further_file() {
    let demo = Demo::start(&[]);
    let mut operator = client(&demo, "operator").await;
    let params = json!({ "device": "camera0", "filename": "long" });
    result(&mut operator, "start_recording", params).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage::kill(demo.mediamtx_pid().unwrap(), "KILL");
    grows(&mut operator, "long-2", 500).await;
    let stopped = result(
        &mut operator,
        "stop_recording",
        json!({ "device": "camera0" }),
    )
    .await;
    let files: Vec<&str> = stopped["extensions"]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["filename"].as_str().unwrap())
        .collect();
    assert_eq!(files, ["long", "long-2"]);
    let sum: u64 = files
        .iter()
        .map(|f| file(&demo, f).metadata().unwrap().len())
        .sum();
    assert_eq!(stopped["file_size"], sum);
    for name in files {
        assert!(probed(&file(&demo, name)) > 0.3, "{name}");
    }
}

#[tokio::test]
async fn a_timed_recording_goes_on_after_the_service_was_killed_and_ends_in_time() {
    let state = stage::scratch("records");
    let folder = state.to_str().unwrap().to_owned();
    let mut demo = Demo::start(&["--state", &folder]);
    let ends = {
        let mut operator = client(&demo, "operator").await;
        let params = json!({ "device": "camera0", "duration": 12, "filename": "night" });
        let started = result(&mut operator, "start_recording", params).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        started["extensions"]["ends_at"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    demo.kill_hard();
    let demo = Demo::start(&["--state", &folder]);
    let mut operator = client(&demo, "operator").await;
    let again = operator
        .call("start_recording", json!({ "device": "camera0" }))
        .await;
    assert_eq!(
        again["error"]["data"]["state"],
        "RECORDING",
        "it was not resumed: {again}\n{}",
        demo.log()
    );
    let first = info(&mut operator, &json!("night")).await;
    assert!(
        first["extensions"]["duration_ms"].as_u64().unwrap() > 1000,
        "{first}"
    );
    let over = eventually(
        "it ends though the camera is gone",
        Duration::from_secs(25),
        async || {
            let answer = operator
                .call("stop_recording", json!({ "device": "camera9" }))
                .await;
            assert_eq!(answer["error"]["code"], -32010);
            let now = operator
                .call("get_recording_info", json!({ "filename": "night" }))
                .await;
            (now["result"]["extensions"]["recording"] == false).then(|| clock::wall().rfc3339())
        },
    )
    .await;
    println!("should end at {ends}, was over at {over}");
    assert!(over >= ends, "it ended too early");
    let second = info(&mut operator, &json!("night-2")).await;
    assert!(
        second["extensions"]["duration_ms"].as_u64().unwrap() > 500,
        "{second}"
    );
    decodes(&file(&demo, "night-2"));
    drop(demo);
    std::fs::remove_dir_all(state).unwrap();
}

/// A power cut leaves the file torn in the middle of a fragment, with pages behind that the medium never got, and another
/// one without a byte.
#[tokio::test]
async fn a_recording_that_a_power_cut_tore_is_whole_after_the_next_start() {
    let state = stage::scratch("torn");
    let folder = state.to_str().unwrap().to_owned();
    let mut demo = Demo::start(&["--state", &folder]);
    let mut operator = client(&demo, "operator").await;
    let params = json!({ "device": "camera0", "filename": "night" });
    result(&mut operator, "start_recording", params).await;
    let name = json!("night");
    let grown = eventually(
        "three seconds are recorded",
        Duration::from_secs(20),
        async || {
            let now = info(&mut operator, &name).await;
            let millis = now["extensions"]["duration_ms"].as_u64()?;
            (millis > 3000).then_some(millis)
        },
    )
    .await;
    let admin = &mut client(&demo, "admin").await;
    let kept = result(admin, "get_storage_info", json!({})).await;
    let kept = &kept["extensions"]["durability"];
    assert!(kept["flushes"].as_u64().unwrap() >= 3, "{kept}");
    assert_eq!(kept["flush_failures"], 0, "{kept}");
    let media = demo.mediamtx_pid().unwrap();
    demo.kill_hard();
    let dead = eventually("MediaMTX is gone", Duration::from_secs(5), async || {
        (!stage::exists(media)).then_some(())
    });
    dead.await;
    let path = Path::new(&folder).join("data/recordings/camera0/night.mp4");
    let whole = std::fs::read(&path).unwrap();
    let torn = [&whole[..whole.len() - 2000], &[0; 8192]].concat();
    std::fs::write(&path, &torn).unwrap();
    let empty = Path::new(&folder).join("data/recordings/.recording/camera0/1790000000-000000.mp4");
    std::fs::write(&empty, b"").unwrap();

    let demo = Demo::start(&["--state", &folder]);
    let mut operator = client(&demo, "operator").await;
    let mended = eventually("it is mended", Duration::from_secs(20), async || {
        demo.log().contains("were mended").then_some(())
    });
    mended.await;
    assert!(path.metadata().unwrap().len() < whole.len() as u64);
    let told = info(&mut operator, &name).await;
    let millis = told["extensions"]["duration_ms"].as_u64().unwrap();
    assert!(millis + 1500 > grown, "{millis} of {grown} ms are left");
    assert!((probed(&path) * 1000.0 - millis as f64).abs() < 100.0);
    decodes(&path);
    let listed = result(&mut operator, "list_recordings", json!({})).await;
    let names: Vec<_> = listed["files"].as_array().unwrap().iter().collect();
    assert!(names.iter().any(|f| f["filename"] == name), "{listed}");
    let aside =
        Path::new(&folder).join("data/recordings/.quarantine/camera0/1790000000-000000.mp4");
    assert!(aside.exists() && !empty.exists());
    let admin = &mut client(&demo, "admin").await;
    let kept = result(admin, "get_storage_info", json!({})).await;
    let kept = &kept["extensions"]["durability"];
    assert_eq!(
        (&kept["repaired"], &kept["quarantined"]),
        (&json!(1), &json!(1))
    );
    let second = eventually("it goes on", Duration::from_secs(20), async || {
        let further = operator
            .call("get_recording_info", json!({ "filename": "night-2" }))
            .await;
        (further["result"]["extensions"]["duration_ms"].as_u64()? > 0).then_some(further)
    });
    second.await;
    drop(demo);
    std::fs::remove_dir_all(state).unwrap();
}

#[tokio::test]
async fn without_mediamtx_nothing_is_recorded_and_nothing_stays_behind() {
    let demo = Demo::start(&[]);
    let mut operator = client(&demo, "operator").await;
    let pid = demo.mediamtx_pid().unwrap();
    stage::kill(pid, "STOP");
    let failed = operator
        .call("start_recording", json!({ "device": "camera0" }))
        .await;
    assert_eq!(failed["error"]["code"], -32050, "{failed}");
    assert_eq!(
        failed["error"]["data"]["dependency"], "mediamtx",
        "{failed}"
    );
    stage::kill(pid, "CONT");
    let listed = result(&mut operator, "list_recordings", json!({})).await;
    assert_eq!(listed["total"], 0, "{listed}");
    let started = eventually("it can record", Duration::from_secs(30), async || {
        let answer = operator
            .call("start_recording", json!({ "device": "camera0" }))
            .await;
        answer["result"]["filename"].as_str().map(str::to_owned)
    })
    .await;
    assert!(started.starts_with("camera0_"));
}

#[tokio::test]
async fn a_snapshot_is_the_cameras_picture_and_the_stream_does_not_notice() {
    let demo = Demo::start(&[]);
    let mut operator = client(&demo, "operator").await;
    let before = result(
        &mut operator,
        "get_camera_status",
        json!({ "device": "camera0" }),
    )
    .await;
    let mut times = Vec::new();
    for expected in ["look", "look-2", "look-3", "look-4"] {
        let asked = clock::mono();
        let params = json!({ "device": "camera0", "filename": "look" });
        let taken = result(&mut operator, "take_snapshot", params).await;
        times.push(clock::mono().since(asked));
        assert_eq!(taken["filename"], expected);
        let path = PathBuf::from(taken["file_path"].as_str().unwrap());
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(taken["file_size"], bytes.len());
        let mut decoder = JpegDecoder::new(ZCursor::new(bytes));
        let pixels = decoder.decode().unwrap();
        assert_eq!(decoder.dimensions(), Some((640, 360)));
        let (dark, bright) = (pixels.iter().min().unwrap(), pixels.iter().max().unwrap());
        assert!(bright - dark > 100, "the picture is all of one colour");
    }
    println!("snapshots took {times:?}");
    let after = result(
        &mut operator,
        "get_camera_status",
        json!({ "device": "camera0" }),
    )
    .await;
    let lost = |status: &Value| status["extensions"]["counters"]["unsent"].as_u64().unwrap();
    assert_eq!(lost(&before), lost(&after));
    let listed = result(&mut operator, "list_snapshots", json!({ "limit": 2 })).await;
    assert_eq!(
        (&listed["total"], &listed["files"][0]["filename"]),
        (&json!(4), &json!("look-4"))
    );
    let told = result(
        &mut operator,
        "get_snapshot_info",
        json!({ "filename": "look-3.jpg" }),
    )
    .await;
    assert_eq!(told["download_url"], "/files/snapshots/look-3.jpg");
    result(
        &mut operator,
        "delete_snapshot",
        json!({ "filename": "look-3" }),
    )
    .await;
    let gone = operator
        .call("get_snapshot_info", json!({ "filename": "look-3" }))
        .await;
    assert_eq!(gone["error"]["code"], -32010);
    let mut admin = client(&demo, "admin").await;
    let storage = result(&mut admin, "get_storage_info", json!({})).await;
    let sizes: u64 = ["look", "look-2", "look-4"]
        .iter()
        .map(|name| {
            let path = format!(
                "{}/data/snapshots/camera0/{name}.jpg",
                demo.text("/state_dir")
            );
            std::fs::metadata(path).unwrap().len()
        })
        .sum();
    assert_eq!(storage["snapshots_size"], sizes);
}

#[tokio::test]
async fn a_recording_asked_for_as_mp4_is_a_plain_mp4_with_the_very_same_pictures() {
    let demo = Demo::start(&[]);
    let mut operator = client(&demo, "operator").await;
    let params = json!({ "device": "camera0", "format": "mp4", "filename": "film" });
    let started = result(&mut operator, "start_recording", params).await;
    assert_eq!(started["format"], "mp4");
    let path = file(&demo, started["filename"].as_str().unwrap());
    // A second name for what MediaMTX writes: it stays when the plain file takes the first one.
    let fragmented = PathBuf::from(demo.text("/state_dir")).join("fragmented.mp4");
    std::fs::hard_link(&path, &fragmented).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let asked = clock::mono();
    let stopped = result(
        &mut operator,
        "stop_recording",
        json!({ "device": "camera0" }),
    )
    .await;
    println!(
        "stopped {:?} after the call: {stopped}",
        clock::mono().since(asked)
    );
    assert_eq!(stopped["format"], "mp4");
    assert_eq!(stopped["extensions"]["finalising"], false);
    assert_eq!(stopped["file_size"], path.metadata().unwrap().len());
    assert!(outline(&fragmented).contains(&"moof".to_owned()));
    assert_eq!(outline(&path), ["ftyp", "moov", "mdat"]);
    same_packets(&path, &fragmented);
    let told = stopped["extensions"]["duration_ms"].as_f64().unwrap() / 1000.0;
    assert!((probed(&path) - told).abs() < 0.01);
    assert!((probed(&path) - probed(&fragmented)).abs() < 0.01);
    decodes(&path);
    let now = info(&mut operator, &json!("film")).await;
    assert_eq!(now["extensions"]["recording"], false);
    let begun = |told: &Value| told.as_str().unwrap()[..16].to_owned();
    assert_eq!(begun(&now["created_time"]), begun(&started["start_time"]));
    let refused = operator
        .call(
            "start_recording",
            json!({ "device": "camera0", "format": "mkv" }),
        )
        .await;
    assert_eq!(refused["error"]["data"]["feature"], "format:mkv");
}

#[test]
fn sound_and_pictures_that_are_shown_in_another_order_survive_being_made_plain() {
    let folder = stage::scratch("plain");
    let (before, after) = (folder.join("before.mp4"), folder.join("after.mp4"));
    for codec in ["libx264", "libx265"] {
        let made = Command::new("ffmpeg")
            .args(["-v", "quiet", "-y", "-f", "lavfi", "-i"])
            .arg("testsrc=size=320x180:rate=25:duration=4")
            .args(["-f", "lavfi", "-i", "sine=frequency=440:duration=4"])
            .args(["-c:v", codec, "-bf", "2", "-g", "25", "-c:a", "aac"])
            .args(["-movflags", "frag_keyframe+empty_moov+default_base_moof"])
            .arg(&before)
            .output()
            .unwrap();
        assert!(made.status.success(), "ffmpeg cannot make {codec}");
        std::fs::copy(&before, &after).unwrap();
        let halt = AtomicBool::new(false);
        assert_eq!(finalise(&after, &halt).unwrap(), Made::Plain);
        assert_eq!(outline(&after), ["ftyp", "moov", "mdat"]);
        assert!(packets(&after).iter().any(|line| line.contains("aac")));
        same_packets(&before, &after);
        assert!((probed(&before) - probed(&after)).abs() < 0.05);
        decodes(&after);
        let again = after.metadata().unwrap();
        assert_eq!(finalise(&after, &halt).unwrap(), Made::Plain);
        assert_eq!(
            after.metadata().unwrap().modified().unwrap(),
            again.modified().unwrap()
        );
    }
    std::fs::remove_dir_all(folder).unwrap();
}
