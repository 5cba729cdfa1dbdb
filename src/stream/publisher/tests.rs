use super::*;
use crate::clock::Wall;
use crate::latency::Stage;
use proptest::prelude::*;
use std::time::Duration;

const LIMITS: Limits = Limits {
    ring_bytes: 20_000,
    ring_span: Duration::from_secs(4),
    rtp_payload: 1440,
    sender_report: Duration::from_secs(2),
    connect_timeout: Duration::from_secs(2),
    reply_timeout: Duration::from_secs(6),
    stall_timeout: Duration::from_secs(2),
    backoff_min: Duration::from_millis(50),
    backoff_max: Duration::from_secs(2),
    settled: Duration::from_secs(5),
    catch_up: 1_000_000,
    burst: 10_000,
    send_buffer: 1,
};

pub(super) fn at(millis: u64) -> Now {
    Now {
        mono: Mono::from_nanos(millis * 1_000_000),
        wall: Wall::from_nanos(1_790_000_000_000_000_000 + millis * 1_000_000),
    }
}

/// A machine, its counters, and what a perfect MediaMTX would have received.
pub(super) struct Rig {
    pub(super) machine: Machine,
    pub(super) counters: Arc<Counters>,
    pub(super) wire: Vec<u8>,
    pub(super) pushed: u64,
}

impl Rig {
    pub(super) fn new() -> Self {
        let counters = Arc::new(Counters::default());
        let target = Target {
            addr: "127.0.0.1:8554".parse().unwrap(),
            path: "camera0".into(),
            user: String::new(),
            password: String::new(),
        };
        Self {
            machine: Machine::new(target, Arc::clone(&counters), LIMITS),
            counters,
            wire: vec![],
            pushed: 0,
        }
    }

    fn push(&mut self, keyframe: bool, len: usize, now: Now) {
        let mut data = vec![0, 0, 1, if keyframe { 0x65 } else { 0x41 }];
        // Its number in base 200, without a zero that could look like a start code.
        let digits = [self.pushed / 200, self.pushed % 200];
        data.extend(digits.map(|d| u8::try_from(d).unwrap() + 1));
        data.extend(std::iter::repeat_n(9, len));
        let au = AccessUnit {
            data: &data,
            keyframe,
            captured: now.mono,
        };
        self.push_and_write(&au, &[], now);
    }

    /// Pushes, and writes at most so many bytes at a time before the ring gets its copy.
    pub(super) fn push_and_write(&mut self, au: &AccessUnit<'_>, writes: &[usize], now: Now) {
        let timing = Timing {
            dequeued: now.mono,
            encoded: now.mono,
        };
        self.machine.push(au, Some(timing), now);
        for &most in writes {
            self.write_from(au.data, most, now);
        }
        self.machine.store(au.data);
        self.pushed += 1;
    }

    pub(super) fn write(&mut self, most: usize, now: Now) -> usize {
        self.write_from(&[], most, now)
    }

    fn write_from(&mut self, fresh: &[u8], most: usize, now: Now) -> usize {
        self.machine.fill(fresh, now);
        let bytes: Vec<u8> = {
            let slices = self.machine.slices(fresh);
            slices.iter().flat_map(|s| s.to_vec()).collect()
        };
        let n = bytes.len().min(most);
        self.wire.extend_from_slice(&bytes[..n]);
        if n > 0 {
            self.machine.written(n, now.mono);
        } else if !bytes.is_empty() {
            self.machine.blocked(now);
        }
        n
    }

    pub(super) fn drain(&mut self, now: Now) {
        while self.write(usize::MAX, now) > 0 {}
    }

