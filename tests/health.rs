//! Health over HTTP: true at the moment it is asked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::sync::atomic::Ordering::Relaxed;

use camera_service::camera::{CameraId, Status};
use support::{Rig, camera, http};

#[tokio::test]
async fn every_question_answers_while_all_is_well() {
    let rig = Rig::start().await;
    for path in [
        "/health",
        "/health/detailed",
        "/health/ready",
        "/health/live",
        "/health/system",
        "/health/cameras",
        "/health/mediamtx",
    ] {
        let answer = http(rig.page, "GET", path, "", "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.json()["timestamp"].is_string(), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert!(answer.header("cache-control").unwrap().contains("no-cache"));
        let head = http(rig.page, "HEAD", path, "", "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        let post = http(rig.page, "POST", path, "", "").await;
        assert_eq!(
            (post.status, post.header("allow")),
            (405, Some("get, head"))
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_picture_that_freezes_is_unhealthy_at_the_next_question() {
    let rig = Rig::start().await;
    assert_eq!(http(rig.page, "GET", "/health", "", "").await.status, 200);
    let frozen = camera(0, Status::Connected);
    let long_ago = frozen.since.as_nanos() - 2_100_000_000;
    frozen.counters.last_frame_nanos.store(long_ago, Relaxed);
    let since = camera_service::clock::Mono::from_nanos(long_ago);
    rig.directory
        .put(camera_service::camera::Camera { since, ..frozen });
    let answer = http(rig.page, "GET", "/health", "", "").await;
    assert_eq!(answer.status, 503);
    let fault = &answer.json()["extensions"]["faults"][0];
    assert_eq!(fault["code"], "camera_frozen");
    assert_eq!(fault["device"], "camera0");
    rig.directory
        .get(CameraId::TEST)
        .unwrap()
        .counters
        .last_frame_nanos
        .store(camera_service::clock::mono().as_nanos(), Relaxed);
    assert_eq!(http(rig.page, "GET", "/health", "", "").await.status, 200);
    rig.stop().await;
}

#[tokio::test]
async fn mediamtx_away_ends_readiness_but_not_life() {
    let rig = Rig::start().await;
    rig.media.0.lock().unwrap().reachable = false;
    let of = |path| http(rig.page, "GET", path, "", "");
    let ready = of("/health/ready").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &false.into()));
    assert_eq!(ready.json()["status"], "not_ready");
    assert_eq!(of("/health/mediamtx").await.status, 503);
    assert_eq!(of("/health/cameras").await.status, 200);
    assert_eq!(of("/health/live").await.status, 200);
    rig.stop().await;
}

#[tokio::test]
async fn an_unplugged_camera_degrades() {
    let rig = Rig::start().await;
    let reason = "unplugged".to_owned();
    rig.directory
        .put(camera(0, Status::Disconnected { reason }));
    let answer = http(rig.page, "GET", "/health", "", "").await;
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (200, &"degraded".into())
    );
    rig.stop().await;
}

#[tokio::test]
async fn unknown_questions_are_404_in_the_contracts_error_body() {
    let rig = Rig::start().await;
    let answer = http(rig.page, "GET", "/health/nonsense", "", "").await;
    assert_eq!(answer.status, 404);
    let body = answer.json();
    let keys: Vec<&str> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, ["error", "status", "timestamp"]);
    rig.stop().await;
}

/// The quickest of some answers; the machine may be busy with something else.
#[expect(clippy::disallowed_methods, reason = "a test measures")]
async fn quickest(rig: &Rig, path: &str) -> (std::time::Duration, support::Answer) {
    let mut best = None;
    for _ in 0..10 {
        let began = std::time::Instant::now();
        let answer = http(rig.page, "GET", path, "", "").await;
        let took = began.elapsed();
        if best.as_ref().is_none_or(|(least, _)| took < *least) {
            best = Some((took, answer));
        }
    }
    best.unwrap()
}

#[tokio::test]
async fn health_answers_at_once_while_a_camera_thread_mediamtx_and_the_disk_hang() {
    let rig = Rig::start().await;
    // A camera's thread hangs in the middle of telling a change.
    let (hangs, hanging) = std::sync::mpsc::channel();
    let (free, freed) = std::sync::mpsc::channel::<()>();
    let directory = rig.directory.clone();
    let thread = std::thread::spawn(move || {
        directory.update(CameraId::TEST, |_| {
            hangs.send(()).unwrap();
            freed.recv().unwrap();
        });
    });
    hanging.recv().unwrap();
    // MediaMTX does not answer, and the disk was seen the last time a minute ago.
    rig.media.0.lock().unwrap().reachable = false;
    let minute = std::time::Duration::from_secs(60);
    let now = camera_service::clock::mono();
    let then = now.as_nanos() - u64::try_from(minute.as_nanos()).unwrap();
    rig.system.put_storage(camera_service::system::Storage {
        total: 100,
        used: 50,
        available: 50,
        at: camera_service::clock::Mono::from_nanos(then),
    });
    let patience = std::time::Duration::from_millis(50);
    for (path, status) in [
        ("/health", 503),
        ("/health/detailed", 503),
        ("/health/ready", 503),
        ("/health/live", 200),
        ("/health/cameras", 200),
        ("/metrics", 200),
    ] {
        let (took, answer) = quickest(&rig, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(took <= patience, "{path} took {took:?}");
    }
    let (_, detailed) = quickest(&rig, "/health/detailed").await;
    let detailed = detailed.json();
    let parts = detailed["components"].as_array().unwrap();
    let storage = parts.iter().find(|p| p["name"] == "storage").unwrap();
    assert_eq!(storage["status"], "degraded");
    assert_eq!(storage["details"]["faults"][0]["code"], "storage_silent");
    assert!(storage["details"]["age_seconds"].as_f64().unwrap() >= 60.0);
    free.send(()).unwrap();
    thread.join().unwrap();
    rig.stop().await;
}
