//! What an unknown RTSP server answers when streams are looked for.

use camera_service::external::probe::{LONGEST, Question, Said, answer, request};

use crate::input::{Input, text};

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let question = match input.byte() % 2 {
        0 => Question::Options,
        _ => Question::Describe,
    };
    let cut = usize::try_from(input.number::<2>()).unwrap();
    let bytes = input.rest();
    let whole = answer(question, 2, bytes);
    if let Ok(Some(Said::Stream(media))) = &whole {
        assert_eq!(question, Question::Describe);
        assert!(media.codec.is_ascii() && !media.codec.is_empty());
    }
    if let Err(why) = &whole {
        assert!(why.len() < 200, "{why}");
    }
    if bytes.len() >= LONGEST {
        assert_ne!(whole, Ok(None), "it would be held for ever");
    }
    // What was understood of the beginning is not understood otherwise when more comes.
    if let Ok(Some(early)) = answer(question, 2, &bytes[..cut.min(bytes.len())]) {
        assert_eq!(whole, Ok(Some(early)));
    }
    let path = format!("/{}", text(&bytes[..bytes.len().min(200)]));
    for peer in ["192.0.2.1:554", "[2001:db8::1]:554"] {
        if let Ok(bytes) = request(question, peer.parse().unwrap(), &path, 2) {
            let lines = bytes.windows(2).filter(|two| two == b"\r\n").count();
            assert_eq!(lines, 5, "a path made a header of its own");
        }
    }
}
