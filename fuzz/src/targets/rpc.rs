//! JSON-RPC through the whole dispatch: one message a line, on one connection. Every token is a role.

use std::sync::Arc;

use camera_service::clock::{Mono, Now, Wall};
use camera_service::events::bus::Bus;
use camera_service::rpc::dispatch::{Room, accept};
use camera_service::rpc::error::Code;
use camera_service::rpc::links::Reached;
use camera_service::rpc::session::Session;
use camera_service::rpc::table::{METHODS, Outcome};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::runtime::Builder;

use crate::input::text;
use crate::world::{self, SECRET};

/// Bytes of the largest answer there is: the description of all methods.
const LARGEST: usize = 512 << 10;

pub(crate) fn run(data: &[u8]) {
    // Some methods begin work of their own; it waits for a turn that never comes.
    let runtime = Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let bus = Arc::new(Bus::default());
    let (desk, ..) = world::desk(true, &bus);
    let room = Room {
        methods: METHODS,
        desk: Arc::new(desk),
        reached: Arc::new(Reached::new(
            Some("box.local:8003"),
            "192.0.2.1:8002".parse().unwrap(),
        )),
        from: "192.0.2.9".parse().unwrap(),
    };
    let mut session = Session::new("5f2b".to_owned());
    let clean = !text(data).contains(SECRET);
    for (line, secs) in text(data).lines().zip(0..64) {
        let now = Now {
            mono: Mono::from_nanos((100 + secs) * 1_000_000_000),
            wall: Wall::from_secs(1_800_000_000 + secs),
        };
        message(&room, &mut session, line, now, clean);
    }
}

fn message(room: &Room, session: &mut Session, message: &str, now: Now, clean: bool) {
    let turn = accept(room, session, message, now);
    // What takes time is not begun: everything before it was decided.
    let Outcome::Now(answer) = turn.outcome else {
        return;
    };
    if let Err(fault) = &answer {
        assert_ne!(fault.code(), Code::InternalError, "{fault:?}");
    }
    let sent: Option<Value> = serde_json::from_str(message).ok();
    let Some(text) = turn.reply.render(&answer, now) else {
        // Only a well-formed request without an id gets no answer.
        let Some(sent) = sent else {
            serde_json::from_str::<&RawValue>(message).unwrap();
            return;
        };
        assert!(sent.is_object() && sent.get("id").is_none() && sent["jsonrpc"] == "2.0");
        return;
    };
    assert!(
        text.len() <= LARGEST + 16 * message.len(),
        "{} bytes",
        text.len()
    );
    assert!(!clean || !text.contains(SECRET), "a secret is told: {text}");
    let Ok(told) = serde_json::from_str::<Value>(&text) else {
        // JSON, but with an id such as 1e400, which no number of ours holds and which goes back as it came.
        serde_json::from_str::<Box<RawValue>>(&text).unwrap();
        return;
    };
    assert_eq!(told["jsonrpc"], "2.0");
    assert_ne!(told.get("result").is_some(), told.get("error").is_some());
    if let Some(error) = told.get("error") {
        assert!(error["code"].is_i64() && error["message"].is_string());
        assert!(error["data"]["reason"].is_string(), "{error}");
    }
    // The id comes back as it was, whenever it could be read.
    if let Some(id) = sent.as_ref().and_then(|sent| sent.get("id"))
        && (id.is_string() || id.is_number() || id.is_null())
    {
        assert!(told["id"] == *id || told["id"].is_null());
    }
}
