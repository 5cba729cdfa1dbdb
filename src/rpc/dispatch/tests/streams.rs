//! Streams marked as watched, and streams of somebody else, as clients see them.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde_json::{Value, json};

use super::super::{Outcome, accept};
use super::{CameraId, Client, NOW, media, room};
use crate::clock::{Mono, Now, Wall};
use crate::rpc::media::{MediaState, PathState};
use crate::rpc::schema::tests::departure;
use crate::viewing::Sample;

fn operator(media: MediaState) -> Client {
    let mut client = Client::new();
    client.room = room(media);
    client.call("authenticate", &json!({ "token": "admin:86400" }));
    client
}

/// Calls a method whose work is done at once.
fn soon(client: &mut Client, method: &str, params: Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let turn = accept(
        &client.room,
        &mut client.session,
        &request.to_string(),
        client.now,
    );
    let answer = match turn.outcome {
        Outcome::Now(answer) => answer,
        Outcome::Later(work) => match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("nothing here takes time"),
        },
    };
    serde_json::from_str(&turn.reply.render(&answer, client.now).unwrap()).unwrap()
}

fn good(client: &mut Client, shape: &str, method: &str, params: Value) -> Value {
    let answer = soon(client, method, params);
    let result = &answer["result"];
    assert_eq!(departure(shape, result), None, "{answer}");
    result.clone()
}

fn camera0() -> Value {
    json!({ "device": "camera0" })
}

fn later(secs: u64) -> Now {
    Now {
        mono: Mono::from_nanos(NOW.mono.as_nanos() + secs * 1_000_000_000),
        wall: Wall::from_secs(NOW.wall.as_secs() + secs),
    }
}

#[test]
fn starting_marks_the_stream_and_stopping_tells_that_it_goes_on() {
    let mut client = operator(media());
    let started = good(&mut client, "StreamStart", "start_streaming", camera0());
    assert_eq!(
        (&started["status"], &started["auto_close_after"]),
        (&json!("STARTED"), &json!("300s"))
    );
    assert_eq!(started["start_time"], NOW.wall.rfc3339());
    assert_eq!(started["stream_url"], "rtsp://box.local:8554/camera0");

    client.now = later(12);
    let again = good(&mut client, "StreamStart", "start_streaming", camera0());
    assert_eq!(
        again["start_time"],
        NOW.wall.rfc3339(),
        "it keeps its beginning"
    );
    let status = good(&mut client, "StreamStatus", "get_stream_status", camera0());
    assert_eq!(status["start_time"], NOW.wall.rfc3339());

    let stopped = good(&mut client, "StreamStop", "stop_streaming", camera0());
    assert_eq!(
        (&stopped["duration"], &stopped["stream_continues"]),
        (&json!(12), &json!(true))
    );
    assert_eq!(stopped["end_time"], client.now.wall.rfc3339());
    let message = stopped["message"].as_str().unwrap();
    assert!(message.contains("3 viewers"), "{message}");
}

#[test]
fn stopping_what_nobody_started_is_an_invalid_state_and_an_unknown_camera_comes_first() {
    let mut client = operator(media());
    let error = soon(&mut client, "stop_streaming", camera0())["error"].take();
    assert_eq!(error["code"], -32020);
    assert_eq!(
        (&error["data"]["state"], &error["data"]["allowed_states"]),
        (&json!("INACTIVE"), &json!(["ACTIVE"]))
    );
    let absent = json!({ "device": "camera7" });
    for method in ["start_streaming", "stop_streaming", "get_stream_status"] {
        assert_eq!(
            soon(&mut client, method, absent.clone())["error"]["code"],
            -32010
        );
        let nobody = soon(&mut client, method, json!({ "device": "nobody" }));
        assert_eq!(nobody["error"]["data"]["resource"], "stream");
        let odd = soon(&mut client, method, json!({ "device": "/dev/video0" }));
        assert_eq!(odd["error"]["data"]["rule"], "pattern");
    }
}

