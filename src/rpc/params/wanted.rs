//! The parameters of subscriptions: lists of topics, and filters.

use serde_json::{Map, Value, json};

use crate::events::subject::{COUNT, Subject};
use crate::events::subscriptions::Filters;
use crate::nearest::nearest;
use crate::rpc::error::Fault;

/// A topic may be named twice, but a list without end is a mistake.
const LONGEST_LIST: usize = 4 * COUNT;
/// Names of devices and statuses are shorter.
const LONGEST_FILTER: usize = 128;

pub(super) fn topics_schema() -> Value {
    let words: Vec<&str> = Subject::all().map(Subject::as_str).collect();
    json!({
        "type": "array",
        "items": { "type": "string", "enum": words },
        "minItems": 1,
        "maxItems": LONGEST_LIST,
    })
}

pub(super) fn filters_schema() -> Value {
    let text = || json!({ "type": "string", "minLength": 1, "maxLength": LONGEST_FILTER });
    let properties: Map<String, Value> = Filters::KEYS
        .iter()
        .map(|key| ((*key).to_owned(), text()))
        .collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// Reads a list of topics; each once, in the order they came. A fault names the parameter; where in it, its details say.
///
/// # Errors
/// -32602 for what is no list, is empty or too long, or holds what is no topic.
pub fn topics(name: &str, value: &Value) -> Result<Vec<Subject>, Fault> {
    let example = "send a list of topics, such as [\"camera.status_change\"]";
    let wrong = |rule, details: String| Fault::param(name, rule, details, example);
    let Value::Array(items) = value else {
        return Err(wrong("type", format!("{name} is not a list")));
    };
    if items.is_empty() {
        return Err(wrong("min_items", format!("{name} is empty")));
    }
    if items.len() > LONGEST_LIST {
        return Err(wrong(
            "max_items",
            format!("{name} has more than {LONGEST_LIST} entries"),
        ));
    }
    let mut found = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let at = format!("{name}[{i}]");
        let Value::String(word) = item else {
            return Err(wrong("type", format!("{at} is not a string")));
        };
        let subject = Subject::from_word(word).ok_or_else(|| no_topic(name, &at, word))?;
        if !found.contains(&subject) {
            found.push(subject);
        }
    }
    Ok(found)
}

fn no_topic(name: &str, at: &str, word: &str) -> Fault {
    let shown: String = word.chars().take(64).collect();
    let suggestion = Subject::nearest(word).map_or_else(
        || {
            let all: Vec<&str> = Subject::all().map(Subject::as_str).collect();
            format!("topics are {}", all.join(", "))
        },
        |near| format!("did you mean {near}?"),
    );
    Fault::param(
        name,
        "enum",
        format!("{at} is {shown:?}, which is no topic"),
        suggestion,
    )
}

/// Reads filters.
///
/// # Errors
/// -32602 for what is no object, an unknown key, or a value that is no text.
pub fn filters(name: &str, value: &Value) -> Result<Filters, Fault> {
    let Value::Object(map) = value else {
        return Err(Fault::param(
            name,
            "type",
            format!("{name} is not an object"),
            "send an object such as {\"device\": \"camera0\"}, or leave it away",
        ));
    };
    let mut filters = Filters::default();
    for (key, value) in map {
        let shown: String = key.chars().take(64).collect();
        let at = format!("{name}.{shown}");
        let place = match key.as_str() {
            "device" => &mut filters.device,
            "status" => &mut filters.status,
            _ => {
                let suggestion = nearest(key, Filters::KEYS).map_or_else(
                    || format!("filters are {}", Filters::KEYS.join(" and ")),
                    |near| format!("did you mean {near}?"),
                );
                let details = format!("there is no filter {shown:?}");
                return Err(Fault::param(name, "unknown", details, suggestion));
            }
        };
        match value {
            Value::String(text) if (1..=LONGEST_FILTER).contains(&text.len()) => {
                *place = Some(text.clone());
            }
            Value::String(_) => {
                return Err(Fault::param(
                    name,
                    "length",
                    format!("{at} is empty or too long"),
                    format!("send 1 to {LONGEST_FILTER} characters, or leave {shown} away"),
                ));
            }
            _ => {
                return Err(Fault::param(
                    name,
                    "type",
                    format!("{at} is not a string"),
                    format!("send {shown} as a string"),
                ));
            }
        }
    }
    Ok(filters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(fault: &Fault) -> (String, String, String) {
        let data = fault.to_json("1")["data"].take();
        let text = |key: &str| data[key].as_str().unwrap().to_owned();
        (text("param"), text("rule"), text("suggestion"))
    }

    #[test]
    fn what_is_no_list_of_topics_is_told_where_it_is_wrong() {
        let long = json!(vec!["snapshot.taken"; LONGEST_LIST + 1]);
        for (value, param, rule) in [
            (json!("camera.connected"), "topics", "type"),
            (json!([]), "topics", "min_items"),
            (long, "topics", "max_items"),
            (json!(["camera.connected", 7]), "topics", "type"),
            (json!(["nonsense"]), "topics", "enum"),
        ] {
            let fault = topics("topics", &value).unwrap_err();
            let (at, broken, _) = data(&fault);
            assert_eq!((at.as_str(), broken.as_str()), (param, rule));
        }
        let fault = topics("topics", &json!(["snapshot.taken", "recording.strat"])).unwrap_err();
        let details = fault.to_json("1")["data"]["details"].take();
        assert_eq!(
            details,
            "topics[1] is \"recording.strat\", which is no topic"
        );
        assert_eq!(data(&fault).2, "did you mean recording.start?");
        let twice = json!(["system.health", "camera_status_update", "system.health"]);
        let words: Vec<&str> = topics("topics", &twice)
            .unwrap()
            .into_iter()
            .map(Subject::as_str)
            .collect();
        assert_eq!(words, ["system.health", "camera_status_update"]);
    }

    #[test]
    fn only_known_filters_with_text_are_taken() {
        for (value, param, rule) in [
            (json!(["device"]), "filters", "type"),
            (json!({ "topic": "x" }), "filters", "unknown"),
            (json!({ "device": 0 }), "filters", "type"),
            (json!({ "status": "" }), "filters", "length"),
        ] {
            let (at, broken, _) = data(&filters("filters", &value).unwrap_err());
            assert_eq!((at.as_str(), broken.as_str()), (param, rule));
        }
        let fault = filters("filters", &json!({ "devise": "camera0" })).unwrap_err();
        assert_eq!(data(&fault).2, "did you mean device?");
        let both = json!({ "device": "camera0", "status": "ERROR" });
        assert_eq!(
            filters("filters", &both).unwrap(),
            Filters {
                device: Some("camera0".to_owned()),
                status: Some("ERROR".to_owned()),
            }
        );
    }
}
