//! Lists and sets the controls of an open V4L2 node.
//!
//! A camera with one broken control is still a camera: what cannot be read is left out and the rest
//! is shown.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use v4l::v4l_sys::{
    V4L2_CTRL_FLAG_DISABLED, V4L2_CTRL_FLAG_GRABBED, V4L2_CTRL_FLAG_INACTIVE,
    V4L2_CTRL_FLAG_READ_ONLY, V4L2_CTRL_FLAG_WRITE_ONLY,
};

use super::judge::{self, Refusal, Rule};
use super::names::unique;
use super::{Control, Range, Setting};
use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::sys::v4l2::ext_control::ControlFault;
use crate::sys::v4l2::query_ext_ctrl::{ControlType, Description, next, query};
use crate::sys::v4l2::{Fault, g_ext_ctrls, querymenu, s_ext_ctrls};

/// A menu longer than this is no menu; the kernel's longest has some tens of items.
const LONGEST_MENU: i64 = 255;

/// A node with more controls than this is broken; vivid, which has everything, has about a hundred.
const MOST: usize = 1024;

/// How long a device may fail to answer before what is known by then has to do. The camera's thread waits meanwhile, and
/// a webcam may take seconds for each control that it cannot tell of.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where the classes of controls begin: `V4L2_CTRL_CLASS_USER`.
const FIRST_CLASS: u32 = 0x0098_0000;

/// Every control of the node, in the driver's order.
///
/// # Errors
/// `Gone` when the device is; a driver without controls gives an empty list.
pub fn list(fd: BorrowedFd<'_>) -> Result<Vec<Control>> {
    let mut controls = Vec::new();
    let began = clock::mono();
    for (name, described) in named(fd)? {
        match read(fd, &name, &described) {
            Ok(Some(control)) => controls.push(control),
            Ok(None) => {}
            Err(ControlFault::Gone) => return Err(gone(&name)),
            Err(fault) => {
                tracing::debug!(control = name, %fault, "a control cannot be read");
                if clock::mono().since(began) > PATIENCE {
                    break;
                }
            }
        }
    }
    Ok(controls)
}

/// Sets one control and returns it as the driver has it now.
///
/// # Errors
/// `Refused` with a [`Refusal`] as its source; `Transient` when the device did not carry it out;
/// `Gone` when it is away.
pub fn set(fd: BorrowedFd<'_>, name: &str, to: &Setting) -> Result<Control> {
    let all = named(fd)?;
    let Some((_, found)) = all.iter().find(|(known, _)| known == name) else {
        return Err(judge::unknown(name, all.iter().map(|(n, _)| n.as_str())).into());
    };
    let unread = |fault| failed(fd, name, &all, fault);
    let Some(control) = shape(fd, name, found, found.default).map_err(unread)? else {
        return Err(judge::read_only(name).into());
    };
    if control.inactive {
        return Err(judge::inactive(name, &shapes(fd, &all)).into());
    }
    if found.has(V4L2_CTRL_FLAG_GRABBED) {
        return Err(failed(fd, name, &all, ControlFault::Busy));
    }
    let value = judge::value(&control, to, &[])?;
    s_ext_ctrls::set_as(fd, found.id, found.kind.width(), value).map_err(unread)?;
    // Read back and described anew: the driver may have rounded, and flags may have changed.
    let now = query(fd, found.id).unwrap_or_else(|_| found.clone());
    match read(fd, name, &now) {
        Ok(control) => control.ok_or_else(|| judge::read_only(name).into()),
        // It was set and cannot be read: what was set is the best that is known.
        Err(ControlFault::Gone) => Err(gone(name)),
        Err(_) => Ok(Control { value, ..control }),
    }
}

/// The controls that can be shown, by the names they are called.
fn named(fd: BorrowedFd<'_>) -> Result<Vec<(String, Description)>> {
    let found = walk(|after| next(fd, after)).map_err(|_| gone("all controls"))?;
    let mut taken = Vec::new();
    Ok(found
        .into_iter()
        .filter(|d| d.kind != ControlType::Other && !d.has(V4L2_CTRL_FLAG_DISABLED))
        .map(|described| {
            let name = unique(&described.name, described.id, &taken);
            taken.push(name.clone());
            (name, described)
        })
        .collect())
}

