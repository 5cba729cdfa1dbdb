//! What only a service of our own can be brought into: limits, a stopped MediaMTX, a restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::contract::Role;
use crate::report::{Report, Wanted};
use crate::stage::{Stage, knows, signal};
use crate::wire::Wire;
use crate::world::{World, fresh};

/// A folder for a service's state; removed at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("conformance-state-{}", fresh()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A limit is told with the time to wait, counts each call once, and does not forget on reconnect (§16.20, §20.8).
pub(crate) async fn limits(stage: &Arc<Stage>) -> Report {
    let mut report = Report::default();
    if !knows("security.rate_limit_requests") {
        report.not_offered += 1;
        return report;
    }
    let mut wire = Wire::new(&stage.server, Role::Viewer);
    let mut passed = 0;
    let mut limited = None;
    for _ in 0..400 {
        match wire.ask_once("get_camera_list", None).await {
            Ok(answer) if answer.code() == Some(-32040) => {
                limited = Some(answer);
                break;
            }
            Ok(_) => passed += 1,
            Err(why) => {
                report
                    .failures
                    .push(format!("get_camera_list role=viewer case=a flood: {why}"));
                return report;
            }
        }
    }
    let Some(answer) = limited else {
        report.failures.push(
            "get_camera_list role=viewer case=400 calls in a row: never limited (§20.8)".to_owned(),
        );
        return report;
    };
    report.envelope("get_camera_list role=viewer case=a flood", &answer);
    report.expect((50..=400).contains(&passed), || {
        format!("get_camera_list role=viewer case=a flood: limited after {passed} calls; the burst is 60 (§20.8)")
    });
    let wait = answer.data()["retry_after_ms"].as_u64().unwrap_or(0);
    report.expect((1..=60_000).contains(&wait), || {
        format!("get_camera_list role=viewer case=retry_after_ms: {wait}")
    });
    for _ in 0..5 {
        let reply = wire.ask_once("ping", None).await;
        report.judge(
            "ping role=viewer case=exempt from the limit (§20.8)",
            None,
            &Wanted::success(),
            &reply,
        );
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    // The same person by another door: the account is of the principal, not of the socket.
    let mut again = Wire::new(&stage.server, Role::Viewer);
    let mut more = 0;
    while more < 200 {
        match again.ask_once("get_camera_list", None).await {
            Ok(answer) if answer.code() == Some(-32040) => break,
            Ok(_) => more += 1,
            Err(_) => break,
        }
    }
    report.expect(more < 50, || {
        format!("get_camera_list role=viewer case=after a reconnect: {more} calls went through at once; the limit was forgotten (§16.20)")
    });
    // Obeying it helps.
    tokio::time::sleep(Duration::from_millis(wait + 200)).await;
    let reply = wire.ask("get_camera_list", None).await;
    report.judge(
        "get_camera_list role=viewer case=after the time it was told",
        None,
        &Wanted::success(),
        &reply,
    );
    let mut admin = Wire::new(&stage.server, Role::Admin);
    let reply = admin.ask_once("get_camera_list", None).await;
    report.judge(
        "get_camera_list role=admin case=while another is limited",
        None,
        &Wanted::success(),
        &reply,
    );
    report
}

/// With MediaMTX stopped, what needs it says so and names it, soon; the rest goes on (§7, §20.14).
pub(crate) async fn without_mediamtx(stage: &Arc<Stage>) -> Report {
    let mut report = Report::default();
    let mut world = World::new(stage).await;
    let Some((pid, _)) = stage
        .children()
        .into_iter()
        .find(|(_, name)| name == "mediamtx")
    else {
        report
            .failures
            .push("- case=MediaMTX is our child: it was not found".to_owned());
        return report;
    };
    signal(pid, "STOP");
    let device = json!({ "device": world.camera });
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut reply = world.call("get_streams", json!({})).await;
    while reply.as_ref().is_ok_and(|a| a.is_success()) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(200)).await;
        reply = world.call("get_streams", json!({})).await;
    }
    report.judge(
        "get_streams role=admin case=MediaMTX hangs (§5.4)",
        None,
        &Wanted::code(-32050),
        &reply,
    );
    if let Ok(answer) = &reply {
        report.expect(answer.data()["dependency"] == "mediamtx", || {
            format!(
                "get_streams role=admin case=MediaMTX hangs: the dependency is called {}",
                answer.data()["dependency"]
            )
        });
    }
    if world.offers(&["start_recording"]) {
        let reply = world.call("start_recording", device).await;
        report.judge(
            "start_recording role=admin case=MediaMTX hangs (§5.3)",
            None,
            &Wanted::code(-32050),
            &reply,
        );
    } else {
        report.not_offered += 1;
    }
    for method in ["ping", "get_camera_list"] {
        let began = Instant::now();
        let reply = world.call(method, json!({})).await;
        report.judge(
            &format!("{method} role=admin case=MediaMTX hangs"),
            None,
            &Wanted::success(),
            &reply,
        );
        report.expect(began.elapsed() < Duration::from_secs(1), || {
            format!(
                "{method} role=admin case=MediaMTX hangs: it took {:?}",
                began.elapsed()
            )
        });
    }
    signal(pid, "CONT");
    report
}

