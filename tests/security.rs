//! What `docs/security.md` claims and no other test shows, and that the page names tests that are there.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/proof.rs"]
mod proof;
#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use camera_service::access::io::load_or_create;
use camera_service::access::limits::{Gate, Rules};
use camera_service::access::live::io::{KeyRules, Live};
use camera_service::access::store::Expiry;
use camera_service::access::store::io::Files;
use camera_service::access::{Keyring, Office, Role};
use camera_service::clock::{self, Wall};
use camera_service::http::tls::io::Certificate;
use camera_service::http::{Limits, Tuning, tls};
use camera_service::rpc::session::{Login, Refused, Verify};
use proof::{root, stands};
use serde_json::{Value, json};
use support::{Folder, Rig, http, library, raw, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const NOW: Wall = Wall::from_secs(1_800_000_000);

fn page() -> String {
    fs::read_to_string(root().join("docs/security.md")).unwrap()
}

/// The rows of the tables under a heading, without head and rule.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    page.lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect()
}

/// The tests that a text names: `file::name` in backticks.
fn proofs(text: &str) -> Vec<&str> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.contains("::") && code.contains('/'))
        .collect()
}

#[test]
fn each_claim_of_the_page_names_a_test_that_is_there() {
    let page = page();
    let claims = rows(&page, "## Claims");
    assert!(claims.len() >= 40, "{} claims", claims.len());
    let unproved: Vec<&&str> = claims.iter().filter(|row| proofs(row).is_empty()).collect();
    assert!(unproved.is_empty(), "{unproved:#?}");
    let named = proofs(&page);
    let gone: Vec<&&str> = named.iter().filter(|proof| !stands(proof)).collect();
    assert!(gone.is_empty(), "there is no {gone:#?}");
}

#[test]
fn each_provision_has_a_status_and_those_that_are_met_say_how() {
    let page = page();
    let rows = rows(&page, "## ETSI EN 303 645");
    let mut numbers = Vec::new();
    for row in &rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 5, "{row}");
        let word = ["met", "partly", "not yet", "not applicable"];
        assert!(word.contains(&cells[2]), "{row}");
        assert!(cells[3].len() > 10, "no word about how or why: {row}");
        if cells[2] == "met" {
            assert!(
                !proofs(cells[4]).is_empty() || cells[4].contains("]("),
                "met, but shown by nothing: {row}"
            );
        }
        numbers.push(cells[0]);
    }
    // Every provision of clauses 5 and 6, each once.
    let count = |clause: &str| numbers.iter().filter(|n| n.starts_with(clause)).count();
    for (clause, provisions) in [
        ("5.1-", 5),
        ("5.2-", 3),
        ("5.3-", 16),
        ("5.4-", 4),
        ("5.5-", 8),
        ("5.6-", 9),
        ("5.7-", 2),
        ("5.8-", 3),
        ("5.9-", 3),
        ("5.10-", 1),
        ("5.11-", 4),
        ("5.12-", 3),
        ("5.13-", 1),
        ("6-", 5),
    ] {
        assert_eq!(count(clause), provisions, "provisions {clause}*");
    }
}

/// Every source file of the product.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") && !name.contains("tests.rs") {
            found.push(path);
        }
    }
    found
}

/// Code without comments, texts in quotes and tests.
fn bare(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| line.split('"').step_by(2).collect::<Vec<_>>().join("\"\""))
        .collect::<Vec<_>>()
        .join("\n")
}

/// What stands before an operator: the last name of `self.inner.password`.
fn last_name(left: &str) -> &str {
    left.trim_end()
        .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .next()
        .unwrap_or_default()
}

/// What stands behind it: the last name of the path that begins there.
fn first_name(right: &str) -> &str {
    let path = right.trim_start().trim_start_matches(['&', '*']);
    let end = path.find(|c: char| !c.is_ascii_alphanumeric() && !"_.:".contains(c));
    last_name(&path[..end.unwrap_or(path.len())])
}

