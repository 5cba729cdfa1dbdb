//! What methods do, told as stories: a recording, a snapshot, a stream, an event, the storage.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::contract::{ALIASES, Role, TOPICS};
use crate::envelope::is_notification;
use crate::http::fetch;
use crate::report::{Report, Wanted};
use crate::shape::instant;
use crate::stage::is_foreign;
use crate::world::{World, fresh};

/// Longest wait for something that a recorder or an event must bring.
const SOON: Duration = Duration::from_secs(20);

/// Adds a failure where a step of the story gave none of what the next step needs.
macro_rules! step {
    ($report:expr, $work:expr) => {
        match $work {
            Ok(value) => value,
            Err(why) => {
                let why: String = why;
                $report.failures.push(why);
                return $report;
            }
        }
    };
}

fn without(world: &World, names: &[&str], report: &mut Report) -> bool {
    let missing = names.iter().filter(|n| !world.offers(&[n])).count();
    report.not_offered += usize::from(missing > 0);
    missing > 0
}

/// Both ways to show who one is (§10).
fn bearer(token: &str) -> Vec<String> {
    vec![format!("authorization: Bearer {token}")]
}

fn listed<'a>(list: &'a Value, name: &Value) -> Option<&'a Value> {
    list["files"]
        .as_array()?
        .iter()
        .find(|f| f["filename"] == *name)
}

/// A recording under one name from start to deletion, with true figures (§16.2–7, 11, 22, 30).
pub(crate) async fn recordings(world: &mut World) -> Report {
    let mut report = Report::default();
    let needs = [
        "start_recording",
        "stop_recording",
        "list_recordings",
        "get_recording_info",
        "delete_recording",
    ];
    if without(world, &needs, &mut report) {
        return report;
    }
    let device = json!({ "device": world.camera });
    step!(report, world.idle().await);

    let reply = world.call("stop_recording", device.clone()).await;
    report.judge(
        "stop_recording role=admin case=nothing is recorded (§20.12)",
        None,
        &Wanted::code(-32020),
        &reply,
    );

    let stem = format!("conformance-{}", fresh());
    let mut params = device.clone();
    params["filename"] = json!(stem);
    let start = step!(
        report,
        world.result("start_recording", params.clone()).await
    );
    report.expect(start["filename"] == stem.as_str(), || {
        format!(
            "start_recording role=admin case=filename {stem:?}: came {} (§20.2)",
            start["filename"]
        )
    });
    report.expect(start["format"] == "fmp4", || {
        format!(
            "start_recording role=admin case=no format: came {}, not fmp4 (§20.7)",
            start["format"]
        )
    });
    let reply = world.call("start_recording", device.clone()).await;
    report.judge(
        "start_recording role=admin case=already recording (§5.3)",
        None,
        &Wanted::code(-32020),
        &reply,
    );
    report.expect(world.stage.children().iter().all(|(_, name)| !name.contains("ffmpeg")), || {
        format!("start_recording role=admin case=while recording: an ffmpeg runs for it (§16.30): {:?}", world.stage.children())
    });
    step!(report, world.grown(&start["filename"]).await);
    let list = step!(report, world.result("list_recordings", json!({})).await);
    report.expect(listed(&list, &start["filename"]).is_some(), || {
        format!(
            "list_recordings role=admin case=while recording: {} is not listed (§20.22)",
            start["filename"]
        )
    });
    let reply = world
        .call("delete_recording", json!({ "filename": stem }))
        .await;
    report.judge(
        "delete_recording role=admin case=while it runs (§20.22)",
        None,
        &Wanted::code(-32020),
        &reply,
    );

    let stop = step!(report, world.result("stop_recording", device.clone()).await);
    report.expect(
        stop["filename"] == stem.as_str() && stop["status"] == "STOPPED",
        || format!("stop_recording role=admin case=the running one: {stop}"),
    );
    let span = [&stop["start_time"], &stop["end_time"]].map(|t| t.as_str().and_then(instant));
    if let [Some(began), Some(ended)] = span {
        let seconds = (ended - began).as_seconds_f64();
        report.expect((seconds - stop["duration"].as_f64().unwrap_or(-9.0)).abs() < 2.0, || {
            format!("stop_recording role=admin case=duration {}: start and end are {seconds} s apart (§16.7)", stop["duration"])
        });
    }
    let info = step!(
        report,
        world
            .result("get_recording_info", json!({ "filename": stem }))
            .await
    );
    report.expect(
        info["file_size"] == stop["file_size"] && stop["file_size"].as_u64() > Some(1024),
        || {
            format!(
                "stop_recording role=admin case=file_size {}: get_recording_info says {} (§16.7)",
                stop["file_size"], info["file_size"]
            )
        },
    );
    files(world, &mut report, "recordings", &info).await;
    let with_ending = format!("{stem}.mp4");
    let other = step!(
        report,
        world
            .result("get_recording_info", json!({ "filename": with_ending }))
            .await
    );
    report.expect(other == info, || {
        format!("get_recording_info role=admin case=with extension: not the same as without (§20.6): {other}")
    });

    // A taken name is not overwritten (§20.2).
    let again = step!(report, world.result("start_recording", params).await);
    report.expect(again["filename"] == format!("{stem}-2"), || {
        format!(
            "start_recording role=admin case=a taken name: came {}, not {stem}-2 (§20.2)",
            again["filename"]
        )
    });
    step!(report, world.grown(&again["filename"]).await);
    step!(report, world.result("stop_recording", device.clone()).await);
    let list = step!(
        report,
        world
            .result("list_recordings", json!({ "limit": 1000 }))
            .await
    );
    pages(world, &mut report, "list_recordings", &list).await;

    for name in [json!(stem), again["filename"].clone()] {
        let gone = step!(
            report,
            world
                .result("delete_recording", json!({ "filename": name }))
                .await
        );
        report.expect(gone["deleted"] == true, || {
            format!("delete_recording role=admin case=a finished one: {gone}")
        });
        let reply = world
            .call("get_recording_info", json!({ "filename": name }))
            .await;
        report.judge(
            "get_recording_info role=admin case=after deletion",
            None,
            &Wanted::code(-32010),
            &reply,
        );
    }
    report
}

