mod random;
mod rig;

use self::rig::{FINE, Rig, World, at, broken, stuck};
use super::*;

#[test]
fn a_camera_is_connected_only_once_its_picture_is_coded() {
    let mut ladder = Ladder::new(at(0));
    assert_eq!(ladder.poll(at(0)), Some(Order::Open));
    assert_eq!(ladder.poll(at(0)), None);
    ladder.opened(Rate::fps(30), Coder::Software, at(10));
    assert_eq!(ladder.take_status(), None);
    ladder.frame(at(50));
    assert_eq!(ladder.take_status(), None);
    assert!(ladder.unit(true, at(55)));
    assert_eq!(ladder.take_status(), Some(Status::Connected));
    assert_eq!(ladder.take_recovery(), None, "nothing was wrong");
}

#[test]
fn a_broken_stream_is_restarted_at_once_and_viewers_notice_nothing() {
    let mut rig = Rig::new();
    rig.until(10_000, FINE);
    rig.diary.clear();
    rig.fails = Some(broken(Kind::Reopen));
    rig.until(20_000, FINE);
    assert_eq!(rig.rungs(), ["restream"]);
    assert_eq!(rig.views(), []);
    assert_eq!(rig.status, Some(Status::Connected));
    let mended = rig.ladder.take_recovery().unwrap();
    assert_eq!(
        (mended.class, mended.rung),
        (FaultClass::CameraStreamBroken, Rung::Restream)
    );
    assert!(mended.took < Duration::from_millis(100));
}

#[test]
fn a_stream_that_cannot_be_restarted_is_closed_and_opened() {
    let mut rig = Rig::new();
    rig.until(10_000, FINE);
    rig.diary.clear();
    rig.fails = Some(broken(Kind::Reopen));
    let world = World {
        restream_helps: false,
        ..FINE
    };
    rig.until(20_000, world);
    assert_eq!(rig.rungs(), ["restream", "close", "open"]);
    assert_eq!(rig.ladder.take_recovery().unwrap().rung, Rung::Reopen);
}

#[test]
fn a_camera_without_new_frames_is_reported_within_two_seconds_and_every_rung_is_tried() {
    let mut rig = Rig::new();
    rig.until(10_000, FINE);
    rig.diary.clear();
    let mute = World {
        frames: false,
        ..FINE
    };
    rig.until(11_850, mute);
    assert!(
        rig.said()
            .contains("the camera gives no new frame for 1.8 s"),
        "{}",
        rig.said()
    );
    rig.until(24_000, mute);
    assert_eq!(
        rig.rungs(),
        ["restream", "close", "open", "close", "reprobe", "open"]
    );
    let fault = rig.ladder.situation(at(24_000)).fault.unwrap();
    assert_eq!(fault.class, FaultClass::CameraStalled);
    rig.until(40_000, FINE);
    assert_eq!(rig.status, Some(Status::Connected));
    let mended = rig.ladder.take_recovery().unwrap();
    assert_eq!(mended.rung, Rung::Reprobe);
    assert!(mended.took > Duration::from_secs(12));
}

#[test]
fn a_slow_camera_is_not_called_frozen() {
    let mut rig = Rig::new();
    rig.rate = Rate::fps(1);
    rig.until(60_000, FINE);
    assert_eq!(rig.rungs(), ["open"]);
    assert_eq!(rig.views(), []);
    assert_eq!(rig.status, Some(Status::Connected));
}

