//! Streams of somebody else, from being found to being watched, through the whole service and a real MediaMTX that
//! plays the network camera. Needs MediaMTX's binary (`make mediamtx`, or `MEDIAMTX=/path/to/it`) and ffmpeg.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod media;
#[allow(dead_code, reason = "every scenario uses its part")]
mod support;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camera_service::access::Role;
use camera_service::app::App;
use camera_service::clock;
use camera_service::config::{Config, Source};
use camera_service::external::discovery::{Generic, Skydio};
use media::{Dir, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::{Client, http};
use tokio::process::{Child, Command};
use zune_core::bytestream::ZCursor;
use zune_jpeg::JpegDecoder;

const PASSWORD: &str = "sehr-geheim";

/// Everything that is logged, MediaMTX's words included.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A network camera: `subject` for everybody, `locked` for ann.
struct NetworkCamera {
    rtsp: SocketAddr,
    server: Child,
    publishers: Vec<Child>,
}

impl NetworkCamera {
    async fn start(dir: &Dir) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let rtsp = free.local_addr().unwrap();
        drop(free);
        let config = dir.0.join("network-camera.yml");
        let text = format!(
            "logLevel: error\nrtspAddress: {rtsp}\nrtspTransports: [tcp]\nrtmp: false\nhls: false\nwebrtc: false\n\
             srt: false\nmoq: false\nauthInternalUsers:\n- user: any\n  permissions:\n  - action: publish\n  \
             - action: read\n    path: ~^(subject|drone|hevc)$\n- user: ann\n  pass: {PASSWORD}\n  permissions:\n  - action: read\n    \
             path: locked\npaths:\n  all_others: {{}}\n"
        );
        std::fs::write(&config, text).unwrap();
        let server = Command::new(media::binary())
            .arg(&config)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        eventually("the network camera does not listen", async || {
            tokio::net::TcpStream::connect(rtsp)
                .await
                .is_ok()
                .then_some(())
        })
        .await;
        let publishers = ["subject", "locked"]
            .map(|path| media::publish(&format!("rtsp://{rtsp}/{path}")))
            .into();
        Self {
            rtsp,
            server,
            publishers,
        }
    }
}

/// Asks again every 50 ms until there is an answer, or fails the test with `what`.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect(what)
}

fn config(dir: &Path, camera: SocketAddr) -> Config {
    let mut config = Config::default();
    let loopback = "127.0.0.1".parse().unwrap();
    config.server.host = loopback;
    config.http_health.host = loopback;
    config.mediamtx.rtsp_host = loopback;
    for port in [
        &mut config.server.port,
        &mut config.http_health.port,
        &mut config.mediamtx.rtsp_port,
        &mut config.mediamtx.api_port,
        &mut config.mediamtx.hls_port,
        &mut config.mediamtx.webrtc_port,
        &mut config.mediamtx.webrtc_udp_port,
    ] {
        *port = 0;
    }
    config.mediamtx.binary = media::binary();
    config.test_camera.enabled = true;
    config.test_camera.size = "320x240".parse().unwrap();
    config.test_camera.fps = 10;
    config.storage.data_dir = dir.join("data");
    config.storage.runtime_dir = dir.join("run");
    config.external_discovery.enabled = true;
    config.external_discovery.skydio = Skydio {
        network_ranges: vec!["127.0.0.0/30".parse().unwrap()],
        known_ips: Vec::new(),
        eo_port: camera.port(),
        ir_port: camera.port(),
        ir_stream_path: "/locked".to_owned(),
        ..Skydio::default()
    };
    config.external_discovery.generic_uav = Generic::default();
    config
}

struct Service {
    app: App,
    token: String,
    client: Client,
}

impl Service {
    async fn start(config: Config) -> Self {
        let app = App::start(config, Source::default()).await.unwrap();
        let token = app.mint("ada", Role::Operator, 600);
        let mut client = Client::connect(app.addresses().api.unwrap()).await;
        let login = client.call("authenticate", json!({ "token": token })).await;
        assert_eq!(login["result"]["authenticated"], true);
        Self { app, token, client }
    }

