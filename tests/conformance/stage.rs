//! The server under test: somebody's, named by the environment, or a whole service of our own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use serde_json::Value;

use crate::wire::Server;

/// A first picture takes this long at most, on a loaded machine.
const FIRST_PICTURE: Duration = Duration::from_secs(60);

/// A suite that sends thousands of calls and forged tokens is what limits are for; they are off.
pub(crate) const NO_LIMITS: &[(&str, &str)] = &[
    ("security.rate_limit_requests", "0"),
    ("security.rate_limit_failed_logins", "0"),
];

/// A running server.
pub(crate) struct Stage {
    pub(crate) server: Server,
    own: Option<Own>,
}

/// What is known of a service that we started ourselves.
struct Own {
    child: Mutex<Child>,
    pid: u32,
    card: Value,
    log: PathBuf,
}

/// The tests of this file take turns: they record and delete on one box.
static TURN: Mutex<()> = Mutex::new(());
static SHARED: Mutex<Weak<Stage>> = Mutex::new(Weak::new());

/// Whether the server is somebody else's.
pub(crate) fn is_foreign() -> bool {
    std::env::var_os("CONFORMANCE_URL").is_some()
}

/// Runs a scenario when it is its turn, on the server that all scenarios share.
pub(crate) fn in_turn<T>(act: impl FnOnce(&Arc<Stage>) -> T) -> T {
    let stage = {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let stage = Arc::new(Stage::standing());
            *shared = Arc::downgrade(&stage);
            stage
        })
    };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    act(&stage)
}

/// Runs a scenario that needs a service of its own; no other scenario runs meanwhile.
pub(crate) fn alone<T>(act: impl FnOnce() -> T) -> T {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    act()
}

impl Stage {
    /// The foreign server, or an own one without limits on requests.
    fn standing() -> Self {
        let variable = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| panic!("CONFORMANCE_URL needs {name}, too"))
        };
        if let Ok(url) = std::env::var("CONFORMANCE_URL") {
            let tokens = ["VIEWER", "OPERATOR", "ADMIN"]
                .map(|role| variable(&format!("CONFORMANCE_TOKENS_{role}")));
            return Self {
                server: Server::new(&url, tokens),
                own: None,
            };
        }
        Self::start(NO_LIMITS, None)
    }

    /// A whole service: test camera, real MediaMTX. Settings it does not know are left out.
    pub(crate) fn start(settings: &[(&str, &str)], state: Option<&Path>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let log = std::env::temp_dir().join(format!(
            "conformance-{}-{}.log",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        ));
        let mut command = Command::new(binary());
        command.args(["demo", "--json"]);
        if let Some(state) = state {
            command.arg("--state").arg(state);
        }
        for port in [
            "server.port",
            "http_health.port",
            "mediamtx.rtsp_port",
            "mediamtx.api_port",
            "mediamtx.hls_port",
            "mediamtx.webrtc_port",
            "mediamtx.webrtc_udp_port",
        ] {
            command.env(variable(port), "0");
        }
        command
            .env(variable("mediamtx.binary"), mediamtx())
            .env(variable("test_camera.size"), "640x360")
            .env(variable("camera.bitrate"), "1500");
        for (key, value) in settings.iter().filter(|(key, _)| knows(key)) {
            command.env(variable(key), value);
        }
        let mut child = command
            .stdin(Stdio::null())
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
        let line = receive.recv_timeout(FIRST_PICTURE).unwrap_or_default();
        let card: Value = serde_json::from_str(&line).unwrap_or_else(|e| {
            let _ = child.kill();
            let _ = child.wait();
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("the service showed no card ({e}): {line:?}\n{log}")
        });
        let text = |pointer: &str| {
            card.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap()
                .to_owned()
        };
        let tokens = ["viewer", "operator", "admin"].map(|role| text(&format!("/tokens/{role}")));
        Self {
            server: Server::new(&text("/ws"), tokens),
            own: Some(Own {
                pid: child.id(),
                child: Mutex::new(child),
                card,
                log,
            }),
        }
    }

    /// A text of our own service's card; `None` of a foreign server.
    pub(crate) fn card(&self, pointer: &str) -> Option<&str> {
        self.own.as_ref()?.card.pointer(pointer)?.as_str()
    }

    /// What our own service logged.
    pub(crate) fn log(&self) -> String {
        let log = self
            .own
            .as_ref()
            .map(|own| std::fs::read_to_string(&own.log));
        log.and_then(Result::ok).unwrap_or_default()
    }

    /// The programs that our own service runs: their ids and names.
    pub(crate) fn children(&self) -> Vec<(u32, String)> {
        let Some(own) = &self.own else {
            return Vec::new();
        };
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", own.pid)) else {
            return Vec::new();
        };
        tasks
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|pids| {
                pids.split_whitespace()
                    .filter_map(|p| p.parse().ok())
                    .collect::<Vec<u32>>()
            })
            .filter_map(|pid| {
                let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
                Some((pid, name.trim().to_owned()))
            })
            .collect()
    }

    /// A token of our own service's making.
    pub(crate) fn mint(&self, role: &str, seconds: u32) -> Option<String> {
        let data = Path::new(self.card("/state_dir")?).join("data");
        let out = Command::new(binary())
            .args(["token", "--role", role, "--ttl", &format!("{seconds}s")])
            .env(variable("storage.data_dir"), data)
            .output()
            .ok()?;
        let text = String::from_utf8(out.stdout).ok()?;
        out.status.success().then(|| text.trim().to_owned())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let Some(own) = &self.own else { return };
        let mut child = own.child.lock().unwrap_or_else(PoisonError::into_inner);
        signal(own.pid, "INT");
        for _ in 0..500 {
            if child.try_wait().ok().flatten().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        let _ = std::fs::remove_file(&own.log);
    }
}

/// Sends a signal to a process of ours.
pub(crate) fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// The service: the one just built, or the one that `CAMERA_SERVICE_BIN` names.
fn binary() -> PathBuf {
    std::env::var_os("CAMERA_SERVICE_BIN").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_camera-service")),
        PathBuf::from,
    )
}

/// `server.port` → `CAMERA_SERVICE_SERVER_PORT` (§12).
fn variable(key: &str) -> String {
    format!("CAMERA_SERVICE_{}", key.replace('.', "_").to_uppercase())
}

/// Whether our own service has a configuration key; it refuses those it does not have.
pub(crate) fn knows(key: &str) -> bool {
    static REFERENCE: OnceLock<String> = OnceLock::new();
    let reference = REFERENCE.get_or_init(|| {
        let out = Command::new(binary())
            .args(["check-config", "--reference"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    });
    let (section, name) = key.split_once('.').unwrap_or((key, ""));
    let mut lines = reference
        .lines()
        .skip_while(|l| *l != format!("{section}:"));
    lines.next().is_some()
        && lines
            .take_while(|l| l.is_empty() || l.starts_with(' '))
            .any(|l| l.trim_start().starts_with(&format!("{name}:")))
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
