//! Limits, the audit log and the unclaimed box, as a client meets them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::access::audit::{Audit, Entry, Page, Verdict};
use crate::access::claim::{Denied, Grant, Owner};
use crate::access::limits::{Gate, Rules};
use crate::error::Later;
use crate::rpc::guard::Guard;

/// Keeps what was written down.
#[derive(Default)]
struct Notes(Mutex<Vec<Entry>>);

impl Audit for Notes {
    fn record(&self, entry: Entry) {
        self.0.lock().unwrap().push(entry);
    }

    fn read(&self, limit: usize, offset: usize) -> Later<Page> {
        let notes = self.0.lock().unwrap();
        let newest = notes.iter().rev().skip(offset).take(limit);
        let page = Page {
            entries: newest.map(Entry::to_json).collect(),
            total: notes.len(),
        };
        Box::pin(std::future::ready(Ok(page)))
    }
}

impl Notes {
    /// Method and verdict of each entry, and who it was.
    fn told(&self) -> Vec<String> {
        let verdict = |v: &Verdict| match v {
            Verdict::Ok => "ok".to_owned(),
            Verdict::Unknown => "unknown".to_owned(),
            Verdict::Refused { reason, .. } => reason.clone(),
        };
        let notes = self.0.lock().unwrap();
        let line = |e: &Entry| format!("{} {} {}", e.who, e.method, verdict(&e.verdict));
        notes.iter().map(line).collect()
    }
}

/// Nobody's until somebody logs in.
struct Fresh(AtomicBool);

