use super::*;
use crate::error::Error;
use proptest::prelude::*;

fn at(ms: u64) -> Mono {
    Mono::from_nanos(1_000_000_000_000 + ms * 1_000_000)
}

fn broken(kind: Kind) -> Failure {
    Failure::capture(Error::new(kind, "/dev/video0: taking a frame"))
}

fn stuck(kind: Kind) -> Failure {
    Failure::encoder(Error::new(kind, "/dev/video11: queueing a frame"))
}

/// What is really there, for [`Box::until`].
#[derive(Debug, Clone, Copy)]
struct World {
    /// The device opens.
    opens: bool,
    /// Frames come.
    frames: bool,
    /// The hardware encoder gives access units.
    hardware: bool,
    /// A restart of the streams mends what is broken.
    restream_helps: bool,
}

const FINE: World = World {
    opens: true,
    frames: true,
    hardware: true,
    restream_helps: true,
};

/// A stand-in for the camera's thread: carries out orders on a made-up world, and keeps a diary.
struct Rig {
    ladder: Ladder,
    now: u64,
    rate: Rate,
    node: Option<u16>,
    open: Option<Coder>,
    /// A failure to report at the next step.
    fails: Option<Failure>,
    diary: Vec<(u64, Order)>,
    status: Option<Status>,
    next_frame: u64,
    frame_no: u64,
    /// The last access unit.
    pictured: u64,
}

impl Rig {
    fn new() -> Self {
        Self {
            ladder: Ladder::new(at(0)),
            now: 0,
            rate: Rate::fps(25),
            node: None,
            open: None,
            fails: None,
            diary: Vec::new(),
            status: None,
            next_frame: 0,
            frame_no: 0,
            pictured: 0,
        }
    }

    fn with_encoder(node: u16) -> Self {
        Self {
            node: Some(node),
            ..Self::new()
        }
    }

    fn obey(&mut self, world: World) {
        let now = at(self.now);
        for round in 0.. {
            assert!(round < 20, "the orders never end: {:?}", self.diary);
            let Some(order) = self.ladder.poll(now) else {
                break;
            };
            match &order {
                Order::Close => self.open = None,
                Order::Reprobe => assert!(self.open.is_none(), "all is closed before"),
                Order::Open => {
                    assert!(self.open.is_none(), "closed before it is opened again");
                    let coder = match self.node {
                        Some(node) if !self.ladder.avoids(node, now) => Coder::Node(node),
                        _ => Coder::Software,
                    };
                    self.ladder.opening(coder);
                    if world.opens {
                        self.open = Some(coder);
                        self.next_frame = self.now;
                        self.ladder.opened(self.rate, coder, now);
                    } else {
                        self.ladder.failed(&broken(Kind::Reopen), now);
                    }
                }
                Order::Restream => {
                    assert!(self.open.is_some());
                    if world.restream_helps {
                        self.ladder.restreamed(Ok(()), now);
                    } else {
                        self.ladder.restreamed(Err(&broken(Kind::Reopen)), now);
                    }
                }
                Order::Slate { .. } | Order::Picture => {}
            }
            self.diary.push((self.now, order));
        }
        if let Some(status) = self.ladder.take_status() {
            self.status = Some(status);
        }
    }

    /// Lets the world run up to `end`, in steps of a frame or as the ladder asks.
    fn until(&mut self, end: u64, world: World) {
        while self.now < end {
            if let Some(failure) = self.fails.take() {
                self.ladder.failed(&failure, at(self.now));
            }
            self.obey(world);
            if let Some(coder) = self.open
                && world.frames
                && self.now >= self.next_frame
            {
                self.next_frame = self.now + 1000 / u64::from(self.rate.rounded());
                self.ladder.frame(at(self.now));
                self.frame_no += 1;
                if world.hardware || !matches!(coder, Coder::Node(_)) {
                    let key = self.frame_no.is_multiple_of(25)
                        || self.ladder.wants_keyframe(at(self.now))
                        || self.frame_no == 1;
                    let _ = self.ladder.unit(key, at(self.now));
                    self.pictured = self.now;
                }
                self.obey(world);
            }
            let mut next = end;
            if self.open.is_some() && world.frames {
                next = next.min(self.next_frame.max(self.now + 1));
            }
            if let Some(due) = self.ladder.poll_timeout() {
                let due = due.since(at(0)).as_nanos().div_ceil(1_000_000);
                next = next.min(u64::try_from(due).unwrap().max(self.now + 1));
            }
            self.now = next;
        }
        self.obey(world);
    }

    fn rungs(&self) -> Vec<&'static str> {
        self.diary
            .iter()
            .filter_map(|(_, order)| match order {
                Order::Open => Some("open"),
                Order::Restream => Some("restream"),
                Order::Close => Some("close"),
                Order::Reprobe => Some("reprobe"),
                Order::Slate { .. } | Order::Picture => None,
            })
            .collect()
    }

    fn views(&self) -> Vec<(u64, &'static str)> {
        self.diary
            .iter()
            .filter_map(|(at, order)| match order {
                Order::Slate { .. } => Some((*at, "slate")),
                Order::Picture => Some((*at, "picture")),
                _ => None,
            })
            .collect()
    }

    fn said(&self) -> String {
        format!("{:?}", self.status)
    }
}

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
    rig.until(20_000, FINE);
    let views = rig.views();
    assert_eq!(views.len(), 2, "{views:?}");
    assert!((10_900..=11_000).contains(&views[0].0), "{views:?}");
    assert!(views[1].0 >= views[0].0 + 1000, "{views:?}");
    let Some((_, Order::Slate { reason, .. })) = rig
        .diary
        .iter()
        .find(|(_, order)| matches!(order, Order::Slate { .. }))
    else {
        panic!("no slate");
    };
    assert!(reason.contains("no new frame for 1.0 s"), "{reason}");
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
    rig.ladder.renew(at(rig.now));
    rig.until(20_000, FINE);
    assert_eq!(rig.rungs(), ["close", "open"]);
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

