//! The real MediaMTX under our care. Needs its binary: `make mediamtx`, or `MEDIAMTX=/path/to/it`.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camera_service::access::{Keyring, Role};
use camera_service::clock;
use camera_service::error::Kind;
use camera_service::mediamtx::api::SessionKind;
use camera_service::mediamtx::auth::{self, Decision, SERVICE_USER, Secret};
use camera_service::mediamtx::io::{MediaMtx, Ownership, pick_free_ports};
use camera_service::mediamtx::settings::{LogLevel, Settings, render};
use camera_service::mediamtx::{ProcessState, Snapshot};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SECRET: &str = "the secret of this run of the test";
/// Long enough for a loaded machine; what is measured is printed.
const PATIENCE: Duration = Duration::from_secs(20);

fn binary() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mediamtx/mediamtx");
    let path = std::env::var_os("MEDIAMTX").map_or(built, PathBuf::from);
    assert!(
        path.is_file(),
        "no MediaMTX at {}: build it with `make mediamtx` or set MEDIAMTX",
        path.display()
    );
    path
}

fn keyring() -> Keyring {
    Keyring::new(b"0123456789abcdef0123456789abcdef").unwrap()
}

/// A directory that is gone when the test is over.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mediamtx-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The authorisation callback as the service will have it, noting every decision.
struct Callback {
    address: SocketAddr,
    decisions: Arc<Mutex<Vec<Decision>>>,
}

impl Callback {
    async fn new() -> Self {
        use http_body_util::{BodyExt, Empty};
        use hyper::body::{Bytes, Incoming};
        use hyper::{Request, Response};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let decisions = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&decisions);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let noted = Arc::clone(&noted);
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let noted = Arc::clone(&noted);
                    async move {
                        let body = request.into_body().collect().await?.to_bytes();
                        let decision = auth::answer(&body, &Secret::new(SECRET.into()), |t| {
                            keyring().verify(t, clock::wall())
                        });
                        let mut response = Response::new(Empty::<Bytes>::new());
                        *response.status_mut() = decision.status().try_into().unwrap();
                        noted.lock().unwrap().push(decision);
                        Ok::<_, hyper::Error>(response)
                    }
                });
                let io = hyper_util::rt::TokioIo::new(stream);
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service),
                );
            }
        });
        Self { address, decisions }
    }

    fn settings(&self) -> Settings {
        settings(&format!("http://{}/auth", self.address))
    }

    fn seen(&self) -> usize {
        self.decisions.lock().unwrap().len()
    }

    fn saw(&self, wanted: impl Fn(&Decision) -> bool) -> bool {
        self.decisions.lock().unwrap().iter().any(wanted)
    }
}

fn settings(auth_url: &str) -> Settings {
    let any = "127.0.0.1:0".parse().unwrap();
    let mut settings = Settings {
        rtsp: any,
        hls: any,
        webrtc: any,
        api: any,
        webrtc_udp: any,
        webrtc_tcp: Some(any),
        auth_url: auth_url.to_owned(),
        additional_hosts: vec!["box.example".to_owned()],
        log: LogLevel::Info,
    };
    pick_free_ports(&mut settings).unwrap();
    settings
}

async fn start(
    settings: Settings,
    dir: &Dir,
    binary: PathBuf,
) -> camera_service::error::Result<MediaMtx> {
    let ownership = Ownership::Child {
        binary: Some(binary),
    };
    let secret = Secret::new(SECRET.to_owned());
    MediaMtx::start(settings, ownership, &dir.0.join("mediamtx.yml"), &secret).await
}

fn running(snapshot: &Snapshot) -> bool {
    snapshot.is_up() && matches!(snapshot.process, ProcessState::Running { .. })
}

