//! The list of added streams, and the form in which it is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::url::StreamUrl;
use super::{Kind, Refusal, Seen, Stream};
use crate::camera::CameraId;
use crate::clock::Wall;
use crate::mediamtx::paths::{camera_of_second, is_name};

/// Streams in the list at most: each is a connection and a decoder's worth of traffic for the box.
pub const MOST: usize = 64;

/// What names of paths that clients publish to begin with; a stream that is pulled would shut them out.
const LIVE: &str = "live-";

/// Whether a stream may have this name: `^[a-z0-9_-]{1,64}$`, not that of a camera or of something live, nor one
/// that MediaMTX takes for "every path".
#[must_use]
pub fn is_free_name(name: &str) -> bool {
    is_name(name)
        && name.parse::<CameraId>().is_err()
        && camera_of_second(name).is_none()
        && !name.starts_with(LIVE)
        && !matches!(name, "all" | "all_others")
}

/// The list. [`super::io`] keeps it in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    streams: BTreeMap<String, Stream>,
}

/// The file. Written whole, with mode 0600: addresses hold passwords.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    version: u32,
    streams: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    url: String,
    #[serde(rename = "type")]
    kind: String,
    /// Seconds since the Unix epoch.
    added: u64,
}

/// The form of the file that is written and read.
const VERSION: u32 = 1;

