use super::*;
use crate::storage::policy::Type;
use proptest::prelude::*;
use std::path::PathBuf;

const DAY: u64 = 86_400;
const NOW: Wall = Wall::from_secs(1_900_000_000);

fn file(stem: &str, device: &str, days_old: u64, size: u64) -> File {
    File {
        entry: Entry {
            stem: stem.parse().unwrap(),
            device: device.to_owned(),
            size,
            modified: Wall::from_secs(NOW.as_secs() - days_old * DAY - 1),
            created: None,
            path: PathBuf::new(),
        },
        kind: Kind::Recording,
        held: false,
        awaits: false,
        place: None,
    }
}

fn case(files: Vec<File>, limits: &Limits) -> Case<'_> {
    static NONE: BTreeMap<String, u64> = BTreeMap::new();
    Case {
        files,
        limits,
        room: None,
        ahead: &NONE,
        now: NOW,
        clock: Ok(()),
    }
}

fn names(verdict: &Verdict) -> Vec<(String, &'static str)> {
    let victims = verdict.victims.iter();
    victims
        .map(|(file, why)| (file.entry.stem.to_string(), why.as_str()))
        .collect()
}

fn three() -> Vec<File> {
    vec![
        file("new", "camera0", 0, 400),
        file("old", "camera0", 9, 300),
        file("mid", "camera1", 5, 500),
    ]
}

fn days(days: u64) -> Option<Duration> {
    Some(Duration::from_secs(days * DAY))
}

#[test]
fn the_oldest_go_first_and_no_more_than_needed() {
    let by = |limits: Limits| names(&judge(case(three(), &limits)));
    let bytes = |bytes| Limits {
        bytes: Some(bytes),
        ..Limits::default()
    };
    assert_eq!(by(bytes(1200)), []);
    assert_eq!(by(bytes(1000)), [("old".into(), "max_bytes")]);
    assert_eq!(
        by(bytes(500)),
        [("old".into(), "max_bytes"), ("mid".into(), "max_bytes")]
    );
    let age = Limits {
        age: days(7),
        ..Limits::default()
    };
    assert_eq!(by(age), [("old".into(), "max_age")]);
    let both = Limits {
        age: days(4),
        ..bytes(400)
    };
    assert_eq!(
        by(both),
        [("old".into(), "max_age"), ("mid".into(), "max_age")]
    );
    assert_eq!(by(Limits::default()), []);
}

#[test]
fn each_camera_has_its_share_and_some_have_their_own() {
    let mut limits = Limits {
        each: Share {
            bytes: Some(400),
            age: None,
        },
        ..Limits::default()
    };
    assert_eq!(
        names(&judge(case(three(), &limits))),
        [
            ("old".into(), "camera_max_bytes"),
            ("mid".into(), "camera_max_bytes")
        ]
    );
    let roomy = Share {
        bytes: Some(10_000),
        age: days(1),
    };
    limits.own.insert("camera1".to_owned(), roomy);
    assert_eq!(
        names(&judge(case(three(), &limits))),
        [
            ("mid".into(), "camera_max_age"),
            ("old".into(), "camera_max_bytes")
        ]
    );
}

#[test]
fn room_is_made_ahead_of_what_comes_and_what_went_for_another_limit_counts() {
    let limits = Limits {
        bytes: Some(1200),
        min_free: Some(1000),
        ..Limits::default()
    };
    let ahead = [("camera0".to_owned(), 200)].into();
    let verdict = judge(Case {
        ahead: &ahead,
        room: Some(Room {
            free: 900,
            wanted: 1100,
        }),
        ..case(three(), &limits)
    });
    // 1200 are there, 200 will come; the 300 of the oldest are room enough for the medium, too.
    assert_eq!(names(&verdict), [("old".into(), "max_bytes")]);
    assert_eq!((verdict.slack, verdict.short.len()), (Some(300), 0));
}

