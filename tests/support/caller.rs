//! One who is logged in to a demo and asks.

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