/// A recording with a duration ends by itself (§16.2, §20.10, §20.19).
pub(crate) async fn timed_recording(world: &mut World) -> Report {
    let mut report = Report::default();
    if without(
        world,
        &["start_recording", "stop_recording", "get_recording_info"],
        &mut report,
    ) {
        return report;
    }
    step!(report, world.idle().await);
    let mut listener = world.another(Role::Viewer);
    let reply = listener.ask("ping", None).await;
    report.judge(
        "ping role=viewer case=a listener",
        None,
        &Wanted::success(),
        &reply,
    );
    let params = json!({ "device": world.camera, "duration": 2.5 });
    let began = Instant::now();
    let start = step!(report, world.result("start_recording", params).await);
    let update = |status: &'static str, name: Value| {
        move |note: &Value| {
            is_notification(note, "recording_status_update")
                && note["params"]["status"] == status
                && note["params"]["filename"] == name
        }
    };
    let note = listener
        .hear(SOON, update("STARTED", start["filename"].clone()))
        .await;
    report.expect(note.as_ref().is_some_and(|n| n["params"]["duration"] == 0), || {
        format!("recording_status_update role=viewer case=STARTED with duration 0 (§20.19): {note:?}")
    });
    let note = listener
        .hear(SOON, update("STOPPED", start["filename"].clone()))
        .await;
    let took = began.elapsed();
    report.expect(note.is_some() && (2.3..15.0).contains(&took.as_secs_f64()), || {
        format!("start_recording role=admin case=duration 2.5: no end was told, or at another time ({took:?}) (§16.2)")
    });
    let reply = world
        .call("stop_recording", json!({ "device": world.camera }))
        .await;
    report.judge(
        "stop_recording role=admin case=after its time was up",
        None,
        &Wanted::code(-32020),
        &reply,
    );
    let info = step!(
        report,
        world
            .result(
                "get_recording_info",
                json!({ "filename": start["filename"] })
            )
            .await
    );
    report.expect(
        (1..=6).contains(&info["duration"].as_u64().unwrap_or(0)),
        || {
            format!(
                "get_recording_info role=admin case=a recording of 2.5 s: duration {}",
                info["duration"]
            )
        },
    );
    world.discard("delete_recording", &start["filename"]).await;
    report
}