fn alive(pid: u32) -> bool {
    // A zombie has ended, too; its parent just has not looked.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|s| !s.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

fn kill_hard(pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

/// The status that `GET path` is answered with.
async fn http_get(to: SocketAddr, path: &str, headers: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let asked = async {
        let mut stream = tokio::net::TcpStream::connect(to).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {to}\r\n{headers}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("no answer")
}

/// Asks again every 5 ms until `wanted`, or fails the test with `what`.
async fn eventually(what: &str, wanted: impl Fn() -> bool) {
    let waiting = async {
        while !wanted() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, waiting).await.is_ok(),
        "{what}"
    );
}

#[tokio::test]
async fn the_real_binary_takes_our_configuration_answers_and_ends_when_asked() {
    let (dir, callback) = (Dir::new("accepts"), Callback::new().await);
    let begun = clock::mono();
    let server = start(callback.settings(), &dir, binary()).await.unwrap();
    let snapshot = server
        .until(PATIENCE, running)
        .await
        .expect("not up in time");
    println!(
        "from nothing to answering: {:?}",
        clock::mono().since(begun)
    );
    assert_eq!(snapshot.version.as_deref(), Some("v1.20.1"));
    assert!(snapshot.paths.is_empty());
    for kind in SessionKind::ALL {
        assert_eq!(server.api().sessions(kind).await.unwrap(), []);
        server
            .api()
            .kick(kind, uuid::Uuid::nil())
            .await
            .expect("a session that has gone is as good as kicked");
    }
    let pid = snapshot.process.pid().unwrap();
    let begun = clock::mono();
    for _ in 0..20 {
        assert!(server.refresh().await.is_up());
    }
    println!(
        "one round of questions, callback included: {:?}",
        clock::mono().since(begun) / 20
    );
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    println!(
        "idle: {}",
        status.lines().find(|l| l.starts_with("VmRSS")).unwrap()
    );
    let begun = clock::mono();
    server.stop().await;
    println!("stopped in {:?}", clock::mono().since(begun));
    assert!(!alive(pid));
}

#[tokio::test]
async fn nobody_without_our_secret_can_use_the_control_api() {
    let (dir, callback) = (Dir::new("secret"), Callback::new().await);
    let server = start(callback.settings(), &dir, binary()).await.unwrap();
    server
        .until(PATIENCE, running)
        .await
        .expect("not up in time");
    let stranger = camera_service::mediamtx::api::io::Api::new(
        server.settings().api,
        &Secret::new("a guess".to_owned()),
    );
    // MediaMTX answers a wrong guess after a pause of up to 4 s, we wait for 2 s: either way it is a no.
    let said = stranger.paths().await.unwrap_err();
    assert!(matches!(said.kind(), Kind::Refused | Kind::Gone), "{said}");
    assert!(callback.saw(|d| d.status() == 403));
    server.stop().await;
}

#[tokio::test]
async fn killed_it_is_known_at_once_and_answers_again_soon() {
    let (dir, callback) = (Dir::new("killed"), Callback::new().await);
    let server = start(callback.settings(), &dir, binary()).await.unwrap();
    let before = server
        .until(PATIENCE, running)
        .await
        .expect("not up in time");
    let mut pid = before.process.pid().unwrap();
    for _ in 0..3 {
        let begun = clock::mono();
        kill_hard(pid);
        let old = pid;
        server
            .until(PATIENCE, |s| !s.is_up() || s.process.pid() != Some(old))
            .await
            .expect("the death was not seen");
        let known = clock::mono().since(begun);
        let up = server
            .until(PATIENCE, |s| running(s) && s.process.pid() != Some(old))
            .await
            .expect("not up again in time");
        println!(
            "killed: known after {known:?}, answering after {:?}",
            clock::mono().since(begun)
        );
        assert!(known < Duration::from_secs(2));
        pid = up.process.pid().unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn one_that_hangs_is_known_within_two_seconds_and_forgiven_when_it_answers_again() {
    let (dir, callback) = (Dir::new("hangs"), Callback::new().await);
    let server = start(callback.settings(), &dir, binary()).await.unwrap();
    let before = server
        .until(PATIENCE, running)
        .await
        .expect("not up in time");
    let pid = Pid::from_raw(before.process.pid().unwrap().try_into().unwrap());
    let begun = clock::mono();
    kill(pid, Signal::SIGSTOP).unwrap();
    let hung = server.until(PATIENCE, |s| !s.is_up()).await;
    let known = clock::mono().since(begun);
    kill(pid, Signal::SIGCONT).unwrap();
    assert!(hung.is_some(), "the hang was not seen");
    println!("hanging: known after {known:?}");
    assert!(known < Duration::from_millis(2500), "{known:?}");
    let after = server.until(PATIENCE, running).await.expect("not forgiven");
    assert_eq!(after.process.pid(), before.process.pid());
    server.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_reported_with_its_number_and_it_starts_once_the_port_is_free() {
    let (dir, callback) = (Dir::new("taken"), Callback::new().await);
    let settings = callback.settings();
    let thief = TcpListener::bind(settings.rtsp).unwrap();
    let server = start(settings.clone(), &dir, binary()).await.unwrap();
    let down = server
        .until(PATIENCE, |s| {
            matches!(s.process, ProcessState::Backoff { .. })
        })
        .await
        .expect("the death was not seen");
    let ProcessState::Backoff { why, .. } = &down.process else {
        unreachable!()
    };
    println!("{why}");
    assert!(
        why.contains(&format!("port {}", settings.rtsp.port())),
        "{why}"
    );
    assert!(why.contains("RTSP"), "{why}");
    drop(thief);
    server
        .until(PATIENCE, running)
        .await
        .expect("did not recover");
    server.stop().await;
}

#[tokio::test]
async fn an_old_version_another_program_and_a_missing_one_are_refused_with_the_way_out() {
    let dir = Dir::new("wrong");
    for (name, script) in [
        ("old", "echo v1.15.1"),
        ("other", "echo hello"),
        ("mute", "exit 1"),
    ] {
        let fake = dir.0.join(name);
        fs::write(&fake, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
        let said = start(settings("http://127.0.0.1:1/auth"), &dir, fake.clone())
            .await
            .unwrap_err();
        println!("{said}");
        assert_eq!(said.kind(), Kind::Config);
        assert!(said.to_string().contains(fake.to_str().unwrap()), "{said}");
        assert!(
            said.next_action().unwrap().contains("make mediamtx"),
            "{said}"
        );
    }
    let nowhere = dir.0.join("nowhere");
    let said = start(settings("http://127.0.0.1:1/auth"), &dir, nowhere.clone())
        .await
        .unwrap_err();
    assert!(
        said.to_string().contains(nowhere.to_str().unwrap()),
        "{said}"
    );
}

/// Not a test of its own: the process that the next test kills.
#[tokio::test]
async fn helper_that_starts_mediamtx_and_waits_to_be_killed() {
    let Some(report) = std::env::var_os("MEDIAMTX_TEST_HELPER") else {
        return;
    };
    let (dir, callback) = (Dir::new("orphan"), Callback::new().await);
    let server = start(callback.settings(), &dir, binary()).await.unwrap();
    let up = server.until(PATIENCE, running).await.unwrap();
    let report = PathBuf::from(report);
    let temporary = report.with_extension("tmp");
    fs::write(&temporary, up.process.pid().unwrap().to_string()).unwrap();
    fs::rename(&temporary, &report).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn it_does_not_outlive_us_when_we_are_killed() {
    let dir = Dir::new("killed-us");
    let report = dir.0.join("pid");
    let mut us = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "helper_that_starts_mediamtx_and_waits_to_be_killed",
        ])
        .env("MEDIAMTX_TEST_HELPER", &report)
        .env("TMPDIR", &dir.0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the helper did not start MediaMTX", || report.exists()).await;
    let pid: u32 = fs::read_to_string(&report).unwrap().parse().unwrap();
    assert!(alive(pid));
    let begun = clock::mono();
    us.kill().unwrap();
    us.wait().unwrap();
    eventually("MediaMTX outlived us", || !alive(pid)).await;
    println!("gone {:?} after us", clock::mono().since(begun));
}

#[tokio::test]
async fn a_viewer_is_let_in_with_a_token_only_and_its_joining_asks_for_a_key_frame() {
    let (dir, callback) = (Dir::new("viewer"), Callback::new().await);
    let server = start(callback.settings(), &dir, binary()).await.unwrap();
    server
        .until(PATIENCE, running)
        .await
        .expect("not up in time");
    let rtsp = server.settings().rtsp;
    let ffmpeg = |input: &[&str], user: &str, password: &str| {
        Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-re"])
            .args(input)
            .args([
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
                "-g",
                "10",
            ])
            .args(["-rtsp_transport", "tcp", "-f", "rtsp"])
            .arg(format!("rtsp://{user}:{password}@{rtsp}/camera0"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("ffmpeg is needed for this test")
    };
    let source = ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=10"];
    let secret = SECRET.replace(' ', "%20");
    let mut publisher = ffmpeg(&source, SERVICE_USER, &secret);
    let ready = server.until(PATIENCE, |s| s.is_ready("camera0")).await;
    assert!(
        ready.is_some(),
        "the service's own publisher was not let in"
    );

    let token = keyring().mint("ann", Role::Viewer, Duration::from_secs(60), clock::wall());
    let probe = async |url: String| {
        let probed = tokio::process::Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-rtsp_transport",
                "tcp",
                "-show_entries",
                "stream=codec_name",
            ])
            .arg(url)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        tokio::time::timeout(PATIENCE, probed)
            .await
            .expect("ffprobe hangs")
            .unwrap()
    };
    let stranger = probe(format!("rtsp://{rtsp}/camera0")).await;
    let said = String::from_utf8_lossy(&stranger.stderr);
    assert!(!stranger.status.success() && said.contains("401"), "{said}");
    assert!(!callback.saw(|d| matches!(
        d,
        Decision::Allow {
            wants_keyframe: Some(_),
            ..
        }
    )));

    // Not as a password: ffmpeg cuts "user:password" off after 127 bytes.
    let viewer = probe(format!("rtsp://{rtsp}/camera0?token={token}")).await;
    let said = String::from_utf8_lossy(&viewer.stderr);
    assert!(viewer.status.success(), "{said}");
    assert!(String::from_utf8_lossy(&viewer.stdout).contains("h264"));
    assert!(callback.saw(|d| matches!(
        d,
        Decision::Allow { wants_keyframe: Some(id), who: auth::Who::Bearer(p) }
            if id.to_string() == "camera0" && p.user_id == "ann"
    )));

    let hls = server.settings().hls;
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(
        http_get(hls, "/camera0/index.m3u8?cookieCheck=1", "").await,
        401
    );
    assert!(http_get(hls, "/camera0/index.m3u8?cookieCheck=1", &bearer).await < 400);
    // Through our proxy: the address of the client, not that of the proxy, is what counts.
    let before = callback.seen();
    let forwarded = "X-Forwarded-For: 192.0.2.9\r\nAuthorization: Basic ";
    let ours = format!(
        "{forwarded}{}\r\n",
        "Y2FtZXJhLXNlcnZpY2U6dGhlIHNlY3JldCBvZiB0aGlzIHJ1biBvZiB0aGUgdGVzdA=="
    );
    assert_eq!(
        http_get(hls, "/camera0/index.m3u8?cookieCheck=1", &ours).await,
        401
    );
    assert!(
        callback.decisions.lock().unwrap()[before..]
            .iter()
            .any(|d| d.status() == 403)
    );

    let mut thief = ffmpeg(&source, "anybody", &token);
    let ended = tokio::task::spawn_blocking(move || thief.wait().unwrap())
        .await
        .unwrap();
    assert!(!ended.success(), "a viewer's token was enough to publish");

    let sessions = server.api().sessions(SessionKind::Rtsp).await.unwrap();
    let ours = sessions
        .iter()
        .find(|s| s.publishes)
        .expect("the publisher is not listed");
    assert_eq!(ours.path, "camera0");
    assert!(ours.bytes_received > 0);
    server.api().kick(SessionKind::Rtsp, ours.id).await.unwrap();
    let gone = server
        .until(Duration::from_secs(2), |s| !s.is_ready("camera0"))
        .await;
    assert!(
        gone.is_some(),
        "the loss of the publisher was not seen within 2 s"
    );
    let _ = publisher.kill();
    publisher.wait().unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_server_of_somebody_else_is_found_watched_and_left_alone() {
    let (dir, callback) = (Dir::new("external"), Callback::new().await);
    let config = dir.0.join("mediamtx.yml");
    let settings = callback.settings();
    let secret = Secret::new(SECRET.to_owned());
    let watched = MediaMtx::start(settings.clone(), Ownership::External, &config, &secret)
        .await
        .unwrap();
    assert_eq!(fs::read_to_string(&config).unwrap(), render(&settings));
    assert_eq!(watched.snapshot().process, ProcessState::External);
    let mut theirs = Command::new(binary())
        .arg(&config)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    watched
        .until(PATIENCE, Snapshot::is_up)
        .await
        .expect("not found");
    let begun = clock::mono();
    theirs.kill().unwrap();
    theirs.wait().unwrap();
    watched
        .until(PATIENCE, |s| !s.is_up())
        .await
        .expect("the death was not seen");
    let known = clock::mono().since(begun);
    println!("death of a server of somebody else: known after {known:?}");
    assert!(known < Duration::from_secs(2) + Duration::from_millis(500));
}
