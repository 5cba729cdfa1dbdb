//! What clients have set, so that a camera that was away comes back as they left it.
//!
//! A camera that is plugged in again, or a driver that is bound again, has its controls back at
//! their defaults. [`Kept::orders`] says what to set then, and in which order.

use std::collections::BTreeMap;

use super::names::{in_order, is_automatic, ruler};
use super::{Control, Range, Setting};

/// The settings of one camera.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    values: BTreeMap<String, i64>,
}

impl Kept {
    /// What clients had set before.
    #[must_use]
    pub const fn new(values: BTreeMap<String, i64>) -> Self {
        Self { values }
    }

    /// What clients have set, by the control's name.
    #[must_use]
    pub const fn values(&self) -> &BTreeMap<String, i64> {
        &self.values
    }

    /// True when no client has set anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Remembers that a client asked for `to` and the driver made `now` of it.
    pub fn remember(&mut self, now: &Control, to: &Setting) {
        match (&now.range, to) {
            // A button is pressed once, and not again behind people's backs.
            (Range::Button, _) => {}
            (_, Setting::Default) => {
                self.values.remove(&now.name);
            }
            _ => {
                self.values.insert(now.name.clone(), now.value);
            }
        }
    }

    /// What to set on a device that was just opened and has the controls `present`, in this order.
    ///
    /// Nothing that already is as it should be, that cannot be set, or that this device does not
    /// have: another camera may have come to the same place. A refusal of one order is no reason
    /// not to follow the rest.
    #[must_use]
    pub fn orders(&self, present: &[Control]) -> Vec<(String, Setting)> {
        let differs = |control: &&Control| {
            !control.read_only
                && self
                    .values
                    .get(&control.name)
                    .is_some_and(|kept| *kept != control.value)
        };
        let modes: Vec<&str> = present
            .iter()
            .filter(differs)
            .map(|c| c.name.as_str())
            .filter(|name| is_automatic(name))
            .collect();
        // What is inactive now is not set, unless its automatic mode is about to change.
        let reachable = |control: &&Control| {
            let all = present.iter().map(|c| c.name.as_str());
            let freed = || match ruler(&control.name, all) {
                Some(ruler) => modes.contains(&ruler),
                None => !modes.is_empty(),
            };
            !control.inactive || freed()
        };
        let mut orders: Vec<_> = present
            .iter()
            .filter(differs)
            .filter(reachable)
            .filter_map(|c| Some((c.name.clone(), Setting::Number(*self.values.get(&c.name)?))))
            .collect();
        in_order(&mut orders);
        orders
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::controls::judge;

    fn control(name: &str, range: Range, value: i64) -> Control {
        Control {
            name: name.to_owned(),
            label: name.to_owned(),
            range,
            value,
            default: value,
            inactive: false,
            read_only: false,
        }
    }

    fn number(name: &str, value: i64) -> Control {
        let range = Range::Integer {
            min: 0,
            max: 1000,
            step: 1,
        };
        control(name, range, value)
    }

    /// A webcam whose exposure is automatic, as after plugging in.
    fn webcam() -> Vec<Control> {
        let modes = vec![(1, "Manual Mode".to_owned()), (3, "Auto".to_owned())];
        let mut exposure = number("exposure_time_absolute", 157);
        exposure.inactive = true;
        vec![
            number("brightness", 128),
            exposure,
            control("auto_exposure", Range::Menu(modes), 3),
            control("reset", Range::Button, 0),
        ]
    }

    /// Follows the orders as a driver would: the automatic mode frees the exposure time.
    fn follow(kept: &Kept, camera: &mut [Control]) {
        for (name, to) in kept.orders(camera) {
            let all = camera.to_vec();
            let control = camera.iter_mut().find(|c| c.name == name).unwrap();
            let value = judge::value(control, &to, &all).unwrap();
            control.value = value;
            if name == "auto_exposure" {
                camera[1].inactive = value != 1;
            }
        }
    }

    #[test]
    fn a_camera_plugged_in_again_gets_its_mode_first_and_then_the_value_it_ruled() {
        let mut kept = Kept::default();
        let manual = Control {
            value: 1,
            ..webcam()[2].clone()
        };
        kept.remember(&number("exposure_time_absolute", 40), &Setting::Number(40));
        kept.remember(&manual, &Setting::Item("Manual Mode".to_owned()));
        kept.remember(&number("brightness", 200), &Setting::Number(200));

        let mut camera = webcam();
        follow(&kept, &mut camera);
        let values: Vec<_> = camera.iter().map(|c| c.value).collect();
        assert_eq!(values, [200, 40, 1, 0]);
        assert_eq!(kept.orders(&camera), [], "nothing is set twice");
    }

    #[test]
    fn a_value_that_an_automatic_mode_rules_again_is_left_alone() {
        let mut kept = Kept::default();
        kept.remember(&number("exposure_time_absolute", 40), &Setting::Number(40));
        assert_eq!(kept.orders(&webcam()), []);
    }

    #[test]
    fn a_default_is_forgotten_a_button_not_pressed_again_and_another_camera_not_disturbed() {
        let mut kept = Kept::default();
        kept.remember(&number("brightness", 200), &Setting::Number(200));
        kept.remember(&number("brightness", 128), &Setting::Default);
        kept.remember(&webcam()[3], &Setting::Switch(true));
        kept.remember(&number("zoom_absolute", 5), &Setting::Number(5));
        assert_eq!(kept.orders(&webcam()), []);
        let mut fixed = number("zoom_absolute", 1);
        fixed.read_only = true;
        assert_eq!(kept.orders(&[fixed]), []);
    }
}
