//! What becomes of times when the clock is set. The long story, against the true time, is in `order::times`.

use super::*;
use crate::storage::quota::Kind;
use proptest::prelude::*;

const TRUE: u64 = 1_790_000_000;

fn key(name: &str) -> Key {
    (Kind::Recording, name.parse().unwrap())
}

fn at(boot: u64, wall: u64) -> Reading {
    Reading {
        boot: Boottime::from_nanos(boot * 1_000_000_000),
        wall: Wall::from_secs(wall),
    }
}

/// A recording that begins now, as its file tells it, too.
fn record(moments: &mut Moments, name: &str, now: Reading) -> String {
    let known = (Some(now.boot), Some(now.wall));
    moments.began(&key(name), known, now, Wall::default()).0
}

fn shown(moments: &Moments, name: &str, own: u64) -> (u64, Standing) {
    let moment = moments.get(&key(name), Some(Wall::from_secs(own)));
    (moment.at.unwrap().as_secs(), moment.standing)
}

#[test]
fn a_board_without_a_battery_tells_the_true_times_as_soon_as_the_network_has_set_its_clock() {
    let none = BTreeSet::new();
    let mut moments = Moments::new("b1");
    moments.look(at(10, 10), false, Wall::default(), &none);
    let mut lines = record(&mut moments, "early", at(20, 20));
    assert_eq!(shown(&moments, "early", 20), (20, Standing::Uncertain));
    lines += &record(&mut moments, "later", at(50, 50));
    lines += &moments.look(at(60, TRUE), true, Wall::default(), &none);
    assert_eq!(
        shown(&moments, "early", 20),
        (TRUE - 40, Standing::Corrected)
    );
    assert_eq!(
        shown(&moments, "later", 50),
        (TRUE - 10, Standing::Corrected)
    );
    assert_eq!(record(&mut moments, "right", at(70, TRUE + 10)), "");
    assert!(!moments.is_noted(&key("right")));
    assert_eq!(
        shown(&moments, "right", TRUE + 10),
        (TRUE + 10, Standing::Exact)
    );
    // So it is after the next boot, by the lines alone.
    let mut again = Moments::new("b2");
    again.learn(&lines, at(1, 0).boot);
    assert_eq!(shown(&again, "later", 50), (TRUE - 10, Standing::Corrected));
    assert_eq!(lines.lines().count(), 4, "one line told the truth of both");
}

#[test]
fn a_boot_that_never_met_the_network_stays_a_guess_and_says_so() {
    let none = BTreeSet::new();
    let mut moments = Moments::new("b1");
    let newest = Wall::from_secs(TRUE);
    moments.look(at(10, 10), false, newest, &none);
    let lines = record(&mut moments, "lost", at(20, 20));
    assert_eq!(
        shown(&moments, "lost", 20),
        (TRUE + 10, Standing::Uncertain)
    );
    let mut again = Moments::new("b2");
    again.learn(&lines, at(1, 0).boot);
    again.look(at(5, TRUE + 9000), true, newest, &none);
    assert_eq!(shown(&again, "lost", 20), (TRUE + 10, Standing::Uncertain));
}

#[test]
fn once_it_was_right_no_step_moves_anything() {
    let mut moments = Moments::new("b1");
    let runs = BTreeSet::from([key("runs")]);
    moments.look(at(10, TRUE), true, Wall::default(), &runs);
    let lines = record(&mut moments, "runs", at(12, TRUE + 2));
    assert!(
        lines.starts_with('@') && lines.lines().count() == 1,
        "{lines}"
    );
    assert_eq!(record(&mut moments, "short", at(12, TRUE + 2)), "");
    // The clock is set to 2050 while it runs; another one begins before anybody has looked, and one in 1970.
    let far = TRUE + 24 * 366 * 86_400;
    record(&mut moments, "in-2050", at(20, far));
    assert_eq!(
        shown(&moments, "in-2050", far),
        (TRUE + 10, Standing::Corrected)
    );
    moments.look(at(30, far + 10), false, Wall::default(), &runs);
    moments.look(at(40, 0), false, Wall::default(), &runs);
    record(&mut moments, "in-1970", at(50, 10));
    assert_eq!(
        shown(&moments, "in-1970", 10),
        (TRUE + 40, Standing::Corrected)
    );
    assert_eq!(
        moments.wall_of(at(60, 0).boot, at(60, 20)).as_secs(),
        TRUE + 50
    );
    moments.look(at(70, TRUE + 60), true, Wall::default(), &runs);
    assert_eq!(
        shown(&moments, "runs", TRUE + 2),
        (TRUE + 2, Standing::Exact)
    );
    let right: Vec<bool> = moments.noted().map(|(.., right)| right).collect();
    assert_eq!(right, [true; 4], "short ended, and nobody had looked since");
}

