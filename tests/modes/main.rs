//! When is recorded, as its user meets it: the real binary, the real MediaMTX, and the time code in every picture as the
//! judge of what is in a file, what is missing, and what is in it twice.
#![allow(clippy::unwrap_used)]

#[path = "../support/caller.rs"]
mod caller;
#[path = "../support/film.rs"]
mod film;
#[allow(dead_code, reason = "shared with the demo's own scenarios")]
#[path = "../demo/stage.rs"]
mod stage;
#[allow(dead_code, reason = "every scenario uses its part")]
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use caller::{client, eventually, file, grows, result};
use camera_service::clock::{self, Wall};
use film::{dropped, pictures, unbroken};
use serde_json::{Value, json};
use stage::Demo;
use support::Client;

fn millis_between(earlier: Wall, later: Wall) -> i64 {
    let micros = |wall: Wall| i64::try_from(wall.as_nanos() / 1000).unwrap();
    (micros(later) - micros(earlier)) / 1000
}

/// How long ffprobe says a file plays, in milliseconds.
fn probed(path: &Path) -> i64 {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "format=duration"])
        .args(["-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    let seconds: f64 = said.trim().parse().unwrap();
    let length = Duration::from_secs_f64(seconds);
    length.as_millis().try_into().unwrap()
}

#[tokio::test]
async fn a_recording_begins_before_its_trigger_in_one_unbroken_file() {
    let demo = Demo::start_with(&[], &[("CAMERA_SERVICE_RECORDING_PRE_EVENT_MS", "5000")]);
    let mut operator = client(&demo, "operator").await;
    let refused = operator
        .call(
            "start_recording",
            json!({ "device": "camera0", "pre_event_ms": 6000 }),
        )
        .await;
    assert_eq!(refused["error"]["code"], -32030, "{refused}");
    assert_eq!(refused["error"]["data"]["pre_event_ms"], 5000, "{refused}");
    // So long pictures have been coming.
    tokio::time::sleep(Duration::from_millis(7500)).await;
    let before = demo.log().len();

    for (name, pre_event) in [("first", None), ("second", Some(3000))] {
        let triggered = clock::now();
        let mut params = json!({ "device": "camera0", "filename": name });
        if let Some(pre_event) = pre_event {
            params["pre_event_ms"] = pre_event.into();
        }
        let started = result(&mut operator, "start_recording", params).await;
        let took = clock::mono().since(triggered.mono);
        println!("recording {took:?} after the call: {started}");
        let asked = pre_event.unwrap_or(5000);
        let told = started["extensions"]["pre_event_ms"].as_i64().unwrap();
        // Pictures can be decoded from a key frame on, of which there is one a second.
        assert!((asked..asked + 1200).contains(&told), "{started}");
        let again = operator
            .call("start_recording", json!({ "device": "camera0" }))
            .await;
        assert_eq!(again["error"]["data"]["state"], "RECORDING", "{again}");
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let stopped = result(
            &mut operator,
            "stop_recording",
            json!({ "device": "camera0" }),
        )
        .await;
        assert_eq!(stopped["filename"], name);
        assert_eq!(stopped["extensions"]["files"].as_array().unwrap().len(), 1);
        let path = file(&demo, name);
        let pictures = pictures(&path);
        unbroken(&pictures, dropped(&mut operator).await);
        let before = millis_between(pictures[0].captured, triggered.wall);
        assert!((before - told).abs() < 150, "{before} ms against {told}");
        let after = millis_between(triggered.wall, pictures.last().unwrap().captured);
        assert!((1800..6000).contains(&after), "{after} ms");
        let plays = probed(&path);
        assert!((plays - before - after).abs() < 300, "{plays} ms");
        let length = stopped["extensions"]["duration_ms"].as_i64().unwrap();
        assert!((plays - length).abs() < 100, "{plays} against {length}");
        assert_eq!(stopped["file_size"], path.metadata().unwrap().len());
        let begun = pictures[0].captured.as_nanos() / 1_000_000_000;
        let said = started["start_time"].as_str().unwrap();
        let near = [begun.saturating_sub(1), begun, begun + 1];
        assert!(
            near.iter()
                .any(|s| Wall::from_secs(*s).rfc3339()[..19] == said[..19]),
            "{said} is not when its first picture was taken"
        );
    }
    // The second path is gone with the recording, and the camera's own never stopped.
    assert!(!demo.log()[before..].contains("do not reach MediaMTX"));
}

#[tokio::test]
async fn a_timed_recording_with_a_lead_plays_its_time_after_the_trigger_and_a_killed_mediamtx_costs_a_seam()
 {
    let demo = Demo::start_with(&[], &[("CAMERA_SERVICE_RECORDING_PRE_EVENT_MS", "4000")]);
    let mut operator = client(&demo, "operator").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let triggered = clock::now();
    let params = json!({ "device": "camera0", "filename": "timed", "duration": 3 });
    result(&mut operator, "start_recording", params).await;
    let done = eventually("it ends by itself", Duration::from_secs(20), async || {
        let answer = operator
            .call("get_recording_info", json!({ "filename": "timed" }))
            .await;
        (answer["result"]["extensions"]["recording"] == false).then_some(answer)
    })
    .await;
    let shown = pictures(&file(&demo, "timed"));
    unbroken(&shown, dropped(&mut operator).await);
    let after = millis_between(triggered.wall, shown.last().unwrap().captured);
    assert!((2000..4500).contains(&after), "{after} ms: {done}");
    assert!(millis_between(shown[0].captured, triggered.wall) >= 3900);

    let params = json!({ "device": "camera0", "filename": "killed", "pre_event_ms": 1000 });
    result(&mut operator, "start_recording", params).await;
    stage::kill(demo.mediamtx_pid().unwrap(), "KILL");
    grows(&mut operator, "killed-2", 500).await;
    let stopped = result(
        &mut operator,
        "stop_recording",
        json!({ "device": "camera0" }),
    )
    .await;
    assert_eq!(stopped["extensions"]["files"].as_array().unwrap().len(), 2);
    let shown = pictures(&file(&demo, "killed-2"));
    unbroken(&shown, dropped(&mut operator).await);
}

/// All recordings there are, the oldest first: name and whether it runs.
async fn recordings(client: &mut Client) -> Vec<(String, bool)> {
    let listed = result(client, "list_recordings", json!({ "limit": 100 })).await;
    let mut files: Vec<(String, bool)> = listed["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            let running = f["extensions"]["recording"].as_bool().unwrap();
            (f["filename"].as_str().unwrap().to_owned(), running)
        })
        .collect();
    files.sort();
    files
}

