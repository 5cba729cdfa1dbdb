use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::store::{Store, Target};
use super::super::token::claims_of;
use super::super::trusted::TrustedKey;
use super::super::trusted::tests::{NOW, ed25519_pair, minted, p256_pair};
use super::*;
use crate::access::Role;

const HOUR: Duration = Duration::from_secs(3600);

fn judge() -> Judge {
    let keys = [("ec", p256_pair(7).1), ("ed", ed25519_pair(7).1)];
    let keys = keys
        .iter()
        .map(|(kid, pem)| TrustedKey::from_pem(kid, pem).unwrap());
    Judge {
        keyring: Keyring::new(b"0123456789abcdef0123456789abcdef").unwrap(),
        trusted: TrustedKeys::new(keys.collect()),
        index: Index::default(),
    }
}

fn revoked(judge: &Judge, target: Target) -> Judge {
    let mut store: Store = judge.index.store().clone();
    store.revoke(target, None, NOW).unwrap();
    Judge {
        index: Index::new(store),
        ..judge.clone()
    }
}

#[test]
fn tokens_of_all_three_algorithms_log_in() {
    let judge = judge();
    let ours = judge.keyring.mint("ann", Role::Operator, HOUR, NOW);
    for token in [
        ours,
        minted(&p256_pair(7).0, "ec"),
        minted(&ed25519_pair(7).0, "ed"),
    ] {
        let who = judge.login(&token, NOW).unwrap();
        assert_eq!((who.user_id.as_str(), who.role), ("ann", Role::Operator));
    }
}

#[test]
fn the_public_key_used_as_a_shared_secret_opens_nothing() {
    let judge = judge();
    let public = p256_pair(7).1;
    let point = public
        .lines()
        .filter(|l| !l.starts_with('-'))
        .collect::<String>();
    let der = data_encoding::BASE64.decode(point.as_bytes()).unwrap();
    for secret in [
        public.as_bytes(),
        public.trim_end().as_bytes(),
        &der,
        &der[26..],
    ] {
        for kid in [None, Some("ec".to_owned()), Some("else".to_owned())] {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = kid;
            let claims = claims_of("eve", Role::Admin, HOUR, NOW);
            let token =
                jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap();
            let said = judge.open(&token, NOW).unwrap_err();
            assert!(
                matches!(said, Refusal::Algorithm | Refusal::BadSignature),
                "{said:?}"
            );
        }
    }
}

#[test]
fn a_token_that_names_a_trusted_key_is_checked_by_that_key_alone() {
    let judge = judge();
    // Signed with our own secret, but it says "ec".
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("ec".to_owned());
    let secret = EncodingKey::from_secret(b"0123456789abcdef0123456789abcdef");
    let claims = claims_of("ann", Role::Admin, HOUR, NOW);
    let token = jsonwebtoken::encode(&header, &claims, &secret).unwrap();
    assert_eq!(judge.open(&token, NOW), Err(Refusal::Algorithm));
    // An Ed25519 token under the name of the P-256 key.
    assert_eq!(
        judge.open(&minted(&ed25519_pair(7).0, "ec"), NOW),
        Err(Refusal::Algorithm)
    );
    // A key nobody trusts, and one that is not named.
    assert_eq!(
        judge.open(&minted(&p256_pair(9).0, "stranger"), NOW),
        Err(Refusal::UntrustedKey)
    );
    assert_eq!(
        judge.open(&minted(&p256_pair(9).0, "ec"), NOW),
        Err(Refusal::BadSignature)
    );
    // Tokens of other minters with our secret may carry a name of their own.
    header.kid = Some("their-name".to_owned());
    let token = jsonwebtoken::encode(&header, &claims, &secret).unwrap();
    assert!(judge.login(&token, NOW).is_ok());
}

#[test]
fn no_signature_is_no_token_whatever_key_it_names() {
    let body = BASE64URL_NOPAD.encode(
        claims_of("eve", Role::Admin, HOUR, NOW)
            .to_string()
            .as_bytes(),
    );
    for header in [
        json!({"alg":"none"}),
        json!({"alg":"None","kid":"ec"}),
        json!({"alg":"none","kid":"ed","typ":"JWT"}),
        json!({"alg":"ES256","kid":"ec"}),
        json!({"alg":"EdDSA","kid":"ed"}),
        json!({"alg":"HS256"}),
    ] {
        let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
        for signature in ["", "AA", &"A".repeat(86)] {
            let said = judge().open(&format!("{header}.{body}.{signature}"), NOW);
            assert!(said.is_err(), "{header} {signature}");
        }
    }
}

#[test]
fn the_rights_of_a_token_end_when_its_trusted_key_is_removed_or_replaced() {
    let mut judge = judge();
    let who = judge.login(&minted(&p256_pair(7).0, "ec"), NOW).unwrap();
    let renewed = judge.keyring.renew(&who, NOW);
    assert!(judge.again(&who, NOW).is_ok() && judge.login(&renewed, NOW).is_ok());
    let other = TrustedKey::from_pem("ec", &p256_pair(8).1).unwrap();
    judge.trusted = TrustedKeys::new(vec![other]);
    assert_eq!(judge.again(&who, NOW), Err(Refusal::UntrustedKey));
    // A refreshed token carries our signature, but another's word.
    assert_eq!(judge.login(&renewed, NOW), Err(Refusal::UntrustedKey));
}