    pub(super) fn record(&mut self, now: Now) {
        assert_eq!(self.machine.poll_order(), Some(Order::Connect));
        self.machine.connected(now);
        self.drain(now);
        self.wire.clear();
        self.machine
            .received(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: s\r\n\r\n", now);
        self.machine
            .received(b"RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n", now);
        while self.write(usize::MAX, now) > 0 {}
        self.wire.clear();
        self.machine
            .received(b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n", now);
        assert!(matches!(self.machine.state(), State::Recording { .. }));
    }

    /// (channel, body) of each whole interleaved frame received so far.
    pub(super) fn frames(&self) -> Vec<(u8, &[u8])> {
        let mut rest = &self.wire[..];
        let mut found = vec![];
        while let [mark, channel, hi, lo, tail @ ..] = rest {
            assert!(*mark == b'$' && *channel <= 1, "framing is broken");
            let len = usize::from(u16::from_be_bytes([*hi, *lo]));
            if len > tail.len() {
                break;
            }
            found.push((*channel, &tail[..len]));
            rest = &tail[len..];
        }
        found
    }

    /// (number, key frame) of each picture whose first packet was received.
    fn pictures(&self) -> Vec<(u64, bool)> {
        let media = self
            .frames()
            .into_iter()
            .filter(|(channel, _)| *channel == 0);
        media
            .filter_map(|(_, body)| match body[12..] {
                [0x65 | 0x41, high, low, ..] => Some((body[12] == 0x65, high, low)),
                [0x7C | 0x5C, fu, high, low, ..] if fu & 0x80 != 0 => {
                    Some((fu & 0x1F == 5, high, low))
                }
                _ => None,
            })
            .map(|(key, high, low)| ((u64::from(high) - 1) * 200 + u64::from(low) - 1, key))
            .collect()
    }

    pub(super) fn sent(&self) -> u64 {
        self.counters.sent.load(Ordering::Relaxed)
    }

    pub(super) fn unsent(&self) -> u64 {
        self.counters.unsent.load(Ordering::Relaxed)
    }
}

#[test]
fn nothing_is_announced_before_the_first_key_frame() {
    let mut rig = Rig::new();
    rig.push(false, 10, at(0));
    assert_eq!(rig.machine.state(), State::Idle);
    assert_eq!(rig.machine.poll_order(), None);
    assert!(rig.machine.take_keyframe_wish());
    rig.push(true, 10, at(40));
    assert_eq!(rig.machine.poll_order(), Some(Order::Connect));
    assert_eq!(rig.unsent(), 1);
}

#[test]
fn a_session_starts_with_delimiter_report_and_key_frame_and_asks_for_another() {
    let mut rig = Rig::new();
    rig.push(true, 10, at(0));
    rig.push(false, 10, at(40));
    assert!(!rig.machine.take_keyframe_wish());
    rig.record(at(50));
    assert!(rig.machine.take_keyframe_wish() && !rig.machine.take_keyframe_wish());
    rig.drain(at(50));
    let frames = rig.frames();
    let kinds: Vec<_> = frames
        .iter()
        .map(|(channel, body)| (*channel, body[12] & 0x1F))
        .collect();
    assert_eq!((kinds[0], kinds[1].0), ((0, 9), 1));
    assert_eq!(kinds[2..], [(0, 5), (0, 1)]);
    assert_eq!(frames[1].1[..2], [0x80, 200]);
    assert_eq!(rig.sent(), 2);
}

#[test]
fn a_silent_camera_still_reports_and_a_stepped_wall_clock_is_reported_at_once() {
    let mut rig = Rig::new();
    rig.push(true, 10, at(0));
    rig.record(at(0));
    rig.drain(at(0));
    let reports = |rig: &Rig| {
        rig.frames()
            .iter()
            .filter(|(channel, _)| *channel == 1)
            .count()
    };
    assert_eq!(reports(&rig), 1);
    assert_eq!(rig.machine.poll_timeout(), Some(at(2000).mono));
    rig.machine.handle_timeout(at(1999));
    rig.machine.handle_timeout(at(2000));
    rig.drain(at(2000));
    assert_eq!(reports(&rig), 2);
    let stepped = Now {
        mono: at(2040).mono,
        wall: at(9_002_040).wall,
    };
    rig.push(false, 10, stepped);
    rig.drain(stepped);
    assert_eq!(reports(&rig), 3);
}

#[test]
fn reports_do_not_pile_up_in_front_of_a_socket_that_takes_nothing() {
    let mut rig = Rig::new();
    rig.push(true, 10, at(0));
    rig.record(at(0));
    rig.drain(at(0));
    for second in 1..30 {
        rig.machine.handle_timeout(at(second * 2000));
        assert!(rig.machine.outbox.control_len() < 100);
    }
    rig.drain(at(60_000));
    let reports = rig.frames().iter().filter(|(c, _)| *c == 1).count();
    assert_eq!(reports, 2, "the first, and one that waited");
}

#[test]
fn pauses_double_up_to_the_longest_and_start_anew_after_a_session_that_lasted() {
    let mut rig = Rig::new();
    rig.push(true, 10, at(0));
    let mut now = 0;
    let mut pauses = vec![];
    for _ in 0..8 {
        assert_eq!(rig.machine.poll_order(), Some(Order::Connect));
        rig.machine.failed("refused", at(now));
        assert_eq!(rig.machine.poll_order(), Some(Order::Close));
        let until = rig.machine.poll_timeout().unwrap();
        pauses.push(until.since(at(now).mono).as_millis());
        now += u64::try_from(*pauses.last().unwrap()).unwrap();
        rig.machine.handle_timeout(at(now));
    }
    assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
    for (lasted, pause) in [(4999, 2000), (5000, 50)] {
        rig.record(at(now));
        now += lasted;
        rig.machine.failed("gone", at(now));
        assert_eq!(rig.machine.poll_timeout(), Some(at(now + pause).mono));
        rig.machine.poll_order();
        now += pause;
        rig.machine.handle_timeout(at(now));
    }
}

#[test]
fn a_refusal_waits_the_longest_pause_and_keeps_the_servers_words() {
    let mut rig = Rig::new();
    rig.push(true, 10, at(0));
    rig.machine.poll_order();
    rig.machine.connected(at(0));
    rig.machine
        .received(b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n", at(0));
    let State::Backoff { until, reason } = rig.machine.state() else {
        panic!("{:?}", rig.machine.state());
    };
    assert_eq!(until, at(2000).mono);
    assert!(
        reason.contains("401 Unauthorized") && reason.contains("password"),
        "{reason}"
    );
}

#[test]
fn after_an_outage_the_group_that_was_under_way_is_sent_again_from_its_key_frame() {
    let mut rig = Rig::new();
    for n in 0..6 {
        rig.push(n % 4 == 0, 10, at(n * 40));
    }
    rig.record(at(240));
    rig.drain(at(240));
    assert_eq!(rig.sent(), 6);
    rig.machine.failed("gone", at(250));
    assert_eq!(rig.counters.publishing_since(), None);
    rig.machine.poll_order();
    rig.push(false, 10, at(280));
    rig.machine.handle_timeout(at(300));
    rig.record(at(300));
    rig.drain(at(300));
    let pictures = rig
        .frames()
        .iter()
        .filter(|(c, b)| *c == 0 && b[12] & 0x1F != 9)
        .count();
    assert_eq!(pictures, 3, "frames 4, 5 and 6");
    assert_eq!((rig.sent(), rig.unsent()), (7, 0), "each is counted once");
}

#[test]
fn only_pictures_sent_live_are_timed_and_those_that_waited_for_mediamtx_are_counted_apart() {
    let mut rig = Rig::new();
    let latency = |rig: &Rig, now: Now| rig.counters.latency.recent(Stage::Send, now.mono);
    rig.push(true, 10, at(0));
    rig.push(false, 10, at(40));
    rig.record(at(500));
    rig.drain(at(500));
    assert_eq!(latency(&rig, at(500)), None);
    assert_eq!(rig.counters.latency.late(), 2);
    rig.push(false, 10, at(520));
    rig.drain(at(523));
    // The socket is full for a while: that is how late this picture is.
    rig.push(false, 10, at(560));
    rig.machine.blocked(at(560));
    rig.drain(at(600));
    let figures = latency(&rig, at(600)).unwrap();
    assert_eq!((figures.frames, figures.max.as_millis()), (2, 40));
    rig.machine.failed("gone", at(610));
    rig.machine.poll_order();
    rig.push(false, 10, at(640));
    rig.machine.handle_timeout(at(700));
    rig.record(at(700));
    rig.drain(at(700));
    assert_eq!(latency(&rig, at(700)).unwrap().frames, 2);
    assert_eq!(rig.counters.latency.late(), 3);
}

#[test]
fn a_peer_that_reads_nothing_for_two_seconds_loses_the_session() {
    let mut rig = Rig::new();
    rig.push(true, 5000, at(0));
    rig.record(at(0));
    rig.write(100, at(0));
    rig.machine.blocked(at(10));
    rig.machine.blocked(at(900));
    assert_eq!(rig.machine.poll_timeout(), Some(at(2000).mono), "report");
    rig.machine.handle_timeout(at(2000));
    assert_eq!(rig.machine.poll_timeout(), Some(at(2010).mono), "stall");
    rig.machine.handle_timeout(at(2010));
    assert!(
        matches!(rig.machine.state(), State::Backoff { reason, .. } if reason.contains("stopped reading"))
    );
}

#[test]
fn a_picture_larger_than_the_ring_costs_its_group_and_asks_for_a_key_frame() {
    let mut rig = Rig::new();
    rig.push(true, 30_000, at(0));
    rig.push(false, 10, at(40));
    assert!(rig.machine.take_keyframe_wish());
    assert_eq!(rig.unsent(), 2);
    rig.push(true, 10, at(80));
    rig.record(at(80));
    rig.drain(at(80));
    assert_eq!((rig.sent(), rig.unsent()), (1, 2));
}

#[test]
fn a_group_longer_than_the_ring_goes_on_while_the_session_keeps_up() {
    let mut rig = Rig::new();
    rig.push(true, 1000, at(0));
    rig.record(at(0));
    rig.drain(at(0));
    rig.machine.take_keyframe_wish();
    for n in 1..100 {
        rig.push(false, 1000, at(n * 10));
        rig.drain(at(n * 10));
    }
    assert_eq!((rig.sent(), rig.unsent()), (100, 0));
    assert!(
        rig.machine.take_keyframe_wish(),
        "the ring has nothing to start from"
    );
    rig.machine.failed("gone", at(1000));
    rig.machine.poll_order();
    rig.machine.handle_timeout(at(1050));
    rig.record(at(1050));
    rig.push(false, 10, at(1060));
    rig.push(true, 10, at(1070));
    rig.drain(at(1070));
    assert_eq!((rig.sent(), rig.unsent()), (101, 1));
}

#[test]
fn a_backlog_is_caught_up_at_its_pace_and_without_spinning() {
    let mut rig = Rig::new();
    for n in 0..15 {
        rig.push(n == 0, 1200, at(n));
    }
    rig.record(at(15));
    let (mut now, mut wakes) = (at(15), 0);
    while rig.sent() < 15 {
        rig.drain(now);
        if rig.sent() < 15 {
            assert!(!rig.machine.wants_write(), "the owner would spin");
            let until = rig.machine.poll_timeout().unwrap();
            assert!(until > now.mono);
            now = at(until.as_nanos().div_ceil(1_000_000));
            rig.machine.handle_timeout(now);
            wakes += 1;
        }
    }
    let took = now.mono.since(at(15).mono).as_millis();
    assert!(
        (5..=15).contains(&took),
        "18 KB less 10 KB at 1 MB/s took {took} ms"
    );
    assert!(wakes <= 5, "{wakes} wakes");
    assert!(!rig.machine.wants_write());
}

/// One thing that may happen to a publisher.
#[derive(Debug, Clone)]
enum Step {
    Push { keyframe: bool, len: usize },
    Write(usize),
    Blocked,
    Fail,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (prop::bool::weighted(0.2), 1usize..6000).prop_map(|(keyframe, len)| Step::Push { keyframe, len }),
        8 => (1usize..8000).prop_map(Step::Write),
        1 => Just(Step::Blocked),
        1 => Just(Step::Fail),
        3 => (1u64..1500).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_each_picture_is_counted_once_and_what_arrives_can_be_decoded(
        steps in proptest::collection::vec(step(), 1..400),
    ) {
        let mut rig = Rig::new();
        let mut now = at(0);
        for step in steps {
            match step {
                Step::Push { keyframe, len } => rig.push(keyframe, len, now),
                Step::Write(most) => { rig.write(most, now); }
                Step::Blocked => rig.machine.blocked(now),
                Step::Fail => rig.machine.failed("gone", now),
                Step::Wait(millis) => {
                    now = at(now.mono.as_nanos() / 1_000_000 + millis);
                    rig.machine.handle_timeout(now);
                }
            }
            if rig.machine.state() == State::Connecting {
                rig.record(now);
            }
            let pictures = rig.pictures();
            prop_assert!(pictures.first().is_none_or(|(_, key)| *key), "{:?}", pictures);
            for pair in pictures.windows(2) {
                prop_assert!(pair[1].1 || pair[1].0 == pair[0].0 + 1, "{:?}", pictures);
            }
            prop_assert!(rig.machine.outbox.control_len() < 4096);
        }
        rig.machine.stop();
        prop_assert_eq!(rig.sent() + rig.unsent(), rig.pushed);
    }
}
