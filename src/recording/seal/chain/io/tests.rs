//! Power cuts.

use super::*;
use crate::recording::seal::book::Stand;

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("chain-{}", uuid::Uuid::new_v4())))
    }

    fn open(&self) -> Chain {
        Chain::open(Places::new(
            &self.0.join("recordings"),
            &self.0.join("data"),
        ))
        .unwrap()
    }

    fn file(&self) -> PathBuf {
        self.0.join("recordings/.evidence").join(part_name(1))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn begin(stem: &str) -> What {
    What::Begin {
        device: "camera0".to_owned(),
        stem: stem.to_owned(),
        found: false,
    }
}

fn at() -> Wall {
    Wall::from_secs(1_790_000_000)
}

#[test]
fn a_record_that_a_power_cut_tore_anywhere_is_written_anew_and_nothing_else_is_lost() {
    let scratch = Scratch::new();
    scratch.open().append(vec![begin("a")], at()).unwrap();
    let one = fs::read(scratch.file()).unwrap();
    let head = scratch.0.join("data/evidence/head.json");
    let remembered = fs::read(&head).unwrap();
    scratch.open().append(vec![begin("b")], at()).unwrap();
    let two = fs::read(scratch.file()).unwrap();
    let far = [0, 1, 2, 10, 11, 60, 110, 111, 150, 300];
    let near_end = (two.len() - 5..two.len()).map(|cut| cut - one.len());
    for cut in far.into_iter().chain(near_end).map(|cut| one.len() + cut) {
        for zeros in [0, 100] {
            let torn = [&two[..cut], &vec![0; zeros]].concat();
            fs::write(scratch.file(), torn).unwrap();
            // The newest record is remembered after it is on the medium, so not yet.
            fs::write(&head, &remembered).unwrap();
            let mut chain = scratch.open();
            assert_eq!(chain.trouble, None, "cut at {cut}, {zeros} zeros");
            // Only its line end was missing: then it counts.
            let whole = cut + 1 == two.len() && zeros == 0;
            assert_eq!(chain.book.stand("b").is_some(), whole, "{cut}");
            if !whole {
                chain.append(vec![begin("b")], at()).unwrap();
            }
            assert_eq!(fs::read(scratch.file()).unwrap(), two, "cut at {cut}");
        }
    }
}

#[test]
fn a_record_that_is_on_the_medium_and_not_yet_remembered_is_taken() {
    let scratch = Scratch::new();
    scratch.open().append(vec![begin("a")], at()).unwrap();
    let head = scratch.0.join("data/evidence/head.json");
    let before = fs::read(&head).unwrap();
    scratch.open().append(vec![begin("b")], at()).unwrap();
    fs::write(&head, before).unwrap();
    let chain = scratch.open();
    assert_eq!((chain.book.seq, chain.trouble), (2, None));
}

#[test]
fn a_chain_that_was_changed_while_the_box_was_off_is_complained_of() {
    let scratch = Scratch::new();
    let mut chain = scratch.open();
    assert!(chain.fresh);
    chain
        .append(vec![begin("a"), begin("b"), begin("c")], at())
        .unwrap();
    assert!(!chain.fresh);
    let good = fs::read(scratch.file()).unwrap();
    let lines: Vec<&[u8]> = good.split_inclusive(|b| *b == b'\n').collect();
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    for (bad, word) in [
        (lines[..2].concat(), "records 3 to 3 are not on this medium"),
        ([lines[0], lines[2]].concat(), "does not follow"),
        ([lines[1], lines[0], lines[2]].concat(), "does not follow"),
        (flipped, "is none"),
        ([good.as_slice(), b"garbage"].concat(), "no record"),
        (
            [good.as_slice(), b"garbage\n"].concat(),
            "the line after record 3",
        ),
    ] {
        fs::write(scratch.file(), &bad).unwrap();
        let trouble = scratch.open().trouble.unwrap_or_default();
        assert!(trouble.contains(word), "{trouble:?} does not say {word:?}");
    }
}

#[test]
fn the_key_is_the_services_own_and_changes_hands_with_a_record() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let scratch = Scratch::new();
    let places = Places::new(&scratch.0.join("recordings"), &scratch.0.join("data"));
    let mut chain = scratch.open();
    assert!(!places.key().exists(), "nothing is made before it is used");
    chain.append(vec![begin("a")], at()).unwrap();
    assert_eq!(fs::metadata(places.key()).unwrap().mode() & 0o777, 0o600);
    let first = fs::read_to_string(places.public()).unwrap();
    let former = fs::read_to_string(places.key()).unwrap();
    let next = keys::rotate(&places, None).unwrap();
    chain.append(vec![begin("b")], at()).unwrap();
    assert_eq!(chain.book.seq, 3, "one record hands over");
    assert_eq!(chain.public(), Some(written(&next)));
    assert!(!places.former_key().exists());
    assert_ne!(fs::read_to_string(places.public()).unwrap(), first);
    assert_eq!(scratch.open().trouble, None);
    // A power cut between the record and the removal of the former key.
    fs::write(places.former_key(), former).unwrap();
    fs::set_permissions(places.former_key(), fs::Permissions::from_mode(0o600)).unwrap();
    let again = scratch.open();
    assert_eq!(
        (again.public(), again.trouble),
        (Some(written(&next)), None)
    );
    assert!(places.key().exists() && !places.former_key().exists());
    assert_eq!(again.book.stand("b"), Some(Stand::Open));
}

