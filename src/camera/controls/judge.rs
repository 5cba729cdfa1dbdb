//! Whether a setting is one that a control permits, before the driver is asked.
//!
//! A refusal names the control, the rule it breaks, and what would be taken instead. Drivers round
//! silently; a client that is told beforehand never wonders why its value did not come back.

use std::error::Error as StdError;
use std::fmt;

use super::names::{by_hand, ruler};
use super::{Control, Range, Setting};
use crate::error::{Error, Kind};
use crate::nearest::nearest;

/// The rule a setting breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// No control has this name.
    Unknown,
    /// A number where a switch is wanted, and so on.
    Type,
    /// Below the least or above the greatest value.
    Range,
    /// Between two permitted values.
    Step,
    /// No item of the menu.
    Menu,
    /// An automatic mode rules the control now.
    Inactive,
    /// The control can only be read.
    ReadOnly,
    /// The driver keeps the control as it is while the picture runs.
    Busy,
    /// The driver refuses it and gives no reason.
    Driver,
}

impl Rule {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Type => "type",
            Self::Range => "range",
            Self::Step => "step",
            Self::Menu => "menu",
            Self::Inactive => "inactive",
            Self::ReadOnly => "read_only",
            Self::Busy => "busy",
            Self::Driver => "driver",
        }
    }
}

/// Why a control was not set. Travels as the source of an [`Error`] of kind `Refused`; see [`Refusal::of`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The control's name, as the caller wrote it.
    pub control: String,
    /// What it breaks.
    pub rule: Rule,
    /// What is wrong, as a sentence.
    pub what: String,
    /// What to do about it.
    pub action: String,
}

impl Refusal {
    /// A refusal.
    #[must_use]
    pub fn new(
        control: &str,
        rule: Rule,
        what: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        Self {
            control: control.to_owned(),
            rule,
            what: what.into(),
            action: action.into(),
        }
    }

    /// The refusal beneath an error, if that is what it is.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        error.source()?.downcast_ref()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl StdError for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(
            Kind::Refused,
            format!("control {:?} was not set", shown(&refusal.control)),
        )
        .action(refusal.action.clone())
        .because(refusal)
    }
}

/// As much of a stranger's word as goes into a sentence.
fn shown(word: &str) -> String {
    word.chars().take(64).collect()
}

/// The refusal of a name that no control has.
#[must_use]
pub fn unknown<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Refusal {
    let mut names = names.into_iter().peekable();
    let none = names.peek().is_none();
    let action = match nearest(name, names) {
        Some(near) => format!("did you mean {near}?"),
        None if none => "this camera has no controls to set".to_owned(),
        None => "get_camera_controls names every control".to_owned(),
    };
    let what = format!("this camera has no control {:?}", shown(name));
    Refusal::new(&shown(name), Rule::Unknown, what, action)
}

/// The refusal of a control that an automatic mode rules; `all` is where that mode is looked for.
#[must_use]
pub fn inactive(name: &str, all: &[Control]) -> Refusal {
    let names = all.iter().map(|c| c.name.as_str());
    let mode = ruler(name, names).and_then(|found| all.iter().find(|c| c.name == found));
    match mode {
        Some(mode) => Refusal::new(
            name,
            Rule::Inactive,
            format!("{name} is inactive now: {} rules it", mode.name),
            by_hand(mode).map_or_else(
                || format!("switch {} to manual first", mode.name),
                |item| format!("set {} to {item} first", mode.name),
            ),
        ),
        None => Refusal::new(
            name,
            Rule::Inactive,
            format!("{name} is inactive now: an automatic mode rules it"),
            "switch the automatic mode off first",
        ),
    }
}

/// The refusal of a control that can only be read.
#[must_use]
pub fn read_only(name: &str) -> Refusal {
    Refusal::new(
        name,
        Rule::ReadOnly,
        format!("{name} can only be read"),
        "leave it out",
    )
}

