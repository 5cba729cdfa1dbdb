//! A stretch of time over several recordings, as a player and a downloader meet it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::stage::Demo;
use super::support::{Answer, Client, Folder, http};
use super::{client, decodes, eventually, file, probed, result};

/// Records `camera0` for about so long; gives the name and the time of the first picture.
async fn record(operator: &mut Client, name: &str, lasts: Duration) -> String {
    let params = json!({ "device": "camera0", "filename": name });
    let started = result(operator, "start_recording", params).await;
    tokio::time::sleep(lasts).await;
    result(operator, "stop_recording", json!({ "device": "camera0" })).await;
    started["start_time"].as_str().unwrap().to_owned()
}

/// `time` and so many milliseconds.
fn later(time: &str, millis: i64) -> String {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    let at = OffsetDateTime::parse(time, &Rfc3339).unwrap();
    (at + time::Duration::milliseconds(millis))
        .format(&Rfc3339)
        .unwrap()
}

fn fetch(url: &str, to: &Path, more: &[&str]) {
    let out = Command::new("curl")
        .args(["-sSf", "-m", "20", "-o"])
        .arg(to)
        .args(more)
        .arg(url)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{url}: {said}");
}

/// Times (ms), flags and checksum of each packet, as ffprobe sees them.
fn packets(path: &Path) -> Vec<(i64, bool, String)> {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-show_data_hash"])
        .args(["MD5", "-show_entries", "packet=pts_time,flags,data_hash"])
        .args(["-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(complaints.is_empty(), "{complaints}");
    let text = String::from_utf8(out.stdout).unwrap();
    let packet = |line: &str| {
        let mut cells = line.split(',');
        let seconds: f64 = cells.next()?.parse().ok()?;
        let sync = cells.next()?.starts_with('K');
        #[expect(clippy::cast_possible_truncation, reason = "minutes, in milliseconds")]
        let millis = (seconds * 1000.0).round() as i64;
        Some((millis, sync, cells.next()?.to_owned()))
    };
    text.lines().filter_map(packet).collect()
}

fn hashes(path: &Path) -> Vec<String> {
    packets(path).into_iter().map(|(_, _, hash)| hash).collect()
}

struct Place {
    demo: Demo,
    operator: Client,
    folder: Folder,
    addr: SocketAddr,
}

impl Place {
    async fn new() -> Self {
        let demo = Demo::start(&[]);
        let operator = client(&demo, "operator").await;
        let ws = demo.text("/ws");
        let addr = ws.trim_start_matches("ws://").trim_end_matches("/ws");
        Self {
            operator,
            folder: Folder::new(),
            addr: addr.parse().unwrap(),
            demo,
        }
    }

    async fn link(&mut self, start: &str, more: Value) -> Value {
        let mut params = json!({ "device": "camera0", "start": start });
        for (key, value) in more.as_object().unwrap() {
            params[key] = value.clone();
        }
        result(&mut self.operator, "get_range_url", params).await
    }

    fn fetched(&self, link: &Value, name: &str) -> PathBuf {
        let path = self.folder.0.join(name);
        fetch(link["url"].as_str().unwrap(), &path, &[]);
        assert_eq!(path.metadata().unwrap().len(), link["file_size"]);
        path
    }

    async fn get(&self, verb: &str, path: &str, extra: &str) -> Answer {
        http(self.addr, verb, path, extra, "").await
    }
}

#[tokio::test]
async fn two_recordings_and_the_hole_between_them_play_as_one() {
    let mut place = Place::new().await;
    let first = record(&mut place.operator, "one", Duration::from_millis(2500)).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let second = record(&mut place.operator, "two", Duration::from_millis(2500)).await;
    let parts = ["one", "two"].map(|name| file(&place.demo, name));

    // All of both.
    let all = place
        .link(&later(&first, -5000), json!({ "duration": 60 }))
        .await;
    println!("{all}");
    let names = all["recordings"].as_array().unwrap().iter();
    let names: Vec<&Value> = names.map(|part| &part["filename"]).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(all["gaps"].as_array().unwrap().len(), 1, "{all}");
    assert_eq!(all["complete"], false);
    let path = place.fetched(&all, "all.mp4");
    decodes(&path);
    let seen = packets(&path);
    assert!(seen.windows(2).all(|two| two[0].0 < two[1].0), "{seen:?}");
    assert_eq!(
        hashes(&path),
        [hashes(&parts[0]), hashes(&parts[1])].concat()
    );
    let told = all["duration_ms"].as_f64().unwrap() / 1000.0;
    assert!(
        (probed(&path) - told).abs() < 0.1,
        "{} {told}",
        probed(&path)
    );
    // The picture of the second stands where its time is.
    let hole = all["gaps"][0]["length_ms"].as_i64().unwrap();
    let at = packets(&parts[0]).len();
    assert!(
        (seen[at].0 - seen[at - 1].0 - hole).abs() < 100,
        "{hole} {seen:?}"
    );
    assert!(seen[at].1, "a key frame begins the second");

    // A part of each.
    let link = place
        .link(&later(&first, 1500), json!({ "end": later(&second, 1200) }))
        .await;
    assert_eq!(link["complete"], true);
    let path = place.fetched(&link, "part.mp4");
    decodes(&path);
    let seen = packets(&path);
    assert_eq!((seen[0].0, seen[0].1), (0, true));
    let one = hashes(&parts[0]);
    let from = one.iter().position(|hash| *hash == seen[0].2).unwrap();
    let two = hashes(&parts[1]);
    let wanted = [&one[from..], &two[..]].concat();
    let got: Vec<String> = seen.into_iter().map(|(_, _, hash)| hash).collect();
    assert_eq!(got, wanted[..got.len()]);
    assert!(got.len() > one.len() - from && got.len() < wanted.len());

    // What the answer tells of itself.
    let told = place.demo.text("/tokens/viewer");
    let path = link["download_url"].as_str().unwrap();
    let discovered = result(&mut place.operator, "rpc.discover", json!({})).await;
    let shape = &discovered["components"]["schemas"]["RangeUrl"]["properties"];
    let keys = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&link), keys(shape));
    let head = place.get("HEAD", path, "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(
        head.header("content-length").unwrap(),
        link["file_size"].to_string()
    );
    assert_eq!(
        head.header("recording-start").unwrap(),
        link["start_time"].as_str().unwrap().to_lowercase()
    );
    assert!(
        head.header("content-disposition")
            .unwrap()
            .contains("camera0_20")
    );
    let tag = head.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"'), "{tag}");
    let bare = path.split("&expires").next().unwrap();
    for permit in ["authorization: Bearer", "x-api-key:"] {
        let again = place
            .get("HEAD", bare, &format!("{permit} {told}\r\n"))
            .await;
        assert_eq!(
            (again.status, again.header("etag")),
            (200, Some(tag.as_str()))
        );
    }
    let known = place
        .get("GET", path, &format!("if-none-match: {tag}\r\n"))
        .await;
    assert_eq!(known.status, 304);
    assert_eq!(
        place
            .get("GET", path, "range: bytes=99999999-\r\n")
            .await
            .status,
        416
    );
    let other = "range: bytes=0-3\r\nif-range: \"other\"\r\n";
    assert_eq!(place.get("HEAD", path, other).await.status, 200);

    // What is refused.
    for (path, status) in [
        (bare.to_owned(), 401),
        (path.replace("camera0", "camera1"), 401),
        (path.replace("start=2", "start=1"), 401),
    ] {
        assert_eq!(place.get("GET", &path, "").await.status, status, "{path}");
    }
    let token = format!("x-api-key: {told}\r\n");
    for (path, status, word) in [
        (
            "/files/range/camera0?start=2020-01-01T00:00:00Z&duration=60",
            404,
            "begins at 20",
        ),
        (
            "/files/range/camera7?start=2020-01-01T00:00:00Z&duration=60",
            404,
            "no recording of camera7",
        ),
        (
            "/files/range/camera0?start=2020-01-01T00:00:00Z&duration=86400",
            400,
            "12 hours",
        ),
        (
            "/files/range/camera0?start=yesterday&duration=60",
            400,
            "RFC 3339",
        ),
        ("/files/range/camera0", 400, "RFC 3339"),
        (
            "/files/range/%2e%2e?start=2020-01-01T00:00:00Z&duration=60",
            404,
            "no camera",
        ),
    ] {
        let answer = place.get("GET", path, &token).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(
            answer.json()["error"].as_str().unwrap().contains(word),
            "{answer:?}"
        );
    }
    let params = json!({ "device": "camera0", "start": "2020-01-01T00:00:00Z", "duration": 5 });
    let fault = place.operator.call("get_range_url", params).await["error"].take();
    assert_eq!(fault["code"], -32010, "{fault}");
    assert!(
        fault["data"]["nearest_after"].as_str().unwrap() > "2021",
        "{fault}"
    );
    let params = json!({ "device": "camera0", "start": "2020-01-01T00:00:00Z" });
    let fault = place.operator.call("get_range_url", params).await["error"].take();
    assert_eq!(
        (&fault["code"], &fault["data"]["param"]),
        (&json!(-32602), &json!("end"))
    );
}

