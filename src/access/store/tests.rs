use super::usage::Usage;
use super::*;
use crate::access::{Refusal, Role};
use proptest::prelude::*;

const NOW: Wall = Wall::from_secs(1_800_000_000);
const DAY: u64 = 86_400;

fn later(secs: u64) -> Wall {
    Wall::from_secs(NOW.as_secs() + secs)
}

fn fresh(seed: u8) -> Fresh {
    Fresh {
        secret: [seed; 32],
        id: [seed; 8],
    }
}

fn wanted(role: Role) -> Wanted {
    Wanted {
        role,
        expiry: Expiry::After(30 * DAY),
        description: "the recorder".to_owned(),
    }
}

fn reason(store: &Store, text: &str, now: Wall) -> Result<Role, Refusal> {
    Index::new(store.clone())
        .open(text, now)
        .map(|who| who.role)
}

#[test]
fn a_key_opens_until_it_ends_and_its_text_is_nowhere_in_the_document() {
    let mut store = Store::default();
    let (record, text) = store
        .create(&wanted(Role::Operator), 10, fresh(1), NOW)
        .unwrap();
    assert!(text.starts_with("csk_") && text.len() == 4 + 43, "{text}");
    let document = String::from_utf8(store.render()).unwrap();
    assert!(!document.contains(&text[4..]));
    assert!(!record.id.contains(&text[4..12]));
    assert_eq!(reason(&store, &text, NOW), Ok(Role::Operator));
    assert_eq!(
        reason(&store, &text, later(30 * DAY - 1)),
        Ok(Role::Operator)
    );
    assert!(matches!(
        reason(&store, &text, later(30 * DAY)),
        Err(Refusal::Expired { .. })
    ));
    assert_eq!(reason(&store, &text[..46], NOW), Err(Refusal::UnknownKey));
    assert_eq!(reason(&store, "csk_", NOW), Err(Refusal::UnknownKey));
}

#[test]
fn a_revoked_key_opens_nothing_and_stays_revoked() {
    let mut store = Store::default();
    let (record, text) = store
        .create(&wanted(Role::Viewer), 10, fresh(1), NOW)
        .unwrap();
    let who = Index::new(store.clone()).open(&text, NOW).unwrap();
    store.revoke_key(&record.id, later(5)).unwrap();
    let again = store.revoke_key(&record.id, later(9)).unwrap();
    assert_eq!(again.revoked_at, Some(later(5).as_secs()));
    assert_eq!(reason(&store, &text, later(5)), Err(Refusal::KeyRevoked));
    let index = Index::new(store.clone());
    assert_eq!(index.again(&who, later(5)), Err(Refusal::KeyRevoked));
    // Its record swept away, a live login still falls.
    assert_eq!(store.sweep(later(6)).len(), 1);
    assert_eq!(
        Index::new(store).again(&who, later(6)),
        Err(Refusal::KeyRevoked)
    );
}

#[test]
fn a_role_has_so_many_active_keys_and_no_more() {
    let mut store = Store::default();
    for seed in 0..2 {
        store
            .create(&wanted(Role::Admin), 2, fresh(seed), NOW)
            .unwrap();
    }
    let full = store
        .create(&wanted(Role::Admin), 2, fresh(9), NOW)
        .unwrap_err();
    assert!(
        full.to_string().contains("admin has 2 active keys"),
        "{full}"
    );
    assert!(full.next_action().unwrap().contains("max_keys_per_role"));
    store
        .create(&wanted(Role::Viewer), 2, fresh(3), NOW)
        .unwrap();
    // Ended ones do not count.
    store
        .create(&wanted(Role::Admin), 2, fresh(4), later(31 * DAY))
        .unwrap();
}

#[test]
fn rotating_gives_a_new_key_of_the_same_kind_and_voids_the_old_one() {
    let mut store = Store::default();
    let (old, old_text) = store
        .create(&wanted(Role::Operator), 1, fresh(1), NOW)
        .unwrap();
    let (new, new_text) = store.rotate(&old.id, fresh(2), later(DAY)).unwrap();
    assert_eq!(
        (new.role, new.description.as_str()),
        (Role::Operator, "the recorder")
    );
    assert_eq!(new.expires_at, Some(later(31 * DAY).as_secs()));
    assert_eq!(
        reason(&store, &old_text, later(DAY)),
        Err(Refusal::KeyRevoked)
    );
    assert_eq!(reason(&store, &new_text, later(DAY)), Ok(Role::Operator));
    let said = store.rotate(&old.id, fresh(3), later(DAY)).unwrap_err();
    assert!(said.to_string().contains("is revoked"), "{said}");
    assert_eq!(
        store.rotate("key_00", fresh(4), NOW).unwrap_err().kind(),
        Kind::Gone
    );
}

#[test]
fn somebody_who_names_a_key_by_its_secret_is_told_so_without_repeating_it() {
    let said = Store::default()
        .revoke_key("csk_the-secret-itself", NOW)
        .unwrap_err();
    assert!(!said.to_string().contains("the-secret"), "{said}");
    assert!(
        said.next_action().unwrap().contains("by their id"),
        "{said}"
    );
}

fn ann(id: &str, issued: u64, ends: u64) -> Principal {
    Principal {
        issued_at: later(issued),
        credential: Credential::Token(id.into()),
        ..Principal::plain("ann", Role::Admin, later(ends))
    }
}

