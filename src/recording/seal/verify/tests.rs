//! A medium in memory, written by the real chain, and what can be done to it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::*;
use crate::clock::Wall;
use crate::recording::seal::chain::Places;
use crate::recording::seal::chain::io::{Chain, parts};
use crate::recording::seal::keys;
use crate::recording::seal::record::{LONGEST, NOTHING, What, hex, sign, written};

/// A medium.
#[derive(Clone, Default, PartialEq)]
struct Memory {
    parts: BTreeMap<u64, Vec<u8>>,
    files: BTreeMap<(String, String), Vec<u8>>,
}

impl Tree for Memory {
    fn parts(&self) -> Result<Vec<u64>> {
        Ok(self.parts.keys().copied().collect())
    }

    fn part(&self, number: u64) -> Result<Box<dyn BufRead + '_>> {
        Ok(Box::new(self.parts[&number].as_slice()))
    }

    fn files(&self) -> Result<Vec<Found>> {
        let found = self.files.iter().map(|((device, stem), bytes)| Found {
            device: device.clone(),
            stem: stem.clone(),
            size: bytes.len() as u64,
        });
        Ok(found.collect())
    }

    fn digest(&self, device: &str, stem: &str) -> Result<Digest> {
        Ok(digest(&self.files[&(device.to_owned(), stem.to_owned())]))
    }
}

/// A box that records, and its medium.
struct Box_ {
    dir: PathBuf,
    chain: Chain,
    medium: Memory,
    clock: u64,
}

impl Drop for Box_ {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Box_ {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("verify-{}", uuid::Uuid::new_v4()));
        Self {
            chain: opened(&dir),
            dir,
            medium: Memory::default(),
            clock: 1_790_000_000,
        }
    }

    fn write(&mut self, what: What) {
        self.clock += 1;
        let at = Wall::from_secs(self.clock);
        self.chain.append(vec![what], at).unwrap();
    }

    fn begin(&mut self, device: &str, stem: &str) {
        let bytes = format!("{device} {stem} {}", self.clock).into_bytes();
        let name = (device.to_owned(), stem.to_owned());
        self.medium.files.insert(name, bytes);
        self.write(What::Begin {
            device: device.to_owned(),
            stem: stem.to_owned(),
            found: false,
        });
    }

    fn seal(&mut self, device: &str, stem: &str) {
        let bytes = &self.medium.files[&(device.to_owned(), stem.to_owned())];
        let what = What::Seal {
            device: device.to_owned(),
            stem: stem.to_owned(),
            size: bytes.len() as u64,
            sha256: hex(&digest(bytes)),
            begin: String::new(),
            end: String::new(),
            late: false,
        };
        self.write(what);
    }

    fn record(&mut self, device: &str, stem: &str) {
        self.begin(device, stem);
        self.seal(device, stem);
    }

    fn delete(&mut self, device: &str, stem: &str) {
        self.write(What::Delete {
            device: device.to_owned(),
            stem: stem.to_owned(),
            by: "ada".to_owned(),
            why: "asked".to_owned(),
        });
        let name = (device.to_owned(), stem.to_owned());
        self.medium.files.remove(&name);
    }

    /// The medium with the chain as it lies on the disk.
    fn medium(&self) -> Memory {
        let mut medium = self.medium.clone();
        for (number, path) in parts(&self.places().chain).unwrap() {
            medium.parts.insert(number, fs::read(path).unwrap());
        }
        medium
    }

    fn places(&self) -> Places {
        Places::new(&self.dir.join("recordings"), &self.dir.join("data"))
    }

    /// What an owner knows who has looked at the box just now.
    fn known(&self) -> Known {
        let head = keys::io::head(&self.places()).unwrap();
        Known {
            key: self.chain.public(),
            head: head.map(String::into_bytes),
            ..Known::default()
        }
    }

    fn restart(&mut self) {
        self.chain = opened(&self.dir);
    }
}

fn opened(dir: &Path) -> Chain {
    let places = Places::new(&dir.join("recordings"), &dir.join("data"));
    let mut chain = Chain::open(places).unwrap();
    chain.bounds = (2500, 100);
    chain
}