/// What was set is still set after a restart: the retention policy and external streams (§16.8, §16.10).
pub(crate) async fn before_restart(stage: &Arc<Stage>) -> Report {
    let mut report = Report::default();
    let mut world = World::new(stage).await;
    if world.offers(&["add_external_stream", "get_external_streams"]) {
        let stream = json!({ "stream_url": "rtsp://192.0.2.1:554/kept", "stream_name": "kept" });
        let reply = world.call("add_external_stream", stream).await;
        report.judge(
            "add_external_stream role=admin case=before a restart",
            None,
            &Wanted::success(),
            &reply,
        );
    } else {
        report.not_offered += 1;
    }
    let needs = [
        "set_retention_policy",
        "cleanup_old_files",
        "take_snapshot",
        "list_snapshots",
    ];
    if world.offers(&needs) {
        // A fraction of a gigabyte that rounds to nothing: about a kilobyte.
        let policy = json!({ "policy_type": "size", "max_size_gb": 0.000_001, "enabled": true });
        let reply = world.call("set_retention_policy", policy).await;
        report.judge(
            "set_retention_policy role=admin case=before a restart",
            None,
            &Wanted::success(),
            &reply,
        );
    } else {
        report.not_offered += 1;
    }
    report
}

/// The other half of [`before_restart`].
pub(crate) async fn after_restart(stage: &Arc<Stage>) -> Report {
    let mut report = Report::default();
    let mut world = World::new(stage).await;
    if world.offers(&["add_external_stream", "get_external_streams"]) {
        let list = world
            .try_call("get_external_streams", json!({}))
            .await
            .unwrap_or_default();
        report.expect(
            list["external_streams"]
                .as_array()
                .is_some_and(|l| l.iter().any(|s| s["name"] == "kept")),
            || format!("get_external_streams role=admin case=after a restart (§16.10): {list}"),
        );
    } else {
        report.not_offered += 1;
    }
    let needs = [
        "set_retention_policy",
        "cleanup_old_files",
        "take_snapshot",
        "list_snapshots",
    ];
    if !world.offers(&needs) {
        report.not_offered += 1;
        return report;
    }
    let device = json!({ "device": world.camera });
    for _ in 0..3 {
        let reply = world.call("take_snapshot", device.clone()).await;
        report.judge(
            "take_snapshot role=admin case=something to clean up",
            None,
            &Wanted::success(),
            &reply,
        );
    }
    let sizes = async |world: &mut World| -> (u64, u64) {
        let list = world
            .try_call("list_snapshots", json!({}))
            .await
            .unwrap_or_default();
        let files = list["files"].as_array().cloned().unwrap_or_default();
        let sum = files.iter().filter_map(|f| f["file_size"].as_u64()).sum();
        (list["total"].as_u64().unwrap_or(0), sum)
    };
    let before = sizes(&mut world).await;
    let done = world
        .try_call("cleanup_old_files", json!({}))
        .await
        .unwrap_or(Value::Null);
    let after = sizes(&mut world).await;
    report.expect(done["cleanup_executed"] == true && done["files_deleted"].as_u64() > Some(0), || {
        format!("cleanup_old_files role=admin case=a policy of 1 kB set before a restart (§16.8): {done}; {before:?} files and bytes before, {after:?} after")
    });
    report.expect(
        done["files_deleted"] == before.0 - after.0.min(before.0)
            && done["space_freed"] == before.1 - after.1.min(before.1),
        || format!("cleanup_old_files role=admin case=true figures (§16.8): {done}; {before:?} files and bytes before, {after:?} after"),
    );
    report
}

/// A full disk keeps new recordings out (§8, §16.9).
pub(crate) async fn full(stage: &Arc<Stage>) -> Report {
    let mut report = Report::default();
    let mut world = World::new(stage).await;
    if !world.offers(&["start_recording", "get_storage_info"]) || !knows("storage.block_percent") {
        report.not_offered += 1;
        return report;
    }
    let storage = world
        .try_call("get_storage_info", json!({}))
        .await
        .unwrap_or_default();
    report.expect(storage["low_space_warning"] == true, || {
        format!("get_storage_info role=admin case=warn_percent is 1: {storage}")
    });
    let device = json!({ "device": world.camera });
    let reply = world.call("start_recording", device).await;
    report.judge(
        "start_recording role=admin case=block_percent is 1 (§16.9)",
        None,
        &Wanted::code(-32020).or(-32050),
        &reply,
    );
    let _ = world.idle().await;
    report
}
