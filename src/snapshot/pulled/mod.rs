//! The newest key frame of a stream that MediaMTX pulls, read from its HLS (RFC 8216, and low latency after
//! draft-pantos-hls-rfc8216bis). Here: which file of a playlist holds it. Pure.
//!
//! * [`fmp4`]: the key frame out of that file. * [`io`]: asks MediaMTX.

pub mod fmp4;
pub mod io;

use std::time::Duration;

use crate::camera::remote::Coded;
use crate::error::Later;

/// Where key frames of streams of somebody else come from.
pub trait KeyPictures: Send + Sync {
    /// The newest key frame of the stream at the MediaMTX path `name`, after at most `patience`.
    ///
    /// # Errors
    /// `Gone` while MediaMTX does not get the stream; `Refused` when it is not H.264; `Reopen`
    /// when MediaMTX breaks off; `Transient` for everything that
    /// may be better the next time.
    fn newest(&self, name: &str, patience: Duration) -> Later<Coded>;
}

/// The first stream of a multivariant playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant<'a> {
    /// Its media playlist.
    pub uri: &'a str,
    /// The codecs of its tracks (RFC 6381), when the playlist tells.
    pub codecs: Option<&'a str>,
}

impl<'a> Variant<'a> {
    /// Reads a multivariant playlist (RFC 8216 §4.3.4.2); `None` when there is no stream in it.
    #[must_use]
    pub fn first(text: &'a str) -> Option<Self> {
        let mut lines = lines(text)?;
        let described = lines.find_map(|line| line.strip_prefix("#EXT-X-STREAM-INF:"))?;
        Some(Self {
            uri: lines.find(|line| !line.starts_with('#'))?,
            codecs: attribute(described, "CODECS"),
        })
    }

    /// The codec of its picture where that is known not to be H.264.
    #[must_use]
    pub fn foreign_codec(&self) -> Option<&'a str> {
        let codecs = self.codecs?;
        let h264 = |codec: &str| codec.starts_with("avc1") || codec.starts_with("avc3");
        (!codecs.split(',').any(|codec| h264(codec.trim()))).then_some(codecs)
    }
}

/// Where the newest key frame of a media playlist is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest<'a> {
    /// The file with the description of the tracks (RFC 8216 §4.3.2.5).
    pub init: &'a str,
    /// The file that begins with the key frame.
    pub media: &'a str,
    /// How much the playlist holds from its beginning on: what the key frame is old.
    pub age: Duration,
}

impl<'a> Newest<'a> {
    /// Reads a media playlist: the last part that begins with a key frame, or the last segment where none does.
    ///
    /// `None` when nothing is in it yet, and for files in pieces (`BYTERANGE`), which MediaMTX does not write.
    #[must_use]
    pub fn of(text: &'a str) -> Option<Self> {
        let mut init = None;
        let mut newest = None;
        // Of the stream as far as the playlist tells it: where this segment begins, and where its parts end.
        let (mut segment, mut end) = (Duration::ZERO, Duration::ZERO);
        let mut length = None;
        let mut in_parts = false;
        for line in lines(text)? {
            if let Some(map) = line.strip_prefix("#EXT-X-MAP:") {
                init = attribute(map, "URI").filter(|_| attribute(map, "BYTERANGE").is_none());
            } else if let Some(part) = line.strip_prefix("#EXT-X-PART:") {
                let uri = attribute(part, "URI")?;
                if attribute(part, "INDEPENDENT") == Some("YES") {
                    newest = Some((uri, end));
                    in_parts = true;
                }
                end = end.saturating_add(seconds(attribute(part, "DURATION")?)?);
            } else if let Some(inf) = line.strip_prefix("#EXTINF:") {
                length = Some(seconds(inf.split(',').next().unwrap_or_default())?);
            } else if line.starts_with("#EXT-X-BYTERANGE:") {
                return None;
            } else if !line.starts_with('#') {
                // A segment: its parts, if they are told, stand before it.
                if !in_parts {
                    newest = Some((line, segment));
                }
                segment = segment.saturating_add(length.take()?);
                end = segment;
                in_parts = false;
            }
        }
        let (media, begin) = newest?;
        Some(Self {
            init: init?,
            media,
            age: end.saturating_sub(begin),
        })
    }
}

/// What `uri`, found in the playlist at `base`, means on the same server; `None` when it means another server.
#[must_use]
pub fn resolve(base: &str, uri: &str) -> Option<String> {
    if uri.starts_with("//") || uri.contains("://") {
        return None;
    }
    if uri.starts_with('/') {
        return Some(uri.to_owned());
    }
    let path = base.split('?').next().unwrap_or_default();
    let (folder, _) = path.rsplit_once('/')?;
    Some(format!("{folder}/{uri}"))
}

/// The lines of a playlist; `None` when it is none.
fn lines(text: &str) -> Option<impl Iterator<Item = &str>> {
    let mut lines = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty());
    (lines.next()? == "#EXTM3U").then_some(lines)
}

/// One attribute of a list (RFC 8216 §4.2), without its quotes.
fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    loop {
        let (key, value) = rest.split_once('=')?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find(',').unwrap_or(value.len())),
        };
        if key.trim() == name {
            return Some(value);
        }
        rest = after.strip_prefix(',')?;
    }
}

