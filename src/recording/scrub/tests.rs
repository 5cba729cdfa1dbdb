//! Real recordings of MediaMTX, damaged in every way that a power cut has.

use std::fs::{self, File, OpenOptions};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::io::{Done, mend};
use super::*;
use crate::recording::fmp4;

/// Copied while MediaMTX wrote it: its head tells no duration.
const GROWING: &[u8] = include_bytes!("../../../tests/fixtures/growing.mp4");
/// The whole of it, closed.
const CLOSED: &[u8] = include_bytes!("../../../tests/fixtures/closed.mp4");

/// Where each whole fragment ends, and first where the `moov` does.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut found) = (0, Vec::new());
    while let Some(size) = u32_at(bytes, at) {
        let kind = &bytes[at + 4..at + 8];
        at += size as usize;
        if kind == b"moov" || kind == b"mdat" {
            found.push(at);
        }
    }
    found
}

fn judged(bytes: &[u8], trust: Trust) -> Verdict {
    examine(&mut Cursor::new(bytes), trust).unwrap()
}

fn index(place: u64) -> usize {
    usize::try_from(place).unwrap()
}

/// Bytes that stay; none of a file that is put aside.
fn kept(bytes: &[u8]) -> usize {
    match judged(bytes, Trust::Suspect) {
        Verdict::Sound => bytes.len(),
        Verdict::Cut { at, .. } => index(at),
        Verdict::Unplayable(_) => 0,
    }
}

/// Where the last fragment ends that is not touched by damage from `at` on.
fn before(bytes: &[u8], at: usize) -> usize {
    let ends = ends(bytes);
    let last = ends.iter().skip(1).rev().find(|end| **end <= at);
    last.copied().unwrap_or(0)
}

#[test]
fn one_that_was_closed_just_now_is_cut_where_a_write_failed_and_its_samples_are_believed() {
    let last = ends(CLOSED)[ends(CLOSED).len() - 2];
    for torn in (last + 1)..CLOSED.len() {
        let cut = match judged(&CLOSED[..torn], Trust::Closed) {
            Verdict::Cut { at, head: Some(_) } => index(at),
            other => panic!("{torn}: {other:?}"),
        };
        assert_eq!(cut, last, "{torn}");
        assert_eq!(judged(&CLOSED[..torn], Trust::Unknown), Verdict::Sound);
    }
    let mut other = CLOSED.to_vec();
    other[last - 200..last].fill(0);
    assert_eq!(judged(&other, Trust::Closed), Verdict::Sound);
    assert_ne!(judged(&other, Trust::Suspect), Verdict::Sound);
}

#[test]
fn a_beginning_of_which_only_bytes_arrived_is_no_foreign_file() {
    for arrived in 1..8 {
        for zeros in [0, 3, 3000] {
            let mut file = GROWING[..arrived].to_vec();
            file.resize(arrived + zeros, 0);
            let judged = judged(&file, Trust::Suspect);
            assert!(
                matches!(judged, Verdict::Unplayable(_)),
                "{arrived} {zeros}: {judged:?}"
            );
        }
    }
}

#[test]
fn a_good_recording_stays_as_it_is_open_or_closed() {
    assert!(ends(GROWING).len() > 5);
    assert_eq!(judged(GROWING, Trust::Suspect), Verdict::Sound);
    assert_eq!(judged(CLOSED, Trust::Suspect), Verdict::Sound);
    assert_eq!(judged(CLOSED, Trust::Unknown), Verdict::Sound);
}

#[test]
fn a_torn_recording_keeps_every_whole_fragment_wherever_it_was_torn() {
    for torn in 0..GROWING.len() {
        assert_eq!(
            kept(&GROWING[..torn]),
            before(GROWING, torn),
            "torn at {torn}"
        );
    }
}

