//! The demo as its user meets it: the real binary, the real MediaMTX, a foreign reader.
#![allow(clippy::unwrap_used)]

mod live;
mod stage;

use std::process::{Command, Stdio};
use std::time::Duration;

use camera_service::clock;
use stage::{Demo, binary, exists, until};

#[test]
fn a_foreign_reader_decodes_every_frame_of_the_test_camera_in_order() {
    let demo = Demo::start(&[]);
    let codes = demo.read_timecodes("camera0", 90);
    let counters: Vec<u32> = codes.iter().map(|c| c.counter).collect();
    for pair in counters.windows(2) {
        assert_eq!(
            pair[1],
            pair[0].wrapping_add(1),
            "frames are missing or repeated: {counters:?}"
        );
    }
}

#[test]
fn the_card_leads_to_everything_it_names() {
    let demo = Demo::start(&[]);
    assert_eq!(demo.http(&demo.text("/page"), None).0, 200);
    let (status, health) = demo.http(&demo.text("/health"), None);
    assert_eq!(status, 200, "{health}");
    assert!(health.contains("\"healthy\""), "{health}");
    let hls = demo.text("/cameras/0/hls");
    assert_eq!(demo.http(&hls, None).0, 401, "HLS without a token");
    let token = demo.text("/tokens/viewer");
    let playlist = until(Duration::from_secs(10), || {
        let (status, text) = demo.http(&hls, Some(&token));
        (status == 200).then_some(text)
    });
    assert!(playlist.unwrap().starts_with("#EXTM3U"));
    assert!(demo.text("/state_dir").contains("camera-service-demo"));
}

#[test]
fn nobody_reads_without_a_good_token() {
    let demo = Demo::start(&[]);
    let good = demo.text("/cameras/0/rtsp");
    let (plain, token) = good.split_once("?token=").unwrap();
    let (header, rest) = token.split_once('.').unwrap();
    for bad in [
        plain.to_owned(),
        plain.replace("rtsp://", "rtsp://viewer:nonsense@"),
        format!(
            "{plain}?token={header}.e30.{}",
            rest.rsplit('.').next().unwrap()
        ),
    ] {
        let out = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-rtsp_transport",
                "tcp",
                "-timeout",
                "8000000",
                &bad,
            ])
            .output()
            .unwrap();
        assert!(!out.status.success(), "{bad} was let in");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(said.contains("401"), "{said}");
    }
}

#[test]
fn a_killed_mediamtx_is_back_with_the_picture() {
    let demo = Demo::start(&[]);
    let old = demo.mediamtx_pid().unwrap();
    let killed = clock::mono();
    stage::kill(old, "KILL");
    let new = until(Duration::from_secs(10), || {
        demo.mediamtx_pid().filter(|pid| *pid != old)
    });
    assert!(
        new.is_some(),
        "MediaMTX was not started again\n{}",
        demo.log()
    );
    let codes = demo.read_timecodes_patiently("camera0", 10, Duration::from_secs(20));
    println!(
        "picture back {:?} after kill -9",
        clock::mono().since(killed)
    );
    assert_eq!(codes.len(), 10);
    let healthy = until(Duration::from_secs(3), || {
        (demo.http(&demo.text("/health"), None).0 == 200).then_some(())
    });
    assert!(healthy.is_some());
}

#[test]
fn a_hung_mediamtx_is_started_anew() {
    let demo = Demo::start(&[]);
    let old = demo.mediamtx_pid().unwrap();
    stage::kill(old, "STOP");
    let new = until(Duration::from_secs(40), || {
        demo.mediamtx_pid().filter(|pid| *pid != old)
    });
    assert!(new.is_some(), "it was left hanging\n{}", demo.log());
    let codes = demo.read_timecodes_patiently("camera0", 5, Duration::from_secs(20));
    assert_eq!(codes.len(), 5);
}

#[test]
fn a_tidied_up_state_folder_does_not_keep_mediamtx_down() {
    let demo = Demo::start(&[]);
    // The service may put something into a folder that is just being emptied.
    let tidied = until(Duration::from_secs(5), || {
        std::fs::remove_dir_all(demo.text("/state_dir")).ok()
    });
    assert!(tidied.is_some());
    stage::kill(demo.mediamtx_pid().unwrap(), "KILL");
    let codes = demo.read_timecodes_patiently("camera0", 5, Duration::from_secs(20));
    assert_eq!(codes.len(), 5);
}

#[test]
fn rtsp_on_one_address_only_is_served_there() {
    let demo = Demo::start_with(&[], &[("CAMERA_SERVICE_MEDIAMTX_RTSP_HOST", "127.0.0.2")]);
    assert!(
        demo.text("/cameras/0/rtsp")
            .starts_with("rtsp://127.0.0.2:")
    );
    assert_eq!(demo.read_timecodes("camera0", 5).len(), 5);
}