/// The format asked for is the format delivered, or the refusal names it (§16.3, §20.7).
pub(crate) async fn formats(world: &mut World) -> Report {
    let mut report = Report::default();
    if without(
        world,
        &["start_recording", "stop_recording", "get_recording_info"],
        &mut report,
    ) {
        return report;
    }
    for format in ["fmp4", "mp4", "mkv"] {
        step!(report, world.idle().await);
        let params = json!({ "device": world.camera, "format": format });
        let answer = step!(report, world.call("start_recording", params).await);
        if !answer.is_success() {
            report.expect(
                format == "mkv"
                    && answer.code() == Some(-32030)
                    && answer.data()["feature"] == "format:mkv",
                || {
                    format!(
                        "start_recording role=admin case=format {format}: {}",
                        answer.json["error"]
                    )
                },
            );
            continue;
        }
        report.expect(answer.result()["format"] == format, || {
            format!(
                "start_recording role=admin case=format {format}: the answer says {}",
                answer.result()["format"]
            )
        });
        step!(report, world.grown(&answer.result()["filename"]).await);
        let stop = step!(
            report,
            world
                .result("stop_recording", json!({ "device": world.camera }))
                .await
        );
        let name = stop["filename"].clone();
        let info = step!(
            report,
            world
                .result("get_recording_info", json!({ "filename": name }))
                .await
        );
        let path = info["download_url"].as_str().unwrap_or("").to_owned();
        let token = world.stage.server.tokens[0].clone();
        let page = step!(
            report,
            fetch(&world.stage.server.authority, "GET", &path, &bearer(&token)).await
        );
        let kind = container(&page.body);
        report.expect(kind == format, || {
            format!("start_recording role=admin case=format {format}: the download {path} ({} bytes, status {}) is {kind} (§16.3)", page.body.len(), page.status)
        });
        world.discard("delete_recording", &name).await;
    }
    report
}

/// What a file is, by its first boxes (ISO/IEC 14496-12) or bytes (RFC 8794).
fn container(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        return "mkv";
    }
    let (mut at, mut moov) = (0usize, false);
    while let Some(header) = bytes.get(at..at + 8) {
        let size = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        match &header[4..8] {
            b"moof" => return "fmp4",
            b"moov" => moov = true,
            b"mdat" => return if moov { "mp4" } else { "mp4 with moov behind" },
            _ => {}
        }
        at += size.max(8);
    }
    if moov { "only a moov box" } else { "unknown" }
}

/// A snapshot is a picture, under the name that was asked for (§16.14, §20.22).
pub(crate) async fn snapshots(world: &mut World) -> Report {
    let mut report = Report::default();
    let needs = [
        "take_snapshot",
        "list_snapshots",
        "get_snapshot_info",
        "delete_snapshot",
    ];
    if without(world, &needs, &mut report) {
        return report;
    }
    let stem = format!("conformance-{}", fresh());
    let params = json!({ "device": world.camera, "filename": stem });
    let first = step!(report, world.result("take_snapshot", params.clone()).await);
    let second = step!(report, world.result("take_snapshot", params).await);
    for (made, wanted) in [(&first, stem.clone()), (&second, format!("{stem}-2"))] {
        let name = made["filename"].as_str().unwrap_or("");
        report.expect(name.trim_end_matches(".jpg") == wanted, || {
            format!("take_snapshot role=admin case=filename {wanted:?}: came {name:?} (§20.22)")
        });
        report.expect(
            !name.contains('/')
                && made["file_path"]
                    .as_str()
                    .is_some_and(|p| p.contains(&wanted)),
            || {
                format!(
                    "take_snapshot role=admin case=file_path: {}",
                    made["file_path"]
                )
            },
        );
    }
    let info = step!(
        report,
        world
            .result(
                "get_snapshot_info",
                json!({ "filename": first["filename"] })
            )
            .await
    );
    report.expect(info["file_size"] == first["file_size"], || {
        format!(
            "get_snapshot_info role=admin case=file_size: {} and {}",
            info["file_size"], first["file_size"]
        )
    });
    let picture = files(world, &mut report, "snapshots", &info).await;
    report.expect(
        picture.starts_with(&[0xff, 0xd8, 0xff]) && picture.ends_with(&[0xff, 0xd9]),
        || {
            format!(
                "take_snapshot role=admin case=the file: {} bytes that are no JPEG",
                picture.len()
            )
        },
    );
    let list = step!(
        report,
        world
            .result("list_snapshots", json!({ "limit": 1000 }))
            .await
    );
    pages(world, &mut report, "list_snapshots", &list).await;
    for made in [first, second] {
        let gone = step!(
            report,
            world
                .result("delete_snapshot", json!({ "filename": made["filename"] }))
                .await
        );
        report.expect(gone["deleted"] == true, || {
            format!("delete_snapshot role=admin case=a present one: {gone}")
        });
        let reply = world
            .call("get_snapshot_info", json!({ "filename": made["filename"] }))
            .await;
        report.judge(
            "get_snapshot_info role=admin case=after deletion",
            None,
            &Wanted::code(-32010),
            &reply,
        );
    }
    report
}