#[test]
fn secrets_are_compared_through_one_door() {
    // Where the bytes of a secret are compared: once by us, once by the library that made the signature.
    let doors = ["src/access/secret.rs", "src/http/files/permit.rs"];
    let secrets = [
        "Code",
        "Fresh",
        "Keyring",
        "Pem",
        "Secret",
        "Signer",
        "SigningKey",
    ];
    let words = [
        "password",
        "secret",
        "passphrase",
        "signature",
        "api_key",
        "auth_token",
        "typed",
    ];
    let (mut wrong, mut seen) = (Vec::new(), Vec::new());
    for file in sources(&root().join("src")) {
        let name = file.strip_prefix(root()).unwrap().display().to_string();
        let code = bare(&file);
        let compares = ["ct_eq", "verify_slice", "hmac::verify", "black_box"];
        if compares.iter().any(|c| code.contains(c)) && !doors.contains(&name.as_str()) {
            wrong.push(format!("{name} compares secrets by itself"));
        }
        for line in code.lines() {
            for (at, _) in line.match_indices("==").chain(line.match_indices("!=")) {
                let sides = [last_name(&line[..at]), first_name(&line[at + 2..])];
                if sides.iter().any(|side| words.contains(side)) {
                    wrong.push(format!("{name}: {}", line.trim()));
                }
            }
        }
        let lines: Vec<&str> = code.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(kind) = line
                .strip_prefix("pub struct ")
                .and_then(|rest| rest.split([' ', '(', ';']).next())
                .filter(|kind| secrets.contains(kind))
            else {
                continue;
            };
            seen.push(kind.to_owned());
            let derived = lines[..at].iter().rev().take_while(|l| l.starts_with("#["));
            if derived
                .into_iter()
                .any(|l| l.contains("PartialEq") || l.contains("Debug"))
            {
                // A code of errors is no secret.
                if name != "src/rpc/error.rs" {
                    wrong.push(format!("{name}: {kind} can be compared or shown"));
                }
            }
        }
    }
    for kind in secrets {
        assert!(
            seen.iter().any(|s| s == kind),
            "there is no type {kind} any more"
        );
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_life_that_a_token_may_claim_overflows() {
    let ring = Keyring::new(&[7; 32]).unwrap();
    for secs in [0, 1, u64::from(u32::MAX), u64::MAX / 2, u64::MAX] {
        let token = ring.mint("ann", Role::Viewer, Duration::from_secs(secs), NOW);
        // Zero has ended; all others are good, and so is what comes of refreshing them, also at the end of time.
        match ring.verify(&token, NOW) {
            Ok(who) => {
                let late = Wall::from_nanos(u64::MAX - 1);
                assert!(ring.verify(&ring.renew(&who, NOW), NOW).is_ok(), "{secs}");
                let _ = ring.verify(&ring.renew(&who, late), late);
            }
            Err(_) => assert_eq!(secs, 0),
        }
    }
}

/// A clock that was set back makes no token good that is not; one that was set forward and back brings no revoked
/// right back.
#[tokio::test]
async fn a_clock_that_jumps_brings_no_revoked_right_back() {
    let folder = Folder::new();
    let live = open_live(&folder.0).unwrap();
    let now = clock::wall();
    let token = revoked(&live, now).await;
    let far = Wall::from_secs(now.as_secs() + 86_400 * 365);
    for at in [now, far, Wall::from_secs(now.as_secs() + 1)] {
        assert!(live.judge().login(&token, at).is_err());
    }
    // Before it was made it is not good either, beyond the minute that clocks may differ.
    let early = Wall::from_secs(now.as_secs() - 3600);
    let other = live
        .judge()
        .keyring
        .mint("bob", Role::Admin, Duration::from_secs(7200), now);
    assert!(live.judge().login(&other, early).is_err());
}

/// A token that was good at `now` and was revoked.
async fn revoked(live: &Live, now: Wall) -> String {
    let keyring = &live.judge().keyring;
    let token = keyring.mint("ann", Role::Admin, Duration::from_secs(3600), now);
    let who = live.judge().login(&token, now).unwrap();
    let target = who.credential.target().unwrap();
    live.revoke(target, Some(&who), now).await.unwrap();
    token
}

fn open_live(dir: &Path) -> camera_service::error::Result<Live> {
    let rules = KeyRules {
        most_per_role: 10,
        default_expiry: Expiry::DEFAULT,
    };
    Live::open(dir, rules)
}

#[tokio::test]
async fn a_service_does_not_begin_without_the_revocations_it_had() {
    let folder = Folder::new();
    let live = open_live(&folder.0).unwrap();
    let now = clock::wall();
    let token = revoked(&live, now).await;
    drop(live);
    let document = Files::beneath(&folder.0).document();
    let kept = fs::read(&document).unwrap();
    fs::remove_file(&document).unwrap();
    let said = open_live(&folder.0).unwrap_err().to_string();
    assert!(said.contains(&document.display().to_string()), "{said}");
    assert!(said.contains("restore it from a backup"), "{said}");
    // With its file it begins, and the token is as dead as before.
    fs::write(&document, kept).unwrap();
    fs::set_permissions(&document, fs::Permissions::from_mode(0o600)).unwrap();
    let live = open_live(&folder.0).unwrap();
    assert!(live.judge().login(&token, now).is_err());
    // A change that fails on a fresh folder leaves no such trap.
    let fresh = Folder::new();
    let live = open_live(&fresh.0).unwrap();
    assert!(live.revoke_key("key_none", now).await.is_err());
    drop(live);
    open_live(&fresh.0).unwrap();
}

/// The owner of the data folder may put links there; root on the command line must not follow them as root.
#[test]
fn root_on_the_command_line_follows_no_link_of_the_services_user() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("this needs root; nothing was tried");
        return;
    }
    const USER: u32 = 65_534;
    let folder = Folder::new();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
    let data = folder.0.join("data");
    load_or_create(&data).unwrap();
    let victim = folder.write("victim", b"of root\n");
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
    let own = |path: &Path| chown(path, Some(USER), Some(USER)).unwrap();
    for below in ["access", "audit"] {
        fs::create_dir_all(data.join(below)).unwrap();
        own(&data.join(below));
    }
    for path in [data.clone(), data.join("secrets"), data.join("secrets/jwt")] {
        own(&path);
    }
    symlink(&victim, data.join("access/lock")).unwrap();
    symlink(&victim, data.join("audit/audit.jsonl")).unwrap();
    let run = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_camera-service"))
            .args(args)
            .env("CAMERA_SERVICE_STORAGE_DATA_DIR", &data)
            .env_remove("CAMERA_SERVICE_JWT_SECRET")
            .output()
            .unwrap()
    };
    let refused = run(&["keys", "generate", "--role", "viewer"]);
    assert!(!refused.status.success(), "{refused:?}");
    let minted = run(&["token", "--role", "viewer"]);
    assert!(minted.status.success(), "{minted:?}");
    let meta = fs::metadata(&victim).unwrap();
    assert_eq!((meta.uid(), meta.mode() & 0o777), (0, 0o600));
    assert_eq!(fs::read(&victim).unwrap(), b"of root\n");

    // Without the trap everything works, and what comes of it belongs to the service.
    fs::remove_file(data.join("access/lock")).unwrap();
    let made = run(&["keys", "generate", "--role", "viewer"]);
    assert!(made.status.success(), "{made:?}");
    assert_eq!(
        fs::metadata(data.join("access/keys.json")).unwrap().uid(),
        USER
    );
    // What root asks for outside of the folder is root's.
    let listed = run(&["keys", "list", "--format", "json"]);
    let keys: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let id = keys[0]["key_id"]
        .as_str()
        .or(keys[0]["id"].as_str())
        .unwrap()
        .to_owned();
    let output = folder.0.join("exported.json");
    let exported = run(&[
        "keys",
        "export",
        "--key-id",
        &id,
        "--output",
        output.to_str().unwrap(),
    ]);
    assert!(exported.status.success(), "{exported:?}");
    assert_eq!(fs::metadata(&output).unwrap().uid(), 0);
}

