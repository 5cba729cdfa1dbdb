//! What MediaMTX says, or whoever reaches its callback: the question who may, the pages of its control API, its log.
//! The first byte says which.

use camera_service::access::stream::{Direction, may_be_published};
use camera_service::access::{Grant, Principal, Refusal, Role};
use camera_service::clock::Wall;
use camera_service::mediamtx::api::{Info, Page, PathInfo, Session, complaint};
use camera_service::mediamtx::auth::{Action, Decision, SERVICE_USER, Secret, Who, answer, read};
use camera_service::mediamtx::locate::Version;
use camera_service::mediamtx::process::words;

use crate::input::{Input, text};

const SECRET: &str = "the secret of this run";
const GOOD: &str = "a good token";

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let which = input.byte();
    let rest = input.rest();
    match which {
        b'a' => api(rest),
        b'l' => {
            let text = text(rest);
            let line = words::read(&text);
            assert!(line.text.len() <= text.len());
            if let Some(version) = Version::parse(&text) {
                assert_eq!(Version::parse(&version.to_string()), Some(version));
            }
        }
        _ => question(rest),
    }
}

fn verify(token: &str) -> Result<Grant, Refusal> {
    if token != GOOD {
        return Err(Refusal::BadSignature);
    }
    let until = Wall::from_secs(2_000_000_000);
    Ok(Principal::plain("ann", Role::Admin, until).into())
}

fn question(body: &[u8]) {
    let secret = Secret::new(SECRET.to_owned());
    let decision = answer(body, &secret, verify);
    let Ok(question) = read(body) else {
        assert_eq!(decision.status(), 400);
        return;
    };
    match decision {
        Decision::Deny { status, reason } => {
            assert!([401, 403].contains(&status));
            for given in [&question.password, &question.token] {
                assert!(!given.contains("geheim") || !reason.contains("geheim"));
            }
        }
        Decision::Allow {
            who,
            wants_keyframe,
        } => {
            assert!(wants_keyframe.is_none() || question.action == Action::Read);
            match who {
                Who::Service => {
                    assert_eq!(question.user, SERVICE_USER);
                    assert_eq!(question.password, SECRET);
                    let from: std::net::IpAddr = question.ip.parse().unwrap();
                    assert!(from.to_canonical().is_loopback());
                }
                Who::Bearer(who) => {
                    assert_eq!(who.user_id, "ann");
                    assert!(matches!(question.action, Action::Read | Action::Playback));
                }
            }
        }
    }
    // Somebody with a login may watch, and send only what a stream token names.
    if question.action == Action::Publish && question.user != SERVICE_USER {
        assert!(
            verify(GOOD)
                .unwrap()
                .for_stream(&question.path, Direction::Publish)
                .is_err()
        );
        assert!(!may_be_published(&question.path) || question.path.starts_with("live-"));
    }
}

fn api(body: &[u8]) {
    let _ = serde_json::from_slice::<Page<PathInfo>>(body);
    if let Ok(page) = serde_json::from_slice::<Page<Session>>(body) {
        for session in page.items {
            assert!(session.path.len() + session.remote.len() <= body.len());
        }
    }
    let _ = serde_json::from_slice::<Info>(body);
    assert!(complaint(body).len() <= 3 * body.len());
}
