//! The picture is changed while somebody watches.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use camera_service::clock::{self, Mono};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::stage::Demo;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(15);

/// One ffmpeg that watches from beginning to end and tells each frame's size in bytes when it comes.
struct Viewer {
    child: Child,
    frames: Receiver<(Mono, u64)>,
}

impl Viewer {
    fn of(url: &str) -> Self {
        let mut child = Command::new("ffmpeg")
            .args(["-v", "error", "-rtsp_transport", "tcp"])
            .args([
                "-i",
                url,
                "-autoscale",
                "0",
                "-vsync",
                "passthrough",
                "-pix_fmt",
                "yuv420p",
            ])
            .args(["-flush_packets", "1", "-f", "framemd5", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (send, frames) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let size = line.split(',').nth(4).and_then(|s| s.trim().parse().ok());
                if let Some(size) = size
                    && send.send((clock::mono(), size)).is_err()
                {
                    return;
                }
            }
        });
        Self { child, frames }
    }

    /// Waits for `count` frames of a size; gives the longest pause before any frame on the way.
    fn see(&self, count: usize, width: u64, height: u64) -> Duration {
        let wanted = width * height * 3 / 2;
        let (mut seen, mut longest, mut last) = (0, Duration::ZERO, None);
        let began = clock::mono();
        while seen < count {
            assert!(
                clock::mono().since(began) < PATIENCE,
                "no {count} frames of {width}x{height}"
            );
            let (at, size) = self
                .frames
                .recv_timeout(PATIENCE)
                .expect("the viewer was disconnected");
            longest = longest.max(at.since(last.unwrap_or(at)));
            last = Some(at);
            seen += usize::from(size == wanted);
        }
        longest
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls a method as operator.
fn ask(demo: &Demo, method: &str, params: Value) -> Value {
    let url = demo.text("/ws");
    let token = demo.text("/tokens/operator");
    let address = url.trim_start_matches("ws://").split('/').next().unwrap();
    let address = address.to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let talk = async move {
        let stream = TcpStream::connect(&address).await.unwrap();
        let (mut socket, _) = tokio_tungstenite::client_async(format!("ws://{address}/ws"), stream)
            .await
            .unwrap();
        let calls = [
            (1, "authenticate", json!({ "auth_token": token })),
            (2, method, params),
        ];
        let mut answer = Value::Null;
        for (id, method, params) in calls {
            let call = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
            socket.send(Message::text(call.to_string())).await.unwrap();
            while answer["id"] != id {
                let text = socket.next().await.unwrap().unwrap();
                answer = serde_json::from_str(text.to_text().unwrap()).unwrap_or_default();
            }
        }
        answer
    };
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, talk).await })
        .expect("no answer")
}

#[test]
fn size_rate_and_bit_rate_change_under_a_viewer_who_stays() {
    let demo = Demo::start(&[]);
    let viewer = Viewer::of(&demo.text("/cameras/0/rtsp"));
    viewer.see(10, 640, 360);

    let smaller = json!({ "device": "camera0", "resolution": "320x240", "fps": 15 });
    let answer = ask(&demo, "set_video", smaller);
    assert_eq!(answer["result"]["resolution"], "320x240", "{answer}");
    assert_eq!(answer["result"]["fps"], 15);
    assert_eq!(answer["result"]["seamless"], false);
    let pause = viewer.see(20, 320, 240);
    println!("longest pause around a change of size: {pause:?}");

    let thinner = json!({ "device": "camera0", "bitrate_kbps": 300 });
    let answer = ask(&demo, "set_video", thinner);
    assert_eq!(answer["result"]["bitrate_kbps"], 300, "{answer}");
    assert_eq!(answer["result"]["seamless"], true);
    assert_eq!(answer["result"]["resolution"], "320x240");
    viewer.see(20, 320, 240);

    let back = json!({ "device": "camera0", "resolution": "640x360", "fps": 30 });
    ask(&demo, "set_video", back);
    viewer.see(20, 640, 360);
    assert!(!demo.log().contains("torn down"), "{}", demo.log());
}
