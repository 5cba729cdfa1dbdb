//! Tokens and API keys that are given out and taken back, against a keeper in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;

use super::*;
use crate::access::store::keys::Fresh;
use crate::access::store::{Index, Store};
use crate::access::{Grant, Judge, Keyring, Refusal};
use crate::error::Result;
use crate::rpc::schema::tests::departure;

/// What the keeper on disk does, without a disk.
struct Memory {
    judge: Mutex<Judge>,
    generation: AtomicU64,
}

impl Memory {
    fn judge(&self) -> Judge {
        self.judge.lock().unwrap().clone()
    }

    fn change<T: Send + 'static>(&self, change: impl FnOnce(&mut Store) -> Result<T>) -> Later<T> {
        let mut judge = self.judge.lock().unwrap();
        let mut store = judge.index.store().clone();
        let said = change(&mut store);
        judge.index = Index::new(store);
        self.generation.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(said))
    }
}

fn refused(refusal: &Refusal) -> Refused {
    Refused {
        reason: refusal.code().to_owned(),
        details: refusal.to_string(),
    }
}

impl Verify for Memory {
    fn verify(&self, token: &str, now: Wall) -> std::result::Result<Login, Refused> {
        self.judge().login(token, now).map_err(|r| refused(&r))
    }
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
    fn again(&self, login: &Login, now: Wall) -> std::result::Result<Login, Refused> {
        self.judge().again(login, now).map_err(|r| refused(&r))
    }
}

impl Office for Memory {
    fn renew(&self, who: &Login, now: Wall) -> (String, Wall) {
        let token = self.judge().keyring.renew(who, now);
        (token, now + crate::access::token::life(who))
    }
    fn stream_token(
        &self,
        who: &Login,
        path: &str,
        direction: Direction,
        life: Duration,
        now: Wall,
    ) -> StreamToken {
        let judge = self.judge();
        judge.keyring.mint_stream(who, path, direction, life, now)
    }
    fn revoke(&self, target: Target, known: Option<&Login>, now: Wall) -> Later<()> {
        self.change(|store| store.revoke(target, known, now))
    }
    fn keys(&self) -> Vec<KeyRecord> {
        self.judge().index.store().keys.clone()
    }
    fn default_expiry(&self) -> Expiry {
        Expiry::DEFAULT
    }
    fn create_key(&self, wanted: Wanted, now: Wall) -> Later<(KeyRecord, String)> {
        self.change(|store| {
            let seed = u8::try_from(store.keys.len()).unwrap();
            let fresh = Fresh {
                secret: [seed; 32],
                id: [seed; 8],
            };
            store.create(&wanted, 2, fresh, now)
        })
    }
    fn revoke_key(&self, id: &str, now: Wall) -> Later<KeyRecord> {
        self.change(|store| store.revoke_key(id, now))
    }
}

/// Clients of one keeper.
struct Stage(Arc<Memory>);

impl Stage {
    fn new() -> Self {
        Self(Arc::new(Memory {
            judge: Mutex::new(Judge {
                keyring: Keyring::new(b"0123456789abcdef0123456789abcdef").unwrap(),
                trusted: Default::default(),
                index: Index::default(),
            }),
            generation: AtomicU64::new(0),
        }))
    }

    fn token(&self, user: &str, role: Role) -> String {
        let hour = Duration::from_secs(3600);
        self.0.judge().keyring.mint(user, role, hour, NOW.wall)
    }

    /// A connection logged in with `credential`.
    fn client(&self, credential: &str) -> Client {
        let mut client = Client::new();
        let desk = Arc::get_mut(&mut client.room.desk).unwrap();
        desk.verifier = Arc::clone(&self.0) as Arc<dyn Verify>;
        desk.office = Arc::clone(&self.0) as Arc<dyn Office>;
        let answer = client.call("authenticate", &json!({ "auth_token": credential }));
        assert_eq!(answer["result"]["authenticated"], true, "{answer}");
        client
    }
}