#[test]
fn a_hardware_encoder_that_goes_mute_is_replaced_by_software_and_tried_again_ever_later() {
    let mut rig = Rig::with_encoder(11);
    rig.until(10_000, FINE);
    rig.diary.clear();
    let mute = World {
        hardware: false,
        ..FINE
    };
    rig.until(11_950, mute);
    assert!(
        rig.said().contains("the encoder takes frames"),
        "{}",
        rig.said()
    );
    rig.until(20_000, mute);
    assert_eq!(
        rig.rungs(),
        ["restream", "close", "open", "close", "reprobe", "open"]
    );
    assert_eq!(rig.open, Some(Coder::Software));
    assert_eq!(rig.status, Some(Status::Connected));
    let mended = rig.ladder.take_recovery().unwrap();
    assert_eq!(
        (mended.class, mended.rung),
        (FaultClass::EncoderStalled, Rung::Reprobe)
    );
    let avoided = rig.ladder.situation(at(20_000)).avoided.unwrap();
    assert_eq!((avoided.node, avoided.strikes), (11, 1));
    // It stays broken for three hours: ever rarer, and each time for two seconds only.
    rig.diary.clear();
    rig.until(3 * 3_600_000, mute);
    let tries = rig.rungs().iter().filter(|r| **r == "reprobe").count();
    assert!((12..30).contains(&tries), "{tries}");
    assert_eq!(rig.status, Some(Status::Connected));
    // Then it works again and is used for good.
    rig.until(5 * 3_600_000, FINE);
    assert_eq!(rig.open, Some(Coder::Node(11)));
    assert_eq!(rig.ladder.situation(at(rig.now)).avoided, None);
}

#[test]
fn new_encoders_end_a_disgrace_while_software_runs() {
    let mut rig = Rig::with_encoder(11);
    rig.until(10_000, FINE);
    let mute = World {
        hardware: false,
        ..FINE
    };
    rig.until(25_000, mute);
    assert_eq!(rig.open, Some(Coder::Software));
    rig.ladder.encoders_changed(at(25_000));
    rig.until(32_000, FINE);
    assert_eq!(rig.open, Some(Coder::Node(11)));
}

#[test]
fn an_encoder_that_refuses_buffers_all_the_time_is_called_so_and_restarted() {
    let mut rig = Rig::with_encoder(11);
    rig.until(10_000, FINE);
    rig.diary.clear();
    for _ in 0..20 {
        rig.ladder.requeued(Part::Encoder, at(rig.now));
    }
    rig.obey(FINE);
    assert_eq!(rig.rungs(), ["restream"]);
    assert!(
        rig.said().contains("the encoder refuses buffers"),
        "{}",
        rig.said()
    );
}

#[test]
fn a_buffer_that_is_refused_once_is_no_fault() {
    let mut rig = Rig::new();
    rig.until(10_000, FINE);
    rig.diary.clear();
    rig.ladder.requeued(Part::Capture, at(rig.now));
    rig.until(20_000, FINE);
    assert_eq!(rig.diary, []);
    // Nor is a driver that refuses every buffer once, as long as its picture flows.
    for _ in 0..100 {
        rig.ladder.requeued(Part::Capture, at(rig.now));
        rig.until(rig.now + 50, FINE);
    }
    assert_eq!(rig.diary, []);
}

#[test]
fn a_camera_that_pauses_for_a_second_and_a_half_is_left_alone() {
    let mut rig = Rig::new();
    rig.until(10_000, FINE);
    rig.until(
        11_500,
        World {
            frames: false,
            ..FINE
        },
    );
    rig.until(20_000, FINE);
    assert_eq!(rig.ladder.take_recovery(), None);
    assert_eq!(rig.rungs(), ["open"]);
    assert_eq!(rig.status, Some(Status::Connected));
}

#[test]
fn a_device_that_says_it_is_gone_is_closed_at_once_and_opened_again_soon() {
    let mut rig = Rig::new();
    rig.until(10_000, FINE);
    rig.diary.clear();
    rig.fails = Some(broken(Kind::Gone));
    rig.until(10_001, FINE);
    assert_eq!(rig.rungs(), ["close"]);
    assert!(matches!(rig.status, Some(Status::Disconnected { .. })));
    rig.until(11_000, FINE);
    assert_eq!(rig.rungs(), ["close", "open"]);
    assert_eq!(
        rig.ladder.take_recovery().unwrap().class,
        FaultClass::CameraGone
    );
}