#[tokio::test]
async fn an_address_that_a_client_claims_to_have_counts_for_nothing() {
    let folder = Folder::new();
    folder.write("recordings/camera0/a.mp4", b"x");
    let rules = Rules {
        failed_logins_per_minute: 3,
        ..Rules::NONE
    };
    let files = Arc::new(library(&folder.0));
    let rig = Rig::with(|services| {
        services.library = Arc::clone(&files);
        let desk = Arc::get_mut(&mut services.desk).unwrap();
        desk.downloads = files;
        desk.guard.limits = Arc::new(Gate::new(rules));
    })
    .await;
    for (n, wanted) in [401, 401, 401, 429, 429].into_iter().enumerate() {
        let claimed = format!(
            "x-forwarded-for: 10.9.8.{n}\r\nforwarded: for=10.9.8.{n}\r\nx-real-ip: 10.9.8.{n}\r\nx-api-key: guess{n}\r\n"
        );
        let answer = http(rig.api, "GET", "/files/recordings/a", &claimed, "").await;
        assert_eq!(answer.status, wanted, "{answer:?}");
    }
    rig.stop().await;
}

/// Every token is an admin's until the number says that all are revoked.
struct Revocable(Arc<AtomicU64>);

impl Verify for Revocable {
    fn verify(&self, _: &str, now: Wall) -> Result<Login, Refused> {
        let end = Wall::from_secs(now.as_secs() + 3600);
        Ok(Login::plain("ada", Role::Admin, end))
    }