/// A list is of files, newest first, and can be turned page by page (§3, §16.5).
async fn pages(world: &mut World, report: &mut Report, method: &str, all: &Value) {
    let empty = Vec::new();
    let files = all["files"].as_array().unwrap_or(&empty);
    let times: Vec<_> = files
        .iter()
        .filter_map(|f| f["modified_time"].as_str().and_then(instant))
        .collect();
    report.expect(times.is_sorted_by(|a, b| a >= b), || {
        format!("{method} role=admin case=order: not the newest first: {times:?}")
    });
    report.expect(
        all["total"].as_u64() == u64::try_from(files.len()).ok() || files.len() == 1000,
        || {
            format!(
                "{method} role=admin case=total: {} of {} files",
                all["total"],
                files.len()
            )
        },
    );
    let kind = if method == "list_recordings" {
        "recording"
    } else {
        "snapshot"
    };
    for file in files.iter().take(20) {
        let path = file["download_url"].as_str().unwrap_or("").to_owned();
        let info = world
            .call(
                &format!("get_{kind}_info"),
                json!({ "filename": file["filename"] }),
            )
            .await;
        let found = info
            .as_ref()
            .is_ok_and(|i| i.result()["download_url"] == path.as_str());
        report.expect(found || !world.offers(&["get_recording_info"]), || {
            format!("{method} role=admin case=each listed name is known to get_{kind}_info (§16.5): {} {info:?}", file["filename"])
        });
    }
    let one = world
        .try_call(method, json!({ "limit": 1, "offset": 1 }))
        .await
        .unwrap_or_default();
    report.expect(
        one["files"][0]["filename"] == all["files"][1]["filename"] && one["total"] == all["total"],
        || format!("{method} role=admin case=the second page of one: {one}"),
    );
    let beyond = world
        .try_call(method, json!({ "offset": 1_000_000 }))
        .await
        .unwrap_or_default();
    report.expect(
        beyond["files"] == json!([]) && beyond["limit"] == 50 && beyond["offset"] == 1_000_000,
        || format!("{method} role=admin case=a page beyond the end: {beyond}"),
    );
}

/// A file over HTTP: who may, whole, in parts, by which verbs (§10, §20.6, §20.24). Gives its bytes.
async fn files(world: &mut World, report: &mut Report, kind: &str, info: &Value) -> Vec<u8> {
    let server = world.stage.server.clone();
    let authority = server.authority.as_str();
    let path = info["download_url"].as_str().unwrap_or("/").to_owned();
    let label = |case: &str| format!("GET {path} case={case}");
    for (case, headers) in [
        ("no credentials", vec![]),
        ("a forged token", bearer("forged")),
        ("a forged key", vec!["x-api-key: csk_0".to_owned()]),
    ] {
        match fetch(authority, "GET", &path, &headers).await {
            Ok(page) => report.expect(
                page.status == 401 && page.header("www-authenticate").is_some(),
                || {
                    format!(
                        "{}: {} without WWW-Authenticate or not 401 (§20.24)",
                        label(case),
                        page.status
                    )
                },
            ),
            Err(why) => report.expect(false, || why),
        };
    }
    let allowed = bearer(&server.tokens[0]);
    let whole = match fetch(authority, "GET", &path, &allowed).await {
        Ok(page) => page,
        Err(why) => {
            report.failures.push(why);
            return Vec::new();
        }
    };
    let size = whole.body.len();
    report.expect(
        whole.status == 200 && info["file_size"].as_u64() == u64::try_from(size).ok(),
        || {
            format!(
                "{}: {} with {size} bytes; the info says {} (§16.4–7)",
                label("a viewer's token"),
                whole.status,
                info["file_size"]
            )
        },
    );
    report.expect(
        whole.header("content-type").is_some()
            && whole
                .header("content-disposition")
                .is_some_and(|d| d.contains("attachment")),
        || {
            format!(
                "{}: no Content-Type or no attachment: {} (§10)",
                label("headers"),
                whole.head
            )
        },
    );
    let part = [allowed.clone(), vec!["range: bytes=2-5".to_owned()]].concat();
    if let Ok(page) = fetch(authority, "GET", &path, &part).await {
        report.expect(
            page.status == 206 && page.body == whole.body[2..6.min(size)],
            || {
                format!(
                    "{}: {} with {} bytes (RFC 9110 §14)",
                    label("Range bytes=2-5"),
                    page.status,
                    page.body.len()
                )
            },
        );
    }
    let beyond = [allowed.clone(), vec![format!("range: bytes={size}-")]].concat();
    if let Ok(page) = fetch(authority, "GET", &path, &beyond).await {
        report.expect(page.status == 416, || {
            format!("{}: {}", label("a Range beyond the end"), page.status)
        });
    }
    if let Ok(page) = fetch(authority, "HEAD", &path, &allowed).await {
        report.expect(page.status == 200 && page.body.is_empty(), || {
            format!(
                "HEAD {path}: {} with {} bytes",
                page.status,
                page.body.len()
            )
        });
    }
    for verb in ["POST", "PUT", "DELETE"] {
        if let Ok(page) = fetch(authority, verb, &path, &allowed).await {
            report.expect(page.status == 405, || {
                format!("{verb} {path}: {}, not 405 (§20.24)", page.status)
            });
        }
    }
    for escape in [
        "../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "....//etc/passwd",
        "a%00b",
    ] {
        let path = format!("/files/{kind}/{escape}");
        if let Ok(page) = fetch(authority, "GET", &path, &allowed).await {
            report.expect((400..=404).contains(&page.status), || {
                format!(
                    "GET {path} case=a way out of the folder (§16.17): {}",
                    page.status
                )
            });
        }
    }
    let stem = info["filename"]
        .as_str()
        .unwrap_or("")
        .trim_end_matches(".jpg");
    let short = format!("/files/{kind}/{stem}");
    if kind == "recordings"
        && let Ok(page) = fetch(authority, "GET", &short, &allowed).await
    {
        report.expect(page.status == 200 && page.body == whole.body, || {
            format!(
                "GET {short} case=without extension: {} (§20.6)",
                page.status
            )
        });
    }
    whole.body
}

