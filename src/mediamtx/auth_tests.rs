use super::*;
use crate::access::{Keyring, Role};
use crate::clock::Wall;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

const NOW: Wall = Wall::from_secs(1_800_000_000);
const SECRET: &str = "5f0c-the-secret-of-this-run";

fn keyring() -> Keyring {
    Keyring::new(b"0123456789abcdef0123456789abcdef").unwrap()
}

fn token() -> String {
    keyring().mint("ann", Role::Viewer, Duration::from_secs(60), NOW)
}

/// A question as MediaMTX 1.20.1 sends it, with `changes` on top.
fn ask(changes: Value) -> Decision {
    let mut question = json!({
        "ip": "192.0.2.9", "user": "", "password": "", "token": "", "action": "read", "path": "camera0",
        "protocol": "rtsp", "id": "b2e8a0f4-7d5e-4a53-9f3e-0a8c5d0f3f11", "query": "", "userAgent": "ffprobe",
        "aFieldOfTomorrow": [1, 2]
    });
    let changes = changes.as_object().cloned().unwrap_or_default();
    question.as_object_mut().unwrap().extend(changes);
    let secret = Secret::new(SECRET.to_owned());
    answer(question.to_string().as_bytes(), &secret, |t| {
        keyring().verify(t, NOW)
    })
}

fn reader(decision: &Decision) -> Option<&str> {
    match decision {
        Decision::Allow {
            who: Who::Bearer(p),
            ..
        } => Some(&p.user_id),
        _ => None,
    }
}

#[test]
fn a_first_request_without_credentials_is_answered_401_so_that_the_client_is_challenged() {
    assert_eq!(ask(json!({})).status(), 401);
    assert_eq!(ask(json!({"protocol": "hls"})).status(), 401);
}

#[test]
fn a_token_is_found_wherever_players_can_put_it() {
    let t = token();
    let escaped: String = t.bytes().map(|b| format!("%{b:02X}")).collect();
    for changes in [
        json!({"token": t}),
        json!({"user": "anybody", "password": t, "token": t}),
        json!({"user": "anybody", "password": t}),
        json!({"query": format!("token={t}")}),
        json!({"query": format!("a=b&jwt={t}&c")}),
        json!({"query": format!("token={escaped}")}),
        json!({"password": "of another system", "query": format!("token={t}")}),
        json!({"action": "playback", "token": t}),
    ] {
        assert_eq!(reader(&ask(changes.clone())), Some("ann"), "{changes}");
    }
}

#[test]
fn a_viewer_who_joins_a_camera_asks_for_a_key_frame_and_nobody_else_does() {
    let keyframe = |changes| match ask(changes) {
        Decision::Allow { wants_keyframe, .. } => wants_keyframe,
        Decision::Deny { reason, .. } => panic!("denied: {reason}"),
    };
    let t = token();
    assert_eq!(
        keyframe(json!({"token": t, "path": "camera12"})),
        CameraId::new(12)
    );
    assert_eq!(keyframe(json!({"token": t, "path": "drone"})), None);
    assert_eq!(keyframe(json!({"token": t, "action": "playback"})), None);
    let publish =
        json!({"ip": "127.0.0.1", "user": SERVICE_USER, "password": SECRET, "action": "publish"});
    assert_eq!(keyframe(publish), None);
}

#[test]
fn an_expired_or_foreign_token_is_refused_with_the_reason() {
    let old = keyring().mint(
        "ann",
        Role::Admin,
        Duration::from_secs(60),
        Wall::from_secs(1),
    );
    let Decision::Deny { status, reason } = ask(json!({"token": old})) else {
        panic!("let in with an expired token");
    };
    assert_eq!(status, 401);
    assert!(reason.contains("expired"), "{reason}");
    assert_eq!(ask(json!({"password": "guess"})).status(), 401);
}

#[test]
fn only_the_service_itself_may_publish_or_steer_and_only_from_this_machine() {
    let ours = |ip: &str, action: &str| {
        ask(json!({"ip": ip, "user": SERVICE_USER, "password": SECRET, "action": action})).status()
    };
    for action in ["publish", "api", "metrics", "pprof", "read"] {
        for ip in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.9.9.9"] {
            assert_eq!(ours(ip, action), 204, "{action} from {ip}");
        }
        for ip in ["192.0.2.9", "<nil>", "", "127.0.0.1.example"] {
            assert_eq!(ours(ip, action), 403, "{action} from {ip}");
        }
    }
    let admin = keyring().mint("root", Role::Admin, Duration::from_secs(60), NOW);
    for action in ["publish", "api", "metrics", "pprof", "a-new-one"] {
        let from_here = |more: Value| {
            let mut changes = json!({"ip": "127.0.0.1", "action": action});
            changes
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().cloned().unwrap());
            ask(changes).status()
        };
        assert_eq!(from_here(json!({})), 401, "{action} without credentials");
        assert_eq!(from_here(json!({"token": admin})), 403, "{action} by token");
        let wrong = json!({"user": SERVICE_USER, "password": "5f0c-the-secret-of-this-ruN"});
        assert_eq!(from_here(wrong), 403, "{action} with a wrong secret");
        let other = json!({"user": "camera", "password": SECRET});
        assert_eq!(from_here(other), 403, "{action} as another user");
    }
}

