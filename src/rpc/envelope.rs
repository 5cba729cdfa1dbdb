//! Is this text a request of JSON-RPC 2.0, and which? (<https://www.jsonrpc.org/specification>)
//!
//! An id is echoed digit by digit, so it stays the text it came as. A batch is refused as one
//! wrong request. A wrong envelope is always answered, with the id whenever it could be read.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::{Code, Fault};

/// A request's id exactly as sent: a string, a number or null.
#[derive(Debug, Clone)]
pub struct Id(Box<RawValue>);

impl Id {
    /// The id of answers to requests whose own id could not be read.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &RawValue {
        &self.0
    }

    /// The JSON text as a string, as `metadata.request_id` carries it.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

/// How parameters came.
#[derive(Debug, Clone, PartialEq)]
pub enum Params {
    /// By name; absent, `null`, `{}` and `[]` are all the empty map.
    Named(Map<String, Value>),
    /// A non-empty array, which no method takes.
    Positional,
}

/// A well-formed request.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// `None` for a notification, which runs and is never answered.
    pub id: Option<Id>,
    /// The method's name, not yet looked up.
    pub method: Cow<'a, str>,
    /// The parameters, not yet checked.
    pub params: Params,
}

/// A message that is no request; answer it with this fault under this id.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The id where it could be read, else null.
    pub id: Id,
    /// What was wrong.
    pub fault: Fault,
}

/// Values in the parameters of one message.
const MOST_VALUES: usize = 10_000;

/// What counts of a request's members; where a name stands twice, the last one.
#[derive(Default)]
struct Members<'a> {
    jsonrpc: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Jsonrpc,
    Id,
    Method,
    Params,
    #[serde(other)]
    Other,
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(name) = map.next_key()? {
            let place = match name {
                Name::Jsonrpc => &mut members.jsonrpc,
                Name::Id => &mut members.id,
                Name::Method => &mut members.method,
                Name::Params => &mut members.params,
                Name::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *place = Some(map.next_value()?);
        }
        Ok(members)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Reader)
    }
}

/// What is wrong with a text that is no object of members; `error` is the reader's complaint.
fn misread(text: &str, error: &serde_json::Error) -> Broken {
    let raw: Result<&RawValue, _> = serde_json::from_str(text);
    let (reason, details, suggestion) = match raw.map(|raw| raw.get().as_bytes().first()) {
        Err(error) => {
            return Broken {
                id: Id::null(),
                fault: Fault::new(
                    Code::ParseError,
                    "parse_error",
                    format!("the message is not JSON: {error}"),
                    "send one JSON object per text message",
                ),
            };
        }
        // A key that is no valid Unicode (a lone surrogate) is all that can be wrong with an object.
        Ok(Some(b'{')) => (
            "bad_member",
            format!("a member cannot be read: {error}"),
            EXAMPLE,
        ),
        Ok(Some(b'[')) => (
            "batch_not_supported",
            "a batch is not supported".to_owned(),
            "send each request as its own message",
        ),
        Ok(_) => (
            "not_an_object",
            "a request is a JSON object".to_owned(),
            EXAMPLE,
        ),
    };
    broken(Id::null(), reason, details, suggestion)
}

/// Reads one message, once and without copies where it is a request.
///
/// # Errors
/// -32700 where the text is not JSON, -32600 where it is not one request.
pub fn parse(text: &str) -> Result<Request<'_>, Broken> {
    let members: Members<'_> = serde_json::from_str(text).map_err(|e| misread(text, &e))?;
    let id = match members.id {
        None => None,
        Some(raw) => Some(id_of(raw).ok_or_else(|| {
            broken(
                Id::null(),
                "bad_id",
                "the id is neither a string nor a number nor null",
                "use a string or a number as id",
            )
        })?),
    };
    let wrong = |reason: &str, details: &str| {
        broken(
            id.clone().unwrap_or_else(Id::null),
            reason,
            details,
            EXAMPLE,
        )
    };
    if string(members.jsonrpc).as_deref() != Some("2.0") {
        return Err(wrong("bad_version", "the member jsonrpc is not \"2.0\""));
    }
    let Some(method) = string(members.method) else {
        return Err(wrong("bad_method", "the member method is not a string"));
    };
    let params = match members.params.map(RawValue::get) {
        None | Some("null") => Params::Named(Map::new()),
        // A text of 1 MiB can be a tree of 80 MiB; no request of ours needs a fraction of so many values.
        Some(text) if values(text) > MOST_VALUES => {
            return Err(wrong(
                "too_many_values",
                &format!("params hold more than {MOST_VALUES} values"),
            ));
        }
        Some(text) if text.starts_with('{') => {
            // Well-formed already; what can still fail is its depth.
            Params::Named(
                serde_json::from_str(text)
                    .map_err(|e| wrong("bad_params", &format!("params cannot be read: {e}")))?,
            )
        }
        Some(text) if text.starts_with('[') => {
            if text
                .bytes()
                .skip(1)
                .all(|b| b.is_ascii_whitespace() || b == b']')
            {
                Params::Named(Map::new())
            } else {
                Params::Positional
            }
        }
        Some(_) => return Err(wrong("bad_params", "params is not an object")),
    };
    Ok(Request { id, method, params })
}

const EXAMPLE: &str = r#"send an object such as {"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn broken(id: Id, reason: &str, details: impl Into<String>, suggestion: &str) -> Broken {
    Broken {
        id,
        fault: Fault::new(Code::InvalidRequest, reason, details, suggestion),
    }
}

