//! What many sockets get of one piece of news.

use serde_json::Value;

use super::*;
use crate::camera::{CameraId, Device, Status};
use crate::clock::{Mono, Wall};
use crate::events::Topic;
use crate::events::subscriptions::Filters;
use crate::rpc::dispatch::tests::room;
use crate::rpc::media::MediaState;

fn desk() -> Desk {
    Desk {
        directory: Arc::default(),
        ..(*room(MediaState::default()).desk).clone()
    }
}

fn camera() -> Camera {
    Camera {
        id: CameraId::TEST,
        name: "Desk camera".to_owned(),
        device: Device::Test,
        status: Status::Connected,
        format: None,
        route: None,
        route_why: None,
        slate_since: None,
        fault: None,
        avoided: None,
        history: Default::default(),
        remote: None,
        publish_trouble: None,
        modes: Arc::from([]),
        since: Mono::default(),
        counters: Arc::default(),
    }
}

fn reached(host: &str) -> Reached {
    Reached::new(Some(host), "10.0.0.1:8002".parse().unwrap())
}

fn subscribed(topic: Topic) -> Subscriptions {
    let mut wanted = Subscriptions::default();
    wanted.add(&Arc::default(), [topic.into()], &Filters::default());
    wanted
}

fn event(topic: Topic) -> Arc<Event> {
    Arc::new(Event::new(topic, Wall::from_secs(1)).of("camera0"))
}

#[test]
fn ten_thousand_sockets_send_the_same_bytes_of_an_event() {
    let (desk, reached) = (desk(), reached("box"));
    let news = News::topic(&event(Topic::SnapshotTaken));
    let wanted = subscribed(Topic::SnapshotTaken);
    let texts: Vec<Utf8Bytes> = (0..10_000)
        .filter_map(|_| news.text(&desk, &reached, &wanted))
        .collect();
    assert_eq!(texts.len(), 10_000);
    assert!(texts.iter().all(|t| t.as_ptr() == texts[0].as_ptr()));
    let other = subscribed(Topic::SystemHealth);
    assert_eq!(news.text(&desk, &reached, &other), None);
}

#[test]
fn a_camera_is_written_once_for_each_name_of_the_box_and_names_without_end_cost_nothing() {
    let desk = desk();
    let news = News::camera(&camera());
    let nothing = Subscriptions::default();
    let of = |host: &str| {
        news.text(&desk, &reached(host), &nothing)
            .expect("it is for everybody")
    };
    let (here, there) = (of("box.local:8002"), of("10.0.0.1:8003"));
    let hls = |text: &str| {
        let read: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read["method"], "camera_status_update");
        read["params"]["streams"]["hls"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(hls(&here), "http://box.local:8002/hls/camera0.m3u8");
    assert_eq!(hls(&there), "http://10.0.0.1:8003/hls/camera0.m3u8");
    for _ in 0..10_000 {
        assert_eq!(of("box.local:8002").as_ptr(), here.as_ptr());
    }
    for n in 0..1000 {
        assert_eq!(
            hls(&of(&format!("name{n}"))),
            format!("http://name{n}:8002/hls/camera0.m3u8")
        );
    }
    assert_eq!(news.by_name.lock().unwrap().len(), NAMES_KEPT);
}

#[test]
fn the_end_of_a_recording_is_for_everybody_and_a_snapshot_is_not() {
    let (desk, reached, nothing) = (desk(), reached("box"), Subscriptions::default());
    let news = News::for_everybody(&event(Topic::RecordingStop)).unwrap();
    let text = news.text(&desk, &reached, &nothing).unwrap();
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["method"], "recording_status_update");
    assert_eq!(read["params"]["status"], "STOPPED");
    assert!(News::for_everybody(&event(Topic::SnapshotTaken)).is_none());
}
