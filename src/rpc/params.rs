//! What parameters a method takes, and the check of what came against it.

mod file;
pub mod wanted;

use serde_json::{Map, Value, json};

use super::envelope::Params;
use super::error::Fault;
use crate::camera::CameraId;
use crate::mediamtx::paths;
use crate::nearest::nearest;
use crate::units::Size;

/// The rule a parameter's value must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A camera id: `^camera(0|[1-9][0-9]{0,3})$`.
    Camera,
    /// A camera id, or the name of an external stream: `^[a-z0-9_-]{1,64}$`.
    Stream,
    /// A string that is not empty.
    Text,
    /// true or false.
    Bool,
    /// A number, with or without a fraction.
    Number {
        /// The least.
        min: u32,
        /// The greatest.
        max: u32,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A picture size such as `1280x720`.
    Size,
    /// An object of at least one name with a number, a boolean, a string or null each.
    Controls,
    /// The name of a recording or snapshot: a stem, with or without this extension.
    File(&'static str),
    /// A list of at least one topic of [`crate::events`].
    Topics,
    /// An object with some of the filters of [`crate::events::subscriptions::Filters`].
    Filters,
}

/// No camera has more controls than this; a longer list is a mistake.
const MOST_CONTROLS: usize = 256;

/// A whole number, however it is written: `3`, `3.0`, `3e0`.
#[must_use]
pub fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64().filter(|n| n.fract() == 0.0)?;
        // Beyond this, a double no longer tells neighbours apart.
        let exact = number.abs() <= 9_007_199_254_740_992.0;
        exact.then(|| format!("{number:.0}").parse().ok()).flatten()
    })
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What its value must be.
    pub rule: Rule,
    /// Whether it must be there.
    pub required: bool,
    /// One sentence for the document.
    pub doc: &'static str,
}

impl Rule {
    /// A whole number in this range.
    #[must_use]
    pub const fn within(range: &std::ops::RangeInclusive<u32>) -> Self {
        Self::Integer {
            min: *range.start() as i64,
            max: *range.end() as i64,
        }
    }

    /// The JSON Schema of the rule.
    #[must_use]
    pub fn schema(self) -> Value {
        match self {
            Self::Camera => {
                json!({ "type": "string", "pattern": "^camera(0|[1-9][0-9]{0,3})$" })
            }
            Self::Stream => json!({ "type": "string", "pattern": "^[a-z0-9_-]{1,64}$" }),
            Self::Text => json!({ "type": "string", "minLength": 1 }),
            Self::Bool => json!({ "type": "boolean" }),
            Self::Number { min, max } => {
                json!({ "type": "number", "minimum": min, "maximum": max })
            }
            Self::OneOf(words) => json!({ "type": "string", "enum": words }),
            Self::Integer { min, max } => {
                json!({ "type": "integer", "minimum": min, "maximum": max })
            }
            Self::Size => json!({ "type": "string", "pattern": "^[0-9]+x[0-9]+$" }),
            Self::File(_) => file::schema(),
            Self::Controls => json!({
                "type": "object",
                "minProperties": 1,
                "maxProperties": MOST_CONTROLS,
                "additionalProperties": { "type": ["integer", "boolean", "string", "null"] },
            }),
            Self::Topics => wanted::topics_schema(),
            Self::Filters => wanted::filters_schema(),
        }
    }

    fn check(self, name: &str, value: &Value) -> Result<(), Fault> {
        match self {
            Self::Integer { min, max } => integer(name, value, min, max),
            Self::Number { min, max } => number(name, value, min, max),
            Self::Bool if value.is_boolean() => Ok(()),
            Self::Bool => Err(Fault::param(
                name,
                "type",
                format!("{name} is neither true nor false"),
                format!("send {name} as true or false"),
            )),
            Self::Controls => controls(name, value),
            Self::Topics => wanted::topics(name, value).map(drop),
            Self::Filters => wanted::filters(name, value).map(drop),
            Self::File(extension) => file::check(name, value, extension),
            Self::Camera | Self::Stream | Self::Text | Self::OneOf(_) | Self::Size => match value {
                Value::String(text) => self.check_text(name, text),
                _ => Err(Fault::param(
                    name,
                    "type",
                    format!("{name} is not a string"),
                    format!("send {name} as a string"),
                )),
            },
        }
    }

