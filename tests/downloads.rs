//! Recordings and snapshots as people fetch them: with a token, by a link, in pieces, and not at all.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use camera_service::access::Role;
use camera_service::access::limits::{Gate, Rules};
use camera_service::clock::{self, Wall};
use camera_service::http::Limits;
use camera_service::rpc::session::{Login, Refused, Verify};
use serde_json::json;
use support::{Answer, Folder, Rig, http, library, raw, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const VIEWER: &str = "authorization: Bearer viewer\r\n";
const NAME: &str = "camera0_2026-01-02_03-04-05";
const TEXT: &str = "the whole recording, all of it";

/// A rig with one recording and one snapshot that have rested for an hour.
async fn rig(folder: &Folder) -> Rig {
    for (file, text) in [
        (format!("recordings/camera0/{NAME}.mp4"), TEXT),
        ("snapshots/camera2/door.jpg".to_owned(), "a picture"),
    ] {
        rest(&folder.write(&file, text.as_bytes()));
    }
    over(folder, Limits::default()).await
}

async fn over(folder: &Folder, limits: Limits) -> Rig {
    let library = Arc::new(library(&folder.0));
    Rig::with(|services| {
        services.library = Arc::clone(&library);
        // Rebuilt, because methods ask the same library as the doors.
        let desk = Arc::get_mut(&mut services.desk).unwrap();
        desk.downloads = library;
        services.limits = limits;
        services.origins = vec!["https://panel.example".to_owned()];
    })
    .await
}

fn rest(path: &Path) {
    let hour = Duration::from_secs(3600);
    let file = File::options().write(true).open(path).unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(clock::wall().as_secs());
    file.set_modified(now - hour).unwrap();
}

async fn get(rig: &Rig, path: &str, extra: &str) -> Answer {
    http(rig.api, "GET", path, extra, "").await
}

#[tokio::test]
async fn a_viewer_fetches_a_recording_by_its_stem_or_its_whole_name_on_either_port() {
    let folder = Folder::new();
    let rig = rig(&folder).await;
    for addr in [rig.api, rig.page] {
        for name in [
            NAME.to_owned(),
            format!("{NAME}.mp4"),
            NAME.replace('-', "%2D"),
        ] {
            let path = format!("/files/recordings/{name}");
            let answer = http(addr, "GET", &path, VIEWER, "").await;
            assert_eq!((answer.status, answer.body.as_str()), (200, TEXT), "{path}");
            let is = |header: &str, value: &str| {
                assert_eq!(answer.header(header), Some(value), "{path}");
            };
            is("content-type", "video/mp4");
            is("content-length", "30");
            is("accept-ranges", "bytes");
            is("x-content-type-options", "nosniff");
            is("cache-control", "private, no-cache");
            is(
                "content-disposition",
                &format!("attachment; filename=\"{NAME}.mp4\""),
            );
        }
    }
    let key = get(&rig, "/files/snapshots/door", "x-api-key: viewer\r\n").await;
    assert_eq!((key.status, key.body.as_str()), (200, "a picture"));
    assert_eq!(key.header("content-type"), Some("image/jpeg"));
    // Each kind has its own names.
    assert_eq!(
        get(&rig, "/files/recordings/door", VIEWER).await.status,
        404
    );
    rig.stop().await;
}

#[tokio::test]
async fn without_good_credentials_nothing_is_told_not_even_whether_the_file_exists() {
    let folder = Folder::new();
    let rig = rig(&folder).await;
    for file in [NAME, "nothing", "%2e%2e%2fsecret"] {
        let path = format!("/files/recordings/{file}");
        let stranger = get(&rig, &path, "").await;
        assert_eq!(stranger.status, 401, "{path}");
        assert_eq!(
            stranger.header("www-authenticate"),
            Some("bearer realm=\"camera-service\"")
        );
        assert!(!stranger.body.contains(TEXT));
        for wrong in [
            "authorization: Bearer nonsense\r\n",
            "x-api-key: nonsense\r\n",
        ] {
            let answer = get(&rig, &path, wrong).await;
            assert_eq!(answer.status, 401, "{path}");
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("invalid_token"), "{challenge}");
        }
    }
    let verb = http(rig.api, "DELETE", "/files/recordings/x", VIEWER, "").await;
    assert_eq!(verb.status, 405);
    assert_eq!(verb.header("allow"), Some("get, head, options"));
    // Only the preflight of a browser is another matter.
    let path = format!("/files/recordings/{NAME}");
    let plain = http(rig.api, "OPTIONS", &path, VIEWER, "").await;
    assert_eq!(plain.status, 405);
    rig.stop().await;
}