/// The number that the driver is to be given for `to`; `all` are the controls beside this one.
///
/// # Errors
/// The rule that `to` breaks.
pub fn value(control: &Control, to: &Setting, all: &[Control]) -> Result<i64, Refusal> {
    if control.read_only {
        return Err(read_only(&control.name));
    }
    if control.inactive {
        return Err(inactive(&control.name, all));
    }
    match (&control.range, to) {
        (Range::Integer { min, max, step }, Setting::Number(n)) => {
            integer(&control.name, *n, *min, *max, *step)
        }
        // Some cameras' defaults lie outside their own range.
        (Range::Integer { min, max, step }, Setting::Default) => {
            Ok(neighbours(control.default, *min, *max, *step).0)
        }
        (Range::Boolean, Setting::Switch(on)) => Ok(i64::from(*on)),
        (Range::Boolean, Setting::Number(n @ (0 | 1))) => Ok(*n),
        (Range::Menu(items), Setting::Number(n)) if items.iter().any(|(v, _)| v == n) => Ok(*n),
        (Range::Menu(items), Setting::Item(name)) => item(&control.name, items, name),
        (Range::Menu(items), Setting::Number(_)) => Err(no_item(&control.name, items, None)),
        (Range::Boolean | Range::Menu(_), Setting::Default) => Ok(control.default),
        (Range::Button, Setting::Switch(true) | Setting::Number(_)) => Ok(1),
        (range, _) => Err(wrong_type(&control.name, range)),
    }
}

fn wrong_type(name: &str, range: &Range) -> Refusal {
    let (what, action) = match range {
        Range::Integer { min, max, .. } => (
            "takes a whole number",
            format!("send a number from {min} to {max}"),
        ),
        Range::Boolean => ("is a switch", "send true or false".to_owned()),
        Range::Menu(items) => ("is a menu", choices(items)),
        Range::Button => (
            "is a button and has no value",
            "send true to press it".to_owned(),
        ),
    };
    Refusal::new(name, Rule::Type, format!("{name} {what}"), action)
}

fn choices(items: &[(i64, String)]) -> String {
    // A menu of hundreds of items would make a sentence nobody reads.
    const FEW: usize = 12;
    let mut names: Vec<_> = items
        .iter()
        .take(FEW)
        .map(|(_, n)| format!("{n:?}"))
        .collect();
    if items.len() > FEW {
        names.push("…".to_owned());
    }
    format!("send one of {}", names.join(", "))
}

fn item(name: &str, items: &[(i64, String)], wanted: &str) -> Result<i64, Refusal> {
    items
        .iter()
        .find(|(_, item)| item == wanted)
        .or_else(|| items.iter().find(|(_, i)| i.eq_ignore_ascii_case(wanted)))
        .map(|(number, _)| *number)
        .ok_or_else(|| no_item(name, items, Some(wanted)))
}

fn no_item(name: &str, items: &[(i64, String)], wanted: Option<&str>) -> Refusal {
    let near = wanted.and_then(|w| nearest(w, items.iter().map(|(_, n)| n.as_str())));
    Refusal::new(
        name,
        Rule::Menu,
        format!("the menu of {name} has no such item"),
        near.map_or_else(|| choices(items), |near| format!("did you mean {near:?}?")),
    )
}

fn integer(name: &str, n: i64, min: i64, max: i64, step: u64) -> Result<i64, Refusal> {
    let (low, high) = neighbours(n, min, max, step);
    if low == n {
        return Ok(n);
    }
    if !(min..=max).contains(&n) || low == high {
        return Err(Refusal::new(
            name,
            Rule::Range,
            format!("{n} is out of range: {name} takes {min} to {max}"),
            format!("the nearest permitted value is {low}"),
        ));
    }
    Err(Refusal::new(
        name,
        Rule::Step,
        format!("{n} lies between two steps: {name} takes {min} to {max} in steps of {step}"),
        format!("the nearest permitted values are {low} and {high}"),
    ))
}

/// The nearest permitted values at or below, and at or above, `n`.
fn neighbours(n: i64, min: i64, max: i64, step: u64) -> (i64, i64) {
    // 128 bits: a control may span all 64 of them.
    let (min, step) = (i128::from(min), i128::from(step.max(1)));
    let steps = (i128::from(max) - min).max(0) / step;
    let below = ((i128::from(n) - min).max(0) / step).min(steps);
    let at = |steps: i128| min + steps * step;
    let low = at(below);
    let high = if low < i128::from(n) {
        at((below + 1).min(steps))
    } else {
        low
    };
    // Both lie between `min` and `max`.
    let narrow = |wide: i128| i64::try_from(wide).unwrap_or(max);
    (narrow(low), narrow(high))
}

#[cfg(test)]
mod tests;
