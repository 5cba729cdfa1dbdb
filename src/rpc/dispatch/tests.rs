//! Whole messages through the core, against a directory filled by hand.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::access::Office;
use crate::access::Role;
use crate::access::store::{Expiry, KeyRecord, Target, Wanted};
use crate::access::stream::{Direction, StreamToken};
use crate::app::records::Records;
use crate::camera::{Camera, CameraId, Counters, Device, Directory, Mode, Status};
use crate::capture::{Colour, Format, Matrix, PixelFormat, Range};
use crate::clock::Wall;
use crate::config::Config;
use crate::config::live::{self as configuration, Configuration, Reloaded};
use crate::encode::Route;
use crate::error::Later;
use crate::events::Announce;
use crate::events::bus::Bus;
use crate::http::files::range::{self as ranged, Ranges};
use crate::http::files::{Downloads, Kind, Located};
use crate::latency::{Recorder, Stamps};
use crate::mediamtx::paths::io::PathKeeper;
use crate::recording::range::Stretch;
use crate::rpc::media::{MediaServer, MediaState, PathState};
use crate::rpc::session::{Login, Refused, Verify};
use crate::rpc::table::METHODS;
use crate::units::{Rate, Size};

const NOW: Now = Now {
    mono: Mono::from_nanos(100_000_000_000),
    wall: Wall::from_secs(1_790_000_000),
};

/// Tokens are `role:seconds`; everything else is refused.
struct Words;

impl Verify for Words {
    fn verify(&self, token: &str, now: Wall) -> Result<Login, Refused> {
        let refused = || Refused {
            reason: "token_invalid".to_owned(),
            details: "the signature does not match".to_owned(),
        };
        let (role, lifetime) = token.split_once(':').ok_or_else(refused)?;
        Ok(Login::plain(
            "ada",
            role.parse().map_err(|_| refused())?,
            Wall::from_secs(now.as_secs() + lifetime.parse::<u64>().unwrap()),
        ))
    }
}

/// Nobody gives credentials out here.
struct NoOffice;

impl Office for NoOffice {
    fn renew(&self, _: &Login, _: Wall) -> (String, Wall) {
        unreachable!("no test here asks")
    }
    fn stream_token(&self, _: &Login, _: &str, _: Direction, _: Duration, _: Wall) -> StreamToken {
        unreachable!("no test here asks")
    }
    fn revoke(&self, _: Target, _: Option<&Login>, _: Wall) -> Later<()> {
        unreachable!("no test here asks")
    }
    fn keys(&self) -> Vec<KeyRecord> {
        Vec::new()
    }
    fn default_expiry(&self) -> Expiry {
        Expiry::DEFAULT
    }
    fn create_key(&self, _: Wanted, _: Wall) -> Later<(KeyRecord, String)> {
        unreachable!("no test here asks")
    }
    fn revoke_key(&self, _: &str, _: Wall) -> Later<KeyRecord> {
        unreachable!("no test here asks")
    }
}

/// One recording of 1,000 bytes, `camera0_1.mp4`.
struct Shelf;

impl Downloads for Shelf {
    fn locate(&self, kind: Kind, name: &str) -> Later<Option<Located>> {
        let found = kind == Kind::Recording && matches!(name, "camera0_1" | "camera0_1.mp4");
        let file = Located {
            filename: "camera0_1.mp4".to_owned(),
            size: 1000,
        };
        Box::pin(async move { Ok(found.then_some(file)) })
    }

    fn link(&self, kind: Kind, filename: &str, who: &Login, until: Wall) -> String {
        format!(
            "/files/{}/{filename}?user={}&expires={}",
            kind.folder(),
            who.user_id,
            until.as_secs()
        )
    }
}

impl Ranges for Shelf {
    fn find(&self, _: &str, _: Stretch) -> Later<ranged::Found> {
        let nothing = ranged::Trouble::Nothing {
            before: Some(NOW.wall),
            after: None,
        };
        Box::pin(async move { Ok(Err(nothing)) })
    }

    fn link(&self, _: &str, _: Stretch, _: &Login, _: Wall) -> String {
        unreachable!("nothing is found")
    }
}

/// A configuration that stays as it is.
struct Settled;

