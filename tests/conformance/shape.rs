//! Shapes of results, and where a value departs from one.

use serde_json::{Map as Members, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a value must look like. Objects may hold `extensions` beside their fields (§20.5).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Exactly(&'static str),
    Any,
    AnyObject,
    Text,
    Bool,
    /// A whole number, not negative, written without a fraction.
    Count,
    Number,
    /// A number from 0 to 100.
    Percent,
    /// RFC 3339.
    Iso,
    Uuid,
    /// `1280x720`.
    Size,
    /// `cameraN`, or the name of an external stream.
    DeviceId,
    /// A file's name without a folder and without an extension of ours.
    Stem,
    /// A URL whose scheme begins so.
    Url(&'static str),
    /// A path that begins so.
    Path(&'static str),
    Word(&'static [&'static str]),
    Nullable(&'static Self),
    List(&'static Self),
    Map(&'static Self),
    Obj(&'static [Field]),
    Both(&'static [Field], &'static [Field]),
}

/// A member of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    name: &'static str,
    shape: Shape,
    required: bool,
}

pub(crate) const fn req(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: true,
    }
}

pub(crate) const fn opt(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: false,
    }
}

impl Shape {
    /// Every place where the value is not of this shape.
    pub(crate) fn departures(&self, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.walk("result", value, &mut found);
        found
    }

    fn walk(&self, at: &str, value: &Value, found: &mut Vec<String>) {
        match self {
            Self::Nullable(_) if value.is_null() => {}
            Self::Nullable(inner) => inner.walk(at, value, found),
            Self::List(inner) => match value.as_array() {
                Some(items) => {
                    for (i, item) in items.iter().enumerate() {
                        inner.walk(&format!("{at}[{i}]"), item, found);
                    }
                }
                None => found.push(wrong(at, "a list", value)),
            },
            Self::Map(inner) => match value.as_object() {
                Some(members) => {
                    for (name, member) in members {
                        inner.walk(&format!("{at}.{name}"), member, found);
                    }
                }
                None => found.push(wrong(at, "an object", value)),
            },
            Self::Obj(fields) => object(&[fields], at, value, found),
            Self::Both(some, others) => object(&[some, others], at, value, found),
            plain => {
                if let Some(wanted) = plain.refuses(value) {
                    found.push(wrong(at, &wanted, value));
                }
            }
        }
    }

    /// What a plain value should have been.
    fn refuses(&self, value: &Value) -> Option<String> {
        let text = value.as_str();
        let number = value.as_f64();
        let (right, wanted) = match self {
            Self::Exactly(word) => (text == Some(word), format!("{word:?}")),
            Self::Any => (true, String::new()),
            Self::AnyObject => (value.is_object(), "an object".to_owned()),
            Self::Text => (text.is_some(), "a string".to_owned()),
            Self::Bool => (value.is_boolean(), "true or false".to_owned()),
            Self::Count => (value.is_u64(), "a whole number, 0 or more".to_owned()),
            Self::Number => (number.is_some(), "a number".to_owned()),
            Self::Percent => (
                number.is_some_and(|n| (0.0..=100.0).contains(&n)),
                "a number from 0 to 100".to_owned(),
            ),
            Self::Iso => (
                text.is_some_and(|t| instant(t).is_some()),
                "a time of RFC 3339".to_owned(),
            ),
            Self::Uuid => (text.is_some_and(uuid), "a UUID".to_owned()),
            Self::Size => (text.is_some_and(size), "WIDTHxHEIGHT".to_owned()),
            Self::DeviceId => (text.is_some_and(device), "cameraN".to_owned()),
            Self::Stem => (
                text.is_some_and(stem),
                "a name without folder and extension".to_owned(),
            ),
            Self::Url(scheme) => (
                text.is_some_and(|t| t.starts_with(scheme) && t.contains("://")),
                format!("a URL with {scheme}"),
            ),
            Self::Path(start) => (
                text.is_some_and(|t| t.starts_with(start)),
                format!("a path that begins with {start}"),
            ),
            Self::Word(words) => (
                text.is_some_and(|t| words.contains(&t)),
                format!("one of {}", words.join(", ")),
            ),
            Self::Nullable(_) | Self::List(_) | Self::Map(_) | Self::Obj(_) | Self::Both(..) => {
                (true, String::new())
            }
        };
        (!right).then_some(wanted)
    }
}

fn object(fields: &[&[Field]], at: &str, value: &Value, found: &mut Vec<String>) {
    let Some(members) = value.as_object() else {
        return found.push(wrong(at, "an object", value));
    };
    let all = || fields.iter().copied().flatten();
    for field in all() {
        match members.get(field.name) {
            Some(member) => field
                .shape
                .walk(&format!("{at}.{}", field.name), member, found),
            None if field.required => found.push(format!("{at}.{} is missing", field.name)),
            None => {}
        }
    }
    for name in members.keys() {
        if name == "extensions" {
            if !members["extensions"].is_object() {
                found.push(format!("{at}.extensions is not an object (§20.5)"));
            }
        } else if all().all(|f| f.name != name) {
            found.push(format!("{at}.{name} is not in the contract (§20.5)"));
        }
    }
}

fn wrong(at: &str, wanted: &str, value: &Value) -> String {
    format!("{at} is {}, not {wanted}", brief(&value.to_string()))
}

/// A text cut to what a line can hold.
pub(crate) fn brief(text: &str) -> String {
    const MOST: usize = 160;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let start: String = text.chars().take(MOST).collect();
    format!("{start}… ({} bytes)", text.len())
}

/// A point in time.
pub(crate) fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

fn uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

fn size(text: &str) -> bool {
    text.split_once('x').is_some_and(|(w, h)| {
        let number = |n: &str| n.parse::<u32>().is_ok_and(|n| n > 0);
        number(w) && number(h)
    })
}

fn device(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

fn stem(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(['/', '\\', '\0'])
        && ![".mp4", ".fmp4", ".mkv", ".jpg", ".jpeg"]
            .iter()
            .any(|ext| text.to_ascii_lowercase().ends_with(ext))
}

/// Whether the members of an object are these and no others.
pub(crate) fn exactly(members: &Members<String, Value>, names: &[&str]) -> bool {
    members.len() == names.len() && names.iter().all(|n| members.contains_key(*n))
}

#[cfg(test)]
mod tests {
    use super::Shape::*;
    use super::*;
    use serde_json::json;

    const CAMERA: Shape = Obj(&[
        req("device", DeviceId),
        req("fps", Count),
        opt("note", Text),
    ]);

    #[test]
    fn what_is_missing_strange_or_of_another_type_is_named_with_its_place() {
        let good = json!([{ "device": "camera0", "fps": 30, "extensions": { "fps": 29.97 } }]);
        assert!(List(&CAMERA).departures(&good).is_empty());
        let bad = json!([{ "device": "camera0", "fps": 29.97, "extra": 1 }, { "fps": 1 }, 7]);
        let found = List(&CAMERA).departures(&bad).join("\n");
        for words in [
            "result[0].fps is 29.97",
            "result[0].extra is not in the contract",
            "result[1].device is missing",
            "result[2] is 7, not an object",
        ] {
            assert!(found.contains(words), "{words}: {found}");
        }
    }

    #[test]
    fn plain_shapes_take_what_they_say_and_nothing_else() {
        for (shape, good, bad) in [
            (
                Iso,
                json!("2026-01-02T03:04:05.678Z"),
                json!("2026-01-02 03:04:05"),
            ),
            (
                Uuid,
                json!("123e4567-e89b-42d3-a456-426614174000"),
                json!("client_7"),
            ),
            (Size, json!("640x360"), json!("640X360")),
            (Count, json!(0), json!(-1)),
            (Count, json!(3), json!(3.0)),
            (Percent, json!(99.5), json!(101)),
            (Stem, json!("camera0_2026"), json!("camera0_2026.mp4")),
            (Nullable(&Iso), Value::Null, json!(0)),
            (Url("rtsp"), json!("rtsps://a/b"), json!("a/b")),
            (Map(&Count), json!({ "a": 1 }), json!({ "a": "1" })),
        ] {
            assert!(shape.departures(&good).is_empty(), "{shape:?} {good}");
            assert_eq!(shape.departures(&bad).len(), 1, "{shape:?} {bad}");
        }
    }
}
