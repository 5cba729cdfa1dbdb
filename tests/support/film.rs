//! What is in a film of the test camera: each of its pictures says which it is.

use std::path::Path;
use std::process::{Command, Stdio};

use camera_service::capture::testcard::timecode::Timecode;
use serde_json::json;

use crate::caller::result;
use crate::stage;
use crate::support::Client;

/// What every picture of a file says of itself. ffmpeg must have nothing to complain of.
pub(crate) fn pictures(path: &Path) -> Vec<Timecode> {
    let mut reader = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-fps_mode", "passthrough", "-f", "rawvideo"])
        .args(["-pix_fmt", "gray", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let codes = stage::timecodes(reader.stdout.take().unwrap());
    let ended = reader.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.is_empty(), "{said}");
    codes
}

/// Pictures the camera itself has left out since the service started, as a busy machine makes it do.
pub(crate) async fn dropped(client: &mut Client) -> u32 {
    let status = result(client, "get_camera_status", json!({ "device": "camera0" })).await;
    let count = &status["extensions"]["counters"]["dropped_by_driver"];
    count.as_u64().unwrap().try_into().unwrap()
}

/// Every picture comes after the one before: none is there twice, and none is missing but those the camera left out.
pub(crate) fn unbroken(pictures: &[Timecode], dropped: u32) {
    assert!(!pictures.is_empty());
    let mut missing = 0;
    for pair in pictures.windows(2) {
        assert!(pair[0].counter < pair[1].counter, "{pair:?}");
        let between = pair[1].counter - pair[0].counter - 1;
        if between > 0 {
            println!("{between} missing: {pair:?}");
        }
        missing += between;
    }
    assert!(
        missing <= dropped,
        "{missing} are missing, the camera left out {dropped}"
    );
}
