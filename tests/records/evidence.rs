//! What `camera-service verify` says of a medium that the real service has recorded on.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{Demo, binary};
use super::{client, eventually, file, result};

/// The offline judge; it is given neither a configuration nor the service.
fn verify(dir: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("verify").arg(dir).args(more).env_clear();
    command.output().unwrap()
}

fn evidence(data: &Path, verb: &str) -> String {
    let mut command = Command::new(binary());
    command
        .args(["evidence", verb])
        .env("CAMERA_SERVICE_STORAGE_DATA_DIR", data);
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

#[tokio::test]
async fn a_recording_verifies_after_the_service_is_gone_and_one_flipped_byte_is_named() {
    let demo = Demo::start(&[]);
    let state = demo.text("/state_dir");
    let data = Path::new(&state).join("data");
    let dir = data.join("recordings");
    let mut operator = client(&demo, "operator").await;
    let device = json!({ "device": "camera0" });
    let mut stems = Vec::new();
    for _ in 0..2 {
        let started = result(&mut operator, "start_recording", device.clone()).await;
        tokio::time::sleep(Duration::from_millis(800)).await;
        result(&mut operator, "stop_recording", device.clone()).await;
        stems.push(started["filename"].clone());
    }
    let (key, head) = (data.join("public.pem"), data.join("head"));
    let sealed = |count: u64| {
        let dir = dir.clone();
        async move || {
            let out = verify(&dir, &["--json"]);
            let said: Value = serde_json::from_slice(&out.stdout).ok()?;
            (said["recordings"]["proved"] == count).then_some(said)
        }
    };
    let said = eventually("both are sealed", Duration::from_secs(20), sealed(2)).await;
    assert_eq!((&said["good"], &said["records"]), (&json!(true), &json!(4)));
    assert_eq!(said["recordings"]["sealed_late"], 0);

    // A deletion that somebody asked for is lawful.
    result(
        &mut operator,
        "delete_recording",
        json!({ "filename": stems[0] }),
    )
    .await;
    std::fs::write(&key, evidence(&data, "key")).unwrap();
    std::fs::write(&head, evidence(&data, "head")).unwrap();
    let path = file(&demo, stems[1].as_str().unwrap());
    drop(operator);
    let given = [
        "--key",
        key.to_str().unwrap(),
        "--head",
        head.to_str().unwrap(),
    ];
    let out = verify(&dir, &given);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(0), "{text}");
    assert!(
        text.contains("deleted: 0 by the retention policy, 1 by users"),
        "{text}"
    );
    assert!(!text.contains("note:"), "{text}");

    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let out = verify(&dir, &given);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(1), "{text}");
    let name = format!(
        "altered: camera0/{}.mp4 is not what record",
        stems[1].as_str().unwrap()
    );
    assert!(text.contains(&name), "{text}");

    // What openssl makes of the very first record, with the key beside the chain.
    openssl_agrees(&dir.join(".evidence"));
    let nothing = verify(&data.join("snapshots"), &[]);
    assert_eq!(nothing.status.code(), Some(2));
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(said.contains("there is no evidence chain in"), "{said}");
}

/// As docs/evidence.md tells people to.
fn openssl_agrees(chain: &Path) {
    let script = "
        set -e
        line=$(head -n 1 chain-000000000001.jsonl)
        printf %s \"$line\" | tail -c +11 | head -c -104 > body
        printf %s \"$line\" | tail -c 90 | head -c 88 | openssl base64 -d -A > signature
        openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in body -sigfile signature
        next=$(sed -n 2p chain-000000000001.jsonl)
        digest=$(printf %s \"$line\" | sha256sum | cut -d' ' -f1)
        case \"$next\" in *\"\\\"prev\\\":\\\"$digest\\\"\"*) ;; *) exit 9 ;; esac
        rm body signature";
    let out = Command::new("sh")
        .args(["-c", script])
        .current_dir(chain)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    assert!(String::from_utf8_lossy(&out.stdout).contains("Verified Successfully"));
}
