use std::io::{Cursor, ErrorKind};

use proptest::prelude::*;

use super::*;
use crate::recording::fmp4::{boxes, inside, u32_at, u64_at};

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let inner = parts.concat();
    let size = u32::try_from(inner.len() + 8).unwrap();
    [&size.to_be_bytes()[..], kind, &inner].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap()
}

fn trak(id: u32, scale: u32) -> Vec<u8> {
    let tkhd = boxed(b"tkhd", &[&words(&[3, 0, 0, id, 0, 0]), &[0; 60]]);
    let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, scale, 0, 0])]);
    let stsd = boxed(b"stsd", &[&words(&[0, 1]), &boxed(b"avc1", &[b"as it is"])]);
    let stts = boxed(b"stts", &[&words(&[0, 0])]);
    let minf = boxed(b"minf", &[&boxed(b"stbl", &[&stsd, &stts])]);
    boxed(b"trak", &[&tkhd, &boxed(b"mdia", &[&mdhd, &minf])])
}

/// Pictures at 90 kHz in track 1, sound at 48 kHz in track 2.
fn head() -> Vec<u8> {
    let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 0]), &[0; 80]]);
    let trex = |id| boxed(b"trex", &[&words(&[0, id, 1, 0, 0, 0])]);
    let mvex = boxed(b"mvex", &[&trex(1), &trex(2)]);
    let moov = boxed(b"moov", &[&mvhd, &trak(1, 90_000), &trak(2, 48_000), &mvex]);
    [boxed(b"ftyp", &[b"isom"]), moov].concat()
}

/// A sample: how long, its bytes, its shift, whether it is a sync sample.
type Row = (u32, Vec<u8>, i32, bool);

fn fragment(parts: &[(u32, u64, Vec<Row>)]) -> Vec<u8> {
    let build = |base: usize| {
        let mut offset = base;
        let trafs: Vec<Vec<u8>> = parts
            .iter()
            .map(|(id, begin, rows)| {
                let tfhd = boxed(b"tfhd", &[&words(&[0x0002_0000, *id])]);
                let tfdt = boxed(b"tfdt", &[&words(&[0x0100_0000]), &begin.to_be_bytes()]);
                let numbers: Vec<u32> = rows
                    .iter()
                    .flat_map(|(lasts, bytes, shift, sync)| {
                        let flags = if *sync { 0 } else { 0x0001_0000 };
                        [*lasts, number(bytes.len()), flags, shift.cast_unsigned()]
                    })
                    .collect();
                let begin = [0x0100_0f01, number(rows.len()), number(offset)];
                let trun = boxed(b"trun", &[&words(&begin), &words(&numbers)]);
                offset += rows.iter().map(|r| r.1.len()).sum::<usize>();
                boxed(b"traf", &[&tfhd, &tfdt, &trun])
            })
            .collect();
        boxed(b"moof", &[&trafs.concat()])
    };
    let moof = build(build(0).len() + 8);
    let data: Vec<u8> = parts
        .iter()
        .flat_map(|p| p.2.iter().flat_map(|row| row.1.clone()))
        .collect();
    [moof, boxed(b"mdat", &[&data])].concat()
}

fn plan(bytes: &[u8]) -> Result<Option<Plan>> {
    Plan::of(&mut Cursor::new(bytes))
}

/// The plain file.
fn made(bytes: &[u8]) -> Vec<u8> {
    let plan = plan(bytes).unwrap().unwrap();
    let mut out = plan.head;
    for span in plan.spans {
        let at = usize::try_from(span.at).unwrap();
        out.extend(&bytes[at..at + usize::try_from(span.length).unwrap()]);
    }
    out
}

fn stbl(file: &[u8], track: usize) -> Vec<u8> {
    let moov = inside(file, b"moov").unwrap();
    let (_, trak) = boxes(moov)
        .filter(|(k, _)| k == b"trak")
        .nth(track)
        .unwrap();
    let minf = inside(inside(trak, b"mdia").unwrap(), b"minf").unwrap();
    inside(minf, b"stbl").unwrap().to_vec()
}

