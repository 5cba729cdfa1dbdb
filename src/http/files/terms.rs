//! Conditions and ranges (RFC 9110 §13 and §14): what of a file goes out, if anything.
//!
//! One range is served; several in one request are answered with the whole file, which §14.2 allows
//! and every client must take: players and download tools ask for one at a time.

use std::time::{Duration, SystemTime};

use crate::clock::Wall;

/// A file written to within this time may still grow; what was read of it is no lasting version.
const SETTLED: Duration = Duration::from_secs(10);

/// One version of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Bytes.
    pub size: u64,
    /// Last written.
    pub modified: Wall,
    /// Content or attributes last changed. Unlike `modified`, nobody can set it back.
    pub changed: Wall,
    /// Which file.
    pub inode: u64,
}

/// The conditional and range headers of a request, as they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// `If-Match`.
    pub if_match: Option<&'a str>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<&'a str>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'a str>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<&'a str>,
    /// `Range`.
    pub range: Option<&'a str>,
    /// `If-Range`.
    pub if_range: Option<&'a str>,
    /// `HEAD`: ranges do not apply.
    pub head: bool,
}

/// What goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 200: everything.
    Whole,
    /// 206: bytes from `first`, `length` of them, at least one.
    Part {
        /// The first byte's position.
        first: u64,
        /// How many.
        length: u64,
    },
    /// 304.
    NotModified,
    /// 412.
    Failed,
    /// 416: the range lies beyond the end.
    Beyond,
}

impl Version {
    /// Whether it may still grow.
    #[must_use]
    pub fn is_growing(&self, now: Wall) -> bool {
        let age = now.as_nanos().saturating_sub(self.modified.as_nanos());
        u128::from(age) < SETTLED.as_nanos()
    }

    /// Its entity tag: strong once the file rests, weak while it may grow (RFC 9110 §8.8.1).
    #[must_use]
    pub fn etag(&self, now: Wall) -> String {
        let weak = if self.is_growing(now) { "W/" } else { "" };
        format!(
            "{weak}\"{:x}-{:x}-{:x}\"",
            self.changed.as_nanos(),
            self.size,
            self.inode
        )
    }

    /// Its `Last-Modified`.
    #[must_use]
    pub fn last_modified(&self) -> String {
        let since = Duration::from_secs(self.modified.as_secs());
        let time = SystemTime::UNIX_EPOCH.checked_add(since);
        httpdate::fmt_http_date(time.unwrap_or(SystemTime::UNIX_EPOCH).min(last_date()))
    }

    fn is(&self, tag: &str, now: Wall, weakly: bool) -> bool {
        let ours = self.etag(now);
        let bare = |tag: &str| tag.trim_start_matches("W/").to_owned();
        if weakly {
            bare(tag) == bare(&ours)
        } else {
            tag == ours && !ours.starts_with("W/")
        }
    }
}

/// 9999-12-31T23:59:59Z, the last an HTTP date can say.
fn last_date() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799)
}