#[test]
fn an_unplugged_camera_is_not_looked_for_until_it_is_back() {
    let mut rig = Rig::new();
    rig.until(10_000, FINE);
    rig.diary.clear();
    rig.ladder.gone(at(rig.now));
    rig.until(100_000, FINE);
    assert_eq!(rig.rungs(), ["close"]);
    assert_eq!(rig.views(), [(10_000, "slate")], "viewers are told at once");
    rig.ladder.returned(at(rig.now));
    rig.until(100_200, FINE);
    assert_eq!(rig.rungs(), ["close", "open"]);
    assert_eq!(rig.status, Some(Status::Connected));
    assert_eq!(rig.views(), [(10_000, "slate"), (100_000, "picture")]);
}

#[test]
fn a_camera_that_cannot_be_opened_is_retried_ever_slower_but_for_ever() {
    let mut rig = Rig::new();
    let closed = World {
        opens: false,
        ..FINE
    };
    rig.until(3_600_000, closed);
    let opens: Vec<u64> = rig
        .diary
        .iter()
        .filter(|(_, order)| *order == Order::Open)
        .map(|(at, _)| *at)
        .collect();
    assert!(
        opens
            .windows(2)
            .all(|w| (100..=2001).contains(&(w[1] - w[0])))
    );
    assert!(opens.len() > 1700);
    let looks = rig.rungs().iter().filter(|r| **r == "reprobe").count();
    assert!((100..=125).contains(&looks), "{looks}");
    assert_eq!(rig.views(), [], "no slate before the first picture");
    assert!(rig.said().contains("unplug the camera"));
}

#[test]
fn a_camera_that_fails_after_each_first_frame_is_not_opened_ten_times_a_second() {
    let mut rig = Rig::new();
    while rig.now < 60_000 {
        rig.until(rig.now + 30, FINE);
        if rig.open.is_some() {
            rig.fails = Some(broken(Kind::Reopen));
        }
    }
    let opens = rig.rungs().iter().filter(|r| **r == "open").count();
    assert!((25..45).contains(&opens), "{opens}");
}

#[test]
fn a_picture_of_which_every_frame_is_damaged_is_no_picture() {
    let mut ladder = Ladder::new(at(0));
    assert_eq!(ladder.poll(at(0)), Some(Order::Open));
    ladder.opened(Rate::fps(30), Coder::Software, at(0));
    ladder.frame(at(10));
    let _ = ladder.unit(true, at(10));
    for n in 1..100 {
        ladder.damaged();
        while ladder.poll(at(10 + n * 20)).is_some() {}
    }
    let said = format!("{:?}", ladder.take_status());
    assert!(said.contains("all damaged"), "{said}");
}

#[test]
fn frames_that_cannot_be_decoded_are_the_cameras_fault_and_not_the_encoders() {
    let mut ladder = Ladder::new(at(0));
    assert_eq!(ladder.poll(at(0)), Some(Order::Open));
    ladder.opened(Rate::fps(30), Coder::Software, at(0));
    ladder.frame(at(10));
    let _ = ladder.unit(true, at(10));
    for n in 1..100 {
        ladder.frame(at(10 + n * 20));
        ladder.damaged();
        while ladder.poll(at(10 + n * 20)).is_some() {}
    }
    let fault = ladder.situation(at(2000)).fault.unwrap();
    assert_eq!(fault.class, FaultClass::CameraFramesDamaged);
}

#[test]
fn viewers_get_the_slate_after_a_second_and_the_picture_at_its_first_key_frame() {
    let mut rig = Rig::new();
    rig.until(10_000, FINE);
    let mute = World {
        frames: false,
        ..FINE
    };
    rig.until(11_500, mute);
    assert_eq!(rig.status, Some(Status::Connected), "not reported yet");
    assert!(rig.ladder.situation(at(11_500)).slate_since.is_some());
    let why = rig.ladder.why_no_picture(at(11_500));
    assert_eq!(why, "the camera gives no new frames");
    rig.until(20_000, FINE);
    let views = rig.views();
    assert_eq!(views.len(), 2, "{views:?}");
    assert!((10_900..=11_000).contains(&views[0].0), "{views:?}");
    assert!(views[1].0 >= views[0].0 + 1000, "{views:?}");
}

