//! A fresh box from its first start to its owner, and what is written down on the way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use camera_service::access::audit::io::open;
use camera_service::access::claim::io::{Claim, Standing, look};
use camera_service::access::limits::{Gate, Rules};
use camera_service::access::{Keyring, io::load_or_create};
use camera_service::clock::Wall;
use camera_service::rpc::guard::Guard;
use camera_service::rpc::session::{Login, Refused, Verify};
use serde_json::{Value, json};
use support::{Rig, http, within};
use tokio::sync::watch;

/// A data folder that is gone when the test is over.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("guard-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Tokens(Arc<Keyring>);

impl Verify for Tokens {
    fn verify(&self, token: &str, now: Wall) -> Result<Login, Refused> {
        let who = self.0.verify(token, now).map_err(|refusal| Refused {
            reason: refusal.code().to_owned(),
            details: refusal.to_string(),
        })?;
        Ok(Login {
            user_id: who.user_id,
            role: who.role,
            expires_at: who.expires_at,
            credential: None,
        })
    }
}

/// The service on a fresh folder, and its code.
async fn fresh(dir: &Dir) -> (Rig, String) {
    let Standing::Unclaimed(code) = look(&dir.0, true).unwrap() else {
        panic!("a fresh folder is nobody's")
    };
    let keyring = Arc::new(load_or_create(&dir.0).unwrap());
    let day = Duration::from_secs(86_400);
    let standing = Standing::Unclaimed(code.clone());
    let claim = Claim::new(standing, &dir.0, Arc::clone(&keyring), day);
    let (audit, writer) = open(&dir.0).unwrap();
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(async move {
        let _stop = stop;
        writer.run(stopping).await
    });
    let rig = Rig::with(|services| {
        let desk = Arc::get_mut(&mut services.desk).unwrap();
        desk.verifier = Arc::new(Tokens(keyring));
        desk.guard = Guard {
            limits: Arc::new(Gate::new(Rules::NONE)),
            audit: Arc::new(audit),
            owner: Arc::new(claim),
        };
    })
    .await;
    (rig, code.to_string())
}

async fn claim(rig: &Rig, body: Value) -> support::Answer {
    http(rig.page, "POST", "/claim", "", &body.to_string()).await
}

#[tokio::test]
async fn a_fresh_box_is_nobodys_until_its_code_is_typed_in_and_then_its_owners() {
    let dir = Dir::new("fresh");
    let (rig, code) = fresh(&dir).await;

    // Everything that needs a login refuses, and says what to do; the rest answers.
    let mut client = rig.stranger().await;
    let refused = client.call("get_camera_list", json!({})).await["error"].take();
    assert_eq!(refused["code"], -32001);
    assert_eq!(refused["data"]["reason"], "unclaimed");
    assert_eq!(client.call("ping", json!({})).await["result"], "pong");
    for path in ["/health/live", "/metrics", "/"] {
        assert_eq!(
            http(rig.page, "GET", path, "", "").await.status,
            200,
            "{path}"
        );
    }

    let wrong = claim(&rig, json!({ "code": "ZZZZZ-ZZZZZ" })).await;
    assert_eq!(wrong.status, 403, "{wrong:?}");
    assert_eq!(claim(&rig, json!({})).await.status, 400);
    assert_eq!(http(rig.page, "GET", "/claim", "", "").await.status, 405);

    // Typed as people type, on the API port, too.
    let body = json!({ "code": code.to_lowercase().replace('-', " "), "user": "Ann" });
    let granted = http(rig.api, "POST", "/claim", "", &body.to_string()).await;
    assert_eq!(granted.status, 200, "{granted:?}");
    assert_eq!(granted.json()["role"], "admin");
    assert!(granted.json()["expires_at"].is_string());
    let token = granted.json()["token"].as_str().unwrap().to_owned();

    assert_eq!(claim(&rig, json!({ "code": code })).await.status, 410);
    let refused = client.call("get_camera_list", json!({})).await["error"].take();
    assert_eq!(refused["data"]["reason"], "not_authenticated");
    let login = client
        .call("authenticate", json!({ "auth_token": token }))
        .await;
    assert_eq!(login["result"]["role"], "admin");
    assert_eq!(
        client.call("get_camera_list", json!({})).await["result"]["total"],
        1
    );

    // All of it was written down, and no secret with it.
    let log = client.call("get_audit_log", json!({ "limit": 4 })).await["result"].take();
    let lines: Vec<String> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| format!("{} {} {}", e["who"], e["method"], e["result"]).replace('"', ""))
        .collect();
    assert_eq!(
        lines,
        [
            "Ann authenticate ok",
            "admin claim 410",
            "Ann claim ok",
            "admin claim 403"
        ]
    );
    assert_eq!(log["entries"][0]["from"], "127.0.0.1");
    let file = std::fs::read_to_string(dir.0.join("audit/audit.jsonl")).unwrap();
    assert!(!file.contains(&token) && !file.contains(&code), "{file}");
    rig.stop().await;
}

#[tokio::test]
async fn who_guesses_codes_is_locked_out_with_the_time_to_wait() {
    let dir = Dir::new("guess");
    let (rig, code) = fresh(&dir).await;
    for _ in 0..5 {
        assert_eq!(
            claim(&rig, json!({ "code": "00000-00000" })).await.status,
            403
        );
    }
    let locked = claim(&rig, json!({ "code": code })).await;
    assert_eq!(locked.status, 429, "{locked:?}");
    let wait: u64 = locked.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    rig.stop().await;
}

#[tokio::test]
async fn whoever_comes_with_a_token_that_was_minted_on_the_box_owns_it() {
    let dir = Dir::new("minted");
    let (rig, code) = fresh(&dir).await;
    let minted = camera(&dir, &["token", "--role", "admin", "--user", "root"]).unwrap();
    let mut client = rig.stranger().await;
    let login = client
        .call("authenticate", json!({ "auth_token": minted }))
        .await;
    assert_eq!(login["result"]["role"], "admin", "{login}");
    let mut other = rig.stranger().await;
    let refused = other.call("get_camera_list", json!({})).await["error"].take();
    assert_eq!(refused["data"]["reason"], "not_authenticated");
    assert_eq!(claim(&rig, json!({ "code": code })).await.status, 410);
    let log = client.call("get_audit_log", json!({})).await["result"].take();
    let is_mint = |e: &&Value| e["method"] == "token" && e["target"] == "root (admin)";
    assert_eq!(
        log["entries"]
            .as_array()
            .unwrap()
            .iter()
            .filter(is_mint)
            .count(),
        1
    );
    within(rig.stop()).await;
}

/// Runs the program with this data folder.
fn camera(dir: &Dir, args: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_camera-service"))
        .args(args)
        .env("CAMERA_SERVICE_STORAGE_DATA_DIR", &dir.0)
        .env_remove("CAMERA_SERVICE_JWT_SECRET")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

#[test]
fn the_command_line_prints_the_code_until_a_token_is_made() {
    let dir = Dir::new("cli");
    let code = camera(&dir, &["claim-code"]).unwrap();
    assert_eq!(code.len(), 11, "{code}");
    assert_eq!(camera(&dir, &["claim-code"]).unwrap(), code);
    camera(&dir, &["token", "--role", "viewer"]).unwrap();
    let said = camera(&dir, &["claim-code"]).unwrap_err();
    assert!(said.contains("camera-service token"), "{said}");
}
