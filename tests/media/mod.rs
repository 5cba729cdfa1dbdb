//! A real MediaMTX on free ports, as the service runs it, and players and cameras made of ffmpeg.
#![allow(dead_code, reason = "every scenario uses its part")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use camera_service::mediamtx::Snapshot;
use camera_service::mediamtx::auth::{self, SERVICE_USER, Secret};
use camera_service::mediamtx::io::{MediaMtx, Ownership, pick_free_ports};
use camera_service::mediamtx::settings::{LogLevel, Settings};
use tokio::process::{Child, Command};

/// The service's own secret; everyone may read with it, too.
pub(crate) const SECRET: &str = "the-secret-of-this-run";
/// No test waits longer than this for something that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn binary() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mediamtx/mediamtx");
    let path = std::env::var_os("MEDIAMTX").map_or(built, PathBuf::from);
    assert!(
        path.is_file(),
        "no MediaMTX at {}: build it with `make mediamtx` or set MEDIAMTX",
        path.display()
    );
    path
}

/// A directory that is gone when the test is over.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("camera-service-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Answers MediaMTX's questions: the service's own secret may do everything, nobody else anything.
async fn callback() -> SocketAddr {
    use http_body_util::{BodyExt, Empty};
    use hyper::body::{Bytes, Incoming};
    use hyper::{Request, Response};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(|request: Request<Incoming>| async {
                let body = request.into_body().collect().await?.to_bytes();
                let decision = auth::answer(&body, &Secret::new(SECRET.into()), |_| {
                    Err(camera_service::access::Refusal::Malformed)
                });
                let mut response = Response::new(Empty::<Bytes>::new());
                *response.status_mut() = decision.status().try_into().unwrap();
                Ok::<_, hyper::Error>(response)
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });
    address
}

/// Starts MediaMTX and waits until it answers.
pub(crate) async fn start(dir: &Dir) -> MediaMtx {
    let any = "127.0.0.1:0".parse().unwrap();
    let mut settings = Settings {
        rtsp: any,
        hls: any,
        webrtc: any,
        api: any,
        webrtc_udp: any,
        webrtc_tcp: None,
        auth_url: format!("http://{}/auth", callback().await),
        additional_hosts: Vec::new(),
        log: LogLevel::Info,
    };
    pick_free_ports(&mut settings).unwrap();
    let ownership = Ownership::Child {
        binary: Some(binary()),
    };
    let secret = Secret::new(SECRET.to_owned());
    let media = MediaMtx::start(settings, ownership, &dir.0.join("mediamtx.yml"), &secret)
        .await
        .unwrap();
    until(&media, "MediaMTX does not answer", Snapshot::is_up).await;
    media
}

/// Waits until the snapshot is as `wanted`, or fails the test with `what`.
pub(crate) async fn until(media: &MediaMtx, what: &str, wanted: impl Fn(&Snapshot) -> bool) {
    assert!(media.until(PATIENCE, wanted).await.is_some(), "{what}");
}

/// The address of a path, with the service's own credentials.
pub(crate) fn url(rtsp: SocketAddr, path: &str) -> String {
    format!("rtsp://{SERVICE_USER}:{SECRET}@{rtsp}/{path}")
}

fn ffmpeg(arguments: &[&str], url: &[&str]) -> Child {
    Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error"])
        .args(arguments)
        .args(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("ffmpeg is needed for this test")
}

/// Publishes a moving picture until it is dropped.
pub(crate) fn publish(url: &str) -> Child {
    let picture = "testsrc=size=320x240:rate=10";
    ffmpeg(
        &[
            "-re",
            "-f",
            "lavfi",
            "-i",
            picture,
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-g",
            "5",
            "-rtsp_transport",
            "tcp",
            "-f",
            "rtsp",
        ],
        &[url],
    )
}

/// Watches until it is dropped, or until the stream ends.
pub(crate) fn watch(url: &str) -> Child {
    ffmpeg(
        &["-rtsp_transport", "tcp", "-i"],
        &[url, "-c", "copy", "-f", "null", "-"],
    )
}
