//! The configuration of a service that runs: edited, broken, repaired, while somebody watches; and what clients set,
//! and the log, over restarts. The real binary, the real MediaMTX, foreign readers.
#![allow(clippy::unwrap_used)]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camera_service::clock;
use serde_json::{Value, json};
use support::Client;

/// Nothing here takes longer on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
async fn until<T>(what: &str, log: &Log, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = clock::mono();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            clock::mono().since(began) < PATIENCE,
            "waited in vain: {what}\n{}",
            log.text()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a process says on standard error.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn says(&self, words: &str) -> bool {
        self.0.lock().unwrap().contains(words)
    }
}

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!(
            "camera-service-reload-{name}-{}",
            std::process::id()
        ));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("box.yaml")
    }

    /// Replaces the configuration as editors and deployments do: whole, by renaming.
    fn configure(&self, text: &str) {
        let fresh = self.0.join("box.yaml.new");
        let storage = format!(
            "storage:\n  data_dir: {0}/data\n  runtime_dir: {0}/run\n",
            self.0.display()
        );
        fs::write(&fresh, format!("{text}\n{storage}")).unwrap();
        fs::rename(fresh, self.file()).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn command(verb: &str, folder: &Folder) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mediamtx = std::env::var_os("MEDIAMTX")
        .map_or_else(|| root.join("target/mediamtx/mediamtx"), PathBuf::from);
    assert!(mediamtx.exists(), "no MediaMTX: run `make mediamtx`");
    let mut command = Command::new(env!("CARGO_BIN_EXE_camera-service"));
    command
        .args([verb, "--config", folder.file().to_str().unwrap()])
        .stdin(Stdio::null())
        .env("CAMERA_SERVICE_MEDIAMTX_BINARY", mediamtx);
    for port in [
        "SERVER_PORT",
        "HTTP_HEALTH_PORT",
        "MEDIAMTX_RTSP_PORT",
        "MEDIAMTX_API_PORT",
        "MEDIAMTX_HLS_PORT",
        "MEDIAMTX_WEBRTC_PORT",
        "MEDIAMTX_WEBRTC_UDP_PORT",
    ] {
        command.env(format!("CAMERA_SERVICE_{port}"), "0");
    }
    command
}

/// `camera-service run`.
struct Service {
    child: Child,
    log: Log,
    api: SocketAddr,
    health: SocketAddr,
    rtsp: SocketAddr,
    admin: String,
}

