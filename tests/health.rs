//! Health over HTTP: true at the moment it is asked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::sync::atomic::Ordering::Relaxed;

use camera_service::camera::{CameraId, Status};
use camera_service::system::Storage;
use camera_service::system::io::watch_storage_by;
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

/// What hangs here hangs in earnest: a camera's thread in the middle of telling a change, the thread that looks at the
/// storage, and every thread of the runtime that may wait for a disk. The looks at the storage are a stand-in for
/// statvfs(2) on a dead disk, which is not to be had here: they block as it would. MediaMTX is what the service
/// last knew of one that is stopped; tests/demo stops a real one.
#[test]
fn health_answers_at_once_while_a_camera_thread_mediamtx_and_the_disk_hang() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let (dead, disk) = std::sync::mpsc::channel::<()>();
    let disk = std::sync::Arc::new(std::sync::Mutex::new(disk));
    runtime.block_on(async {
        let rig = Rig::start().await;
        rig.media.0.lock().unwrap().reachable = false;
        // The disk answers once, and that was a minute ago; then no more.
        let then = camera_service::clock::mono().as_nanos() - 60_000_000_000;
        let (asks, asked) = std::sync::mpsc::channel();
        let (look, mut looks) = (std::sync::Arc::clone(&disk), 0);
        watch_storage_by(&rig.system, "a dead disk".to_owned(), move || {
            looks += 1;
            if looks > 1 {
                // Nobody listens any more at the end.
                let _ = asks.send(());
                let _ = look.lock().unwrap().recv();
            }
            Ok(Storage {
                total: 100,
                used: 50,
                available: 50,
                at: camera_service::clock::Mono::from_nanos(then),
            })
        })
        .unwrap();
        asked
            .recv_timeout(std::time::Duration::from_secs(20))
            .unwrap();
        // A camera's thread hangs in the middle of telling a change; the pictures themselves come on.
        rig.directory.put(camera(0, Status::Connected));
        let counters = rig.directory.get(CameraId::TEST).unwrap().counters;
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
        // Whoever reads or writes files waits, and there is no thread for more of them.
        for _ in 0..8 {
            let disk = std::sync::Arc::clone(&disk);
            tokio::task::spawn_blocking(move || disk.lock().unwrap().recv());
        }
        let patience = std::time::Duration::from_millis(50);
        for (path, status) in [
            ("/health", 503),
            ("/health/detailed", 503),
            ("/health/ready", 503),
            ("/health/live", 200),
            ("/health/system", 503),
            ("/health/cameras", 200),
            ("/health/mediamtx", 503),
            ("/metrics", 200),
        ] {
            let now = camera_service::clock::mono().as_nanos();
            counters.last_frame_nanos.store(now, Relaxed);
            counters.last_unit_nanos.store(now, Relaxed);
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
        // The service ends while the disk still hangs.
        rig.stop().await;
    });
    // Only the runtime of this test waits for its threads.
    drop(dead);
}

/// As the kubelet asks: a connection for each question, closed by either side, its own agent and no Host of ours.
#[tokio::test]
async fn a_probe_of_an_orchestrator_is_told_by_the_status_alone() {
    let rig = Rig::start().await;
    let probe = async |path: &str| {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 10.1.2.3:8003\r\nUser-Agent: kube-probe/1.31\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        let answer = support::raw(rig.page, &request).await;
        answer[9..12].parse::<u16>().unwrap()
    };
    assert_eq!(probe("/health/ready").await, 200);
    assert_eq!(probe("/health/live?verbose=1").await, 200);
    // Not ready is no reason to be killed.
    rig.media.0.lock().unwrap().reachable = false;
    assert_eq!(probe("/health/ready").await, 503);
    assert_eq!(probe("/health/live").await, 200);
    // Ready again without being started anew, and old readers of either kind understand it.
    rig.media.0.lock().unwrap().reachable = true;
    let ready = http(rig.page, "GET", "/health/ready", "", "").await;
    assert_eq!(ready.status, 200);
    let body = ready.json();
    assert_eq!(
        (&body["ready"], &body["status"]),
        (&true.into(), &"ready".into())
    );
    assert!(body["message"].is_string() && body["timestamp"].is_string());
    assert!(body.get("details").is_none());
    rig.media.0.lock().unwrap().reachable = false;
    let body = http(rig.page, "GET", "/health/ready", "", "").await.json();
    assert_eq!(
        (&body["ready"], &body["status"]),
        (&false.into(), &"not_ready".into())
    );
    assert_eq!(body["details"]["mediamtx"], "unhealthy");
    assert!(
        body["message"].as_str().unwrap().contains("; "),
        "cause and action: {body}"
    );
    rig.stop().await;
}
