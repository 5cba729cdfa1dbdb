//! Files as MediaMTX, ours and others write them, and what becomes of them.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::recording::fmp4::tests::{boxed, fragment, words};

/// `ftyp` and `moov` of one track of pictures at 90 kHz, 1280 × 720; `millis` in `mvhd`.
pub(crate) fn video_head(millis: u32) -> Vec<u8> {
    movie(
        millis,
        &[0, 0],
        &boxed(b"mvex", &[&boxed(b"trex", &[&words(&[0, 1, 1, 0, 0, 0])])]),
    )
}

fn movie(millis: u32, stts: &[u32], behind: &[u8]) -> Vec<u8> {
    let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, millis]), &[0; 80]]);
    let tkhd = boxed(b"tkhd", &[&words(&[3, 0, 0, 1, 0, 0]), &[0; 60]]);
    let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 90_000, 0, 0])]);
    let hdlr = boxed(b"hdlr", &[&words(&[0, 0]), b"vide", &[0; 13]]);
    let avcc = boxed(b"avcC", &[&[1, 0x64, 0, 0x1f, 255]]);
    let sides = [5, 0, 2, 208];
    let avc1 = boxed(b"avc1", &[&[0; 24], &sides, &[0; 50], &avcc]);
    let stsd = boxed(b"stsd", &[&words(&[0, 1]), &avc1]);
    let stts = boxed(b"stts", &[&words(stts)]);
    let stbl = boxed(b"stbl", &[&stsd, &stts]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &boxed(b"minf", &[&stbl])]);
    let trak = boxed(b"trak", &[&tkhd, &mdia]);
    let moov = boxed(b"moov", &[&mvhd, &trak, behind]);
    [boxed(b"ftyp", &[b"isom"]), moov].concat()
}

/// A closed recording of so many seconds at 30 pictures per second.
pub(crate) fn recording(seconds: u32) -> Vec<u8> {
    let mut file = video_head(seconds * 1000);
    for second in 0..seconds {
        file.extend(fragment(second * 90_000, &[3000; 30]));
    }
    file
}

fn facts(bytes: &[u8]) -> Facts {
    examine(&mut Cursor::new(bytes)).unwrap()
}

const fn gap(at: u64, length: u64) -> Gap {
    Gap {
        at: Duration::from_millis(at),
        length: Duration::from_millis(length),
    }
}

#[test]
fn a_finished_recording_tells_all_of_itself() {
    let file = recording(3);
    let expected = Facts {
        duration: Duration::from_secs(3),
        codec: Some("avc1.64001f".to_owned()),
        size: Some(Size::new(1280, 720)),
        gaps: Vec::new(),
        closed: true,
        torn: false,
        unplayable: false,
        whole: file.len() as u64,
        begun: None,
    };
    assert_eq!(facts(&file), expected);
}

#[test]
fn mediamtx_own_box_tells_when_the_first_picture_was_taken() {
    let nanos = 1_790_000_000_123_456_789_u64;
    let [high, low] = [nanos >> 32, nanos & 0xFFFF_FFFF].map(|n| u32::try_from(n).unwrap());
    let with = |high, low| {
        let mtxi = words(&[0, 1, 2, 3, 4, 0, 0, 0, 0, high, low]);
        let udta = boxed(b"udta", &[&boxed(b"mtxi", &[&mtxi])]);
        let mut file = recording(3);
        let moov = file.windows(4).position(|w| w == b"moov").unwrap() - 4;
        let size = u32::from_be_bytes(file[moov..moov + 4].try_into().unwrap());
        let end = moov + size as usize;
        let longer = size + u32::try_from(udta.len()).unwrap();
        file[moov..moov + 4].copy_from_slice(&longer.to_be_bytes());
        file.splice(end..end, udta);
        facts(&file)
    };
    assert_eq!(with(high, low).begun, Some(Wall::from_nanos(nanos)));
    assert_eq!(with(high | 1 << 31, low).begun, None, "before 1970");
    assert_eq!(with(0, 0).begun, None);
}

