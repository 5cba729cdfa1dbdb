//! A running control plane on free ports, and small clients to talk to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camera_service::access::Office;
use camera_service::access::store::{Expiry, KeyRecord, Target, Wanted};
use camera_service::access::stream::{Direction, StreamToken};
use camera_service::app::records::Records;
use camera_service::camera::{Camera, CameraId, Counters, Device, Directory, Mode, Status};
use camera_service::capture::{Colour, Format, Matrix, PixelFormat, Range};
use camera_service::clock::{self, Wall};
use camera_service::config::Config;
use camera_service::config::live::{self as configuration, Configuration, Reloaded};
use camera_service::encode::Route;
use camera_service::error::Later;
use camera_service::events::Announce;
use camera_service::events::bus::Bus;
use camera_service::http::bind::io::bind;
use camera_service::http::files::Downloads;
use camera_service::http::files::io::Library;
use camera_service::http::files::permit::Signer;
use camera_service::http::files::range::Ranges;
use camera_service::http::files::range::io::Assembler;
use camera_service::http::io::{Listeners, serve};
use camera_service::http::{Limits, Live, Services};
use camera_service::mediamtx::auth::Secret;
use camera_service::mediamtx::paths::io::PathKeeper;
use camera_service::rpc::Desk;
use camera_service::rpc::guard::Guard;
use camera_service::rpc::media::{MediaServer, MediaState, PathState};
use camera_service::rpc::session::{Login, Refused, Verify};
use camera_service::rpc::table::METHODS;
use camera_service::snapshot::pulled::io::Hls;
use camera_service::system::{About, System};
use camera_service::units::{Rate, Size};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::ServerConfig;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// No test waits longer than this for something that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The headers of an opening handshake.
pub(crate) const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Every token is its role.
struct RoleWords;