    fn check_text(self, name: &str, text: &str) -> Result<(), Fault> {
        match self {
            Self::Camera => text.parse::<CameraId>().map(|_| ()).map_err(|_| {
                Fault::param(
                    name,
                    "pattern",
                    format!("{name} is not a camera id"),
                    "cameras are called camera0, camera1, …; get_camera_list names them",
                )
            }),
            Self::Stream if !paths::is_name(text) => Err(Fault::param(
                name,
                "pattern",
                format!("{name} is no name that a camera or a stream can have"),
                "send 1 to 64 small letters, digits, _ or -, such as camera0 or drone-1; get_camera_list and get_external_streams tell those there are",
            )),
            Self::Size => text
                .parse::<Size>()
                .ok()
                .filter(|size| size.is_possible())
                .map(|_| ())
                .ok_or_else(|| {
                    Fault::param(
                        name,
                        "pattern",
                        format!("{name} is not a picture size"),
                        "write it as 1280x720; get_camera_capabilities lists the camera's sizes",
                    )
                }),
            Self::Text if text.is_empty() => Err(Fault::param(
                name,
                "min_length",
                format!("{name} is empty"),
                format!("send {name} with a value"),
            )),
            Self::OneOf(words) if !words.contains(&text) => Err(Fault::param(
                name,
                "enum",
                format!("{name} is not one of {}", words.join(", ")),
                format!("send one of {}", words.join(", ")),
            )),
            Self::Stream
            | Self::Text
            | Self::Bool
            | Self::OneOf(_)
            | Self::Integer { .. }
            | Self::Number { .. }
            | Self::Controls
            | Self::File(_)
            | Self::Topics
            | Self::Filters => Ok(()),
        }
    }
}

fn integer(name: &str, value: &Value, min: i64, max: i64) -> Result<(), Fault> {
    let wrong = |rule, what: &str| {
        let details = format!("{name} {what}");
        let suggestion = format!("send a whole number from {min} to {max}");
        Err(Fault::param(name, rule, details, suggestion))
    };
    match whole(value) {
        None => wrong("type", "is not a whole number"),
        Some(n) if n < min => wrong("minimum", &format!("is less than {min}")),
        Some(n) if n > max => wrong("maximum", &format!("is more than {max}")),
        Some(_) => Ok(()),
    }
}

fn number(name: &str, value: &Value, min: u32, max: u32) -> Result<(), Fault> {
    let wrong = |rule, what: &str| {
        let details = format!("{name} {what}");
        let suggestion = format!("send a number from {min} to {max}");
        Err(Fault::param(name, rule, details, suggestion))
    };
    match value.as_f64() {
        None => wrong("type", "is not a number"),
        Some(n) if n < f64::from(min) => wrong("minimum", &format!("is less than {min}")),
        Some(n) if n > f64::from(max) => wrong("maximum", &format!("is more than {max}")),
        Some(_) => Ok(()),
    }
}

fn controls(name: &str, value: &Value) -> Result<(), Fault> {
    let Value::Object(entries) = value else {
        return Err(Fault::param(
            name,
            "type",
            format!("{name} is not an object"),
            "send names with values, such as {\"brightness\": 128}",
        ));
    };
    if entries.is_empty() || entries.len() > MOST_CONTROLS {
        let (rule, what) = if entries.is_empty() {
            ("min_properties", "is empty")
        } else {
            ("max_properties", "has too many entries")
        };
        let suggestion = format!("send 1 to {MOST_CONTROLS} controls");
        return Err(Fault::param(
            name,
            rule,
            format!("{name} {what}"),
            suggestion,
        ));
    }
    let odd = entries.iter().find(|(_, v)| v.is_array() || v.is_object());
    odd.map_or(Ok(()), |(control, _)| {
        let shown: String = control.chars().take(64).collect();
        Err(Fault::param(
            &format!("{name}.{shown}"),
            "type",
            format!("{shown:?} has a list or an object for a value"),
            "send a number, true or false, the name of a menu item, or null for the default",
        ))
    })
}

/// Checks what came against what the method takes.
///
/// # Errors
/// -32602 for the first offence: by position, unknown name, missing, or a rule broken.
pub fn check(known: &[Param], came: Params) -> Result<Map<String, Value>, Fault> {
    let Params::Named(map) = came else {
        return Err(Fault::param(
            "params",
            "by_name",
            "parameters came by position",
            "send params as an object with names",
        ));
    };
    if let Some(name) = map.keys().find(|k| known.iter().all(|p| p.name != **k)) {
        return Err(unknown(known, name));
    }
    for param in known {
        match map.get(param.name) {
            Some(value) => param.rule.check(param.name, value)?,
            None if param.required => {
                return Err(Fault::param(
                    param.name,
                    "required",
                    format!("{} is missing", param.name),
                    format!("add {}: {}", param.name, param.doc),
                ));
            }
            None => {}
        }
    }
    Ok(map)
}