    fn generation(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn again(&self, login: &Login, _: Wall) -> Result<Login, Refused> {
        assert_eq!(
            (login.user_id.as_str(), login.credential.id()),
            ("ada", "ada")
        );
        match self.generation() {
            0 => Ok(login.clone()),
            _ => Err(Refused {
                reason: "token_revoked".to_owned(),
                details: "the token was revoked".to_owned(),
            }),
        }
    }
}

#[tokio::test]
async fn a_link_ends_with_the_credential_it_was_made_with() {
    let folder = Folder::new();
    folder.write("recordings/camera0/a.mp4", b"moving");
    let files = Arc::new(library(&folder.0));
    let revoked = Arc::new(AtomicU64::new(0));
    let verifier = Arc::new(Revocable(Arc::clone(&revoked)));
    let rig = Rig::with(|services| {
        services.library = Arc::clone(&files);
        let desk = Arc::get_mut(&mut services.desk).unwrap();
        desk.downloads = files;
        desk.verifier = verifier;
    })
    .await;
    let mut client = rig.client("whatever").await;
    let asked = json!({ "kind": "recording", "filename": "a", "ttl_s": 86_400 });
    let answer = client.call("get_download_url", asked).await;
    let link = answer["result"]["download_url"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = http(rig.api, "GET", &link, "", "").await;
    assert_eq!((before.status, before.body.as_str()), (200, "moving"));
    revoked.store(1, Ordering::Release);
    let after = http(rig.api, "GET", &link, "", "").await;
    assert_eq!(after.status, 401, "{after:?}");
    assert!(after.body.contains("revoked"), "{after:?}");
    rig.stop().await;
}

#[tokio::test]
async fn an_origin_that_was_taken_off_the_list_reads_nothing_any_more() {
    const PANEL: &str = "https://panel.example";
    let mut live = None;
    let rig = Rig::with(|services| {
        services.origins = vec![PANEL.to_owned()];
        live = Some(services.live.clone());
    })
    .await;
    let live = live.unwrap();
    let asked = format!("origin: {PANEL}\r\n");
    let shown = async || {
        let answer = http(rig.api, "GET", "/files/recordings/a", &asked, "").await;
        answer
            .header("access-control-allow-origin")
            .map(str::to_owned)
    };
    assert_eq!(shown().await.as_deref(), Some(PANEL));
    live.set(Tuning {
        limits: Limits::default(),
        origins: Vec::new(),
        expected_cameras: Vec::new(),
    });
    assert_eq!(shown().await, None);
    rig.stop().await;
}

#[tokio::test]
async fn however_crowded_the_doors_are_mediamtx_is_heard() {
    let rig = Rig::with(|services| {
        services.limits = Limits {
            plain: 2,
            ..Limits::default()
        };
    })
    .await;
    // Two that work on a request for as long as they may: all places are taken.
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut stream = within(TcpStream::connect(rig.page)).await.unwrap();
        let begun = "POST /claim HTTP/1.1\r\nhost: box\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
        within(stream.write_all(begun.as_bytes())).await.unwrap();
        let mut word = [0; 12];
        within(stream.read_exact(&mut word)).await.unwrap();
        assert_eq!(&word, b"HTTP/1.1 100");
        busy.push(stream);
    }
    let mut third = within(TcpStream::connect(rig.page)).await.unwrap();
    let _ = third
        .write_all(b"GET /health/live HTTP/1.1\r\nhost: box\r\n\r\n")
        .await;
    let mut none = Vec::new();
    let _ = within(third.read_to_end(&mut none)).await;
    assert!(none.is_empty(), "{}", String::from_utf8_lossy(&none));
    let heard = http(rig.internal, "POST", "/auth", "", "{\"ok\":1}").await;
    assert_eq!(heard.status, 200, "{heard:?}");
    drop(busy);
    rig.stop().await;
}

#[tokio::test]
async fn two_ways_to_tell_a_length_smuggle_no_request() {
    let rig = Rig::start().await;
    let smuggled = "GET /health/live HTTP/1.1\r\nhost: box\r\nconnection: close\r\n\r\n";
    for (case, headers, body) in [
        (
            "both",
            "content-length: 4\r\ntransfer-encoding: chunked\r\n",
            "0\r\n\r\n",
        ),
        (
            "both, the other way",
            "transfer-encoding: chunked\r\ncontent-length: 90\r\n",
            "0\r\n\r\n",
        ),
        (
            "two lengths",
            "content-length: 0\r\ncontent-length: 30\r\n",
            "",
        ),
        ("a list of lengths", "content-length: 0, 30\r\n", ""),
        ("a sign", "content-length: +0\r\n", ""),
        (
            "chunked and more",
            "transfer-encoding: chunked, identity\r\n",
            "0\r\n\r\n",
        ),
        ("a blank before the colon", "content-length : 0\r\n", ""),
        (
            "a folded line",
            "transfer-encoding:\r\n chunked\r\n",
            "0\r\n\r\n",
        ),
    ] {
        let request = format!("POST /claim HTTP/1.1\r\nhost: box\r\n{headers}\r\n{body}{smuggled}");
        let answer = raw(rig.page, &request).await;
        // Either the whole is refused, or the length is read in the one way that RFC 9112 §6.3 allows; in no case is
        // a part of a body taken for a request, or answered twice.
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers <= 2, "{case}: {answer}");
        if !case.starts_with("both") {
            assert!(answer.starts_with("HTTP/1.1 400"), "{case}: {answer}");
            assert_eq!(answers, 1, "{case}: {answer}");
        }
    }
    rig.stop().await;
}