#[tokio::test]
async fn a_recording_that_runs_is_played_and_its_past_stays_the_same_also_as_a_plain_mp4() {
    let mut place = Place::new().await;
    let params = json!({ "device": "camera0", "filename": "live", "format": "mp4" });
    let started = result(&mut place.operator, "start_recording", params).await;
    let start = started["start_time"].as_str().unwrap().to_owned();
    let wanted = json!({ "end": later(&start, 2000) });
    let link = eventually(
        "the stretch is whole",
        Duration::from_secs(15),
        async || {
            let params = json!({ "device": "camera0", "start": start, "end": wanted["end"] });
            let link = place.operator.call("get_range_url", params).await;
            (link["result"]["complete"] == true).then(|| link["result"].clone())
        },
    )
    .await;
    let path = place.fetched(&link, "live.mp4");
    decodes(&path);
    let before = packets(&path);
    let open = place.link(&start, json!({ "duration": 3600 })).await;
    assert_eq!(open["complete"], false);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    // The link of what runs goes as far as it went when it was made.
    let path = place.folder.0.join("open.mp4");
    fetch(open["url"].as_str().unwrap(), &path, &[]);
    assert_eq!(path.metadata().unwrap().len(), open["file_size"]);
    decodes(&path);
    let again = place.link(&start, wanted.clone()).await;
    assert_eq!(again["file_size"], link["file_size"]);

    let stopped = result(
        &mut place.operator,
        "stop_recording",
        json!({ "device": "camera0" }),
    )
    .await;
    assert_eq!(stopped["format"], "mp4", "{stopped}");
    let link = place.link(&start, wanted).await;
    let path = place.fetched(&link, "plain.mp4");
    decodes(&path);
    assert_eq!(packets(&path), before);

    // Pieces are pieces of the whole, wherever they are cut.
    let whole = std::fs::read(&path).unwrap();
    let piece = place.folder.0.join("piece");
    let mut seed = 1_usize;
    for _ in 0..12 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let from = seed % whole.len();
        let until = (from + (seed >> 20) % 70_000).min(whole.len() - 1);
        fetch(
            link["url"].as_str().unwrap(),
            &piece,
            &["-r", &format!("{from}-{until}")],
        );
        assert!(
            std::fs::read(&piece).unwrap() == whole[from..=until],
            "{from}-{until}"
        );
    }

    // Deleted: what was there is not there.
    result(
        &mut place.operator,
        "delete_recording",
        json!({ "filename": "live" }),
    )
    .await;
    let gone = place
        .get("GET", link["download_url"].as_str().unwrap(), "")
        .await;
    assert_eq!(gone.status, 404, "{}", gone.head);
}