/// The camera list, the status and the capabilities agree and are true (§16.12, §16.13).
pub(crate) async fn cameras(world: &mut World) -> Report {
    let mut report = Report::default();
    let device = json!({ "device": world.camera });
    let list = step!(report, world.result("get_camera_list", json!({})).await);
    let cameras = list["cameras"].as_array().cloned().unwrap_or_default();
    let connected = cameras
        .iter()
        .filter(|c| c["status"] == "CONNECTED")
        .count();
    report.expect(list["total"] == cameras.len() && list["connected"] == connected, || {
        format!("get_camera_list role=admin case=counts: total {}, connected {} of {} with {connected} CONNECTED", list["total"], list["connected"], cameras.len())
    });
    let status = step!(
        report,
        world.result("get_camera_status", device.clone()).await
    );
    let caps = step!(
        report,
        world
            .result("get_camera_capabilities", device.clone())
            .await
    );
    let in_list = cameras
        .iter()
        .find(|c| c["device"] == world.camera.as_str())
        .cloned()
        .unwrap_or_default();
    for field in ["device", "status", "name", "resolution", "fps", "streams"] {
        report.expect(status[field] == in_list[field], || {
            format!(
                "get_camera_status role=admin case=the same as in the list: {field} is {} and {}",
                status[field], in_list[field]
            )
        });
    }
    let has = |list: &Value, value: &Value| list.as_array().is_some_and(|l| l.contains(value));
    report.expect(has(&caps["resolutions"], &status["resolution"]), || {
        format!("get_camera_status role=admin case=the present size is one of the camera's (§16.13): {} of {}", status["resolution"], caps["resolutions"])
    });
    report.expect(
        caps["fps_options"]
            .as_array()
            .is_some_and(|f| !f.is_empty()),
        || {
            format!(
                "get_camera_capabilities role=admin case=fps_options (§16.13): {}",
                caps["fps_options"]
            )
        },
    );
    let text = world
        .call("get_camera_list", json!({}))
        .await
        .map(|a| a.raw)
        .unwrap_or_default();
    report.expect(!text.contains("/dev/video"), || {
        "get_camera_list role=admin case=/dev/videoN in a public answer (§3)".to_owned()
    });
    let host = world
        .stage
        .server
        .authority
        .rsplit_once(':')
        .map_or("", |(h, _)| h)
        .to_owned();
    for (name, url) in status["streams"].as_object().into_iter().flatten() {
        report.expect(url.as_str().is_some_and(|u| u.contains(&format!("//{host}"))), || {
            format!("get_camera_status role=admin case=links lead where the client is (§16.12): {name} is {url}, we came by {host}")
        });
    }
    let url = step!(report, world.result("get_stream_url", device).await);
    report.expect(url["stream_url"] == status["streams"]["rtsp"], || {
        format!(
            "get_stream_url role=admin case=the same link everywhere: {} and {}",
            url["stream_url"], status["streams"]["rtsp"]
        )
    });
    let streams = step!(report, world.result("get_streams", json!({})).await);
    let named = streams
        .as_array()
        .is_some_and(|s| s.iter().any(|s| s["name"] == url["stream_name"]));
    report.expect(named, || {
        format!("get_streams role=admin case=the camera's stream is among them: {streams}")
    });
    report
}