impl Configuration for Settled {
    fn file(&self) -> Option<String> {
        None
    }

    fn live(&self) -> configuration::Live {
        configuration::Live::new(Config::default(), Wall::from_secs(1))
    }

    fn reload(&self) -> Later<Reloaded> {
        Box::pin(async {
            Ok(Reloaded::Taken {
                applied: Vec::new(),
                waiting: Vec::new(),
                troubles: Vec::new(),
            })
        })
    }
}

struct Fixed(MediaState);

impl MediaServer for Fixed {
    fn state(&self) -> MediaState {
        self.0.clone()
    }
}

fn camera(number: u16, status: Status) -> Camera {
    let counters = Counters::default();
    counters
        .captured
        .store(7, std::sync::atomic::Ordering::Relaxed);
    // Sent a second ago: 2 ms until it was dequeued, 10 in the encoder, 0.5 to the socket.
    let at = |micros: u64| Mono::from_nanos(NOW.mono.as_nanos() - 1_000_000_000 + micros * 1000);
    let stamps = Stamps {
        captured: at(0),
        dequeued: at(2_000),
        encoded: at(12_000),
    };
    if number == 0 {
        Recorder::default().sent(&counters.latency, &stamps, at(12_500));
    }
    for last in [&counters.last_frame_nanos, &counters.last_unit_nanos] {
        last.store(NOW.mono.as_nanos(), std::sync::atomic::Ordering::Relaxed);
    }
    let rate = Rate::new(30000, 1001).unwrap();
    let size = Size::new(1280, 720);
    let mode = |pixel, size| Mode {
        pixel,
        size,
        rates: vec![rate, Rate::fps(15)],
    };
    Camera {
        id: CameraId::new(number).unwrap(),
        name: "Desk camera".to_owned(),
        device: Device::V4l2 {
            node: format!("/dev/video{number}").into(),
            driver: "uvcvideo".to_owned(),
            bus: "usb-1".to_owned(),
        },
        status,
        format: Some(Format {
            pixel: PixelFormat::Yuyv,
            size,
            stride: 2560,
            rate,
            colour: Colour {
                matrix: Matrix::Bt601,
                range: Range::Limited,
                srgb: true,
            },
        }),
        route: Some(Route::Software),
        route_why: None,
        slate_since: None,
        fault: None,
        avoided: None,
        history: Default::default(),
        remote: None,
        publish_trouble: None,
        modes: Arc::from([
            mode(PixelFormat::Yuyv, Size::new(640, 480)),
            mode(PixelFormat::Yuyv, size),
            mode(PixelFormat::Mjpeg, size),
        ]),
        since: Mono::from_nanos(NOW.mono.as_nanos() - 42_000_000_000),
        counters: Arc::new(counters),
    }
}

fn gone() -> Status {
    Status::Disconnected {
        reason: "unplugged".to_owned(),
    }
}

pub(crate) fn room(media: MediaState) -> Room {
    let directory = Directory::default();
    directory.put(camera(0, Status::Connected));
    directory.put(camera(2, gone()));
    let directory = Arc::new(directory);
    let events: Arc<dyn Announce> = Arc::new(Bus::default());
    let mut config = Config::default();
    config.storage.data_dir = "/nonexistent".into();
    let records = Records::new(
        &config,
        PathKeeper::default().paths(),
        Arc::new(crate::snapshot::pulled::io::Hls::new(
            "127.0.0.1:1".parse().unwrap(),
            &crate::mediamtx::auth::Secret::new(String::new()),
        )),
        &directory,
        &events,
    );
    Room {
        methods: METHODS,
        desk: Arc::new(Desk {
            directory,
            verifier: Arc::new(Words),
            office: Arc::new(NoOffice),
            media: Arc::new(Fixed(media)),
            downloads: Arc::new(Shelf),
            ranges: Arc::new(Shelf),
            configuration: Arc::new(Settled),
            events,
            recordings: Arc::new(records.recorder),
            modes: Arc::new(records.modes),
            snapshots: Arc::clone(&records.taker) as _,
            storage: Arc::new(records.warden),
            wear: Arc::new(crate::storage::wear::Unseen),
            offsite: Arc::new(crate::offsite::Unset),
            external: Arc::new(external()),
            viewing: Arc::default(),
            system: Arc::default(),
            registry: Arc::default(),
            rtsp_port: 8554,
            guard: Default::default(),
        }),
        reached: Arc::new(Reached::new(
            Some("box.local:8003"),
            "10.0.0.1:8002".parse().unwrap(),
        )),
        from: "10.0.0.9".parse().unwrap(),
    }
}