fn judged(medium: &Memory, known: &Known) -> Report {
    verify(medium, known, &|line| line.is_signed()).unwrap()
}

/// Two cameras, a deletion, another key, a recording that has not ended.
fn a_box() -> Box_ {
    let mut it = Box_::new();
    for number in 0..5 {
        it.record(&format!("camera{}", number % 2), &format!("r{number}"));
    }
    it.delete("camera1", "r1");
    keys::io::rotate(&it.places(), None).unwrap();
    for number in 5..9 {
        it.record(&format!("camera{}", number % 2), &format!("r{number}"));
    }
    it.begin("camera0", "open");
    it
}

/// A generator whose every number follows from its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }
}

fn lines(medium: &Memory) -> Vec<Vec<u8>> {
    medium
        .parts
        .values()
        .flat_map(|part| part.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec))
        .collect()
}

/// Puts lines into the files again, as many into each as before; the last gets the rest.
fn put(medium: &mut Memory, lines: Vec<Vec<u8>>) {
    let mut lines = lines.into_iter().peekable();
    let last = medium.parts.len();
    for (at, part) in medium.parts.values_mut().enumerate() {
        let count = part.split_inclusive(|b| *b == b'\n').count();
        part.clear();
        let mut taken = 0;
        while lines.peek().is_some() && (taken < count || at + 1 == last) {
            part.extend(lines.next().unwrap());
            taken += 1;
        }
    }
}