async fn set_mode(client: &mut Client, mode: &str) -> Value {
    let params = json!({ "device": "camera0", "mode": mode });
    result(client, "set_recording_mode", params).await
}

#[tokio::test]
async fn continuous_recordings_follow_each_other_without_a_picture_missing_and_beside_what_somebody_asks_for()
 {
    let demo = Demo::start_with(&[], &[("CAMERA_SERVICE_RECORDING_ROLL_SECONDS", "5")]);
    let mut admin = client(&demo, "admin").await;
    let mut operator = client(&demo, "operator").await;
    let manual = result(
        &mut operator,
        "get_recording_mode",
        json!({ "device": "camera0" }),
    )
    .await;
    assert_eq!(
        (&manual["mode"], &manual["from_configuration"]),
        (&json!("manual"), &json!(true))
    );
    let refused = operator
        .call(
            "set_recording_mode",
            json!({ "device": "camera0", "mode": "continuous" }),
        )
        .await;
    assert_eq!(refused["error"]["code"], -32002, "{refused}");
    let set = set_mode(&mut admin, "continuous").await;
    assert_eq!(
        (&set["wanted"], &set["reason"]),
        (&json!(true), &json!("continuous"))
    );
    eventually("it records", Duration::from_secs(10), async || {
        (!recordings(&mut operator).await.is_empty()).then_some(())
    })
    .await;

    // Nobody has asked for it, so nobody can stop it.
    let idle = operator
        .call("stop_recording", json!({ "device": "camera0" }))
        .await;
    assert_eq!(idle["error"]["data"]["state"], "IDLE", "{idle}");
    let params = json!({ "device": "camera0", "filename": "asked" });
    result(&mut operator, "start_recording", params).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let stopped = result(
        &mut operator,
        "stop_recording",
        json!({ "device": "camera0" }),
    )
    .await;
    assert_eq!(stopped["filename"], "asked");
    let asked = pictures(&file(&demo, "asked"));
    unbroken(&asked, dropped(&mut operator).await);
    assert!(asked.len() > 20, "{} pictures", asked.len());

    eventually(
        "it rolled four times",
        Duration::from_secs(30),
        async || (recordings(&mut operator).await.len() >= 5).then_some(()),
    )
    .await;
    set_mode(&mut admin, "manual").await;
    let all = eventually("all ended", Duration::from_secs(10), async || {
        let all = recordings(&mut operator).await;
        all.iter().all(|(_, runs)| !runs).then_some(all)
    })
    .await;
    let mut whole = Vec::new();
    let rolled = all.iter().filter(|(name, _)| name != "asked");
    for (name, _) in rolled {
        let path = file(&demo, name);
        let shown = pictures(&path);
        let seconds = probed(&path) / 1000;
        println!("{name}: {} pictures, {seconds} s", shown.len());
        assert!(seconds <= 7, "{name} was not rolled");
        whole.extend(shown);
    }
    unbroken(&whole, dropped(&mut operator).await);
    assert!(!demo.log().contains("interrupted"), "{}", demo.log());
    // What overlaps is proved as well as what follows.
    let count = all.len();
    let dir = Path::new(&demo.text("/state_dir")).join("data/recordings");
    let said = eventually("all are sealed", Duration::from_secs(20), async || {
        let mut verify = Command::new(stage::binary());
        let out = verify.arg("verify").arg(&dir).arg("--json").output();
        let said: Value = serde_json::from_slice(&out.unwrap().stdout).ok()?;
        (said["recordings"]["proved"] == count).then_some(said)
    })
    .await;
    assert_eq!(said["good"], true, "{said}");
    let gone = recordings(&mut operator).await.len();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        recordings(&mut operator).await.len(),
        gone,
        "it began again"
    );
}