/// Follows the driver's list to its end. Some webcams fail to describe one of their controls, and
/// their driver then fails to name the next one; a few ids further, and then the next class of
/// controls, is tried before giving up. Errs only when the device is gone.
fn walk(
    mut next: impl FnMut(u32) -> std::result::Result<Option<Description>, Fault>,
) -> std::result::Result<Vec<Description>, Fault> {
    // Each try may be a transfer over USB that times out.
    let mut patience = 64;
    let began = clock::mono();
    let mut found: Vec<Description> = Vec::new();
    let mut after = 0;
    let mut tries = 0;
    while found.len() < MOST {
        match next(after) {
            Ok(Some(described)) => {
                after = described.id;
                tries = 0;
                found.push(described);
            }
            Ok(None) | Err(Fault::Unsupported) => break,
            Err(Fault::Gone) => return Err(Fault::Gone),
            Err(_) if patience == 0 || after >= u32::MAX >> 4 => break,
            Err(_) if clock::mono().since(began) > PATIENCE => break,
            Err(_) => {
                patience -= 1;
                tries += 1;
                // Ids of a class lie close together and begin at 0x900.
                after = if after >= FIRST_CLASS && tries <= 24 {
                    after + 1
                } else {
                    tries = 0;
                    (after | 0xffff).max(FIRST_CLASS - 1) + 0x900
                };
            }
        }
    }
    Ok(found)
}

/// What a control is and takes, with its value read from the driver.
fn read(
    fd: BorrowedFd<'_>,
    name: &str,
    described: &Description,
) -> std::result::Result<Option<Control>, ControlFault> {
    let value = match described.kind {
        ControlType::Button => 0,
        _ if described.has(V4L2_CTRL_FLAG_WRITE_ONLY) => described.default,
        kind => g_ext_ctrls::get_as(fd, described.id, kind.width())?,
    };
    shape(fd, name, described, value)
}

/// What a control is and takes; `None` for one whose description makes no sense.
fn shape(
    fd: BorrowedFd<'_>,
    name: &str,
    described: &Description,
    value: i64,
) -> std::result::Result<Option<Control>, ControlFault> {
    let range = match described.kind {
        ControlType::Integer | ControlType::Integer64 if described.min <= described.max => {
            Range::Integer {
                min: described.min,
                max: described.max,
                step: described.step.max(1),
            }
        }
        ControlType::Boolean => Range::Boolean,
        ControlType::Menu | ControlType::IntegerMenu => match items(fd, described)? {
            items if items.is_empty() => return Ok(None),
            items => Range::Menu(items),
        },
        ControlType::Button => Range::Button,
        ControlType::Integer | ControlType::Integer64 | ControlType::Other => return Ok(None),
    };
    Ok(Some(Control {
        name: name.to_owned(),
        label: described.name.clone(),
        default: match range {
            Range::Button => 0,
            _ => described.default,
        },
        range,
        value,
        inactive: described.has(V4L2_CTRL_FLAG_INACTIVE),
        // The driver grabs what must not change while the stream runs.
        read_only: described.has(V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_GRABBED),
    }))
}

fn items(
    fd: BorrowedFd<'_>,
    described: &Description,
) -> std::result::Result<Vec<(i64, String)>, ControlFault> {
    let (id, mut items) = (described.id, Vec::new());
    let last = described
        .max
        .min(described.min.saturating_add(LONGEST_MENU));
    for value in described.min..=last {
        let Ok(index) = u32::try_from(value) else {
            continue;
        };
        let item = match described.kind {
            ControlType::IntegerMenu => querymenu::number(fd, id, index).map(text_of),
            _ => querymenu::name(fd, id, index),
        };
        match item {
            Ok(Some(item)) => items.push((value, item)),
            Err(Fault::Gone) => return Err(ControlFault::Gone),
            // A gap in the menu, or an item that cannot be read.
            Ok(None) | Err(_) => {}
        }
    }
    Ok(items)
}