    async fn good(&mut self, method: &str, params: Value) -> Value {
        let answer = self.client.call(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Waits until an added stream can be watched; gives how long that took.
    async fn ready(&mut self, name: &str) -> Duration {
        let begun = clock::mono();
        let what = format!("{name} does not become ready");
        eventually(&what, async || {
            let list = self.good("get_external_streams", json!({})).await;
            let all = list["external_streams"].as_array().unwrap().clone();
            let stream = all.into_iter().find(|s| s["name"] == name)?;
            (stream["extensions"]["ready"] == true).then_some(())
        })
        .await;
        clock::mono().since(begun)
    }

    /// What ffprobe says of a stream under our own address.
    async fn probe(&self, name: &str, query: &str) -> (bool, String) {
        let url = format!("rtsp://{}/{name}{query}", self.app.addresses().rtsp);
        let probed = Command::new("ffprobe")
            .args(["-v", "error", "-rtsp_transport", "tcp"])
            .args(["-show_entries", "stream=codec_name", &url])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, probed)
            .await
            .unwrap()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// Kills the MediaMTX that this service runs.
    fn kill_mediamtx(&self, run: &Path) {
        let config = run.join("mediamtx.yml");
        let ours = std::fs::read_dir("/proc").unwrap().find_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            line.contains(config.to_str()?).then_some(pid)
        });
        kill(
            Pid::from_raw(ours.expect("no MediaMTX of ours")),
            Signal::SIGKILL,
        )
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_found_added_watched_and_survives_restarts() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_writer(move || writer.clone())
        .init();
    let dir = Dir::new("external");
    let mut camera = NetworkCamera::start(&dir).await;
    let config = config(&dir.0, camera.rtsp);
    let run = config.storage.runtime_dir.clone();
    let mut service = Service::start(config.clone()).await;

    // Found: by what it says, not by its port.
    let port = camera.rtsp.port();
    let scan = eventually("nothing is found", async || {
        let force = json!({ "force_rescan": true });
        let scan = service.good("discover_external_streams", force).await;
        (scan["total_found"] == 1).then_some(scan)
    })
    .await;
    println!("a search of two addresses: {}", scan["scan_duration"]);
    let found = &scan["skydio_streams"][0];
    assert_eq!(found["url"], format!("rtsp://127.0.0.1:{port}/subject"));
    assert_eq!(found["type"], "skydio_stanag4609");
    assert_eq!(found["capabilities"]["codec"], "h264");
    let errors = scan["errors"].to_string();
    assert!(errors.contains("/locked wants a user name"), "{errors}");

    // Added: with what was found, and with a password.
    let locked = format!("rtsp://ann:{PASSWORD}@127.0.0.1:{port}/locked");
    for (name, url) in [("eo", found["url"].as_str().unwrap()), ("ir", &locked)] {
        let params = json!({ "stream_url": url, "stream_name": name });
        let added = service.good("add_external_stream", params).await;
        assert_eq!(added["status"], "ADDED");
        println!(
            "{name} can be watched after {:?}",
            service.ready(name).await
        );
    }

    // Watched: with a token, by RTSP, HLS and WHEP, and by nobody without.
    let query = format!("?token={}", service.token);
    for name in ["eo", "ir"] {
        let (good, said) = service.probe(name, &query).await;
        assert!(good && said.contains("h264"), "{name}: {said}");
        let (good, said) = service.probe(name, "").await;
        assert!(!good && said.contains("401"), "{name}: {said}");
        let page = service.app.addresses().api.unwrap();
        let bearer = format!("authorization: Bearer {}\r\n", service.token);
        let list = format!("/hls/{name}/index.m3u8?cookieCheck=1");
        assert_eq!(http(page, "GET", &list, "", "").await.status, 401);
        let got = http(page, "GET", &list, &bearer, "").await;
        assert!(got.status < 400, "{name}: {got:?}");
        let offer = format!("{bearer}content-type: application/sdp\r\n");
        let whep = format!("/whep/{name}");
        assert_eq!(
            http(
                page,
                "POST",
                &whep,
                "content-type: application/sdp\r\n",
                "v=0"
            )
            .await
            .status,
            401
        );
        // Let in, and told that this is no offer.
        assert_eq!(http(page, "POST", &whep, &offer, "v=0").await.status, 400);
    }
    let status = eventually("its speed is not measured", async || {
        let status = service
            .good("get_stream_status", json!({ "device": "eo" }))
            .await;
        (status["metrics"]["bitrate"].as_u64()? > 0).then_some(status)
    })
    .await;
    assert_eq!(status["ready"], true, "{status}");

    // MediaMTX dies: it is told again.
    service.kill_mediamtx(&run);
    eventually("the death is not seen", async || {
        let list = service.good("get_external_streams", json!({})).await;
        (list["external_streams"][0]["extensions"]["ready"] == false).then_some(())
    })
    .await;
    println!(
        "after MediaMTX died: watched again after {:?}",
        service.ready("ir").await
    );
    let (good, said) = service.probe("ir", &query).await;
    assert!(good, "{said}");

    // The service starts anew.
    service.app.stop().await;
    let mut service = Service::start(config).await;
    println!("after a restart: {:?}", service.ready("ir").await);
    let list = service.good("get_external_streams", json!({})).await;
    // Nothing was searched for since the start, so these are the added ones.
    assert_eq!(list["total_count"], 2);
    assert!(!list.to_string().contains(PASSWORD));

    // Its source goes away and comes back: the name stays.
    camera.publishers.clear();
    camera.server.kill().await.unwrap();
    eventually("the loss is not seen", async || {
        let url = service
            .good("get_stream_url", json!({ "device": "ir" }))
            .await;
        (url["stream_status"] == "NOT_READY").then_some(())
    })
    .await;

    // Removed, by the address as it is shown.
    let shown = format!("rtsp://127.0.0.1:{port}/locked");
    let removed = service
        .good("remove_external_stream", json!({ "stream_url": shown }))
        .await;
    assert_eq!(removed["status"], "REMOVED");
    let gone = service
        .client
        .call("get_stream_url", json!({ "device": "ir" }))
        .await;
    assert_eq!(gone["error"]["code"], -32010);
    eventually("its path is still there", async || {
        let streams = service.good("get_streams", json!({})).await;
        let names = streams
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["name"].clone());
        (!names.collect::<Vec<_>>().contains(&json!("ir"))).then_some(())
    })
    .await;
    service.app.stop().await;
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("an external stream was added"));
    assert!(!log.contains(PASSWORD), "a password is in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marked_camera_is_measured_and_its_viewers_stay_when_it_is_stopped() {
    let dir = Dir::new("marked");
    let mut config = config(&dir.0, "127.0.0.1:1".parse().unwrap());
    config.external_discovery.enabled = false;
    let mut service = Service::start(config).await;
    let camera = || json!({ "device": "camera0" });
    eventually("the camera does not publish", async || {
        let answer = service.client.call("start_streaming", camera()).await;
        (answer["result"]["status"] == "STARTED").then_some(())
    })
    .await;
    let url = format!(
        "rtsp://{}/camera0?token={}",
        service.app.addresses().rtsp,
        service.token
    );
    let mut viewer = media::watch(&url);
    let status = eventually("nobody watches, or nothing is measured", async || {
        let status = service.good("get_stream_status", camera()).await;
        let measured = status["metrics"]["fps"].as_u64()? > 0;
        (status["mediamtx_path"]["readers"] == 1 && measured).then_some(status)
    })
    .await;
    println!("{status}");
    assert_eq!(status["status"], "ACTIVE");
    let fps = status["extensions"]["fps"].as_f64().unwrap();
    assert!((5.0..=11.0).contains(&fps), "{fps}");
    assert_eq!(status["ffmpeg_process"]["pid"], std::process::id());
    let stopped = service.good("stop_streaming", camera()).await;
    assert_eq!(stopped["stream_continues"], true);
    let again = service.client.call("stop_streaming", camera()).await;
    assert_eq!(again["error"]["code"], -32020);
    // The viewer gets more than it had.
    let sent = |status: &Value| status["metrics"]["bytes_sent"].as_u64();
    let before = sent(&status);
    eventually("the viewer was cut off", async || {
        let status = service.good("get_stream_status", camera()).await;
        (status["mediamtx_path"]["readers"] == 1 && sent(&status) > before).then_some(())
    })
    .await;
    assert!(viewer.try_wait().unwrap().is_none());
    drop(viewer);
    service.app.stop().await;
}

