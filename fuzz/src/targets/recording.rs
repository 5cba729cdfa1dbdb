//! Recordings as they lie on the disk after a power cut: how long they play, and the plain file made of them.

use std::io::Cursor;

use camera_service::recording::fmp4::{Memory, read, read_on};
use camera_service::recording::plain::Plan;

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
