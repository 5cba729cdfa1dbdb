use proptest::prelude::*;

use super::*;

fn control(name: &str, range: Range) -> Control {
    Control {
        name: name.to_owned(),
        label: name.to_owned(),
        range,
        value: 0,
        default: 0,
        inactive: false,
        read_only: false,
    }
}

fn brightness() -> Control {
    let range = Range::Integer {
        min: -64,
        max: 65,
        step: 4,
    };
    control("brightness", range)
}

fn exposure() -> Control {
    let items = [
        (0, "Auto Mode"),
        (1, "Manual Mode"),
        (3, "Aperture Priority Mode"),
    ];
    let items = items.map(|(v, n)| (v, n.to_owned())).into();
    control("auto_exposure", Range::Menu(items))
}

fn refused(control: &Control, to: &Setting) -> (Rule, String, String) {
    let refusal = value(control, to, &[]).unwrap_err();
    assert_eq!(refusal.control, control.name);
    (refusal.rule, refusal.what, refusal.action)
}

#[test]
fn a_number_beside_the_range_or_the_steps_is_refused_with_the_nearest_that_fit() {
    let b = brightness();
    assert_eq!(value(&b, &Setting::Number(-64), &[]), Ok(-64));
    assert_eq!(value(&b, &Setting::Number(64), &[]), Ok(64));
    let (rule, what, action) = refused(&b, &Setting::Number(300));
    assert_eq!(rule, Rule::Range);
    assert_eq!(what, "300 is out of range: brightness takes -64 to 65");
    assert_eq!(action, "the nearest permitted value is 64");
    let (rule, what, action) = refused(&b, &Setting::Number(-1));
    assert_eq!(rule, Rule::Step);
    assert!(what.contains("in steps of 4"), "{what}");
    assert_eq!(action, "the nearest permitted values are -4 and 0");
    // The greatest value is no whole number of steps away from the least.
    assert_eq!(
        refused(&b, &Setting::Number(65)).2,
        "the nearest permitted value is 64"
    );
    assert_eq!(
        refused(&b, &Setting::Number(i64::MIN)).2,
        "the nearest permitted value is -64"
    );
}

#[test]
fn a_default_beside_the_cameras_own_range_becomes_the_nearest_value() {
    let mut b = brightness();
    b.default = 66;
    assert_eq!(value(&b, &Setting::Default, &[]), Ok(64));
    b.default = -1000;
    assert_eq!(value(&b, &Setting::Default, &[]), Ok(-64));
}

#[test]
fn a_menu_takes_numbers_and_names_and_helps_with_slips() {
    let e = exposure();
    assert_eq!(value(&e, &Setting::Number(3), &[]), Ok(3));
    assert_eq!(
        value(&e, &Setting::Item("manual mode".to_owned()), &[]),
        Ok(1)
    );
    let (rule, _, action) = refused(&e, &Setting::Item("Manuel Mode".to_owned()));
    assert_eq!(
        (rule, action.as_str()),
        (Rule::Menu, "did you mean \"Manual Mode\"?")
    );
    // 2 is a gap in this menu.
    let (rule, _, action) = refused(&e, &Setting::Number(2));
    assert_eq!(rule, Rule::Menu);
    assert!(action.contains("\"Aperture Priority Mode\""), "{action}");
    assert_eq!(refused(&e, &Setting::Switch(true)).0, Rule::Type);
}

#[test]
fn switches_and_buttons_say_what_they_take() {
    let flip = control("horizontal_flip", Range::Boolean);
    assert_eq!(value(&flip, &Setting::Switch(true), &[]), Ok(1));
    assert_eq!(value(&flip, &Setting::Number(0), &[]), Ok(0));
    assert_eq!(refused(&flip, &Setting::Number(2)).2, "send true or false");
    let button = control("reset", Range::Button);
    assert_eq!(value(&button, &Setting::Switch(true), &[]), Ok(1));
    for to in [Setting::Switch(false), Setting::Default] {
        assert_eq!(refused(&button, &to).2, "send true to press it");
    }
    let (rule, _, action) = refused(&brightness(), &Setting::Item("5".to_owned()));
    assert_eq!(
        (rule, action.as_str()),
        (Rule::Type, "send a number from -64 to 65")
    );
}

#[test]
fn an_inactive_control_names_the_mode_that_rules_it_and_how_to_switch_it() {
    let mut time = control("exposure_time_absolute", brightness().range);
    time.inactive = true;
    let all = [exposure(), time.clone()];
    let refusal = value(&time, &Setting::Number(0), &all).unwrap_err();
    assert_eq!(refusal.rule, Rule::Inactive);
    assert_eq!(
        refusal.what,
        "exposure_time_absolute is inactive now: auto_exposure rules it"
    );
    assert_eq!(refusal.action, "set auto_exposure to \"Manual Mode\" first");
    assert!(
        refused(&time, &Setting::Number(0))
            .1
            .contains("an automatic mode rules it")
    );
    let mut fixed = brightness();
    fixed.read_only = true;
    assert_eq!(refused(&fixed, &Setting::Default).0, Rule::ReadOnly);
}

#[test]
fn a_mistyped_control_is_answered_with_the_nearest_one() {
    let refusal = unknown("brigthness", ["contrast", "brightness"]);
    assert_eq!(refusal.action, "did you mean brightness?");
    assert!(
        unknown("x", ["contrast"])
            .action
            .contains("get_camera_controls")
    );
    assert!(unknown("x", []).action.contains("no controls"));
    assert_eq!(unknown(&"x".repeat(5000), []).control.len(), 64);
}

#[test]
fn a_refusal_is_found_again_beneath_the_error_that_carries_it() {
    let error = Error::from(unknown("brigthness", ["brightness"]));
    assert_eq!(error.kind(), Kind::Refused);
    assert_eq!(error.next_action(), Some("did you mean brightness?"));
    assert_eq!(Refusal::of(&error).unwrap().rule, Rule::Unknown);
    assert_eq!(Refusal::of(&Error::new(Kind::Refused, "no")), None);
}

proptest! {
    #[test]
    fn what_is_taken_and_what_is_suggested_always_is_permitted(
        n: i64, a: i64, b: i64, step in prop_oneof![Just(0_u64), 1_u64..9, any::<u64>()],
    ) {
        let (min, max) = (a.min(b), a.max(b));
        let c = control("c", Range::Integer { min, max, step });
        let (low, high) = neighbours(n, min, max, step);
        for near in [low, high] {
            prop_assert_eq!(value(&c, &Setting::Number(near), &[]), Ok(near));
        }
        let off = (i128::from(n) - i128::from(min)).rem_euclid(i128::from(step.max(1)));
        let fits = (min..=max).contains(&n) && off == 0;
        prop_assert_eq!(value(&c, &Setting::Number(n), &[]).is_ok(), fits);
    }
}