impl Service {
    async fn start(folder: &Folder) -> Self {
        let mut child = command("run", folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Log::default();
        let (said, words) = (log.clone(), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(words).lines().map_while(Result::ok) {
                let mut text = said.0.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        let ready = until("it is ready", &log, async || {
            let text = log.text();
            text.lines()
                .find(|line| line.contains(" ready api=") || line.contains("\"ready\""))
                .map(str::to_owned)
        })
        .await;
        // `api=127.0.0.1:1` as text, `"api":"127.0.0.1:1"` as JSON.
        let address = |name: &str| -> SocketAddr {
            let (_, rest) = ready.split_once(name).unwrap();
            let rest = rest.trim_start_matches(['=', '"', ':']);
            let end = rest.find([' ', '"']).unwrap_or(rest.len());
            let address: SocketAddr = rest[..end].parse().unwrap();
            SocketAddr::from(([127, 0, 0, 1], address.port()))
        };
        let minted = command("token", folder)
            .args(["--role", "admin"])
            .output()
            .unwrap();
        Self {
            api: address("api"),
            health: address("health"),
            rtsp: address("rtsp"),
            admin: String::from_utf8(minted.stdout).unwrap().trim().to_owned(),
            child,
            log,
        }
    }

    async fn admin(&self) -> Client {
        let mut client = Client::connect(self.api).await;
        let answer = client
            .call("authenticate", json!({ "auth_token": self.admin }))
            .await;
        assert_eq!(answer["result"]["role"], "admin", "{answer}");
        client
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// Waits for pictures of the camera, and gives what `get_video` tells.
    async fn video(&self, client: &mut Client, camera: &str) -> Value {
        until("a picture", &self.log, async || {
            let answer = client.call("get_video", json!({ "device": camera })).await;
            answer.get("result").cloned()
        })
        .await
    }

    /// SIGTERM, and the end.
    async fn end(mut self) -> String {
        self.signal("TERM");
        let log = self.log.clone();
        let status = until("it ends", &log, async || self.child.try_wait().unwrap()).await;
        assert!(status.success(), "{status}\n{}", self.log.text());
        self.log.text()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A foreign reader that must not lose its connection: it counts the frames that it decodes.
struct Viewer {
    child: Child,
    frames: Arc<AtomicUsize>,
}

impl Viewer {
    fn start(service: &Service) -> Self {
        let url = format!("rtsp://{}/camera0?token={}", service.rtsp, service.admin);
        let mut child = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-rtsp_transport", "tcp"])
            .args(["-timeout", "10000000", "-i", &url])
            .args(["-fps_mode", "passthrough", "-f", "framemd5", "-"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ffmpeg is needed for this test");
        let frames = Arc::<AtomicUsize>::default();
        let (seen, output) = (Arc::clone(&frames), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                seen.fetch_add(usize::from(!line.starts_with('#')), Relaxed);
            }
        });
        Self { child, frames }
    }

    /// It is the same connection, and pictures go on coming through it.
    async fn still_watches(&mut self, service: &Service) {
        let goal = self.frames.load(Relaxed) + 15;
        until("the viewer sees more", &service.log, async || {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "the viewer was cut off\n{}",
                service.log.text()
            );
            (self.frames.load(Relaxed) >= goal).then_some(())
        })
        .await;
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody without credentials asks for the picture. MediaMTX asks the service, and the answer is no.
async fn knock(service: &Service) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let question = format!(
        "DESCRIBE rtsp://{}/camera0 RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n",
        service.rtsp
    );
    let mut answer = [0; 12];
    let asked = async {
        let mut socket = tokio::net::TcpStream::connect(service.rtsp).await.unwrap();
        socket.write_all(question.as_bytes()).await.unwrap();
        socket.read_exact(&mut answer).await.unwrap();
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap();
    assert_eq!(&answer, b"RTSP/1.0 401");
}

/// What the service says of [`knock`] where it says much.
fn knocks_told(log: &Log) -> usize {
    let text = log.text();
    let told = |line: &&str| line.contains("DEBUG") && line.contains("not let in");
    text.lines().filter(told).count()
}

const BASE: &str = "test_camera:\n  enabled: true\n  size: 320x240\n  fps: 15\n";

async fn call(client: &mut Client, method: &str, params: Value) -> Value {
    let mut answer = client.call(method, params).await;
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].take()
}

/// Values of `get_configuration` by key.
async fn value(client: &mut Client, key: &str) -> Value {
    let all = call(client, "get_configuration", json!({})).await;
    let keys = all["keys"].as_array().unwrap().iter();
    keys.clone().find(|k| k["key"] == key).unwrap()["value"].clone()
}

#[tokio::test]
async fn an_edited_file_acts_a_broken_one_is_refused_and_no_viewer_is_lost() {
    let folder = Folder::new("live");
    folder.configure(&format!("{BASE}camera:\n  bitrate: 900\n"));
    let service = Service::start(&folder).await;
    let mut admin = service.admin().await;
    assert_eq!(
        service.video(&mut admin, "camera0").await["bitrate_kbps"],
        900
    );
    let mut viewer = Viewer::start(&service);
    viewer.still_watches(&service).await;
    knock(&service).await;

    // Bit rate, level, a limit, MediaMTX's names and a port at once, by the watch alone.
    let edited = format!(
        "{BASE}camera:\n  bitrate: 1400\nlogging:\n  level: INFO,camera_service=debug\nserver:\n  max_connections: 1\n  websocket_path: /other\nmediamtx:\n  additional_hosts: [box.example]\n"
    );
    folder.configure(&edited);
    until("the bit rate acts", &service.log, async || {
        let video = call(&mut admin, "get_video", json!({ "device": "camera0" })).await;
        (video["bitrate_kbps"] == 1400).then_some(())
    })
    .await;
    viewer.still_watches(&service).await;
    let (_, full) = support::upgrade(service.api, "").await;
    assert_eq!(full, 503, "one connection is the limit, and it is taken");
    assert_eq!(call(&mut admin, "ping", json!({})).await, "pong");
    let mtx = fs::read_to_string(folder.0.join("run/mediamtx.yml")).unwrap();
    assert!(mtx.contains("webrtcAdditionalHosts: [\"box.example\"]"));
    assert_eq!(knocks_told(&service.log), 0, "not before it was asked for");
    until("the level acts", &service.log, async || {
        knock(&service).await;
        (knocks_told(&service.log) > 0).then_some(())
    })
    .await;

    // What cannot act now is told: to the admin, in health (which stays good), in the log.
    let known = call(&mut admin, "get_configuration", json!({})).await;
    assert_eq!(
        known["waiting"],
        json!([{ "key": "server.websocket_path", "now": "/ws", "after_restart": "/other" }])
    );
    let health = support::http(service.health, "GET", "/health", "", "").await;
    assert_eq!(health.status, 200, "{health:?}");
    let note = health.json()["extensions"]["notes"][0].clone();
    assert!(note.as_str().unwrap().contains("server.websocket_path"));

    // Broken: refused with every mistake, and all of the old one stays.
    folder.configure(&format!(
        "{BASE}camera:\n  bitrate: 2\n  fsp: 3\nserver:\n  max_connections: 0\n"
    ));
    let refused = until("the file is refused", &service.log, async || {
        let known = call(&mut admin, "get_configuration", json!({})).await;
        known["refused"]
            .is_object()
            .then(|| known["refused"].clone())
    })
    .await;
    assert_eq!(refused["mistakes"].as_array().unwrap().len(), 2);
    assert!(refused.to_string().contains("did you mean camera.fps?"));
    until("the log says so", &service.log, async || {
        service.log.says("did you mean camera.fps?").then_some(())
    })
    .await;
    let error = admin.call("reload_configuration", json!({})).await["error"].take();
    assert_eq!(error["code"], -32050, "{error}");
    assert!(error["data"]["detail"].to_string().contains("camera.fps"));
    assert_eq!(value(&mut admin, "camera.bitrate").await, 1400);
    let (_, full) = support::upgrade(service.api, "").await;
    assert_eq!(full, 503, "the old limit holds");

    // Repaired, and the first values again.
    folder.configure(&format!("{BASE}camera:\n  bitrate: 900\n"));
    until("the repaired file acts", &service.log, async || {
        let video = call(&mut admin, "get_video", json!({ "device": "camera0" })).await;
        (video["bitrate_kbps"] == 900).then_some(())
    })
    .await;
    let known = call(&mut admin, "get_configuration", json!({})).await;
    assert_eq!(
        (&known["refused"], &known["waiting"]),
        (&Value::Null, &json!([]))
    );
    let (_, open) = support::upgrade(service.api, "").await;
    assert_eq!(open, 101);
    viewer.still_watches(&service).await;

    let before = knocks_told(&service.log);
    knock(&service).await;

    // SIGHUP is the same, and ends nothing; so is the method, which tells what it did.
    service.signal("HUP");
    viewer.still_watches(&service).await;
    let answer = call(&mut admin, "reload_configuration", json!({})).await;
    assert_eq!(
        answer,
        json!({ "applied": [], "waiting": [], "troubles": [] })
    );
    drop(viewer);
    drop(admin);
    let log = Log(Arc::new(Mutex::new(service.end().await)));
    assert_eq!(
        knocks_told(&log),
        before,
        "the level acted only while it was asked for"
    );
}

#[tokio::test]
async fn limits_act_at_once_and_what_was_spent_stays_spent() {
    let folder = Folder::new("limits");
    let limits = |requests: u32, burst: u32, memory: u32| {
        format!(
            "{BASE}security:\n  rate_limit_requests: {requests}\n  rate_limit_burst: {burst}\nserver:\n  max_memory: {memory}\n"
        )
    };
    // So slow that nothing comes back while this test runs.
    folder.configure(&limits(1, 20, 8 << 20));
    let service = Service::start(&folder).await;
    let mut admin = service.admin().await;
    let memory = async || {
        let page = support::http(service.health, "GET", "/metrics", "", "").await;
        let name = "camera_service_clients_waiting_limit_bytes ";
        let mut lines = page.body.lines().filter_map(|line| line.strip_prefix(name));
        lines.next().unwrap().parse::<u32>().unwrap()
    };
    // Pings beyond ten in a second would count as requests: only calls are made here.
    let spend = async |admin: &mut Client, count: u32| {
        for _ in 0..count {
            call(admin, "get_camera_list", json!({})).await;
        }
    };
    assert_eq!(memory().await, 8 << 20);
    // An admin has four times as many: 80, of which 50 are spent.
    spend(&mut admin, 50).await;
    folder.configure(&limits(1, 15, 16 << 20));
    until("the memory limit acts", &service.log, async || {
        (memory().await == 16 << 20).then_some(())
    })
    .await;
    let (mut left, mut refused) = (0, Value::Null);
    while refused.is_null() {
        let answer = admin.call("get_camera_list", json!({})).await;
        if answer.get("error").is_some() {
            refused = answer["error"].clone();
        } else {
            left += 1;
        }
    }
    assert_eq!(refused["code"], -32040, "{refused}");
    // 60 at once now, less the 50; one may have come back on a slow machine for each 15 seconds.
    assert!((10..=14).contains(&left), "{left}");
    // None: at once, although everything was spent.
    folder.configure(&limits(0, 0, 0));
    until("there is no limit", &service.log, async || {
        (memory().await == 0).then_some(())
    })
    .await;
    spend(&mut admin, 100).await;
    let known = call(&mut admin, "get_configuration", json!({})).await;
    assert_eq!(known["waiting"], json!([]));
    drop(admin);
    service.end().await;
}

#[tokio::test]
async fn the_test_camera_comes_and_goes_with_the_file() {
    let folder = Folder::new("switch");
    folder.configure("");
    let service = Service::start(&folder).await;
    let mut admin = service.admin().await;
    let list = async |admin: &mut Client| {
        let list = call(admin, "get_camera_list", json!({})).await;
        let named = |c: &&Value| c["name"] == "Test camera";
        let cameras = list["cameras"].as_array().unwrap().iter();
        cameras
            .clone()
            .find(named)
            .map(|c| c["device"].as_str().unwrap().to_owned())
    };
    assert_eq!(list(&mut admin).await, None);
    folder.configure(BASE);
    let camera = until("it is there", &service.log, async || list(&mut admin).await).await;
    let video = service.video(&mut admin, &camera).await;
    assert_eq!(
        (&video["resolution"], &video["fps"]),
        (&json!("320x240"), &json!(15))
    );
    folder.configure(&BASE.replace("320x240", "640x360"));
    until("it has another size", &service.log, async || {
        let video = service.video(&mut admin, &camera).await;
        (video["resolution"] == "640x360").then_some(())
    })
    .await;
    folder.configure("");
    until("it is gone", &service.log, async || {
        list(&mut admin).await.is_none().then_some(())
    })
    .await;
    drop(admin);
    service.end().await;
}

#[tokio::test]
async fn what_a_client_set_is_there_after_a_restart_until_the_file_asks_for_something_else() {
    let folder = Folder::new("kept");
    folder.configure(&format!("{BASE}camera:\n  bitrate: 900\n"));
    let service = Service::start(&folder).await;
    let mut admin = service.admin().await;
    service.video(&mut admin, "camera0").await;
    let wish = json!({ "device": "camera0", "bitrate_kbps": 700, "fps": 10 });
    call(&mut admin, "set_video", wish).await;
    drop(admin);
    service.end().await;

    // Half a write by a power cut would look like this: it must not be there.
    let kept = fs::read_to_string(folder.0.join("data/cameras.json")).unwrap();
    assert!(kept.contains("\"bitrate_kbps\": 700"), "{kept}");
    let service = Service::start(&folder).await;
    let mut admin = service.admin().await;
    let video = service.video(&mut admin, "camera0").await;
    assert_eq!(
        (&video["bitrate_kbps"], &video["fps"]),
        (&json!(700), &json!(10))
    );
    drop(admin);
    service.end().await;

    // Edited while the service is off: the file was the last to speak of the bit rate, the client of the frame rate.
    folder.configure(&format!("{BASE}camera:\n  bitrate: 1100\n"));
    let service = Service::start(&folder).await;
    let mut admin = service.admin().await;
    let video = service.video(&mut admin, "camera0").await;
    assert_eq!(
        (&video["bitrate_kbps"], &video["fps"]),
        (&json!(1100), &json!(10))
    );
    drop(admin);
    service.end().await;

    // Damaged: set aside, told, and no reason not to start.
    fs::write(folder.0.join("data/cameras.json"), "{\"version\":1,\"cam").unwrap();
    let service = Service::start(&folder).await;
    let mut admin = service.admin().await;
    assert_eq!(service.video(&mut admin, "camera0").await["fps"], 15);
    assert!(service.log.says("set aside"));
    assert!(folder.0.join("data/cameras.json.damaged").exists());
    drop(admin);
    service.end().await;
}

#[tokio::test]
async fn the_log_files_stay_bounded_and_every_line_is_whole() {
    let folder = Folder::new("log");
    let logging = |files: u32| {
        format!(
            "{BASE}logging:\n  format: json\n  level: debug\n  file: {}/log/box.log\n  max_file_size: 65536\n  max_files: {files}\n",
            folder.0.display()
        )
    };
    folder.configure(&logging(3));
    let service = Service::start(&folder).await;
    let mut admin = service.admin().await;
    let files = || -> Vec<(String, u64)> {
        let mut all: Vec<_> = fs::read_dir(folder.0.join("log"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|e| {
                // It may have been turned in between.
                let length = e.metadata().ok()?.len();
                Some((e.file_name().to_string_lossy().into_owned(), length))
            })
            .collect();
        all.sort();
        all
    };
    let most = AtomicU32::new(0);
    let watch = || {
        let now = files();
        assert!(now.len() <= 4, "{now:?}");
        for (name, length) in &now {
            assert!(*length <= 65_536, "{name}: {length}");
        }
        most.fetch_max(u32::try_from(now.len()).unwrap(), Relaxed);
    };
    // Every mistake of a refused configuration is a line: that makes many.
    let mistakes: String = (0..200).map(|n| format!("  key{n}: 1\n")).collect();
    folder.configure(&format!("camera:\n{mistakes}"));
    until("three files are full", &service.log, async || {
        let answer = admin.call("reload_configuration", json!({})).await;
        assert_eq!(answer["error"]["code"], -32050);
        watch();
        files()
            .iter()
            .any(|(name, _)| name == "box.log.2")
            .then_some(())
    })
    .await;
    // Somebody takes the file away, and says so.
    let taken = folder.0.join("taken");
    fs::rename(folder.0.join("log/box.log"), &taken).unwrap();
    service.signal("HUP");
    until("the file is opened anew", &service.log, async || {
        folder.0.join("log/box.log").exists().then_some(())
    })
    .await;
    // Narrower, while it runs.
    folder.configure(&logging(2));
    until("only two are left", &service.log, async || {
        call(&mut admin, "ping", json!({})).await;
        (!folder.0.join("log/box.log.2").exists()).then_some(())
    })
    .await;
    drop(admin);
    let said = service.end().await;
    let mut lines = 0;
    for (name, length) in files() {
        assert!(length <= 65_536, "{name}");
        let text = fs::read_to_string(folder.0.join("log").join(&name)).unwrap();
        assert!(text.ends_with('\n'), "{name} ends within a line");
        for line in text.lines() {
            let parsed: Result<Value, _> = serde_json::from_str(line);
            assert!(
                parsed.is_ok() || line.ends_with("did not take them in time"),
                "{name}: {line}"
            );
            lines += 1;
        }
    }
    // How many are left depends on where the files were turned last.
    assert!(lines > 0, "every line is gone");
    let newest = fs::read_to_string(folder.0.join("log/box.log")).unwrap();
    assert!(
        newest.contains("stopped"),
        "{:?}\n{newest}\n-- standard error --\n{said}",
        files()
    );
}

#[tokio::test]
async fn a_demo_ends_when_its_terminal_is_closed() {
    let folder = Folder::new("demo");
    folder.configure(BASE);
    let mut demo = command("demo", &folder)
        .arg("--json")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut card = String::new();
    BufReader::new(demo.stdout.take().unwrap())
        .read_line(&mut card)
        .unwrap();
    assert!(card.contains("\"page\""), "{card}");
    let hung_up = Command::new("kill")
        .args(["-HUP", &demo.id().to_string()])
        .status()
        .unwrap();
    assert!(hung_up.success());
    let log = Log::default();
    let status = until("it ends", &log, async || demo.try_wait().unwrap()).await;
    assert!(status.success(), "{status}");
}
