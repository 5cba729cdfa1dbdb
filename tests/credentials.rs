//! Keys, tokens and revocations as clients and viewers meet them: the whole service with the real
//! MediaMTX, and the command line beside it. Needs MediaMTX (`make mediamtx`, or `MEDIAMTX=…`) and ffmpeg.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use camera_service::access::Role;
use camera_service::app::App;
use camera_service::camera::Status;
use camera_service::clock::{self, Wall};
use camera_service::config::{Config, Source};
use camera_service::rpc::session::{Login, Refused, Verify};
use camera_service::units::Size;
use serde_json::{Value, json};
use support::{Client, Rig, camera, http, within};

/// A running service in a folder of its own.
struct Stage {
    app: App,
    dir: PathBuf,
}

impl Stage {
    async fn start(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("credentials-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let config = config(&dir);
        let app = within(App::start(config, Source::default())).await.unwrap();
        Self { app, dir }
    }

    /// Waits until viewers can see the test camera.
    async fn shows(&self) {
        let camera = "camera0".parse().unwrap();
        within(async {
            while !self.app.is_readable(camera).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    fn rtsp(&self, path: &str, credential: &str) -> String {
        format!(
            "rtsp://{}/{path}?token={credential}",
            self.app.addresses().rtsp
        )
    }

    fn api(&self) -> SocketAddr {
        self.app.addresses().api.unwrap()
    }

    /// Runs the command line against this service's folder; gives what it writes.
    async fn cli(&self, args: &[&str]) -> String {
        let (out, good, said) = cli(&self.dir, args, "").await;
        assert!(good, "{args:?}: {said}");
        out
    }

    async fn cli_json(&self, args: &[&str]) -> Value {
        let args = [args, &["--format", "json"]].concat();
        serde_json::from_str(&self.cli(&args).await).unwrap()
    }

    async fn login(&self, credential: &str) -> Client {
        let mut client = Client::connect(self.api()).await;
        let answer = client
            .call("authenticate", json!({ "auth_token": credential }))
            .await;
        assert_eq!(answer["result"]["authenticated"], true, "{answer}");
        client
    }

    async fn stop(self) {
        within(self.app.stop()).await;
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn config(dir: &Path) -> Config {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mediamtx/mediamtx");
    let mediamtx = std::env::var_os("MEDIAMTX").map_or(built, PathBuf::from);
    assert!(
        mediamtx.is_file(),
        "no MediaMTX: build it with `make mediamtx` or set MEDIAMTX"
    );
    let mut config = Config::default();
    // These stories knock at the door until it opens, and the box is theirs.
    config.security.claim = false;
    config.security.rate_limit_failed_logins = 0;
    let here = [127, 0, 0, 1].into();
    config.server.host = here;
    config.http_health.host = here;
    config.mediamtx.rtsp_host = here;
    config.server.port = 0;
    config.http_health.port = 0;
    config.mediamtx.rtsp_port = 0;
    config.mediamtx.api_port = 0;
    config.mediamtx.hls_port = 0;
    config.mediamtx.webrtc_port = 0;
    config.mediamtx.webrtc_udp_port = 0;
    config.mediamtx.binary = mediamtx;
    config.test_camera.enabled = true;
    config.test_camera.size = Size::new(320, 180);
    config.test_camera.fps = 10;
    config.storage.data_dir = dir.join("data");
    config.storage.runtime_dir = dir.join("run");
    config
}

/// What the command line writes, whether it is content, and what it complains.
async fn cli(dir: &Path, args: &[&str], input: &str) -> (String, bool, String) {
    use tokio::io::AsyncWriteExt;
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_camera-service"))
        .args(args)
        .env("CAMERA_SERVICE_STORAGE_DATA_DIR", dir.join("data"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = within(child.wait_with_output()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        output.status.success(),
        text(output.stderr),
    )
}

/// Calls until the answer is an error; gives its reason and how long it took.
async fn falls(client: &mut Client) -> (String, Duration) {
    let begun = clock::mono();
    within(async {
        loop {
            let answer = client.call("get_camera_list", json!({})).await;
            if answer["error"]["code"] == -32001 {
                let reason = answer["error"]["data"]["reason"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                return (reason, clock::mono().since(begun));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// Tries to log in until it works or, if `wanted` is a reason, until it is refused with that.
async fn until_login(at: &Stage, credential: &str, wanted: Option<&str>) -> Value {
    let mut client = Client::connect(at.api()).await;
    within(async {
        loop {
            let answer = client
                .call("authenticate", json!({ "auth_token": credential }))
                .await;
            let reason = answer["error"]["data"]["reason"].as_str();
            if reason == wanted {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// An RTSP client that runs until it is thrown out.
struct Player(tokio::process::Child);

impl Player {
    /// One that watches, once it has pictures.
    async fn watching(url: &str) -> Self {
        use tokio::io::AsyncReadExt;
        let mut child = tokio::process::Command::new("ffmpeg")
            .args([
                "-nostdin",
                "-v",
                "error",
                "-rtsp_transport",
                "tcp",
                "-i",
                url,
            ])
            .args(["-c", "copy", "-flush_packets", "1", "-f", "h264", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("ffmpeg is needed for this test");
        let mut pictures = child.stdout.take().unwrap();
        let mut some = [0; 4096];
        within(pictures.read_exact(&mut some))
            .await
            .expect("it was not let in");
        tokio::spawn(async move { tokio::io::copy(&mut pictures, &mut tokio::io::sink()).await });
        Self(child)
    }

    /// One that publishes, or tries to.
    fn publishing(url: &str) -> Self {
        let child = tokio::process::Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-re", "-f", "lavfi"])
            .args(["-i", "testsrc=size=320x240:rate=10", "-c:v", "libx264"])
            .args(["-preset", "ultrafast", "-tune", "zerolatency", "-g", "10"])
            .args(["-rtsp_transport", "tcp", "-f", "rtsp", url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("ffmpeg is needed for this test");
        Self(child)
    }

    fn plays(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended; it must have been told that it may not.
    async fn refused(self) {
        let output = within(self.0.wait_with_output()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("401 Unauthorized"), "{said}");
    }

    /// Waits until it has ended; gives how long that took.
    async fn ended(mut self) -> Duration {
        let begun = clock::mono();
        within(self.0.wait()).await.unwrap();
        clock::mono().since(begun)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_the_command_line_opens_a_running_service_until_it_is_revoked() {
    let at = Stage::start("key").await;
    let made = at
        .cli_json(&[
            "keys",
            "generate",
            "--role",
            "operator",
            "--expiry",
            "30d",
            "--description",
            "the gate",
        ])
        .await;
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    // The command comes back when the service knows the key.
    let mut client = Client::connect(at.api()).await;
    let login = client
        .call("authenticate", json!({ "auth_token": key }))
        .await;
    assert_eq!(login["result"]["role"], "operator");
    assert_eq!(login["result"]["expires_at"], made["expires_at"]);
    let file = at.dir.join("data/access/keys.json");
    assert!(!fs::read_to_string(&file).unwrap().contains(&key[4..]));

    let mut live = at.login(key).await;
    at.cli(&["keys", "revoke", "--key-id", id]).await;
    let (reason, took) = falls(&mut live).await;
    println!("a revoked key falls after {took:?}");
    assert_eq!(reason, "key_revoked");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(live.call("ping", json!({})).await["result"], "pong");

    // The other way round: what the service makes, the command line sees; and use is counted at the end.
    let mut admin = at.login(&at.app.mint("root", Role::Admin, 60)).await;
    let made = admin
        .call("create_api_key", json!({ "role": "viewer" }))
        .await["result"]
        .take();
    let listed = at.cli_json(&["keys", "list", "--status", "active"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], made["key_id"]);
    drop(at.login(made["key"].as_str().unwrap()).await);
    let dir = at.dir.clone();
    within(at.app.stop()).await;
    let (text, ..) = cli(&dir, &["keys", "list", "--format", "json"], "").await;
    let listed: Value = serde_json::from_str(&text).unwrap();
    let count = |id: &Value| {
        let keys = listed.as_array().unwrap();
        keys.iter().find(|k| k["id"] == *id).unwrap()["usage_count"]
            .as_u64()
            .unwrap()
    };
    assert_eq!((count(&made["key_id"]), count(&json!(id))), (1, 2));
    fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_and_a_changed_role_act_on_live_connections() {
    let at = Stage::start("revoked").await;
    let (mine, theirs) = (
        at.app.mint("ann", Role::Viewer, 600),
        at.app.mint("bob", Role::Viewer, 600),
    );
    let (mut ann, mut bob) = (at.login(&mine).await, at.login(&theirs).await);
    let (said, good, why) = cli(&at.dir, &["revoke", "--token", "-"], &mine).await;
    assert!(
        good && said.starts_with("revoked the token "),
        "{said} {why}"
    );
    let (reason, took) = falls(&mut ann).await;
    println!("a revoked token falls after {took:?}");
    assert_eq!(reason, "token_revoked");
    assert!(took < Duration::from_secs(1), "{took:?}");
    until_login(&at, &mine, Some("token_revoked")).await;
    assert!(bob.call("get_camera_list", json!({})).await["error"].is_null());
    at.cli(&["revoke", "--user", "bob"]).await;
    assert_eq!(falls(&mut bob).await.0, "token_revoked");

    // Somebody lowers a key's role in the store.
    let made = at.cli_json(&["keys", "generate", "--role", "admin"]).await;
    let key = made["key"].as_str().unwrap();
    until_login(&at, key, None).await;
    let mut admin = at.login(key).await;
    assert!(admin.call("list_api_keys", json!({})).await["error"].is_null());
    let file = at.dir.join("data/access/keys.json");
    let lowered = fs::read_to_string(&file)
        .unwrap()
        .replace("\"admin\"", "\"viewer\"");
    fs::write(&file, lowered).unwrap();
    within(async {
        while admin.call("list_api_keys", json!({})).await["error"]["code"] != -32002 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(admin.call("get_camera_list", json!({})).await["error"].is_null());

    // A damaged store changes nothing for those who are there, and nobody new is lost.
    fs::write(&file, "{ torn").unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(admin.call("get_camera_list", json!({})).await["error"].is_null());
    assert_eq!(
        until_login(&at, key, None).await["result"]["role"],
        "viewer"
    );
    let (_, good, why) = cli(&at.dir, &["keys", "list"], "").await;
    assert!(
        !good && why.contains("keys.json") && why.contains("restore it"),
        "{why}"
    );
    let dir = at.dir.clone();
    within(at.app.stop()).await;
    let why = within(App::start(config(&dir), Source::default()))
        .await
        .err()
        .unwrap();
    assert!(why.to_string().contains("keys.json"), "{why}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{ torn");
    fs::remove_dir_all(&dir).unwrap();
}

/// Takes every token until it is told that they have all fallen.
#[derive(Default)]
struct Fickle(AtomicU64);

impl Verify for Fickle {
    fn verify(&self, _: &str, now: Wall) -> Result<Login, Refused> {
        Ok(Login::plain(
            "ada",
            Role::Viewer,
            Wall::from_secs(now.as_secs() + 60),
        ))
    }
    fn generation(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    fn again(&self, _: &Login, _: Wall) -> Result<Login, Refused> {
        Err(Refused {
            reason: "token_revoked".to_owned(),
            details: "the token was revoked".to_owned(),
        })
    }
}

#[tokio::test]
async fn who_has_lost_their_rights_hears_of_cameras_no_more() {
    let fickle = Arc::new(Fickle::default());
    let judge = Arc::clone(&fickle);
    let rig = Rig::with(|services| {
        let desk = Arc::get_mut(&mut services.desk).unwrap();
        desk.verifier = judge;
    })
    .await;
    let mut client = rig.client("anything").await;
    rig.directory.put(camera(1, Status::Connected));
    assert_eq!(client.receive().await["method"], "camera_status_update");
    fickle.0.fetch_add(1, Ordering::Relaxed);
    rig.directory.put(camera(2, Status::Connected));
    // Had the change been told, it would have come before or between these answers.
    for _ in 0..20 {
        let id = client.send("get_camera_list", json!({})).await;
        let next = client.receive().await;
        assert_eq!(next["id"], id, "{next}");
        assert_eq!(next["error"]["data"]["reason"], "token_revoked");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_fleets_own_key_count_while_its_public_half_lies_here() {
    let at = Stage::start("fleet").await;
    let trusted = at.dir.join("data/access/trusted");
    fs::create_dir_all(&trusted).unwrap();
    for (name, kind) in [
        ("fleet", &["-algorithm", "ed25519"][..]),
        (
            "other",
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        ),
    ] {
        let private = at.dir.join(format!("{name}.pem"));
        let public = at.dir.join(format!("{name}.pub"));
        let openssl = |args: &[&str]| {
            let done = Command::new("openssl")
                .args(args)
                .stderr(Stdio::null())
                .status();
            assert!(done.expect("openssl is needed for this test").success());
        };
        let (private, public) = (private.to_str().unwrap(), public.to_str().unwrap());
        openssl(&[&["genpkey"], kind, &["-out", private]].concat());
        openssl(&["pkey", "-in", private, "-pubout", "-out", public]);
        let token = at
            .cli(&[
                "token", "--role", "operator", "--user", "ann", "--key", private,
            ])
            .await;
        let token = token.trim();
        until_login(&at, token, Some("token_invalid")).await;
        fs::rename(public, trusted.join(format!("{name}.pem"))).unwrap();
        assert_eq!(
            until_login(&at, token, None).await["result"]["role"],
            "operator"
        );
        let mut live = at.login(token).await;
        let fresh = live.call("refresh_token", json!({})).await["result"]["token"].take();
        until_login(&at, fresh.as_str().unwrap(), None).await;
        fs::remove_file(trusted.join(format!("{name}.pem"))).unwrap();
        assert_eq!(falls(&mut live).await.0, "token_invalid");
        until_login(&at, fresh.as_str().unwrap(), Some("token_invalid")).await;
    }
    at.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_are_thrown_out_when_their_rights_end_and_the_others_watch_on() {
    let at = Stage::start("kick").await;
    at.shows().await;
    let made = at.cli_json(&["keys", "generate", "--role", "viewer"]).await;
    let key = made["key"].as_str().unwrap();
    until_login(&at, key, None).await;
    let by_key = Player::watching(&at.rtsp("camera0", key)).await;
    let mut stays =
        Player::watching(&at.rtsp("camera0", &at.app.mint("bob", Role::Viewer, 600))).await;
    let mut ann = at.login(&at.app.mint("ann", Role::Viewer, 600)).await;
    let made_token = ann
        .call(
            "get_stream_token",
            json!({ "device": "camera0", "ttl_s": 20 }),
        )
        .await["result"]
        .take();
    let by_stream_token =
        Player::watching(&at.rtsp("camera0", made_token["token"].as_str().unwrap())).await;

    at.cli(&["keys", "revoke", "--key-id", made["id"].as_str().unwrap()])
        .await;
    let took = by_key.ended().await;
    println!("the viewer with the revoked key is out after {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    let answer = ann.call("revoke_token", json!({})).await;
    assert_eq!(answer["result"]["revoked"], true, "{answer}");
    let took = by_stream_token.ended().await;
    println!("the viewer with the stream token of a revoked login is out after {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");

    // A token that ends while its bearer watches.
    let begun = clock::wall();
    let short = Player::watching(&at.rtsp("camera0", &at.app.mint("eve", Role::Viewer, 12))).await;
    short.ended().await;
    let after = Duration::from_nanos(clock::wall().as_nanos() - begun.as_nanos());
    println!("a viewer whose token lasts 12 s is out {after:?} after it was made");
    assert!(
        after > Duration::from_secs(10) && after < Duration::from_secs(14),
        "{after:?}"
    );
    assert!(stays.plays(), "a viewer with good rights was thrown out");
    at.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_viewers_lose_their_sessions_too() {
    let at = Stage::start("web").await;
    at.shows().await;
    let token = at.app.mint("ann", Role::Viewer, 600);
    let bearer = format!("authorization: Bearer {token}\r\n");
    let page = at.app.addresses().health.unwrap();

    // HLS: once begun, it goes on without the token, by a secret in the address.
    let index = "/hls/camera0/index.m3u8?cookieCheck=1";
    let first = http(page, "GET", index, &bearer, "").await;
    assert_eq!(first.status, 200, "{first:?}");
    let list = first.body.lines().last().unwrap();
    let list = format!("/hls/camera0/{list}");
    assert_eq!(http(page, "GET", &list, "", "").await.status, 200);

    // WebRTC: an offer that nobody follows up keeps its session until the handshake times out.
    let offer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\na=mid:0\r\na=recvonly\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n\
        a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
        a=rtpmap:96 H264/90000\r\na=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n";
    let extra = format!("{bearer}content-type: application/sdp\r\n");
    let answer = http(page, "POST", "/whep/camera0", &extra, offer).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let session = answer.header("location").unwrap().to_owned();
    let frag = "content-type: application/trickle-ice-sdpfrag\r\n";
    let patch = async || {
        let body = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n";
        http(page, "PATCH", &session, frag, body).await.status
    };
    assert_ne!(patch().await, 404);

    let answer = at.login(&token).await.call("revoke_token", json!({})).await;
    assert_eq!(answer["result"]["revoked"], true, "{answer}");
    let begun = clock::mono();
    within(async {
        while patch().await != 404 || http(page, "GET", &list, "", "").await.status < 400 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let took = clock::mono().since(begun);
    println!("both sessions are gone after {took:?}");
    // MediaMTX itself would give the handshake up after 10 s.
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(http(page, "GET", index, &bearer, "").await.status, 401);
    at.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_token_is_what_it_takes_to_publish_and_only_where_it_says() {
    let at = Stage::start("publish").await;
    let mut bob = at.login(&at.app.mint("bob", Role::Operator, 600)).await;
    let wanted = json!({ "device": "live-door", "action": "publish" });
    let made = bob.call("get_stream_token", wanted).await["result"].take();
    let token = made["token"].as_str().unwrap().to_owned();
    let readable = async |at: &Stage| {
        let mut client = at.login(&at.app.mint("ann", Role::Viewer, 600)).await;
        let streams = client.call("get_streams", json!({})).await["result"].take();
        let streams = streams.as_array().unwrap().clone();
        streams
            .iter()
            .any(|s| s["name"] == "live-door" && s["ready"] == true)
    };

    // A login is no stream token, and a token for one name opens no other.
    let admin = at.app.mint("root", Role::Admin, 600);
    for url in [
        at.rtsp("live-door", &admin),
        at.rtsp("live-gate", &token),
        at.rtsp("camera7", &token),
    ] {
        Player::publishing(&url).refused().await;
    }
    let mut publisher = Player::publishing(&at.rtsp("live-door", &token));
    within(async {
        while !readable(&at).await {
            assert!(publisher.plays(), "the publisher was not let in");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let watched = at.app.mint("ann", Role::Viewer, 600);
    drop(Player::watching(&at.rtsp("live-door", &watched)).await);

    assert!(publisher.plays());
    at.cli(&["revoke", "--user", "bob"]).await;
    let took = publisher.ended().await;
    println!("the publisher of a revoked user is out after {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(falls(&mut bob).await.0, "token_revoked");
    Player::publishing(&at.rtsp("live-door", &token))
        .refused()
        .await;
    within(async {
        while readable(&at).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    at.stop().await;
}

#[tokio::test]
async fn the_command_line_replaces_exports_sweeps_and_counts_keys() {
    let dir = std::env::temp_dir().join(format!("credentials-cli-{}", std::process::id()));
    let run = async |args: &str| {
        let args: Vec<&str> = args.split(' ').collect();
        let (out, good, said) = cli(&dir, &args, "").await;
        (
            serde_json::from_str(&out).unwrap_or(Value::Null),
            good,
            said,
        )
    };
    for _ in 0..2 {
        let (made, good, said) = run("keys generate --role operator --format json").await;
        assert!(good && made["key"].is_string(), "{said}");
    }
    let (_, good, said) = run("keys rotate --role operator").await;
    assert!(!good && said.contains("--force"), "{said}");
    let (new, good, _) = run("keys rotate --role operator --force --format json").await;
    assert!(good && new.as_array().unwrap().len() == 2);
    let (new, id) = (
        new[0]["key"].as_str().unwrap(),
        new[0]["id"].as_str().unwrap(),
    );

    let file = dir.join("key.json");
    let (_, good, said) = run(&format!(
        "keys export --key-id {id} --output {}",
        file.display()
    ))
    .await;
    assert!(good && said.contains("rotate gives a new one"), "{said}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(id) && !text.contains(new));

    let (dead, ..) = run("keys cleanup --dry-run --format json").await;
    assert_eq!(dead.as_array().unwrap().len(), 2);
    let (stats, ..) = run("keys stats --format json").await;
    assert_eq!(
        (&stats["total"], &stats["by_role"]["operator"]["revoked"]),
        (&json!(4), &json!(2))
    );
    run("keys cleanup").await;
    let (stats, ..) = run("keys stats --format json").await;
    assert_eq!(
        (&stats["total"], &stats["by_role"]["operator"]["active"]),
        (&json!(2), &json!(2))
    );

    for _ in 0..8 {
        assert!(run("keys generate --role operator").await.1);
    }
    let (_, good, said) = run("keys generate --role operator").await;
    assert!(!good && said.contains("max_keys_per_role"), "{said}");
    assert!(run("keys generate --role operator --force").await.1);
    fs::remove_dir_all(&dir).unwrap();
}