impl Book {
    /// All streams in order of names.
    pub fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.streams.values()
    }

    /// One stream.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Stream> {
        self.streams.get(name)
    }

    /// Adds one. The caller has checked the name with [`is_free_name`].
    ///
    /// # Errors
    /// [`Refusal`]; the list is as it was then.
    pub fn add(
        &mut self,
        name: &str,
        url: StreamUrl,
        kind: Kind,
        now: Wall,
    ) -> Result<Stream, Refusal> {
        if self.streams.contains_key(name) {
            return Err(Refusal::Name);
        }
        if let Some(taken) = self.with_url(&url) {
            return Err(Refusal::Url(taken.name.clone()));
        }
        if self.streams.len() >= MOST {
            return Err(Refusal::Full(MOST));
        }
        let stream = Stream {
            name: name.to_owned(),
            url,
            kind,
            // Whole seconds, as the file has it.
            added: Wall::from_secs(now.as_secs()),
            seen: Seen {
                ready: false,
                since: now,
                last: None,
            },
        };
        self.streams.insert(name.to_owned(), stream.clone());
        Ok(stream)
    }

    /// Removes the one with this address.
    pub fn remove(&mut self, url: &StreamUrl) -> Option<Stream> {
        let name = self.with_url(url)?.name.clone();
        self.streams.remove(&name)
    }

    fn with_url(&self, url: &StreamUrl) -> Option<&Stream> {
        let identity = url.identity();
        self.streams.values().find(|s| s.url.identity() == identity)
    }

    /// Notes which streams MediaMTX gets now.
    pub fn saw(&mut self, is_ready: impl Fn(&str) -> bool, now: Wall) {
        for stream in self.streams.values_mut() {
            let ready = is_ready(&stream.name);
            if ready != stream.seen.ready {
                stream.seen.since = now;
                stream.seen.ready = ready;
            }
            if ready {
                stream.seen.last = Some(now);
            }
        }
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let streams = self
            .streams
            .values()
            .map(|s| Entry {
                name: s.name.clone(),
                url: s.url.full().to_owned(),
                kind: s.kind.as_str().to_owned(),
                added: s.added.as_secs(),
            })
            .collect();
        let page = Page {
            version: VERSION,
            streams,
        };
        // Texts and numbers always have a JSON form.
        serde_json::to_string_pretty(&page).unwrap_or_default()
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// What is wrong with it, in words that hold nothing of it.
    pub fn from_text(text: &str, now: Wall) -> Result<Self, String> {
        let page: Page = serde_json::from_str(text)
            .map_err(|e| format!("line {} is not as it was written", e.line()))?;
        if page.version != VERSION {
            return Err(format!("it is of version {}, not {VERSION}", page.version));
        }
        let mut book = Self::default();
        for (number, entry) in page.streams.into_iter().enumerate() {
            let wrong = |what: &str| format!("entry {} {what}", number + 1);
            let url = StreamUrl::parse(&entry.url)
                .map_err(|e| wrong(&format!("has no good address: {e}")))?;
            let kind =
                Kind::from_word(&entry.kind).ok_or_else(|| wrong("is of no kind that is known"))?;
            if !is_free_name(&entry.name) {
                return Err(wrong("has a name that no stream can have"));
            }
            let mut stream = book
                .add(&entry.name, url, kind, Wall::from_secs(entry.added))
                .map_err(|_| wrong("is there twice, or one too many"))?;
            stream.seen.since = now;
            book.streams.insert(entry.name, stream);
        }
        Ok(book)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> StreamUrl {
        StreamUrl::parse(text).unwrap()
    }

    const NOW: Wall = Wall::from_secs(1_790_000_000);

    #[test]
    fn a_name_or_an_address_is_taken_once_whatever_the_credentials() {
        let mut book = Book::default();
        book.add("drone", url("rtsp://a:1@h/x"), Kind::Generic, NOW)
            .unwrap();
        assert_eq!(
            book.add("drone", url("rtsp://h/y"), Kind::Generic, NOW),
            Err(Refusal::Name)
        );
        assert_eq!(
            book.add("other", url("rtsp://b:2@h:554/x"), Kind::Generic, NOW),
            Err(Refusal::Url("drone".to_owned()))
        );
        let gone = book.remove(&url("rtsp://h/x")).unwrap();
        assert_eq!(gone.name, "drone");
        assert!(book.remove(&url("rtsp://h/x")).is_none());
    }

    #[test]
    fn the_list_ends_somewhere() {
        let mut book = Book::default();
        for n in 0..MOST {
            let address = url(&format!("rtsp://h/{n}"));
            book.add(&format!("s{n}"), address, Kind::Generic, NOW)
                .unwrap();
        }
        assert_eq!(
            book.add("more", url("rtsp://h/more"), Kind::Generic, NOW),
            Err(Refusal::Full(MOST))
        );
    }

    #[test]
    fn names_of_cameras_and_of_every_path_are_not_free() {
        for taken in [
            "event-camera0",
            "camera0",
            "camera9999",
            "live-1",
            "all",
            "all_others",
            "",
            "A",
            "a/b",
            "a.b",
        ] {
            assert!(!is_free_name(taken), "{taken}");
        }
        for free in ["drone", "camera007", "live", "camera", "-", "a_b-9"] {
            assert!(is_free_name(free), "{free}");
        }
    }

    #[test]
    fn when_it_was_seen_last_is_remembered_while_it_is_away() {
        let mut book = Book::default();
        book.add("drone", url("rtsp://h/x"), Kind::Skydio, NOW)
            .unwrap();
        let at = |s| Wall::from_secs(NOW.as_secs() + s);
        book.saw(|_| true, at(1));
        book.saw(|_| true, at(5));
        book.saw(|_| false, at(6));
        book.saw(|_| false, at(9));
        let seen = book.get("drone").unwrap().seen;
        assert_eq!(
            (seen.ready, seen.since, seen.last),
            (false, at(6), Some(at(5)))
        );
    }

    #[test]
    fn a_damaged_file_is_refused_without_repeating_a_password() {
        let mut book = Book::default();
        book.add("drone", url("rtsp://a:geheim@h/x"), Kind::Skydio, NOW)
            .unwrap();
        let text = book.to_text();
        assert!(text.contains("geheim"));
        for damaged in [
            text[..text.len() / 2].to_owned(),
            text.replace("rtsp://a:geheim", "http://a:geheim"),
            text.replace("\"drone\"", "\"../geheim\""),
            text.replace("\"version\": 1", "\"version\": 2"),
            text.replace("skydio_stanag4609", "geheim"),
            String::new(),
        ] {
            let said = Book::from_text(&damaged, NOW).unwrap_err();
            assert!(!said.contains("geheim"), "{said}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(
            entries in proptest::collection::btree_map("[a-z0-9_-]{1,12}", "(u:p@)?[a-z]{1,9}(:[1-9][0-9]{1,3})?/[a-z/]{0,9}", 0..9)
        ) {
            let mut book = Book::default();
            for (name, place) in entries.iter().filter(|(n, _)| is_free_name(n)) {
                let _ = book.add(name, url(&format!("rtsp://{place}")), Kind::Generic, NOW);
            }
            prop_assert_eq!(Book::from_text(&book.to_text(), NOW).unwrap(), book);
        }
    }
}