#[test]
fn a_revoked_token_falls_and_the_others_of_its_user_stay() {
    let mut store = Store::default();
    let (bad, good) = (ann("a", 0, 100), ann("b", 0, 100));
    store
        .revoke(bad.credential.target().unwrap(), Some(&bad), later(10))
        .unwrap();
    let index = Index::new(store);
    assert_eq!(index.again(&bad, later(10)), Err(Refusal::Revoked));
    assert!(index.again(&good, later(10)).is_ok());
}

#[test]
fn a_revoked_user_loses_every_token_made_until_then_and_may_get_a_new_one() {
    let mut store = Store::default();
    store
        .revoke(Target::User("ann".to_owned()), None, later(10))
        .unwrap();
    let index = Index::new(store);
    for issued in [0, 9, 10] {
        assert_eq!(
            index.again(&ann("x", issued, 100), later(10)),
            Err(Refusal::Revoked)
        );
    }
    assert!(index.again(&ann("y", 11, 100), later(11)).is_ok());
}

#[test]
fn a_revocation_outlives_every_token_that_could_come_of_the_first_and_is_then_forgotten() {
    let mut store = Store::default();
    let bad = ann("a", 0, 100);
    store
        .revoke(bad.credential.target().unwrap(), Some(&bad), later(90))
        .unwrap();
    // Refreshed a moment before it was revoked, it would end at 190.
    let other = ann("b", 0, 100);
    store
        .revoke(other.credential.target().unwrap(), Some(&other), later(189))
        .unwrap();
    assert_eq!(
        Index::new(store.clone()).again(&ann("a", 89, 189), later(188)),
        Err(Refusal::Revoked)
    );
    store
        .revoke(other.credential.target().unwrap(), Some(&other), later(190))
        .unwrap();
    assert_eq!(store.revoked.len(), 1);
}

#[test]
fn revocations_are_bounded_and_the_refusal_says_what_to_do() {
    let mut store = Store::default();
    for n in 0..MOST_REVOKED {
        store.revoked.push(Revocation {
            target: Target::Token(n.to_string()),
            at: NOW.as_secs(),
            until: NOW.as_secs() + 1,
        });
    }
    let said = store
        .revoke(Target::User("eve".to_owned()), None, NOW)
        .unwrap_err();
    assert!(said.next_action().is_some(), "{said}");
    // One that is there already is no new one.
    store
        .revoke(Target::Token("7".to_owned()), None, NOW)
        .unwrap();
    store
        .revoke(Target::User("eve".to_owned()), None, later(2))
        .unwrap();
}

#[test]
fn a_name_that_would_swell_the_document_is_no_revocation() {
    let mut store = Store::default();
    for name in [String::new(), "x".repeat(LONGEST_TARGET + 1)] {
        assert!(store.revoke(Target::User(name.clone()), None, NOW).is_err());
        assert!(store.revoke(Target::Token(name), None, NOW).is_err());
    }
    assert!(store.revoked.is_empty());
}

#[test]
fn use_is_counted_beside_the_document_and_added_when_it_is_written() {
    let mut store = Store::default();
    let (record, text) = store
        .create(&wanted(Role::Viewer), 1, fresh(1), NOW)
        .unwrap();
    let who = Index::new(store.clone()).open(&text, NOW).unwrap();
    let mut usage = Usage::default();
    usage.count(&who.credential, later(5));
    usage.count(&ann("t", 0, 9).credential, later(5));
    let mut more = Usage::default();
    more.count(&who.credential, later(3));
    usage.merge(more);
    usage.write(&mut store);
    let key = store.key(&record.id).unwrap();
    assert_eq!(
        (key.usage_count, key.last_used),
        (2, Some(later(5).as_secs()))
    );
}

#[test]
fn a_damaged_document_and_one_of_a_newer_version_are_told_apart() {
    for (text, word) in [
        ("", "damaged"),
        ("{\"version\":1,\"keys\":[", "damaged"),
        ("{\"version\":2,\"keys\":[],\"revoked\":[]}", "version 2"),
    ] {
        let said = Store::parse(text.as_bytes()).unwrap_err();
        assert!(said.contains(word), "{said}");
    }
    let mut store = Store::default();
    let (record, _) = store
        .create(&wanted(Role::Viewer), 9, fresh(1), NOW)
        .unwrap();
    store.keys.push(record);
    assert!(
        Store::parse(&store.render())
            .unwrap_err()
            .contains("one id")
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_again_and_a_torn_document_never_passes_for_a_whole_one(
        keys in proptest::collection::vec((0_usize..3, "[ -~é]{0,40}", any::<bool>()), 0..6),
        users in proptest::collection::vec("[a-z]{1,8}", 0..4),
        cut in 0.0_f64..1.0,
    ) {
        let mut store = Store::default();
        for (n, (role, description, dead)) in keys.into_iter().enumerate() {
            let seed = u8::try_from(n).unwrap();
            let wanted = Wanted { role: Role::ALL[role], expiry: Expiry::Never, description };
            let (key, _) = store.create(&wanted, 10, fresh(seed), NOW).unwrap();
            if dead {
                store.revoke_key(&key.id, NOW).unwrap();
            }
        }
        for user in users {
            store.revoke(Target::User(user), None, NOW).unwrap();
        }
        let text = store.render();
        prop_assert_eq!(&Store::parse(&text).unwrap(), &store);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "any place in the text will do")]
        let cut = ((text.len() - 2) as f64 * cut) as usize;
        prop_assert!(Store::parse(&text[..cut]).is_err());
    }
}
