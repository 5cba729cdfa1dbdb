//! JSON-RPC 2.0 itself: ids, notifications, batches, broken texts, frames (§3, §20.3, .9, .14–.16, .23).

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::contract::{METHODS, NOTIFICATIONS, Role};
use crate::report::{Report, Wanted};
use crate::wire::{Reply, Wire, connect, request};
use crate::world::World;

pub(crate) async fn run(world: &mut World) -> Report {
    let mut report = Report::default();
    ids(world, &mut report).await;
    broken(world, &mut report).await;
    notifications(world, &mut report).await;
    order(world, &mut report).await;
    frames(world, &mut report).await;
    origins(world, &mut report).await;
    report
}

fn id_is(report: &mut Report, label: &str, reply: &Reply, id: &str) {
    if let Ok(answer) = reply {
        let came = answer.id_text().unwrap_or_default();
        report.expect(came == id, || {
            format!("{label}: the id came back as {came}, not {id} (§20.16)")
        });
    }
}

async fn ids(world: &mut World, report: &mut Report) {
    let wire = world.wire(Role::Viewer);
    for id in [
        "1",
        "0",
        "-7",
        "-0",
        "98765432109876543210987654321",
        "1.50",
        "1e3",
        "1E+2",
        r#""abc""#,
        r#""""#,
        r#""\u0041 \"quoted\" \\ ünï""#,
        r#""../../etc/passwd""#,
        "null",
    ] {
        for (method, wanted) in [
            ("ping", Wanted::success()),
            ("no_such_method", Wanted::code(-32601)),
        ] {
            let label = format!("{method} role=viewer case=id {id}");
            let reply = wire.exchange(&request(id, method, None)).await;
            report.judge(&label, None, &wanted, &reply);
            id_is(report, &label, &reply, id);
        }
    }
    let long = format!(r#""{}""#, "i".repeat(4000));
    let reply = wire.exchange(&request(&long, "ping", None)).await;
    report.judge(
        "ping role=viewer case=an id of 4,000 letters",
        None,
        &Wanted::success(),
        &reply,
    );
    id_is(
        report,
        "ping role=viewer case=an id of 4,000 letters",
        &reply,
        &long,
    );
    for id in ["true", "false", "[1]", "[]", r#"{"a":1}"#, "{}"] {
        let label = format!("ping role=viewer case=id {id}");
        let reply = wire.exchange(&request(id, "ping", None)).await;
        report.judge(&label, None, &Wanted::code(-32600), &reply);
        id_is(report, &label, &reply, "null");
    }
}

async fn broken(world: &mut World, report: &mut Report) {
    // Before and after a login alike: the envelope comes first.
    for role in [Role::Stranger, Role::Viewer] {
        let wire = world.wire(role);
        for text in [
            "",
            " ",
            "nonsense",
            "{",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping""#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}"#,
            "{'jsonrpc':'2.0','id':1,'method':'ping'}",
            r#"{"jsonrpc":"2.0","id":01,"method":"ping"}"#,
            "\u{0}",
        ] {
            let label = format!("- role={} case=the text {text:?}", role.word());
            let reply = wire.exchange(text).await;
            report.judge(&label, None, &Wanted::code(-32700), &reply);
            id_is(report, &label, &reply, "null");
        }
        for (text, id) in [
            ("[]", "null"),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, "null"),
            (
                r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#,
                "null",
            ),
            ("7", "null"),
            (r#""ping""#, "null"),
            ("null", "null"),
            ("true", "null"),
            ("{}", "null"),
            (r#"{"id":5,"method":"ping"}"#, "5"),
            (r#"{"jsonrpc":"1.0","id":"x","method":"ping"}"#, r#""x""#),
            (r#"{"jsonrpc":2.0,"id":5,"method":"ping"}"#, "5"),
            (r#"{"jsonrpc":"2.0","id":5}"#, "5"),
            (r#"{"jsonrpc":"2.0","id":5,"method":7}"#, "5"),
            (r#"{"jsonrpc":"2.0","id":5,"method":null}"#, "5"),
            (r#"{"jsonrpc":"2.0","id":5,"method":["ping"]}"#, "5"),
            (
                r#"{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":{}}"#,
                "123456789012345678901234567890",
            ),
            (
                r#"{"jsonrpc":"2.0","id":5,"method":"ping","params":"x"}"#,
                "5",
            ),
        ] {
            let label = format!("- role={} case=the envelope {text}", role.word());
            let reply = wire.exchange(text).await;
            report.judge(&label, None, &Wanted::code(-32600), &reply);
            id_is(report, &label, &reply, id);
        }
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        let text = format!(r#"{{"jsonrpc":"2.0","id":9,"method":"ping","params":{{"a":{deep}}}}}"#);
        let reply = wire.exchange(&text).await;
        let label = format!("ping role={} case=20,000 lists in each other", role.word());
        report.judge(
            &label,
            None,
            &Wanted::code(-32600).or(-32602).or(-32700),
            &reply,
        );
        let reply = wire.ask("ping", None).await;
        let label = format!("ping role={} case=after all that was broken", role.word());
        report.judge(&label, None, &Wanted::success(), &reply);
        wire.end().await;
    }
}

async fn notifications(world: &mut World, report: &mut Report) {
    let token = world
        .stage
        .server
        .token(Role::Viewer)
        .unwrap_or("")
        .to_owned();
    let mut wire = world.another(Role::Stranger);
    for text in [
        r#"{"jsonrpc":"2.0","method":"ping"}"#,
        r#"{"jsonrpc":"2.0","method":"no_such_method"}"#,
        r#"{"jsonrpc":"2.0","method":"get_camera_list"}"#,
        r#"{"jsonrpc":"2.0","method":"ping","params":[1]}"#,
    ] {
        let sent = wire.send_text(text).await;
        report.expect(sent.is_ok(), || {
            format!("- role=none case=the notification {text}: {sent:?}")
        });
    }
    // Had one been answered, that answer would come before this one.
    let reply = wire.exchange(&request("77", "ping", None)).await;
    let label = "ping role=none case=after notifications, which are never answered";
    report.judge(label, None, &Wanted::success(), &reply);
    id_is(report, label, &reply, "77");
    // A notification runs: this one logs in (§20.16).
    let login =
        json!({ "jsonrpc": "2.0", "method": "authenticate", "params": { "auth_token": token } });
    let _ = wire.send_text(&login.to_string()).await;
    let reply = wire.ask("get_camera_list", None).await;
    let label = "get_camera_list role=viewer case=logged in by a notification";
    report.judge(label, None, &Wanted::success(), &reply);
    wire.end().await;
}

/// Envelope, method, login, role, parameters, resource (§20.14).
async fn order(world: &mut World, report: &mut Report) {
    let absent = json!({ "device": "camera9999", "surprise": 1 }).to_string();
    let steps: &[(Role, &str, Option<&str>, i64)] = &[
        (Role::Stranger, "no_such_method", Some("7"), -32600),
        (Role::Stranger, "no_such_method", Some(&absent), -32601),
        (Role::Viewer, "no_such_method", Some("[1]"), -32601),
        (Role::Stranger, "get_camera_status", Some(&absent), -32001),
        (Role::Stranger, "start_recording", Some(&absent), -32001),
        (Role::Viewer, "start_recording", Some(&absent), -32002),
        (Role::Viewer, "set_retention_policy", Some("{}"), -32002),
        (Role::Operator, "set_retention_policy", Some("[1]"), -32002),
        (Role::Viewer, "get_camera_status", Some(&absent), -32602),
        (Role::Operator, "start_recording", Some(&absent), -32602),
        (
            Role::Viewer,
            "get_camera_status",
            Some(r#"{"device":"camera9999"}"#),
            -32010,
        ),
        (
            Role::Viewer,
            "get_camera_capabilities",
            Some(r#"{"device":"camera9999"}"#),
            -32010,
        ),
        (
            Role::Viewer,
            "get_stream_url",
            Some(r#"{"device":"camera9999"}"#),
            -32010,
        ),
        (
            Role::Viewer,
            "get_stream_status",
            Some(r#"{"device":"camera9999"}"#),
            -32010,
        ),
        (
            Role::Operator,
            "stop_recording",
            Some(r#"{"device":"camera9999"}"#),
            -32010,
        ),
        (
            Role::Operator,
            "stop_streaming",
            Some(r#"{"device":"camera9999"}"#),
            -32010,
        ),
        (
            Role::Operator,
            "start_streaming",
            Some(r#"{"device":"camera9999"}"#),
            -32010,
        ),
        (
            Role::Operator,
            "take_snapshot",
            Some(r#"{"device":"camera9999"}"#),
            -32010,
        ),
        (
            Role::Operator,
            "start_recording",
            Some(r#"{"device":"camera9999"}"#),
            -32010,
        ),
    ];
    for (role, method, params, code) in steps {
        if METHODS.iter().any(|m| m.name == *method) && !world.offers(&[method]) {
            report.not_offered += 1;
            continue;
        }
        let label = format!(
            "{method} role={} case=order of checks with {}",
            role.word(),
            params.unwrap_or("")
        );
        let reply = world.wire(*role).ask(method, *params).await;
        report.judge(&label, None, &Wanted::code(*code), &reply);
        if *code == -32010
            && let Ok(answer) = reply
        {
            report.expect(answer.data()["id"] == "camera9999", || {
                format!("{label}: data.id is {}", answer.data()["id"])
            });
        }
    }
    for name in NOTIFICATIONS {
        let label = format!("{name} role=admin case=a notification's name called (§4)");
        let reply = world.wire(Role::Admin).ask(name, None).await;
        report.judge(&label, None, &Wanted::code(-32601), &reply);
    }
    let mut near = Wanted::code(-32601);
    near.suggests = Some("get_camera_list".to_owned());
    let reply = world.wire(Role::Stranger).ask("get_camera_lst", None).await;
    report.judge(
        "get_camera_lst role=none case=a mistyped name",
        None,
        &near,
        &reply,
    );
}

async fn closed_with(wire: &mut Wire, message: Message) -> String {
    if let Err(e) = wire.send(message).await {
        // The server may have closed before it was all sent; what it said can still be read.
        if !e.contains("failed") {
            return e;
        }
    }
    match wire.next_text(Duration::from_secs(20)).await {
        Ok(text) => format!("was answered: {text}"),
        Err(why) => why,
    }
}

async fn frames(world: &mut World, report: &mut Report) {
    for role in [Role::Stranger, Role::Viewer] {
        let mut wire = world.another(role);
        let what = closed_with(
            &mut wire,
            Message::binary(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_vec()),
        )
        .await;
        report.expect(what.contains("1003"), || {
            format!("- role={} case=a binary frame: {what}; the contract says closed with 1003 (§20.23)", role.word())
        });
        let mut wire = world.another(role);
        let most = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":null,"x":"{}"}}"#,
            "y".repeat((1 << 20) - 100)
        );
        let reply = wire.exchange(&most).await;
        let label = format!("ping role={} case=a message just below 1 MiB", role.word());
        report.judge(&label, None, &Wanted::success(), &reply);
        let what = closed_with(&mut wire, Message::text("x".repeat((1 << 20) + 1))).await;
        report.expect(what.contains("1009"), || {
            format!("- role={} case=a message above 1 MiB: {what}; the contract says closed with 1009 (§20.8)", role.word())
        });
    }
    let reply = world.wire(Role::Viewer).ask("ping", None).await;
    report.judge(
        "ping role=viewer case=while others were closed",
        None,
        &Wanted::success(),
        &reply,
    );
}

async fn origins(world: &mut World, report: &mut Report) {
    let server = &world.stage.server;
    let own = format!("http://{}", server.authority);
    let reply = connect(server, &own).await;
    report.expect(reply.is_ok(), || {
        format!("- role=none case=Origin {own}: refused; the service's own origin is always allowed (§20.23)")
    });
    // The default list; a foreign server may have another one.
    for origin in ["http://localhost:3000", "https://localhost:3000"] {
        let is_let_in = crate::stage::is_foreign() || connect(server, origin).await.is_ok();
        report.expect(is_let_in, || {
            format!("- role=none case=Origin {origin}: refused; it is allowed by default (§1)")
        });
    }
    for origin in ["http://evil.example", "https://evil.example:8002", "null"] {
        let reply = connect(server, origin).await;
        report.expect(reply.is_err(), || {
            format!("- role=none case=Origin {origin}: let in; only configured origins are (§1)")
        });
    }
}

/// Whether a message is the notification of that name.
pub(crate) fn is_notification(value: &Value, method: &str) -> bool {
    value["method"] == method && value.get("id").is_none() && value["jsonrpc"] == "2.0"
}

/// Each code that a client alone can provoke, once and on purpose. -32603 takes a fault of the
/// server, -32040 a limit and -32050 a broken part: `trouble.rs` sees to the last two.
pub(crate) async fn codes(world: &mut World) -> Report {
    let mut report = Report::default();
    let reply = world.wire(Role::Viewer).exchange("{").await;
    report.judge(
        "- role=viewer case=-32700",
        None,
        &Wanted::code(-32700),
        &reply,
    );
    let reply = world.wire(Role::Viewer).exchange("[]").await;
    report.judge(
        "- role=viewer case=-32600",
        None,
        &Wanted::code(-32600),
        &reply,
    );
    let camera = world.camera.clone();
    let on_camera = json!({ "device": camera }).to_string();
    let _ = world.prepare(crate::contract::Fixture::Idle).await;
    for (role, method, params, code) in [
        (Role::Viewer, "no_such_method", "{}", -32601),
        (Role::Viewer, "get_camera_status", "{}", -32602),
        (Role::Stranger, "get_camera_list", "{}", -32001),
        (Role::Viewer, "take_snapshot", on_camera.as_str(), -32002),
        (
            Role::Viewer,
            "get_camera_status",
            r#"{"device":"camera9999"}"#,
            -32010,
        ),
        (Role::Operator, "stop_recording", on_camera.as_str(), -32020),
    ] {
        if code != -32601 && !world.offers(&[method]) {
            report.not_offered += 1;
            continue;
        }
        let reply = world.wire(role).ask(method, Some(params)).await;
        let label = format!("{method} role={} case={code}", role.word());
        report.judge(&label, None, &Wanted::code(code), &reply);
    }
    if world.offers(&["discover_external_streams"]) {
        // Off unless somebody switched it on (§20.21); on a box where it is on, nothing is unsupported.
        let reply = world
            .wire(Role::Operator)
            .ask("discover_external_streams", None)
            .await;
        let mut wanted = Wanted::code(-32030);
        wanted.success = crate::stage::is_foreign();
        report.judge(
            "discover_external_streams role=operator case=-32030",
            None,
            &wanted,
            &reply,
        );
    } else {
        report.not_offered += 1;
    }
    let met: Vec<String> = report.codes.iter().map(ToString::to_string).collect();
    println!("codes met: {}", met.join(", "));
    report
}