/// Counts values by the commas and brackets before them; never too few.
fn values(text: &str) -> usize {
    let before = |b: &u8| matches!(b, b',' | b'[' | b'{');
    text.as_bytes().iter().filter(|b| before(b)).count()
}

fn id_of(raw: &RawValue) -> Option<Id> {
    match raw.get().as_bytes().first() {
        Some(b'"' | b'-' | b'0'..=b'9' | b'n') => Some(Id(raw.to_owned())),
        _ => None,
    }
}

fn string(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let Text(text) = serde_json::from_str(raw?.get()).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> (i32, String) {
        let broken = parse(text).unwrap_err();
        (broken.fault.code().number(), broken.id.text().to_owned())
    }

    #[test]
    fn ids_are_echoed_as_they_were_written() {
        for id in [
            "1",
            "-0",
            "1.50",
            "1e3",
            "123456789012345678901234567890",
            "\"a b\"",
            r#""\u0041""#,
            "null",
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","method":"ping","id": {id} }}"#);
            assert_eq!(parse(&text).unwrap().id.unwrap().text(), id);
        }
    }

    #[test]
    fn a_request_without_id_is_a_notification() {
        let request = parse(r#"{"jsonrpc":"2.0","method":"ping"}"#).unwrap();
        assert!(request.id.is_none());
    }

    #[test]
    fn text_that_is_not_json_is_a_parse_error_with_id_null() {
        for text in ["", "{", "nonsense", "{\"id\":1,}", "\u{0}", "{}{}"] {
            assert_eq!(refused(text), (-32700, "null".to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_batch_is_one_wrong_request_with_id_null() {
        for text in ["[]", r#"[{"jsonrpc":"2.0","method":"ping","id":1}]"#] {
            assert_eq!(refused(text), (-32600, "null".to_owned()));
        }
    }

    #[test]
    fn a_message_of_ten_thousand_values_is_refused_before_any_of_them_is_read() {
        let with = |count: usize| {
            let list = vec!["{\"a\":0}"; count].join(",");
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"p":[{list}]}}}}"#)
        };
        assert!(parse(&with(4900)).is_ok());
        let broken = parse(&with(5100)).unwrap_err();
        assert_eq!(broken.fault.reason(), "too_many_values");
        // Text does not count, however long.
        let text = "x".repeat(1 << 20);
        let message =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"p":"{text}"}}}}"#);
        assert!(parse(&message).is_ok());
    }

    #[test]
    fn a_wrong_envelope_is_answered_with_its_id() {
        assert_eq!(refused(r#"{"id":7,"method":"ping"}"#), (-32600, "7".into()));
        assert_eq!(
            refused(r#"{"jsonrpc":"1.0","id":"x","method":"ping"}"#),
            (-32600, "\"x\"".into())
        );
        assert_eq!(
            refused(r#"{"jsonrpc":"2.0","id":7,"method":3}"#),
            (-32600, "7".into())
        );
        assert_eq!(
            refused(r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":3}"#),
            (-32600, "7".into())
        );
        for id in ["true", "[1]", "{}"] {
            let text = format!(r#"{{"jsonrpc":"2.0","method":"ping","id":{id}}}"#);
            assert_eq!(refused(&text), (-32600, "null".into()));
        }
        assert_eq!(refused("{}"), (-32600, "null".into()));
        assert_eq!(refused("7"), (-32600, "null".into()));
    }

    #[test]
    fn absent_null_and_empty_params_are_the_same() {
        for params in [
            "",
            r#","params":null"#,
            r#","params":{}"#,
            r#","params":[ ]"#,
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","method":"ping","id":1{params}}}"#);
            assert_eq!(parse(&text).unwrap().params, Params::Named(Map::new()));
        }
        let text = r#"{"jsonrpc":"2.0","method":"ping","id":1,"params":[1]}"#;
        assert_eq!(parse(text).unwrap().params, Params::Positional);
    }

    #[test]
    fn params_nested_beyond_reason_are_refused_and_do_not_exhaust_the_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!(r#"{{"jsonrpc":"2.0","id":9,"method":"m","params":{{"a":{deep}}}}}"#);
        assert_eq!(refused(&text), (-32600, "9".into()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in ".*") {
            let _ = parse(&text);
        }

        #[test]
        fn any_object_is_read_or_refused_without_panic(
            version in prop::option::of("\"2\\.0\"|\"1\"|2|null"),
            id in prop::option::of("[1-9][0-9]{0,39}|\"[a-z]{0,5}\"|null|true|\\[\\]|\\{\\}"),
            method in prop::option::of("\"[a-z_.]{0,12}\"|7"),
            params in prop::option::of("\\{\\}|\\[\\]|\\[1\\]|null|3|\"x\""),
        ) {
            let members: Vec<String> = [("jsonrpc", version), ("id", id.clone()), ("method", method), ("params", params)]
                .into_iter()
                .filter_map(|(k, v)| v.map(|v| format!("\"{k}\":{v}")))
                .collect();
            match parse(&format!("{{{}}}", members.join(","))) {
                Ok(request) => prop_assert_eq!(request.id.map(|i| i.text().to_owned()), id),
                Err(broken) => prop_assert_eq!(broken.fault.code().number(), -32600),
            }
        }
    }
}