#[test]
fn pages_that_the_medium_never_got_are_noticed_although_the_length_is_right() {
    let ends = ends(GROWING);
    for from in (0..GROWING.len()).step_by(512) {
        let mut file = GROWING.to_vec();
        file[from..].fill(0);
        let expected = before(GROWING, from);
        assert_eq!(
            kept(&file),
            expected,
            "zeros from {from} on, ends at {ends:?}"
        );
    }
    // One page in the middle of the tail is missing, what comes behind it is there.
    let inner = ends[ends.len() - 4];
    let page = (inner + 100).next_multiple_of(512);
    let mut file = GROWING.to_vec();
    file[page..page + 512].fill(0);
    assert_eq!(kept(&file), before(GROWING, page));
    // A length that was set, and nothing behind it.
    let longer = [GROWING, &[0; 5000]].concat();
    assert_eq!(kept(&longer), GROWING.len());
}

#[test]
fn a_file_that_was_closed_and_lost_its_end_is_cut_and_tells_its_own_duration_then() {
    let ends = ends(CLOSED);
    let whole = ends[ends.len() - 2];
    let torn = &CLOSED[..whole + 99];
    assert_eq!(
        judged(torn, Trust::Unknown),
        Verdict::Sound,
        "nobody suspects it"
    );
    let Verdict::Cut {
        at,
        head: Some((place, bytes)),
    } = judged(torn, Trust::Suspect)
    else {
        panic!("{:?}", judged(torn, Trust::Suspect));
    };
    assert_eq!(index(at), whole);
    let mut mended = torn[..whole].to_vec();
    mended[index(place)..index(place) + bytes].fill(0);
    let told = fmp4::read(&mut Cursor::new(&mended)).unwrap();
    assert!(!told.closed && told.whole == at, "{told:?}");
    let all = fmp4::read(&mut Cursor::new(CLOSED)).unwrap().duration;
    assert!(told.duration + Duration::from_secs(1) > all && told.duration < all);
}

#[test]
fn what_is_no_recording_is_called_so() {
    assert!(matches!(
        judged(b"", Trust::Suspect),
        Verdict::Unplayable(_)
    ));
    assert!(matches!(
        judged(&[0; 4096], Trust::Suspect),
        Verdict::Unplayable(_)
    ));
    let head = &GROWING[..ends(GROWING)[0]];
    assert!(matches!(
        judged(head, Trust::Suspect),
        Verdict::Unplayable(_)
    ));
    // Copied here by somebody.
    assert_eq!(
        judged(b"\x1a\x45\xdf\xa3 a Matroska file", Trust::Suspect),
        Verdict::Sound
    );
}

