//! A whole connection: HTTP as it comes, through the upgrade into WebSocket frames. The first byte chooses the door.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use camera_service::clock::Mono;
use camera_service::events::bus::Bus;
use camera_service::http::doorstep::io::Doorstep;
use camera_service::http::route::Door;
use camera_service::http::{Limits, Live, Services};
use camera_service::rpc::table::METHODS;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};

use crate::input::Input;
use crate::world;

/// Bytes the connection may send for each that it got, and in any case.
const MOST: (usize, usize) = (2048, 1 << 20);

struct House {
    runtime: Runtime,
    doorstep: Doorstep,
}

thread_local! {
    static HOUSE: OnceCell<House> = const { OnceCell::new() };
}

fn house() -> House {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let bus = Arc::new(Bus::default());
    let (desk, library, ranges) = world::desk(false, &bus);
    let services = Services {
        desk: Arc::new(desk),
        bus,
        methods: METHODS,
        auth: Arc::new(|question| if question == b"{\"ok\":1}" { 204 } else { 401 }),
        limits: Limits {
            message_bytes: 4096,
            in_flight: 4,
            ..Limits::default()
        },
        library,
        ranges,
        origins: vec!["https://panel.example".to_owned()],
        ws_path: "/ws".to_owned(),
        webrtc: world::nowhere(),
        hls: world::nowhere(),
        expected_cameras: Vec::new(),
        version: "1.2.3",
        started: Mono::from_nanos(1),
        live: Live::default(),
    };
    let doorstep = Doorstep::new(services);
    House { runtime, doorstep }
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let door = match input.byte() {
        b'p' => Door::Page,
        b's' => Door::Secure,
        b'i' => Door::Internal,
        _ => Door::Api,
    };
    let sent = input.rest();
    let answer = HOUSE.with(|house| {
        let House { runtime, doorstep } = house.get_or_init(self::house);
        runtime.block_on(async {
            let (client, server) = tokio::io::duplex(64 << 10);
            let (mut ears, mut mouth) = tokio::io::split(client);
            let mut answer = Vec::new();
            let talk = async {
                let _ = mouth.write_all(sent).await;
                let _ = mouth.shutdown().await;
            };
            let all = async {
                tokio::join!(
                    doorstep.serve(server, door),
                    talk,
                    ears.read_to_end(&mut answer)
                )
            };
            // Who has said everything and hangs up is not waited for.
            let done = tokio::time::timeout(Duration::from_secs(5), all).await;
            assert!(done.is_ok(), "the connection does not end");
            answer
        })
    });
    assert!(answer.len() <= MOST.0 * sent.len() + MOST.1);
    check(&answer);
}

/// What came is HTTP, and after an upgrade whole frames of a server.
fn check(answer: &[u8]) {
    if answer.is_empty() {
        return;
    }
    assert!(answer.starts_with(b"HTTP/1."), "no HTTP");
    assert!(!answer.starts_with(b"HTTP/1.1 500"), "an error of our own");
    if !answer.starts_with(b"HTTP/1.1 101") {
        return;
    }
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let mut frames = &answer[end + 4..];
    while let [first, second, rest @ ..] = frames {
        assert!(first & 0xF0 == 0x80, "a whole frame without extensions");
        assert!(second & 0x80 == 0, "a server does not mask");
        let mut rest = Input::new(rest);
        let length = match second & 0x7F {
            126 => rest.number::<2>(),
            127 => rest.number::<8>(),
            short => u64::from(short),
        };
        let length = usize::try_from(length).unwrap();
        let payload = rest.bytes(length);
        assert_eq!(payload.len(), length, "a frame is cut");
        match first & 0x0F {
            1 => {
                let told: serde_json::Value = serde_json::from_slice(payload).unwrap();
                assert_eq!(told["jsonrpc"], "2.0");
            }
            8 => {
                assert!(payload.is_empty() || payload.len() >= 2);
                assert!(rest.is_empty(), "something follows the goodbye");
            }
            9 | 10 => assert!(payload.len() <= 125),
            other => panic!("a frame of type {other}"),
        }
        frames = rest.rest();
    }
    assert!(frames.is_empty());
}
