//! The publisher's RTSP session: what MediaMTX answers, or whoever sits on its port.

use camera_service::stream::rtsp::{Client, Event, MAX_REPLY};
use rtsp_types::{Message, Url};

use crate::input::{Input, pieces};

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let count = usize::from(input.byte() % 8);
    let cuts = input.bytes(count);
    let answers = input.rest();
    let whole = converse([answers].into_iter());
    let cut = converse(pieces(answers, cuts));
    // Nonsense in a header is noticed as soon as its line seems to be over; were the next line a part of it, later.
    if matches!(cut.1, Some(Event::Broken(_))) && !matches!(whole.1, Some(Event::Broken(_))) {
        return;
    }
    assert_eq!(
        whole, cut,
        "how the bytes were cut changed what came of them"
    );
}

/// What was sent, and the last that was heard.
fn converse<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Option<Event>) {
    let url = Url::parse("rtsp://127.0.0.1:8554/camera0").unwrap();
    let mut client = Client::new(url, "camera-service", "geheim", b"v=0\r\n".to_vec());
    let mut sent = Vec::new();
    let mut last = None;
    for piece in pieces {
        sent.extend(client.poll_output().unwrap_or_default());
        last = client.handle_bytes(piece).or(last);
        assert!(client.held() < MAX_REPLY);
    }
    client.teardown();
    sent.extend(client.poll_output().unwrap_or_default());
    assert!(client.poll_output().is_none());
    if let Some(Event::Refused { reason, .. } | Event::Broken(reason)) = &last {
        assert!(reason.len() <= 16 << 10);
    }
    // Whole requests only, and no more than the four there are.
    let mut rest = sent.as_slice();
    let mut requests = 0;
    while !rest.is_empty() {
        let (message, used) = Message::<Vec<u8>>::parse(rest).unwrap();
        assert!(matches!(message, Message::Request(_)));
        rest = &rest[used..];
        requests += 1;
    }
    assert!(requests <= 4, "{requests} requests");
    (sent, last)
}
