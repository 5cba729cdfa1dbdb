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
