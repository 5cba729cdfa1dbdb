//! The control plane as its clients meet it, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::time::Duration;

use camera_service::camera::Status;
use camera_service::http::Limits;
use camera_service::http::bind::io::bind;
use camera_service::rpc::methods::core;
use camera_service::rpc::table::{Method, Outcome};
use futures_util::SinkExt;
use serde_json::json;
use support::{Client, Rig, UPGRADE, camera, http, upgrade, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;

fn gone() -> Status {
    Status::Disconnected {
        reason: "unplugged".to_owned(),
    }
}

#[tokio::test]
async fn a_client_pings_logs_in_and_lists_cameras_through_either_port() {
    let rig = Rig::start().await;
    for addr in [rig.api, rig.page] {
        let mut client = Client::connect(addr).await;
        assert_eq!(client.call("ping", json!({})).await["result"], "pong");
        let early = client.call("get_camera_list", json!({})).await;
        assert_eq!(early["error"]["code"], -32001);
        client
            .call("authenticate", json!({ "token": "viewer" }))
            .await;
        let list = client.call("get_camera_list", json!({})).await;
        assert_eq!(list["result"]["total"], 1);
        assert_eq!(
            list["result"]["cameras"][0]["streams"]["hls"],
            format!("http://{addr}/hls/camera0.m3u8")
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_camera_change_reaches_everyone_logged_in_and_no_stranger() {
    let rig = Rig::start().await;
    let (mut one, mut two) = (rig.client("viewer").await, rig.client("admin").await);
    let mut stranger = rig.stranger().await;
    stranger.call("ping", json!({})).await;
    rig.directory.put(camera(0, gone()));
    for client in [&mut one, &mut two] {
        let note = client.receive().await;
        assert_eq!(note["method"], "camera_status_update");
        assert_eq!(note["params"]["status"], "DISCONNECTED");
        assert_eq!(note["params"]["device"], "camera0");
        assert!(note.get("id").is_none());
    }
    stranger.send("ping", json!({})).await;
    assert_eq!(stranger.receive().await["result"], "pong");
    rig.stop().await;
}

static GATE: Semaphore = Semaphore::const_new(0);

/// A method that answers when the test lets it.
const SLOW: &[Method] = &[
    core::PING,
    Method {
        name: "slow",
        handler: |_, _| {
            Outcome::Later(Box::pin(async {
                GATE.acquire().await.unwrap().forget();
                Ok("slow".into())
            }))
        },
        ..core::PING
    },
];

#[tokio::test]
async fn a_slow_method_delays_no_ping_and_too_many_hold_back_reading() {
    let rig = Rig::with(|s| {
        s.methods = SLOW;
        s.limits.in_flight = 2;
    })
    .await;
    let mut client = rig.stranger().await;
    let first = client.send("slow", json!({})).await;
    assert_eq!(client.call("ping", json!({})).await["result"], "pong");
    client.send("slow", json!({})).await;
    let ping = client.send("ping", json!({})).await;
    // Two are running, so the ping is not read before one of them has ended.
    GATE.add_permits(1);
    let answer = client.receive().await;
    assert_eq!(
        (&answer["result"], &answer["id"]),
        (&json!("slow"), &json!(first))
    );
    assert_eq!(client.receive().await["id"], ping);
    GATE.add_permits(1);
    assert_eq!(client.receive().await["result"], "slow");
    rig.stop().await;
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_told_why() {
    let rig = Rig::start().await;
    let get = |extra: &'static str| http(rig.api, "GET", "/ws", extra, "");
    let plain = get("").await;
    assert_eq!(
        (plain.status, plain.header("upgrade")),
        (426, Some("websocket"))
    );
    let old = get("connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n").await;
    assert_eq!(
        (old.status, old.header("sec-websocket-version")),
        (426, Some("13"))
    );
    let keyless =
        get("connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n").await;
    assert_eq!(keyless.status, 400);
    let post = http(rig.api, "POST", "/ws", "", "").await;
    assert_eq!((post.status, post.header("allow")), (405, Some("get")));
    let lost = http(rig.api, "GET", "/nothing", "", "").await;
    assert_eq!(lost.status, 404);
    assert_eq!(lost.json()["status"], 404);
    rig.stop().await;
}

#[tokio::test]
async fn a_foreign_page_may_not_connect_and_our_own_may_from_its_port() {
    let rig = Rig::with(|s| s.origins = vec!["https://panel.example".to_owned()]).await;
    let from = async |origin: &str| upgrade(rig.api, &format!("origin: {origin}\r\n")).await.1;
    assert_eq!(from("http://evil.example").await, 403);
    assert_eq!(from("null").await, 403);
    assert_eq!(from("https://panel.example").await, 101);
    assert_eq!(from(&format!("http://{}", rig.page)).await, 101);
    rig.stop().await;
}

#[tokio::test]
async fn a_socket_beyond_its_bound_gets_503_before_the_upgrade_and_room_comes_back() {
    let rig = Rig::with(|s| {
        s.limits = Limits {
            sockets_per_address: 3,
            strangers_per_address: 2,
            ..Limits::default()
        };
    })
    .await;
    let full = async || http(rig.api, "GET", "/ws", UPGRADE, "").await;
    let mut one = rig.stranger().await;
    let _two = rig.stranger().await;
    let refused = full().await;
    assert_eq!(refused.status, 503);
    assert!(refused.json()["error"].as_str().unwrap().contains("login"));
    one.call("authenticate", json!({ "token": "viewer" })).await;
    let mut three = rig.stranger().await;
    assert!(full().await.body.contains("too many connections"));
    three.ws.close(None).await.unwrap();
    three.closed().await;
    // The seat is given back when the task ends, a moment after the close frame.
    let again = async { while upgrade(rig.api, "").await.1 == 503 {} };
    within(again).await;
    rig.stop().await;
}

#[tokio::test]
async fn stopping_closes_sockets_with_1001_and_ends() {
    let rig = Rig::start().await;
    let (mut one, mut two) = (rig.stranger().await, rig.client("viewer").await);
    let idle = TcpStream::connect(rig.page).await.unwrap();
    let ((), a, b) = tokio::join!(rig.stop(), one.closed(), two.closed());
    assert_eq!((a, b), (Some(1001), Some(1001)));
    drop(idle);
}

#[tokio::test]
async fn mediamtx_asks_on_the_internal_port_only() {
    let rig = Rig::start().await;
    let ask = |addr, body| http(addr, "POST", "/auth", "", body);
    assert_eq!(ask(rig.internal, r#"{"ok":1}"#).await.status, 200);
    assert_eq!(ask(rig.internal, "{}").await.status, 401);
    assert_eq!(ask(rig.api, r#"{"ok":1}"#).await.status, 404);
    assert_eq!(http(rig.internal, "GET", "/auth", "", "").await.status, 405);
    assert_eq!(
        http(rig.internal, "GET", "/health", "", "").await.status,
        404
    );
    rig.stop().await;
}

/// Accepts one connection, reads a request of `body` bytes, and gives request and stream.
async fn one_request(listener: &TcpListener, body: usize) -> (String, TcpStream) {
    let (mut stream, _) = within(listener.accept()).await.unwrap();
    let mut request = Vec::new();
    loop {
        let mut byte = [0; 512];
        let n = within(stream.read(&mut byte)).await.unwrap();
        request.extend_from_slice(&byte[..n]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((_, rest)) = text.split_once("\r\n\r\n")
            && rest.len() >= body
        {
            return (text.to_ascii_lowercase(), stream);
        }
    }
}

#[tokio::test]
async fn whep_goes_through_and_its_session_comes_back_under_our_path() {
    let media = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = media.local_addr().unwrap();
    let rig = Rig::with(|s| s.webrtc = addr).await;
    let server = async {
        let (request, mut stream) = one_request(&media, 3).await;
        assert!(
            request.starts_with("post /camera0/whep?x=1 http/1.1"),
            "{request}"
        );
        assert!(
            request.contains("x-forwarded-for: 127.0.0.1\r\n"),
            "{request}"
        );
        assert!(request.contains("authorization: bearer t\r\n"), "{request}");
        assert!(!request.contains("6.6.6.6"), "{request}");
        assert!(request.ends_with("v=0"), "{request}");
        let answer = "HTTP/1.1 201 Created\r\nlocation: /camera0/whep/8d-1\r\nid: 9\r\nkeep-alive: 5\r\ncontent-length: 3\r\n\r\nsdp";
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    let extra =
        "authorization: Bearer t\r\nx-forwarded-for: 6.6.6.6\r\ncontent-type: application/sdp\r\n";
    let client = http(rig.api, "POST", "/whep/camera0?x=1", extra, "v=0");
    let ((), answer) = tokio::join!(server, client);
    assert_eq!((answer.status, answer.body.as_str()), (201, "sdp"));
    assert_eq!(answer.header("location"), Some("/whep/camera0/8d-1"));
    assert_eq!(answer.header("id"), Some("9"));
    assert_eq!(answer.header("keep-alive"), None);
    rig.stop().await;
}

#[tokio::test]
async fn hls_leads_to_the_playlist_keeps_its_cookie_and_streams() {
    let media = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = media.local_addr().unwrap();
    let rig = Rig::with(|s| s.hls = addr).await;
    let link = http(rig.api, "GET", "/hls/camera0.m3u8?a=1", "", "").await;
    assert_eq!(link.status, 302);
    assert_eq!(link.header("location"), Some("/hls/camera0/index.m3u8?a=1"));

    let mut client = TcpStream::connect(rig.page).await.unwrap();
    client
        .write_all(b"GET /hls/camera0/index.m3u8 HTTP/1.1\r\nhost: box\r\n\r\n")
        .await
        .unwrap();
    let (request, mut stream) = one_request(&media, 0).await;
    assert!(
        request.starts_with("get /camera0/index.m3u8 http/1.1"),
        "{request}"
    );
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nset-cookie: hlsSession=s; Path=/camera0\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        .await
        .unwrap();
    // The second half is not sent before the first has arrived: nothing is buffered whole.
    let mut seen = String::new();
    while !seen.contains("first") {
        let mut some = [0; 256];
        let n = within(client.read(&mut some)).await.unwrap();
        seen.push_str(&String::from_utf8_lossy(&some[..n]));
    }
    assert!(seen.contains("Path=/hls/camera0"), "{seen}");
    stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    while !seen.contains("last") {
        let mut some = [0; 256];
        let n = within(client.read(&mut some)).await.unwrap();
        seen.push_str(&String::from_utf8_lossy(&some[..n]));
    }
    rig.stop().await;
}

#[tokio::test]
async fn without_mediamtx_a_stream_answers_502_with_the_next_action() {
    let rig = Rig::start().await;
    for (verb, path) in [
        ("POST", "/whep/camera0"),
        ("GET", "/hls/camera0/index.m3u8"),
    ] {
        let answer = http(rig.api, verb, path, "", "").await;
        assert_eq!(answer.status, 502, "{path}");
        assert!(
            answer.json()["error"]
                .as_str()
                .unwrap()
                .contains("/health/mediamtx")
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_taken_port_names_its_holder_and_the_way_out() {
    let taken = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let addr = taken.local_addr().unwrap();
    let error = bind(addr).await.unwrap_err().to_string();
    assert!(error.contains(&addr.to_string()), "{error}");
    assert!(
        error.contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    assert!(error.contains("stop that process"), "{error}");
}

#[tokio::test]
async fn an_idle_socket_lives_as_long_as_it_answers_pings() {
    let rig = Rig::with(|s| {
        s.limits.ping_every = Duration::from_millis(20);
        s.limits.dead_after = Duration::from_secs(2);
    })
    .await;
    let mut client = rig.client("viewer").await;
    let mut pings = 0;
    let mut count = async || {
        use futures_util::StreamExt;
        while pings < 150 {
            // Reading is what makes the client answer them.
            match client.ws.next().await.unwrap().unwrap() {
                Message::Ping(_) => pings += 1,
                other => panic!("{other:?}"),
            }
        }
    };
    within(count()).await;
    client.ws.flush().await.unwrap();
    assert_eq!(client.call("ping", json!({})).await["result"], "pong");
    rig.stop().await;
}

#[tokio::test]
async fn the_discovery_document_is_the_golden_one_and_needs_no_login() {
    let rig = Rig::start().await;
    let answer = rig.stranger().await.call("rpc.discover", json!({})).await;
    let text = serde_json::to_string_pretty(&answer["result"]).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/openrpc.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert!(
        text == std::fs::read_to_string(path).unwrap(),
        "the methods changed; if that is meant, run this test with UPDATE_GOLDEN=1 and review the difference"
    );
    rig.stop().await;
}
