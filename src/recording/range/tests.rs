use std::io::{Cursor, Write as _};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::recording::fmp4::tests::{boxed, words};
use crate::recording::fmp4::{boxes, inside, u32_at};
use crate::recording::plain;

/// When the first of the test's recordings began.
const T0: u64 = 1_800_000_000;
const PICTURES: u32 = 90_000;
const SOUND: u32 = 48_000;

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap()
}

fn place(at: u64) -> usize {
    usize::try_from(at).unwrap()
}

fn trak(id: u32, scale: u32, handler: &[u8; 4], entry: &[u8]) -> Vec<u8> {
    let tkhd = boxed(b"tkhd", &[&words(&[3, 0, 0, id, 0, 0]), &[0; 60]]);
    let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, scale, 0, 0])]);
    let hdlr = boxed(b"hdlr", &[&[0; 8], handler, &[0; 13]]);
    let stsd = boxed(b"stsd", &[&words(&[0, 1]), entry]);
    let stts = boxed(b"stts", &[&words(&[0, 0])]);
    let minf = boxed(b"minf", &[&boxed(b"stbl", &[&stsd, &stts])]);
    boxed(b"trak", &[&tkhd, &boxed(b"mdia", &[&mdhd, &hdlr, &minf])])
}

fn moov(entry: &[u8], begun: Option<Wall>, silent: bool) -> Vec<u8> {
    let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 0]), &[0; 80]]);
    let trex = |id| boxed(b"trex", &[&words(&[0, id, 1, 0, 0, 0])]);
    let mvex = boxed(b"mvex", &[&trex(1), &trex(2)]);
    let noted = begun.map_or(0, Wall::as_nanos).to_be_bytes();
    let mtxi = boxed(b"mtxi", &[&[0; 36], &noted]);
    let pictures = trak(1, PICTURES, b"vide", entry);
    let sound = match silent {
        true => Vec::new(),
        false => trak(2, SOUND, b"soun", &boxed(b"mp4a", &[b"sound"])),
    };
    let all = boxed(
        b"moov",
        &[&mvhd, &pictures, &sound, &mvex, &boxed(b"udta", &[&mtxi])],
    );
    [boxed(b"ftyp", &[b"isom"]), all].concat()
}

/// How a test's recording is made: a picture each 1/10 s, sound each 1/20 s, five pictures a fragment.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) name: &'static str,
    pub(crate) begun: u64,
    pub(crate) pictures: u32,
    /// From one sync sample to the next.
    group: u32,
    entry: Vec<u8>,
    /// It has no sound.
    silent: bool,
    /// Bytes of a picture, about.
    pub(crate) large: usize,
}

impl Made {
    pub(crate) fn new(name: &'static str, begun: u64, pictures: u32) -> Self {
        Self {
            name,
            begun,
            pictures,
            group: 8,
            entry: boxed(b"avc1", &[b"one"]),
            silent: false,
            large: 20,
        }
    }

    pub(crate) fn begun(&self) -> Wall {
        Wall::from_secs(self.begun)
    }

    /// The bytes of a picture tell which it is.
    fn picture(&self, n: u32) -> Vec<u8> {
        let mut bytes = format!("{} picture {n}", self.name).into_bytes();
        bytes.resize(self.large.max(bytes.len()) + n as usize % 7, b'.');
        bytes
    }