#[tokio::test]
async fn a_recording_of_another_size_follows_in_the_same_file() {
    let mut place = Place::new().await;
    let first = record(&mut place.operator, "small", Duration::from_millis(1500)).await;
    let wish = json!({ "device": "camera0", "resolution": "854x480" });
    result(&mut place.operator, "set_video", wish).await;
    eventually(
        "the camera has its size",
        Duration::from_secs(20),
        async || {
            let params = json!({ "device": "camera0" });
            let camera = place.operator.call("get_camera_status", params).await;
            let is = &camera["result"];
            (is["resolution"] == "854x480" && is["status"] == "CONNECTED").then_some(())
        },
    )
    .await;
    record(&mut place.operator, "large", Duration::from_millis(1500)).await;
    let link = place.link(&first, json!({ "duration": 120 })).await;
    assert_eq!(link["recordings"].as_array().unwrap().len(), 2, "{link}");
    let path = place.fetched(&link, "sizes.mp4");
    decodes(&path);
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "frame=width,height"])
        .args(["-of", "csv=p=0"])
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let mut sizes: Vec<&str> = text.lines().map(|l| l.trim_end_matches(',')).collect();
    let frames = sizes.len();
    sizes.dedup();
    assert_eq!(sizes, ["640,360", "854,480"]);
    let parts = ["small", "large"].map(|name| hashes(&file(&place.demo, name)).len());
    assert_eq!(frames, parts[0] + parts[1]);
    if let Some(keep) = std::env::var_os("KEEP_SIZES") {
        std::fs::copy(&path, keep).unwrap();
    }
}