#[test]
fn a_hole_is_found_where_the_writer_stretched_a_picture_and_where_it_left_one_out() {
    let stretched = [video_head(7000), fragment(0, &[9000, 9000, 360_000, 9000])].concat();
    assert_eq!(facts(&stretched).gaps, [gap(200, 4000)]);
    let left_out = [
        video_head(9000),
        fragment(0, &[3000; 30]),
        fragment(720_000, &[3000; 30]),
    ]
    .concat();
    assert_eq!(facts(&left_out).gaps, [gap(1000, 7000)]);
}

#[test]
fn a_camera_with_a_picture_every_five_seconds_has_no_holes_but_the_one() {
    let slow = [video_head(0), fragment(0, &[450_000; 8])].concat();
    assert_eq!(facts(&slow).gaps, []);
    let hole = [
        video_head(0),
        fragment(0, &[450_000, 450_000, 4_500_000, 450_000, 450_000]),
    ];
    // Of five pictures the mean is 12.6 s: fifty seconds are longer than three of them.
    assert_eq!(facts(&hole.concat()).gaps, [gap(10_000, 50_000)]);
}

#[test]
fn a_plain_file_tells_its_holes_too() {
    let table = [0, 3, 30, 3000, 1, 180_000, 30, 3000];
    let moov = movie(4000, &table, &[]);
    let whole = [moov.clone(), boxed(b"mdat", &[&[7; 61]])].concat();
    let told = facts(&whole);
    assert_eq!((told.gaps, told.torn), (vec![gap(1000, 2000)], false));
    assert_eq!(told.whole, whole.len() as u64);
    let torn = facts(&whole[..whole.len() - 9]);
    assert_eq!((torn.torn, torn.whole), (true, moov.len() as u64));
}

#[test]
fn wherever_a_file_was_torn_it_plays_to_its_last_whole_fragment_and_says_so() {
    let good = [video_head(0), fragment(0, &[3000; 30])].concat();
    let file = [good.clone(), fragment(90_000, &[3000; 30])].concat();
    for torn in good.len() + 1..file.len() {
        let told = facts(&file[..torn]);
        assert_eq!(
            (told.duration, told.torn, told.closed, told.whole),
            (Duration::from_secs(1), true, false, good.len() as u64),
            "torn at {torn}"
        );
    }
    // A copy that was broken off: its head still tells the whole.
    let closed = recording(2);
    let told = facts(&closed[..closed.len() - 1]);
    assert_eq!((told.duration, told.torn), (Duration::from_secs(1), true));
}

#[test]
fn what_is_no_recording_and_what_holds_no_picture_is_unplayable() {
    for bad in [
        &b""[..],
        b"hello, this is no video at all",
        &fragment(0, &[1]),
        &video_head(0),
    ] {
        assert!(facts(bad).unplayable);
    }
}

#[test]
fn a_long_recording_is_read_by_its_heads_alone() {
    /// Counts what is read.
    struct Counted(Cursor<Vec<u8>>, u64);
    impl Read for Counted {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(out)?;
            self.1 += read as u64;
            Ok(read)
        }
    }
    impl Seek for Counted {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    let mut file = video_head(60_000);
    for second in 0..60 {
        let mut part = fragment(second * 90_000, &[3000; 30]);
        part.truncate(part.len() - 38);
        file.extend([part, boxed(b"mdat", &[&vec![7; 500_000]])].concat());
    }
    let length = file.len() as u64;
    let mut counted = Counted(Cursor::new(file), 0);
    assert_eq!(examine(&mut counted).unwrap().whole, length);
    assert!(counted.1 < length / 50, "{} of {length}", counted.1);
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic_or_claim_more_than_there_is(
        changes in prop::collection::vec((0_usize..4000, any::<u8>()), 1..4),
        cut in 0_usize..4000,
    ) {
        let mut file = recording(4);
        let length = file.len();
        for (at, byte) in changes {
            file[at % length] = byte;
        }
        file.truncate(cut.max(1));
        prop_assert!(facts(&file).whole <= file.len() as u64);
    }
}