/// Plays MediaMTX for one request: gives what it was asked, and answers with `answer`.
async fn upstream(answer: &'static str) -> (std::net::SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            seen.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(seen).unwrap().to_ascii_lowercase()
    });
    (addr, seen)
}

#[tokio::test]
async fn what_is_passed_on_tells_nothing_of_mediamtx_and_takes_nobodys_word_for_an_address() {
    let answer = "HTTP/1.1 200 OK\r\nserver: mediamtx\r\nvia: 1.1 x\r\nx-powered-by: x\r\nalt-svc: h3=\":443\"\r\nstrict-transport-security: max-age=9\r\nwww-authenticate: Basic\r\naccess-control-allow-origin: *\r\nkeep-alive: 5\r\nconnection: x-inner\r\nx-inner: 1\r\netag: \"e\"\r\ncontent-length: 3\r\n\r\nm3u";
    let (addr, seen) = upstream(answer).await;
    let rig = Rig::with(|services| services.hls = addr).await;
    let extra = "x-forwarded-for: 127.0.0.1\r\nx-real-ip: 127.0.0.1\r\nforwarded: for=127.0.0.1\r\nproxy-authorization: Basic eA==\r\n";
    let answer = http(rig.api, "GET", "/hls/camera0/index.m3u8?token=t", extra, "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "m3u"));
    assert_eq!(answer.header("etag"), Some("\"e\""));
    for gone in [
        "server",
        "via",
        "x-powered-by",
        "alt-svc",
        "strict-transport-security",
        "www-authenticate",
        "access-control-allow-origin",
        "keep-alive",
        "x-inner",
    ] {
        assert_eq!(answer.header(gone), None, "{gone}: {answer:?}");
    }
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let seen = within(seen).await.unwrap();
    assert_eq!(seen.matches("x-forwarded-for: ").count(), 1, "{seen}");
    for gone in ["x-real-ip", "forwarded: for", "proxy-authorization"] {
        assert!(!seen.contains(&format!("\n{gone}")), "{seen}");
    }
    rig.stop().await;
}

/// A TLS client's first words: a version and the ciphers it offers (RFC 5246 §7.4.1.2).
fn hello(version: [u8; 2], ciphers: &[[u8; 2]]) -> Vec<u8> {
    let part = |body: &[u8]| {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&length, body].concat()
    };
    // P-256; ECDSA with SHA-256; uncompressed points.
    let groups = [&[0, 10][..], &part(&part(&[0, 23]))].concat();
    let signatures = [&[0, 13][..], &part(&part(&[4, 3]))].concat();
    let points = [&[0, 11][..], &part(&[1, 0])].concat();
    let body = [
        &version[..],
        &[9; 32],
        &[0],
        &part(&ciphers.concat()),
        &[1, 0],
        &part(&[groups, signatures, points].concat()),
    ]
    .concat();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let handshake = [&[1, 0][..], &length, &body].concat();
    [&[22, 3, 1][..], &part(&handshake)].concat()
}