fn text_of(number: Option<i64>) -> Option<String> {
    number.map(|n| n.to_string())
}

/// All controls without their values, for sentences about one of them.
fn shapes(fd: BorrowedFd<'_>, all: &[(String, Description)]) -> Vec<Control> {
    all.iter()
        .filter_map(|(name, d)| shape(fd, name, d, d.default).ok().flatten())
        .collect()
}

fn gone(what: &str) -> Error {
    Error::new(Kind::Gone, format!("the camera is gone ({what})"))
        .action("plug the camera in again")
}

/// What a fault of the driver means for people.
fn failed(
    fd: BorrowedFd<'_>,
    name: &str,
    all: &[(String, Description)],
    fault: ControlFault,
) -> Error {
    let refusal = |rule, what: String, action| Refusal::new(name, rule, what, action).into();
    match fault {
        ControlFault::Gone => gone(name),
        // Drivers that keep no flag say so only when asked to set it.
        ControlFault::Access => judge::inactive(name, &shapes(fd, all)).into(),
        ControlFault::Busy => refusal(
            Rule::Busy,
            format!("the driver keeps {name} as it is while the picture runs"),
            "leave it out; it can only be changed while nothing streams",
        ),
        ControlFault::Range => refusal(
            Rule::Range,
            format!("the driver takes no such value for {name}"),
            "get_camera_controls tells the range",
        ),
        ControlFault::Refused | ControlFault::Unsupported => refusal(
            Rule::Driver,
            format!("the driver refused to set {name}"),
            "try another value",
        ),
        ControlFault::Broken => Error::new(
            Kind::Transient,
            format!("the camera did not carry out the setting of {name}"),
        )
        .action("try again; plug the camera in anew if it stays")
        .because(fault),
        ControlFault::Other(_) => Error::new(Kind::Internal, format!("setting {name}"))
            .action("report it with the service's log")
            .because(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    fn described(id: u32) -> Description {
        Description {
            id,
            kind: ControlType::Integer,
            name: format!("Control {id:x}"),
            min: 0,
            max: 1,
            step: 1,
            default: 0,
            flags: 0,
        }
    }

    /// A driver with these controls, of which it fails to describe `broken`.
    fn driver(
        ids: &[u32],
        broken: u32,
    ) -> impl FnMut(u32) -> std::result::Result<Option<Description>, Fault> {
        move |after| match ids.iter().find(|id| **id > after) {
            Some(id) if *id == broken => Err(Fault::Broken),
            found => Ok(found.map(|id| described(*id))),
        }
    }

    #[test]
    fn one_control_that_cannot_be_described_hides_no_other() {
        let ids = [
            0x0098_0900,
            0x0098_0901,
            0x0098_0904,
            0x009a_0901,
            0x009a_0902,
        ];
        for broken in ids {
            let found: Vec<_> = walk(driver(&ids, broken))
                .unwrap()
                .iter()
                .map(|d| d.id)
                .collect();
            let rest: Vec<_> = ids.into_iter().filter(|id| *id != broken).collect();
            assert_eq!(found, rest, "{broken:x}");
        }
    }

    #[test]
    fn a_driver_that_only_fails_or_never_ends_is_left_alone_soon() {
        let mut calls = 0;
        let nothing = walk(|_| {
            calls += 1;
            Err(Fault::Broken)
        });
        assert_eq!(nothing, Ok(Vec::new()));
        assert!(calls < 100, "{calls}");
        let endless = walk(|after| Ok(Some(described(after + 1))));
        assert_eq!(endless.unwrap().len(), MOST);
        assert_eq!(walk(|_| Err(Fault::Gone)), Err(Fault::Gone));
    }

    #[test]
    fn a_node_without_controls_has_an_empty_list_and_refuses_every_name() {
        let null = File::open("/dev/null").unwrap();
        assert_eq!(list(null.as_fd()).unwrap(), []);
        let error = set(null.as_fd(), "brightness", &Setting::Number(1)).unwrap_err();
        assert_eq!(Refusal::of(&error).unwrap().rule, Rule::Unknown);
    }
}