#[test]
fn a_limit_that_cannot_be_kept_says_so_and_takes_nothing_that_is_held() {
    let limits = Limits {
        bytes: Some(100),
        min_free: Some(5000),
        ..Limits::default()
    };
    let mut files = three();
    files[1].held = true;
    files[2].held = true;
    let verdict = judge(Case {
        room: Some(Room {
            free: 0,
            wanted: 6000,
        }),
        ..case(files, &limits)
    });
    assert_eq!(names(&verdict), [("new".into(), "max_bytes")]);
    let short: Vec<(Why, u64)> = verdict.short.iter().map(|s| (s.why, s.bytes)).collect();
    assert_eq!(short, [(Why::Bytes, 700), (Why::MinFree, 4600)]);
}

#[test]
fn a_policy_that_is_switched_off_switches_the_quotas_off_and_the_stricter_limit_holds() {
    let configured = Limits {
        bytes: Some(2_000_000_000),
        min_free: Some(7),
        ..Limits::default()
    };
    let mut policy = Policy {
        policy_type: Type::Size,
        enabled: true,
        max_age_days: Some(3),
        max_size_gb: Some(1.0),
    };
    let held = Limits::of(Some(&policy), &configured);
    assert_eq!(
        (held.bytes, held.age, held.min_free),
        (Some(1_000_000_000), days(3), Some(7))
    );
    policy.max_size_gb = Some(5.0);
    assert_eq!(
        Limits::of(Some(&policy), &configured).bytes,
        Some(2_000_000_000)
    );
    policy.enabled = false;
    assert!(!Limits::of(Some(&policy), &configured).is_any());
    assert!(!Limits::of(Some(&Policy::default()), &configured).is_any());
    assert_eq!(Limits::of(None, &configured), configured);
}

