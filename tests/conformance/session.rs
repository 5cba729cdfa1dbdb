//! Who is logged in, until when, and that nobody waits for anybody (§2, §20.1, .4, .13, .18).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::contract::Role;
use crate::report::{Report, Wanted};
use crate::world::World;

/// A session lives with its connection: rights come once, end with the token, and are not carried over.
pub(crate) async fn sessions(world: &mut World) -> Report {
    let mut report = Report::default();
    let tokens = world.stage.server.tokens.clone();
    let mut wire = world.another(Role::Stranger);
    let reply = wire.ask("get_camera_list", None).await;
    report.judge(
        "get_camera_list role=none case=a new connection",
        None,
        &Wanted::code(-32001),
        &reply,
    );

    // A forged token gives nothing, and takes nothing away (§20.4).
    for forged in forged(&tokens[2]) {
        let reply = wire
            .call("authenticate", &json!({ "auth_token": forged }))
            .await;
        let label = format!(
            "authenticate role=none case=a forged token {}",
            crate::shape::brief(&forged)
        );
        report.judge(&label, None, &Wanted::code(-32001), &reply);
    }
    let reply = wire
        .call("authenticate", &json!({ "auth_token": tokens[1] }))
        .await;
    report.judge(
        "authenticate role=none case=a good token",
        None,
        &Wanted::success(),
        &reply,
    );
    let reply = wire
        .call("authenticate", &json!({ "auth_token": "forged" }))
        .await;
    report.judge(
        "authenticate role=operator case=a forged token on a live session",
        None,
        &Wanted::code(-32001),
        &reply,
    );
    let reply = wire.ask("get_camera_list", None).await;
    report.judge(
        "get_camera_list role=operator case=after a failed re-authentication (§20.4)",
        None,
        &Wanted::success(),
        &reply,
    );

    // Rights go up and down with the token of the day.
    for (role, token) in [
        (Role::Viewer, &tokens[0]),
        (Role::Admin, &tokens[2]),
        (Role::Viewer, &tokens[0]),
    ] {
        let reply = wire.call("authenticate", &json!({ "token": token })).await;
        if let Ok(answer) = &reply {
            report.expect(answer.result()["role"] == role.word(), || {
                format!(
                    "authenticate role={} case=again on the same socket: {}",
                    role.word(),
                    answer.raw
                )
            });
        }
        if world.offers(&["get_storage_info"]) {
            let wanted = if role == Role::Admin {
                Wanted::success()
            } else {
                Wanted::code(-32002)
            };
            let reply = wire.ask("get_storage_info", None).await;
            let label = format!(
                "get_storage_info role={} case=after logging in anew",
                role.word()
            );
            report.judge(&label, None, &wanted, &reply);
        } else {
            report.not_offered += 1;
        }
    }
    let first = wire
        .call("authenticate", &json!({ "auth_token": tokens[0] }))
        .await;
    wire.end().await;

    // After a reconnect nobody is logged in, and the session is another one.
    let reply = wire.ask("get_camera_list", None).await;
    report.judge(
        "get_camera_list role=none case=after a reconnect",
        None,
        &Wanted::code(-32001),
        &reply,
    );
    let second = wire
        .call("authenticate", &json!({ "auth_token": tokens[0] }))
        .await;
    if let (Ok(first), Ok(second)) = (first, second) {
        report.expect(
            first.result()["session_id"] != second.result()["session_id"],
            || {
                format!(
                    "authenticate role=viewer case=two connections: both are session {}",
                    first.result()["session_id"]
                )
            },
        );
    }
    wire.end().await;

    match world.stage.mint("viewer", 3) {
        Some(token) => expiry(world, &mut report, &token).await,
        None => report
            .left_out
            .push("a token that ends soon: only our own service mints one".to_owned()),
    }
    report
}

