use super::*;
use crate::clock::Wall;
use proptest::prelude::*;

fn at(second: u64) -> Now {
    // 2026-11-21, a Saturday, 12:00 UTC.
    Now {
        mono: Mono::from_nanos((1000 + second) * 1_000_000_000),
        wall: Wall::from_secs(1_795_262_400 + second),
    }
}

fn camera(nth: u16) -> CameraId {
    format!("camera{nth}").parse().unwrap()
}

fn continuous() -> Wish {
    Wish {
        mode: Mode::Continuous,
        ..Wish::default()
    }
}

fn scheduled(windows: &str) -> Wish {
    Wish {
        mode: Mode::Scheduled,
        schedule: windows.parse().unwrap(),
    }
}

fn seen(track: Option<State>, by_mode: bool) -> Seen {
    Seen {
        camera: camera(0),
        present: true,
        track,
        by_mode,
    }
}

#[test]
fn a_window_begins_and_ends_a_recording_and_only_one_that_the_mode_began() {
    let mut modes = Modes::default();
    modes.set(camera(0), Some(scheduled("sat 12:01-12:02")));
    let idle = seen(None, false);
    let runs = seen(Some(State::Recording), true);
    assert_eq!(modes.decide(&[idle], at(59)), []);
    assert_eq!(modes.decide(&[idle], at(60)), [Order::Start(camera(0))]);
    assert_eq!(modes.decide(&[runs], at(119)), []);
    assert_eq!(modes.decide(&[runs], at(120)), [Order::Stop(camera(0))]);
    let somebodys = seen(Some(State::Recording), false);
    assert_eq!(modes.decide(&[somebodys], at(120)), []);
    assert_eq!(modes.decide(&[somebodys], at(60)), [], "the track is taken");
    assert_eq!(
        modes.decide(&[seen(Some(State::Starting), true)], at(130)),
        []
    );
}

#[test]
fn a_clock_that_stands_before_the_service_was_written_closes_no_window() {
    let wish = scheduled("mon 12:00-12:01");
    let lost = Now {
        wall: Wall::from_secs(86_400),
        ..at(0)
    };
    let zone = Zone::default();
    assert_eq!(wish.says(lost, &zone), Reason::ClockUnknown);
    assert_eq!(wish.says(at(0), &zone), Reason::Closed);
    assert_eq!(
        scheduled("").says(lost, &zone),
        Reason::Closed,
        "without a window nothing could be wanted"
    );
    let manual = Wish::default();
    assert!(!manual.says(lost, &zone).records());
}

#[test]
fn a_start_that_fails_is_tried_again_after_a_pause_that_doubles_up_to_a_minute() {
    let mut modes = Modes::new(continuous(), Zone::default());
    let idle = [seen(None, false)];
    let mut starts = Vec::new();
    for second in 0..300 {
        if !modes.decide(&idle, at(second)).is_empty() {
            starts.push(second);
            modes.failed(camera(0), at(second).mono);
        }
    }
    assert_eq!(starts, [0, 2, 6, 14, 30, 62, 122, 182, 242]);
    modes.succeeded(camera(0));
    assert_eq!(modes.decide(&idle, at(243)).len(), 1);
}

#[test]
fn a_camera_that_is_unplugged_is_recorded_half_a_minute_longer_and_again_when_it_is_back() {
    let mut modes = Modes::new(continuous(), Zone::default());
    let gone = |track, by_mode| Seen {
        present: false,
        ..seen(track, by_mode)
    };
    let runs = gone(Some(State::Recording), true);
    assert_eq!(modes.decide(&[runs], at(0)), []);
    assert_eq!(modes.decide(&[runs], at(29)), []);
    assert_eq!(modes.decide(&[runs], at(30)), [Order::Stop(camera(0))]);
    assert_eq!(modes.decide(&[gone(None, false)], at(31)), []);
    assert_eq!(
        modes.decide(&[seen(None, false)], at(40)),
        [Order::Start(camera(0))]
    );
    let back = seen(Some(State::Recording), true);
    assert_eq!(modes.decide(&[runs], at(50)), []);
    assert_eq!(modes.decide(&[back], at(60)), []);
    assert_eq!(modes.decide(&[runs], at(70)), []);
    assert_eq!(modes.decide(&[runs], at(85)), [], "it was back meanwhile");
}

#[test]
fn what_was_set_is_known_after_a_restart_and_damage_changes_nothing() {
    let mut modes = Modes::new(continuous(), Zone::default());
    modes.set(
        camera(1),
        Some(scheduled("daily 08:00-09:00; sat 10:00-11:00")),
    );
    modes.set(camera(2), Some(Wish::default()));
    let mut again = Modes::new(Wish::default(), Zone::default());
    again.take(&modes.to_text()).unwrap();
    for nth in [1, 2] {
        assert_eq!(again.wish(camera(nth)), modes.wish(camera(nth)));
        assert!(again.has_own(camera(nth)));
    }
    assert_eq!(*again.wish(camera(0)), Wish::default());
    for bad in [
        "{",
        r#"[{"camera":"x","mode":"manual"}]"#,
        r#"[{"camera":"camera0","mode":"often"}]"#,
        r#"[{"camera":"camera0","mode":"scheduled","schedule":"never"}]"#,
    ] {
        assert!(again.take(bad).is_err(), "{bad}");
        assert!(again.has_own(camera(1)), "{bad}");
    }
}

proptest! {
    /// A stand-in for the recorder obeys, or fails, or loses what runs; cameras come and go; clocks jump.
    #[test]
    fn whatever_happens_what_runs_is_soon_what_the_mode_asks_for(
        steps in proptest::collection::vec((0u8..8, 0u64..90), 1..80),
        windows in proptest::sample::select(vec!["", "sat 12:00-12:10", "daily 23:00-12:05; sat 12:20-12:21"]),
    ) {
        let mut modes = Modes::default();
        let (mut second, mut jump, mut present, mut fails) = (0u64, 0u64, true, false);
        let mut track: Option<State> = None;
        for (what, seconds) in steps {
            match what {
                0 => modes.set(camera(0), Some(continuous())),
                1 => modes.set(camera(0), Some(scheduled(windows))),
                2 => modes.set(camera(0), None),
                3 => present = !present,
                4 => fails = !fails,
                5 => track = None,
                6 => jump += seconds * 60,
                _ => {}
            }
            let now = |second: u64| Now { mono: at(second).mono, wall: at(second + jump).wall };
            // A minute and a bit more than the longest pause and the longest patience.
            for _ in 0..seconds + 95 {
                second += 1;
                let sight = Seen { camera: camera(0), present, track, by_mode: track.is_some() };
                let orders = modes.decide(&[sight], now(second));
                prop_assert!(orders.len() <= 1);
                match orders.first() {
                    Some(Order::Start(_)) => {
                        prop_assert!(present && track.is_none());
                        if fails {
                            modes.failed(camera(0), now(second).mono);
                        } else {
                            track = Some(State::Recording);
                            modes.succeeded(camera(0));
                        }
                    }
                    Some(Order::Stop(_)) => {
                        prop_assert_eq!(track, Some(State::Recording));
                        track = None;
                    }
                    None => {}
                }
            }
            let records = |second| modes.wish(camera(0)).says(now(second), modes.zone()).records();
            // Where a window has just opened or closed, it is not due yet.
            if !fails && (second - 65..=second).all(|s| records(s) == records(second)) {
                let wanted = present && records(second);
                prop_assert_eq!(track.is_some(), wanted, "at {}", second);
            }
        }
    }
}
