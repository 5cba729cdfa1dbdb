use super::*;
use crate::clock::Mono;

mod random;
mod rig;

use rig::{Owner, Rig, at};

fn import() -> Rig {
    Rig::new(Feed::Import, 5, 4, 2)
}

#[test]
fn a_frame_goes_from_the_camera_through_the_encoder_and_back_with_its_own_time() {
    let mut rig = import();
    assert!(rig.raw.iter().all(|o| *o == Owner::Camera));
    assert!(rig.coded.iter().all(|o| *o == Owner::Encoder));
    let frames: Vec<_> = [Content::Key, Content::Delta, Content::Delta]
        .into_iter()
        .map(|content| rig.round(content).captured)
        .collect();
    assert_eq!(rig.emitted, frames);
    assert!(rig.raw.iter().all(|o| *o == Owner::Camera));
    assert_eq!(rig.machine.in_flight(), 0);
    assert_eq!((rig.counts().taken, rig.counts().emitted), (3, 3));
}

#[test]
fn frames_swallowed_by_rate_control_do_not_shift_the_later_ones() {
    let mut rig = import();
    rig.round(Content::Key);
    // Three frames go in; the encoder reads all of them and codes only the last.
    let mut stamps = Vec::new();
    let mut last = None;
    for _ in 0..3 {
        last = Some(rig.capture().captured);
        stamps.push(rig.hand_back());
    }
    rig.coded(stamps[2], Content::Delta);
    assert_eq!(rig.emitted.last().copied(), last);
    assert_eq!(rig.counts().swallowed, 2);
    assert_eq!(rig.machine.in_flight(), 0);
}

#[test]
fn a_frame_that_the_encoder_still_holds_is_not_given_up_because_a_later_one_came_first() {
    let mut rig = import();
    rig.round(Content::Key);
    let first = rig.capture().captured;
    rig.capture();
    let (stamp, raw) = rig.inside.remove(1);
    rig.raw[at(raw.0)] = Owner::Us;
    rig.machine.handle(Event::Returned(raw));
    rig.obey_all();
    rig.coded(stamp, Content::Delta);
    assert_eq!((rig.counts().swallowed, rig.machine.in_flight()), (0, 1));
    let stamp = rig.hand_back();
    rig.coded(stamp, Content::Delta);
    assert_eq!(rig.emitted.last(), Some(&first));
}

#[test]
fn an_empty_coded_buffer_means_that_its_frame_was_swallowed() {
    let mut rig = import();
    rig.round(Content::Key);
    rig.round(Content::Empty);
    assert_eq!((rig.counts().swallowed, rig.emitted.len()), (1, 1));
    assert!(
        rig.coded.iter().all(|o| *o == Owner::Encoder),
        "it went back"
    );
}

#[test]
fn a_slow_encoder_costs_the_newest_frames_and_no_latency() {
    for mut rig in [import(), Rig::new(Feed::Copy, 2, 4, 2)] {
        let first = rig.capture().captured;
        let second = rig.capture().captured;
        for _ in 0..10 {
            rig.capture();
        }
        assert_eq!(rig.counts().late, 10);
        assert_eq!(rig.inside.len(), 2, "no more than two are ahead");
        for content in [Content::Key, Content::Delta] {
            let stamp = rig.hand_back();
            rig.coded(stamp, content);
            rig.release();
        }
        assert_eq!(rig.emitted, [first, second]);
        let third = rig.capture().captured;
        let stamp = rig.hand_back();
        rig.coded(stamp, Content::Delta);
        assert_eq!(rig.emitted.last(), Some(&third));
    }
}

#[test]
fn a_refused_frame_is_tried_once_more_at_once_and_then_dropped() {
    let mut rig = import();
    let frame = rig.frame();
    rig.raw[0] = Owner::Us;
    rig.tell(Event::Captured(RawIndex(0), frame));
    let mut tries = 0;
    rig.obey(&mut |order| {
        tries += u32::from(matches!(order, Order::Encode(..)));
        if tries == 1 && matches!(order, Order::Encode(..)) {
            Outcome::Refused
        } else {
            Outcome::Taken
        }
    });
    assert_eq!((tries, rig.inside.len()), (2, 1), "the second try helped");
    assert_eq!((rig.counts().refused, rig.counts().requeued), (0, 1));
}

