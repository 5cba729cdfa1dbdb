//! Starts the real binary on ports of the kernel's choice and reads what it serves.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use camera_service::capture::testcard::timecode::{self, Timecode};
use camera_service::clock;

/// The test camera's size in these tests: small, so that a debug build keeps up.
const SIZE: (usize, usize) = (640, 360);
/// A first picture takes this long at most, on a loaded machine.
const FIRST_PICTURE: Duration = Duration::from_secs(40);

/// The product.
pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_camera-service")
}

fn mediamtx() -> PathBuf {
    let path = std::env::var_os("MEDIAMTX").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mediamtx/mediamtx"),
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "{} is missing: run `make mediamtx`",
        path.display()
    );
    path
}

/// The binary with every port left to the kernel.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).stdin(Stdio::null());
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
        .env("CAMERA_SERVICE_MEDIAMTX_BINARY", mediamtx())
        .env(
            "CAMERA_SERVICE_TEST_CAMERA_SIZE",
            format!("{}x{}", SIZE.0, SIZE.1),
        )
        .env("CAMERA_SERVICE_CAMERA_BITRATE", "1500");
    command
}

/// A fresh folder.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let path =
        std::env::temp_dir().join(format!("camera-service-test-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Asks again and again until there is an answer or the time is up.
pub(crate) fn until<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let started = clock::mono();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if clock::mono().since(started) > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal to a process these tests started.
pub(crate) fn kill(pid: u32, signal: &str) {
    let done = Command::new("kill")
        .args([format!("-{signal}"), pid.to_string()])
        .status()
        .unwrap();
    assert!(done.success());
}

/// Whether a process runs (a zombie does not).
pub(crate) fn exists(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or("")
            .trim_start()
            .starts_with('Z')
    })
}

/// A running demo.
pub(crate) struct Demo {
    child: Child,
    card: serde_json::Value,
    log: PathBuf,
}

impl Demo {
    /// Starts it and waits for its card.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    /// The same, with variables of its own.
    pub(crate) fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let log = std::env::temp_dir().join(format!(
            "camera-service-test-{}-{}.log",
            std::process::id(),
            clock::mono().as_nanos()
        ));
        let mut child = command(&["demo", "--json"])
            .args(args)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = send.send(line);
        });
        let mut demo = Self {
            child,
            card: serde_json::Value::Null,
            log,
        };
        let line = receive.recv_timeout(FIRST_PICTURE).unwrap_or_default();
        demo.card = serde_json::from_str(&line)
            .unwrap_or_else(|e| panic!("no card ({e}): {line:?}\n{}", demo.log()));
        demo
    }

    /// A text of the card, by JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> String {
        self.card
            .pointer(pointer)
            .and_then(|v| v.as_str())
            .unwrap_or_else(|| panic!("no {pointer} in {}", self.card))
            .to_owned()
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// GET by curl: status and body; follows redirects and keeps their cookies.
    pub(crate) fn http(&self, url: &str, token: Option<&str>) -> (u16, String) {
        let mut curl = Command::new("curl");
        curl.args([
            "-s",
            "-L",
            "-c",
            "/dev/null",
            "-m",
            "5",
            "-w",
            "\n%{http_code}",
            url,
        ]);
        if let Some(token) = token {
            curl.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        let out = String::from_utf8_lossy(&curl.output().unwrap().stdout).into_owned();
        let (body, status) = out.rsplit_once('\n').unwrap_or(("", "0"));
        (status.parse().unwrap_or(0), body.to_owned())
    }

    /// Our MediaMTX: a child of the demo's process.
    pub(crate) fn mediamtx_pid(&self) -> Option<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        tasks
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|pids| {
                pids.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .filter_map(|pid| pid.parse().ok())
            .find(|pid| {
                exists(*pid)
                    && std::fs::read_to_string(format!("/proc/{pid}/comm"))
                        .is_ok_and(|c| c.trim() == "mediamtx")
            })
    }

    /// The time codes of `count` frames, decoded by ffmpeg.
    pub(crate) fn read_timecodes(&self, device: &str, count: usize) -> Vec<Timecode> {
        let codes = self.try_read(device, count);
        assert_eq!(codes.len(), count, "the stream ended early\n{}", self.log());
        codes
    }

    /// As [`Demo::read_timecodes`], trying again while the stream is not there yet.
    pub(crate) fn read_timecodes_patiently(
        &self,
        device: &str,
        count: usize,
        patience: Duration,
    ) -> Vec<Timecode> {
        until(patience, || {
            Some(self.try_read(device, count)).filter(|codes| codes.len() == count)
        })
        .unwrap_or_else(|| panic!("no picture within {patience:?}\n{}", self.log()))
    }

    fn try_read(&self, device: &str, count: usize) -> Vec<Timecode> {
        let index = self.card["cameras"]
            .as_array()
            .unwrap()
            .iter()
            .position(|c| c["device"] == device)
            .unwrap();
        let url = self.text(&format!("/cameras/{index}/rtsp"));
        let mut reader = Command::new("ffmpeg")
            .args([
                "-v",
                "error",
                "-rtsp_transport",
                "tcp",
                "-timeout",
                "10000000",
                "-i",
                &url,
            ])
            .args(["-frames:v", &count.to_string(), "-vsync", "passthrough"])
            .args(["-f", "rawvideo", "-pix_fmt", "gray", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let codes = timecodes(reader.stdout.take().unwrap());
        let _ = reader.wait();
        codes
    }

    /// SIGINT, then waits.
    pub(crate) fn interrupt(&mut self, patience: Duration) -> ExitStatus {
        kill(self.child.id(), "INT");
        until(patience, || self.child.try_wait().unwrap())
            .unwrap_or_else(|| panic!("it did not end within {patience:?}\n{}", self.log()))
    }

    /// SIGKILL.
    pub(crate) fn kill_hard(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            kill(self.child.id(), "INT");
            if until(Duration::from_secs(10), || {
                self.child.try_wait().ok().flatten()
            })
            .is_none()
            {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        if std::thread::panicking() {
            eprintln!("what the demo said:\n{}", self.log());
        }
        let _ = std::fs::remove_file(&self.log);
    }
}

/// The time code in each of these grey pictures of the test camera.
pub(crate) fn timecodes(mut pictures: impl Read) -> Vec<Timecode> {
    let mut picture = vec![0u8; SIZE.0 * SIZE.1];
    let mut codes = Vec::new();
    while pictures.read_exact(&mut picture).is_ok() {
        let code = timecode::decode(&picture, SIZE.0, SIZE.1, SIZE.0);
        codes.push(code.unwrap_or_else(|why| panic!("picture {}: {why}", codes.len())));
    }
    codes
}
