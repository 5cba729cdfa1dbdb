//! Clients that are broken, slow or ill-meaning get a clear end; the others do not notice.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use camera_service::access::limits::{Gate, Rules};
use camera_service::camera::{Camera, Status};
use camera_service::clock;
use camera_service::http::{Live, Services};
use camera_service::rpc::guard::Guard;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use support::{Client, Rig, camera, guarded, raw, upgrade, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

/// A socket after the upgrade, for writing frames by hand.
async fn bare(rig: &Rig) -> TcpStream {
    let (stream, status) = upgrade(rig.api, "").await;
    assert_eq!(status, 101);
    stream
}

/// A socket after a login, by hand, so that the client side costs a descriptor only.
async fn bare_viewer(rig: &Rig) -> TcpStream {
    let mut stream = bare(rig).await;
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"authenticate","params":{"token":"viewer"}}"#;
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    stream.write_all(&frame).await.unwrap();
    let mut head = [0; 4];
    within(stream.read_exact(&mut head)).await.unwrap();
    assert_eq!(
        (head[0], head[1]),
        (0x81, 126),
        "an answer of some hundred bytes"
    );
    let mut answer = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert!(
        String::from_utf8(answer)
            .unwrap()
            .contains("\"authenticated\":true")
    );
    stream
}

/// The code in the close frame that must be the next thing to come.
async fn close_code(stream: &mut TcpStream) -> u16 {
    let mut frame = [0; 4];
    within(stream.read_exact(&mut frame)).await.unwrap();
    assert_eq!(frame[0], 0x88, "a close frame");
    u16::from_be_bytes([frame[2], frame[3]])
}

async fn still_answers(client: &mut Client) {
    assert_eq!(client.call("ping", json!({})).await["result"], "pong");
}

#[tokio::test]
async fn garbage_instead_of_http_is_answered_and_closed() {
    let rig = Rig::start().await;
    let mut other = rig.client("viewer").await;
    for garbage in [
        "\0\u{1}\u{2}nonsense\r\n\r\n",
        "GET\r\n\r\n",
        "\u{16}\u{3}\u{1}",
    ] {
        let answer = raw(rig.api, &format!("{garbage}\r\n\r\n")).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{answer}"
        );
    }
    let endless = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(64 << 10));
    let mut stream = TcpStream::connect(rig.api).await.unwrap();
    // The server may close before it has all; both ends are good.
    let _ = within(stream.write_all(endless.as_bytes())).await;
    let mut answer = Vec::new();
    let _ = within(stream.read_to_end(&mut answer)).await;
    still_answers(&mut other).await;
    rig.stop().await;
}

#[tokio::test]
async fn messages_that_are_no_json_rpc_are_answered_and_harm_nothing() {
    let rig = Rig::start().await;
    let mut client = rig.stranger().await;
    for text in ["", "nonsense", "[]", "7", "{\"jsonrpc\":\"2.0\"}"] {
        client.ws.send(Message::text(text)).await.unwrap();
        let answer = client.receive().await;
        assert!(
            answer["error"]["code"].as_i64().unwrap() <= -32600,
            "{text}"
        );
    }
    still_answers(&mut client).await;
    rig.stop().await;
}