#[test]
fn an_encoder_that_refuses_for_ever_is_given_up_and_works_again_after_a_restart() {
    let mut rig = import();
    let refuse = |order: &Order| match order {
        Order::Encode(..) => Outcome::Refused,
        _ => Outcome::Taken,
    };
    let mut frames = 0;
    while rig.gave_up.is_none() && frames < 100 {
        frames += 1;
        let frame = rig.frame();
        let place = rig.raw.iter().position(|o| *o == Owner::Camera).unwrap();
        rig.raw[place] = Owner::Us;
        let raw = RawIndex(u32::try_from(place).unwrap());
        rig.tell(Event::Captured(raw, frame));
        rig.obey(&mut { refuse });
    }
    assert_eq!(frames, REFUSALS);
    assert_eq!(rig.gave_up, Some(Reason::EncoderRefuses));
    assert_eq!(rig.counts().refused, u64::from(REFUSALS));

    rig.gave_up = None;
    rig.raw.fill(Owner::Us);
    rig.coded.fill(Owner::Us);
    rig.inside.clear();
    rig.machine.handle(Event::Restarted);
    rig.obey_all();
    rig.round(Content::Key);
    assert_eq!(rig.emitted.len(), 1);
}

#[test]
fn nothing_goes_out_before_the_first_key_frame() {
    let mut rig = import();
    rig.round(Content::Delta);
    rig.round(Content::Delta);
    assert!(rig.emitted.is_empty());
    assert_eq!(rig.counts().undecodable, 2);
    assert_eq!(rig.forced, 1, "one was asked for, once");
    rig.round(Content::Key);
    assert_eq!(rig.emitted.len(), 1);
}

#[test]
fn after_a_damaged_picture_nothing_goes_out_until_a_key_frame_is_there_and_one_is_asked_for() {
    let mut rig = import();
    rig.round(Content::Key);
    rig.round(Content::Damaged);
    rig.round(Content::Delta);
    assert_eq!((rig.emitted.len(), rig.forced), (1, 1));
    rig.round(Content::Key);
    rig.round(Content::Delta);
    assert_eq!(rig.emitted.len(), 3);
    let counts = rig.counts();
    assert_eq!((counts.damaged, counts.undecodable), (1, 1));
}

#[test]
fn a_wish_for_a_key_frame_asks_once_and_again_only_if_it_was_not_heard() {
    let mut rig = import();
    rig.round(Content::Key);
    for _ in 0..3 {
        rig.machine.handle(Event::KeyWanted); // repeated, as the caller must
        rig.round(Content::Delta);
    }
    assert_eq!(rig.forced, 1);
    for _ in 0..key::PATIENCE {
        rig.machine.handle(Event::KeyWanted);
        rig.round(Content::Delta);
    }
    assert_eq!(rig.forced, 2, "the encoder did not hear the first time");
    rig.machine.handle(Event::KeyWanted);
    rig.round(Content::Key);
    rig.round(Content::Delta);
    assert_eq!(rig.forced, 2);
}

#[test]
fn an_encoder_that_cannot_be_asked_for_key_frames_is_not_asked_again() {
    let mut rig = import();
    rig.machine.handle(Event::KeyWanted);
    let mut asked = 0;
    for _ in 0..3 {
        let frame = rig.frame();
        let place = rig.raw.iter().position(|o| *o == Owner::Camera).unwrap();
        rig.raw[place] = Owner::Us;
        let raw = RawIndex(u32::try_from(place).unwrap());
        rig.tell(Event::Captured(raw, frame));
        rig.obey(&mut |order| {
            if *order == Order::ForceKey {
                asked += 1;
                Outcome::Refused
            } else {
                Outcome::Taken
            }
        });
        let stamp = rig.hand_back();
        rig.coded(stamp, Content::Key);
        rig.release();
        rig.machine.handle(Event::KeyWanted);
    }
    assert_eq!(asked, 1);
    assert_eq!(rig.emitted.len(), 3);
}

