//! Addresses of streams of somebody else: what is secret in them is never shown.

use camera_service::external::url::{LONGEST, StreamUrl};

use crate::input::{Input, text};

const SECRET: &str = "geheim";

pub(crate) fn run(data: &[u8]) {
    let plain = text(data);
    if let Ok(url) = StreamUrl::parse(&plain) {
        assert!(plain.len() <= LONGEST);
        assert_eq!(url.full(), plain);
        assert_eq!(StreamUrl::parse(url.full()).as_ref(), Ok(&url));
        // What is shown is an address, too, and showing it again changes nothing.
        let shown = url.shown();
        let again = StreamUrl::parse(&shown).unwrap();
        assert_eq!(again.shown(), shown);
        assert_eq!(again.identity(), url.identity());
        assert_eq!(format!("{url:?}"), shown);
        assert!(
            !shown
                .split(['/', '?'])
                .nth(2)
                .unwrap_or_default()
                .contains('@')
        );
    } else if let Err(why) = StreamUrl::parse(&plain) {
        assert!(why.len() < 200 && !why.contains(SECRET));
    }

    // Put together from parts, so that it is known what is secret.
    let mut input = Input::new(data);
    let part = |bytes: &[u8]| -> String {
        let word = text(bytes);
        word.chars()
            .filter(|c| !"/?@&;".contains(*c))
            .take(40)
            .collect()
    };
    let user = part(input.line());
    let host = part(input.line());
    let rest = text(input.rest());
    if [user.as_str(), &host, &rest]
        .iter()
        .any(|part| part.to_lowercase().contains(SECRET))
    {
        return;
    }
    let secret = format!("rtsp://{user}:{SECRET}@{host}/{rest}");
    let asked = format!("rtsp://{host}/a?{user}password={SECRET}&b={rest}");
    for text in [secret, asked] {
        if let Ok(url) = StreamUrl::parse(&text) {
            for shown in [url.shown(), url.identity(), url.path(), format!("{url:?}")] {
                assert!(!shown.contains(SECRET), "{shown}");
            }
        }
    }
}