/// Calls a method whose answer may take a while, and checks its shape.
fn ask(client: &mut Client, method: &str, params: &Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let turn = accept(
        &client.room,
        &mut client.session,
        &request.to_string(),
        client.now,
    );
    let answer = match turn.outcome {
        Outcome::Now(answer) => answer,
        Outcome::Later(work) => work.now_or_never().unwrap(),
    };
    if let Ok(result) = &answer {
        let row = METHODS.iter().find(|row| row.name == method).unwrap();
        assert_eq!(departure(row.result, result), None, "{method}");
    }
    let text = turn.reply.render(&answer, client.now).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn reason(answer: &Value) -> &str {
    answer["error"]["data"]["reason"].as_str().unwrap_or("")
}

#[test]
fn a_key_is_shown_once_logs_in_and_dies_on_live_connections_when_it_is_revoked() {
    let stage = Stage::new();
    let mut admin = stage.client(&stage.token("root", Role::Admin));
    let wanted = json!({ "role": "operator", "expiry": "30d", "description": "the recorder" });
    let made = ask(&mut admin, "create_api_key", &wanted)["result"].take();
    let (key, id) = (made["key"].as_str().unwrap(), &made["key_id"]);
    let listed = ask(&mut admin, "list_api_keys", &json!({ "status": "active" }))["result"].take();
    assert_eq!(listed["total"], 1);
    assert_eq!(listed["keys"][0]["expires_at"], made["expires_at"]);
    assert!(!listed.to_string().contains(key));
    assert_eq!(
        ask(&mut admin, "list_api_keys", &json!({ "role": "admin" }))["result"]["total"],
        0
    );

    let mut recorder = stage.client(key);
    let login = recorder.call(
        "authenticate",
        &json!({ "auth_token": key, "auth_type": "api_key" }),
    );
    assert_eq!(login["result"]["role"], "operator");
    assert_eq!(login["result"]["expires_at"], made["expires_at"]);
    let wrong = json!({ "auth_token": key, "auth_type": "jwt" });
    assert_eq!(recorder.code("authenticate", &wrong), -32001);

    let gone = ask(&mut admin, "revoke_api_key", &json!({ "key_id": id }));
    assert_eq!(gone["result"]["status"], "revoked");
    let said = recorder.call("get_camera_list", &json!({}));
    assert_eq!(
        (&said["error"]["code"], reason(&said)),
        (&json!(-32001), "key_revoked")
    );
    let said = recorder.call("authenticate", &json!({ "auth_token": key }));
    assert_eq!(reason(&said), "key_revoked");
}

#[test]
fn only_administrators_handle_keys_and_the_limits_say_what_to_do() {
    let stage = Stage::new();
    let mut operator = stage.client(&stage.token("ann", Role::Operator));
    for (method, params) in [
        ("list_api_keys", json!({})),
        ("create_api_key", json!({ "role": "viewer" })),
        ("revoke_api_key", json!({ "key_id": "key_1" })),
    ] {
        assert_eq!(operator.code(method, &params), -32002, "{method}");
    }
    let mut admin = stage.client(&stage.token("root", Role::Admin));
    for (wrong, param) in [
        (json!({}), "role"),
        (json!({ "role": "root" }), "role"),
        (json!({ "role": "viewer", "expiry": "soon" }), "expiry"),
        (
            json!({ "role": "viewer", "description": "x".repeat(201) }),
            "description",
        ),
        (
            json!({ "role": "viewer", "description": "two\nlines" }),
            "description",
        ),
    ] {
        let error = admin.call("create_api_key", &wrong)["error"].take();
        assert_eq!(
            (&error["code"], &error["data"]["param"]),
            (&json!(-32602), &json!(param))
        );
    }
    for _ in 0..2 {
        assert!(ask(&mut admin, "create_api_key", &json!({ "role": "viewer" }))["error"].is_null());
    }
    let full = ask(&mut admin, "create_api_key", &json!({ "role": "viewer" }))["error"].take();
    assert_eq!(full["code"], -32020);
    assert!(
        full["data"]["suggestion"]
            .as_str()
            .unwrap()
            .contains("max_keys_per_role")
    );
    let unknown = ask(
        &mut admin,
        "revoke_api_key",
        &json!({ "key_id": "csk_secret" }),
    )["error"]
        .take();
    assert_eq!(unknown["code"], -32010);
    assert!(!unknown.to_string().contains("csk_secret"));
}

#[test]
fn a_refreshed_token_renews_the_connection_and_falls_with_the_first() {
    let stage = Stage::new();
    let mut client = stage.client(&stage.token("ann", Role::Operator));
    client.now.wall = Wall::from_secs(NOW.wall.as_secs() + 1800);
    let fresh = ask(&mut client, "refresh_token", &json!({}))["result"].take();
    assert_eq!(fresh["role"], "operator");
    let renewed = client.call("authenticate", &json!({ "auth_token": fresh["token"] }));
    assert_eq!(renewed["result"]["expires_at"], fresh["expires_at"]);
    client.now.wall = Wall::from_secs(NOW.wall.as_secs() + 3700);
    assert_eq!(
        client.call("get_camera_list", &json!({}))["result"]["total"],
        2
    );

    let mut admin = stage.client(&stage.token("root", Role::Admin));
    let done = ask(
        &mut admin,
        "revoke_token",
        &json!({ "token_id": fresh["token_id"] }),
    );
    assert_eq!(done["result"]["revoked"], true);
    assert_eq!(
        reason(&client.call("get_camera_list", &json!({}))),
        "token_revoked"
    );
    assert_eq!(
        reason(&client.call("refresh_token", &json!({}))),
        "token_revoked"
    );
    let said = client.call("authenticate", &json!({ "auth_token": fresh["token"] }));
    assert_eq!(reason(&said), "token_revoked");
    assert_eq!(client.call("ping", &json!({}))["result"], "pong");
}

#[test]
fn everybody_may_end_their_own_token_and_only_administrators_those_of_others() {
    let stage = Stage::new();
    let token = stage.token("ann", Role::Viewer);
    let (mut here, mut there) = (stage.client(&token), stage.client(&token));
    let mut other = stage.client(&stage.token("ann", Role::Viewer));
    for params in [json!({ "token_id": "x" }), json!({ "user_id": "bob" })] {
        assert_eq!(here.code("revoke_token", &params), -32002, "{params}");
    }
    assert_eq!(
        ask(&mut here, "revoke_token", &json!({}))["result"]["revoked"],
        true
    );
    for client in [&mut here, &mut there] {
        assert_eq!(
            reason(&client.call("get_camera_list", &json!({}))),
            "token_revoked"
        );
    }
    assert!(other.call("get_camera_list", &json!({}))["error"].is_null());
    let mut admin = stage.client(&stage.token("root", Role::Admin));
    let both = json!({ "token_id": "x", "user_id": "ann" });
    assert_eq!(admin.code("revoke_token", &both), -32602);
    let done = ask(&mut admin, "revoke_token", &json!({ "user_id": "ann" }));
    assert_eq!(done["result"]["user_id"], "ann");
    assert_eq!(
        reason(&other.call("get_camera_list", &json!({}))),
        "token_revoked"
    );
}

#[test]
fn an_api_key_is_no_token_to_refresh_or_revoke() {
    let stage = Stage::new();
    let mut admin = stage.client(&stage.token("root", Role::Admin));
    let made = ask(&mut admin, "create_api_key", &json!({ "role": "admin" }))["result"].take();
    let mut client = stage.client(made["key"].as_str().unwrap());
    for method in ["refresh_token", "revoke_token"] {
        assert_eq!(client.code(method, &json!({})), -32030, "{method}");
    }
}

#[test]
fn a_stream_token_is_bound_to_stream_and_direction_and_is_no_login() {
    let stage = Stage::new();
    let mut viewer = stage.client(&stage.token("ann", Role::Viewer));
    let made = ask(
        &mut viewer,
        "get_stream_token",
        &json!({ "device": "camera0" }),
    )["result"]
        .take();
    assert_eq!(
        (&made["path"], &made["action"]),
        (&json!("camera0"), &json!("read"))
    );
    let end = Wall::from_secs(NOW.wall.as_secs() + 60).rfc3339();
    assert_eq!(made["expires_at"], end);
    let token = made["token"].as_str().unwrap();
    let grant = stage.0.judge().open(token, NOW.wall).unwrap();
    assert!(matches!(&grant, Grant::Stream(ticket) if ticket.path == "camera0"));
    let said = viewer.call("authenticate", &json!({ "auth_token": token }));
    assert_eq!(reason(&said), "token_invalid");

    let publish = json!({ "device": "live-door", "action": "publish", "ttl_s": 3600 });
    assert_eq!(viewer.code("get_stream_token", &publish), -32002);
    let mut operator = stage.client(&stage.token("bob", Role::Operator));
    assert_eq!(
        ask(&mut operator, "get_stream_token", &publish)["result"]["action"],
        "publish"
    );
    for (params, code) in [
        (json!({ "device": "camera0", "action": "publish" }), -32602),
        (
            json!({ "device": "live-DOOR", "action": "publish" }),
            -32602,
        ),
        (json!({ "device": "camera0", "ttl_s": 3601 }), -32602),
        (json!({ "device": "camera0", "action": "api" }), -32602),
        (json!({ "device": "camera9" }), -32010),
        (json!({ "device": "nothing" }), -32010),
    ] {
        assert_eq!(operator.code("get_stream_token", &params), code, "{params}");
    }
}