#[test]
fn parameter_sets_in_a_buffer_of_their_own_do_not_use_up_the_frame_whose_stamp_they_bear() {
    let mut rig = import();
    let frame = rig.capture().captured;
    let stamp = rig.hand_back();
    rig.coded(stamp, Content::Headers);
    assert!(rig.emitted.is_empty());
    rig.coded(stamp, Content::Key);
    assert_eq!(rig.emitted, [frame]);
}

#[test]
fn access_units_without_a_frame_of_their_own_never_go_out_and_are_given_up_on() {
    for foreign in [Stamp(0), Stamp(7), Stamp(u64::MAX)] {
        let mut rig = import();
        rig.round(Content::Key);
        let mut strangers = 0;
        while rig.gave_up.is_none() && strangers < 100 {
            strangers += 1;
            rig.capture();
            rig.hand_back();
            rig.coded(foreign, Content::Delta);
            rig.release();
        }
        assert_eq!((strangers, rig.emitted.len()), (STRANGERS, 1));
        assert_eq!(rig.gave_up, Some(Reason::NoStamps));
    }
}

#[test]
fn a_camera_that_repeats_its_stamps_does_not_mix_up_frames() {
    let mut rig = import();
    let frame = Frame {
        captured: Mono::from_nanos(5_000_000),
        dequeued: Mono::default(),
    };
    for raw in [0, 1] {
        rig.raw[raw as usize] = Owner::Us;
        rig.tell(Event::Captured(RawIndex(raw), frame));
        rig.obey_all();
    }
    let stamps: Vec<_> = rig.inside.iter().map(|(stamp, _)| *stamp).collect();
    assert_ne!(stamps[0], stamps[1]);
    assert_eq!(stamps[0], Stamp(5_000), "the first one is exact");
}

#[test]
fn a_driver_that_hands_out_what_it_does_not_hold_is_not_believed_and_finally_given_up() {
    let mut rig = import();
    rig.round(Content::Key);
    rig.machine.handle(Event::Returned(RawIndex(0)));
    rig.machine.handle(Event::Returned(RawIndex(77)));
    rig.tell(Event::Coded(CodedIndex(9), Stamp(1), Content::Key));
    rig.obey_all();
    assert_eq!((rig.counts().lies, rig.gave_up), (3, None));
    rig.round(Content::Delta);
    assert_eq!(rig.emitted.len(), 2, "all goes on");
    for _ in 0..LIES {
        rig.machine.handle(Event::Returned(RawIndex(u32::MAX)));
    }
    rig.obey_all();
    assert_eq!(rig.gave_up, Some(Reason::Nonsense(Side::Encoder)));
}

#[test]
fn frames_lost_in_a_restart_are_counted() {
    let mut rig = import();
    rig.capture();
    rig.capture();
    rig.raw.fill(Owner::Us);
    rig.coded.fill(Owner::Us);
    rig.machine.handle(Event::Restarted);
    rig.obey_all();
    assert_eq!((rig.counts().lost, rig.machine.in_flight()), (2, 0));
    assert!(rig.raw.iter().all(|o| *o == Owner::Camera));
}

#[test]
fn the_end_of_the_stream_and_another_size_are_reasons_to_begin_anew() {
    for (event, reason) in [
        (Event::Ended, Reason::Ended),
        (
            Event::SizeChanged(Side::Camera),
            Reason::SizeChanged(Side::Camera),
        ),
    ] {
        let mut rig = import();
        rig.machine.handle(event);
        rig.obey_all();
        assert_eq!(rig.gave_up, Some(reason));
    }
}

#[test]
fn numbers_that_cannot_work_are_refused() {
    assert!(
        Machine::new(Feed::Import, 2, 4, 2).is_none(),
        "none for the camera"
    );
    assert!(Machine::new(Feed::Import, 5, 0, 2).is_none());
    assert!(Machine::new(Feed::Import, 17, 4, 2).is_none());
    assert!(Machine::new(Feed::Copy, 2, 4, 2).is_some());
    assert!(Machine::new(Feed::Copy, 2, 4, 0).is_none());
}
