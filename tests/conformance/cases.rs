//! The cases of a method, generated from its row.

use serde_json::{Map, Value, json};

use crate::contract::{Method, Param, Rule};
use crate::report::Wanted;
use crate::world::{Names, fill};

/// One call and what it must give to somebody who may call the method.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) what: String,
    /// The text of `params`; absent where `None`.
    pub(crate) params: Option<String>,
    pub(crate) wanted: Wanted,
    /// The envelope itself is wrong, so nothing about roles is looked at (§20.14).
    pub(crate) envelope: bool,
}

fn case(what: impl Into<String>, params: &Value, wanted: Wanted) -> Case {
    Case {
        what: what.into(),
        params: Some(params.to_string()),
        wanted,
        envelope: false,
    }
}

/// What attackers and accidents send as text; the word says which.
pub(crate) fn hostile() -> Vec<(&'static str, String)> {
    vec![
        ("traversal", "../../../../etc/passwd".to_owned()),
        ("a traversal in Windows' manner", r"..\..\secret".to_owned()),
        ("an absolute path", "/etc/passwd".to_owned()),
        ("two dots", "..".to_owned()),
        ("one dot", ".".to_owned()),
        ("NUL", "a\0b".to_owned()),
        ("a line end", "a\r\nb".to_owned()),
        ("10 kB", "a".repeat(10_240)),
        ("an encoded traversal", "%2e%2e%2f%2e%2e%2fetc".to_owned()),
        ("a shell's words", "x; reboot #$(reboot)`reboot`".to_owned()),
        ("SQL", "x' OR '1'='1'; DROP TABLE files; --".to_owned()),
        ("unicode", "ünïcødé-名前-🎥".to_owned()),
        ("an override of direction", "a\u{202e}gpj.exe".to_owned()),
        (
            "an overlong slash in HTML",
            "<img src=x onerror=alert(1)>".to_owned(),
        ),
    ]
}

/// These must be refused as parameters wherever a name is taken; of the others, a server may also
/// say that there is no such thing.
const NEVER_A_NAME: &[&str] = &[
    "traversal",
    "a traversal in Windows' manner",
    "an absolute path",
    "two dots",
    "one dot",
    "NUL",
    "a line end",
    "10 kB",
];

/// Every case but the good ones. `names` fill the good parameters that the wrong ones are made from.
pub(crate) fn cases(method: &Method, names: &Names) -> Vec<Case> {
    let template = method.good.first().map_or("{}", |g| g.params);
    let base: Map<String, Value> = serde_json::from_str(&fill(template, names)).unwrap_or_default();
    let with = |name: &str, value: Value| {
        let mut all = base.clone();
        all.insert(name.to_owned(), value);
        Value::Object(all)
    };
    let mut cases = Vec::new();
    for param in method.params {
        let name = param.name;
        if param.required {
            let mut less = base.clone();
            less.remove(name);
            cases.push(case(
                format!("without {name}"),
                &Value::Object(less),
                Wanted::param(name),
            ));
        }
        for value in wrong_types(param) {
            let what = format!("{name} is {value}");
            cases.push(case(what, &with(name, value), Wanted::param(name)));
        }
        for (value, wanted) in wrong_values(param, method.errors) {
            let what = format!("{name} is {value}");
            cases.push(case(what, &with(name, value), wanted));
        }
        for (word, text) in hostile() {
            if let Some(wanted) = wanted_of_hostile(param, word) {
                let what = format!("{name} is {word}");
                cases.push(case(what, &with(name, json!(text)), wanted));
            }
        }
    }
    for bad in method.bad {
        cases.push(Case {
            what: bad.what.to_owned(),
            params: Some(bad.params.to_owned()),
            wanted: Wanted::code(-32602),
            envelope: false,
        });
    }
    cases.extend(forms(method, &base, &with));
    cases
}

