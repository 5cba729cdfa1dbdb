//! Kernel events from netlink: only what names a video node of a camera passes.

use camera_service::camera::uevent::parse;

pub(crate) fn run(data: &[u8]) {
    let Some(event) = parse(data) else { return };
    assert!(event.id.number() <= 9999);
    // Whoever passes said so in a field of its own, and named the node.
    let mut fields = data.split(|byte| *byte == 0).skip(1);
    assert!(fields.any(|field| field == b"SUBSYSTEM=video4linux"));
    let node = format!("video{}", event.id.number());
    assert!(contains(data, node.as_bytes()), "{event:?}");
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