fn unknown(known: &[Param], name: &str) -> Fault {
    let names = || known.iter().map(|p| p.name);
    let shown: String = name.chars().take(64).collect();
    let suggestion = match nearest(name, names()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "this method takes no parameters".to_owned(),
        None => format!(
            "this method takes {}",
            names().collect::<Vec<_>>().join(", ")
        ),
    };
    Fault::param(
        &shown,
        "unknown",
        format!("there is no parameter {shown:?}"),
        suggestion,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Param] = &[
        Param {
            name: "device",
            rule: Rule::Camera,
            required: true,
            doc: "the camera",
        },
        Param {
            name: "kind",
            rule: Rule::OneOf(&["a", "b"]),
            required: false,
            doc: "which",
        },
    ];

    fn refused(params: Value) -> (String, String, String) {
        let Value::Object(map) = params else {
            unreachable!("the tests pass objects")
        };
        let data = check(KNOWN, Params::Named(map)).unwrap_err().to_json("1")["data"].take();
        let text = |key: &str| data[key].as_str().unwrap().to_owned();
        (text("param"), text("rule"), text("suggestion"))
    }

    #[test]
    fn each_offence_names_its_parameter_and_rule() {
        let pair = |params| {
            let (param, rule, _) = refused(params);
            (param, rule)
        };
        assert_eq!(pair(json!({})), ("device".into(), "required".into()));
        assert_eq!(pair(json!({"device": 3})), ("device".into(), "type".into()));
        assert_eq!(
            pair(json!({"device": "camera007"})),
            ("device".into(), "pattern".into())
        );
        assert_eq!(
            pair(json!({"device": "camera0", "kind": "c"})),
            ("kind".into(), "enum".into())
        );
        assert_eq!(
            pair(json!({"device": "camera0", "other": 1})),
            ("other".into(), "unknown".into())
        );
    }

    #[test]
    fn numbers_sizes_and_controls_are_checked_before_a_camera_is_asked() {
        let rule = |rule: Rule, value: Value| {
            let broken = rule.check("p", &value).err()?.to_json("1")["data"].take();
            Some(format!("{} {}", broken["param"], broken["rule"]).replace('"', ""))
        };
        let number = Rule::Integer { min: 1, max: 240 };
        for good in [json!(1), json!(240), json!(30.0), json!(3e1)] {
            assert_eq!(rule(number, good.clone()), None, "{good}");
        }
        for (bad, broken) in [
            (json!(0), "minimum"),
            (json!(-1.0), "minimum"),
            (json!(241), "maximum"),
            (json!(29.97), "type"),
            (json!(u64::MAX), "type"),
            (json!(1e300), "type"),
            (json!("30"), "type"),
            (json!(null), "type"),
        ] {
            assert_eq!(
                rule(number, bad.clone()),
                Some(format!("p {broken}")),
                "{bad}"
            );
        }
        let span = Rule::Number { min: 0, max: 60 };
        for good in [json!(0), json!(0.25), json!(60)] {
            assert_eq!(rule(span, good.clone()), None, "{good}");
        }
        for (bad, broken) in [
            (json!(-0.1), "minimum"),
            (json!(60.1), "maximum"),
            (json!("1"), "type"),
        ] {
            assert_eq!(rule(span, bad).as_deref(), Some(&*format!("p {broken}")));
        }
        assert_eq!(rule(Rule::Bool, json!(false)), None);
        assert_eq!(rule(Rule::Bool, json!(0)).as_deref(), Some("p type"));
        for good in ["camera0", "drone-1", "a_b"] {
            assert_eq!(rule(Rule::Stream, json!(good)), None, "{good}");
        }
        for bad in ["", "Camera0", "/dev/video0", "a b", "../x", "a.b"] {
            assert_eq!(
                rule(Rule::Stream, json!(bad)).as_deref(),
                Some("p pattern"),
                "{bad}"
            );
        }
        assert_eq!(rule(Rule::Size, json!("1280x720")), None);
        for bad in ["1280", "0x0", "99999x2", "1280X720", "-1x5", "640x480x2"] {
            assert_eq!(
                rule(Rule::Size, json!(bad)).as_deref(),
                Some("p pattern"),
                "{bad}"
            );
        }
        let all = json!({"a": 1, "b": true, "c": "Manual", "d": null, "e": 0.5});
        assert_eq!(rule(Rule::Controls, all), None);
        for (bad, broken) in [
            (json!({}), "p min_properties"),
            (json!(["a"]), "p type"),
            (json!({"a": [1]}), "p.a type"),
        ] {
            assert_eq!(
                rule(Rule::Controls, bad.clone()).as_deref(),
                Some(broken),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_mistyped_name_is_answered_with_the_nearest_one() {
        let (_, rule, suggestion) = refused(json!({"devise": "camera0"}));
        assert_eq!(rule, "unknown");
        assert_eq!(suggestion, "did you mean device?");
    }

    #[test]
    fn parameters_by_position_are_refused_by_name() {
        let fault = check(KNOWN, Params::Positional).unwrap_err();
        assert_eq!(fault.to_json("1")["data"]["rule"], "by_name");
    }
}