impl Verify for RoleWords {
    fn verify(&self, token: &str, now: Wall) -> Result<Login, Refused> {
        Ok(Login::plain(
            "ada",
            token.parse().map_err(|_| Refused {
                reason: "token_invalid".to_owned(),
                details: "the signature does not match".to_owned(),
            })?,
            Wall::from_secs(now.as_secs() + 3600),
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

/// MediaMTX as the test wants it seen.
#[derive(Clone, Default)]
pub(crate) struct Media(pub(crate) Arc<Mutex<MediaState>>);

impl MediaServer for Media {
    fn state(&self) -> MediaState {
        self.0.lock().unwrap().clone()
    }
}

/// Files beneath `dir`, with a key of the test's own.
pub(crate) fn library(dir: impl AsRef<Path>) -> Library {
    let dir = dir.as_ref();
    let signer = Signer::new(b"the key of this test's links");
    Library::new(dir.join("recordings"), dir.join("snapshots"), signer)
}

/// A running control plane.
pub(crate) struct Rig {
    pub(crate) api: SocketAddr,
    pub(crate) page: SocketAddr,
    /// Where TLS is spoken, if it is.
    pub(crate) secure: Option<SocketAddr>,
    pub(crate) internal: SocketAddr,
    pub(crate) directory: Arc<Directory>,
    pub(crate) media: Media,
    pub(crate) bus: Arc<Bus>,
    /// Where recordings and snapshots would lie; there is no such folder yet.
    pub(crate) data_dir: std::path::PathBuf,
    pub(crate) system: Arc<System>,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

/// A camera that delivers now.
pub(crate) fn camera(number: u16, status: Status) -> Camera {
    let counters = Counters::default();
    let now = clock::mono();
    counters
        .last_frame_nanos
        .store(now.as_nanos(), std::sync::atomic::Ordering::Relaxed);
    counters
        .last_unit_nanos
        .store(now.as_nanos(), std::sync::atomic::Ordering::Relaxed);
    let size = Size::new(1280, 720);
    Camera {
        id: CameraId::new(number).unwrap(),
        name: "Test camera".to_owned(),
        device: Device::Test,
        status,
        format: Some(Format {
            pixel: PixelFormat::Yuyv,
            size,
            stride: 2560,
            rate: Rate::fps(30),
            colour: Colour {
                matrix: Matrix::Bt709,
                range: Range::Limited,
                srgb: false,
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
        modes: Arc::from([Mode {
            pixel: PixelFormat::Yuyv,
            size,
            rates: vec![Rate::fps(30)],
        }]),
        since: now,
        counters: Arc::new(counters),
    }
}

impl Rig {
    /// With the defaults.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With some of the services changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Services)) -> Self {
        Self::over(None, true, change).await
    }

    /// With TLS, and with or without the plain doors.
    pub(crate) async fn over(
        tls: Option<Arc<ServerConfig>>,
        plain: bool,
        change: impl FnOnce(&mut Services),
    ) -> Self {
        let directory = Arc::new(Directory::default());
        directory.put(camera(0, Status::Connected));
        let media = Media::default();
        {
            let mut state = media.0.lock().unwrap();
            state.reachable = true;
            let ready = PathState {
                ready: true,
                ..PathState::default()
            };
            state.paths.insert("camera0".to_owned(), ready);
        }
        let bus = Arc::new(Bus::default());
        let events = Arc::clone(&bus) as Arc<dyn Announce>;
        let mut config = Config::default();
        config.storage.data_dir =
            std::env::temp_dir().join(format!("camera-service-rig-{}", uuid::Uuid::new_v4()));
        let records = Records::new(
            &config,
            PathKeeper::default().paths(),
            Arc::new(Hls::new(
                "127.0.0.1:1".parse().unwrap(),
                &Secret::new(String::new()),
            )),
            &directory,
            &events,
        );
        let system = Arc::new(System::new(About {
            started: clock::mono(),
            ..About::default()
        }));
        let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let library = Arc::new(library("/nowhere/camera-service"));
        let ranges = Arc::new(Assembler::new(
            Arc::new(records.recorder.clone()),
            Box::new(|_, own| own),
            vec![config.storage.recordings()],
            Signer::new(b"the key of this test's links"),
        ));
        let mut services = Services {
            desk: Arc::new(Desk {
                directory: Arc::clone(&directory),
                verifier: Arc::new(RoleWords),
                office: Arc::new(NoOffice),
                media: Arc::new(media.clone()),
                downloads: Arc::clone(&library) as Arc<dyn Downloads>,
                ranges: Arc::clone(&ranges) as Arc<dyn Ranges>,
                configuration: Arc::new(Settled),
                events: Arc::clone(&events),
                recordings: Arc::new(records.recorder),
                modes: Arc::new(records.modes),
                snapshots: Arc::clone(&records.taker) as _,
                storage: Arc::new(records.warden),
                wear: Arc::new(camera_service::storage::wear::Unseen),
                offsite: Arc::new(camera_service::offsite::Unset),
                external: Arc::new(camera_service::external::Fixed::default()),
                viewing: Arc::default(),
                system: Arc::clone(&system),
                registry: Arc::default(),
                rtsp_port: 8554,
                guard: Guard::default(),
            }),
            bus: Arc::clone(&bus),
            methods: METHODS,
            auth: Arc::new(|question| if question == b"{\"ok\":1}" { 200 } else { 401 }),
            limits: Limits::default(),
            library,
            ranges,
            origins: Vec::new(),
            ws_path: "/ws".to_owned(),
            webrtc: nowhere,
            hls: nowhere,
            expected_cameras: Vec::new(),
            version: "1.2.3",
            started: clock::mono(),
            live: Live::default(),
        };
        change(&mut services);
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners {
            api: if plain {
                Some(bind(any).await.unwrap())
            } else {
                None
            },
            page: if plain {
                Some(bind(any).await.unwrap())
            } else {
                None
            },
            secure: match tls {
                Some(tls) => Some((bind(any).await.unwrap(), tls)),
                None => None,
            },
            internal: Some(bind(any).await.unwrap()),
        };
        let at = |l: &Option<TcpListener>| l.as_ref().map_or(nowhere, |l| l.local_addr().unwrap());
        let (api, page) = (at(&listeners.api), at(&listeners.page));
        let secure = listeners
            .secure
            .as_ref()
            .map(|(l, _)| l.local_addr().unwrap());
        let internal = listeners.internal.as_ref().unwrap().local_addr().unwrap();
        let (stop, asked) = watch::channel(false);
        Self {
            api,
            page,
            secure,
            internal,
            directory,
            media,
            bus,
            data_dir: config.storage.data_dir,
            system,
            stop,
            served: tokio::spawn(serve(listeners, services, asked)),
        }
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.send(true).unwrap();
        within(self.served).await.unwrap();
    }

    /// A WebSocket nobody has logged in on.
    pub(crate) async fn stranger(&self) -> Client {
        Client::connect(self.api).await
    }

    /// A WebSocket with a role.
    pub(crate) async fn client(&self, role: &str) -> Client {
        let mut client = self.stranger().await;
        let answer = client
            .call("authenticate", json!({ "auth_token": role }))
            .await;
        assert_eq!(answer["result"]["authenticated"], true, "{answer}");
        client
    }
}

/// Puts a guard before the methods.
pub(crate) fn guarded(services: &mut Services, guard: Guard) {
    let desk = Arc::get_mut(&mut services.desk).expect("nobody else has it yet");
    desk.guard = guard;
}

/// Waits for something that must come.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("this should have come long ago")
}

/// A WebSocket client.
pub(crate) struct Client {
    pub(crate) ws: WebSocketStream<TcpStream>,
    next: u64,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(addr)).await.unwrap();
        let url = format!("ws://{addr}/ws");
        let (ws, _) = within(tokio_tungstenite::client_async(url, stream))
            .await
            .unwrap();
        Self { ws, next: 1 }
    }

    /// Sends a request and gives its id.
    pub(crate) async fn send(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        let text = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        within(self.ws.send(Message::text(text.to_string())))
            .await
            .unwrap();
        id
    }

    /// The next JSON message, be it answer or notification.
    pub(crate) async fn receive(&mut self) -> Value {
        loop {
            if let Message::Text(text) = within(self.ws.next()).await.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Sends a request and waits for its answer; notifications in between are dropped.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        loop {
            let message = self.receive().await;
            if message["id"] == id {
                return message;
            }
        }
    }

    /// The code of the close frame that must come; `None` if the connection ends without one.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match within(self.ws.next()).await {
                Some(Ok(Message::Close(frame))) => return frame.map(|f| f.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

/// Sends text as it is and reads until the server closes.
pub(crate) async fn raw(addr: SocketAddr, request: &str) -> String {
    let mut stream = within(TcpStream::connect(addr)).await.unwrap();
    within(stream.write_all(request.as_bytes())).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Asks for a WebSocket; gives the stream after the answer's head, and the status. `extra` is
/// header lines, each ending in CRLF.
pub(crate) async fn upgrade(addr: SocketAddr, extra: &str) -> (TcpStream, u16) {
    let mut stream = within(TcpStream::connect(addr)).await.unwrap();
    let request = format!("GET /ws HTTP/1.1\r\nhost: {addr}\r\n{extra}{UPGRADE}\r\n");
    within(stream.write_all(request.as_bytes())).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    let status = String::from_utf8_lossy(&head[9..12]).parse().unwrap();
    (stream, status)
}

/// One request on a connection of its own; `extra` is header lines, each ending in CRLF.
pub(crate) async fn http(
    addr: SocketAddr,
    verb: &str,
    path: &str,
    extra: &str,
    body: &str,
) -> Answer {
    let length = body.len();
    let text = raw(
        addr,
        &format!("{verb} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\ncontent-length: {length}\r\n{extra}\r\n{body}"),
    )
    .await;
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A fresh folder, gone at the test's end.
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("camera-service-test-{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file and the folders above it; gives its path.
    pub(crate) fn write(&self, file: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