#[tokio::test]
async fn tls_speaks_nothing_older_than_1_2_and_no_cipher_without_forward_secrecy() {
    const HANDSHAKE: u8 = 22;
    const ALERT: u8 = 21;
    const ECDHE_GCM: [u8; 2] = [0xc0, 0x2b];
    let folder = Folder::new();
    let none = PathBuf::new();
    let certificate = Certificate::open(tls::Files::new(&none, &none, &folder.0)).unwrap();
    let server = certificate.server().unwrap();
    for suite in &server.crypto_provider().cipher_suites {
        let name = format!("{:?}", suite.suite());
        let secrecy = name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_");
        let sealed = name.contains("_GCM_") || name.contains("_CHACHA20_POLY1305_");
        assert!(secrecy && sealed, "{name}");
    }
    let rig = Rig::over(Some(server), true, |_| {}).await;
    let at = rig.secure.unwrap();
    for (version, ciphers, wanted) in [
        // So that the others are refused for the right reason.
        ([3, 3], &[ECDHE_GCM][..], HANDSHAKE),
        ([3, 2], &[ECDHE_GCM, [0xc0, 0x09], [0xc0, 0x0a]], ALERT),
        ([3, 1], &[[0xc0, 0x09], [0, 0x2f], [0, 0x35]], ALERT),
        ([3, 0], &[[0, 0x2f], [0, 0x0a]], ALERT),
        // RSA key exchange, CBC, RC4, none at all.
        ([3, 3], &[[0, 0x9c], [0, 0x9d]], ALERT),
        ([3, 3], &[[0xc0, 0x23], [0xc0, 0x09]], ALERT),
        ([3, 3], &[[0xc0, 0x07], [0, 0x05], [0, 0x00]], ALERT),
    ] {
        let mut stream = within(TcpStream::connect(at)).await.unwrap();
        within(stream.write_all(&hello(version, ciphers)))
            .await
            .unwrap();
        let kind = within(stream.read_u8()).await.unwrap();
        assert_eq!(kind, wanted, "{version:?} {ciphers:?}");
    }
    rig.stop().await;
}

/// A running program that is gone at the test's end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A certificate with its key that ends so many days from now.
fn ending(days: i64) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let secs = i64::try_from(clock::wall().as_secs()).unwrap();
    let day = |n: i64| time::OffsetDateTime::from_unix_timestamp(secs + n * 86_400 + 60).unwrap();
    params.not_before = day(-400);
    params.not_after = day(days);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[tokio::test]
