//! The publisher against the real MediaMTX: what is pushed here must come out there, frame by frame.
//!
//! Frames are told apart by the MD5 of their decoded pixels; the fixture has 50 different ones, with
//! key frames at 0 and 25.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its assumption breaks"
)]

mod rig;

use std::time::Duration;

use camera_service::clock;
use camera_service::stream::Limits;
use nix::sys::signal::Signal;
use rig::*;

const RECORD: &str = "    record: yes\n    useAbsoluteTimestamp: yes\n";

#[test]
fn a_reader_decodes_every_frame_that_was_published() {
    let server = Server::start("", "");
    let mut camera = Camera::new(&server, "s3cret", Limits::default());
    camera.film_until_recording();
    let mut reader = server.reader(100);
    camera.film("a reader of 100 frames", secs(40), |_| {
        reader.try_wait().unwrap().is_some()
    });
    let output = reader.wait_with_output().unwrap();
    let frames = numbered(&md5s(&output.stdout));
    assert_eq!(
        frames.len(),
        100,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_consecutive(&frames);
    assert_eq!(load(&camera.counters.unsent), 0);
}

#[test]
fn with_absolute_time_the_recording_holds_the_first_frame_and_every_other() {
    let server = Server::start("", RECORD);
    let mut camera = Camera::new(&server, "s3cret", Limits::default());
    let first = clock::wall();
    camera.film("100 frames", secs(20), |c| c.pushed == 100);
    camera.rest(secs(1));
    camera.publisher.stop();
    let file = server.whole_recording(0, 100);
    assert_eq!(frames_in(&file)[0], 0);
    assert_consecutive(&frames_in(&file));
    assert!(!server.log().contains("without absolute time"));
    let late = started(&file).as_nanos().abs_diff(first.as_nanos());
    assert!(
        late < 60_000_000,
        "the file is named {late} ns off the first frame"
    );
}

#[test]
fn when_mediamtx_is_killed_the_ring_bridges_its_absence_at_true_times() {
    let mut server = Server::start("", RECORD);
    let mut camera = Camera::new(&server, "s3cret", Limits::default());
    // 12 Mbit/s, and MediaMTX's default queue of 512 packets a reader.
    camera.filler = 60_000;
    camera.film("60 frames", secs(20), |c| c.pushed == 60);
    server.kill();
    camera.film_for(Duration::from_millis(1500));
    let back = clock::wall();
    server.child = Server::launch(&server.dir, server.rtsp);
    let up = clock::mono();
    camera.film_until_recording();
    let gap = clock::mono().since(up);
    camera.film_for(secs(1));
    camera.rest(secs(1));
    camera.publisher.stop();

    // Frames 50… were in the group under way when MediaMTX died.
    let held = usize::try_from(camera.pushed).unwrap() - 50;
    let file = server.whole_recording(1, held);
    assert_eq!(frames_in(&file)[0], 0, "the group's key frame");
    assert_consecutive(&frames_in(&file));
    assert_eq!(load(&camera.counters.unsent), 0);
    let ahead = Duration::from_nanos(back.as_nanos() - started(&file).as_nanos());
    assert!(ahead > secs(1), "the ring's frames were given new times");
    println!("recording {gap:?} after MediaMTX listened; the file starts {ahead:?} before that");
    assert!(gap < secs(3));
}

#[test]
fn a_second_publisher_takes_the_path_and_the_first_comes_back_after_it() {
    let server = Server::start("", "");
    let mut first = Camera::new(&server, "s3cret", Limits::default());
    first.film_until_recording();
    let patient = Limits {
        backoff_min: secs(2),
        ..Limits::default()
    };
    let mut second = Camera::new(&server, "s3cret", patient);
    second.film_until_recording();
    first.film("being told", secs(5), |c| c.refusal().is_some());
    assert!(first.refusal().unwrap().contains("closed"));
    first.film_until_recording();
    second.film("being told", secs(5), |c| c.refusal().is_some());
    second.publisher.stop();
    first.film_for(secs(3));
    assert!(first.recording());
}

#[test]
fn wrong_credentials_are_refused_with_the_reason_and_tried_again_slowly() {
    let server = Server::start("", "");
    let mut camera = Camera::new(&server, "wrong", Limits::default());
    let start = clock::mono();
    camera.film("a refusal", secs(10), |c| c.refusal().is_some());
    let took = clock::mono().since(start);
    let reason = camera.refusal().unwrap();
    assert!(
        reason.contains("401") && reason.contains("password"),
        "{reason}"
    );
    camera.film_for(secs(5));
    let attempts = server.log().matches("opened").count();
    println!("refused after {took:?}; {attempts} connections in 5 s more; {reason}");
    assert!((1..=5).contains(&attempts), "{attempts} connections");
    assert_eq!(load(&camera.counters.sent), 0);
    camera.publisher.stop();
    assert_eq!(load(&camera.counters.unsent), camera.pushed);
}

#[test]
fn while_mediamtx_is_stopped_memory_is_bounded_losses_are_counted_and_pictures_return() {
    let server = Server::start("", "");
    let limits = Limits {
        ring_bytes: 2 << 20,
        ..Limits::default()
    };
    let mut camera = Camera::new(&server, "s3cret", limits);
    camera.filler = 60_000;
    camera.interval = Duration::from_millis(10);
    camera.film_until_recording();
    server.signal(Signal::SIGSTOP);
    let mut reasons = vec![];
    let start = clock::mono();
    camera.film("five seconds", secs(20), |c| {
        reasons.extend(c.refusal().filter(|_| reasons.is_empty()));
        clock::mono().since(start) >= secs(5)
    });
    let lost = load(&camera.counters.unsent);
    let held = camera.pushed - lost - load(&camera.counters.sent);
    server.signal(Signal::SIGCONT);
    let start = clock::mono();
    let sent = load(&camera.counters.sent);
    camera.film("pictures", secs(20), |c| {
        c.recording() && load(&c.counters.sent) > sent
    });
    println!(
        "5 s stopped: {reasons:?}, {held} held and {lost} of {} unsent; back after {:?}",
        camera.pushed,
        clock::mono().since(start)
    );
    assert!(
        lost > 0 && reasons[0].contains("stopped reading"),
        "{reasons:?}"
    );
    assert!(held * 60_000 <= 2 << 20, "{held} pictures held in 2 MiB");
    camera.publisher.stop();
    let counted = load(&camera.counters.sent) + load(&camera.counters.unsent);
    assert_eq!(counted, camera.pushed);
}

#[test]
fn sender_reports_alone_keep_the_session_of_a_silent_camera() {
    let server = Server::start("readTimeout: 2s", "");
    let limits = Limits {
        sender_report: secs(1),
        ..Limits::default()
    };
    let mut camera = Camera::new(&server, "s3cret", limits);
    camera.film_until_recording();
    let state = camera.publisher.state();
    camera.rest(secs(6));
    assert_eq!(camera.publisher.state(), state);
}

#[test]
fn a_short_stall_costs_whole_groups_but_not_the_session_nor_a_damaged_frame() {
    // What the kernel holds for MediaMTX when it wakes comes at once; no pace of ours helps there.
    let server = Server::start("writeQueueSize: 4096", "");
    let limits = Limits {
        ring_bytes: 1 << 20,
        stall_timeout: secs(10),
        ..Limits::default()
    };
    let mut camera = Camera::new(&server, "s3cret", limits);
    camera.filler = 20_000;
    camera.interval = Duration::from_millis(10);
    camera.film_until_recording();
    let state = camera.publisher.state();
    let mut reader = server.reader(400);
    camera.film("a reader", secs(10), |_| {
        server.log().contains("is reading")
    });
    server.signal(Signal::SIGSTOP);
    let lost = |c: &mut Camera| load(&c.counters.unsent) > 100;
    camera.film("losses", secs(60), lost);
    server.signal(Signal::SIGCONT);
    camera.film("the reader", secs(40), |_| {
        reader.try_wait().unwrap().is_some()
    });
    assert_eq!(camera.publisher.state(), state);
    // A damaged frame would have no number.
    let frames = numbered(&md5s(&reader.wait_with_output().unwrap().stdout));
    assert_eq!(frames.len(), 400);
    let jumps = frames.windows(2).filter(|w| w[1] != (w[0] + 1) % 50);
    let onto: Vec<_> = jumps.map(|w| w[1]).collect();
    assert!(onto.iter().all(|frame| frame % 25 == 0), "{onto:?}");
}