/// What every method must say to parameters of the wrong form or of unknown names (§20.15).
fn forms(
    method: &Method,
    base: &Map<String, Value>,
    with: &dyn Fn(&str, Value) -> Value,
) -> Vec<Case> {
    let mut unknown = Wanted::param("surprise_of_ours");
    unknown.rule = Some("unknown");
    let mut cases = vec![case(
        "an unknown parameter",
        &with("surprise_of_ours", json!(1)),
        unknown,
    )];
    if let Some(known) = method.params.first() {
        let near = format!("{}x", known.name);
        let mut wanted = Wanted::param(&near);
        wanted.rule = Some("unknown");
        wanted.suggests = Some(known.name.to_owned());
        cases.push(case(
            "a parameter's name mistyped",
            &with(&near, json!(1)),
            wanted,
        ));
    }
    let position: Vec<Value> = if base.is_empty() {
        vec![json!(1)]
    } else {
        base.values().cloned().collect()
    };
    cases.push(case("by position", &json!(position), Wanted::code(-32602)));
    for scalar in [json!(7), json!("camera0"), json!(true)] {
        cases.push(Case {
            envelope: true,
            ..case(format!("params is {scalar}"), &scalar, Wanted::code(-32600))
        });
    }
    if let Some(first) = method.params.iter().find(|p| p.required) {
        for (what, params) in [
            ("params absent", None),
            ("params null", Some("null")),
            ("params an empty list", Some("[]")),
            ("params an empty object", Some("{}")),
        ] {
            let only = method.params.iter().filter(|p| p.required).count() == 1;
            cases.push(Case {
                what: what.to_owned(),
                params: params.map(str::to_owned),
                wanted: if only {
                    Wanted::param(first.name)
                } else {
                    Wanted::code(-32602)
                },
                envelope: false,
            });
        }
    }
    cases
}

fn wrong_types(param: &Param) -> Vec<Value> {
    let not_text = vec![json!(7), json!(true), json!(["x"]), json!({ "x": 1 })];
    let mut values = match param.rule {
        Rule::Token
        | Rule::Device
        | Rule::Stem
        | Rule::File
        | Rule::Word(_)
        | Rule::Url
        | Rule::StreamName => not_text,
        Rule::Int(..) => vec![json!("7"), json!(true), json!([7]), json!(7.5)],
        Rule::Number(..) | Rule::Positive => vec![json!("7"), json!(true), json!([7]), json!({})],
        Rule::Bool => vec![json!("true"), json!(1), json!([true])],
        Rule::Topics => vec![json!("recording.start"), json!(7), json!({}), json!([null])],
        Rule::Filters => vec![json!("camera0"), json!(7), json!(["camera0"])],
    };
    if param.required {
        values.push(Value::Null);
    }
    values
}