#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    Frame,
    Unit(bool),
    Damaged,
    Requeued(bool),
    Failed(bool, u8),
    Restreamed(bool),
    Gone,
    Returned,
    Encoders,
    Renew,
    Obey(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0_u64..3000).prop_map(Event::Pass),
        6 => Just(Event::Frame),
        6 => any::<bool>().prop_map(Event::Unit),
        1 => Just(Event::Damaged),
        1 => any::<bool>().prop_map(Event::Requeued),
        3 => (any::<bool>(), 0_u8..6).prop_map(|(part, kind)| Event::Failed(part, kind)),
        1 => any::<bool>().prop_map(Event::Restreamed),
        1 => Just(Event::Gone),
        1 => Just(Event::Returned),
        1 => Just(Event::Encoders),
        1 => Just(Event::Renew),
        8 => any::<bool>().prop_map(Event::Obey),
    ]
}

fn kind(n: u8) -> Kind {
    [
        Kind::Transient,
        Kind::Reopen,
        Kind::Gone,
        Kind::Refused,
        Kind::Config,
        Kind::Internal,
    ][usize::from(n % 6)]
}

fn apply(rig: &mut Rig, event: &Event) {
    let now = at(rig.now);
    match *event {
        Event::Pass(_) | Event::Obey(_) => {}
        Event::Frame => rig.ladder.frame(now),
        Event::Unit(key) => {
            let _ = rig.ladder.unit(key, now);
        }
        Event::Damaged => rig.ladder.damaged(),
        Event::Requeued(camera) => rig
            .ladder
            .requeued(if camera { Part::Capture } else { Part::Encoder }, now),
        Event::Failed(camera, n) => {
            let failure = if camera {
                broken(kind(n))
            } else {
                stuck(kind(n))
            };
            rig.ladder.failed(&failure, now);
        }
        Event::Restreamed(fine) => {
            let failure = broken(Kind::Reopen);
            rig.ladder
                .restreamed(if fine { Ok(()) } else { Err(&failure) }, now);
        }
        Event::Gone => rig.ladder.gone(now),
        Event::Returned => rig.ladder.returned(now),
        Event::Encoders => rig.ladder.encoders_changed(now),
        Event::Renew => rig.ladder.renew(now),
    }
}

proptest! {
    /// Whatever is told in whatever order: no panic, no endless orders, views alternate and hold a second.
    #[test]
    fn nothing_that_is_told_confuses_it_for_ever(events in prop::collection::vec(event(), 0..200)) {
        let mut rig = Rig::with_encoder(11);
        for event in &events {
            apply(&mut rig, event);
            match *event {
                Event::Pass(ms) => {
                    let mute = World { frames: false, ..FINE };
                    rig.until(rig.now + ms, mute);
                }
                Event::Obey(fine) => rig.obey(World { restream_helps: fine, opens: fine, ..FINE }),
                _ => {}
            }
        }
        let views = rig.views();
        for (n, (_, view)) in views.iter().enumerate() {
            prop_assert_eq!(*view, if n % 2 == 0 { "slate" } else { "picture" });
        }
        prop_assert!(views.windows(2).all(|w| w[1].0 >= w[0].0 + 1000), "{views:?}");
        // The faults end: within a minute the picture is there and the status says so.
        rig.obey(FINE);
        rig.ladder.returned(at(rig.now));
        rig.until(rig.now + 60_000, FINE);
        prop_assert_eq!(&rig.status, &Some(Status::Connected));
        let situation = rig.ladder.situation(at(rig.now));
        prop_assert!(situation.fault.is_none() && situation.slate_since.is_none());
    }

    /// A world that comes and goes: the status never says connected while no picture came for two seconds,
    /// and orders keep their pace.
    #[test]
    fn health_never_lies_and_orders_keep_their_pace(
        spans in prop::collection::vec(
            (100_u64..8000, any::<[bool; 4]>(), prop::option::of((any::<bool>(), 1_u8..6))),
            1..40,
        ),
        fps in 1_u32..60,
    ) {
        let mut rig = Rig::with_encoder(11);
        rig.rate = Rate::fps(fps);
        let patience = 2000.max(4 * 1000 / u64::from(fps) + 200);
        for (span, [opens, frames, hardware, restream_helps], failure) in spans {
            let world = World { opens, frames, hardware, restream_helps };
            if let Some((camera, n)) = failure {
                rig.fails = Some(if camera { broken(kind(n)) } else { stuck(kind(n)) });
            }
            let end = rig.now + span;
            while rig.now < end {
                rig.until((rig.now + 50).min(end), world);
                if rig.status == Some(Status::Connected) {
                    prop_assert!(rig.now - rig.pictured <= patience, "{} {:?}", rig.now, rig.diary);
                }
            }
        }
        let acts: Vec<u64> = rig.diary.iter()
            .filter(|(_, o)| matches!(o, Order::Open | Order::Restream | Order::Reprobe))
            .map(|(at, _)| *at)
            .collect();
        for (n, from) in acts.iter().enumerate() {
            let within = acts[n..].iter().take_while(|t| **t < from + 1000).count();
            prop_assert!(within <= 12, "{within} orders in a second: {:?}", rig.diary);
        }
    }
}