/// Publishes a moving picture in this codec until it is dropped, with a key frame every second.
fn film(url: &str, codec: &[&str]) -> Child {
    Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-re", "-f", "lavfi"])
        .args(["-i", "testsrc2=size=424x240:rate=10"])
        .args(codec)
        .args([
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-pix_fmt",
            "yuv420p",
        ])
        .args(["-g", "10", "-rtsp_transport", "tcp", "-f", "rtsp", url])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_an_external_stream_shows_its_picture_or_says_why_not() {
    let dir = Dir::new("external-snapshot");
    let mut camera = NetworkCamera::start(&dir).await;
    let port = camera.rtsp.port();
    let at = |path: &str| format!("rtsp://127.0.0.1:{port}/{path}");
    camera.publishers = vec![
        film(&at("drone"), &["-c:v", "libx264"]),
        film(
            &at("hevc"),
            &["-c:v", "libx265", "-x265-params", "log-level=error"],
        ),
    ];
    let mut config = config(&dir.0, camera.rtsp);
    config.external_discovery.enabled = false;
    config.test_camera.enabled = false;
    let mut service = Service::start(config).await;
    for name in ["drone", "hevc"] {
        let params = json!({ "stream_url": at(name), "stream_name": name });
        service.good("add_external_stream", params).await;
        service.ready(name).await;
    }

    // The first one waits until MediaMTX has cut a segment, the second one does not.
    for wish in ["first", "second"] {
        let begun = clock::mono();
        let params = json!({ "device": "drone", "filename": wish });
        let taken = service.good("take_snapshot", params).await;
        println!("the {wish} snapshot took {:?}", clock::mono().since(begun));
        assert_eq!(
            (&taken["device"], &taken["filename"], &taken["status"]),
            (&json!("drone"), &json!(wish), &json!("SUCCESS"))
        );
        let bytes = std::fs::read(taken["file_path"].as_str().unwrap()).unwrap();
        assert_eq!(taken["file_size"], bytes.len());
        let mut decoder = JpegDecoder::new(ZCursor::new(&bytes));
        let pixels = decoder.decode().unwrap();
        assert_eq!(decoder.dimensions(), Some((424, 240)));
        let colours: std::collections::BTreeSet<_> = pixels
            .chunks_exact(3)
            .map(|rgb| [rgb[0] >> 6, rgb[1] >> 6, rgb[2] >> 6])
            .collect();
        // A test pattern has all of them; a grey or green picture, as of a stream that was cut wrongly, has few.
        assert!(colours.len() > 16, "{colours:?}");
    }

    let hevc = json!({ "device": "hevc" });
    let refused = service.client.call("take_snapshot", hevc).await;
    assert_eq!(refused["error"]["code"], -32050, "{refused}");
    assert!(refused.to_string().contains("hvc1"), "{refused}");

    // The source goes away.
    camera.publishers.clear();
    camera.server.kill().await.unwrap();
    let refused = eventually("the loss is not seen", async || {
        let drone = json!({ "device": "drone" });
        let answer = service.client.call("take_snapshot", drone).await;
        (answer["error"]["code"] == -32020).then_some(answer)
    })
    .await;
    assert_eq!(refused["error"]["data"]["state"], "NOT_READY", "{refused}");
    service.app.stop().await;
}