#[test]
fn what_sends_nothing_is_not_said_to_be_started() {
    let mut client = operator(MediaState {
        reachable: true,
        ..MediaState::default()
    });
    let error = soon(&mut client, "start_streaming", camera0())["error"].take();
    assert_eq!(
        (&error["code"], &error["data"]["dependency"]),
        (&json!(-32050), &json!("camera"))
    );
    let mut client = operator(MediaState::default());
    let error = soon(&mut client, "start_streaming", camera0())["error"].take();
    assert_eq!(
        (&error["code"], &error["data"]["dependency"]),
        (&json!(-32050), &json!("mediamtx"))
    );
    assert!(client.room.desk.viewing.mark("camera0").is_none());
}

#[test]
fn an_idle_stream_has_no_figures_and_one_that_is_sent_has_measured_ones() {
    let mut client = operator(MediaState {
        reachable: true,
        ..MediaState::default()
    });
    let idle = good(&mut client, "StreamStatus", "get_stream_status", camera0());
    assert_eq!(idle["status"], "INACTIVE");
    assert_eq!(idle["start_time"], Value::Null);
    assert_eq!(
        idle["ffmpeg_process"],
        json!({ "running": false, "pid": null, "uptime": null })
    );
    assert_eq!(
        idle["metrics"],
        json!({ "bytes_sent": 0, "frames_sent": 0, "bitrate": 0, "fps": 0 })
    );

    client.room = room(media());
    let counters = client
        .room
        .desk
        .directory
        .get(CameraId::TEST)
        .unwrap()
        .counters;
    let since = NOW.mono.as_nanos() - 9_000_000_000;
    counters
        .publishing_since_nanos
        .store(since, std::sync::atomic::Ordering::Relaxed);
    counters
        .sent
        .store(270, std::sync::atomic::Ordering::Relaxed);
    for secs in 0..3 {
        let sample = Sample {
            name: "camera0".to_owned(),
            readers: 3,
            bytes: secs * 125_000,
            frames: Some(secs * 30 + 1),
            at: later(secs).mono,
        };
        client
            .room
            .desk
            .viewing
            .observe(&[sample], later(secs).mono);
    }
    let sent = good(&mut client, "StreamStatus", "get_stream_status", camera0());
    assert_eq!(
        (&sent["status"], &sent["ready"]),
        (&json!("ACTIVE"), &json!(true))
    );
    assert_eq!(sent["ffmpeg_process"]["uptime"], 9);
    assert_eq!(
        sent["metrics"],
        json!({ "bytes_sent": 99, "frames_sent": 270, "bitrate": 1_000_000, "fps": 30 })
    );
    client.room.desk.directory.update(CameraId::TEST, |camera| {
        camera.status = crate::camera::Status::Error {
            reason: "the encoder hangs".to_owned(),
            action: "wait".to_owned(),
        };
    });
    let broken = good(&mut client, "StreamStatus", "get_stream_status", camera0());
    assert_eq!(
        (&broken["status"], &broken["extensions"]["reason"]),
        (&json!("ERROR"), &json!("the encoder hangs"))
    );
}

fn pulled(ready: bool) -> MediaState {
    let mut media = media();
    let path = PathState {
        ready,
        readers: 1,
        bytes_received: 5,
        bytes_sent: 6,
        source: Some("rtspSource".to_owned()),
    };
    media.since = NOW.mono;
    media.paths.insert("drone".to_owned(), path);
    media
}

#[test]
fn an_external_stream_is_shown_and_watched_by_its_name() {
    let mut client = operator(pulled(true));
    let drone = || json!({ "device": "drone" });
    let url = good(&mut client, "StreamUrl", "get_stream_url", drone());
    assert_eq!(url["stream_url"], "rtsp://box.local:8554/drone");
    assert_eq!(
        (&url["stream_status"], &url["active_consumers"]),
        (&json!("READY"), &json!(1))
    );
    good(&mut client, "StreamStart", "start_streaming", drone());
    let status = good(&mut client, "StreamStatus", "get_stream_status", drone());
    assert_eq!(status["status"], "ACTIVE");
    assert_eq!(
        status["ffmpeg_process"]["pid"],
        Value::Null,
        "MediaMTX sends it, not we"
    );

    client.room = room(pulled(false));
    let status = good(&mut client, "StreamStatus", "get_stream_status", drone());
    assert_eq!(status["status"], "STARTING");
    client.now = later(11);
    let status = good(&mut client, "StreamStatus", "get_stream_status", drone());
    assert_eq!(
        status["status"], "ERROR",
        "it was pulled in vain for long enough"
    );
}