impl Owner for Fresh {
    fn is_unclaimed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn seen_owner(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn claim(&self, _: String, _: String, _: IpAddr) -> Later<Result<Grant, Denied>> {
        Box::pin(std::future::ready(Ok(Err(Denied::WrongCode))))
    }
}

const RULES: Rules = Rules {
    requests_per_minute: 60,
    burst: 5,
    failed_logins_per_minute: 3,
};

const CHANGE: Method = Method {
    name: "change",
    role: Some(Role::Operator),
    params: &[crate::rpc::methods::DEVICE],
    handler: |_, _| Outcome::Now(Ok(true.into())),
    ..core::PING
};

const SLOW: Method = Method {
    name: "slow",
    handler: |_, _| Outcome::Later(Box::pin(std::future::ready(Ok(true.into())))),
    ..CHANGE
};

const ROWS: &[Method] = &[core::PING, core::AUTHENTICATE, CHANGE, SLOW];

/// A client of a guarded room, on a connection of its own.
fn guarded(guard: Guard) -> Client {
    let mut client = Client::new();
    client.room.methods = ROWS;
    client.room.desk = Arc::new(Desk {
        guard,
        ..(*client.room.desk).clone()
    });
    client
}

fn again(client: &Client) -> Client {
    Client {
        room: client.room.clone(),
        session: Session::new("another".to_owned()),
        now: client.now,
    }
}

fn limited() -> Client {
    guarded(Guard {
        limits: Arc::new(Gate::new(RULES)),
        ..Guard::default()
    })
}

fn log_in(client: &mut Client, role: &str) -> Value {
    client.call("authenticate", &json!({ "token": format!("{role}:3600") }))
}

fn calls_until_refused(client: &mut Client, method: &str) -> usize {
    let device = json!({ "device": "camera0" });
    (0..10_000)
        .take_while(|_| client.call(method, &device)["error"]["code"] != -32040)
        .count()
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back_and_then_let_in() {
    let mut client = limited();
    log_in(&mut client, "viewer");
    assert_eq!(calls_until_refused(&mut client, "change"), 5);
    let error = client.call("change", &json!({}))["error"].take();
    assert_eq!(error["code"], -32040);
    let wait = error["data"]["retry_after_ms"].as_u64().unwrap();
    assert_eq!(wait, 1000);
    client.now.mono = client.now.mono + Duration::from_millis(wait);
    assert_eq!(client.code("change", &json!({})), -32002);
    assert_eq!(client.code("change", &json!({})), -32040);
}

#[test]
fn another_connection_of_the_same_user_has_no_more() {
    let mut client = limited();
    log_in(&mut client, "operator");
    assert_eq!(calls_until_refused(&mut client, "change"), 20);
    let mut second = again(&client);
    log_in(&mut second, "operator");
    assert_eq!(calls_until_refused(&mut second, "change"), 0);
}

#[test]
fn ten_pings_a_second_are_free_even_for_who_has_no_requests_left() {
    let mut client = limited();
    log_in(&mut client, "viewer");
    calls_until_refused(&mut client, "change");
    for second in 1..5 {
        client.now.mono = client.now.mono + Duration::from_secs(1);
        while client.call("change", &json!({}))["error"]["code"] != -32040 {}
        for _ in 0..10 {
            assert_eq!(
                client.call("ping", &json!({}))["result"],
                "pong",
                "{second}"
            );
        }
        assert_eq!(client.code("ping", &json!({})), -32040);
    }
}

#[test]
fn strangers_are_counted_by_address_and_their_mistakes_cost_them() {
    let mut client = limited();
    for _ in 0..5 {
        assert_eq!(client.code("nonsense", &json!({})), -32601);
    }
    // Still told exactly what is wrong.
    assert_eq!(client.code("change", &json!({})), -32001);
    for _ in 0..10 {
        client.call("ping", &json!({}));
    }
    assert_eq!(client.code("ping", &json!({})), -32040);
    let mut elsewhere = again(&client);
    elsewhere.room.from = "10.0.0.8".parse().unwrap();
    for _ in 0..11 {
        assert_eq!(elsewhere.call("ping", &json!({}))["result"], "pong");
    }
}

#[test]
fn guessing_tokens_locks_the_address_out_whatever_connection_and_whatever_token() {
    let mut client = limited();
    for _ in 0..20 {
        assert_eq!(
            log_in(&mut client, "viewer")["result"]["authenticated"],
            true
        );
    }
    for _ in 0..3 {
        assert_eq!(
            client.code("authenticate", &json!({ "token": "forged" })),
            -32001
        );
    }
    let mut second = again(&client);
    let error = log_in(&mut second, "viewer")["error"].take();
    assert_eq!(error["code"], -32040);
    assert_eq!(error["data"]["retry_after_ms"], 20_000);
    // Whoever is in stays in.
    assert_eq!(client.code("change", &json!({})), -32002);
    second.now.mono = second.now.mono + Duration::from_secs(20);
    assert_eq!(
        log_in(&mut second, "viewer")["result"]["authenticated"],
        true
    );
}

#[test]
fn what_is_beyond_a_limit_is_told_apart_from_what_is_wrong_or_forbidden() {
    let mut client = limited();
    let beyond = |client: &mut Client, message: &str| {
        accept(&client.room, &mut client.session, message, client.now).beyond
    };
    let call = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
    // A stranger's five: none of them is right, and all are within the limit.
    for message in [&call("change"), &call("nonsense"), "{", "[]", "7"] {
        assert!(!beyond(&mut client, message), "{message}");
    }
    for message in [&call("change"), &call("nonsense"), "{", "[]", "7"] {
        assert!(beyond(&mut client, message), "{message}");
    }
    for _ in 0..10 {
        assert!(!beyond(&mut client, &call("ping")), "free");
    }
    assert!(beyond(&mut client, &call("ping")));
    log_in(&mut client, "viewer");
    assert!(
        !beyond(&mut client, &call("change")),
        "an allowance of its own"
    );
    while !beyond(&mut client, &call("change")) {}
    // Locked out, too.
    let forged = r#"{"jsonrpc":"2.0","id":1,"method":"authenticate","params":{"token":"forged"}}"#;
    for _ in 0..3 {
        assert!(!beyond(&mut client, forged));
    }
    assert!(beyond(&mut client, forged));
}

#[test]
fn privileged_calls_and_logins_are_written_down_with_how_they_went_and_no_secret() {
    let notes = Arc::new(Notes::default());
    let mut client = guarded(Guard {
        audit: Arc::clone(&notes) as Arc<dyn Audit>,
        ..Guard::default()
    });
    client.call("authenticate", &json!({ "token": "forged" }));
    log_in(&mut client, "viewer");
    client.call("ping", &json!({}));
    client.call("change", &json!({ "device": "camera0" }));
    log_in(&mut client, "operator");
    client.call("change", &json!({ "device": "camera0" }));
    client.call("change", &json!({ "device": 7 }));
    let slow = r#"{"jsonrpc":"2.0","id":1,"method":"slow","params":{"device":"camera2"}}"#;
    for answered in [true, false] {
        let turn = accept(&client.room, &mut client.session, slow, NOW);
        let Outcome::Later(work) = turn.outcome else {
            panic!("it takes time")
        };
        if answered {
            assert!(work.now_or_never().unwrap().is_ok());
        }
    }
    assert_eq!(
        notes.told(),
        [
            " authenticate token_invalid",
            "ada authenticate ok",
            "ada change insufficient_role",
            "ada authenticate ok",
            "ada change ok",
            "ada change invalid_params",
            "ada slow ok",
            "ada slow unknown",
        ]
    );
    let entries = notes.0.lock().unwrap();
    assert_eq!(entries[4].credential.as_deref(), Some("ada"));
    assert_eq!(entries[4].from, Some("10.0.0.9".parse().unwrap()));
    assert_eq!(entries[4].target.as_deref(), Some("camera0"));
    let all: String = entries.iter().map(|e| e.to_json().to_string()).collect();
    assert!(!all.contains("forged") && !all.contains("3600"), "{all}");
}

#[test]
fn a_box_that_is_nobodys_says_so_and_what_to_do_until_its_owner_comes() {
    let mut client = guarded(Guard {
        owner: Arc::new(Fresh(AtomicBool::new(true))),
        ..Guard::default()
    });
    assert_eq!(client.call("ping", &json!({}))["result"], "pong");
    for answer in [
        client.call("change", &json!({ "device": "camera0" })),
        client.call("authenticate", &json!({ "token": "forged" })),
    ] {
        assert_eq!(answer["error"]["code"], -32001);
        assert_eq!(answer["error"]["data"]["reason"], "unclaimed");
        let next = answer["error"]["data"]["suggestion"].as_str().unwrap();
        assert!(next.contains("code"), "{next}");
    }
    assert_eq!(client.code("nonsense", &json!({})), -32601);
    assert_eq!(
        log_in(&mut client, "operator")["result"]["authenticated"],
        true
    );
    assert_eq!(
        client.call("change", &json!({ "device": "camera0" }))["result"],
        true
    );
    let mut other = again(&client);
    let error = other.call("change", &json!({}))["error"].take();
    assert_eq!(error["data"]["reason"], "not_authenticated");
}

#[test]
fn an_admin_reads_the_log_newest_first_and_nobody_else_does() {
    let mut client = guarded(Guard {
        audit: Arc::new(Notes::default()),
        ..Guard::default()
    });
    client.room.methods = METHODS;
    log_in(&mut client, "operator");
    assert_eq!(client.code("get_audit_log", &json!({})), -32002);
    log_in(&mut client, "admin");
    for bad in [
        json!({ "limit": 0 }),
        json!({ "limit": 1001 }),
        json!({ "offset": -1 }),
    ] {
        assert_eq!(client.code("get_audit_log", &bad), -32602, "{bad}");
    }
    let ask =
        r#"{"jsonrpc":"2.0","id":1,"method":"get_audit_log","params":{"limit":2,"offset":3}}"#;
    let turn = accept(&client.room, &mut client.session, ask, NOW);
    let Outcome::Later(work) = turn.outcome else {
        panic!("it takes time")
    };
    let page = work.now_or_never().unwrap().unwrap();
    assert_eq!(
        crate::rpc::schema::tests::departure("AuditLog", &page),
        None
    );
    assert_eq!((&page["total"], &page["offset"]), (&json!(6), &json!(3)));
    assert_eq!(page["entries"][0]["method"], "authenticate");
    assert_eq!(page["entries"][1]["method"], "get_audit_log");
    assert_eq!(page["entries"][1]["reason"], "insufficient_role");
}
