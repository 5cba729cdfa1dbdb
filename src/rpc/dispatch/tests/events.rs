//! Subscriptions, as a client sees them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Client, NOW};
use crate::events::{Event, Topic};
use crate::rpc::session::Session;

fn event(topic: Topic, device: &str) -> Event {
    Event::new(topic, NOW.wall).of(device)
}

fn result(client: &mut Client, method: &str, params: Value) -> Value {
    client.call(method, &params)["result"].take()
}

#[test]
fn each_call_adds_its_topics_and_its_filters_hold_for_those_only() {
    let mut client = Client::viewer();
    let answer = result(
        &mut client,
        "subscribe_events",
        json!({ "topics": ["recording.stop", "camera.connected", "recording.stop"], "filters": { "device": "camera0" } }),
    );
    assert_eq!(
        answer,
        json!({
            "subscribed": true,
            "topics": ["recording.stop", "camera.connected"],
            "filters": { "device": "camera0" },
        })
    );
    let answer = result(
        &mut client,
        "subscribe_events",
        json!({ "topics": ["snapshot.taken", "recording.stop"] }),
    );
    assert_eq!(answer["filters"], json!({}));
    let wants = |topic, device| client.session.subscriptions.want(&event(topic, device));
    assert!(wants(Topic::CameraConnected, "camera0"));
    assert!(!wants(Topic::CameraConnected, "camera1"));
    assert!(
        wants(Topic::RecordingStop, "camera1"),
        "its filter was replaced"
    );
    assert!(wants(Topic::SnapshotTaken, "camera1"));
    assert!(!wants(Topic::SnapshotError, "camera0"));
}

#[test]
fn unsubscribing_without_topics_says_what_it_removed() {
    let mut client = Client::viewer();
    let all = json!({ "topics": ["system.health", "camera_status_update", "camera.connected"] });
    result(&mut client, "subscribe_events", all);
    let one = json!({ "topics": ["system.health"] });
    assert_eq!(
        result(&mut client, "unsubscribe_events", one.clone()),
        json!({ "unsubscribed": true, "topics": ["system.health"] })
    );
    // What is not subscribed to can be ended, too.
    assert_eq!(
        result(&mut client, "unsubscribe_events", one)["unsubscribed"],
        true
    );
    assert_eq!(
        result(&mut client, "unsubscribe_events", json!({})),
        json!({ "unsubscribed": true, "topics": ["camera.connected", "camera_status_update"] })
    );
    assert_eq!(
        result(&mut client, "unsubscribe_events", json!({})),
        json!({ "unsubscribed": true, "topics": [] })
    );
}

#[test]
fn statistics_are_those_of_the_clients_that_are_there() {
    let mut ada = Client::viewer();
    let mut bob = Client::viewer();
    bob.room = super::super::Room {
        desk: Arc::clone(&ada.room.desk),
        ..bob.room.clone()
    };
    let topics = json!({ "topics": ["system.health", "snapshot.taken"] });
    result(&mut ada, "subscribe_events", topics.clone());
    result(&mut ada, "subscribe_events", topics);
    result(
        &mut bob,
        "subscribe_events",
        json!({ "topics": ["system.health"] }),
    );
    let stats = result(&mut ada, "get_subscription_stats", json!({}));
    assert_eq!(
        stats,
        json!({
            "global_stats": {
                "total_subscriptions": 3,
                "active_clients": 2,
                "topic_counts": { "system.health": 2, "snapshot.taken": 1 },
            },
            "client_topics": ["snapshot.taken", "system.health"],
            "client_id": "5f2b",
        })
    );
    // A thousand clients that come and go leave nothing behind.
    for _ in 0..1000 {
        let topics = json!({ "topics": ["recording.start"] });
        result(&mut bob, "authenticate", json!({ "token": "viewer:60" }));
        result(&mut bob, "subscribe_events", topics);
        bob.session = Session::new("next".to_owned());
    }
    let stats = result(&mut ada, "get_subscription_stats", json!({}));
    assert_eq!(stats["global_stats"]["total_subscriptions"], 2);
    assert_eq!(stats["global_stats"]["active_clients"], 1);
}

#[test]
fn a_wrong_topic_is_refused_whole_with_the_nearest_right_one() {
    let mut client = Client::viewer();
    let wrong = json!({ "topics": ["system.health", "camera.conected"] });
    let error = client.call("subscribe_events", &wrong)["error"].take();
    assert_eq!(error["code"], -32602);
    assert_eq!(error["data"]["param"], "topics");
    assert_eq!(error["data"]["rule"], "enum");
    assert_eq!(
        error["data"]["suggestion"],
        "did you mean camera.connected?"
    );
    let none = result(&mut client, "get_subscription_stats", json!({}));
    assert_eq!(none["client_topics"], json!([]));
    for params in [
        json!({}),
        json!({ "topics": [] }),
        json!({ "topics": "system.health" }),
    ] {
        assert_eq!(client.code("subscribe_events", &params), -32602, "{params}");
    }
    assert_eq!(Client::new().code("subscribe_events", &json!({})), -32001);
}