/// Does one thing to a medium; says what, and which file the first finding must name.
fn harm(medium: &mut Memory, dice: &mut Dice) -> (String, Option<String>) {
    let names: Vec<_> = medium.files.keys().cloned().collect();
    let sealed: Vec<_> = names.iter().filter(|(_, stem)| stem != "open").collect();
    let name = sealed[dice.roll(sealed.len())].clone();
    let any = names[dice.roll(names.len())].clone();
    let shown = |name: &(String, String)| Some(format!("{}/{}.mp4", name.0, name.1));
    let mut all = lines(medium);
    let (one, other) = (dice.roll(all.len()), dice.roll(all.len()));
    let kind = dice.roll(18);
    let mut file = None;
    let said = match kind {
        0 => {
            let bytes = medium.files.get_mut(&name).unwrap();
            let at = dice.roll(bytes.len());
            bytes[at] ^= 1 << dice.roll(8);
            file = shown(&name);
            format!("a bit of byte {at} of {name:?} flipped")
        }
        1 => {
            let at = dice.roll(all[one].len());
            let bit = dice.roll(8);
            all[one][at] ^= 1 << bit;
            put_bytes(medium, &all);
            format!("bit {bit} of byte {at} of line {one} flipped")
        }
        2 => {
            all.remove(one);
            put(medium, all);
            format!("line {one} removed")
        }
        3 => {
            all.swap(one, other);
            put(medium, all);
            format!("lines {one} and {other} swapped")
        }
        4 => {
            let line = all[one].clone();
            all.insert(other, line);
            put(medium, all);
            format!("line {one} once more before {other}")
        }
        5 => {
            let line = foreign(&all, one, dice.roll(2) == 0);
            all.insert(one, line);
            put(medium, all);
            format!("a foreign record inserted before line {one}")
        }
        6 => {
            let second = sealed[dice.roll(sealed.len())].clone();
            let (a, b) = (medium.files[&name].clone(), medium.files[&second].clone());
            medium.files.insert(name.clone(), b);
            medium.files.insert(second.clone(), a);
            format!("{name:?} and {second:?} swapped")
        }
        7 => {
            let bytes = medium.files.remove(&any).unwrap();
            let to = (any.0.clone(), format!("other{}", dice.roll(100)));
            medium.files.insert(to, bytes);
            format!("{any:?} renamed")
        }
        8 => {
            let bytes = medium.files.remove(&any).unwrap();
            medium
                .files
                .insert(("camera7".to_owned(), any.1.clone()), bytes);
            format!("{any:?} moved to another camera")
        }
        9 => {
            let bytes = medium.files.get_mut(&name).unwrap();
            bytes.truncate(dice.roll(bytes.len()));
            file = shown(&name);
            format!("{name:?} truncated")
        }
        10 => {
            let more = vec![0; 1 + dice.roll(9)];
            medium.files.get_mut(&name).unwrap().extend(more);
            file = shown(&name);
            format!("{name:?} is longer")
        }
        11 => {
            let last = medium.parts.values_mut().last().unwrap();
            let left = dice.roll(last.len());
            last.truncate(left);
            format!("the chain's last file truncated to {left} bytes")
        }
        12 => {
            let more: Vec<u8> = (0..1 + dice.roll(200))
                .map(|_| u8::try_from(dice.roll(256)).unwrap())
                .filter(|b| *b != 0)
                .chain([b'x'])
                .collect();
            medium.parts.values_mut().last().unwrap().extend(more);
            "bytes appended to the chain".to_owned()
        }
        13 => {
            let to = (any.0, format!("new{}", dice.roll(100)));
            file = shown(&to);
            let said = format!("{to:?} inserted");
            medium.files.insert(to, vec![b'x'; dice.roll(40)]);
            said
        }
        14 => {
            medium.files.remove(&any);
            file = shown(&any);
            format!("{any:?} taken away")
        }
        15 => {
            let numbers: Vec<u64> = medium.parts.keys().copied().collect();
            let number = numbers[dice.roll(numbers.len())];
            medium.parts.remove(&number);
            format!("the chain's file {number} taken away")
        }
        16 => {
            // The whole rest of the chain written anew by somebody without the key, for a film of his own.
            medium.files.get_mut(&name).unwrap()[0] ^= 1;
            let rest = forged(&all, one, &hex(&digest(&medium.files[&name])), &name.1);
            all.truncate(one);
            all.extend(rest);
            put(medium, all);
            format!("{name:?} replaced and the chain forged from line {one} on")
        }
        _ => {
            let numbers: Vec<u64> = medium.parts.keys().copied().collect();
            let (a, b) = (
                numbers[dice.roll(numbers.len())],
                numbers[dice.roll(numbers.len())],
            );
            let (x, y) = (medium.parts[&a].clone(), medium.parts[&b].clone());
            medium.parts.insert(a, y);
            medium.parts.insert(b, x);
            format!("the chain's files {a} and {b} swapped")
        }
    };
    (said, file)
}

/// Lines whose ends may have been changed.
fn put_bytes(medium: &mut Memory, lines: &[Vec<u8>]) {
    let mut lines = lines.iter();
    for part in medium.parts.values_mut() {
        let count = part.split_inclusive(|b| *b == b'\n').count();
        *part = lines.by_ref().take(count).flatten().copied().collect();
    }
}

fn attacker() -> SigningKey {
    SigningKey::from_bytes(&[66; 32])
}

/// A record that would stand well before line `at`, but for its key.
fn foreign(all: &[Vec<u8>], at: usize, breaks: bool) -> Vec<u8> {
    let whole = |line: &[u8]| line.strip_suffix(b"\n").unwrap().to_vec();
    let seq = Line::read(&whole(&all[at])).unwrap().record.seq;
    let prev = at
        .checked_sub(1)
        .map_or(NOTHING, |b| digest(&whole(&all[b])));
    let what = match breaks {
        true => What::Break {
            why: "the private key is gone".to_owned(),
            lost: None,
        },
        false => What::Prune {
            through: 1,
            sha256: hex(&NOTHING),
        },
    };
    let mut line = sign(&attacker(), seq, &prev, Wall::from_secs(1), what).unwrap();
    line.push(b'\n');
    line
}

