//! Tokens, stream tokens, API keys, trusted keys: what opens, and for whom. The first byte says how the rest is used.

use std::sync::OnceLock;

use camera_service::access::store::keys::hash;
use camera_service::access::store::{Expiry, Index, KeyRecord, Store};
use camera_service::access::stream::{Direction, may_be_published};
use camera_service::access::trusted::{SigningKey, TrustedKey, TrustedKeys};
use camera_service::access::{Grant, Judge, Keyring, Principal, Role};
use camera_service::clock::Wall;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value;

use crate::input::{Input, text};

const NOW: Wall = Wall::from_secs(1_800_000_000);
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// A public key that everybody knows; who knows it must not be able to sign with it.
const PUBLIC: &str = include_str!("../../corpus/credentials/public.pem");

static JUDGE: OnceLock<Judge> = OnceLock::new();

fn judge() -> &'static Judge {
    JUDGE.get_or_init(|| {
        let key = KeyRecord {
            id: "k1".to_owned(),
            hash: HEXLOWER.encode(&hash("csk_a_key_that_this_target_never_sends")),
            role: Role::Admin,
            description: String::new(),
            created_at: 1,
            expires_at: None,
            revoked_at: None,
            last_used: None,
            usage_count: 0,
        };
        let store = Store {
            keys: vec![key],
            revoked: Vec::new(),
        };
        let trusted = TrustedKey::from_pem("fleet", PUBLIC.trim_start_matches('p')).unwrap();
        Judge {
            keyring: Keyring::new(SECRET).unwrap(),
            trusted: TrustedKeys::new(vec![trusted]),
            index: Index::new(store),
        }
    })
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() {
        b'c' => claims(&judge().keyring, true, b"{\"alg\":\"HS256\"}", input.rest()),
        b'h' => {
            let header = input.line();
            claims(&judge().keyring, true, header, input.rest());
        }
        // Signed with the public key's text as if that were a secret.
        b'x' => {
            let header = input.line();
            let forger = Keyring::new(PUBLIC.as_bytes()).unwrap();
            claims(&forger, false, header, input.rest());
        }
        b'p' => pem(&text(input.rest())),
        b's' => words(&text(input.rest())),
        _ => {
            let plain = text(data);
            let refused = judge().open(&plain, NOW).unwrap_err();
            assert!(refused.to_string().len() < 300);
        }
    }
}

/// A token with these claims and a signature that fits them.
fn claims(keyring: &Keyring, ours: bool, header: &[u8], body: &[u8]) {
    let encode = |bytes| BASE64URL_NOPAD.encode(bytes);
    let signed = format!("{}.{}", encode(header), encode(body));
    let token = format!("{signed}.{}", keyring.derive(&signed));
    let opened = judge().open(&token, NOW);
    if let Ok(header) = serde_json::from_slice::<Value>(header)
        && header["alg"] != "HS256"
    {
        assert!(
            opened.is_err(),
            "signed in another way than its key demands"
        );
    }
    match opened {
        Err(refusal) => {
            let told = refusal.to_string();
            assert!(told.len() < 1000 && (signed.len() < 20 || !told.contains(&signed)));
            assert!(refusal.code().starts_with("token_") || refusal.code() == "key_revoked");
        }
        Ok(_) if !ours => panic!("opened by somebody who knows only what is public"),
        Ok(Grant::Login(who)) => {
            let claims: Value = serde_json::from_slice(body).unwrap();
            assert!(claims.get("stream").is_none(), "a stream token is no login");
            assert_eq!(claims["role"], who.role.as_str());
            assert_eq!(claims["user_id"], who.user_id.as_str());
            judged(&who);
            assert_eq!(judge().login(&token, NOW).as_ref(), Ok(&who));
            again(&who);
        }
        Ok(grant @ Grant::Stream(_)) => {
            let Grant::Stream(ticket) = &grant else {
                return;
            };
            assert!(judge().login(&token, NOW).is_err());
            judged_rights(&ticket.bearer);
            let other = format!("{}x", ticket.path);
            let (path, way) = (ticket.path.clone(), ticket.direction);
            let back = match way {
                Direction::Read => Direction::Publish,
                Direction::Publish => Direction::Read,
            };
            assert!(grant.clone().for_stream(&other, way).is_err());
            assert!(grant.clone().for_stream(&path, back).is_err());
            if let Ok(who) = grant.for_stream(&path, way) {
                assert!(who.role >= way.role());
            }
        }
    }
}

fn judged(who: &Principal) {
    judged_rights(who);
    assert!(who.issued_at.as_secs() <= NOW.as_secs() + 60);
}

fn judged_rights(who: &Principal) {
    assert!(who.expires_at > NOW, "its time is over");
    assert!(!who.user_id.trim().is_empty() && !who.credential.id().is_empty());
}

/// A refreshed token has the rights of the first one and goes with it.
fn again(who: &Principal) {
    let token = judge().keyring.renew(who, NOW);
    if let Ok(renewed) = judge().login(&token, NOW) {
        assert_eq!(renewed.credential, who.credential);
        assert_eq!((renewed.role, &renewed.user_id), (who.role, &who.user_id));
    }
}

fn pem(text: &str) {
    if let Ok(key) = TrustedKey::from_pem("fuzz", text) {
        assert!(TrustedKeys::new(vec![key.clone()]).has(key.fingerprint()));
    }
    if let Err(why) = SigningKey::from_pem(text) {
        assert!(why.len() < 300);
    }
}

fn words(text: &str) {
    if let Ok(expiry) = text.parse::<Expiry>() {
        assert!(expiry.end(NOW).is_none_or(|end| end > NOW.as_secs()) || text.starts_with('0'));
    }
    assert_eq!(
        text.parse::<Role>().is_ok(),
        ["viewer", "operator", "admin"].contains(&text)
    );
    assert!(!may_be_published(text) || text.is_ascii());
}