#[test]
fn only_files_that_may_have_been_open_are_looked_into() {
    let at = |day: u64| Wall::from_secs(1_790_000_000 + day * 86_400);
    let of = |modified, mark: Option<Wall>| {
        let mark = mark.and_then(Mark::scrubbed).unwrap_or_default();
        mark.trust(modified, at(10), at(11))
    };
    assert_eq!(of(at(2), Some(at(5))), Trust::Clean);
    assert_eq!(of(at(7), Some(at(5))), Trust::Unknown);
    assert_eq!(of(at(10), Some(at(5))), Trust::Suspect, "written last");
    assert_eq!(of(at(2), None), Trust::Unknown);
    assert_eq!(
        of(at(2), Some(at(99))),
        Trust::Unknown,
        "a mark from the future"
    );
    assert_eq!(
        of(Wall::from_secs(9), Some(at(5))),
        Trust::Unknown,
        "a clock that stood in 1970"
    );
    assert_eq!(Mark::scrubbed(Wall::from_secs(9)), None);
    // A run that ended in order leaves nothing open, and the next one begins by forgetting that.
    let ended = Mark::scrubbed(at(5)).unwrap().ended(at(10)).unwrap();
    let ended = Mark::of(&ended.to_text());
    assert_eq!(ended.trust(at(10), at(10), at(11)), Trust::Clean);
    let begun = ended.begun().unwrap();
    assert_eq!(begun.trust(at(10), at(10), at(11)), Trust::Suspect);
    assert_eq!((begun.begun(), Mark::of("{\"scrub").begun()), (None, None));
}

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("scrub-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(path.join("camera0")).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join("camera0").join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn mend(&self, path: &Path, ours: bool) -> Done {
        mend(&self.0, "camera0", path, Trust::Suspect, ours, None).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_does_not_play_is_put_aside_and_never_removed() {
    let scratch = Scratch::new();
    for expected in ["a.mp4", "a-2.mp4"] {
        let path = scratch.file("a.mp4", b"");
        assert!(matches!(scratch.mend(&path, false), Done::Aside(_)));
        assert!(!path.exists());
        assert!(
            scratch
                .0
                .join(".quarantine/camera0")
                .join(expected)
                .exists()
        );
    }
    let foreign = scratch.file("b.mp4", b"not a recording at all");
    assert_eq!(scratch.mend(&foreign, false), Done::Left);
    assert_eq!(fs::read(foreign).unwrap(), b"not a recording at all");
}

#[test]
fn a_file_that_somebody_writes_is_left_alone() {
    let scratch = Scratch::new();
    let path = scratch.file("a.mp4", &GROWING[..GROWING.len() - 9]);
    let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
    assert_eq!(scratch.mend(&path, true), Done::Left);
    writer.write_all(&GROWING[GROWING.len() - 9..]).unwrap();
    drop(writer);
    assert_eq!(scratch.mend(&path, true), Done::Left);
    assert_eq!(fs::read(&path).unwrap(), GROWING);
}

#[test]
fn a_mended_file_keeps_its_time() {
    let scratch = Scratch::new();
    let path = scratch.file("a.mp4", &GROWING[..GROWING.len() - 9]);
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    assert!(matches!(scratch.mend(&path, true), Done::Cut(_)));
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), long_ago);
}

/// What happens to the tail of a file.
#[derive(Debug, Clone)]
enum Damage {
    Torn,
    Zeros,
    Garbage(u64),
    Longer(u16),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::Torn),
        Just(Damage::Zeros),
        any::<u64>().prop_map(Damage::Garbage),
        (1_u16..9000).prop_map(Damage::Longer),
    ]
}

fn damaged(whole: &[u8], at: usize, how: &Damage) -> Vec<u8> {
    let mut file = whole.to_vec();
    match how {
        Damage::Torn => file.truncate(at),
        Damage::Zeros => file[at..].fill(0),
        Damage::Garbage(seed) => {
            let mut state = seed | 1;
            for byte in &mut file[at..] {
                // xorshift
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state.to_le_bytes()[3];
            }
        }
        Damage::Longer(by) => {
            file.truncate(at);
            file.extend(std::iter::repeat_n(0, usize::from(*by)));
        }
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happens to the tail: what was good before stays, nothing becomes longer, and a second look changes nothing.
    #[test]
    fn every_whole_fragment_before_the_damage_stays(at in 0..GROWING.len(), how in damage(), closed in any::<bool>()) {
        let whole = if closed { CLOSED } else { GROWING };
        let first = ends(whole)[0];
        let file = damaged(whole, at, &how);
        let scratch = Scratch::new();
        let path = scratch.file("a.mp4", &file);
        let done = scratch.mend(&path, true);
        let good = before(whole, at);
        if let Done::Aside(_) = done {
            prop_assert!(good == 0, "{good} good bytes were put aside");
        } else {
            let after = fs::read(&path).unwrap();
            prop_assert!(after.len() <= file.len() && after.len() >= good, "{done:?}");
            prop_assert!(good == 0 || after[first..good] == file[first..good]);
            match how {
                Damage::Torn => prop_assert_eq!(after.len(), good),
                // A picture whose last few bytes are zeros is taken for one that its coder filled up.
                Damage::Longer(_) => prop_assert!(after.len() <= good.max(before(whole, at + 31))),
                _ => {}
            }
            prop_assert_eq!(scratch.mend(&path, true), Done::Left);
            prop_assert_eq!(fs::read(&path).unwrap(), after);
        }
    }
}