/// A list with one stream, without a disk.
fn external() -> crate::external::Fixed {
    let mut book = crate::external::book::Book::default();
    let url = "rtsp://ann:geheim@192.0.2.7/live".parse().unwrap();
    let kind = crate::external::Kind::Generic;
    book.add("drone", url, kind, NOW.wall).unwrap();
    crate::external::Fixed(book.into())
}

fn media() -> MediaState {
    let path = PathState {
        ready: true,
        readers: 3,
        bytes_received: 10,
        bytes_sent: 99,
        source: Some("rtspSession".to_owned()),
    };
    MediaState {
        reachable: true,
        paths: [("camera0".to_owned(), path)].into(),
        ..MediaState::default()
    }
}

struct Client {
    room: Room,
    session: Session,
    now: Now,
}

impl Client {
    fn new() -> Self {
        Self {
            room: room(media()),
            session: Session::new("5f2b".to_owned()),
            now: NOW,
        }
    }

    fn viewer() -> Self {
        let mut client = Self::new();
        let answer = client.call("authenticate", &json!({ "auth_token": "viewer:60" }));
        assert_eq!(answer["result"]["authenticated"], true);
        client
    }

    fn raw(&mut self, message: &str) -> Option<Value> {
        let turn = accept(&self.room, &mut self.session, message, self.now);
        let Outcome::Now(answer) = turn.outcome else {
            panic!("no method here takes time")
        };
        let text = turn.reply.render(&answer, self.now)?;
        Some(serde_json::from_str(&text).unwrap())
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.raw(&request.to_string()).unwrap()
    }

    fn code(&mut self, method: &str, params: &Value) -> i64 {
        self.call(method, params)["error"]["code"].as_i64().unwrap()
    }
}

mod credentials;
mod events;
mod guarded;
mod records;
mod results;
mod streams;
mod system;

#[test]
fn ping_answers_before_a_login_with_metadata() {
    let answer = Client::new().call("ping", &json!({}));
    assert_eq!(answer["result"], "pong");
    assert_eq!(answer["id"], 1);
    assert_eq!(answer["metadata"]["request_id"], "1");
    assert_eq!(answer["metadata"]["processing_time_ms"], 0.0);
    assert_eq!(answer["metadata"]["server_timestamp"], NOW.wall.rfc3339());
    assert!(answer.get("error").is_none());
}

