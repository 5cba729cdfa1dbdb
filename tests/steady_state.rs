//! While pictures flow, a camera's thread asks the allocator for nothing: memory that is not asked
//! for cannot run out, wait for a lock or grow in a year.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/allocations.rs"]
mod allocations;
#[path = "support/rtsp.rs"]
mod rtsp;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use allocations::asked;
use camera_service::camera::Counters;
use camera_service::clock::{self, Mono};
use camera_service::encode::AccessUnit;
use camera_service::latency::{Latency, Recorder, Stage, Stamps};
use camera_service::pipeline::chain::Timing;
use camera_service::stream::{Limits, Publisher, State, Target};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rtsp::Sink;

/// What a camera's thread does with its publisher until nothing waits to go.
fn turn(publisher: &mut Publisher) {
    let start = clock::mono();
    loop {
        let now = clock::now();
        assert!(
            now.mono.since(start) < Duration::from_secs(20),
            "{:?}",
            publisher.state()
        );
        if publisher.poll_timeout().is_some_and(|at| at <= now.mono) {
            publisher.on_timeout(now);
        }
        let interest = publisher.interest();
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, interest.read);
        flags.set(PollFlags::POLLOUT, interest.write);
        // What waits to be read is read too, but not waited for.
        let wait = if interest.write { 5u16 } else { 0 };
        let ready = publisher.fd().is_some_and(|fd| {
            poll(&mut [PollFd::new(fd, flags)], PollTimeout::from(wait)).unwrap() > 0
        });
        if ready {
            publisher.on_ready(clock::now());
        }
        if !publisher.interest().write {
            return;
        }
    }
}

/// Pictures of a stream: parameter sets and three slices, or two slices, of changing size.
fn pictures() -> Vec<(Vec<u8>, bool)> {
    let nal = |head: u8, len: usize| [&[0, 0, 0, 1, head][..], &vec![7; len]].concat();
    let of = |n: usize| match n % 30 {
        0 => [
            nal(0x67, 20),
            nal(0x68, 4),
            nal(0x65, 15_000 + n),
            nal(0x65, 15_000),
            nal(0x65, 9_000),
        ]
        .concat(),
        _ => [nal(0x41, 900 + n * 31 % 7000), nal(0x41, 4000)].concat(),
    };
    (0..300).map(|n| (of(n), n % 30 == 0)).collect()
}

#[test]
fn a_thousand_pictures_go_into_a_socket_without_one_allocation() {
    let sink = Sink::start();
    let target = Target {
        addr: sink.addr,
        path: "camera0".to_owned(),
        user: "box".to_owned(),
        password: "s3cret".to_owned(),
    };
    let limits = Limits {
        // All that happens every now and then should happen often.
        sender_report: Duration::from_millis(5),
        ring_span: Duration::from_secs(1),
        catch_up: u32::MAX,
        ..Limits::default()
    };
    let counters = Arc::new(Counters::default());
    let mut publisher = Publisher::new(target, Arc::clone(&counters), limits);
    let pictures = pictures();
    // Taken every 33 ms, sent as fast as they go: what the ring holds does not depend on the machine.
    let mut captured = clock::mono();
    let mut film = |count: usize| {
        for (data, keyframe) in pictures.iter().cycle().take(count) {
            let now = clock::now();
            captured = captured + Duration::from_millis(33);
            let unit = AccessUnit {
                data,
                keyframe: *keyframe,
                captured,
            };
            let timing = Timing {
                dequeued: now.mono,
                encoded: now.mono,
            };
            publisher.push(&unit, Some(timing), now);
            turn(&mut publisher);
        }
        matches!(publisher.state(), State::Recording { .. })
    };
    let start = clock::mono();
    while !film(300) {
        assert!(clock::mono().since(start) < Duration::from_secs(20));
    }
    let before = counters.sent.load(Relaxed);
    assert_eq!(
        asked(|| assert!(film(1000))).0,
        0,
        "allocations in 1000 pictures"
    );
    assert_eq!(counters.sent.load(Relaxed) - before, 1000);
    let all = counters.sent.load(Relaxed);
    while sink.pictures() < all {
        assert!(
            clock::mono().since(start) < Duration::from_secs(60),
            "they never came"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    let figures = counters
        .latency
        .recent(Stage::Total, clock::mono())
        .unwrap();
    assert!(figures.frames >= 1000);
}

#[test]
fn a_thousand_pictures_are_held_for_a_trigger_without_one_allocation() {
    let sink = Sink::start();
    let target = Target {
        addr: sink.addr,
        path: "event-camera0".to_owned(),
        user: String::new(),
        password: String::new(),
    };
    let limits = Limits {
        ring_span: Duration::from_secs(12),
        ring_bytes: 32 << 20,
        ..Limits::default()
    };
    let mut publisher = Publisher::new(target, Arc::default(), limits);
    publisher.hold(clock::now());
    let pictures = pictures();
    let mut captured = clock::mono();
    let mut film = |publisher: &mut Publisher, count: usize| {
        for (data, keyframe) in pictures.iter().cycle().take(count) {
            captured = captured + Duration::from_millis(33);
            let unit = AccessUnit {
                data,
                keyframe: *keyframe,
                captured,
            };
            publisher.push(&unit, None, clock::now());
            turn(publisher);
        }
        captured
    };
    film(&mut publisher, 900);
    let (count, now) = asked(|| film(&mut publisher, 1000));
    assert_eq!(count, 0, "allocations in 1000 pictures");
    assert_eq!(publisher.state(), State::Idle, "nothing may be sent yet");
    assert!(publisher.fd().is_none());
    // Then ten seconds of them go, from a key frame on.
    let from = Mono::from_nanos(now.as_nanos() - 10_000_000_000);
    publisher.release(from, clock::now());
    let start = clock::mono();
    while sink.pictures() < 303 {
        turn(&mut publisher);
        assert!(
            clock::mono().since(start) < Duration::from_secs(20),
            "{} came",
            sink.pictures()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(sink.pictures() <= 303 + 31, "{} came", sink.pictures());
    // And may go once more after a pause.
    publisher.hold(clock::now());
    assert!(publisher.fd().is_none());
}

#[test]
fn latencies_are_counted_without_one_allocation_even_when_the_halves_take_turns() {
    let latency = Latency::default();
    let mut recorder = Recorder::default();
    let (count, ()) = asked(|| {
        for second in 1..1000u64 {
            let at = |millis: u64| Mono::from_nanos(second * 1_000_000_000 + millis * 1_000_000);
            let stamps = Stamps {
                captured: at(0),
                dequeued: at(2),
                encoded: at(second % 40),
            };
            recorder.sent(&latency, &stamps, at(50));
        }
    });
    assert_eq!(count, 0);
    assert!(
        asked(|| drop(latency.totals(Stage::Send))).0 > 0,
        "the counter counts"
    );
}