async fn health_and_log_name_the_damaged_file_and_the_certificate_that_ends_while_it_runs() {
    let folder = Folder::new();
    let put = |days: i64| {
        let (certificate, key) = ending(days);
        folder.write("tls.key", key.as_bytes());
        folder.write("tls.pem", certificate.as_bytes());
    };
    put(10);
    let data = folder.0.join("data");
    let port = free();
    let log = fs::File::create(folder.0.join("log")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_camera-service"))
        .arg("run")
        .env("CAMERA_SERVICE_SERVER_HOST", "127.0.0.1")
        .env("CAMERA_SERVICE_SERVER_PORT", "0")
        .env("CAMERA_SERVICE_SERVER_TLS", "on")
        .env("CAMERA_SERVICE_SERVER_TLS_PORT", "0")
        .env(
            "CAMERA_SERVICE_SERVER_TLS_CERTIFICATE",
            folder.0.join("tls.pem"),
        )
        .env("CAMERA_SERVICE_SERVER_TLS_KEY", folder.0.join("tls.key"))
        .env("CAMERA_SERVICE_HTTP_HEALTH_HOST", "127.0.0.1")
        .env("CAMERA_SERVICE_HTTP_HEALTH_PORT", port.to_string())
        .env("CAMERA_SERVICE_SECURITY_CLAIM", "false")
        .env("CAMERA_SERVICE_MEDIAMTX_MANAGED", "false")
        .env("CAMERA_SERVICE_MEDIAMTX_API_PORT", free().to_string())
        .env("CAMERA_SERVICE_TEST_CAMERA_ENABLED", "false")
        .env("CAMERA_SERVICE_STORAGE_DATA_DIR", &data)
        .env("CAMERA_SERVICE_STORAGE_RUNTIME_DIR", folder.0.join("run"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let _running = Running(child);
    let said = || fs::read_to_string(folder.0.join("log")).unwrap();
    let addr: std::net::SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    // The faults of the component `security`, by their code.
    let until = async |wanted: &[&str]| {
        let begun = clock::mono();
        loop {
            let mut faults = Vec::new();
            if TcpStream::connect(addr).await.is_ok() {
                let answer = http(addr, "GET", "/health/detailed", "", "").await;
                let health = answer.json();
                let parts = health["components"].as_array().unwrap();
                let part = parts.iter().find(|p| p["name"] == "security").unwrap();
                let word = if wanted.is_empty() {
                    "healthy"
                } else {
                    "degraded"
                };
                faults.clone_from(part["details"]["faults"].as_array().unwrap());
                let mut codes: Vec<&str> =
                    faults.iter().filter_map(|f| f["code"].as_str()).collect();
                codes.sort_unstable();
                if codes == wanted && part["status"] == word {
                    break faults.clone();
                }
            }
            let waited = clock::mono().since(begun);
            assert!(
                waited < Duration::from_secs(20),
                "not {wanted:?} but {faults:?}\n{}",
                said()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let text = |fault: &Value, field: &str| fault[field].as_str().unwrap().to_owned();

    let faults = until(&["certificate_ending"]).await;
    assert!(
        text(&faults[0], "cause").contains("ends in 10 day"),
        "{faults:?}"
    );
    assert!(text(&faults[0], "cause").contains("tls.pem"), "{faults:?}");
    assert!(said().contains("ends in 10 day"), "{}", said());

    // An admin makes a key, so that there is something to lose; then somebody damages the file.
    let made = Command::new(env!("CARGO_BIN_EXE_camera-service"))
        .args(["keys", "generate", "--role", "viewer"])
        .env("CAMERA_SERVICE_STORAGE_DATA_DIR", &data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    put(-1);
    let document = data.join("access/keys.json");
    let kept = fs::read(&document).unwrap();
    // The service must have seen the good one before it is damaged.
    until(&["certificate_ended"]).await;
    fs::write(&document, &kept[..kept.len() / 2]).unwrap();
    let faults = until(&["certificate_ended", "credentials_damaged"]).await;
    let damaged = faults
        .iter()
        .find(|f| f["code"] == "credentials_damaged")
        .unwrap();
    assert!(text(damaged, "cause").contains(&document.display().to_string()));
    assert!(text(damaged, "action").contains("restore it from a backup"));
    assert!(said().contains("keys.json is damaged"), "{}", said());

    fs::remove_file(&document).unwrap();
    let faults = until(&["certificate_ended", "credentials_damaged"]).await;
    let gone = faults
        .iter()
        .find(|f| f["code"] == "credentials_damaged")
        .unwrap();
    let gone = text(gone, "cause");
    // It may still be the damage that is told; the next look sees that it is gone.
    assert!(gone.contains("keys.json"), "{gone}");

    // A pair that is none is not taken, and told; good ones end all of it.
    fs::write(&document, &kept).unwrap();
    fs::set_permissions(&document, fs::Permissions::from_mode(0o600)).unwrap();
    folder.write("tls.key", ending(500).1.as_bytes());
    until(&["certificate_ended", "certificate_refused"]).await;
    put(500);
    until(&[]).await;
}
