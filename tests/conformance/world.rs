//! The clients of one scenario, and what good calls need, made through the methods themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::contract::{Fixture, METHODS, Role};
use crate::stage::Stage;
use crate::wire::{Answer, Reply, Wire};

/// Why a good call cannot be tried.
#[derive(Debug)]
pub(crate) enum Lack {
    /// A method that makes the fixture is missing.
    NotOffered,
    /// The methods are there and did not make it.
    Failed(String),
}

/// Values of `$names`.
pub(crate) type Names = BTreeMap<&'static str, String>;

/// One scenario's view of the server.
pub(crate) struct World {
    pub(crate) stage: Arc<Stage>,
    wires: [Wire; 4],
    pub(crate) offered: BTreeSet<&'static str>,
    /// A connected camera.
    pub(crate) camera: String,
}

/// Names that no other call of this run uses.
pub(crate) fn fresh() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{n}", std::process::id())
}

impl World {
    pub(crate) async fn new(stage: &Arc<Stage>) -> Self {
        let wires = Role::ALL.map(|role| Wire::new(&stage.server, role));
        let mut world = Self {
            stage: Arc::clone(stage),
            wires,
            offered: BTreeSet::new(),
            camera: "camera0".to_owned(),
        };
        for method in METHODS {
            // Names are public (§20.14): a stranger learns which there are.
            let answer = world
                .wire(Role::Stranger)
                .call(method.name, &json!({}))
                .await;
            let answer = answer.unwrap_or_else(|why| panic!("{}: {why}", method.name));
            if answer.code() != Some(-32601) {
                world.offered.insert(method.name);
            }
        }
        world.end(Role::Stranger).await;
        if let Some(list) = world.try_call("get_camera_list", json!({})).await {
            let cameras = list["cameras"].as_array().cloned().unwrap_or_default();
            let good = cameras.iter().find(|c| c["status"] == "CONNECTED");
            if let Some(id) = good.and_then(|c| c["device"].as_str()) {
                world.camera = id.to_owned();
            }
        }
        if let Ok(camera) = std::env::var("CONFORMANCE_CAMERA") {
            world.camera = camera;
        }
        world
    }

    pub(crate) fn offers(&self, names: &[&str]) -> bool {
        names.iter().all(|n| self.offered.contains(n))
    }

    pub(crate) fn wire(&mut self, role: Role) -> &mut Wire {
        &mut self.wires[role as usize]
    }

    pub(crate) async fn end(&mut self, role: Role) {
        self.wire(role).end().await;
    }

    /// A new connection beside the scenario's own.
    pub(crate) fn another(&self, role: Role) -> Wire {
        Wire::new(&self.stage.server, role)
    }

