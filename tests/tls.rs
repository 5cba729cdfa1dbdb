//! The secure door: the same service, its certificate, and clients that shake hands badly.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use camera_service::clock::{self, Wall};
use camera_service::http::Limits;
use camera_service::http::tls::io::Certificate;
use camera_service::http::tls::{Files, Pem, make, names};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use support::{Folder, PATIENCE, Rig, UPGRADE, http, library, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// A service with a secure door, and the folder of its certificate.
struct Box {
    rig: Rig,
    folder: Folder,
    stop: watch::Sender<bool>,
    keeper: JoinHandle<()>,
}

impl Box {
    async fn start(plain: bool, limits: Limits) -> Self {
        let folder = Folder::new();
        let certificate = open(&folder).unwrap();
        let server = certificate.server().unwrap();
        let (stop, stopping) = watch::channel(false);
        let keeper = tokio::spawn(certificate.keep(stopping));
        let files = Arc::new(library(&folder.0));
        let rig = Rig::over(Some(server), plain, |services| {
            services.limits = limits;
            services.library = files;
        })
        .await;
        Self {
            rig,
            folder,
            stop,
            keeper,
        }
    }

    fn secure(&self) -> SocketAddr {
        self.rig.secure.unwrap()
    }

    async fn stop(self) {
        self.rig.stop().await;
        self.stop.send(true).unwrap();
        within(self.keeper).await.unwrap();
    }

    fn pem(&self) -> PathBuf {
        self.folder.0.join("tls/certificate.pem")
    }

    /// What a client must trust: the certificate as it lies on the disk now.
    fn trust(&self) -> ClientConfig {
        trusting(&CertificateDer::from_pem_file(self.pem()).unwrap())
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        within(shake(self.secure(), self.trust())).await.unwrap()
    }

    async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        within(stream.write_all(request.as_bytes())).await.unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: box:8443\r\nconnection: close\r\n\r\n"
        ))
        .await
    }
}

fn open(folder: &Folder) -> camera_service::error::Result<Certificate> {
    let none = PathBuf::new();
    Certificate::open(Files::new(&none, &none, &folder.0))
}