/// Starting and stopping a stream tells the truth (§16.7, §20.12, §20.17).
pub(crate) async fn streams(world: &mut World) -> Report {
    let mut report = Report::default();
    if without(
        world,
        &["start_streaming", "stop_streaming", "get_stream_status"],
        &mut report,
    ) {
        return report;
    }
    let device = json!({ "device": world.camera });
    let _ = world.try_call("stop_streaming", device.clone()).await;
    let reply = world.call("stop_streaming", device.clone()).await;
    report.judge(
        "stop_streaming role=admin case=not started (§20.12)",
        None,
        &Wanted::code(-32020),
        &reply,
    );
    let start = step!(
        report,
        world.result("start_streaming", device.clone()).await
    );
    report.expect(start["status"] == "STARTED", || {
        format!("start_streaming role=admin case=a good camera: {start}")
    });
    let status = step!(
        report,
        world.result("get_stream_status", device.clone()).await
    );
    report.expect(
        status["ready"] == true && status["mediamtx_path"]["ready"] == true,
        || format!("get_stream_status role=admin case=after start_streaming: {status}"),
    );
    let stop = step!(report, world.result("stop_streaming", device).await);
    report.expect(
        stop["start_time"] == start["start_time"] && stop["duration"].as_u64() < Some(60),
        || format!("stop_streaming role=admin case=true times (§16.7): {stop} after {start}"),
    );
    report
}