#[test]
fn a_second_form_of_a_signature_gives_a_revoked_token_no_second_name() {
    let (private, _) = p256_pair(7);
    let mut claims = claims_of("ann", Role::Admin, HOUR, NOW);
    claims.as_object_mut().unwrap().remove("jti");
    let token = super::super::trusted::SigningKey::from_pem(&private)
        .unwrap()
        .sign("ec", &claims)
        .unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let signature = p256::ecdsa::Signature::from_slice(&signature).unwrap();
    let (r, s) = signature.split_scalars();
    let twin = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    let twin = format!("{signed}.{}", BASE64URL_NOPAD.encode(&twin.to_bytes()));
    assert_ne!(token, twin);
    let judge = judge();
    let who = judge.login(&token, NOW).unwrap();
    assert_eq!(judge.login(&twin, NOW).unwrap().credential, who.credential);
    let judge = revoked(&judge, who.credential.target().unwrap());
    assert_eq!(judge.login(&twin, NOW), Err(Refusal::Revoked));
}

#[test]
fn a_revoked_token_takes_its_refreshed_ones_and_its_stream_tokens_along() {
    let judge = judge();
    let first = judge.keyring.mint("ann", Role::Operator, HOUR, NOW);
    let who = judge.login(&first, NOW).unwrap();
    let second = judge.keyring.renew(&who, NOW);
    let stream = judge
        .keyring
        .mint_stream(&who, "live-a", Direction::Publish, HOUR, NOW)
        .token;
    let after = revoked(&judge, who.credential.target().unwrap());
    for token in [&first, &second, &stream] {
        assert!(judge.open(token, NOW).is_ok());
        assert_eq!(after.open(token, NOW), Err(Refusal::Revoked));
    }
    let after = revoked(&judge, Target::User("ann".to_owned()));
    assert_eq!(after.open(&second, NOW), Err(Refusal::Revoked));
    assert!(judge.differs(&after));
}

#[test]
fn a_stream_token_opens_its_stream_in_its_direction_and_nothing_else() {
    let judge = judge();
    let ann = judge
        .login(&judge.keyring.mint("ann", Role::Operator, HOUR, NOW), NOW)
        .unwrap();
    let token = |direction| {
        let minute = Duration::from_secs(60);
        judge
            .keyring
            .mint_stream(&ann, "live-a", direction, minute, NOW)
            .token
    };
    let opens = |token: &str, path: &str, direction| {
        judge
            .open(token, NOW)
            .and_then(|grant| grant.for_stream(path, direction))
            .map(|who| who.user_id)
    };
    let (read, publish) = (token(Direction::Read), token(Direction::Publish));
    assert_eq!(
        opens(&read, "live-a", Direction::Read).as_deref(),
        Ok("ann")
    );
    assert_eq!(
        opens(&publish, "live-a", Direction::Publish).as_deref(),
        Ok("ann")
    );
    assert_eq!(
        opens(&read, "live-a", Direction::Publish),
        Err(Refusal::WrongStream)
    );
    assert_eq!(
        opens(&publish, "live-a", Direction::Read),
        Err(Refusal::WrongStream)
    );
    assert_eq!(
        opens(&read, "live-ab", Direction::Read),
        Err(Refusal::WrongStream)
    );
    assert_eq!(judge.login(&read, NOW), Err(Refusal::StreamOnly));
    let later = Wall::from_secs(NOW.as_secs() + 60);
    assert!(matches!(
        judge.open(&read, later),
        Err(Refusal::Expired { .. })
    ));
}

#[test]
fn a_trusted_key_cannot_make_stream_tokens_in_somebody_elses_name() {
    let judge = judge();
    let ann = judge
        .login(&judge.keyring.mint("ann", Role::Operator, HOUR, NOW), NOW)
        .unwrap();
    let ours = judge
        .keyring
        .mint_stream(&ann, "live-a", Direction::Publish, HOUR, NOW)
        .token;
    let body = ours.split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&BASE64URL_NOPAD.decode(body.as_bytes()).unwrap()).unwrap();
    let forged = super::super::trusted::SigningKey::from_pem(&p256_pair(7).0)
        .unwrap()
        .sign("ec", &claims)
        .unwrap();
    assert_eq!(judge.open(&forged, NOW), Err(Refusal::StreamOnly));
}

proptest! {
    #[test]
    fn no_text_opens_anything_or_makes_the_judge_panic(
        text in "\\PC{0,200}|csk_[A-Za-z0-9_-]{0,60}|[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}"
    ) {
        prop_assert!(judge().open(&text, NOW).is_err());
    }
}