#[tokio::test]
async fn a_link_from_the_method_works_in_a_browser_that_sends_no_header() {
    let folder = Folder::new();
    let rig = rig(&folder).await;
    let mut client = rig.client("viewer").await;
    let asked = json!({ "kind": "recording", "filename": NAME });
    let answer = client.call("get_download_url", asked).await;
    let result = &answer["result"];
    assert_eq!(result["filename"], format!("{NAME}.mp4"), "{answer}");
    assert_eq!(result["file_size"], 30);
    let link = result["download_url"].as_str().unwrap();
    assert_eq!(result["url"], format!("http://{}{link}", rig.api));
    let whole = get(&rig, link, "").await;
    assert_eq!((whole.status, whole.body.as_str()), (200, TEXT));

    // It opens this file only, and only as it was signed.
    let elsewhere = link.replace("recordings", "snapshots");
    let longer = link.replace("expires=", "expires=9");
    let other = link.replace("user=ada", "user=bob");
    for bent in [elsewhere, longer, other] {
        assert_ne!(bent, link);
        assert_eq!(get(&rig, &bent, "").await.status, 401, "{bent}");
    }
    // A wrong header is not made good by a right link.
    let both = get(&rig, link, "x-api-key: nonsense\r\n").await;
    assert_eq!(both.status, 401);

    let code = |answer: serde_json::Value| answer["error"]["code"].as_i64().unwrap();
    let none = json!({ "kind": "recording", "filename": "nothing" });
    assert_eq!(code(client.call("get_download_url", none).await), -32010);
    for wrong in [
        json!({ "kind": "recording", "filename": "../secrets/jwt" }),
        json!({ "kind": "secret", "filename": NAME }),
        json!({ "kind": "recording", "filename": NAME, "ttl_s": 0 }),
    ] {
        assert_eq!(code(client.call("get_download_url", wrong).await), -32602);
    }
    let mut stranger = rig.stranger().await;
    let early = json!({ "kind": "recording", "filename": NAME });
    assert_eq!(code(stranger.call("get_download_url", early).await), -32001);
    rig.stop().await;
}

