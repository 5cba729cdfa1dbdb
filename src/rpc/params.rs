//! What parameters a method takes, and the check of what came against it.

use serde_json::{Map, Value, json};

use super::envelope::Params;
use super::error::Fault;
use crate::camera::CameraId;
use crate::nearest::nearest;

/// The rule a parameter's value must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A camera id: `^camera(0|[1-9][0-9]{0,3})$`.
    Camera,
    /// A string that is not empty.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
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
    /// The JSON Schema of the rule.
    #[must_use]
    pub fn schema(self) -> Value {
        match self {
            Self::Camera => {
                json!({ "type": "string", "pattern": "^camera(0|[1-9][0-9]{0,3})$" })
            }
            Self::Text => json!({ "type": "string", "minLength": 1 }),
            Self::OneOf(words) => json!({ "type": "string", "enum": words }),
        }
    }

    fn check(self, name: &str, value: &Value) -> Result<(), Fault> {
        let Value::String(text) = value else {
            return Err(Fault::param(
                name,
                "type",
                format!("{name} is not a string"),
                format!("send {name} as a string"),
            ));
        };
        match self {
            Self::Camera => text.parse::<CameraId>().map(|_| ()).map_err(|_| {
                Fault::param(
                    name,
                    "pattern",
                    format!("{name} is not a camera id"),
                    "cameras are called camera0, camera1, …; get_camera_list names them",
                )
            }),
            Self::Text if text.is_empty() => Err(Fault::param(
                name,
                "min_length",
                format!("{name} is empty"),
                format!("send {name} with a value"),
            )),
            Self::Text => Ok(()),
            Self::OneOf(words) if words.contains(&text.as_str()) => Ok(()),
            Self::OneOf(words) => Err(Fault::param(
                name,
                "enum",
                format!("{name} is not one of {}", words.join(", ")),
                format!("send one of {}", words.join(", ")),
            )),
        }
    }
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