#[test]
fn the_service_starts_anew_in_the_same_boot_and_still_corrects() {
    let none = BTreeSet::new();
    let mut moments = Moments::new("b1");
    moments.look(at(10, 10), false, Wall::default(), &none);
    let mut text = record(&mut moments, "a", at(20, 20));
    let mut again = Moments::new("b1");
    again.learn(&text, at(25, 0).boot);
    text += &record(&mut again, "b", at(40, 40));
    text += &again.look(at(60, TRUE), true, Wall::default(), &none);
    for moments in [&again, &{
        let mut third = Moments::new("b2");
        third.learn(&text, at(1, 0).boot);
        third
    }] {
        assert_eq!(shown(moments, "a", 20), (TRUE - 40, Standing::Corrected));
        assert_eq!(shown(moments, "b", 40), (TRUE - 20, Standing::Corrected));
    }
}

#[test]
fn the_service_starts_anew_while_the_clock_is_wrong_and_knows_the_time() {
    let none = BTreeSet::new();
    let mut moments = Moments::new("b1");
    moments.look(at(10, TRUE), true, Wall::default(), &none);
    let text = record(&mut moments, "a", at(20, TRUE + 10));
    let mut again = Moments::new("b1");
    again.learn(&text, at(25, 0).boot);
    again.look(at(30, 5), false, Wall::default(), &none);
    record(&mut again, "b", at(40, 15));
    assert_eq!(shown(&again, "b", 15), (TRUE + 30, Standing::Corrected));
}

#[test]
fn a_machine_that_was_saved_and_restored_moves_nothing_of_its_former_life() {
    let none = BTreeSet::new();
    let mut moments = Moments::new("b1");
    moments.look(at(10, TRUE), false, Wall::default(), &none);
    let text = record(&mut moments, "before", at(90, TRUE + 80));
    let mut again = Moments::new("b1");
    again.learn(&text, at(10, 0).boot);
    again.look(at(10, TRUE + 500), false, Wall::default(), &none);
    again.look(at(20, TRUE + 510), true, Wall::default(), &none);
    assert_eq!(shown(&again, "before", 0), (TRUE + 80, Standing::Uncertain));
}

#[test]
fn a_file_that_was_found_is_taken_at_its_word_where_that_may_be_true() {
    let mut moments = Moments::new("b1");
    let found = |moments: &mut Moments, name: &str, told: u64, now| {
        let told = Some(Wall::from_secs(told));
        moments.began(&key(name), (None, told), now, Wall::default())
    };
    moments.look(at(10, TRUE), true, Wall::default(), &BTreeSet::new());
    let now = at(20, TRUE + 10);
    assert_eq!(found(&mut moments, "good", TRUE - 50, now).0, "");
    found(&mut moments, "of-1970", 30, now);
    found(&mut moments, "of-2050", 2 * TRUE, now);
    assert_eq!(
        shown(&moments, "good", TRUE - 50),
        (TRUE - 50, Standing::Exact)
    );
    assert_eq!(
        shown(&moments, "of-1970", 30),
        (TRUE + 10, Standing::Uncertain)
    );
    assert_eq!(shown(&moments, "of-2050", 2 * TRUE).1, Standing::Uncertain);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_fail(text in "([@+-] ?(recording|snapshot|b1)? ?[a-z0-9]{0,4} ?-?[0-9]{0,22} ?[0-9]{0,22} ?(guess|held|right|exact|later|about)? ?[a-z.]{0,4}\n?|\\PC{0,20}\n?){0,8}") {
        let mut moments = Moments::new("b1");
        moments.learn(&text, Boottime::from_nanos(u64::MAX));
        let written = moments.to_text();
        let mut again = Moments::new("b1");
        again.learn(&written, Boottime::from_nanos(u64::MAX));
        prop_assert_eq!(again.to_text(), written);
        let _ = moments.look(at(1, TRUE), true, Wall::default(), &BTreeSet::new());
        prop_assert!(moments.noted().count() <= 8);
    }
}