#[test]
fn a_stream_token_opens_its_path_in_its_direction_from_anywhere_and_nothing_else() {
    use crate::access::Judge;
    use crate::access::store::Index;
    use crate::access::stream::Direction;
    let judge = Judge {
        keyring: keyring(),
        trusted: Default::default(),
        index: Index::default(),
    };
    let operator = keyring().mint("bob", Role::Operator, Duration::from_secs(60), NOW);
    let bob = judge.login(&operator, NOW).unwrap();
    let token = |path: &str, direction| {
        let life = Duration::from_secs(60);
        let made = keyring().mint_stream(&bob, path, direction, life, NOW);
        made.token
    };
    let status = |action: &str, path: &str, token: &str| {
        let body = json!({"ip": "192.0.2.9", "action": action, "path": path, "query": format!("token={token}")});
        let secret = Secret::new(SECRET.to_owned());
        decide(&serde_json::from_value(body).unwrap(), &secret, |t| {
            judge.open(t, NOW)
        })
        .status()
    };
    let publish = token("live-a", Direction::Publish);
    let read = token("camera0", Direction::Read);
    assert_eq!(status("publish", "live-a", &publish), 204);
    assert_eq!(status("read", "camera0", &read), 204);
    for (action, path, token) in [
        ("publish", "live-b", &publish),
        ("read", "live-a", &publish),
        ("publish", "live-a", &operator),
        ("read", "camera1", &read),
        ("playback", "camera0", &read),
        ("publish", "camera0", &token("camera0", Direction::Publish)),
        ("publish", "live-a/../camera0", &publish),
        ("api", "live-a", &publish),
    ] {
        assert!(status(action, path, token) >= 400, "{action} {path}");
    }
}

#[test]
fn the_secret_equals_itself_only_and_an_empty_one_nothing() {
    let secret = Secret::new(SECRET.to_owned());
    assert!(secret.is(SECRET));
    assert!(!secret.is(&SECRET[1..]) && !secret.is("") && !secret.is(&format!("{SECRET} ")));
    assert!(!Secret::new(String::new()).is(""));
    assert_eq!(format!("{secret:?}"), "Secret");
}

#[test]
fn a_question_that_cannot_be_read_is_a_no() {
    let secret = Secret::new(SECRET.to_owned());
    for body in [
        &b""[..],
        b"null",
        b"[]",
        b"{}",
        b"{\"action\":7}",
        b"{\"action\":\"read\",\"ip\":null}",
        b"\xff\xfe",
        &[b'['; LONGEST + 1],
    ] {
        let decision = answer(body, &secret, |t| keyring().verify(t, NOW));
        assert_eq!(decision.status(), 400, "{decision:?}");
    }
}

#[test]
fn broken_escapes_and_plus_signs_in_a_query_stay_as_they_are() {
    assert_eq!(percent_decoded("a+b%2Bc%20d"), "a+b+c d");
    assert_eq!(percent_decoded("%"), "%");
    assert_eq!(percent_decoded("%4"), "%4");
    assert_eq!(percent_decoded("%zz%+1%41"), "%zz%+1A");
}

proptest! {
    #[test]
    fn nothing_that_a_stranger_sends_opens_a_door_or_makes_the_answer_panic(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        text in proptest::collection::vec("\\PC{0,40}", 6),
        action in "publish|read|playback|api|metrics|pprof|\\PC{0,10}",
    ) {
        let secret = Secret::new(SECRET.to_owned());
        let verify = |t: &str| keyring().verify(t, NOW);
        prop_assert!(answer(&body, &secret, verify).status() >= 400);
        let decision = ask(json!({
            "ip": text[0], "user": text[1], "password": text[2], "token": text[3], "path": text[4],
            "query": text[5], "action": action
        }));
        prop_assert!(decision.status() >= 400, "{:?}", decision);
    }

    #[test]
    fn any_query_is_decoded_without_panic(query in "[a-z%0-9+&=é]{0,60}") {
        let decision = ask(json!({"query": format!("token={query}")}));
        prop_assert_eq!(decision.status(), 401);
    }
}