/// Lines `from` and later with one recording's digest replaced, each following on the one before it.
fn forged(all: &[Vec<u8>], from: usize, sha256: &str, of: &str) -> Vec<Vec<u8>> {
    let mut prev = from.checked_sub(1).map_or(NOTHING, |before| {
        digest(all[before].strip_suffix(b"\n").unwrap())
    });
    let mut made = Vec::new();
    for line in &all[from..] {
        let mut record = Line::read(line.strip_suffix(b"\n").unwrap())
            .unwrap()
            .record;
        if let What::Seal {
            stem, sha256: was, ..
        } = &mut record.what
            && stem == of
        {
            sha256.clone_into(was);
        }
        let at = Wall::from_secs(1);
        let mut line = sign(&attacker(), record.seq, &prev, at, record.what).unwrap();
        prev = digest(&line);
        line.push(b'\n');
        made.push(line);
    }
    made
}

#[test]
fn of_ten_thousand_changes_all_are_found_and_in_the_untouched_medium_none() {
    let it = a_box();
    let (whole, known) = (it.medium(), it.known());
    assert!(
        whole.parts.len() > 2,
        "one file of the chain is no test of many"
    );
    // The same line has the same signature: with 10,000 media it is judged once.
    let judged_lines = RefCell::new(HashMap::<Vec<u8>, bool>::new());
    let signed = |line: &Line<'_>| {
        let whole = [line.body, &line.signature[..]].concat();
        *judged_lines
            .borrow_mut()
            .entry(whole)
            .or_insert_with(|| line.is_signed())
    };
    let good = verify(&whole, &known, &signed).unwrap();
    assert!(good.is_good(), "{}", good.to_text());
    assert_eq!(
        (
            good.counts.proved,
            good.counts.deleted,
            good.counts.unsealed
        ),
        (8, 1, 1)
    );
    let mut dice = Dice(20_261_121);
    let (mut done, mut same) = (0, 0);
    while done < 10_000 {
        let mut medium = whole.clone();
        let (said, file) = harm(&mut medium, &mut dice);
        if medium == whole {
            // Two equal things were swapped.
            same += 1;
            continue;
        }
        done += 1;
        let report = verify(&medium, &known, &signed).unwrap();
        assert!(!report.is_good(), "not found: {said}\n{}", report.to_text());
        let first = &report.findings[0];
        assert!(
            !first.what.is_empty() && !first.action.is_empty(),
            "{first:?}"
        );
        if file.is_some() {
            assert_eq!(first.file, file, "{said}\n{}", report.to_text());
            assert_eq!(report.wrong, 1, "{said}");
        }
    }
    assert!(same < 2000, "{same} of the changes changed nothing");
}

#[test]
fn a_recording_the_service_deleted_is_told_from_one_that_was_taken_away() {
    let mut it = Box_::new();
    it.record("camera0", "deleted");
    it.record("camera0", "stolen");
    it.record("camera0", "kept");
    it.delete("camera0", "deleted");
    let good = judged(&it.medium(), &it.known());
    assert!(good.is_good(), "{}", good.to_text());
    it.medium
        .files
        .remove(&("camera0".to_owned(), "stolen".to_owned()));
    let bad = judged(&it.medium(), &it.known());
    assert_eq!((bad.wrong, bad.findings[0].fault), (1, Fault::Missing));
    assert!(
        bad.findings[0]
            .what
            .contains("camera0/stolen.mp4 (record 4"),
        "{}",
        bad.to_text()
    );
    // Its name given to another recording hides nothing.
    it.record("camera0", "stolen");
    let bad = judged(&it.medium(), &it.known());
    assert_eq!((bad.wrong, bad.findings[0].record), (1, 4));
}

#[test]
fn a_deletion_that_a_power_cut_stopped_is_no_insertion() {
    let mut it = Box_::new();
    it.record("camera0", "a");
    let before = it.medium.clone();
    it.delete("camera0", "a");
    it.medium = before;
    let report = judged(&it.medium(), &it.known());
    assert!(report.is_good(), "{}", report.to_text());
    it.medium.files.values_mut().for_each(|bytes| bytes[0] ^= 1);
    let report = judged(&it.medium(), &it.known());
    assert_eq!(report.findings[0].fault, Fault::Inserted);
}