fn wrong_values(param: &Param, errors: &[i64]) -> Vec<(Value, Wanted)> {
    let name = param.name;
    let refused = |values: Vec<Value>| -> Vec<(Value, Wanted)> {
        values
            .into_iter()
            .map(|v| (v, Wanted::param(name)))
            .collect()
    };
    let or_absent = || Wanted::param(name).or(-32010);
    match param.rule {
        Rule::Token => vec![
            (json!(""), Wanted::param(name).or(-32001)),
            (json!("not.a.token"), Wanted::code(-32001)),
        ],
        Rule::Device => {
            let mut all = refused(vec![
                json!(""),
                json!("Camera0"),
                json!("camera0 "),
                json!("/dev/video0"),
            ]);
            // No camera's id (§20.27), but it might be an external stream's name (§20.21).
            for odd in ["camera", "camera-1", "camera00", "camera10000"] {
                all.push((json!(odd), or_absent()));
            }
            all.push((json!("camera9999"), Wanted::code(-32010)));
            all
        }
        Rule::Stem => refused(vec![json!("")]),
        Rule::File => vec![
            (json!(""), Wanted::param(name)),
            (json!("conformance-not-there"), Wanted::code(-32010)),
        ],
        Rule::Int(min, max) => {
            let mut bad = vec![json!(min - 1), json!(-1_000_000)];
            if max < i64::MAX {
                bad.extend([json!(max + 1), json!(1e300)]);
            }
            refused(bad)
        }
        Rule::Number(min, max) => {
            let mut bad = vec![json!(min - 0.01), json!(-1)];
            if max < f64::MAX {
                bad.extend([json!(max + 0.5), json!(1e300)]);
            }
            refused(bad)
        }
        Rule::Positive => refused(vec![json!(0), json!(-0.5)]),
        Rule::Word(words) => {
            let loud = words.first().map(|w| w.to_uppercase());
            refused(vec![json!(""), json!("nonsense"), json!(loud)])
        }
        Rule::Bool | Rule::Filters => Vec::new(),
        Rule::Topics => refused(vec![
            json!(["nonsense"]),
            json!(["../../etc/passwd"]),
            json!(["recording.start\0"]),
        ]),
        Rule::Url => {
            let bad = [
                String::new(),
                "http://192.0.2.1/x".to_owned(),
                "file:///etc/passwd".to_owned(),
                "rtsp://".to_owned(),
                "rtsp:192.0.2.1".to_owned(),
                "rtsp://192.0.2.1/a b".to_owned(),
                "rtsp://192.0.2.1/\r\nX: y".to_owned(),
                format!("rtsp://192.0.2.1/{}", "a".repeat(2048)),
            ];
            bad.into_iter()
                .map(|url| {
                    // Where a known one is looked for, a strange one may simply be unknown.
                    let looked_for = errors.contains(&-32010);
                    (
                        json!(url),
                        if looked_for {
                            or_absent()
                        } else {
                            Wanted::param(name)
                        },
                    )
                })
                .collect()
        }
        Rule::StreamName => refused(vec![
            json!(""),
            json!("Upper"),
            json!("with space"),
            json!("a".repeat(65)),
        ]),
    }
}

/// What a hostile text must give; `None` where the parameter takes no text, or it says nothing new.
fn wanted_of_hostile(param: &Param, word: &str) -> Option<Wanted> {
    let refused = Wanted::param(param.name);
    match param.rule {
        Rule::Token => Some(Wanted::code(-32001)),
        Rule::Device | Rule::StreamName | Rule::Url | Rule::Word(_) => {
            // An unknown external stream's URL may be called unknown.
            Some(if matches!(param.rule, Rule::Url) {
                refused.or(-32010)
            } else {
                refused
            })
        }
        Rule::Stem if word == "unicode" => None, // legal in some file systems' eyes
        Rule::Stem => Some(refused),
        Rule::File if NEVER_A_NAME.contains(&word) => Some(refused),
        Rule::File => Some(refused.or(-32010)),
        Rule::Int(..)
        | Rule::Number(..)
        | Rule::Positive
        | Rule::Bool
        | Rule::Topics
        | Rule::Filters => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{METHODS, method};

    #[test]
    fn each_required_parameter_is_left_out_once_and_each_is_given_a_wrong_type() {
        for row in METHODS {
            let all = cases(row, &Names::new());
            for param in row.params {
                let left_out = format!("without {}", param.name);
                let count = all.iter().filter(|c| c.what == left_out).count();
                assert_eq!(
                    count,
                    usize::from(param.required),
                    "{} {}",
                    row.name,
                    param.name
                );
                let wrong = format!("{} is ", param.name);
                assert!(all.iter().filter(|c| c.what.starts_with(&wrong)).count() >= 3);
            }
            assert!(all.iter().any(|c| c.what == "by position"));
            assert!(all.iter().any(|c| c.what == "an unknown parameter"));
        }
    }

    #[test]
    fn the_wrong_calls_of_a_method_differ_from_its_good_one_in_one_thing() {
        let names = Names::from([("$camera", "camera3".to_owned())]);
        let all = cases(method("get_camera_status"), &names);
        let unknown = all
            .iter()
            .find(|c| c.what == "an unknown parameter")
            .unwrap();
        let params: Value = serde_json::from_str(unknown.params.as_deref().unwrap()).unwrap();
        assert_eq!(
            params,
            json!({ "device": "camera3", "surprise_of_ours": 1 })
        );
    }
}