fn trusting(certificate: &CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn shake(addr: SocketAddr, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

type Ws = WebSocketStream<TlsStream<TcpStream>>;

async fn websocket(at: &Box) -> Ws {
    let stream = at.connect().await;
    let url = format!("wss://localhost:{}/ws", at.secure().port());
    let (ws, _) = within(tokio_tungstenite::client_async(url, stream))
        .await
        .unwrap();
    ws
}

async fn call(ws: &mut Ws, method: &str, params: Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    within(ws.send(Message::text(request.to_string())))
        .await
        .unwrap();
    loop {
        if let Message::Text(text) = within(ws.next()).await.unwrap().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

#[tokio::test]
async fn one_port_carries_everything_over_tls_with_links_that_stay_there() {
    let at = Box::start(true, Limits::default()).await;
    let mut ws = websocket(&at).await;
    call(&mut ws, "authenticate", json!({ "auth_token": "viewer" })).await;
    let list = call(&mut ws, "get_camera_list", json!({})).await;
    let streams = &list["result"]["cameras"][0]["streams"];
    let here = format!("https://localhost:{}", at.secure().port());
    assert_eq!(streams["hls"], format!("{here}/hls/camera0.m3u8"));
    assert_eq!(streams["webrtc"], format!("{here}/whep/camera0"));

    at.folder
        .write("recordings/camera0/one.mp4", b"a recording");
    let request = "GET /files/recordings/one HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer viewer\r\n\r\n";
    let answer = at.ask(request).await;
    assert!(answer.ends_with("\r\n\r\na recording"), "{answer}");
    for (path, line) in [
        ("/", "HTTP/1.1 200 OK\r\n"),
        ("/health/live", "HTTP/1.1 200 OK\r\n"),
        ("/hls/camera0.m3u8", "HTTP/1.1 302 Found\r\n"),
        ("/metrics", "HTTP/1.1 200 OK\r\n"),
        ("/auth", "HTTP/1.1 404 Not Found\r\n"),
    ] {
        let answer = at.get(path).await;
        assert!(answer.starts_with(line), "{path}: {answer}");
        // It would hold for the plain ports of this host, too.
        assert!(!answer.contains("strict-transport-security"), "{path}");
    }
    at.stop().await;
}

#[tokio::test]
async fn the_page_says_what_it_may_do_and_names_its_own_socket() {
    let at = Box::start(false, Limits::default()).await;
    let answer = at.get("/").await;
    let header = |name: &str| {
        let mut lines = answer.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    // A build without the page answers 404 and needs no policy.
    if answer.starts_with("HTTP/1.1 200") {
        let policy = header("content-security-policy").unwrap();
        assert!(policy.contains("connect-src 'self' wss://box:8443"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(header("referrer-policy"), Some("no-referrer"));
        assert!(header("permissions-policy").unwrap().contains("camera=()"));
    }
    assert_eq!(header("x-content-type-options"), Some("nosniff"));
    // No port of this host is plain, so the browser may be told for good.
    assert_eq!(
        header("strict-transport-security"),
        Some("max-age=31536000")
    );
    at.stop().await;
}

#[tokio::test]
async fn the_first_start_makes_a_certificate_and_later_ones_keep_it() {
    let folder = Folder::new();
    let first = open(&folder).unwrap().fingerprint();
    assert_eq!(first.len(), 95, "{first}");
    assert_eq!(open(&folder).unwrap().fingerprint(), first);
    let mode = |file: &str| {
        let meta = std::fs::metadata(folder.0.join("tls").join(file)).unwrap();
        meta.permissions().mode() & 0o777
    };
    assert_eq!(mode("key.pem"), 0o600);
    assert_eq!(mode(""), 0o700);

    // A certificate whose key is gone is not silently replaced: clients trust it.
    std::fs::remove_file(folder.0.join("tls/key.pem")).unwrap();
    let said = open(&folder).unwrap_err().to_string();
    assert!(
        said.contains("key.pem") && said.contains("delete"),
        "{said}"
    );
}

/// Makes another pair for this host.
fn another() -> Pem {
    let names = names("another", ["127.0.0.1".parse().unwrap()]);
    make(&names, Wall::from_secs(1_800_000_000)).unwrap()
}

/// The certificate that a newcomer is shown.
async fn shown(at: &Box, trusted: &ClientConfig) -> bool {
    within(shake(at.secure(), trusted.clone())).await.is_ok()
}

async fn until_shown(at: &Box, trusted: &ClientConfig) {
    within(async {
        while !shown(at, trusted).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_certificate_is_taken_while_clients_stay_and_a_broken_one_is_not() {
    let at = Box::start(true, Limits::default()).await;
    let old = at.trust();
    let mut ws = websocket(&at).await;

    // A stranger's key: whoever comes now is still shown the old pair.
    let (good, other) = (another(), another());
    at.folder.write("tls/key.pem", other.key.as_bytes());
    // Longer than it takes to look: what must not happen gives no sign to wait for.
    let put_at = clock::mono();
    while clock::mono().since(put_at) < Duration::from_millis(2500) {
        assert!(shown(&at, &old).await, "the old certificate stays");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    // A pair, each file put in place by rename as certbot does.
    let der = CertificateDer::from_pem_slice(good.certificate.as_bytes()).unwrap();
    for (file, text) in [("key", &good.key), ("certificate", &good.certificate)] {
        let new = at.folder.write("new", text.as_bytes());
        std::fs::rename(new, at.folder.0.join(format!("tls/{file}.pem"))).unwrap();
    }
    let put_at = clock::mono();
    let new = trusting(&der);
    until_shown(&at, &new).await;
    assert!(clock::mono().since(put_at) < Duration::from_secs(4));
    assert!(!shown(&at, &old).await);
    assert_eq!(call(&mut ws, "ping", json!({})).await["result"], "pong");
    at.stop().await;
}

#[tokio::test]
async fn whoever_does_not_shake_hands_is_sent_away_in_time_and_holds_nobody_up() {
    let limits = Limits {
        head_within: Duration::from_millis(300),
        ..Limits::default()
    };
    let at = Box::start(true, limits).await;
    let mut silent = TcpStream::connect(at.secure()).await.unwrap();
    let mut plain = TcpStream::connect(at.secure()).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nhost: box\r\n\r\n")
        .await
        .unwrap();
    let mut waste = Vec::new();
    assert!(at.get("/health/live").await.starts_with("HTTP/1.1 200"));
    let ended = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut waste)).await;
    assert!(ended.is_ok(), "the silent one is cut");
    waste.clear();
    let _ = within(plain.read_to_end(&mut waste)).await;
    assert!(!waste.starts_with(b"HTTP"), "{waste:?}");

    // Who speaks HTTP/2 only is told so in the handshake.
    let mut only_h2 = at.trust();
    only_h2.alpn_protocols = vec![b"h2".to_vec()];
    assert!(within(shake(at.secure(), only_h2)).await.is_err());
    let mut both = at.trust();
    both.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = within(shake(at.secure(), both)).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    at.stop().await;
}

#[tokio::test]
async fn a_stop_says_goodbye_over_tls_too() {
    let at = Box::start(true, Limits::default()).await;
    let mut ws = websocket(&at).await;
    call(&mut ws, "ping", json!({})).await;
    let stopped = tokio::spawn(at.stop());
    let Message::Close(Some(frame)) = within(ws.next()).await.unwrap().unwrap() else {
        panic!("a close frame must come");
    };
    assert_eq!(u16::from(frame.code), 1001);
    drop(ws);
    within(stopped).await.unwrap();
}

#[tokio::test]
async fn a_page_of_another_site_may_not_open_the_socket_over_tls() {
    let at = Box::start(true, Limits::default()).await;
    for (origin, line) in [
        ("https://evil.example", "HTTP/1.1 403"),
        ("https://box:8443", "HTTP/1.1 101"),
    ] {
        let mut stream = at.connect().await;
        let request =
            format!("GET /ws HTTP/1.1\r\nhost: box:8443\r\norigin: {origin}\r\n{UPGRADE}\r\n");
        within(stream.write_all(request.as_bytes())).await.unwrap();
        let mut start = [0; 12];
        within(stream.read_exact(&mut start)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&start), line, "{origin}");
    }
    at.stop().await;
}

#[tokio::test]
async fn a_publisher_reaches_mediamtx_and_its_session_comes_back_under_our_path() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = upstream.local_addr().unwrap();
    let media = tokio::spawn(async move {
        let (mut stream, _) = upstream.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"offer") {
            seen.push(stream.read_u8().await.unwrap());
        }
        let answer = "HTTP/1.1 201 Created\r\nlocation: /live-7/whip/8d\r\naccess-control-allow-origin: *\r\ncontent-length: 3\r\n\r\nsdp";
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(seen).unwrap().to_ascii_lowercase()
    });
    let rig = Rig::with(|services| services.webrtc = addr).await;
    let extra = "origin: https://evil.example\r\nauthorization: Bearer t\r\n";
    let answer = within(http(rig.api, "POST", "/whip/live-7", extra, "offer")).await;
    assert_eq!((answer.status, answer.body.as_str()), (201, "sdp"));
    assert_eq!(answer.header("location"), Some("/whip/live-7/8d"));
    // Who may read it is ours to say, not MediaMTX's.
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let seen = within(media).await.unwrap();
    assert!(seen.starts_with("post /live-7/whip http/1.1"), "{seen}");
    assert!(seen.contains("authorization: bearer t"), "{seen}");
    rig.stop().await;
}

#[tokio::test]
async fn curl_trusts_the_certificate_once_it_is_told_to() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("curl is not installed; nothing was tried");
        return;
    }
    let at = Box::start(true, Limits::default()).await;
    let url = |host: &str| format!("https://{host}:{}/health/live", at.secure().port());
    for (host, trusts) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("localhost", false),
    ] {
        let (url, pem) = (url(host), at.pem());
        let curl = tokio::task::spawn_blocking(move || {
            let mut curl = Command::new("curl");
            curl.args(["-sS", "--fail", "--max-time", "10"]);
            if trusts {
                curl.arg("--cacert").arg(pem);
            }
            curl.arg(url).output().unwrap()
        });
        let output = within(curl).await.unwrap();
        assert_eq!(output.status.success(), trusts, "{host}: {output:?}");
    }
    at.stop().await;
}

#[test]
fn the_command_line_shows_the_fingerprint_that_clients_see() {
    let folder = Folder::new();
    let data = folder.0.join("data");
    let config = folder.write(
        "box.yaml",
        format!("server: {{tls: on}}\nstorage: {{data_dir: {data:?}}}\n").as_bytes(),
    );
    let run = || {
        let output = Command::new(env!("CARGO_BIN_EXE_camera-service"))
            .args(["certificate", "--config"])
            .arg(&config)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = run();
    let none = PathBuf::new();
    let certificate = Certificate::open(Files::new(&none, &none, &data)).unwrap();
    assert!(shown.contains(&certificate.fingerprint()), "{shown}");
    assert!(shown.contains("certificate.pem"), "{shown}");
    assert_eq!(run(), shown);
}
