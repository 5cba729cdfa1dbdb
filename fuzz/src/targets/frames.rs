//! Where WebSocket frames begin and end, however the bytes are cut.

use camera_service::http::ws::frames::Frames;

use crate::input::{Input, pieces};

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let count = usize::from(input.byte() % 8);
    let cuts = input.bytes(count);
    let stream = input.rest();

    let mut whole = Frames::default();
    whole.feed(stream);
    let mut cut = Frames::default();
    for piece in pieces(stream, cuts) {
        cut.feed(piece);
        assert!(cut.to_next_end() > 0);
    }
    assert_eq!(cut.is_large(), whole.is_large());
    assert_eq!(cut.is_fragmented(), whole.is_fragmented());
    assert_eq!(cut.to_next_end(), whole.to_next_end());

    // Whoever reads only as far as he is told never reads beyond a frame.
    let mut careful = Frames::default();
    let mut rest = stream;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(careful.to_next_end().min(rest.len()));
        careful.feed(now);
        rest = later;
    }
    assert_eq!(careful.to_next_end(), whole.to_next_end());
    careful.renewed();
    assert!(!careful.is_large());
}