#[test]
fn files_that_changed_their_names_or_places_are_called_so() {
    let mut it = Box_::new();
    it.record("camera0", "a");
    it.record("camera0", "b");
    let name = |stem: &str| ("camera0".to_owned(), stem.to_owned());
    let bytes = it.medium.files.remove(&name("a")).unwrap();
    it.medium.files.insert(name("c"), bytes);
    let said = judged(&it.medium(), &it.known());
    assert_eq!(
        said.findings[0].what,
        "camera0/a.mp4 (record 2) is called camera0/c.mp4 now"
    );
    let bytes = it.medium.files.remove(&name("c")).unwrap();
    let other = it.medium.files.insert(name("b"), bytes).unwrap();
    it.medium.files.insert(name("a"), other);
    let said = judged(&it.medium(), &it.known());
    assert_eq!(
        said.findings[0].what,
        "camera0/a.mp4 (record 2) holds what was sealed as camera0/b.mp4"
    );
}

#[test]
fn an_end_that_was_cut_off_is_seen_by_who_remembers_it_and_by_nobody_else() {
    let mut it = Box_::new();
    it.record("camera0", "a");
    let before = it.medium();
    it.record("camera0", "b");
    let known = it.known();
    let by_head = judged(&before, &known);
    assert_eq!(by_head.findings[0].fault, Fault::CutOff);
    assert_eq!(
        by_head.findings[0].what,
        "records 3 to 4 are missing at the end of the chain"
    );
    let counted = Known {
        key: known.key.clone(),
        records: Some(4),
        ..Known::default()
    };
    assert_eq!(judged(&before, &counted).findings[0].record, 3);
    let forgetful = Known {
        key: known.key,
        ..Known::default()
    };
    let blind = judged(&before, &forgetful);
    assert!(blind.is_good());
    assert!(blind.notes[0].contains("cut off"), "{:?}", blind.notes);
}

#[test]
fn the_old_key_and_the_new_one_both_open_a_chain_that_hands_over_and_a_strangers_does_not() {
    let it = a_box();
    let medium = it.medium();
    let first = Line::read(lines(&medium)[0].strip_suffix(b"\n").unwrap())
        .unwrap()
        .record
        .key;
    let with = |key: String| {
        let known = Known {
            key: Some(key),
            ..Known::default()
        };
        judged(&medium, &known)
    };
    assert_ne!(Some(&first), it.chain.public().as_ref());
    assert!(with(first).is_good());
    assert!(with(it.chain.public().unwrap()).is_good());
    let bad = with(written(&attacker().verifying_key()));
    assert_eq!((bad.wrong, bad.findings[0].fault), (1, Fault::ForeignKey));
}

#[test]
fn a_box_that_lost_its_key_or_its_chain_says_so_until_its_owner_knows() {
    let mut it = Box_::new();
    it.record("camera0", "a");
    fs::remove_dir_all(it.places().private).unwrap();
    it.restart();
    assert!(
        it.chain
            .trouble
            .as_ref()
            .unwrap()
            .contains("private key is gone")
    );
    it.record("camera0", "b");
    let (medium, mut known) = (it.medium(), it.known());
    let bad = judged(&medium, &known);
    assert_eq!(
        (bad.findings[0].record, bad.findings[0].fault),
        (3, Fault::Broken)
    );
    assert!(bad.findings[0].action.contains("--known 3"));
    known.breaks.insert(3);
    let good = judged(&medium, &known);
    assert!(good.is_good(), "{}", good.to_text());

    // Somebody takes the whole chain, alters a film, and has the box go on.
    fs::remove_dir_all(it.places().chain).unwrap();
    it.medium.files.values_mut().next().unwrap()[0] ^= 1;
    it.restart();
    assert!(!it.chain.fresh);
    it.record("camera0", "c");
    let bad = judged(&it.medium(), &known);
    assert_eq!(bad.findings[0].fault, Fault::Broken);
    assert!(
        bad.findings[0]
            .what
            .contains("records 1 to 5 are not on this medium")
    );
}