#[test]
fn a_huge_id_comes_back_digit_by_digit() {
    let mut client = Client::new();
    let message = r#"{"jsonrpc":"2.0","id":98765432109876543210987654321.50,"method":"ping"}"#;
    let turn = accept(&client.room, &mut client.session, message, NOW);
    let Outcome::Now(answer) = turn.outcome else {
        panic!()
    };
    let text = turn.reply.render(&answer, NOW).unwrap();
    assert!(
        text.contains(r#""id":98765432109876543210987654321.50,"#),
        "{text}"
    );
}

#[test]
fn a_notification_runs_and_is_never_answered() {
    let mut client = Client::new();
    let login = r#"{"jsonrpc":"2.0","method":"authenticate","params":{"token":"viewer:60"}}"#;
    assert_eq!(client.raw(login), None);
    assert_eq!(client.session.login(NOW.wall).unwrap().role, Role::Viewer);
    assert_eq!(client.raw(r#"{"jsonrpc":"2.0","method":"nonsense"}"#), None);
}

#[test]
fn checks_come_in_the_contracts_order() {
    let mut client = Client::new();
    let wrong = json!({ "nonsense": 1 });
    assert_eq!(client.code("no_such_method", &wrong), -32601);
    assert_eq!(client.code("get_camera_status", &wrong), -32001);
    let mut client = Client::viewer();
    assert_eq!(client.code("get_camera_status", &wrong), -32602);
    assert_eq!(client.code("get_camera_list", &wrong), -32602);
    assert_eq!(client.code("get_camera_list", &json!([1])), -32602);
    let absent = json!({ "device": "camera7" });
    for method in [
        "get_camera_status",
        "get_camera_capabilities",
        "get_stream_url",
    ] {
        let answer = client.call(method, &absent);
        assert_eq!(answer["error"]["code"], -32010, "{method}");
        assert_eq!(answer["error"]["data"]["resource"], "camera");
        assert_eq!(answer["error"]["data"]["id"], "camera7");
    }
}

#[test]
fn a_role_too_low_is_told_which_one_is_needed() {
    const ROWS: &[Method] = &[
        core::AUTHENTICATE,
        Method {
            name: "reboot",
            role: Some(Role::Admin),
            ..core::PING
        },
    ];
    let mut client = Client::viewer();
    client.room.methods = ROWS;
    let error = client.call("reboot", &json!({ "x": 1 }))["error"].take();
    assert_eq!(error["code"], -32002);
    assert_eq!(error["data"]["required_role"], "admin");
    assert_eq!(error["data"]["have_role"], "viewer");
}

#[test]
fn a_method_that_panics_costs_one_answer_and_not_the_connection() {
    const ROWS: &[Method] = &[
        core::PING,
        Method {
            name: "bug",
            handler: |_, _| panic!("on purpose"),
            ..core::PING
        },
    ];
    let mut client = Client::new();
    client.room.methods = ROWS;
    let error = client.call("bug", &json!({}))["error"].take();
    assert_eq!(error["code"], -32603);
    assert_eq!(error["data"]["request_id"], "1");
    assert_eq!(client.call("ping", &json!({}))["result"], "pong");
}

#[test]
fn a_notifications_name_cannot_be_called() {
    let mut client = Client::viewer();
    for name in crate::rpc::notify::NAMES {
        assert_eq!(client.code(name, &json!({})), -32601);
    }
}

#[test]
fn a_mistyped_method_is_answered_with_the_nearest_one() {
    let answer = Client::new().call("get_camera_lst", &json!({}));
    assert_eq!(
        answer["error"]["data"]["suggestion"],
        "did you mean get_camera_list?"
    );
    assert_eq!(
        answer["error"]["data"]["hint"],
        "did you mean get_camera_list?"
    );
}

#[test]
fn authenticate_takes_exactly_one_token_under_either_name() {
    let mut client = Client::new();
    for params in [
        json!({}),
        json!({ "auth_token": 7 }),
        json!({ "auth_token": "" }),
        json!({ "auth_token": "viewer:60", "token": "viewer:60" }),
        json!({ "auth_token": "viewer:60", "auth_type": "basic" }),
    ] {
        assert_eq!(client.code("authenticate", &params), -32602, "{params}");
    }
    assert_eq!(
        client.code("authenticate", &json!({ "token": "forged" })),
        -32001
    );
    let answer = client.call(
        "authenticate",
        &json!({ "token": "operator:60", "auth_type": "jwt" }),
    );
    assert_eq!(
        answer["result"],
        json!({
            "authenticated": true,
            "role": "operator",
            "permissions": ["view", "control"],
            "expires_at": Wall::from_secs(NOW.wall.as_secs() + 60).rfc3339(),
            "session_id": "5f2b",
        })
    );
}

#[test]
fn an_expired_token_ends_a_live_session_at_the_next_call() {
    let mut client = Client::viewer();
    client.now.wall = Wall::from_secs(NOW.wall.as_secs() + 60);
    let error = client.call("get_camera_list", &json!({}))["error"].take();
    assert_eq!(error["code"], -32001);
    assert_eq!(error["data"]["reason"], "token_expired");
    assert_eq!(client.call("ping", &json!({}))["result"], "pong");
}

#[test]
fn processing_time_is_what_passed_between_message_and_answer() {
    let mut client = Client::new();
    let turn = accept(
        &client.room,
        &mut client.session,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
        NOW,
    );
    let later = Now {
        mono: NOW.mono + Duration::from_micros(1500),
        ..NOW
    };
    let text = turn.reply.render(&Ok(Value::Null), later).unwrap();
    assert!(text.contains(r#""processing_time_ms":1.5"#), "{text}");
}