/// The bytes of each sample, found by the tables alone.
fn samples(file: &[u8], track: usize) -> Vec<Vec<u8>> {
    let stbl = stbl(file, track);
    let (stsc, stsz) = (
        inside(&stbl, b"stsc").unwrap(),
        inside(&stbl, b"stsz").unwrap(),
    );
    let co64 = inside(&stbl, b"co64").unwrap();
    let mut found = Vec::new();
    for chunk in 0..u32_at(co64, 4).unwrap() {
        let rows = u32_at(stsc, 4).unwrap();
        let row = (0..rows)
            .rev()
            .find(|r| u32_at(stsc, 8 + 12 * *r as usize).unwrap() <= chunk + 1)
            .unwrap() as usize;
        let mut at = usize::try_from(u64_at(co64, 8 + 8 * chunk as usize).unwrap()).unwrap();
        for _ in 0..u32_at(stsc, 12 + 12 * row).unwrap() {
            let size = u32_at(stsz, 12 + 4 * found.len()).unwrap() as usize;
            found.push(file[at..at + size].to_vec());
            at += size;
        }
    }
    assert_eq!(u32_at(stsz, 8).unwrap() as usize, found.len());
    found
}

fn row(lasts: u32, bytes: &[u8], shift: i32, sync: bool) -> Row {
    (lasts, bytes.to_vec(), shift, sync)
}

/// Two fragments of two tracks; the sound begins 0.5 s late.
pub(crate) fn two() -> Vec<u8> {
    let first = fragment(&[
        (
            1,
            0,
            vec![
                row(3000, b"I0", 3000, true),
                row(3000, b"p1!", -1500, false),
            ],
        ),
        (2, 24_000, vec![row(1024, b"a", 0, true)]),
    ]);
    let second = fragment(&[
        (1, 9000, vec![row(4500, b"I2..", 0, true)]),
        (
            2,
            25_024,
            vec![row(1024, b"bb", 0, true), row(1024, b"ccc", 0, true)],
        ),
    ]);
    [head(), first, second].concat()
}

/// The same, closed by its writer.
pub(crate) fn closed() -> Vec<u8> {
    let mut file = two();
    let mvhd = file.windows(4).position(|w| w == b"mvhd").unwrap();
    file[mvhd + 20..mvhd + 24].copy_from_slice(&564_u32.to_be_bytes());
    file
}

#[test]
fn every_sample_is_found_where_the_tables_say() {
    let file = made(&two());
    assert_eq!(samples(&file, 0), [&b"I0"[..], b"p1!", b"I2.."]);
    assert_eq!(samples(&file, 1), [&b"a"[..], b"bb", b"ccc"]);
    let kinds: Vec<[u8; 4]> = boxes(&file).map(|(kind, _)| kind).collect();
    // The 64-bit length of mdat ends the walk.
    assert_eq!(kinds, [*b"ftyp", *b"moov"]);
    assert!(!file.windows(4).any(|w| w == b"moof" || w == b"mvex"));
}

#[test]
fn times_shifts_and_sync_samples_are_carried_over() {
    let file = made(&two());
    let pictures = stbl(&file, 0);
    let table = |kind| inside(&pictures, kind).map(<[u8]>::to_vec);
    // The hole before the second fragment lengthens the sample before it.
    let stts = words(&[0, 3, 1, 3000, 1, 6000, 1, 4500]);
    assert_eq!(table(b"stts"), Some(stts));
    let shifts = [1 << 24, 3, 1, 3000, 1, (-1500_i32).cast_unsigned(), 1, 0];
    assert_eq!(table(b"ctts"), Some(words(&shifts)));
    assert_eq!(table(b"stss"), Some(words(&[0, 2, 1, 3])));
    assert!(pictures.windows(8).any(|w| w == b"as it is"));
    let sound = stbl(&file, 1);
    assert_eq!(inside(&sound, b"stts"), Some(&words(&[0, 1, 3, 1024])[..]));
    assert_eq!(
        (inside(&sound, b"ctts"), inside(&sound, b"stss")),
        (None, None)
    );
}

