//! The OpenRPC 1.3 document, made from the table (<https://spec.open-rpc.org>).

use serde_json::{Map, Value, json};

use super::error::Code;
use super::schema;
use super::table::{Method, UNIVERSAL};

/// The version of the method set, not of the program.
pub const API_VERSION: &str = "1.1.0";

/// Describes the methods.
#[must_use]
pub fn document(methods: &[Method]) -> Value {
    let mut errors = Map::new();
    for code in Code::ALL {
        errors.insert(
            component(code),
            json!({ "code": code.number(), "message": code.message() }),
        );
    }
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "Camera service",
            "description": "Cameras and their streams over JSON-RPC 2.0 on a WebSocket. Parameters go by name, batches are refused.",
            "version": API_VERSION,
        },
        "methods": methods.iter().map(method).collect::<Vec<_>>(),
        "components": { "schemas": schema::all(), "errors": errors },
        "x-notifications": [{
            "name": "camera_status_update",
            "summary": "A camera came, went, failed or changed its format; sent to every connection that is logged in.",
            "params": { "$ref": "#/components/schemas/Camera" },
        }, {
            "name": "recording_status_update",
            "summary": "A recording began, ended or failed; sent to every connection that is logged in.",
            "params": { "$ref": "#/components/schemas/RecordingUpdate" },
        }, {
            "name": "TOPIC",
            "summary": "Something happened; the method is the topic. Sent to those who subscribed to it with subscribe_events.",
            "params": { "$ref": "#/components/schemas/Event" },
        }, {
            "name": "events_dropped",
            "summary": "This connection took its events too slowly: count of them are lost; ask for the present state.",
            "params": { "$ref": "#/components/schemas/EventsDropped" },
        }],
    })
}

fn method(row: &Method) -> Value {
    let params: Vec<Value> = row
        .params
        .iter()
        .map(|p| {
            json!({
                "name": p.name,
                "required": p.required,
                "description": p.doc,
                "schema": p.rule.schema(),
            })
        })
        .collect();
    let errors: Vec<Value> = UNIVERSAL
        .iter()
        .chain(row.errors)
        .map(|c| json!({ "$ref": format!("#/components/errors/{}", component(*c)) }))
        .collect();
    json!({
        "name": row.name,
        "summary": row.doc,
        "paramStructure": "by-name",
        "params": params,
        "result": {
            "name": row.result,
            "schema": { "$ref": format!("#/components/schemas/{}", row.result) },
        },
        "errors": errors,
        "x-minimum-role": row.role.map(crate::access::Role::as_str),
    })
}

