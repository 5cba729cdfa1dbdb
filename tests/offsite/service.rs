//! The whole service with a store: what is recorded is in the store a little later, and everybody can see that.

use std::fs;
use std::path::Path;
use std::time::Duration;

use camera_service::clock;
use serde_json::{Value, json};

use super::caller::{client, result};
use super::s3::{BUCKET, KEY, SECRET, Server};
use super::stage::{Demo, scratch};
use super::support::Client;

async fn stand(client: &mut Client, name: &str) -> Value {
    let mut told = result(client, "get_recording_info", json!({ "filename": name })).await;
    told["extensions"]["offsite"].take()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_is_in_the_store_and_everybody_can_see_that() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::running().await;
    let folder = scratch("offsite");
    let key = folder.join("store-key");
    let text = format!("aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
    fs::write(&key, text).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let endpoint = server.endpoint();
    let demo = Demo::start_with(
        &[],
        &[
            ("CAMERA_SERVICE_OFFSITE_BUCKET", BUCKET),
            ("CAMERA_SERVICE_OFFSITE_ENDPOINT", &endpoint),
            ("CAMERA_SERVICE_OFFSITE_PREFIX", "barn"),
            ("CAMERA_SERVICE_OFFSITE_KEY_FILE", key.to_str().unwrap()),
        ],
    );
    let mut client = client(&demo, "operator").await;
    let wish = json!({ "device": "camera0", "filename": "film" });
    result(&mut client, "start_recording", wish).await;
    assert_eq!(stand(&mut client, "film").await, "waiting");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(server.files("film").is_empty(), "it runs still");
    let camera = json!({ "device": "camera0" });
    result(&mut client, "stop_recording", camera).await;
    let begun = clock::mono();
    while stand(&mut client, "film").await != "copied" {
        let status = result(&mut client, "get_offsite_status", json!({})).await;
        assert!(
            clock::mono().since(begun) < Duration::from_secs(60),
            "{status}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let state = demo.text("/state_dir");
    let film = Path::new(&state).join("data/recordings/camera0/film.mp4");
    assert_eq!(
        server.object("barn/recordings/camera0/film.mp4"),
        Some(fs::read(film).unwrap())
    );
    let status = result(&mut client, "get_offsite_status", json!({})).await;
    assert_eq!(status["configured"], true);
    assert_eq!(status["state"], "IDLE");
    assert_eq!(status["copied_files"], 1);
    assert!(status["last_success"].is_string());
    let url = format!("{}/metrics", demo.text("/page").trim_end_matches('/'));
    let (_, metrics) = demo.http(&url, None);
    assert!(metrics.contains("camera_service_offsite_copied_total 1"));
    let _ = fs::remove_dir_all(folder);
}