#[tokio::test]
async fn a_mode_outlives_a_killed_service_and_its_recording_goes_on_by_itself() {
    let state = stage::scratch("modes");
    let folder = state.to_str().unwrap().to_owned();
    let mut demo = Demo::start(&["--state", &folder]);
    {
        let mut admin = client(&demo, "admin").await;
        set_mode(&mut admin, "continuous").await;
        eventually("it records", Duration::from_secs(10), async || {
            (!recordings(&mut admin).await.is_empty()).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    demo.kill_hard();
    let demo = Demo::start(&["--state", &folder]);
    let mut admin = client(&demo, "admin").await;
    let all = eventually("it records again", Duration::from_secs(15), async || {
        let all = recordings(&mut admin).await;
        let (last, rest) = all.split_last()?;
        (last.1 && !rest.is_empty() && rest.iter().all(|(_, runs)| !runs)).then_some(all)
    })
    .await;
    for (name, _) in &all {
        assert!(name.starts_with("camera0_20"), "{name}");
    }
    // Nor does a killed MediaMTX end it.
    stage::kill(demo.mediamtx_pid().unwrap(), "KILL");
    let more = eventually(
        "it goes on in another file",
        Duration::from_secs(20),
        async || {
            let now = recordings(&mut admin).await;
            (now.len() > all.len() && now.last()?.1).then_some(now)
        },
    )
    .await;
    let told = result(
        &mut admin,
        "get_recording_mode",
        json!({ "device": "camera0" }),
    )
    .await;
    assert_eq!(
        (
            &told["mode"],
            &told["recording"],
            &told["from_configuration"]
        ),
        (&json!("continuous"), &json!(true), &json!(false))
    );
    let back = set_mode(&mut admin, "default").await;
    assert_eq!(back["mode"], "manual", "{back}");
    eventually("all ended", Duration::from_secs(10), async || {
        let all = recordings(&mut admin).await;
        all.iter().all(|(_, runs)| !runs).then_some(())
    })
    .await;
    for (name, _) in &more {
        // Of the killed service's own camera nobody can be asked any more.
        let dropped = if *name == more[0].0 {
            u32::MAX
        } else {
            dropped(&mut admin).await
        };
        unbroken(&pictures(&file(&demo, name)), dropped);
    }
    drop(demo);
    std::fs::remove_dir_all(state).unwrap();
}

#[tokio::test]
async fn a_window_begins_a_recording_when_it_opens_and_ends_it_when_it_closes() {
    let zone = ("CAMERA_SERVICE_RECORDING_TIME_ZONE", "+05:30");
    let demo = Demo::start_with(&[], &[zone]);
    let mut admin = client(&demo, "admin").await;
    for bad in ["", "always", "mon 25:00-26:00"] {
        let params = json!({ "device": "camera0", "mode": "scheduled", "schedule": bad });
        let refused = admin.call("set_recording_mode", params).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }
    // A minute of local time that has begun, or is about to.
    let now = clock::wall().as_secs();
    let from = now / 60 + u64::from(now % 60 > 40);
    let shown = |minute: u64| {
        let local = minute + 5 * 60 + 30;
        format!("{:02}:{:02}", local / 60 % 24, local % 60)
    };
    let schedule = format!("daily {}-{}", shown(from), shown(from + 1));
    let params = json!({ "device": "camera0", "mode": "scheduled", "schedule": schedule });
    let set = result(&mut admin, "set_recording_mode", params).await;
    assert_eq!(set["schedule"], schedule, "{set}");
    assert_eq!(set["wanted"], from * 60 <= now, "{set}");
    eventually("its window begins", Duration::from_secs(30), async || {
        let all = recordings(&mut admin).await;
        all.iter().any(|(_, runs)| *runs).then_some(())
    })
    .await;
    assert!(clock::wall().as_secs() >= from * 60, "it began early");
    eventually("its window ends", Duration::from_secs(75), async || {
        recordings(&mut admin)
            .await
            .iter()
            .all(|(_, runs)| !runs)
            .then_some(())
    })
    .await;
    let late = clock::wall().as_secs() - (from + 1) * 60;
    assert!(late < 5, "it ended {late} s after its window");
    let all = recordings(&mut admin).await;
    assert_eq!(all.len(), 1, "{all:?}");
    let shown = pictures(&file(&demo, &all[0].0));
    unbroken(&shown, dropped(&mut admin).await);
    let last = shown.last().unwrap().captured;
    let off = millis_between(Wall::from_secs((from + 1) * 60), last);
    println!("the last picture was taken {off} ms after the window closed");
    assert!((-1500..3000).contains(&off), "{off} ms");
}

#[tokio::test]
async fn a_recording_with_a_lead_goes_on_in_a_further_file_after_the_service_was_killed() {
    let state = stage::scratch("lead");
    let folder = state.to_str().unwrap().to_owned();
    let held = [("CAMERA_SERVICE_RECORDING_PRE_EVENT_MS", "2000")];
    let mut demo = Demo::start_with(&["--state", &folder], &held);
    {
        let mut operator = client(&demo, "operator").await;
        let params = json!({ "device": "camera0", "filename": "long" });
        result(&mut operator, "start_recording", params).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    demo.kill_hard();
    let demo = Demo::start_with(&["--state", &folder], &held);
    let mut operator = client(&demo, "operator").await;
    grows(&mut operator, "long-2", 1000).await;
    let stopped = result(
        &mut operator,
        "stop_recording",
        json!({ "device": "camera0" }),
    )
    .await;
    assert_eq!(stopped["filename"], "long");
    assert_eq!(stopped["extensions"]["files"].as_array().unwrap().len(), 2);
    unbroken(&pictures(&file(&demo, "long")), u32::MAX);
    let shown = pictures(&file(&demo, "long-2"));
    unbroken(&shown, dropped(&mut operator).await);
    drop(demo);
    std::fs::remove_dir_all(state).unwrap();
}