#[tokio::test]
async fn nobody_tries_keys_here_instead_of_on_the_socket() {
    let folder = Folder::new();
    rest(&folder.write("recordings/camera0/a.mp4", TEXT.as_bytes()));
    let rules = Rules {
        failed_logins_per_minute: 3,
        ..Rules::NONE
    };
    let library = Arc::new(library(&folder.0));
    let rig = Rig::with(|services| {
        services.library = Arc::clone(&library);
        let desk = Arc::get_mut(&mut services.desk).unwrap();
        desk.downloads = library;
        desk.guard.limits = Arc::new(Gate::new(rules));
    })
    .await;
    for wanted in [401, 401, 401, 429] {
        let answer = get(&rig, "/files/recordings/a", "x-api-key: guess\r\n").await;
        assert_eq!(answer.status, wanted, "{answer:?}");
    }
    let late = get(&rig, "/files/recordings/a", VIEWER).await;
    assert_eq!(late.status, 429, "a good key is not tried any more either");
    assert!(late.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_link_ends_at_its_time() {
    let folder = Folder::new();
    let rig = rig(&folder).await;
    let mut client = rig.client("viewer").await;
    let asked = json!({ "kind": "recording", "filename": NAME, "ttl_s": 1 });
    let answer = client.call("get_download_url", asked).await;
    let link = answer["result"]["download_url"].as_str().unwrap();
    within(async {
        loop {
            let answer = get(&rig, link, "").await;
            if answer.status == 401 {
                assert!(answer.body.contains("expired"), "{answer:?}");
                break;
            }
            assert_eq!(answer.status, 200);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped_and_never_mixes_two_files() {
    let folder = Folder::new();
    let rig = rig(&folder).await;
    let path = format!("/files/recordings/{NAME}");
    let first = get(&rig, &path, &format!("{VIEWER}range: bytes=0-9\r\n")).await;
    assert_eq!((first.status, first.body.as_str()), (206, "the whole "));
    assert_eq!(first.header("content-range"), Some("bytes 0-9/30"));
    let tag = first.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"'), "a resting file has a strong tag");

    let resume = format!("{VIEWER}range: bytes=10-\r\nif-range: {tag}\r\n");
    let rest_of_it = get(&rig, &path, &resume).await;
    assert_eq!(rest_of_it.status, 206);
    assert_eq!(format!("{}{}", first.body, rest_of_it.body), TEXT);

    let end = get(&rig, &path, &format!("{VIEWER}range: bytes=-2\r\n")).await;
    assert_eq!((end.status, end.body.as_str()), (206, "it"));
    let several = get(&rig, &path, &format!("{VIEWER}range: bytes=0-1,4-5\r\n")).await;
    assert_eq!((several.status, several.body.as_str()), (200, TEXT));
    let beyond = get(&rig, &path, &format!("{VIEWER}range: bytes=30-\r\n")).await;
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), Some("bytes */30"));

    // The same name, another recording: the part asked for would not fit what the client has.
    let file = folder.write(
        &format!("recordings/camera0/{NAME}.mp4"),
        b"something else altogether now!",
    );
    rest(&file);
    let changed = get(&rig, &path, &resume).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.body, "something else altogether now!");
    rig.stop().await;
}

#[tokio::test]
async fn a_copy_that_is_still_good_is_not_sent_again() {
    let folder = Folder::new();
    let rig = rig(&folder).await;
    let path = format!("/files/recordings/{NAME}");
    let head = http(rig.api, "HEAD", &path, VIEWER, "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some("30"));
    let tag = head.header("etag").unwrap();
    // As it was sent: a date's letters have their case.
    let sent = raw(
        rig.api,
        &format!("HEAD {path} HTTP/1.1\r\nhost: box\r\nconnection: close\r\n{VIEWER}\r\n"),
    )
    .await;
    let date = sent
        .lines()
        .find_map(|line| line.strip_prefix("last-modified: "))
        .unwrap();
    for condition in [
        format!("if-none-match: {tag}"),
        format!("if-modified-since: {date}"),
    ] {
        let answer = get(&rig, &path, &format!("{VIEWER}{condition}\r\n")).await;
        assert_eq!((answer.status, answer.body.as_str()), (304, ""));
        assert_eq!(answer.header("etag"), Some(tag));
    }
    let other = get(&rig, &path, &format!("{VIEWER}if-match: \"x\"\r\n")).await;
    assert_eq!(other.status, 412);
    rig.stop().await;
}

#[tokio::test]
async fn a_recording_that_still_runs_can_be_fetched_and_says_that_it_may_grow() {
    let folder = Folder::new();
    let rig = rig(&folder).await;
    folder.write("recordings/camera0/now.mp4", b"the beginning");
    let answer = get(&rig, "/files/recordings/now", VIEWER).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "the beginning")
    );
    assert!(answer.header("etag").unwrap().starts_with("w/\""));
    let empty = folder.write("recordings/camera0/empty.mp4", b"");
    rest(&empty);
    let empty = get(&rig, "/files/recordings/empty", VIEWER).await;
    assert_eq!(
        (empty.status, empty.header("content-length")),
        (200, Some("0"))
    );
    rig.stop().await;
}

#[tokio::test]
async fn no_name_and_no_link_on_the_disk_leads_out_of_the_folder() {
    let folder = Folder::new();
    let secret = folder.write("secrets/jwt.mp4", b"SECRET");
    let rig = rig(&folder).await;
    let camera = folder.0.join("recordings/camera0");
    symlink(&secret, camera.join("link.mp4")).unwrap();
    symlink(folder.0.join("secrets"), folder.0.join("recordings/evil")).unwrap();
    fs::create_dir(camera.join("folder.mp4")).unwrap();
    fs::write(camera.join(".hidden.mp4"), "SECRET").unwrap();
    nix::unistd::mkfifo(&camera.join("fifo.mp4"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for name in [
        "link",
        "link.mp4",
        "jwt",
        "jwt.mp4",
        "folder",
        "folder.mp4",
        "fifo.mp4",
        ".hidden.mp4",
        "%2ehidden.mp4",
        "..",
        "%2e%2e",
        "..%2f..%2fsecrets%2fjwt.mp4",
        "%2e%2e%2f%2e%2e%2fsecrets%2fjwt.mp4",
        "%252e%252e%252fsecrets%252fjwt.mp4",
        "..%5c..%5csecrets%5cjwt.mp4",
        "..%c0%af..%c0%afsecrets%c0%afjwt.mp4",
        "jwt.mp4%00.mp4",
        "..%00",
        "%",
        "%zz",
        "evil%2fjwt.mp4",
    ] {
        let answer = get(&rig, &format!("/files/recordings/{name}"), VIEWER).await;
        assert_eq!(answer.status, 404, "{name}: {answer:?}");
    }
    for path in [
        "/files/recordings/../secrets/jwt.mp4",
        "/files/recordings/evil/jwt.mp4",
        "/files/secrets/jwt.mp4",
        "/files//recordings/x",
    ] {
        let answer = get(&rig, path, VIEWER).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    rig.stop().await;
}

/// Everybody is who he says.
struct ByName;

impl Verify for ByName {
    fn verify(&self, token: &str, now: Wall) -> Result<Login, Refused> {
        let until = Wall::from_secs(now.as_secs() + 3600);
        Ok(Login::plain(token, Role::Viewer, until))
    }
}

/// Sends a request and reads only the first line of the answer.
async fn begin(rig: &Rig, path: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(rig.api).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: box\r\n{VIEWER}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(within(stream.read_u8()).await.unwrap());
    }
    (stream, String::from_utf8(line).unwrap())
}

/// Bytes of our memory that are really there.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test]
async fn clients_that_stop_reading_cost_a_buffer_each_and_their_places_come_back() {
    let folder = Folder::new();
    let big = folder.write("recordings/camera0/big.mp4", b"");
    File::options()
        .write(true)
        .open(&big)
        .unwrap()
        .set_len(256 << 20)
        .unwrap();
    let limits = Limits {
        downloads: 16,
        downloads_per_user: 0,
        downloads_per_address: 0,
        ..Limits::default()
    };
    let rig = over(&folder, limits).await;
    let path = "/files/recordings/big";
    let before = resident();
    let mut stalled = Vec::new();
    for _ in 0..16 {
        let (stream, line) = begin(&rig, path).await;
        assert_eq!(line, "HTTP/1.1 200 OK\r\n");
        stalled.push(stream);
    }
    let (_, line) = begin(&rig, path).await;
    assert!(line.contains("503"), "{line}");
    // Whoever only asks takes no place.
    assert_eq!(http(rig.api, "HEAD", path, VIEWER, "").await.status, 200);
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes for 16 clients that wait");
    drop(stalled);
    within(async {
        while !begin(&rig, path).await.1.contains("200") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn one_who_fetches_much_leaves_places_for_the_others() {
    let folder = Folder::new();
    let big = folder.write("recordings/camera0/big.mp4", b"");
    let file = File::options().write(true).open(&big).unwrap();
    file.set_len(256 << 20).unwrap();
    let limits = Limits {
        downloads: 8,
        downloads_per_user: 3,
        downloads_per_address: 5,
        ..Limits::default()
    };
    let library = Arc::new(library(&folder.0));
    let rig = Rig::with(|services| {
        services.library = library;
        services.limits = limits;
        Arc::get_mut(&mut services.desk).unwrap().verifier = Arc::new(ByName);
    })
    .await;
    let from = async |host: u8, token: &str| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        let here = std::net::SocketAddr::from(([127, 0, 0, host], 0));
        socket.bind(here).unwrap();
        let mut stream = within(socket.connect(rig.api)).await.unwrap();
        let request = format!(
            "GET /files/recordings/big HTTP/1.1\r\nhost: box\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        within(stream.read_exact(&mut status)).await.unwrap();
        let status = String::from_utf8_lossy(&status[9..]).into_owned();
        (stream, status)
    };
    let mut running = Vec::new();
    for (host, token, status) in [
        (1, "ann", "200"),
        (1, "ann", "200"),
        (2, "ann", "200"),
        // Her share, wherever she comes from.
        (3, "ann", "429"),
        (1, "bob", "200"),
        (1, "bob", "200"),
        (1, "bob", "200"),
        // Five of one address.
        (1, "eve", "429"),
        (4, "eve", "200"),
        (4, "eve", "200"),
        // Eight in all.
        (5, "eve", "503"),
    ] {
        let (stream, answered) = from(host, token).await;
        assert_eq!(answered, status, "{token} from 127.0.0.{host}");
        if status == "200" {
            running.push(stream);
        }
    }
    let page = http(rig.page, "GET", "/metrics", "", "").await.body;
    for line in [
        "camera_service_downloads 8",
        "camera_service_downloads_refused_total{reason=\"user\"} 1",
        "camera_service_downloads_refused_total{reason=\"address\"} 1",
        "camera_service_downloads_refused_total{reason=\"total\"} 1",
    ] {
        assert!(page.contains(line), "{line}");
    }
    // One of Ann's ends: her next one begins.
    drop(running.remove(0));
    within(async {
        while from(1, "ann").await.1 != "200" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    drop(running);
    rig.stop().await;
}

#[tokio::test]
async fn whoever_takes_nothing_for_too_long_gives_its_place_to_another() {
    let folder = Folder::new();
    let big = folder.write("recordings/camera0/big.mp4", b"");
    let file = File::options().write(true).open(&big).unwrap();
    file.set_len(256 << 20).unwrap();
    let limits = Limits {
        downloads: 1,
        write_within: Duration::from_millis(500),
        ..Limits::default()
    };
    let rig = over(&folder, limits).await;
    let path = "/files/recordings/big";
    let (stalled, _) = begin(&rig, path).await;
    assert!(begin(&rig, path).await.1.contains("503"));
    within(async {
        while !begin(&rig, path).await.1.contains("200") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    drop(stalled);
    rig.stop().await;
}

#[tokio::test]
async fn pages_of_allowed_sites_may_read_files_and_others_may_not() {
    let folder = Folder::new();
    let rig = rig(&folder).await;
    let path = format!("/files/recordings/{NAME}");
    let from = |origin: &str| format!("{VIEWER}origin: {origin}\r\n");
    let allowed = get(&rig, &path, &from("https://panel.example")).await;
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        Some("https://panel.example")
    );
    assert_eq!(allowed.header("vary"), Some("origin"));
    let exposed = allowed.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("content-range"), "{exposed}");
    let other = get(&rig, &path, &from("https://evil.example")).await;
    assert_eq!(other.header("access-control-allow-origin"), None);
    assert_eq!(other.header("vary"), Some("origin"));

    let ask = "origin: https://panel.example\r\naccess-control-request-method: GET\r\naccess-control-request-headers: authorization, range\r\n";
    let preflight = http(rig.api, "OPTIONS", &path, ask, "").await;
    assert_eq!(preflight.status, 204);
    let headers = preflight.header("access-control-allow-headers").unwrap();
    assert!(headers.contains("authorization") && headers.contains("range"));
    let evil = ask.replace("panel", "evil");
    let preflight = http(rig.api, "OPTIONS", &path, &evil, "").await;
    assert_eq!(preflight.header("access-control-allow-headers"), None);
    rig.stop().await;
}

#[tokio::test]
async fn curl_resumes_a_download_that_was_cut() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("curl is not installed; nothing was tried");
        return;
    }
    let folder = Folder::new();
    let rig = rig(&folder).await;
    let whole: Vec<u8> = (0..3_000_000_u32)
        .map(|i| u8::try_from(i.wrapping_mul(2_654_435_761) >> 24).unwrap())
        .collect();
    rest(&folder.write("recordings/camera0/long.mp4", &whole));
    let part = folder.write("part.mp4", &whole[..1_234_567]);
    let url = format!("http://{}/files/recordings/long.mp4", rig.api);
    let into = part.clone();
    let curl = tokio::task::spawn_blocking(move || {
        Command::new("curl")
            .args(["-sS", "--fail", "--max-time", "15", "-C", "-", "-o"])
            .arg(into)
            .args(["-H", "Authorization: Bearer viewer", &url])
            .output()
            .unwrap()
    });
    let output = within(curl).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(fs::read(&part).unwrap() == whole, "every byte in its place");
    rig.stop().await;
}