    fn sound(&self, n: u32) -> Vec<u8> {
        format!("{} sound {n}", self.name).into_bytes()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = moov(&self.entry, Some(self.begun()), self.silent);
        for from in (0..self.pictures).step_by(5) {
            let until = (from + 5).min(self.pictures);
            let pictures: Vec<_> = (from..until).map(|n| self.picture(n)).collect();
            let sounds = (from * 2..until * 2).filter(|_| !self.silent);
            let sounds: Vec<_> = sounds.map(|n| self.sound(n)).collect();
            let build = |base: usize| {
                let rows: Vec<u32> = (from..until)
                    .zip(&pictures)
                    .flat_map(|(n, bytes)| {
                        let flags = if n % self.group == 0 { 0 } else { 0x0001_0000 };
                        [PICTURES / 10, number(bytes.len()), flags]
                    })
                    .collect();
                let all: usize = pictures.iter().map(Vec::len).sum();
                let one = traf(1, from * PICTURES / 10, 0x701, base, &rows, pictures.len());
                let rows: Vec<u32> = sounds
                    .iter()
                    .flat_map(|bytes| [SOUND / 20, number(bytes.len())])
                    .collect();
                let mfhd = boxed(b"mfhd", &[&words(&[0, from])]);
                if self.silent {
                    return boxed(b"moof", &[&mfhd, &one]);
                }
                let two = traf(2, from * SOUND / 10, 0x301, base + all, &rows, sounds.len());
                boxed(b"moof", &[&mfhd, &one, &two])
            };
            let moof = build(build(0).len() + 8);
            file.extend(moof);
            file.extend(boxed(b"mdat", &[&pictures.concat(), &sounds.concat()]));
        }
        file
    }

    fn plain(&self) -> Vec<u8> {
        let bytes = self.bytes();
        let plan = plain::Plan::of(&mut Cursor::new(&bytes)).unwrap().unwrap();
        let mut made = plan.head;
        for span in plan.spans {
            let at = place(span.at);
            made.extend(&bytes[at..at + place(span.length)]);
        }
        made
    }
}

fn traf(id: u32, time: u32, flags: u32, offset: usize, rows: &[u32], count: usize) -> Vec<u8> {
    let tfhd = boxed(b"tfhd", &[&words(&[0x0002_0000, id])]);
    let tfdt = boxed(b"tfdt", &[&words(&[0x0100_0000, 0, time])]);
    let begin = [flags, number(count), number(offset)];
    let trun = boxed(b"trun", &[&words(&begin), &words(rows)]);
    boxed(b"traf", &[&tfhd, &tfdt, &trun])
}

fn stretch(from_ms: u64, until_ms: u64) -> Stretch {
    let at = |ms: u64| Wall::from_nanos((T0 * 1000 + ms) * 1_000_000);
    Stretch::new(at(from_ms), at(until_ms)).unwrap()
}

fn stem(name: &str) -> Stem {
    name.parse().unwrap()
}

fn joined(stretch: Stretch, files: &[(&Made, Vec<u8>)]) -> Result<Plan, Refusal> {
    let mut joiner = Joiner::new(stretch);
    for (made, bytes) in files {
        let begun = made.begun();
        joiner
            .take(&stem(made.name), begun, &mut Cursor::new(bytes))
            .unwrap();
    }
    joiner.finish()
}

/// All bytes, read slice by slice from `at` on.
fn read(plan: &Plan, files: &[(&Made, Vec<u8>)], mut at: u64, most: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while out.len() < most {
        let before = out.len();
        match plan.slice(at) {
            None => break,
            Some(Slice::Made(bytes)) => out.write_all(bytes).unwrap(),
            Some(Slice::Of { part, from, length }) => {
                let name = plan.parts[part].stem.as_str();
                let (_, bytes) = files.iter().find(|(m, _)| m.name == name).unwrap();
                out.extend(&bytes[place(from)..place(from + length)]);
            }
        }
        out.truncate(most);
        at += (out.len() - before) as u64;
    }
    out
}

/// What a player sees: of each track, when each sample begins, in ms, how long it lasts, its text, whether it is a sync
/// sample.
fn played(bytes: &[u8]) -> Vec<Vec<(u64, u64, String, bool)>> {
    struct Seen<'a> {
        bytes: &'a [u8],
        scales: Vec<u32>,
        all: Vec<Vec<(u64, u64, String, bool)>>,
    }
    impl gather::Sink for Seen<'_> {
        fn show(&mut self, found: plain::fragment::Found) -> std::io::Result<()> {
            let scale = u64::from(self.scales[found.track]);
            let text = &self.bytes[place(found.at)..][..found.sample.size as usize];
            let text = String::from_utf8_lossy(text)
                .trim_end_matches('.')
                .to_owned();
            let lasts = u64::from(found.sample.duration) * 1000 / scale;
            let begins = found.time * 1000 / scale;
            self.all[found.track].push((begins, lasts, text, found.sample.sync));
            Ok(())
        }
        fn has_enough(&self) -> bool {
            false
        }
    }
    let source = source::Source::open(&mut Cursor::new(bytes)).unwrap();
    assert!(!source.fragmented);
    let mut seen = Seen {
        bytes,
        scales: source.tracks.iter().map(|t| t.scale).collect(),
        all: vec![Vec::new(); source.tracks.len()],
    };
    table::walk(&source, &mut seen).unwrap();
    seen.all
}