/// A decimal number of seconds.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MULTIVARIANT: &str = "#EXTM3U\n#EXT-X-VERSION:10\n#EXT-X-INDEPENDENT-SEGMENTS\n\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"a\",URI=\"audio2_stream.m3u8?session=1\"\n\n\
        #EXT-X-STREAM-INF:BANDWIDTH=531318,CODECS=\"avc1.42c00c,opus\",RESOLUTION=320x240,AUDIO=\"audio\"\n\
        video1_stream.m3u8?session=1\n";

    const HEAD: &str = "#EXTM3U\n#EXT-X-VERSION:10\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:23\n\
        #EXT-X-MAP:URI=\"init.mp4?session=1\"\n";

    #[test]
    fn the_picture_is_found_beside_the_sound() {
        let variant = Variant::first(MULTIVARIANT).unwrap();
        assert_eq!(variant.uri, "video1_stream.m3u8?session=1");
        assert_eq!(variant.codecs, Some("avc1.42c00c,opus"));
        assert_eq!(variant.foreign_codec(), None);
    }

    #[test]
    fn a_codec_that_is_not_h264_is_named_and_an_untold_one_is_not_guessed() {
        let with = |codecs| Variant { uri: "", codecs };
        let hevc = with(Some("hvc1.1.6.L60.90,opus"));
        assert_eq!(hevc.foreign_codec(), hevc.codecs);
        assert_eq!(with(None).foreign_codec(), None);
    }

    #[test]
    fn a_part_that_has_just_begun_is_newer_than_the_last_segment() {
        let list = format!(
            "{HEAD}#EXTINF:1.00000,\nseg28.mp4\n\
             #EXT-X-PART:DURATION=0.5,URI=\"part88.mp4\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.5,URI=\"part89.mp4\"\n\
             #EXTINF:1.00000,\nseg29.mp4\n\
             #EXT-X-PART:DURATION=0.25,URI=\"part90,a.mp4?session=1\",INDEPENDENT=YES\n\
             #EXT-X-PART:DURATION=0.25,URI=\"part91.mp4\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part92.mp4\"\n"
        );
        let expected = Newest {
            init: "init.mp4?session=1",
            media: "part90,a.mp4?session=1",
            age: Duration::from_millis(500),
        };
        assert_eq!(Newest::of(&list), Some(expected));
    }

    #[test]
    fn parts_without_a_key_frame_leave_the_one_before() {
        let list = format!(
            "{HEAD}#EXT-X-PART:DURATION=0.5,URI=\"a\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.5,URI=\"b\"\n\
             #EXTINF:1,\nseg\n#EXT-X-PART:DURATION=0.25,URI=\"c\"\n"
        );
        let newest = Newest::of(&list).unwrap();
        assert_eq!(newest.media, "a");
        assert_eq!(newest.age, Duration::from_millis(1250));
    }

    #[test]
    fn without_parts_it_is_the_last_segment() {
        let list = format!("{HEAD}#EXTINF:1.5,\r\nseg1.mp4\r\n#EXTINF:2.5,\r\nseg2.mp4\r\n");
        let newest = Newest::of(&list).unwrap();
        assert_eq!(newest.media, "seg2.mp4");
        assert_eq!(newest.age, Duration::from_millis(2500));
    }

    #[test]
    fn what_holds_nothing_gives_nothing() {
        let ranged = format!("{HEAD}#EXTINF:1,\n#EXT-X-BYTERANGE:7@0\nseg\n");
        let endless = format!("{HEAD}#EXTINF:-1,\nseg\n");
        let headless = "#EXTM3U\n#EXTINF:1,\nseg\n";
        for list in [
            HEAD,
            headless,
            &ranged,
            &endless,
            "",
            "<html>",
            MULTIVARIANT,
        ] {
            assert_eq!(Newest::of(list), None, "{list}");
        }
        assert_eq!(Variant::first(HEAD), None);
    }

    #[test]
    fn addresses_stay_on_the_server() {
        let at = |uri| resolve("/drone/index.m3u8?session=/x/y", uri);
        assert_eq!(at("a.mp4?b=1").as_deref(), Some("/drone/a.mp4?b=1"));
        assert_eq!(at("/other").as_deref(), Some("/other"));
        assert_eq!(at("http://198.51.100.1/a"), None);
        assert_eq!(at("//198.51.100.1/a"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "(#EXTM3U\n)?[#A-Z:=\",\n0-9.a-z-]{0,200}") {
            let _ = (Newest::of(&text), Variant::first(&text));
        }

        #[test]
        fn the_last_key_frame_is_found_and_is_as_old_as_what_follows(parts in prop::collection::vec((1_u16..500, any::<bool>(), any::<bool>()), 1..40)) {
            let mut text = HEAD.to_owned();
            let mut expected = None;
            let mut length = 0;
            for (number, (millis, key, ends)) in parts.into_iter().enumerate() {
                let (key_word, time) = (if key { ",INDEPENDENT=YES" } else { "" }, f64::from(millis) / 1000.0);
                text += &format!("#EXT-X-PART:DURATION={time:.3},URI=\"p{number}\"{key_word}\n");
                if key {
                    expected = Some((format!("p{number}"), 0));
                }
                length += u64::from(millis);
                if let Some((_, age)) = &mut expected {
                    *age += u64::from(millis);
                }
                // Segments begin with a key frame, so nothing else ends one here.
                if ends && expected.is_some() && key {
                    text += &format!("#EXTINF:{}.{:03},\ns{number}\n", length / 1000, length % 1000);
                    length = 0;
                }
            }
            let found = Newest::of(&text).map(|n| (n.media.to_owned(), n.age));
            let expected = expected.map(|(uri, age)| (uri, Duration::from_millis(age)));
            prop_assert_eq!(found.as_ref().map(|f| &f.0), expected.as_ref().map(|e| &e.0));
            if let (Some(found), Some(expected)) = (found, expected) {
                prop_assert!(found.1.abs_diff(expected.1) < Duration::from_micros(10), "{:?} {:?}", found, expected);
            }
        }
    }
}