/// A token's end takes the rights of a live socket at once, and a new one gives them back (§20.4).
async fn expiry(world: &mut World, report: &mut Report, token: &str) {
    let mut wire = world.another(Role::Stranger);
    let reply = wire
        .call("authenticate", &json!({ "auth_token": token }))
        .await;
    report.judge(
        "authenticate role=viewer case=a token for three seconds",
        None,
        &Wanted::success(),
        &reply,
    );
    let mut reply = wire.ask("get_camera_list", None).await;
    report.judge(
        "get_camera_list role=viewer case=before the token ends",
        None,
        &Wanted::success(),
        &reply,
    );
    for _ in 0..80 {
        if reply.as_ref().is_ok_and(|a| !a.is_success()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        reply = wire.ask("get_camera_list", None).await;
    }
    let label = "get_camera_list role=viewer case=after the token's end";
    report.judge(label, None, &Wanted::code(-32001), &reply);
    if let Ok(answer) = reply {
        report.expect(answer.data()["reason"] == "token_expired", || {
            format!(
                "{label}: data.reason is {}, not token_expired",
                answer.data()["reason"]
            )
        });
    }
    let reply = wire.ask("ping", None).await;
    report.judge(
        "ping role=none case=after the token's end",
        None,
        &Wanted::success(),
        &reply,
    );
    let good = world.stage.server.tokens[0].clone();
    let reply = wire
        .call("authenticate", &json!({ "auth_token": good }))
        .await;
    report.judge(
        "authenticate role=none case=renewed on the same socket",
        None,
        &Wanted::success(),
        &reply,
    );
    let reply = wire.ask("get_camera_list", None).await;
    report.judge(
        "get_camera_list role=viewer case=after renewal",
        None,
        &Wanted::success(),
        &reply,
    );
}

/// Tokens that nobody signed.
fn forged(good: &str) -> Vec<String> {
    // {"alg":"none","typ":"JWT"} and {"user_id":"x","role":"admin","iat":0,"exp":9999999999}
    const NONE: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    const ADMIN: &str =
        "eyJ1c2VyX2lkIjoieCIsInJvbGUiOiJhZG1pbiIsImlhdCI6MCwiZXhwIjo5OTk5OTk5OTk5fQ";
    let mut all = vec![
        format!("{NONE}.{ADMIN}."),
        format!("{NONE}.{ADMIN}.x"),
        "csk_00000000000000000000000000000000".to_owned(),
    ];
    let parts: Vec<&str> = good.split('.').collect();
    if let [head, _, signature] = parts[..] {
        all.push(format!("{head}.{ADMIN}.{signature}"));
        all.push(format!("{head}.{ADMIN}."));
    }
    all
}

/// A slow request delays no ping; many at once are all answered, each under its own id (§16.31).
pub(crate) async fn concurrency(world: &mut World) -> Report {
    let mut report = Report::default();
    let camera = json!({ "device": world.camera }).to_string();
    let mut wire = world.another(Role::Operator);
    let many: &[(&str, Option<&str>)] = &[
        ("get_camera_list", None),
        ("get_camera_status", Some(&camera)),
        ("no_such_method", None),
        ("get_streams", None),
        ("ping", None),
    ];
    let mut waiting = BTreeSet::new();
    for round in 0..40 {
        let (method, params) = many[round % many.len()];
        match wire.post(method, params).await {
            Ok(id) => {
                waiting.insert(id);
            }
            Err(e) => report
                .failures
                .push(format!("{method} role=operator case=many at once: {e}")),
        }
    }
    while !waiting.is_empty() {
        match wire.next_answer(Duration::from_secs(30)).await {
            Ok(answer) => {
                let id = answer.json["id"].as_u64().unwrap_or(0);
                let awaited = waiting.remove(&id);
                report.expect(awaited, || {
                    format!(
                        "- role=operator case=many at once: {id} was answered twice or never asked"
                    )
                });
                report.envelope("- role=operator case=many at once", &answer);
            }
            Err(e) => {
                report.failures.push(format!(
                    "- role=operator case=many at once: {} never answered: {e}",
                    waiting.len()
                ));
                break;
            }
        }
    }
    if world.offers(&["take_snapshot"]) {
        slow(world, &mut report).await;
    } else {
        report.not_offered += 1;
    }
    if world.offers(&["get_metrics"]) {
        let mut longest = Duration::ZERO;
        for _ in 0..5 {
            if let Ok(answer) = world.call("get_metrics", json!({})).await {
                longest = longest.max(answer.took);
            }
        }
        report.expect(longest < Duration::from_millis(500), || {
            format!("get_metrics role=admin case=five in a row: one took {longest:?}; nothing may be sampled while the caller waits (§11, §16.29)")
        });
    } else {
        report.not_offered += 1;
    }
    report
}

/// Four snapshots are under way on this very connection, and a ping overtakes the last of them.
async fn slow(world: &mut World, report: &mut Report) {
    let mut wire = world.another(Role::Operator);
    let params = json!({ "device": world.camera }).to_string();
    let mut snapshots = BTreeSet::new();
    for _ in 0..4 {
        if let Ok(id) = wire.post("take_snapshot", Some(&params)).await {
            snapshots.insert(id);
        }
    }
    let ping = wire.post("ping", None).await.unwrap_or(0);
    let mut before_ping = 0;
    let mut pinged = false;
    let mut made = Vec::new();
    for _ in 0..=snapshots.len() {
        match wire.next_answer(Duration::from_secs(60)).await {
            Ok(answer) if answer.json["id"] == ping => pinged = true,
            Ok(answer) => {
                before_ping += usize::from(!pinged);
                report.expect(answer.is_success(), || {
                    format!(
                        "take_snapshot role=operator case=four at once: {}",
                        answer.json["error"]
                    )
                });
                made.push(answer.result()["filename"].clone());
            }
            Err(e) => {
                report.failures.push(format!(
                    "take_snapshot role=operator case=four at once: {e}"
                ));
                break;
            }
        }
    }
    report.expect(before_ping < snapshots.len(), || {
        format!("ping role=operator case=behind four snapshots: it waited for all of them (§16.31); {before_ping} came first")
    });
    let names: BTreeSet<String> = made.iter().map(ToString::to_string).collect();
    report.expect(names.len() == made.len(), || {
        format!(
            "take_snapshot role=operator case=four at once: two have one name: {made:?} (§20.22)"
        )
    });
    for name in made {
        world.discard("delete_snapshot", &name).await;
    }
}