#[test]
fn a_file_of_a_wrong_clock_keeps_its_place_and_is_as_old_as_the_next_one_that_tells() {
    // Written in 1970, after "old" and before "mid".
    let mut lost = file("lost", "camera0", 0, 100);
    lost.entry.modified = Wall::from_secs(99);
    lost.place = Some(Place {
        after: Wall::from_secs(NOW.as_secs() - 9 * DAY),
        number: 0,
    });
    let mut files = three();
    files.push(lost);
    let by = |limits: &Limits| names(&judge(case(files.clone(), limits)));
    let age = |d| Limits {
        age: days(d),
        ..Limits::default()
    };
    assert_eq!(by(&age(7)), [("old".into(), "max_age")]);
    let gone: Vec<String> = by(&age(4)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(gone, ["old", "lost", "mid"]);
    let bytes = Limits {
        bytes: Some(900),
        ..Limits::default()
    };
    let gone: Vec<String> = by(&bytes).into_iter().map(|(name, _)| name).collect();
    assert_eq!(gone, ["old", "lost"]);
}

#[test]
fn a_hundred_thousand_files_are_judged_each_by_itself() {
    let of = |n: u64| file(&format!("f{n}"), &format!("camera{}", n % 8), n % 250, 1000);
    let files: Vec<File> = (0..100_000).map(of).collect();
    let limits = Limits {
        bytes: Some(90_000_000),
        age: days(200),
        min_free: Some(1_000_000),
        each: Share {
            bytes: Some(11_000_000),
            age: days(240),
        },
        ..Limits::default()
    };
    // Pairs of files looked at would keep this busy for hours.
    let verdict = judge(Case {
        room: Some(Room {
            free: 0,
            wanted: 1_000_000,
        }),
        ..case(files, &limits)
    });
    assert!(verdict.victims.len() > 15_000, "{}", verdict.victims.len());
}

/// Files of three cameras; some held, some without a time of their own.
fn files() -> impl Strategy<Value = Vec<File>> {
    let one = (0_u64..400, 0_u64..1000, 0_u8..3, 0_u8..6, 0_u8..8);
    proptest::collection::vec(one, 0..40).prop_map(|all| {
        let of = |(number, (age, size, camera, held, lost))| {
            let mut made = file(&format!("f{number}"), &format!("camera{camera}"), age, size);
            made.held = held == 0;
            if lost == 0 {
                made.place = Some(Place {
                    after: made.entry.modified,
                    number: u64::try_from(number).unwrap(),
                });
                made.entry.modified = Wall::from_secs(size * 4_000_000);
            }
            made
        };
        all.into_iter().enumerate().map(of).collect()
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let some = |most: u64| proptest::option::of(1..most);
    (some(9000), some(300), some(5000), some(4000), some(200)).prop_map(
        |(bytes, age, min_free, each, own)| Limits {
            bytes,
            age: age.and_then(days),
            min_free,
            each: Share {
                bytes: each,
                age: None,
            },
            own: own
                .map(|d| {
                    (
                        "camera1".to_owned(),
                        Share {
                            bytes: None,
                            age: days(d),
                        },
                    )
                })
                .into_iter()
                .collect(),
        },
    )
}

/// The true order, as `files` built it.
fn when(file: &File) -> (Wall, bool, u64) {
    match file.place {
        Some(place) => (place.after, true, place.number),
        None => (file.entry.modified, false, 0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn limits_hold_and_nobody_falls_who_need_not(
        all in files(),
        limits in limits(),
        ahead in 0_u64..3000,
        free in 0_u64..6000,
        trusted in any::<bool>(),
    ) {
        let ahead: BTreeMap<String, u64> = [("camera0".to_owned(), ahead)].into();
        let least = limits.min_free.unwrap_or(0);
        let room = Room { free, wanted: least + 100 };
        let clock = if trusted { Ok(()) } else { Err(Doubt::Stepped) };
        let verdict = judge(Case {
            files: all.clone(),
            limits: &limits,
            room: Some(room),
            ahead: &ahead,
            now: NOW,
            clock,
        });
        let gone: Vec<&File> = verdict.victims.iter().map(|(file, _)| file).collect();
        let stays = |file: &&File| !gone.iter().any(|g| g.entry.stem == file.entry.stem);
        let left: Vec<&File> = all.iter().filter(stays).collect();
        // Nobody falls twice, and nobody who is held.
        prop_assert_eq!(left.len() + gone.len(), all.len());
        prop_assert!(gone.iter().all(|file| !file.held));
        // Age asks for nobody while the clock is not believed, and says so.
        let aged = |why: &Why| matches!(why, Why::Age | Why::CameraAge);
        if !trusted {
            prop_assert!(!verdict.victims.iter().any(|(_, why)| aged(why)));
            prop_assert_eq!(verdict.ageless.is_some(), limits.has_age());
        }
        let sum = |of: &[&File], device: Option<&str>| -> u64 {
            let ours = of.iter().filter(|f| device.is_none_or(|d| f.entry.device == d));
            ours.map(|f| f.entry.size).sum()
        };
        let only_held = |device: Option<&str>| {
            let mut ours = left.iter().filter(|f| device.is_none_or(|d| f.entry.device == d));
            ours.all(|f| f.held)
        };
        // Each limit holds after, with what will come, or nobody is left who could fall for it.
        if let Some(most) = limits.bytes {
            let coming = ahead["camera0"].min(most / 4);
            prop_assert!(sum(&left, None) + coming <= most || only_held(None));
        }
        for camera in ["camera0", "camera1", "camera2"] {
            if let Some(most) = limits.share(camera).bytes {
                let coming = ahead.get(camera).copied().unwrap_or(0).min(most / 4);
                prop_assert!(sum(&left, Some(camera)) + coming <= most || only_held(Some(camera)));
            }
        }
        if limits.min_free.is_some() {
            prop_assert!(free + sum(&gone, None) >= room.wanted || only_held(None));
        }
        // Of those who fall for one limit, the oldest go first, and without the last one of them it would not hold.
        for why in [Why::Bytes, Why::MinFree, Why::CameraBytes] {
            for device in ["camera0", "camera1", "camera2"] {
                let device = (why == Why::CameraBytes).then_some(device);
                let ours = verdict.victims.iter().filter(|(f, w)| {
                    *w == why && device.is_none_or(|d| f.entry.device == d)
                });
                let fell: Vec<&File> = ours.map(|(file, _)| file).collect();
                prop_assert!(fell.windows(2).all(|pair| when(pair[0]) <= when(pair[1])));
                let Some(last) = fell.last() else { continue };
                let older = left.iter().find(|f| {
                    !f.held && when(f) < when(last) && device.is_none_or(|d| f.entry.device == d)
                });
                prop_assert!(older.is_none(), "{:?} stays, {:?} goes", older, last);
                let order = [Why::CameraBytes, Why::Bytes, Why::MinFree];
                let at = |w: &Why| order.iter().position(|o| o == w);
                let before: Vec<&File> = verdict.victims.iter()
                    .filter(|(f, w)| at(w) < at(&why) || (*w == why && f.entry.stem != last.entry.stem))
                    .filter(|(f, w)| *w != why || device.is_none_or(|d| f.entry.device == d))
                    .map(|(f, _)| f)
                    .collect();
                let rest: Vec<&File> = all.iter()
                    .filter(|f| !before.iter().any(|g| g.entry.stem == f.entry.stem))
                    .collect();
                let needed = match why {
                    Why::Bytes => {
                        let most = limits.bytes.unwrap();
                        sum(&rest, None) + ahead["camera0"].min(most / 4) > most
                    }
                    Why::CameraBytes => {
                        let device = device.unwrap();
                        let most = limits.share(device).bytes.unwrap();
                        let coming = ahead.get(device).copied().unwrap_or(0).min(most / 4);
                        sum(&rest, Some(device)) + coming > most
                    }
                    _ => free + sum(&before, None) < room.wanted,
                };
                prop_assert!(needed, "{:?} fell for nothing ({})", last, why);
            }
        }
    }
}

fn waits(mut file: File) -> File {
    file.awaits = true;
    file
}

#[test]
fn what_waits_for_its_copy_stays_whatever_its_age_and_the_sum() {
    let limits = Limits {
        bytes: Some(100),
        age: days(1),
        ..Limits::default()
    };
    let files = vec![
        waits(file("old", "camera0", 9, 300)),
        file("mid", "camera0", 5, 300),
        waits(file("new", "camera0", 0, 300)),
    ];
    let verdict = judge(case(files, &limits));
    assert_eq!(names(&verdict), [("mid".to_owned(), "max_age")]);
    assert_eq!(verdict.short[0].bytes, 500, "and it is told");
}

#[test]
fn a_medium_that_would_be_full_takes_what_has_a_copy_first_and_then_the_oldest_without() {
    let limits = Limits {
        min_free: Some(1),
        ..Limits::default()
    };
    let files = || {
        vec![
            waits(file("old", "camera0", 9, 300)),
            waits(file("mid", "camera0", 5, 300)),
            file("new", "camera0", 0, 300),
        ]
    };
    let with = |wanted| {
        let room = Some(Room { free: 0, wanted });
        names(&judge(Case {
            room,
            ..case(files(), &limits)
        }))
    };
    let fallen = |names: &[&str]| -> Vec<(String, &str)> {
        let all = names.iter();
        all.map(|name| ((*name).to_owned(), "min_free")).collect()
    };
    assert_eq!(with(300), fallen(&["new"]));
    assert_eq!(with(301), fallen(&["new", "old"]));
    assert_eq!(with(601), fallen(&["new", "old", "mid"]));
}

#[test]
fn without_a_limit_on_free_room_only_what_another_limit_wants_gone_goes_for_room() {
    let limits = Limits {
        bytes: Some(350),
        ..Limits::default()
    };
    let files = || {
        vec![
            waits(file("old", "camera0", 9, 300)),
            waits(file("new", "camera0", 0, 300)),
        ]
    };
    let with = |free| {
        let room = Some(Room { free, wanted: 1000 });
        names(&judge(Case {
            room,
            ..case(files(), &limits)
        }))
    };
    assert_eq!(with(1000), [], "there is room: it waits");
    assert_eq!(with(0), [("old".to_owned(), "max_bytes")]);
}
