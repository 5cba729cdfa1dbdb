//! What the service says of itself.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, Desk, NOW, media, room};
use crate::clock::{Mono, Now};
use crate::events::Topic;
use crate::rpc::dispatch::accept;
use crate::rpc::media::MediaState;
use crate::rpc::methods::core::PING;
use crate::rpc::table::{Method, Outcome};
use crate::system::calls::Ending;
use crate::system::{About, Machine, Phase, Storage, System};

/// A box that has run for 99 s and whose cameras deliver.
fn system() -> System {
    let system = System::new(About {
        started: Mono::from_nanos(1_000_000_000),
        kernel: "6.12.48".to_owned(),
        most_connections: 1000,
        expected: Vec::new(),
    });
    system.put_machine(Machine {
        cpu_percent: Some(12.5),
        memory_percent: Some(40.0),
        threads: 9,
        tasks: 11,
        at: NOW.mono,
    });
    system.put_storage(Storage {
        total: 100,
        used: 60,
        available: 40,
        at: NOW.mono,
    });
    system.enter(Phase::Running);
    system
}

fn admin(system: System, media: MediaState) -> Client {
    let mut client = Client::new();
    client.room = room(media);
    client.room.desk = Arc::new(Desk {
        system: Arc::new(system),
        ..(*client.room.desk).clone()
    });
    // The second camera is away, which would decide every status.
    let away = crate::camera::CameraId::new(2).unwrap();
    client.room.desk.directory.remove(away);
    client.call("authenticate", &json!({ "token": "admin:60" }));
    client
}

fn result(client: &mut Client, method: &str) -> Value {
    client.call(method, &json!({}))["result"].take()
}

#[test]
fn the_status_is_healthy_while_every_figure_is_within_its_limits() {
    let status = result(&mut admin(system(), media()), "get_status");
    assert_eq!(status["status"], "HEALTHY", "{status}");
    assert_eq!(status["uptime"], 99.0);
    assert_eq!(
        status["components"],
        json!({ "websocket_server": "RUNNING", "camera_monitor": "RUNNING", "mediamtx": "RUNNING" })
    );
    assert_eq!(status["extensions"]["decided_by"], json!([]));
    assert_eq!(status["extensions"]["tasks"], 20);
}

#[test]
fn the_figure_that_decided_is_named_with_its_action() {
    let system = system();
    system.put_machine(Machine {
        memory_percent: Some(93.0),
        ..system.machine().unwrap()
    });
    let status = result(&mut admin(system, media()), "get_status");
    assert_eq!(status["status"], "DEGRADED");
    let decided = &status["extensions"]["decided_by"][0];
    assert_eq!(decided["figure"], "memory");
    assert!(decided["cause"].as_str().unwrap().contains("93.0 %"));
}

#[test]
fn calls_that_fail_by_the_services_own_doing_count_and_a_clients_mistakes_do_not() {
    const ROWS: &[Method] = &[
        PING,
        crate::rpc::methods::core::AUTHENTICATE,
        crate::rpc::methods::system::STATUS,
        Method {
            name: "bug",
            handler: |_, _| panic!("on purpose"),
            ..PING
        },
    ];
    let mut client = admin(system(), media());
    client.room.methods = ROWS;
    for _ in 0..1000 {
        client.call("nonsense", &json!({}));
        client.call("ping", &json!({ "wrong": 1 }));
    }
    assert_eq!(result(&mut client, "get_status")["status"], "HEALTHY");
    for _ in 0..300 {
        client.call("bug", &json!({}));
    }
    let status = result(&mut client, "get_status");
    assert_eq!(status["status"], "UNHEALTHY");
    assert_eq!(
        status["extensions"]["decided_by"][0]["figure"],
        "error_rate"
    );
    assert_eq!(status["extensions"]["failed_calls"], 300);
    let by_method = client.room.desk.system.calls.by_method();
    let of = |name: &str| by_method.iter().find(|(n, _)| *n == name).unwrap().1;
    assert_eq!(of("bug").endings[Ending::Failed as usize], 300);
    assert_eq!(of("unknown").endings, [0, 1000, 0]);
    assert_eq!(by_method.len(), 5, "names that do not exist share one row");
}

