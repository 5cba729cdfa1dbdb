//! Random inputs in random order.

use super::super::*;
use super::rig::{FINE, Rig, World, at, broken, stuck};
use proptest::prelude::*;

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
