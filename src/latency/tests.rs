use super::*;
use proptest::prelude::*;

pub(super) const START: u64 = 1_000_000_000_000;

/// A picture whose stages took so long, and when it was out.
pub(super) fn picture(at: u64, dequeue: u64, encode: u64, send: u64) -> (Stamps, Mono) {
    let stamps = Stamps {
        captured: Mono::from_nanos(at),
        dequeued: Mono::from_nanos(at + dequeue),
        encoded: Mono::from_nanos(at + dequeue + encode),
    };
    (stamps, Mono::from_nanos(at + dequeue + encode + send))
}

fn near(found: Duration, wanted: u64) -> bool {
    let wanted = wanted as f64;
    (found.as_nanos() as f64 - wanted).abs() <= wanted * 0.032
}

#[test]
fn each_stage_has_its_own_figures_and_the_whole_way_too() {
    let (latency, mut recorder) = (Latency::default(), Recorder::default());
    let mut now = Mono::from_nanos(START);
    assert_eq!(latency.recent(Stage::Total, now), None);
    for n in 0..100 {
        // One in a hundred waits for the socket.
        let send = if n == 50 { 80_000_000 } else { 100_000 };
        let (stamps, sent) = picture(START + n * 33_000_000, 2_000_000, 9_000_000, send);
        recorder.sent(&latency, &stamps, sent);
        now = sent;
    }
    let of = |stage| latency.recent(stage, now).unwrap();
    assert!(near(of(Stage::Dequeue).p99, 2_000_000));
    assert!(near(of(Stage::Encode).p50, 9_000_000));
    assert!(near(of(Stage::Send).p95, 100_000));
    assert_eq!(of(Stage::Send).max, Duration::from_millis(80));
    assert!(near(of(Stage::Total).p50, 11_100_000));
    assert_eq!(of(Stage::Total).max, Duration::from_millis(91));
    assert_eq!(of(Stage::Total).frames, 100);
    assert_eq!(latency.late(), 0);
}

#[test]
fn a_bad_minute_is_forgotten_a_minute_later_but_not_in_the_totals() {
    let (latency, mut recorder) = (Latency::default(), Recorder::default());
    let mut now = Mono::default();
    let mut film = |seconds: std::ops::Range<u64>, encode: u64| {
        for second in seconds {
            let (stamps, sent) = picture(START + second * 1_000_000_000, 0, encode, 0);
            recorder.sent(&latency, &stamps, sent);
            now = sent;
        }
        now
    };
    let bad = film(0..30, 500_000_000);
    let just_after = film(30..45, 5_000_000);
    let recent = |now| latency.recent(Stage::Encode, now).unwrap();
    assert_eq!(recent(bad).max, Duration::from_millis(500));
    assert_eq!(recent(just_after).max, Duration::from_millis(500));
    let later = film(45..91, 5_000_000);
    assert!(near(recent(later).p99, 5_000_000));
    assert_eq!(recent(later).max, Duration::from_millis(5));
    assert!((30..=60).contains(&recent(later).frames));
    let totals = latency.totals(Stage::Encode);
    let (under, all) = totals.up_to([Duration::from_millis(10), Duration::from_secs(1)]);
    assert_eq!((under, all), ([61, 91], 91));
    assert_eq!(totals.sum, Duration::from_millis(30 * 500 + 61 * 5));
    assert_eq!(
        latency.recent(Stage::Encode, later + TURN * 2),
        None,
        "a camera that sends nothing has no present latency"
    );
}

#[test]
fn a_time_stamp_from_the_future_and_a_stall_of_an_hour_are_counted_all_the_same() {
    let (latency, mut recorder) = (Latency::default(), Recorder::default());
    let (mut stamps, _) = picture(START, 0, 0, 0);
    stamps.captured = Mono::from_nanos(START + 1_000_000);
    recorder.sent(
        &latency,
        &stamps,
        Mono::from_nanos(START + 3_600_000_000_000),
    );
    let now = Mono::from_nanos(START + 3_600_000_000_001);
    let dequeue = latency.recent(Stage::Dequeue, now).unwrap();
    assert_eq!((dequeue.p99, dequeue.max), (Duration::ZERO, Duration::ZERO));
    let total = latency.recent(Stage::Total, now).unwrap();
    assert!(total.p99 > Duration::from_secs(60));
    assert!(total.max > Duration::from_secs(3599));
}

proptest! {
    #[test]
    fn percentiles_are_those_of_the_sorted_times_within_three_percent(
        times in proptest::collection::vec(10_000u64..60_000_000_000, 1..300),
    ) {
        let (latency, mut recorder) = (Latency::default(), Recorder::default());
        let sent = Mono::from_nanos(START);
        for &time in &times {
            let (stamps, _) = picture(START - time, 0, 0, time);
            recorder.sent(&latency, &stamps, sent);
        }
        let mut sorted = times;
        sorted.sort_unstable();
        let figures = latency.recent(Stage::Total, sent).unwrap();
        for (found, share) in [(figures.p50, 50), (figures.p95, 95), (figures.p99, 99)] {
            let rank = (sorted.len() * share).div_ceil(100).max(1);
            prop_assert!(near(found, sorted[rank - 1]), "{:?} for {}", found, sorted[rank - 1]);
        }
        prop_assert_eq!(figures.max, Duration::from_nanos(*sorted.last().unwrap()));
    }
}