#[test]
fn health_tells_within_two_seconds_that_mediamtx_hangs() {
    let demo = Demo::start(&[]);
    let pid = demo.mediamtx_pid().unwrap();
    stage::kill(pid, "STOP");
    // Two seconds, and what starting curl takes.
    let told = until(Duration::from_millis(2300), || {
        (demo.http(&demo.text("/health"), None).0 == 503).then_some(())
    });
    stage::kill(pid, "CONT");
    assert!(told.is_some(), "health stayed good with a stopped MediaMTX");
    let back = until(Duration::from_secs(5), || {
        (demo.http(&demo.text("/health"), None).0 == 200).then_some(())
    });
    assert!(back.is_some());
}

#[test]
fn a_killed_service_leaves_no_orphan_and_starts_again_cleanly() {
    let state = stage::scratch("killed");
    let folder = state.to_str().unwrap();
    let mut demo = Demo::start(&["--state", folder]);
    let child = demo.mediamtx_pid().unwrap();
    demo.kill_hard();
    let gone = until(Duration::from_secs(5), || (!exists(child)).then_some(()));
    assert!(gone.is_some(), "MediaMTX {child} outlived the service");
    let again = Demo::start(&["--state", folder]);
    assert_eq!(again.read_timecodes("camera0", 5).len(), 5);
    drop(again);
    std::fs::remove_dir_all(state).unwrap();
}

#[test]
fn ctrl_c_ends_everything_and_leaves_nothing_behind() {
    let mut demo = Demo::start(&[]);
    let child = demo.mediamtx_pid().unwrap();
    let state = demo.text("/state_dir");
    let status = demo.interrupt(Duration::from_secs(10));
    assert!(status.success(), "{status}\n{}", demo.log());
    assert!(!exists(child), "MediaMTX was left running");
    assert!(
        !std::path::Path::new(&state).exists(),
        "{state} was left behind"
    );
}

#[test]
fn a_taken_port_is_named_with_its_holder() {
    let holder = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    for variable in [
        "CAMERA_SERVICE_SERVER_PORT",
        "CAMERA_SERVICE_MEDIAMTX_RTSP_PORT",
    ] {
        let out = stage::command(&["demo", "--json"])
            .env(variable, &port)
            .output()
            .unwrap();
        assert!(!out.status.success());
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(said.contains(&port), "{said}");
        assert!(
            said.contains(&std::process::id().to_string()),
            "the holder is not named: {said}"
        );
    }
}

#[test]
fn a_missing_mediamtx_says_how_to_get_it() {
    let out = stage::command(&["demo"])
        .env("CAMERA_SERVICE_MEDIAMTX_BINARY", "/nonexistent/mediamtx")
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(78));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        said.contains("/nonexistent/mediamtx") && said.contains("make mediamtx"),
        "{said}"
    );
}

#[test]
fn a_wrong_configuration_is_refused_with_every_mistake() {
    let state = stage::scratch("config");
    let file = state.join("box.yaml");
    std::fs::write(&file, "server:\n  prot: 1\ncamera:\n  size: huge\n").unwrap();
    let out = Command::new(binary())
        .args(["check-config", "--config", file.to_str().unwrap()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(78));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        said.contains("line 2") && said.contains("did you mean server.port?"),
        "{said}"
    );
    assert!(
        said.contains("line 4") && said.contains("1280x720"),
        "{said}"
    );
    std::fs::remove_dir_all(state).unwrap();
}

#[test]
fn several_demos_run_side_by_side() {
    let one = Demo::start(&[]);
    let two = Demo::start(&[]);
    assert_ne!(one.text("/page"), two.text("/page"));
    assert_eq!(two.read_timecodes("camera0", 5).len(), 5);
    assert_eq!(one.read_timecodes("camera0", 5).len(), 5);
}

#[test]
#[ignore = "ten minutes; part of the soak"]
fn ten_minutes_without_a_lost_frame() {
    let demo = Demo::start(&[]);
    let codes = demo.read_timecodes("camera0", 600 * 30);
    let gaps: Vec<(u32, u32)> = codes
        .windows(2)
        .map(|pair| {
            (
                pair[0].counter,
                pair[1].counter.wrapping_sub(pair[0].counter),
            )
        })
        .filter(|(_, step)| *step != 1)
        .collect();
    assert!(
        gaps.is_empty(),
        "frame and step to the next: {gaps:?}\n{}",
        demo.log()
    );
}
