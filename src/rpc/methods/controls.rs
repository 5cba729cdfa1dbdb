//! `get_camera_controls`, `set_camera_controls`: brightness, exposure, focus and what else a sensor has.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::running::{Running, running, trouble, unexpected};
use super::{DEVICE, camera_of};
use crate::access::Role;
use crate::camera::controls::judge::Refusal;
use crate::camera::controls::names::in_order;
use crate::camera::controls::{Control, Range, Setting};
use crate::camera::remote::{Command, Reply};
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::{Heard, ask};
use crate::rpc::params::{Param, Rule, whole};
use crate::rpc::table::{Answer, Call, Method, Outcome};

/// `get_camera_controls`.
pub const GET: Method = Method {
    name: "get_camera_controls",
    role: Some(Role::Viewer),
    params: &[DEVICE],
    result: "CameraControls",
    errors: &[Code::NotFound, Code::InvalidState, Code::DependencyFailed],
    doc: "Lists what can be set on a camera (brightness, exposure, focus, …), with ranges and present values.",
    handler: |_, call| or_fault(get(&call)),
};

/// `set_camera_controls`.
pub const SET: Method = Method {
    name: "set_camera_controls",
    role: Some(Role::Operator),
    params: &[
        DEVICE,
        Param {
            name: "controls",
            rule: Rule::Controls,
            required: true,
            doc: "name and value of each control to set: a number, true or false, the name of a menu item, or null for the camera's default",
        },
    ],
    result: "CameraControls",
    errors: &[Code::NotFound, Code::InvalidState, Code::DependencyFailed],
    doc: "Sets controls while the picture runs and tells what the camera made of them. Automatic modes are set first; the first refusal ends it, and what was set before it stays. The values are set again when the camera was unplugged or the service restarted; null is forgotten.",
    handler: |_, call| or_fault(set(&call)),
};

/// An early fault is an answer, too.
pub(super) fn or_fault(outcome: Result<Outcome, Fault>) -> Outcome {
    outcome.unwrap_or_else(|fault| Outcome::Now(Err(fault)))
}

fn get(call: &Call) -> Result<Outcome, Fault> {
    let camera = running(&camera_of(call)?)?;
    let remote = Arc::clone(&camera.remote);
    Ok(ask(&*remote, Command::Controls, move |heard| {
        shown(&camera, &[], heard)
    }))
}

fn set(call: &Call) -> Result<Outcome, Fault> {
    let camera = running(&camera_of(call)?)?;
    let mut wanted = Vec::new();
    for (name, value) in call
        .params
        .get("controls")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        wanted.push((name.clone(), setting(name, value)?));
    }
    in_order(&mut wanted);
    let names: Vec<String> = wanted.iter().map(|(name, _)| name.clone()).collect();
    let remote = Arc::clone(&camera.remote);
    Ok(ask(&*remote, Command::SetControls(wanted), move |heard| {
        shown(&camera, &names, heard)
    }))
}

fn setting(name: &str, value: &Value) -> Result<Setting, Fault> {
    match value {
        Value::Null => Ok(Setting::Default),
        Value::Bool(on) => Ok(Setting::Switch(*on)),
        Value::String(item) => Ok(Setting::Item(item.clone())),
        Value::Number(_) => whole(value).map(Setting::Number).ok_or_else(|| {
            let shown: String = name.chars().take(64).collect();
            Fault::param(
                &format!("controls.{shown}"),
                "type",
                format!("the value of {shown} is not a whole number of 64 bits"),
                "send a whole number",
            )
        }),
        // The row's rule lets nothing else through.
        Value::Array(_) | Value::Object(_) => Ok(Setting::Default),
    }
}

/// The answer; `asked` are the names of the controls that were to be set, in their order.
fn shown(camera: &Running, asked: &[String], heard: Heard) -> Answer {
    match heard {
        Heard::Answer(Ok(Reply::Controls(controls))) => Ok(json!({
            "device": camera.device,
            "controls": controls.iter().map(control_json).collect::<Vec<_>>(),
        })),
        Heard::Answer(Err(error)) => Err(Refusal::of(&error).map_or_else(
            || trouble(&error, camera.otherwise),
            |refusal| refused(asked, refusal),
        )),
        other => Err(unexpected(&other, camera.otherwise)),
    }
}

/// -32602 that names the control, the rule, and what was set before it.
fn refused(names: &[String], refusal: &Refusal) -> Fault {
    let before: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .take_while(|name| *name != refusal.control)
        .collect();
    let details = if before.is_empty() || before.len() == names.len() {
        refusal.what.clone()
    } else {
        format!("{}; set before it: {}", refusal.what, before.join(", "))
    };
    Fault::param(
        &format!("controls.{}", refusal.control),
        refusal.rule.as_str(),
        details,
        refusal.action.clone(),
    )
}

fn control_json(control: &Control) -> Value {
    let mut shown = Map::new();
    let mut add = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    add("name", control.name.as_str().into());
    add("label", control.label.as_str().into());
    add("inactive", control.inactive.into());
    add("read_only", control.read_only.into());
    let (kind, value, default): (_, Value, Value) = match &control.range {
        Range::Integer { min, max, step } => {
            add("min", (*min).into());
            add("max", (*max).into());
            add("step", (*step).into());
            ("integer", control.value.into(), control.default.into())
        }
        Range::Boolean => (
            "boolean",
            (control.value != 0).into(),
            (control.default != 0).into(),
        ),
        Range::Menu(items) => {
            let items = items
                .iter()
                .map(|(value, name)| json!({ "value": value, "name": name }));
            add("menu", items.collect());
            ("menu", control.value.into(), control.default.into())
        }
        Range::Button => ("button", Value::Null, Value::Null),
    };
    add("type", kind.into());
    add("value", value);
    add("default", default);
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::controls::judge::unknown;
    use crate::rpc::schema::tests::departure;

    #[test]
    fn every_type_of_control_is_shown_in_the_documented_shape() {
        let ranges = [
            Range::Integer {
                min: i64::MIN,
                max: -1,
                step: u64::MAX,
            },
            Range::Boolean,
            Range::Menu(vec![(-1, "Off".to_owned()), (2, String::new())]),
            Range::Button,
        ];
        for range in ranges {
            let shown = control_json(&Control {
                name: "c".to_owned(),
                label: "C".to_owned(),
                range,
                value: -1,
                default: 1,
                inactive: false,
                read_only: true,
            });
            assert_eq!(departure("CameraControl", &shown), None, "{shown}");
        }
    }

    #[test]
    fn a_refusal_names_its_control_and_what_was_set_before_it() {
        let names = ["auto_exposure", "gaim", "zoom"].map(str::to_owned);
        let data = refused(&names, &unknown("gaim", ["gain"])).to_json("1")["data"].take();
        assert_eq!(data["param"], "controls.gaim");
        assert_eq!(data["rule"], "unknown");
        assert_eq!(
            data["details"],
            "this camera has no control \"gaim\"; set before it: auto_exposure"
        );
        assert_eq!(data["suggestion"], "did you mean gain?");
    }
}