#[test]
fn a_chain_whose_oldest_files_the_box_removed_still_verifies_and_one_file_more_is_missed() {
    let mut it = Box_::new();
    it.chain.bounds = (1500, 2);
    for number in 0..30 {
        it.record("camera0", &format!("r{number}"));
        if number >= 2 {
            it.delete("camera0", &format!("r{}", number - 2));
        }
    }
    let mut medium = it.medium();
    let first = *medium.parts.keys().next().unwrap();
    assert!(
        first > 1 && medium.parts.len() <= 4,
        "{:?}",
        medium.parts.keys()
    );
    let good = judged(&medium, &it.known());
    assert!(good.is_good(), "{}", good.to_text());
    assert_eq!(good.counts.proved, 2);
    medium.parts.remove(&first);
    let bad = judged(&medium, &it.known());
    assert_eq!(bad.findings[0].fault, Fault::Missing);
    it.restart();
    assert_eq!(it.chain.trouble, None);
}

#[test]
fn a_record_that_the_box_signed_in_another_history_does_not_fit_into_this_one() {
    let mut it = Box_::new();
    it.record("camera0", "a");
    let before = it.medium();
    it.record("camera0", "b");
    let other = it.medium();
    // Chain and data partition are restored from a backup, and the box records something else.
    let (line, places) = (lines(&before), it.places());
    fs::write(places.chain.join("chain-000000000001.jsonl"), line.concat()).unwrap();
    fs::write(places.head(), line[1].trim_ascii_end()).unwrap();
    it.medium = before;
    it.restart();
    it.record("camera0", "c");
    let (mut medium, known) = (it.medium(), it.known());
    assert!(judged(&medium, &known).is_good());
    let mut mixed = lines(&medium);
    mixed[2] = lines(&other)[2].clone();
    put(&mut medium, mixed);
    let bad = judged(&medium, &known);
    // The recording it names is missed, too; that is how it would be found without the digests.
    let fork = bad.findings.iter().find(|f| f.fault == Fault::Altered);
    assert_eq!(
        fork.map(|f| f.what.as_str()),
        Some("record 4 does not follow on the record before it"),
        "{}",
        bad.to_text()
    );
}

#[test]
fn a_line_without_end_is_not_read_into_memory() {
    let mut it = a_box().medium();
    it.parts
        .values_mut()
        .next()
        .unwrap()
        .extend(vec![b'x'; 20 * LONGEST]);
    let report = judged(&it, &Known::default());
    assert_eq!(report.findings[0].fault, Fault::Altered);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_chain_that_a_stranger_signs_brings_the_judge_down(
        records in proptest::collection::vec((0_u8..7, any::<u64>(), 0_u64..4, any::<bool>()), 1..12),
    ) {
        let (mut part, mut prev) = (Vec::new(), NOTHING);
        for (kind, far, near, follows) in records {
            let (device, stem) = (format!("../../{near}"), format!("r{near}"));
            let what = match kind {
                0 => What::Begin { device, stem, found: follows },
                1 => What::Seal {
                    device,
                    stem,
                    size: far,
                    sha256: hex(&NOTHING),
                    begin: String::new(),
                    end: String::new(),
                    late: follows,
                },
                2 => What::Reopen { device, stem, why: String::new() },
                3 => What::Delete { device, stem, by: String::new(), why: String::new() },
                4 => What::Rotate { next: String::new() },
                5 => What::Break { why: String::new(), lost: Some([near, far]) },
                _ => What::Prune { through: far, sha256: String::new() },
            };
            let seq = if follows { near } else { far };
            let line = sign(&attacker(), seq, &prev, Wall::from_secs(1), what).unwrap();
            prev = if follows { digest(&line) } else { NOTHING };
            part.extend(line);
            part.push(b'\n');
        }
        let medium = Memory { parts: [(1, part)].into(), ..Memory::default() };
        let known = Known { key: Some(written(&SigningKey::from_bytes(&[1; 32]).verifying_key())), ..Known::default() };
        prop_assert!(!judged(&medium, &known).is_good());
    }
}