#[tokio::test]
async fn ten_megabytes_in_one_message_close_with_1009() {
    let rig = Rig::start().await;
    let mut other = rig.client("viewer").await;
    let mut client = rig.client("viewer").await;
    let huge = Message::text("x".repeat(10 << 20));
    let (_, code) = tokio::join!(async {}, async {
        let _ = within(client.ws.send(huge)).await;
        client.closed().await
    });
    assert_eq!(code, Some(1009));
    still_answers(&mut other).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_message_of_many_frames_is_bounded_as_a_whole() {
    let rig = Rig::start().await;
    let mut stream = bare(&rig).await;
    let (mut reader, mut writer) = stream.split();
    let flood = async {
        // Text, not final, masked with zeroes, 64 KiB; then continuations without end.
        for first in std::iter::once(0x01).chain(std::iter::repeat_n(0x00, 63)) {
            let mut frame = vec![first, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            frame.resize(14 + (64 << 10), b' ');
            if writer.write_all(&frame).await.is_err() {
                return;
            }
        }
    };
    let mut answer = [0; 4];
    let (_, read) = tokio::join!(within(flood), within(reader.read_exact(&mut answer)));
    read.unwrap();
    assert_eq!(
        (answer[0], u16::from_be_bytes([answer[2], answer[3]])),
        (0x88, 1009)
    );
    rig.stop().await;
}

#[tokio::test]
async fn binary_unmasked_and_broken_frames_close_with_their_codes() {
    let rig = Rig::start().await;
    let mut client = rig.stranger().await;
    client
        .ws
        .send(Message::binary(vec![1, 2, 3]))
        .await
        .unwrap();
    assert_eq!(client.closed().await, Some(1003));
    for (frame, code) in [
        (&[0x81, 0x01, b'x'][..], 1002),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        (&[0xf1, 0x80, 0, 0, 0, 0], 1002),
    ] {
        let mut stream = bare(&rig).await;
        stream.write_all(frame).await.unwrap();
        assert_eq!(close_code(&mut stream).await, code, "{frame:?}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn half_a_frame_is_waited_for_but_not_for_ever() {
    let rig = Rig::with(|s| {
        s.limits.ping_every = Duration::ZERO;
        s.limits.dead_after = Duration::from_millis(200);
    })
    .await;
    let mut stream = bare(&rig).await;
    stream.write_all(&[0x81, 0xfe, 0x10]).await.unwrap();
    let mut rest = Vec::new();
    within(stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn one_who_connects_and_says_nothing_or_dribbles_is_let_go() {
    let rig = Rig::with(|s| s.limits.head_within = Duration::from_millis(200)).await;
    let mut silent = TcpStream::connect(rig.api).await.unwrap();
    let mut dribbling = TcpStream::connect(rig.api).await.unwrap();
    let mut rest = Vec::new();
    let _ = within(silent.read_to_end(&mut rest)).await;
    let dribble = async {
        while dribbling.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(dribble).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_stranger_who_never_logs_in_is_closed_with_1008() {
    let rig = Rig::with(|s| s.limits.login_within = Duration::from_millis(300)).await;
    let mut friend = rig.client("viewer").await;
    let mut stranger = rig.stranger().await;
    assert_eq!(stranger.closed().await, Some(1008));
    still_answers(&mut friend).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_and_delays_nobody() {
    let rig = Rig::with(|s| {
        s.limits.write_within = Duration::from_millis(300);
        s.limits.sockets = 2;
    })
    .await;
    let mut other = rig.client("viewer").await;
    let mut deaf = rig.client("viewer").await;
    let id = deaf.send("ping", json!({})).await;
    assert_eq!(deaf.receive().await["id"], id);
    let reading = tokio::spawn(async move {
        let mut heard = 0;
        while let Some(Ok(_)) = other.ws.next().await {
            heard += 1;
            if heard == 500 {
                return other;
            }
        }
        panic!("the good reader was cut");
    });
    // A long name makes each change about 64 KiB, so the deaf one's buffers are soon full.
    let name = "n".repeat(64 << 10);
    let mut connected = false;
    while !reading.is_finished() {
        connected = !connected;
        let status = if connected {
            Status::Connected
        } else {
            Status::Disconnected {
                reason: String::new(),
            }
        };
        rig.directory.put(Camera {
            name: name.clone(),
            ..camera(0, status)
        });
        tokio::task::yield_now().await;
    }
    let mut other = within(reading).await.unwrap();
    still_answers(&mut other).await;
    // Both seats are taken; one becomes free when the deaf one is cut.
    let cut = async { while upgrade(rig.api, "").await.1 != 101 {} };
    within(cut).await;
    // What lay in the buffers can still be read; then comes the end and no close frame.
    assert_eq!(deaf.closed().await, None);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_silent_connections_crowd_out_nobody() {
    more_descriptors();
    let rig = Rig::with(|s| s.limits.plain = 100).await;
    let mut old = rig.client("viewer").await;
    let mut crowd = Vec::new();
    for _ in 0..1000 {
        crowd.push(within(TcpStream::connect(rig.api)).await.unwrap());
    }
    still_answers(&mut old).await;
    let mut new = rig.client("viewer").await;
    still_answers(&mut new).await;
    drop(crowd);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_socket_costs_little_memory() {
    const SOCKETS: usize = 1000;
    if !alone("an_idle_socket_costs_little_memory").await {
        return;
    }
    more_descriptors();
    let rig = Rig::with(|s| {
        s.limits.sockets = 0;
        s.limits.sockets_per_address = 0;
        s.limits.strangers_per_address = 0;
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(bare_viewer(&rig).await);
    }
    let before = resident();
    for _ in 0..SOCKETS {
        held.push(bare_viewer(&rig).await);
    }
    // The last one answers, so its task and those before it are all up.
    let mut last = rig.client("viewer").await;
    still_answers(&mut last).await;
    let each = resident().saturating_sub(before) / SOCKETS;
    println!("{each} bytes per idle socket that is logged in, client side included");
    assert!(each < 6 << 10, "{each} bytes per idle socket");
    drop(held);
    rig.stop().await;
}

/// A request of so many bytes that is answered with -32602.
fn long_request(id: u64, bytes: usize) -> String {
    let padding = "x".repeat(bytes);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping","params":{{"p":"{padding}"}}}}"#)
}

/// The beginning of a masked text frame of `length` bytes, of which `sent` follow.
fn begun(length: u64, sent: usize) -> Vec<u8> {
    let mut frame = vec![0x81, 0xff];
    frame.extend(length.to_be_bytes());
    frame.resize(14 + sent, 0);
    frame
}

/// The default allowance.
fn limited(services: &mut Services) {
    let limits = Arc::new(Gate::new(Rules {
        requests_per_minute: 300,
        burst: 60,
        failed_logins_per_minute: 10,
    }));
    guarded(
        services,
        Guard {
            limits,
            ..Guard::default()
        },
    );
}

#[tokio::test]
async fn a_flood_of_garbage_is_cut_and_others_are_answered_meanwhile() {
    let rig = Rig::with(|s| {
        limited(s);
        s.limits.held_within = Duration::from_millis(500);
    })
    .await;
    let mut good = rig.client("viewer").await;
    let mut floods = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let bad = rig.stranger().await;
        floods.spawn(async move {
            let (mut sink, mut stream) = bad.ws.split();
            let reading = tokio::spawn(async move {
                while let Some(Ok(message)) = stream.next().await {
                    if let Message::Close(frame) = message {
                        return frame.map(|f| u16::from(f.code));
                    }
                }
                None
            });
            while sink.send(Message::text("{garbage")).await.is_ok() {}
            reading.await.unwrap()
        });
    }
    while !floods.is_empty() {
        still_answers(&mut good).await;
        while let Some(code) = floods.try_join_next() {
            assert_eq!(code.unwrap(), Some(1008));
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    still_answers(&mut good).await;
    let page = support::http(rig.page, "GET", "/metrics", "", "").await;
    let closed = "camera_service_connections_closed_total{reason=\"flood\"} 4\n";
    assert!(page.body.contains(closed), "{}", page.body);
    rig.stop().await;
}

/// Frames of so many questions for the cameras, all of which need a login; masked with zeros.
fn questions(count: u64) -> Vec<u8> {
    let mut frames = Vec::new();
    for id in 0..count {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"get_camera_list"}}"#);
        let length = u8::try_from(text.len()).unwrap();
        frames.extend([0x81, 0x80 | length, 0, 0, 0, 0]);
        frames.extend(text.as_bytes());
    }
    frames
}

#[tokio::test]
async fn who_asks_ten_thousand_times_at_once_is_read_slowly_and_takes_no_time_from_others() {
    const EACH: u64 = 10_000;
    let rig = Rig::with(|s| {
        s.limits.held_within = Duration::ZERO;
        limited(s);
    })
    .await;
    let begun = clock::mono();
    let answered = Arc::new(AtomicU64::new(0));
    let mut floods = Vec::new();
    for _ in 0..4 {
        let mut bad = rig.stranger().await;
        let answered = Arc::clone(&answered);
        floods.push(tokio::spawn(async move {
            let (stream, frames) = (bad.ws.get_mut(), questions(EACH));
            // It never takes all of them.
            let (mut reader, mut writer) = stream.split();
            let writing = writer.write_all(&frames);
            let reading = async {
                let mut bytes = vec![0; 64 << 10];
                while let Ok(count @ 1..) = reader.read(&mut bytes).await {
                    // Each answer has one, and none is so short that a read would tear it often.
                    let answers = bytes[..count].windows(8).filter(|w| w == b"\"jsonrpc");
                    answered.fetch_add(answers.count() as u64, Relaxed);
                }
            };
            let _ = tokio::join!(writing, reading);
        }));
    }
    // They are all held: every one has its first refusals, and the address has had its allowance.
    let first = 4 * 20 + 60;
    within(async {
        while answered.load(Relaxed) < first {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let mut good = rig.client("operator").await;
    for _ in 0..200 {
        still_answers(&mut good).await;
    }
    // However long all this took: five refusals a second for each, and what their address may ask.
    let seconds = clock::mono().since(begun).as_secs_f64();
    let most = first as f64 + 4.0 + seconds * (4.0 * 5.0 + 5.0) + 1.0;
    let answers = answered.load(Relaxed);
    println!("{answers} of {} were answered in {seconds:.1} s", 4 * EACH);
    assert!(answers as f64 <= most, "{answers} in {seconds} s");
    for flood in floods {
        flood.abort();
    }
    rig.stop().await;
}

#[tokio::test]
async fn who_asks_a_little_too_much_in_one_breath_is_told_of_each_at_once() {
    // Whoever is held twice is closed.
    let rig = Rig::with(|s| {
        s.limits.held_within = Duration::from_nanos(1);
        limited(s);
    })
    .await;
    let mut eager = rig.client("viewer").await;
    for _ in 0..80 {
        eager.send("get_camera_list", json!({})).await;
    }
    let mut refused = 0;
    for _ in 0..80 {
        let answer = eager.receive().await;
        if answer["error"]["code"] == -32040 {
            let wait = answer["error"]["data"]["retry_after_ms"].as_u64().unwrap();
            assert!((1..=200).contains(&wait), "{answer}");
            refused += 1;
        } else {
            assert!(answer["result"].is_object(), "{answer}");
        }
    }
    // What was asked after a while was within the limit again.
    assert!((1..=20).contains(&refused), "{refused}");
    still_answers(&mut eager).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_client_that_is_held_back_is_not_taken_for_dead_and_loses_no_answer() {
    // Each hold is longer than a socket may be silent; and nothing that could be heard is read meanwhile.
    let rig = Rig::with(|s| {
        s.limits.ping_every = Duration::ZERO;
        s.limits.dead_after = Duration::from_millis(60);
        limited(s);
    })
    .await;
    let mut stream = bare(&rig).await;
    // The last of them is a goodbye.
    let mut all = questions(60 + 20 + 8);
    all.extend([0x88, 0x80, 0, 0, 0, 0]);
    stream.write_all(&all).await.unwrap();
    let mut heard = Vec::new();
    within(stream.read_to_end(&mut heard)).await.unwrap();
    let (answers, end) = heard.split_at(heard.len() - 2);
    let text = String::from_utf8_lossy(answers);
    for id in 0..88 {
        assert!(text.contains(&format!("\"request_id\":\"{id}\"")), "{id}");
    }
    // Answered in kind, not cut.
    assert_eq!(end, [0x88, 0]);
    rig.stop().await;
}

#[tokio::test]
async fn those_who_ask_and_never_read_are_cut_and_others_are_answered_meanwhile() {
    let rig = Rig::with(|s| s.limits.write_within = Duration::from_millis(500)).await;
    let mut good = rig.client("viewer").await;
    let mut deaf = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let mut stream = bare(&rig).await;
        deaf.spawn(async move {
            // Each answer is some 20 KiB, so the buffers between are soon full.
            let ask = br#"{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}"#;
            let length = u8::try_from(ask.len()).unwrap();
            let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
            frame.extend(ask);
            while stream.write_all(&frame).await.is_ok() {}
        });
    }
    while deaf.try_join_next().is_some() || !deaf.is_empty() {
        still_answers(&mut good).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn messages_that_trickle_in_fill_only_the_memory_there_is() {
    const MIB: usize = 1 << 20;
    let rig = Rig::with(|s| {
        s.limits.memory = 4 * MIB;
        s.limits.strangers_per_address = 0;
    })
    .await;
    let mut good = rig.client("viewer").await;
    // Somebody who is logged in holds more than any stranger, and is nevertheless spared.
    let mut big = rig.client("viewer").await;
    let stream = big.ws.get_mut();
    within(stream.write_all(&begun(MIB as u64, MIB - 1)))
        .await
        .unwrap();
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..12 {
        let (mut stream, status) = upgrade(rig.api, "").await;
        if status == 503 {
            refused += 1;
            continue;
        }
        // The service may close before it has all.
        let _ = within(stream.write_all(&begun(MIB as u64, MIB / 2))).await;
        held.push(stream);
        still_answers(&mut good).await;
    }
    let (mut told, mut stay) = (0, 0);
    for stream in &mut held {
        let mut frame = [0; 4];
        let closed = tokio::time::timeout(Duration::from_secs(1), stream.read_exact(&mut frame));
        match closed.await {
            Ok(read) => {
                read.unwrap();
                let code = u16::from_be_bytes([frame[2], frame[3]]);
                assert_eq!((frame[0], code), (0x88, 1013));
                told += 1;
            }
            Err(_) => stay += 1,
        }
    }
    println!("{told} were told to go, {stay} stay, {refused} were refused");
    assert!(
        told > 0 && stay <= 6,
        "beside one MiB, six halves fit into four"
    );
    let stream = big.ws.get_mut();
    within(stream.write_all(b"\0")).await.unwrap();
    assert_eq!(big.receive().await["error"]["code"], -32700);
    // When they have gone, there is room again.
    drop(held);
    let free = async { while upgrade(rig.api, "").await.1 != 101 {} };
    within(free).await;
    still_answers(&mut good).await;
    rig.stop().await;
}

/// Most of a message that does not come to its end.
async fn half(stream: &mut TcpStream, bytes: usize) {
    let mut frame = vec![0x81, 0xff];
    frame.extend(u64::try_from(bytes + 1).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(vec![b' '; bytes]);
    within(stream.write_all(&frame)).await.unwrap();
}

#[tokio::test]
async fn a_lower_memory_limit_acts_at_once_and_sends_away_no_more_than_it_must() {
    const KIB: usize = 1 << 10;
    let live = Live::default();
    let mut tuning = None;
    let rig = Rig::with(|services| {
        services.live = live.clone();
        services.limits.memory = 4 << 20;
        tuning = Some((*services.tuning()).clone());
    })
    .await;
    let mut tuning = tuning.unwrap();
    let mut known = bare_viewer(&rig).await;
    let mut stranger = bare(&rig).await;
    let mut idle = rig.client("viewer").await;
    half(&mut known, 900 * KIB).await;
    half(&mut stranger, 400 * KIB).await;
    let waiting = async || {
        let page = support::http(rig.page, "GET", "/metrics", "", "")
            .await
            .body;
        let of = |name: &str| -> usize {
            let line = page.lines().find_map(|l| l.strip_prefix(name)).unwrap();
            line.trim().parse().unwrap()
        };
        (
            of("camera_service_clients_waiting_bytes "),
            of("camera_service_clients_waiting_limit_bytes "),
            of("camera_service_connections_closed_total{reason=\"memory\"} "),
        )
    };
    within(async {
        while waiting().await.0 < 1290 * KIB {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    tuning.limits.memory = 1100 * KIB;
    live.set(tuning.clone());
    // The stranger goes, though somebody else holds more; and that is enough.
    assert_eq!(close_code(&mut stranger).await, 1013);
    within(async {
        while waiting().await.2 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let (bytes, limit, closed) = waiting().await;
    assert_eq!((limit, closed), (1100 * KIB, 1));
    assert!((890 * KIB..1000 * KIB).contains(&bytes), "{bytes}");
    // Whoever stays may go on: the message ends, and is answered.
    known.write_all(b" ").await.unwrap();
    let mut first = [0];
    within(known.read_exact(&mut first)).await.unwrap();
    assert_eq!(first[0], 0x81, "an answer to a message that is no JSON");
    still_answers(&mut idle).await;
    // No limit again.
    tuning.limits.memory = 0;
    live.set(tuning);
    half(&mut known, 1000 * KIB).await;
    still_answers(&mut idle).await;
    rig.stop().await;
}

#[tokio::test]
async fn above_the_memory_limit_new_sockets_are_told_to_come_back_later() {
    let rig = Rig::with(|s| s.limits.memory = 1 << 20).await;
    // Two of a MiB, both logged in: the first stays, though it fills more than seven eighths.
    let mut first = rig.client("viewer").await;
    let most = begun(1 << 20, (1 << 20) - 8192);
    within(first.ws.get_mut().write_all(&most)).await.unwrap();
    let mut second = rig.client("viewer").await;
    let _ = within(second.ws.get_mut().write_all(&begun(1 << 20, 200 << 10))).await;
    assert_eq!(first.closed().await, Some(1013));
    drop(first);
    let free = async { while upgrade(rig.api, "").await.1 != 101 {} };
    within(free).await;
    // The one who is left may finish his message.
    let rest = vec![0; (1 << 20) - (200 << 10)];
    within(second.ws.get_mut().write_all(&rest)).await.unwrap();
    assert_eq!(second.receive().await["error"]["code"], -32700);
    rig.stop().await;
}

#[tokio::test]
async fn a_slow_reader_is_told_how_many_events_it_lost() {
    let rig = Rig::start().await;
    let mut slow = rig.client("viewer").await;
    let mut quick = rig.client("viewer").await;
    let name = "n".repeat(64 << 10);
    let mut changes = 0_u64;
    // More than the buffers between can hold, and each seen by somebody before the next.
    for n in 0..400 {
        rig.directory.put(Camera {
            name: format!("{n} {name}"),
            ..camera(0, Status::Connected)
        });
        changes += 1;
        assert_eq!(quick.receive().await["method"], "camera_status_update");
    }
    let (mut heard, mut lost) = (0, 0);
    while heard + lost < changes {
        let message = slow.receive().await;
        match message["method"].as_str() {
            Some("events_dropped") => lost += message["params"]["count"].as_u64().unwrap(),
            _ => heard += 1,
        }
    }
    assert!(lost > 0 && heard > 64, "{heard} heard, {lost} lost");
    still_answers(&mut slow).await;
    rig.stop().await;
}

#[tokio::test]
async fn large_messages_and_what_follows_them_in_the_same_breath_are_all_answered() {
    let rig = Rig::start().await;
    let mut client = rig.client("viewer").await;
    for (round, bytes) in [
        (0, 300_000),
        (1, 301_000),
        (2, 20_000),
        (3, 900_000),
        (4, 65_536),
    ] {
        let long = Message::text(long_request(round * 10, bytes));
        client.ws.feed(long).await.unwrap();
        for n in 1..5 {
            let ping = format!(
                r#"{{"jsonrpc":"2.0","id":{},"method":"ping"}}"#,
                round * 10 + n
            );
            client.ws.feed(Message::text(ping)).await.unwrap();
        }
        client.ws.flush().await.unwrap();
        for n in 0..5 {
            let answer = client.receive().await;
            assert_eq!(answer["id"], round * 10 + n);
            assert_eq!(answer["error"].is_null(), n > 0);
        }
        assert!(client.call("rpc.discover", json!({})).await["result"].is_object());
    }
    // In fragments, with a ping of the protocol between.
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    let text = long_request(99, 100_000);
    let (head, tail) = text.split_at(60_000);
    let part = |text: &str, code, last| {
        Message::Frame(Frame::message(
            text.as_bytes().to_vec(),
            OpCode::Data(code),
            last,
        ))
    };
    client.ws.feed(part(head, Data::Text, false)).await.unwrap();
    client.ws.feed(Message::Ping(vec![7].into())).await.unwrap();
    client
        .ws
        .feed(part(tail, Data::Continue, true))
        .await
        .unwrap();
    client.ws.flush().await.unwrap();
    assert_eq!(client.receive().await["id"], 99);
    still_answers(&mut client).await;
    rig.stop().await;
}

/// Runs one test in a process of its own, where the other tests' memory does not count. True in that process.
async fn alone(test: &str) -> bool {
    if std::env::var_os("MEASURE").is_some() {
        return true;
    }
    let alone = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("MEASURE", "1")
        .output();
    let output = alone.await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}");
    println!("{told}");
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_leaves_no_large_buffer_behind() {
    const SOCKETS: usize = 48;
    if !alone("a_large_message_leaves_no_large_buffer_behind").await {
        return;
    }
    camera_service::sys::heap::keep_small();
    let rig = Rig::start().await;
    let mut held = Vec::new();
    for _ in 0..SOCKETS {
        held.push(rig.client("viewer").await);
    }
    let before = resident();
    let text = long_request(5, (1 << 20) - 200);
    let mut frame = begun(text.len() as u64, 0);
    frame.extend(text.as_bytes());
    for client in &mut held {
        // Past the client's own buffers, which would be measured, too.
        client.ws.get_mut().write_all(&frame).await.unwrap();
        assert_eq!(client.receive().await["error"]["code"], -32602);
    }
    still_answers(&mut held[0]).await;
    let each = resident().saturating_sub(before) / SOCKETS;
    println!("{each} bytes stay per socket after a message of 1 MiB, client side included");
    assert!(each < 128 << 10, "{each} bytes stay");
    drop(held);
    rig.stop().await;
}

/// Both ends of each connection live in this process.
fn more_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}