/// A code's key among the components, which may hold no spaces.
fn component(code: Code) -> String {
    code.name().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rpc::table::METHODS;

    /// The members an object of the specification may have, beside those that begin with `x-`.
    fn only(object: &Value, at: &str, must: &[&str], may: &[&str], wrong: &mut Vec<String>) {
        let Some(members) = object.as_object() else {
            return wrong.push(format!("{at} is no object"));
        };
        for name in must.iter().filter(|n| !members.contains_key(**n)) {
            wrong.push(format!("{at} has no {name}"));
        }
        for name in members.keys() {
            if !name.starts_with("x-") && !must.contains(&&**name) && !may.contains(&&**name) {
                wrong.push(format!("{at} has {name}, which OpenRPC does not know"));
            }
        }
    }

    fn is_text(value: &Value, at: &str, wrong: &mut Vec<String>) {
        if value.as_str().is_none_or(str::is_empty) {
            wrong.push(format!("{at} says nothing"));
        }
    }

    /// Keywords of JSON Schema draft 7 that are used here; another one is a slip of the pen.
    const KEYWORDS: &[&str] = &[
        "$ref",
        "additionalProperties",
        "allOf",
        "anyOf",
        "const",
        "default",
        "description",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "items",
        "maximum",
        "maxItems",
        "maxLength",
        "maxProperties",
        "minimum",
        "minItems",
        "minLength",
        "minProperties",
        "oneOf",
        "pattern",
        "properties",
        "required",
        "type",
        "uniqueItems",
    ];
    const TYPES: &[&str] = &[
        "array", "boolean", "integer", "null", "number", "object", "string",
    ];

    fn schema(value: &Value, at: &str, wrong: &mut Vec<String>) {
        if value.is_boolean() {
            return;
        }
        let Some(members) = value.as_object() else {
            return wrong.push(format!("{at} is no schema"));
        };
        for word in members.keys().filter(|w| !KEYWORDS.contains(&&***w)) {
            wrong.push(format!(
                "{at} has the keyword {word}, which no schema here needs"
            ));
        }
        if members.contains_key("$ref") && members.len() > 1 {
            // Draft 7 ignores whatever stands beside a reference.
            wrong.push(format!("{at} has more than its $ref"));
        }
        let kinds = match &value["type"] {
            Value::Array(kinds) => kinds.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        for kind in kinds {
            if !kind.as_str().is_some_and(|k| TYPES.contains(&k)) {
                wrong.push(format!("{at} has the type {kind}"));
            }
        }
        let properties = value["properties"].as_object().cloned().unwrap_or_default();
        for name in value["required"].as_array().into_iter().flatten() {
            if !name.as_str().is_some_and(|n| properties.contains_key(n)) {
                wrong.push(format!("{at} requires {name} and does not describe it"));
            }
        }
        for (name, member) in &properties {
            schema(member, &format!("{at}.{name}"), wrong);
        }
        for word in ["items", "additionalProperties"] {
            if let Some(inner) = members.get(word) {
                schema(inner, &format!("{at}.{word}"), wrong);
            }
        }
        for word in ["allOf", "anyOf", "oneOf"] {
            for inner in value[word].as_array().into_iter().flatten() {
                schema(inner, &format!("{at}.{word}"), wrong);
            }
        }
    }

    /// Every `$ref` of the document, wherever it stands.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member.as_str() {
                        Some(target) if name == "$ref" => {
                            found.insert(target.to_owned());
                        }
                        _ => references(member, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    /// One Method Object; a minimum role is an addition of ours.
    fn described(entry: &Value, wrong: &mut Vec<String>) {
        let at = entry["name"].as_str().unwrap_or("a method without a name");
        only(
            entry,
            at,
            &["name", "params", "result"],
            &[
                "summary",
                "description",
                "errors",
                "paramStructure",
                "tags",
                "deprecated",
                "examples",
                "links",
            ],
            wrong,
        );
        is_text(&entry["summary"], &format!("{at}: summary"), wrong);
        if entry["paramStructure"] != "by-name" {
            wrong.push(format!("{at}: parameters go by name only"));
        }
        let mut names = BTreeSet::new();
        for param in entry["params"].as_array().into_iter().flatten() {
            let place = format!("{at}({})", param["name"].as_str().unwrap_or("?"));
            only(
                param,
                &place,
                &["name", "schema"],
                &["description", "required", "summary", "deprecated"],
                wrong,
            );
            is_text(&param["name"], &place, wrong);
            is_text(
                &param["description"],
                &format!("{place}: description"),
                wrong,
            );
            if !names.insert(param["name"].to_string()) {
                wrong.push(format!("{place} is there twice"));
            }
            schema(&param["schema"], &place, wrong);
        }
        only(
            &entry["result"],
            &format!("{at}: result"),
            &["name", "schema"],
            &["description", "required", "summary"],
            wrong,
        );
        schema(&entry["result"]["schema"], &format!("{at}: result"), wrong);
        let mut errors = BTreeSet::new();
        for error in entry["errors"].as_array().into_iter().flatten() {
            if !errors.insert(error.to_string()) {
                wrong.push(format!("{at}: the error {error} is there twice"));
            }
        }
        let role = entry.get("x-minimum-role");
        if !role.is_some_and(|r| {
            r.is_null()
                || r.as_str()
                    .is_some_and(|r| r.parse::<crate::access::Role>().is_ok())
        }) {
            wrong.push(format!("{at}: the minimum role is {role:?}"));
        }
    }

    /// The rules of OpenRPC 1.3 (<https://spec.open-rpc.org>) that this document could break.
    fn mistakes(document: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        only(
            document,
            "the document",
            &["openrpc", "info", "methods"],
            &["components", "servers", "externalDocs"],
            &mut wrong,
        );
        if !document["openrpc"]
            .as_str()
            .is_some_and(|v| v.starts_with("1.3."))
        {
            wrong.push(format!("the version of OpenRPC is {}", document["openrpc"]));
        }
        only(
            &document["info"],
            "info",
            &["title", "version"],
            &["description", "termsOfService", "contact", "license"],
            &mut wrong,
        );
        let mut names = BTreeSet::new();
        for entry in document["methods"].as_array().into_iter().flatten() {
            described(entry, &mut wrong);
            let name = entry["name"].as_str().unwrap_or_default();
            if !names.insert(name) {
                wrong.push(format!("{name} is there twice"));
            }
            // JSON-RPC 2.0 §4.3 keeps the prefix for itself; OpenRPC names this one.
            if name.starts_with("rpc.") && name != "rpc.discover" {
                wrong.push(format!("{name}: names that begin with rpc. are reserved"));
            }
        }
        for (kind, parts) in document["components"].as_object().into_iter().flatten() {
            for (name, part) in parts.as_object().into_iter().flatten() {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
                if !name.chars().all(plain) {
                    wrong.push(format!("the name {name:?} among {kind}"));
                }
                if kind == "schemas" {
                    schema(part, name, &mut wrong);
                } else {
                    only(part, name, &["code", "message"], &["data"], &mut wrong);
                    if !part["code"].is_i64() {
                        wrong.push(format!("{name}: the code is {}", part["code"]));
                    }
                }
            }
        }
        let mut targets = BTreeSet::new();
        references(document, &mut targets);
        for target in &targets {
            let pointer = target.strip_prefix('#');
            if pointer.and_then(|p| document.pointer(p)).is_none() {
                wrong.push(format!("{target} leads nowhere"));
            }
        }
        let schemas = document["components"]["schemas"].as_object();
        for name in schemas.into_iter().flatten().map(|(name, _)| name) {
            if !targets.contains(&format!("#/components/schemas/{name}")) {
                wrong.push(format!("nothing refers to the schema {name}"));
            }
        }
        wrong
    }

    #[test]
    fn the_document_keeps_the_rules_of_openrpc() {
        let wrong = mistakes(&document(METHODS));
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }

    #[test]
    fn a_broken_document_is_told_what_is_wrong_with_it() {
        let broken = |path: &str, value: Value| {
            let mut document = document(METHODS);
            *document.pointer_mut(path).unwrap() = value;
            mistakes(&document).join("\n")
        };
        for (path, value, words) in [
            ("/openrpc", json!("1.2.6"), "version of OpenRPC"),
            ("/info", json!({ "title": "x" }), "info has no version"),
            ("/methods/0/name", json!("rpc.ping"), "reserved"),
            ("/methods/1/name", json!("ping"), "twice"),
            (
                "/methods/1/params/0/schema",
                json!({ "type": "text" }),
                "type \"text\"",
            ),
            (
                "/methods/1/params/0/schema",
                json!({ "minimun": 1 }),
                "keyword minimun",
            ),
            (
                "/methods/0/result/schema/$ref",
                json!("#/components/schemas/Nothing"),
                "leads nowhere",
            ),
            ("/methods/2/x-minimum-role", json!("root"), "minimum role"),
            (
                "/components/schemas/Pong",
                json!({ "type": "object", "required": ["a"] }),
                "does not describe it",
            ),
        ] {
            let told = broken(path, value);
            assert!(told.contains(words), "{path}: {told:?}");
        }
    }

    #[test]
    fn each_method_shows_the_role_it_needs() {
        let document = document(METHODS);
        for (row, entry) in METHODS.iter().zip(document["methods"].as_array().unwrap()) {
            assert_eq!(entry["name"], row.name);
            let role = row.role.map(crate::access::Role::as_str);
            assert_eq!(entry["x-minimum-role"].as_str(), role, "{}", row.name);
        }
    }
}