/// Seconds since 1970 of an HTTP date, `None` where it is none.
fn date(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// The members of a list of entity tags. A comma within a tag would part it; ours have none.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// Decides, in the order of RFC 9110 §13.2.2.
#[must_use]
pub fn decide(asked: &Asked<'_>, version: &Version, now: Wall) -> Answer {
    let modified = version.modified.as_secs();
    if let Some(list) = asked.if_match {
        if !tags(list).any(|tag| tag == "*" || version.is(tag, now, false)) {
            return Answer::Failed;
        }
    } else if let Some(since) = asked.if_unmodified_since.and_then(date)
        && modified > since
    {
        return Answer::Failed;
    }
    if let Some(list) = asked.if_none_match {
        if tags(list).any(|tag| tag == "*" || version.is(tag, now, true)) {
            return Answer::NotModified;
        }
    } else if let Some(since) = asked.if_modified_since.and_then(date)
        && modified <= since
    {
        return Answer::NotModified;
    }
    match asked.range {
        Some(range) if !asked.head && unchanged(asked.if_range, version, now) => {
            part(range, version.size)
        }
        _ => Answer::Whole,
    }
}

/// Whether the part may be joined to what the client has (RFC 9110 §13.1.5).
fn unchanged(if_range: Option<&str>, version: &Version, now: Wall) -> bool {
    match if_range.map(str::trim) {
        None => true,
        Some(tag) if tag.ends_with('"') => version.is(tag, now, false),
        // A date tells versions apart only once the file rests.
        Some(text) => !version.is_growing(now) && date(text) == Some(version.modified.as_secs()),
    }
}

/// One `bytes` range; anything else means the whole.
fn part(range: &str, size: u64) -> Answer {
    let Some((unit, set)) = range.split_once('=') else {
        return Answer::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Answer::Whole;
    }
    let Some((from, to)) = set.trim().split_once('-') else {
        return Answer::Whole;
    };
    // A number too long for us lies beyond any file.
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let (first, last) = match (from.is_empty(), to.is_empty()) {
        (true, true) => return Answer::Whole,
        (true, false) => match number(to) {
            None => return Answer::Whole,
            Some(0) => return Answer::Beyond,
            Some(suffix) => (size.saturating_sub(suffix), u64::MAX),
        },
        (false, open) => {
            let last = if open { Some(u64::MAX) } else { number(to) };
            match (number(from), last) {
                (Some(first), Some(last)) if first <= last => (first, last),
                _ => return Answer::Whole,
            }
        }
    };
    if first >= size {
        return Answer::Beyond;
    }
    let last = last.min(size - 1);
    Answer::Part {
        first,
        length: last - first + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Wall = Wall::from_secs(1_800_000_000);
    const RESTING: Version = Version {
        size: 1000,
        modified: Wall::from_nanos(1_700_000_000_123_456_789),
        changed: Wall::from_nanos(1_700_000_001_123_456_789),
        inode: 7,
    };
    const GROWING: Version = Version {
        modified: Wall::from_secs(1_799_999_995),
        ..RESTING
    };

    fn range(text: &str) -> Answer {
        let asked = Asked {
            range: Some(text),
            ..Asked::default()
        };
        decide(&asked, &RESTING, NOW)
    }

    const fn bytes(first: u64, length: u64) -> Answer {
        Answer::Part { first, length }
    }

    #[test]
    fn one_range_is_served_as_rfc_9110_has_it() {
        assert_eq!(range("bytes=0-499"), bytes(0, 500));
        assert_eq!(range("bytes=500-"), bytes(500, 500));
        assert_eq!(range("bytes=-1"), bytes(999, 1));
        assert_eq!(range("bytes=-5000"), bytes(0, 1000));
        assert_eq!(range("bytes=999-99999999999999999999999"), bytes(999, 1));
        assert_eq!(range("BYTES= 0-0 "), bytes(0, 1));
    }

    #[test]
    fn a_range_beyond_the_end_is_told_and_one_we_do_not_understand_is_ignored() {
        for beyond in ["bytes=1000-", "bytes=1000-2000", "bytes=-0"] {
            assert_eq!(range(beyond), Answer::Beyond, "{beyond}");
        }
        for odd in [
            "bytes=5-2",
            "bytes=-",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes",
            "lines=0-1",
            "bytes=0-1,5-6",
            "",
        ] {
            assert_eq!(range(odd), Answer::Whole, "{odd}");
        }
        let empty = Version { size: 0, ..RESTING };
        let asked = Asked {
            range: Some("bytes=0-"),
            ..Asked::default()
        };
        assert_eq!(decide(&asked, &empty, NOW), Answer::Beyond);
        let head = Asked {
            head: true,
            ..asked
        };
        assert_eq!(decide(&head, &RESTING, NOW), Answer::Whole);
    }

    #[test]
    fn a_download_goes_on_only_where_it_is_still_the_same_file() {
        let resume = |if_range: &str, version: &Version| {
            let asked = Asked {
                range: Some("bytes=10-"),
                if_range: Some(if_range),
                ..Asked::default()
            };
            decide(&asked, version, NOW)
        };
        let tag = RESTING.etag(NOW);
        assert_eq!(resume(&tag, &RESTING), bytes(10, 990));
        assert_eq!(resume(&RESTING.last_modified(), &RESTING), bytes(10, 990));
        for other in [
            "\"x\"",
            &format!("W/{tag}"),
            "Tue, 14 Nov 2023 22:13:21 GMT",
            "nonsense",
        ] {
            assert_eq!(resume(other, &RESTING), Answer::Whole, "{other}");
        }
        // While a recording runs, what was read is no lasting version.
        assert_eq!(resume(&GROWING.etag(NOW), &GROWING), Answer::Whole);
        assert_eq!(resume(&GROWING.last_modified(), &GROWING), Answer::Whole);
    }

    #[test]
    fn tags_are_weak_while_a_file_grows() {
        assert!(GROWING.etag(NOW).starts_with("W/\""));
        assert!(RESTING.etag(NOW).starts_with('"'));
        let bigger = Version {
            size: 1001,
            ..RESTING
        };
        assert_ne!(bigger.etag(NOW), RESTING.etag(NOW));
        // Written anew in place, with its old date put back.
        let disguised = Version {
            changed: Wall::from_nanos(1_700_000_009_000_000_000),
            ..RESTING
        };
        assert_ne!(disguised.etag(NOW), RESTING.etag(NOW));
    }

    #[test]
    fn who_has_the_file_gets_304_and_who_insists_on_another_412() {
        let tag = RESTING.etag(NOW);
        let date = RESTING.last_modified();
        let older = "Tue, 14 Nov 2023 22:13:19 GMT";
        let none = Asked::default();
        let decide = |asked: Asked<'_>| decide(&asked, &RESTING, NOW);
        let many = format!("\"a\", W/{tag}");
        for have in [tag.as_str(), many.as_str(), "*"] {
            let asked = Asked {
                if_none_match: Some(have),
                ..none
            };
            assert_eq!(decide(asked), Answer::NotModified, "{have}");
        }
        // The tag counts and the date does not where both came.
        let both = Asked {
            if_none_match: Some("\"other\""),
            if_modified_since: Some(&date),
            ..none
        };
        assert_eq!(decide(both), Answer::Whole);
        for (since, answer) in [(date.as_str(), Answer::NotModified), (older, Answer::Whole)] {
            let asked = Asked {
                if_modified_since: Some(since),
                ..none
            };
            assert_eq!(decide(asked), answer, "{since}");
        }
        let changed = Asked {
            if_match: Some("\"other\""),
            ..none
        };
        assert_eq!(decide(changed), Answer::Failed);
        let changed = Asked {
            if_unmodified_since: Some(older),
            ..none
        };
        assert_eq!(decide(changed), Answer::Failed);
        let same = Asked {
            if_match: Some(&tag),
            if_unmodified_since: Some(older),
            range: Some("bytes=0-0"),
            ..none
        };
        assert_eq!(decide(same), bytes(0, 1));
    }

    proptest! {
        #[test]
        fn a_part_always_lies_within_the_file(text in "bytes=[0-9]{0,21}-[0-9]{0,21}|.{0,20}", size in 0_u64..2000) {
            let asked = Asked { range: Some(&text), ..Asked::default() };
            let version = Version { size, ..RESTING };
            if let Answer::Part { first, length } = decide(&asked, &version, NOW) {
                prop_assert!(length > 0 && first + length <= size);
            }
        }

        #[test]
        fn any_header_is_read_without_panic(text in ".{0,60}", secs in any::<u64>()) {
            let asked = Asked { if_match: Some(&text), ..Asked::default() };
            let version = Version { modified: Wall::from_secs(secs), ..RESTING };
            let _ = (decide(&asked, &version, NOW), version.last_modified());
            let asked = Asked { if_modified_since: Some(&text), if_range: Some(&text), range: Some(&text), ..Asked::default() };
            let _ = decide(&asked, &version, NOW);
        }
    }
}