#[test]
fn a_call_is_counted_with_the_time_until_its_answer() {
    let mut client = Client::new();
    let message = r#"{"jsonrpc":"2.0","method":"ping"}"#;
    let turn = accept(&client.room, &mut client.session, message, NOW);
    let Outcome::Now(answer) = turn.outcome else {
        panic!()
    };
    let later = Now {
        mono: NOW.mono + Duration::from_millis(30),
        ..NOW
    };
    assert_eq!(turn.reply.render(&answer, later), None, "a notification");
    let recent = client.room.desk.system.calls.recent(later.mono);
    assert_eq!((recent.calls, recent.took), (1, Duration::from_millis(30)));
}

#[test]
fn mediamtx_is_starting_then_an_error_or_stopped() {
    let away = |running, seconds: u64| MediaState {
        reachable: false,
        process_running: running,
        since: Mono::from_nanos(NOW.mono.as_nanos() - seconds * 1_000_000_000),
        ..MediaState::default()
    };
    let word = |state| {
        let status = result(&mut admin(system(), state), "get_status");
        status["components"]["mediamtx"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(word(away(Some(true), 2)), "STARTING");
    assert_eq!(word(away(None, 12)), "ERROR");
    assert_eq!(word(away(Some(false), 2)), "STOPPED");
}

#[test]
fn the_system_is_ready_when_a_viewer_gets_a_picture_and_says_why_it_is_not() {
    let ready = result(&mut admin(system(), media()), "get_system_status");
    assert_eq!(ready["status"], "ready");
    assert_eq!(ready["available_cameras"], json!(["camera0"]));
    assert_eq!(ready["discovery_active"], true);
    let away = || MediaState::default();
    let partial = result(&mut admin(system(), away()), "get_system_status");
    assert_eq!(partial["status"], "partial");
    assert!(partial["message"].as_str().unwrap().contains("MediaMTX"));
    let mut young = system();
    young.about.started = Mono::from_nanos(NOW.mono.as_nanos() - 2_000_000_000);
    let starting = result(&mut admin(young, away()), "get_system_status");
    assert_eq!(starting["status"], "starting");
}

#[test]
fn the_server_says_what_it_is_made_of() {
    let info = result(&mut Client::viewer(), "get_server_info");
    let compiler = info["go_version"].as_str().unwrap();
    assert!(compiler.starts_with("rustc 1."), "{compiler}");
    let date = info["build_date"].as_str().unwrap();
    assert!(
        date == "unknown" || (date.ends_with('Z') && date.len() == 20),
        "{date}"
    );
    assert_eq!(info["max_cameras"], 10);
    let can = info["capabilities"].as_array().unwrap();
    assert!(can.contains(&"streaming".into()));
}

#[test]
fn metrics_are_the_figures_last_taken_and_show_no_device_node() {
    let mut client = admin(system(), media());
    client.room.desk.system.events.count(Topic::SnapshotTaken);
    let metrics = result(&mut client, "get_metrics");
    assert_eq!(
        metrics["system_metrics"],
        json!({ "cpu_usage": 12.5, "memory_usage": 40.0, "disk_usage": 60.0, "goroutines": 20 })
    );
    assert_eq!(metrics["camera_metrics"]["connected_cameras"], 1);
    let camera = &metrics["camera_metrics"]["cameras"]["camera0"];
    assert_eq!(camera["device_num"], 0);
    assert_eq!(camera["last_seen"], NOW.wall.rfc3339());
    assert_eq!(camera["capabilities"]["driver_name"], "uvcvideo");
    assert_eq!(camera["capabilities"]["version"], "6.12.48");
    assert_eq!(
        camera["formats"][0],
        json!({ "pixel_format": "YUYV", "width": 640, "height": 480, "frame_rates": ["29.970", "15.000"] })
    );
    assert_eq!(
        metrics["stream_metrics"],
        json!({ "active_streams": 1, "total_streams": 1, "total_viewers": 3 })
    );
    assert_eq!(metrics["extensions"]["snapshots"]["taken"], 1);
    assert!(!metrics.to_string().contains("/dev/"));
    assert_eq!(Client::viewer().code("get_metrics", &json!({})), -32002);
}