/// An external stream is a real path, is listed once, and can be taken away (§16.10, §20.21).
pub(crate) async fn external(world: &mut World) -> Report {
    let mut report = Report::default();
    let needs = [
        "add_external_stream",
        "remove_external_stream",
        "get_external_streams",
    ];
    if without(world, &needs, &mut report) {
        return report;
    }
    let n = fresh();
    let name = format!("conformance-{n}");
    let secret = "conformance-secret";
    let url = format!("rtsp://user:{secret}@192.0.2.1:554/conformance-{n}");
    let stream = json!({ "stream_url": url, "stream_name": name });
    let answer = step!(
        report,
        world.call("add_external_stream", stream.clone()).await
    );
    report.expect(answer.is_success() && !answer.raw.contains(secret), || {
        format!("add_external_stream role=admin case=with credentials: refused, or the password is shown (§20.21): {}", answer.json)
    });
    for (what, twice) in [
        (
            "a known URL",
            json!({ "stream_url": url, "stream_name": format!("{name}-b") }),
        ),
        (
            "a known name",
            json!({ "stream_url": format!("{url}-b"), "stream_name": name }),
        ),
    ] {
        let reply = world.call("add_external_stream", twice).await;
        report.judge(
            &format!("add_external_stream role=admin case={what} (§20.21)"),
            None,
            &Wanted::code(-32020),
            &reply,
        );
    }
    let answer = step!(report, world.call("get_external_streams", json!({})).await);
    let list = answer.result().clone();
    let found = list["external_streams"]
        .as_array()
        .is_some_and(|l| l.iter().any(|s| s["name"] == name.as_str()));
    report.expect(found && !answer.raw.contains(secret), || {
        format!("get_external_streams role=admin case=what was added: missing, or its password is shown: {list}")
    });
    let deadline = Instant::now() + SOON;
    let mut streams = Value::Null;
    let mut is_path = false;
    // MediaMTX may be looked at now and then only.
    while !is_path && Instant::now() < deadline {
        streams = step!(report, world.result("get_streams", json!({})).await);
        let mut all = streams.as_array().into_iter().flatten();
        is_path = all.any(|s| s["name"] == name.as_str());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    report.expect(is_path, || {
        format!("get_streams role=admin case=an external stream is a path like any other (§16.10): {streams}")
    });
    let reply = world
        .call("remove_external_stream", json!({ "stream_url": url }))
        .await;
    report.judge(
        "remove_external_stream role=admin case=what was added",
        None,
        &Wanted::success(),
        &reply,
    );
    let reply = world
        .call("remove_external_stream", json!({ "stream_url": url }))
        .await;
    report.judge(
        "remove_external_stream role=admin case=twice",
        None,
        &Wanted::code(-32010),
        &reply,
    );
    report
}

/// An external stream with a picture is snapshot and recorded by its name like a camera (§20.21).
/// The picture is our own camera's, by way of RTSP.
pub(crate) async fn external_picture(world: &mut World) -> Report {
    let mut report = Report::default();
    let needs = [
        "add_external_stream",
        "remove_external_stream",
        "take_snapshot",
        "start_recording",
        "stop_recording",
    ];
    if without(world, &needs, &mut report) {
        return report;
    }
    let Some(url) = world.stage.card("/cameras/0/rtsp").map(str::to_owned) else {
        report
            .left_out
            .push("an external stream with a picture: only our own service is one".to_owned());
        return report;
    };
    let name = format!("conformance-{}", fresh());
    let stream = json!({ "stream_url": url, "stream_name": name });
    step!(report, world.result("add_external_stream", stream).await);
    let device = json!({ "device": name });
    for method in ["get_stream_url", "get_stream_status", "take_snapshot"] {
        let reply = world.call(method, device.clone()).await;
        let label = format!("{method} role=admin case=device is an external stream (§20.21)");
        let row = crate::contract::method(method);
        report.judge(&label, Some(row), &Wanted::success(), &reply);
        if let Ok(answer) = reply
            && method == "take_snapshot"
        {
            let made = answer.result()["filename"].clone();
            world.discard("delete_snapshot", &made).await;
        }
    }
    let start = step!(
        report,
        world.result("start_recording", device.clone()).await
    );
    step!(report, world.grown(&start["filename"]).await);
    let stop = step!(report, world.result("stop_recording", device).await);
    report.expect(
        stop["device"] == name.as_str() && stop["file_size"].as_u64() > Some(1024),
        || format!("stop_recording role=admin case=an external stream was recorded: {stop}"),
    );
    world.discard("delete_recording", &stop["filename"]).await;
    let reply = world
        .call("remove_external_stream", json!({ "stream_url": url }))
        .await;
    let label = "remove_external_stream role=admin case=one with a picture";
    report.judge(label, None, &Wanted::success(), &reply);
    report
}

/// Events reach those who asked for them, and nobody else (§6, §16.1, §20.18).
pub(crate) async fn events(world: &mut World) -> Report {
    let mut report = Report::default();
    let needs = [
        "subscribe_events",
        "unsubscribe_events",
        "get_subscription_stats",
    ];
    if without(world, &needs, &mut report) {
        return report;
    }
    let mut wire = world.another(Role::Viewer);
    let mut other = world.another(Role::Viewer);
    let reply = other.ask("ping", None).await;
    report.judge(
        "ping role=viewer case=one who subscribes to nothing",
        None,
        &Wanted::success(),
        &reply,
    );
    for topic in TOPICS.iter().chain(ALIASES) {
        let reply = wire
            .call("subscribe_events", &json!({ "topics": [topic] }))
            .await;
        report.judge(
            &format!("subscribe_events role=viewer case=the documented topic {topic}"),
            None,
            &Wanted::success(),
            &reply,
        );
    }
    let stats = step!(report, wire.ask("get_subscription_stats", None).await);
    let topics = stats.result()["client_topics"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    report.expect(TOPICS.iter().all(|t| topics.contains(&json!(t))), || {
        format!("get_subscription_stats role=viewer case=one set per client (§20.18): {topics:?}")
    });
    let removed = step!(report, wire.ask("unsubscribe_events", None).await);
    let count = removed.result()["topics"].as_array().map_or(0, Vec::len);
    report.expect(count >= TOPICS.len(), || {
        format!(
            "unsubscribe_events role=viewer case=all: it names {count} of {} (§20.18)",
            TOPICS.len()
        )
    });
    let camera = world.camera.clone();
    let reply = wire.call("subscribe_events", &json!({ "topics": ["snapshot.taken", "recording.start", "recording.stop"], "filters": { "device": camera } })).await;
    report.judge(
        "subscribe_events role=viewer case=three topics of one camera",
        None,
        &Wanted::success(),
        &reply,
    );
    let mut elsewhere = world.another(Role::Viewer);
    let reply = elsewhere
        .call(
            "subscribe_events",
            &json!({ "topics": ["snapshot.taken"], "filters": { "device": "camera9998" } }),
        )
        .await;
    report.judge(
        "subscribe_events role=viewer case=a topic of another camera",
        None,
        &Wanted::success(),
        &reply,
    );
    if !without(world, &["take_snapshot"], &mut report) {
        let made = step!(
            report,
            world
                .result("take_snapshot", json!({ "device": world.camera }))
                .await
        );
        let note = wire
            .hear(SOON, |n| is_notification(n, "snapshot.taken"))
            .await;
        report.expect(
            note.as_ref().is_some_and(|n| {
                n["params"]["device"] == world.camera.as_str()
                    && n["params"]["timestamp"]
                        .as_str()
                        .is_some_and(|t| instant(t).is_some())
            }),
            || format!("snapshot.taken role=viewer case=subscribed: {note:?} (§16.1)"),
        );
        // Whoever did not ask for it hears nothing: a ping's answer comes after whatever was sent before.
        for (wire, who) in [
            (&mut other, "did not subscribe"),
            (&mut elsewhere, "asked for another camera"),
        ] {
            let _ = wire.ask("ping", None).await;
            let strange = wire.heard.iter().find(|n| n["method"] == "snapshot.taken");
            report.expect(strange.is_none(), || {
                format!("snapshot.taken role=viewer case=one who {who}: {strange:?}")
            });
        }
        world.discard("delete_snapshot", &made["filename"]).await;
    }
    if !without(world, &["start_recording", "stop_recording"], &mut report) {
        step!(report, world.idle().await);
        step!(report, world.recording().await);
        for (topic, status) in [
            ("recording.start", "STARTED"),
            ("recording.stop", "STOPPED"),
        ] {
            if topic == "recording.stop" {
                step!(report, world.idle().await);
            }
            let note = wire.hear(SOON, |n| is_notification(n, topic)).await;
            report.expect(note.is_some(), || {
                format!("{topic} role=viewer case=subscribed: nothing came (§16.1)")
            });
            let seconds = note.map(|n| n["params"]["duration"].clone());
            let whole = seconds.as_ref().is_none_or(|s| s.is_null() || s.is_u64());
            report.expect(whole, || {
                format!("{topic} role=viewer case=duration: {seconds:?} are no whole seconds (§3)")
            });
            let told = other.hear(SOON, |n| {
                is_notification(n, "recording_status_update") && n["params"]["status"] == status
            });
            let told = told.await;
            let exact = told
                .as_ref()
                .and_then(|n| n["params"].as_object())
                .is_some_and(|p| {
                    ["device", "status", "filename", "duration"]
                        .iter()
                        .all(|f| p.contains_key(*f))
                        && p["duration"].is_u64()
                });
            report.expect(exact, || {
                format!("recording_status_update role=viewer case={status} to everyone logged in (§6): {told:?}")
            });
        }
    }
    let before = world
        .try_call("get_subscription_stats", json!({}))
        .await
        .unwrap_or_default();
    for mut gone in [wire, elsewhere] {
        gone.end().await;
    }
    let mut after = Value::Null;
    for _ in 0..100 {
        after = world
            .try_call("get_subscription_stats", json!({}))
            .await
            .unwrap_or_default();
        if after["global_stats"]["topic_counts"]["snapshot.taken"]
            .as_u64()
            .unwrap_or(0)
            == 0
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    report.expect(
        is_foreign() || after["global_stats"]["total_subscriptions"].as_u64() < before["global_stats"]["total_subscriptions"].as_u64(),
        || format!("get_subscription_stats role=admin case=after subscribers left (§16.28): {after}, before {before}"),
    );
    report
}

/// Figures of storage and system are true (§16.9, §16.15, §16.26).
pub(crate) async fn system(world: &mut World) -> Report {
    let mut report = Report::default();
    if !without(world, &["get_system_status"], &mut report) {
        let status = step!(report, world.result("get_system_status", json!({})).await);
        report.expect(status["status"] == "ready", || {
            format!("get_system_status role=admin case=a picture flows, so it is ready (§16.15): {status}")
        });
        let cameras = &status["available_cameras"];
        report.expect(
            cameras
                .as_array()
                .is_some_and(|c| c.contains(&json!(world.camera))),
            || format!("get_system_status role=admin case=the camera is available: {cameras}"),
        );
    }
    if !without(
        world,
        &["get_storage_info", "list_recordings", "list_snapshots"],
        &mut report,
    ) {
        if let Ok(names) = world.prepare(crate::contract::Fixture::SnapshotFile).await {
            let storage = step!(report, world.result("get_storage_info", json!({})).await);
            for (method, field) in [
                ("list_recordings", "recordings_size"),
                ("list_snapshots", "snapshots_size"),
            ] {
                let list = step!(report, world.result(method, json!({ "limit": 1000 })).await);
                let sum: u64 = list["files"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|f| f["file_size"].as_u64())
                    .sum();
                let told = storage[field].as_u64().unwrap_or(0);
                report.expect(list["total"].as_u64() > Some(1000) || told >= sum, || {
                    format!("get_storage_info role=admin case={field}: {told}, but {method} adds up to {sum} (§16.9)")
                });
            }
            let [total, used, free] = ["total_space", "used_space", "available_space"]
                .map(|f| storage[f].as_u64().unwrap_or(0));
            report.expect(total > 0 && used <= total && free <= total, || {
                format!("get_storage_info role=admin case=sums: {storage}")
            });
            if let Some(name) = names.get("$snapshot") {
                world.discard("delete_snapshot", &json!(name)).await;
            }
        } else {
            report.not_offered += 1;
        }
    }
    if !without(world, &["get_status"], &mut report) {
        let first = step!(report, world.result("get_status", json!({})).await);
        let second = step!(report, world.result("get_status", json!({})).await);
        report.expect(
            second["uptime"].as_f64() >= first["uptime"].as_f64()
                && first["uptime"].as_f64() > Some(0.0),
            || {
                format!(
                    "get_status role=admin case=uptime goes on: {} then {}",
                    first["uptime"], second["uptime"]
                )
            },
        );
        report.expect(first["components"]["mediamtx"] == "RUNNING", || {
            format!("get_status role=admin case=components: {first}")
        });
    }
    report
}