#[test]
fn a_stretch_within_one_recording_begins_at_the_picture_that_needs_no_other() {
    let one = Made::new("one", T0, 40);
    let files = [(&one, one.bytes())];
    let plan = joined(stretch(1000, 2050), &files).unwrap();
    let whole = read(&plan, &files, 0, usize::MAX);
    assert_eq!(whole.len() as u64, plan.size());
    let [pictures, sounds] = &played(&whole)[..] else {
        panic!("two tracks")
    };
    // Sync samples are 0, 8, 16 …; 1.0 s is picture 10.
    assert_eq!(pictures[0], (0, 100, "one picture 8".to_owned(), true));
    assert_eq!(pictures.last().unwrap().2, "one picture 20");
    assert_eq!(pictures.len(), 13);
    assert_eq!(sounds[0], (0, 50, "one sound 16".to_owned(), true));
    assert_eq!(sounds.len(), 25);
    let at = |ms| Wall::from_nanos((T0 * 1000 + ms) * 1_000_000);
    assert_eq!((plan.begin(), plan.end()), (at(800), at(2100)));
    assert!(plan.complete && plan.damaged.is_empty());
}

#[test]
fn time_is_true_over_a_hole_and_both_kinds_of_recordings_are_taken() {
    let one = Made::new("one", T0, 23);
    // A hole of 2.7 s.
    let two = Made::new("two", T0 + 5, 30);
    for files in [
        [(&one, one.bytes()), (&two, two.bytes())],
        [(&one, one.plain()), (&two, two.bytes())],
        [(&one, one.bytes()), (&two, two.plain())],
    ] {
        let plan = joined(stretch(0, 6000), &files).unwrap();
        let [pictures, sounds] = &played(&read(&plan, &files, 0, usize::MAX))[..] else {
            panic!("two tracks")
        };
        assert_eq!(
            pictures[22],
            (2200, 2800, "one picture 22".to_owned(), false)
        );
        assert_eq!(pictures[23], (5000, 100, "two picture 0".to_owned(), true));
        assert_eq!(pictures.last().unwrap().0, 5900);
        assert_eq!(sounds[46].0, 5000);
        let holes: Vec<_> = plan.holes().collect();
        assert_eq!(holes[0].1, Duration::from_millis(2700));
        assert_eq!((holes.len(), plan.parts.len()), (1, 2));
    }
}

#[test]
fn a_stretch_that_begins_in_a_hole_begins_with_the_next_recording() {
    let one = Made::new("one", T0, 23);
    let two = Made::new("two", T0 + 5, 30);
    let files = [(&one, one.bytes()), (&two, two.bytes())];
    let plan = joined(stretch(3000, 60_000), &files).unwrap();
    assert_eq!(plan.begin(), Wall::from_secs(T0 + 5));
    assert_eq!(plan.parts.len(), 1);
    assert!(!plan.complete, "what is written from now on belongs to it");
    assert_eq!(joined(stretch(2400, 4900), &files), Err(Refusal::Nothing));
    assert_eq!(
        joined(stretch(60_000, 61_000), &files),
        Err(Refusal::Nothing)
    );
}

