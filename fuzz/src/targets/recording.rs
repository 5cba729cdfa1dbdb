//! Recordings as they lie on the disk after a power cut: how long they play, the plain file made of them, and stretches of
//! time of them.

use std::io::Cursor;

use camera_service::clock::Wall;
use camera_service::recording::fmp4::{Memory, read, read_on};
use camera_service::recording::plain::Plan;
use camera_service::recording::range::{Joiner, Slice, Stretch};

use crate::input::Input;

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let cut = usize::try_from(input.number::<2>()).unwrap();
    let file = input.rest();
    let length = file.len() as u64;
    let told = read(&mut Cursor::new(file));
    if let Ok(told) = &told {
        assert!(told.whole <= length);
        assert!(!told.closed || told.whole == length);
    }
    // A file that grows is read on from where it was whole, never back.
    let mut memory = Memory::default();
    let early = read_on(&mut Cursor::new(&file[..cut.min(file.len())]), &mut memory);
    if let Ok(early) = early
        && let Ok(grown) = read_on(&mut Cursor::new(file), &mut memory)
    {
        assert!(early.closed || grown.whole >= early.whole);
        assert!(grown.whole <= length);
    }

    stretch(file, u64::try_from(cut).unwrap());

    let Ok(Some(plan)) = Plan::of(&mut Cursor::new(file)) else {
        return;
    };
    assert_eq!(plan.length, length);
    // Each sample has its bytes in the tables; the tables are no bomb.
    assert!(
        plan.head.len() <= 64 * file.len() + 1024,
        "{}",
        plan.head.len()
    );
    let mut plain = plan.head;
    for span in plan.spans {
        assert!(span.at + span.length <= length);
        let from = usize::try_from(span.at).unwrap();
        plain.extend(&file[from..from + usize::try_from(span.length).unwrap()]);
    }
    // What was made is a plain file: there is nothing more to make of it.
    assert!(matches!(Plan::of(&mut Cursor::new(&plain)), Ok(None)));
    let told = read(&mut Cursor::new(&plain)).unwrap();
    assert!(told.whole <= plain.len() as u64);
}

/// Two of the same after each other, from the `from`th millisecond on.
fn stretch(file: &[u8], from: u64) {
    let begun = Wall::from_secs(1_800_000_000);
    let start = Wall::from_nanos(begun.as_nanos() + from * 1_000_000);
    let end = Wall::from_secs(begun.as_secs() + 3600);
    let mut joiner = Joiner::new(Stretch::new(start, end).unwrap());
    for (name, begun) in [("a", begun), ("b", Wall::from_secs(begun.as_secs() + 100))] {
        joiner
            .take(&name.parse().unwrap(), begun, &mut Cursor::new(file))
            .unwrap();
    }
    let Ok(plan) = joiner.finish() else {
        return;
    };
    assert!(plan.head().len() <= 256 * file.len() + 4096);
    // It can be read from its beginning to its end, and all of it lies within the recordings.
    let mut at = 0;
    while let Some(slice) = plan.slice(at) {
        at += match slice {
            Slice::Made(bytes) => bytes.len() as u64,
            Slice::Of { from, length, .. } => {
                assert!(length > 0 && from + length <= file.len() as u64);
                length
            }
        };
    }
    assert_eq!(at, plan.size());
}
