//! One who is logged in to a demo, asks, and asks again.
#![allow(dead_code, reason = "every scenario uses its part")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use camera_service::clock;
use serde_json::{Value, json};

use crate::stage::Demo;
use crate::support::Client;

/// A connection with the demo's own token for this role.
pub(crate) async fn client(demo: &Demo, role: &str) -> Client {
    let url = demo.text("/ws");
    let address = url.trim_start_matches("ws://").trim_end_matches("/ws");
    let mut client = Client::connect(address.parse().unwrap()).await;
    let token = demo.text(&format!("/tokens/{role}"));
    let answer = client
        .call("authenticate", json!({ "auth_token": token }))
        .await;
    assert_eq!(answer["result"]["authenticated"], true, "{answer}");
    client
}

/// The result of a call that must succeed.
pub(crate) async fn result(client: &mut Client, method: &str, params: Value) -> Value {
    let mut answer = client.call(method, params).await;
    assert!(answer["error"].is_null(), "{method}: {answer}");
    answer["result"].take()
}

/// Asks again every 50 ms until there is an answer.
pub(crate) async fn eventually<T>(
    what: &str,
    patience: Duration,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begin = clock::mono();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            clock::mono().since(begin) < patience,
            "{what}: not within {patience:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Where a recording of the first camera lies.
pub(crate) fn file(demo: &Demo, stem: &str) -> PathBuf {
    Path::new(&demo.text("/state_dir"))
        .join("data/recordings/camera0")
        .join(format!("{stem}.mp4"))
}

/// Waits until a recording plays for longer than so many milliseconds.
pub(crate) async fn grows(client: &mut Client, stem: &str, millis: u64) {
    let info = json!({ "filename": stem });
    eventually(
        &format!("{stem} grows"),
        Duration::from_secs(20),
        async || {
            let found = client.call("get_recording_info", info.clone()).await;
            let plays = found["result"]["extensions"]["duration_ms"].as_u64()?;
            (plays > millis).then_some(())
        },
    )
    .await;
}