    /// As admin.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Reply {
        self.wire(Role::Admin).call(method, &params).await
    }

    /// As admin: the result where there is one.
    pub(crate) async fn try_call(&mut self, method: &str, params: Value) -> Option<Value> {
        let answer = self.call(method, params).await.ok()?;
        answer.is_success().then(|| answer.result().clone())
    }

    /// As admin: the result, or what came instead.
    pub(crate) async fn result(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let answer = self.call(method, params.clone()).await?;
        if answer.is_success() {
            Ok(answer.result().clone())
        } else {
            Err(format!("{method} {params}: {}", answer.json["error"]))
        }
    }

    /// Makes what a good call needs.
    pub(crate) async fn prepare(&mut self, fixture: Fixture) -> Result<Names, Lack> {
        let mut names = Names::from([("$camera", self.camera.clone()), ("$n", fresh())]);
        let needs: &[&str] = match fixture {
            Fixture::Nothing | Fixture::Camera | Fixture::FreshStream => &[],
            Fixture::Idle => &["stop_recording"],
            Fixture::Recording => &["start_recording"],
            Fixture::RecordingFile => &["start_recording", "stop_recording"],
            Fixture::SnapshotFile => &["take_snapshot"],
            Fixture::Streaming => &["start_streaming"],
            Fixture::ExternalStream => &["add_external_stream"],
        };
        if !self.offers(needs) {
            return Err(Lack::NotOffered);
        }
        let made = match fixture {
            Fixture::Nothing | Fixture::Camera => Ok(()),
            Fixture::Idle => self.idle().await,
            Fixture::Recording => self.recording().await.map(drop),
            Fixture::RecordingFile => self.recording_file(json!({})).await.map(|stop| {
                names.insert(
                    "$recording",
                    stop["filename"].as_str().unwrap_or("").to_owned(),
                );
            }),
            Fixture::SnapshotFile => {
                let device = json!({ "device": self.camera });
                self.result("take_snapshot", device).await.map(|made| {
                    names.insert(
                        "$snapshot",
                        made["filename"].as_str().unwrap_or("").to_owned(),
                    );
                })
            }
            Fixture::Streaming => {
                let device = json!({ "device": self.camera });
                self.result("start_streaming", device).await.map(drop)
            }
            Fixture::FreshStream | Fixture::ExternalStream => {
                // 192.0.2.0/24 is for documents (RFC 5737): nobody is there.
                let n = fresh();
                let url = format!("rtsp://192.0.2.1:554/conformance-{n}");
                let name = format!("conformance-{n}");
                names.insert("$stream_url", url.clone());
                names.insert("$stream_name", name.clone());
                if fixture == Fixture::ExternalStream {
                    let stream = json!({ "stream_url": url, "stream_name": name });
                    self.result("add_external_stream", stream).await.map(drop)
                } else {
                    Ok(())
                }
            }
        };
        made.map(|()| names).map_err(Lack::Failed)
    }

    /// Puts away what a good call made.
    pub(crate) async fn restore(&mut self, method: &str, answer: &Answer) {
        let result = answer.result();
        match method {
            "start_recording" => {
                let _ = self.idle().await;
            }
            "start_streaming" => {
                let device = json!({ "device": self.camera });
                let _ = self.try_call("stop_streaming", device).await;
            }
            "add_external_stream" => {
                let url = json!({ "stream_url": result["stream_url"] });
                let _ = self.try_call("remove_external_stream", url).await;
            }
            "take_snapshot" => self.discard("delete_snapshot", &result["filename"]).await,
            "get_recording_info" => self.discard("delete_recording", &result["filename"]).await,
            "get_snapshot_info" => self.discard("delete_snapshot", &result["filename"]).await,
            _ => {}
        }
    }

    /// Deletes a file that the suite made.
    pub(crate) async fn discard(&mut self, method: &str, filename: &Value) {
        if self.offers(&[method]) {
            let _ = self.try_call(method, json!({ "filename": filename })).await;
        }
    }

    /// Ends a recording if there is one, and takes its file away.
    pub(crate) async fn idle(&mut self) -> Result<(), String> {
        let device = json!({ "device": self.camera });
        let answer = self.call("stop_recording", device).await?;
        if answer.is_success() {
            let name = answer.result()["filename"].clone();
            self.discard("delete_recording", &name).await;
            return Ok(());
        }
        match answer.code() {
            Some(-32020) => Ok(()),
            _ => Err(format!("stop_recording: {}", answer.json["error"])),
        }
    }

    /// A recording that runs.
    pub(crate) async fn recording(&mut self) -> Result<(), String> {
        let device = json!({ "device": self.camera });
        let answer = self.call("start_recording", device).await?;
        match answer.code() {
            None | Some(-32020) => Ok(()),
            Some(_) => Err(format!("start_recording: {}", answer.json["error"])),
        }
    }

    /// A finished recording that holds something; gives what stop_recording said.
    pub(crate) async fn recording_file(&mut self, more: Value) -> Result<Value, String> {
        self.idle().await?;
        let mut params = json!({ "device": self.camera });
        for (name, value) in more.as_object().into_iter().flatten() {
            params[name] = value.clone();
        }
        let start = self.result("start_recording", params).await?;
        self.grown(&start["filename"]).await?;
        let device = json!({ "device": self.camera });
        self.result("stop_recording", device).await
    }

    /// Waits until a running recording has a second's bytes on the disk.
    pub(crate) async fn grown(&mut self, filename: &Value) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let began = Instant::now();
        loop {
            let size = if self.offers(&["get_recording_info"]) {
                let info = self
                    .call("get_recording_info", json!({ "filename": filename }))
                    .await?;
                info.result()["file_size"].as_u64().unwrap_or(0)
            } else {
                u64::from(began.elapsed() > Duration::from_secs(5))
            };
            if size > 0 && began.elapsed() > Duration::from_millis(1500) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the recording {filename} holds nothing after 30 s"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Puts values in place of `$names`.
pub(crate) fn fill(template: &str, names: &Names) -> String {
    let mut text = template.to_owned();
    // Longer names first: `$n` is the beginning of none of them, but one day might be.
    let mut ordered: Vec<_> = names.iter().collect();
    ordered.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, value) in ordered {
        let quoted = json!(value).to_string();
        text = text.replace(name, &quoted[1..quoted.len() - 1]);
    }
    text
}
