//! What the methods answer, field by field.

use serde_json::json;

use super::{CameraId, Client, NOW, Outcome, Wall, accept, room};
use crate::rpc::media::MediaState;
use crate::rpc::schema::tests::departure;
use crate::rpc::table::METHODS;

#[test]
fn results_have_the_documented_shape_and_no_field_more() {
    // These are answered by a camera's thread (tests/controls.rs) the keeper of credentials
    // (credentials.rs) or the disk (guarded.rs).
    let asked_elsewhere = |name: &str| {
        [
            "_controls",
            "_video",
            "request_keyframe",
            "_token",
            "_api_key",
            "_api_keys",
            "get_audit_log",
            "_download_url",
            "_range_url",
            "_configuration",
        ]
        .iter()
        .any(|end| name.ends_with(end))
            || super::records::METHODS.contains(&name)
    };
    let mut client = Client::viewer();
    client.call("authenticate", &json!({ "token": "admin:60" }));
    // These take parameters of their own, and are in streams.rs.
    let elsewhere = |name: &str| {
        asked_elsewhere(name)
            || name.ends_with("_streaming")
            || name.ends_with("external_stream")
            || name.starts_with("discover_")
            || name.starts_with("set_discovery")
    };
    for row in METHODS.iter().filter(|row| !elsewhere(row.name)) {
        let params = match row.name {
            "authenticate" => json!({ "token": "admin:60" }),
            "subscribe_events" | "unsubscribe_events" => json!({ "topics": ["system.health"] }),
            _ if row.params.is_empty() => json!({}),
            _ => json!({ "device": "camera0" }),
        };
        let result = client.call(row.name, &params)["result"].take();
        assert_eq!(departure(row.result, &result), None, "{}", row.name);
    }
}

#[test]
fn a_download_link_has_the_documented_shape_and_never_outlives_the_login() {
    use futures_util::FutureExt as _;
    let mut client = Client::viewer();
    let mut ask = |ttl: u64| {
        let params = json!({ "kind": "recording", "filename": "camera0_1", "ttl_s": ttl });
        let request =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "get_download_url", "params": params });
        let turn = accept(&client.room, &mut client.session, &request.to_string(), NOW);
        let Outcome::Later(work) = turn.outcome else {
            panic!("the disk is asked")
        };
        work.now_or_never().unwrap().unwrap()
    };
    let link = ask(20);
    assert_eq!(departure("DownloadUrl", &link), None);
    let path = "/files/recordings/camera0_1.mp4?user=ada&expires=1790000020";
    assert_eq!(link["download_url"], path);
    assert_eq!(link["url"], format!("http://box.local:8003{path}"));
    // The login ends after a minute.
    let link = ask(3600);
    assert_eq!(link["expires_at"], Wall::from_secs(1_790_000_060).rfc3339());
}

#[test]
fn a_camera_is_shown_with_links_on_the_host_the_client_used() {
    let mut client = Client::viewer();
    let list = client.call("get_camera_list", &json!({}))["result"].take();
    assert_eq!((&list["total"], &list["connected"]), (&json!(2), &json!(1)));
    let first = &list["cameras"][0];
    assert_eq!(first["fps"], 30);
    assert_eq!(first["resolution"], "1280x720");
    assert_eq!(first["extensions"]["fps"], 30000.0 / 1001.0);
    assert_eq!(
        first["streams"],
        json!({
            "rtsp": "rtsp://box.local:8554/camera0",
            "hls": "http://box.local:8003/hls/camera0.m3u8",
            "webrtc": "http://box.local:8003/whep/camera0",
        })
    );
    assert_eq!(list["cameras"][1]["extensions"]["reason"], "unplugged");
    assert!(
        !list.to_string().contains("/dev/"),
        "device nodes stay private"
    );
}

#[test]
fn status_and_capabilities_tell_figures_and_modes() {
    let mut client = Client::viewer();
    let device = json!({ "device": "camera0" });
    let status = client.call("get_camera_status", &device)["result"].take();
    assert_eq!(
        status["metrics"],
        json!({ "bytes_sent": 99, "readers": 3, "uptime": 42 })
    );
    let capabilities = client.call("get_camera_capabilities", &device)["result"].take();
    assert_eq!(
        capabilities,
        json!({
            "device": "camera0",
            "formats": ["YUYV", "MJPG"],
            "resolutions": ["1280x720", "640x480"],
            "fps_options": [30, 15],
            "validation_status": "CONFIRMED",
        })
    );
    let away = client.call("get_camera_capabilities", &json!({ "device": "camera2" }));
    assert_eq!(away["result"]["validation_status"], "DISCONNECTED");
}

#[test]
fn status_tells_how_late_pictures_are_stage_by_stage_once_some_were_sent() {
    let mut client = Client::viewer();
    let mut of = |device: &str| {
        let status = client.call("get_camera_status", &json!({ "device": device }));
        status["result"]["extensions"].clone()
    };
    let latency = &of("camera0")["latency"];
    let total = &latency["captured_to_sent"];
    assert_eq!(
        (&total["max_ms"], &total["frames"]),
        (&json!(12.5), &json!(1))
    );
    let encode = latency["dequeued_to_encoded"]["p50_ms"].as_f64().unwrap();
    assert!((9.7..=10.0).contains(&encode), "{encode} ms");
    assert!(of("camera2").get("latency").is_none(), "nothing was sent");
}

#[test]
fn streams_follow_what_mediamtx_says() {
    let mut client = Client::viewer();
    let device = json!({ "device": "camera0" });
    let url = client.call("get_stream_url", &device)["result"].take();
    assert_eq!(url["stream_status"], "READY");
    assert_eq!(url["active_consumers"], 3);
    let streams = client.call("get_streams", &json!({}))["result"].take();
    assert_eq!(streams[0]["source"], "rtspSession");

    client.room.desk.directory.update(CameraId::TEST, |camera| {
        camera.slate_since = Some(NOW.mono);
    });
    let url = client.call("get_stream_url", &device)["result"].take();
    assert_eq!(
        (&url["stream_status"], &url["available"]),
        (&json!("NOT_READY"), &json!(false)),
        "a slate is no picture"
    );
    let streams = client.call("get_streams", &json!({}))["result"].take();
    assert_eq!(streams[0]["ready"], false);

    client.room = room(MediaState {
        last_reason: Some("connection refused".to_owned()),
        ..MediaState::default()
    });
    let url = client.call("get_stream_url", &device)["result"].take();
    assert_eq!(
        (&url["stream_status"], &url["available"]),
        (&json!("ERROR"), &json!(false))
    );
    let error = client.call("get_streams", &json!({}))["error"].take();
    assert_eq!(error["code"], -32050);
    assert_eq!(error["data"]["dependency"], "mediamtx");
    assert_eq!(error["data"]["detail"], "connection refused");
}