#[test]
fn the_list_of_external_streams_never_shows_a_password() {
    let mut client = operator(pulled(true));
    let list = good(
        &mut client,
        "ExternalStreams",
        "get_external_streams",
        json!({}),
    );
    assert_eq!(list["total_count"], 1);
    let drone = &list["generic_streams"][0];
    assert_eq!(
        (&drone["url"], &drone["status"]),
        (&json!("rtsp://192.0.2.7/live"), &json!("DISCOVERED"))
    );
    assert_eq!(
        drone["extensions"]["streams"]["hls"],
        "http://box.local:8003/hls/drone.m3u8"
    );
    assert_eq!(drone["capabilities"]["port"], 554);
    assert!(!list.to_string().contains("geheim"));
    client.room = room(pulled(false));
    let list = good(
        &mut client,
        "ExternalStreams",
        "get_external_streams",
        json!({}),
    );
    assert_eq!(list["generic_streams"][0]["status"], "ERROR");
}

#[test]
fn adding_and_removing_by_address() {
    let mut client = operator(media());
    let add = |url: &str, name: &str| json!({ "stream_url": url, "stream_name": name });
    let secret = "rtsp://bob:geheim@192.0.2.9:5554/subject";
    let added = good(
        &mut client,
        "ExternalStreamAdded",
        "add_external_stream",
        json!({ "stream_url": secret, "stream_name": "sky", "stream_type": "skydio_stanag4609" }),
    );
    assert_eq!(added["stream_url"], "rtsp://192.0.2.9:5554/subject");
    for (url, name, reason) in [
        ("rtsp://192.0.2.10/x", "sky", "name_taken"),
        (
            "rtsp://ann:other@192.0.2.9:5554/subject",
            "sky2",
            "url_taken",
        ),
    ] {
        let answer = soon(&mut client, "add_external_stream", add(url, name));
        assert_eq!(answer["error"]["code"], -32020, "{answer}");
        assert_eq!(answer["error"]["data"]["reason"], reason);
        assert!(answer["error"]["data"]["allowed_states"].is_array());
    }
    for (url, name, param, rule) in [
        ("http://192.0.2.9/geheim", "x", "stream_url", "url"),
        ("rtsp://192.0.2.9/", "Sky", "stream_name", "pattern"),
        ("rtsp://192.0.2.9/", "camera5", "stream_name", "reserved"),
        ("rtsp://192.0.2.9/", "all_others", "stream_name", "reserved"),
    ] {
        let answer = soon(&mut client, "add_external_stream", add(url, name));
        let data = &answer["error"]["data"];
        assert_eq!(
            (&data["param"], &data["rule"]),
            (&json!(param), &json!(rule)),
            "{answer}"
        );
        assert!(!answer.to_string().contains("geheim"));
    }
    let url = json!({ "stream_url": "rtsp://192.0.2.9:5554/subject" });
    good(
        &mut client,
        "ExternalStreamRemoved",
        "remove_external_stream",
        url.clone(),
    );
    let gone = soon(&mut client, "remove_external_stream", url);
    assert_eq!(gone["error"]["code"], -32010);
}

#[test]
fn with_searching_switched_off_only_searching_is_refused() {
    let mut client = operator(media());
    for (method, params) in [
        ("discover_external_streams", json!({})),
        ("set_discovery_interval", json!({ "scan_interval": 0.5 })),
    ] {
        let answer = soon(&mut client, method, params);
        assert_eq!(answer["error"]["code"], -32030, "{answer}");
        let data = &answer["error"]["data"];
        assert_eq!(
            (&data["reason"], &data["feature"]),
            (&json!("feature_disabled"), &json!("external_discovery"))
        );
    }
    let never = json!({ "scan_interval": 0 });
    let set = good(
        &mut client,
        "DiscoveryInterval",
        "set_discovery_interval",
        never,
    );
    assert_eq!(set["status"], "UPDATED");
    let flag = json!({ "force_rescan": "yes" });
    let answer = soon(&mut client, "discover_external_streams", flag);
    assert_eq!(answer["error"]["data"]["rule"], "type");
}