#[test]
fn a_sound_that_begins_later_stays_in_step() {
    let file = made(&two());
    let moov = inside(&file, b"moov").unwrap();
    let traks: Vec<&[u8]> = boxes(moov)
        .filter(|(k, _)| k == b"trak")
        .map(|(_, b)| b)
        .collect();
    assert_eq!(inside(traks[0], b"edts"), None);
    let elst = inside(inside(traks[1], b"edts").unwrap(), b"elst").unwrap();
    assert_eq!(
        (u64_at(elst, 8), u64_at(elst, 16)),
        (Some(500), Some(u64::MAX))
    );
    assert_eq!((u64_at(elst, 28), u64_at(elst, 36)), (Some(64), Some(0)));
    // 564 ms of sound, 150 ms of pictures.
    assert_eq!(u32_at(inside(moov, b"mvhd").unwrap(), 16), Some(564));
}

#[test]
fn a_duration_beyond_32_bits_is_told_in_64() {
    let day = 24 * 3600 * 90_000_u64;
    let rows = || vec![row(3000, b"x", 0, true)];
    let file = [
        head(),
        fragment(&[(1, 0, rows())]),
        fragment(&[(1, day / 2, rows())]),
        fragment(&[(1, day - 3000, rows())]),
    ];
    let file = made(&file.concat());
    let moov = inside(&file, b"moov").unwrap();
    let mdia = inside(inside(moov, b"trak").unwrap(), b"mdia").unwrap();
    let mdhd = inside(mdia, b"mdhd").unwrap();
    assert_eq!(
        (mdhd[0], u32_at(mdhd, 20), u64_at(mdhd, 24)),
        (1, Some(90_000), Some(day))
    );
    let told = crate::recording::fmp4::read(&mut Cursor::new(&file)).unwrap();
    assert_eq!(told.duration.as_secs(), 24 * 3600);
    assert!(told.closed);
}

#[test]
fn a_plain_file_is_left_alone() {
    assert_eq!(plan(&made(&two())).unwrap(), None);
}

#[test]
fn what_was_torn_at_the_end_is_left_away_and_all_before_it_is_kept() {
    let whole = two();
    let torn = &whole[..whole.len() - 1];
    let file = made(torn);
    assert_eq!(samples(&file, 0), [&b"I0"[..], b"p1!"]);
}

#[test]
fn a_few_bytes_cannot_claim_millions_of_samples() {
    let tfhd = boxed(b"tfhd", &[&words(&[0x0002_0000, 1])]);
    let tfdt = boxed(b"tfdt", &[&words(&[0, 0])]);
    let trun = boxed(b"trun", &[&words(&[0, 20_000_000])]);
    let moof = boxed(b"moof", &[&boxed(b"traf", &[&tfhd, &tfdt, &trun])]);
    let file = [head(), moof, boxed(b"mdat", &[b"x"])].concat();
    let refused = plan(&file).unwrap_err();
    assert!(refused.to_string().contains("without a byte"), "{refused}");
}

#[test]
fn a_file_that_would_lose_something_is_refused() {
    let none = head();
    let mut twisted = two();
    twisted.extend(fragment(&[(1, 0, vec![row(1, b"x", 0, true)])]));
    let mut outside = two();
    let trun = outside.windows(4).position(|w| w == b"trun").unwrap();
    outside[trun + 12..trun + 16].copy_from_slice(&0x00ff_0000_u32.to_be_bytes());
    let mut stranger = two();
    stranger.extend(fragment(&[(7, 0, vec![row(1, b"x", 0, true)])]));
    // Closed by its writer, so that nothing can be torn: a tail that is not read is damage.
    let mut closed = closed();
    closed.pop();
    for bad in [
        &b""[..],
        b"no video at all",
        &none,
        &twisted,
        &outside,
        &stranger,
        &closed,
    ] {
        assert_eq!(plan(bad).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic_or_claim_bytes_that_are_not_there(
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6), cut in 0_usize..2000,
    ) {
        let mut file = two();
        let length = file.len();
        for (at, byte) in damage {
            file[at % length] = byte;
        }
        file.truncate(cut.max(1));
        if let Ok(Some(plan)) = plan(&file) {
            for span in plan.spans {
                prop_assert!(span.at + span.length <= file.len() as u64);
            }
        }
    }
}