#[test]
fn recordings_whose_times_touch_follow_each_other_and_a_second_copy_is_left_out() {
    let one = Made::new("one", T0, 35);
    // Seems to begin half a second before the first has ended.
    let two = Made::new("two", T0 + 3, 20);
    let copy = Made {
        name: "copy",
        ..two.clone()
    };
    let files = [
        (&one, one.bytes()),
        (&two, two.bytes()),
        (&copy, copy.bytes()),
    ];
    let plan = joined(stretch(0, 60_000), &files).unwrap();
    let names: Vec<_> = plan.parts.iter().map(|p| p.stem.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    let tracks = played(&read(&plan, &files, 0, usize::MAX));
    let times: Vec<u64> = tracks[0].iter().map(|p| p.0).collect();
    assert!(times.windows(2).all(|two| two[0] < two[1]));
    assert_eq!(times[35], 3500);
}

#[test]
fn no_picture_is_missing_where_two_recordings_have_some_of_the_same() {
    let silent = |made: Made| Made {
        silent: true,
        ..made
    };
    // The second goes on before the first has ended; its last picture before that which needs no other comes `change`
    // pictures after the beginning of all.
    for (pictures, begun, change) in [(57, 2, 52), (37, 3, 30), (44, 3, 38)] {
        let one = silent(Made::new("one", T0, pictures));
        let two = silent(Made::new("two", T0 + begun, 80));
        // Lies wholly in the second.
        let three = silent(Made::new("three", T0 + 4, 20));
        for files in [
            [
                (&one, one.bytes()),
                (&two, two.bytes()),
                (&three, three.bytes()),
            ],
            [
                (&one, one.plain()),
                (&two, two.plain()),
                (&three, three.plain()),
            ],
        ] {
            let plan = joined(stretch(0, 60_000), &files).unwrap();
            let names: Vec<_> = plan.parts.iter().map(|p| p.stem.as_str()).collect();
            assert_eq!(names, ["one", "two"]);
            let tracks = played(&read(&plan, &files, 0, usize::MAX));
            let [seen] = &tracks[..] else {
                panic!("one track")
            };
            let begins: Vec<u64> = seen.iter().map(|p| p.0).collect();
            let last = begun * 10 + 80;
            assert_eq!(begins, (0..last).map(|n| n * 100).collect::<Vec<_>>());
            let first = change - place(begun) * 10;
            assert_eq!(seen[change - 1].2, format!("one picture {}", change - 1));
            assert_eq!(
                (&seen[change].2, seen[change].3),
                (&format!("two picture {first}"), true)
            );
            assert_eq!(plan.parts[0].end, plan.parts[1].begin);
        }
    }
}

#[test]
fn another_size_is_a_further_description_and_another_codec_is_refused_with_the_moment() {
    let one = Made::new("one", T0, 20);
    let other = |entry: &[u8; 4]| Made {
        entry: boxed(entry, &[b"other"]),
        ..Made::new("two", T0 + 2, 20)
    };
    let two = other(b"avc1");
    let files = [(&one, one.bytes()), (&two, two.bytes())];
    let plan = joined(stretch(0, 4000), &files).unwrap();
    let whole = read(&plan, &files, 0, usize::MAX);
    let source = source::Source::open(&mut Cursor::new(&whole)).unwrap();
    assert_eq!(
        source.tracks[0].entries,
        [one.entry.clone(), two.entry.clone()]
    );
    let stbl = [b"mdia", b"minf", b"stbl", b"stsc"];
    let stsc = stbl.iter().fold(&source.tracks[0].trak[..], |b, kind| {
        inside(b, kind).unwrap()
    });
    let last = stsc.len() - 4;
    assert_eq!((u32_at(stsc, 16), u32_at(stsc, last)), (Some(1), Some(2)));
    let two = other(b"hvc1");
    assert_eq!(
        joined(
            stretch(0, 4000),
            &[(&one, one.bytes()), (&two, two.bytes())]
        ),
        Err(Refusal::Changed {
            at: Wall::from_secs(T0 + 2),
            from: "avc1".to_owned(),
            to: "hvc1".to_owned(),
        })
    );
}

#[test]
fn a_growing_recording_is_taken_to_its_last_whole_fragment_and_stays_the_same_before() {
    let one = Made::new("one", T0, 100);
    let whole = one.bytes();
    let torn = |length: usize| [(&one, whole[..length].to_vec())];
    let early = joined(stretch(1000, 3000), &torn(whole.len() / 2)).unwrap();
    let late = joined(stretch(1000, 3000), &torn(whole.len())).unwrap();
    assert_eq!(early, late);
    assert!(early.complete);
    let open = joined(stretch(1000, 30_000), &torn(whole.len() - 3)).unwrap();
    assert!(!open.complete);
    assert_eq!(open.end(), Wall::from_nanos((T0 * 10 + 95) * 100_000_000));
}

#[test]
fn the_middle_of_a_large_recording_is_found_without_reading_what_comes_before() {
    let one = Made {
        large: 40_000,
        group: 35,
        ..Made::new("one", T0, 2000)
    };
    let mut bytes = one.bytes();
    let all = joined(stretch(150_000, 151_000), &[(&one, bytes.clone())]).unwrap();
    // Whoever came by here would stumble.
    let from = bytes.len() / 8;
    let until = bytes.len() / 2;
    bytes[from..until].fill(0);
    let found = joined(stretch(150_000, 151_000), &[(&one, bytes)]).unwrap();
    assert_eq!(found, all);
    assert_eq!(
        found.begin(),
        Wall::from_secs(T0) + Duration::from_millis(147_000)
    );
}

#[test]
fn what_is_damaged_is_told_and_hides_nothing() {
    let one = Made::new("one", T0, 20);
    let bad = Made::new("bad", T0 + 3, 20);
    let two = Made::new("two", T0 + 6, 20);
    let files = [
        (&one, one.bytes()),
        (&bad, b"this is no recording".to_vec()),
        (&two, two.bytes()),
    ];
    let plan = joined(stretch(0, 8000), &files).unwrap();
    assert_eq!(plan.damaged, [stem("bad")]);
    assert_eq!(plan.parts.len(), 2);
}

#[test]
fn moments_are_read_with_any_offset() {
    let at = Some(Wall::from_nanos(1_800_000_000_250_000_000));
    for text in ["2027-01-15T08:00:00.250Z", "2027-01-15T10:00:00.25+02:00"] {
        assert_eq!(moment(text), at, "{text}");
    }
    for text in [
        "",
        "now",
        "2027-01-15",
        "1969-12-31T23:59:59Z",
        "2027-02-30T00:00:00Z",
    ] {
        assert_eq!(moment(text), None, "{text}");
    }
    let day = |h: u64| Wall::from_secs(h * 3600);
    assert_eq!(Stretch::new(day(1), day(1)), Err(NoStretch::Backwards));
    assert_eq!(Stretch::new(day(1), day(14)), Err(NoStretch::TooLong));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_range_of_bytes_is_that_range_of_the_whole(
        from in 0_u64..4000,
        lasts in 1_u64..9000,
        at in 0_usize..20_000,
        most in 0_usize..5000,
    ) {
        let (one, two) = (Made::new("one", T0, 33), Made::new("two", T0 + 4, 41));
        let files = [(&one, one.bytes()), (&two, two.plain())];
        let plan = joined(stretch(from, from + lasts), &files);
        prop_assume!(plan.is_ok());
        let plan = plan.unwrap();
        let whole = read(&plan, &files, 0, usize::MAX);
        prop_assert_eq!(whole.len() as u64, plan.size());
        let at = at % (whole.len() + 10);
        let expected = whole.get(at..).unwrap_or_default();
        let expected = &expected[..most.min(expected.len())];
        prop_assert_eq!(read(&plan, &files, at as u64, most), expected);
    }

    #[test]
    fn damaged_recordings_end_the_reading_and_nothing_else(
        plain in any::<bool>(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        head in any::<bool>(),
    ) {
        let one = Made::new("one", T0, 33);
        let mut bytes = if plain { one.plain() } else { one.bytes() };
        let within = if head { bytes.len().min(1400) } else { bytes.len() };
        for (at, byte) in hits {
            bytes[at.index(within)] = byte;
        }
        bytes.truncate(bytes.len() - cut.index(bytes.len()) / 8);
        let files = [(&one, bytes)];
        if let Ok(plan) = joined(stretch(500, 2500), &files) {
            // Whatever it is made of lies within the file.
            let whole = read(&plan, &files, 0, usize::MAX);
            prop_assert_eq!(whole.len() as u64, plan.size());
            prop_assert_eq!(boxes(&whole).next().map(|b| b.0), Some(*b"ftyp"));
        }
    }
}