#[test]
fn each_of_two_chains_hands_over_in_its_own_time_however_often_the_key_was_changed_meanwhile() {
    let scratch = Scratch::new();
    let data = scratch.0.join("data");
    let medium = Places::new(&scratch.0.join("recordings"), &data);
    let spare = Places::of_fallback(&scratch.0.join("spare"), &data);
    let write = |places: &Places, stem: &str| {
        let mut chain = Chain::open(places.clone()).unwrap();
        chain.append(vec![begin(stem)], at()).unwrap();
        (chain.public(), chain.book.seq, chain.trouble)
    };
    let first = write(&medium, "a").0;
    assert_eq!(
        write(&spare, "a-fallback"),
        (first.clone(), 1, None),
        "one key for both"
    );
    // The medium's hands over twice before the fallback is used again.
    keys::rotate(&medium, Some(&spare)).unwrap();
    let second = write(&medium, "b");
    assert_eq!((second.1, second.2), (3, None));
    assert_eq!(
        Some(written(&keys::signs(&spare).unwrap())),
        first,
        "it has not handed over"
    );
    let third = keys::rotate(&medium, Some(&spare)).unwrap();
    assert_eq!(write(&medium, "c"), (Some(written(&third)), 5, None));
    assert_eq!(
        write(&spare, "b-fallback"),
        (Some(written(&third)), 3, None)
    );
    // Nothing is left of what came before.
    assert!(!medium.former_key().exists() && !spare.former_key().exists());
    for places in [medium, spare] {
        let chain = Chain::open(places).unwrap();
        assert_eq!(
            (chain.trouble, chain.key.unwrap().verifying_key()),
            (None, third)
        );
    }
}

#[test]
fn a_key_that_is_changed_while_a_chain_hands_over_is_handed_over_to_next() {
    let scratch = Scratch::new();
    let places = Places::new(&scratch.0.join("recordings"), &scratch.0.join("data"));
    let mut chain = scratch.open();
    chain.append(vec![begin("a")], at()).unwrap();
    keys::rotate(&places, None).unwrap();
    let second = keys::own(&places).unwrap();
    // Its record is written; before the service has put the former key away, somebody wants another one.
    let third = keys::rotate(&places, None).unwrap();
    keys::handed_over(&places, &second).unwrap();
    assert_eq!(keys::signs(&places).unwrap(), second.verifying_key());
    assert_eq!(keys::own(&places).unwrap().verifying_key(), third);
    // A power cut between the two files of a rotation leaves one key twice, which is none to hand over to.
    let scratch = Scratch::new();
    let places = Places::new(&scratch.0.join("recordings"), &scratch.0.join("data"));
    let mut chain = scratch.open();
    chain.append(vec![begin("a")], at()).unwrap();
    fs::copy(places.key(), places.former_key()).unwrap();
    let mut chain = scratch.open();
    chain.append(vec![begin("b")], at()).unwrap();
    assert_eq!((chain.book.seq, &chain.trouble), (2, &None));
    let next = keys::rotate(&places, None).unwrap();
    chain.append(vec![begin("c")], at()).unwrap();
    assert_eq!((chain.book.seq, chain.public()), (4, Some(written(&next))));
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    scratch.open().append(vec![begin("a")], at()).unwrap();
    let key = scratch.0.join("data/evidence/key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Chain::open(Places::new(
        &scratch.0.join("recordings"),
        &scratch.0.join("data"),
    ));
    assert!(refused.unwrap_err().to_string().contains("mode 644"));
}