#[test]
fn only_a_key_frame_ends_the_slate() {
    let mut rig = Rig::new();
    rig.until(10_000, FINE);
    rig.until(
        12_500,
        World {
            frames: false,
            ..FINE
        },
    );
    let now = at(rig.now);
    rig.ladder.frame(now);
    assert!(!rig.ladder.unit(false, now), "nobody could decode it");
    assert!(rig.ladder.wants_keyframe(now));
    assert!(rig.ladder.unit(true, now));
    assert_eq!(rig.ladder.poll(now), Some(Order::Picture));
}

#[test]
fn a_changed_setting_is_no_fault() {
    let mut rig = Rig::new();
    rig.until(10_000, FINE);
    rig.diary.clear();
    rig.ladder.opened(rig.rate, Coder::Software, at(rig.now));
    rig.until(20_000, FINE);
    assert!(rig.rungs().is_empty());
    assert_eq!(rig.ladder.take_recovery(), None);
    assert_eq!(rig.views(), []);
}

#[test]
fn an_encoder_that_is_there_no_more_is_looked_for_anew() {
    let mut rig = Rig::with_encoder(11);
    rig.until(10_000, FINE);
    rig.diary.clear();
    rig.node = None;
    rig.fails = Some(stuck(Kind::Gone));
    rig.until(15_000, FINE);
    assert_eq!(rig.rungs(), ["close", "reprobe", "open"]);
    assert_eq!(rig.status, Some(Status::Connected));
}

#[test]
fn an_encoder_that_goes_on_without_frames_does_not_hide_a_camera_that_stopped() {
    let mut rig = Rig::new();
    rig.until(10_000, FINE);
    // A fault just before, so that the next cure has to wait and the encoder has time to lie.
    rig.fails = Some(broken(Kind::Reopen));
    rig.until(11_000, FINE);
    assert!(rig.ladder.take_recovery().is_some());
    let mut said = String::new();
    for n in 0..1890 {
        let now = at(rig.now + n);
        let _ = rig.ladder.unit(false, now);
        while rig.ladder.poll(now).is_some() {}
        if let Some(status) = rig.ladder.take_status() {
            said = format!("{status:?}");
        }
    }
    assert!(said.contains("the camera gives no new frame"), "{said}");
    assert_eq!(rig.ladder.take_recovery(), None, "nothing was mended");
}

#[test]
fn a_camera_that_takes_long_to_open_anew_is_not_called_connected_meanwhile() {
    let mut rig = Rig::new();
    rig.until(10_000, FINE);
    rig.ladder.encoders_changed(at(rig.now - 1000));
    let now = at(rig.now);
    assert_eq!(rig.ladder.poll(now), Some(Order::Close));
    assert_eq!(rig.ladder.poll(now), Some(Order::Reprobe));
    assert_eq!(rig.ladder.poll(now), Some(Order::Open));
    let due = rig.ladder.poll_timeout().unwrap();
    assert!(due <= at(rig.now + 2000));
    while rig.ladder.poll(at(rig.now + 2000)).is_some() {}
    let status = rig.ladder.take_status();
    assert!(matches!(status, Some(Status::Error { .. })), "{status:?}");
}

#[test]
fn before_the_first_picture_everything_goes_to_the_viewers_as_it_comes() {
    let mut ladder = Ladder::new(at(0));
    assert_eq!(ladder.poll(at(0)), Some(Order::Open));
    ladder.opened(Rate::fps(30), Coder::Camera, at(0));
    ladder.frame(at(10));
    assert!(ladder.unit(false, at(10)));
    assert!(!ladder.wants_keyframe(at(10)));
}
