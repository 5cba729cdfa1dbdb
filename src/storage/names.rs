//! The names of recordings and snapshots: one stem per file, and nothing that could leave its folder.

use std::fmt;
use std::str::FromStr;

use crate::clock::Wall;

/// Bytes of a stem at most; with a number and an extension it stays far below the 255 of a file system.
pub const LONGEST: usize = 120;
/// Ends the names of files in the fallback, but for a number.
const FALLBACK: &str = "-fallback";
/// Ends the name of what lies over a hole of a recording.
const BRIDGE: &str = "-bridge";
/// Characters kept for a number.
const NUMBER: usize = 8;

/// The identifier of a recording or snapshot: its file's name without folder and extension.
///
/// ASCII letters, digits, `-`, `_` and `.`; begins with a letter or digit; at most [`LONGEST`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stem(String);

/// Why a text is no name of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoName;

impl Stem {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name as a client sends it: the stem, or the stem with the kind's extension.
    ///
    /// # Errors
    /// [`NoName`] for everything that is not plainly the name of a file.
    pub fn given(text: &str, extension: &str) -> Result<Self, NoName> {
        let stem = text
            .strip_suffix(extension)
            .and_then(|rest| rest.strip_suffix('.'))
            .unwrap_or(text);
        stem.parse()
    }

    /// `camera0_2026-11-21_10-15-00`: what is called after its camera and moment, in UTC.
    #[must_use]
    pub fn of(device: &str, at: Wall) -> Self {
        let format =
            time::macros::format_description!("[year]-[month]-[day]_[hour]-[minute]-[second]");
        let moment = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.as_nanos()))
            .ok()
            .and_then(|t| t.format(&format).ok())
            .unwrap_or_else(|| "1970-01-01_00-00-00".to_owned());
        // Devices are camera ids or names of streams: legal here, too.
        format!("{device}_{moment}").parse().unwrap_or(Self(moment))
    }

    /// The same with a number: `name-2`. The longest stem gives up its end for it.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let tail = format!("-{number}");
        let kept = self.0.len().min(LONGEST - tail.len());
        Self(format!("{}{tail}", &self.0[..kept]))
    }

    /// What the fallback calls it, `name-fallback`, and what nobody else does: a name there can never be one that lies on
    /// the medium, which cannot be asked.
    #[must_use]
    pub fn in_fallback(&self) -> Self {
        // Room for a number, which would take the end away.
        let kept = self.on_medium().0;
        let kept = &kept[..kept.len().min(LONGEST - FALLBACK.len() - NUMBER)];
        Self(format!("{kept}{FALLBACK}"))
    }

    /// Whether the name is one that the fallback gives.
    #[must_use]
    pub fn is_in_fallback(&self) -> bool {
        self.on_medium() != *self
    }

    /// The same without the fallback's word, and the number after that.
    #[must_use]
    pub fn on_medium(&self) -> Self {
        let mut kept = self.0.as_str();
        loop {
            let bare = match kept.rsplit_once('-') {
                Some((rest, number)) if number.bytes().all(|b| b.is_ascii_digit()) => rest,
                _ => kept,
            };
            let Some(rest) = bare.strip_suffix(FALLBACK).or(kept.strip_suffix(FALLBACK)) else {
                break;
            };
            kept = rest;
        }
        // Nothing is left of a name that was that word alone.
        if kept.is_empty() {
            return Self("recording".to_owned());
        }
        Self(kept.to_owned())
    }

    /// What lies over a hole between two files of it: `name-bridge`.
    #[must_use]
    pub fn bridge(&self) -> Self {
        let name = self.on_medium().0;
        let kept = name.len().min(LONGEST - BRIDGE.len());
        Self(format!("{}{BRIDGE}", &name[..kept]))
    }

    /// The first of `name`, `name-2`, `name-3` … that is not taken.
    #[must_use]
    pub fn free(&self, taken: impl Fn(&Self) -> bool) -> Self {
        if !taken(self) {
            return self.clone();
        }
        (2..)
            .map(|number| self.numbered(number))
            .find(|stem| !taken(stem))
            .unwrap_or_else(|| self.clone())
    }

    /// The file's name.
    #[must_use]
    pub fn with(&self, extension: &str) -> String {
        format!("{}.{extension}", self.0)
    }
}

impl fmt::Display for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Stem {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let bytes = text.as_bytes();
        let good = bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.len() <= LONGEST
            && bytes.iter().all(|b| legal(*b));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoName)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::path::{Component, Path};

    #[test]
    fn both_forms_of_a_name_are_the_same_recording() {
        let bare = Stem::given("birthday", "mp4").unwrap();
        assert_eq!(Stem::given("birthday.mp4", "mp4").unwrap(), bare);
        assert_eq!(
            Stem::given("birthday.jpg", "mp4").unwrap().as_str(),
            "birthday.jpg"
        );
        assert_eq!(bare.with("mp4"), "birthday.mp4");
    }

    #[test]
    fn what_is_not_plainly_a_name_is_refused() {
        let long = "a".repeat(LONGEST + 1);
        for bad in [
            "",
            ".",
            "..",
            ".mp4",
            "../x",
            "a/b",
            "/etc/passwd",
            "a\\b",
            "a\0b",
            "-rf",
            "ä",
            "a b",
            "a\n",
            ".hidden",
            "%2e%2e",
            long.as_str(),
        ] {
            assert_eq!(Stem::given(bad, "mp4"), Err(NoName), "{bad:?}");
        }
    }

    #[test]
    fn a_taken_name_gets_the_next_free_number_and_the_longest_still_fits() {
        let taken: BTreeSet<&str> = ["a", "a-2"].into();
        let stem: Stem = "a".parse().unwrap();
        assert_eq!(stem.free(|s| taken.contains(s.as_str())).as_str(), "a-3");
        let longest: Stem = "b".repeat(LONGEST).parse().unwrap();
        let next = longest.free(|s| *s == longest);
        assert_eq!(
            (next.as_str().len(), next.as_str().ends_with("b-2")),
            (LONGEST, true)
        );
    }

    #[test]
    fn a_file_is_called_after_camera_and_moment() {
        let stem = Stem::of("camera0", Wall::from_secs(1_790_000_000));
        assert_eq!(stem.as_str(), "camera0_2026-09-21_14-13-20");
    }

    proptest! {
        #[test]
        fn a_name_in_the_fallback_is_none_on_the_medium(
            one in "[a-z]{1,3}(-fallback|-[0-9]{1,2}|-){0,4}|[a-z-]{118,120}", other in "[a-z]{1,3}(-fallback|-[0-9]{1,2}){0,4}", number in 2_u32..9_999
        ) {
            let (Ok(one), Ok(other)) = (one.parse::<Stem>(), other.parse::<Stem>()) else {
                return Ok(());
            };
            let there = [one.in_fallback(), one.in_fallback().numbered(number)];
            for wish in [&one, &other, &there[0], &there[1]] {
                let here = [wish.on_medium(), wish.on_medium().numbered(number)];
                prop_assert!(here.iter().all(|name| !there.contains(name)), "{:?} {:?}", here, there);
                prop_assert!(here.iter().chain(&there).all(|n| n.as_str().parse::<Stem>().is_ok()));
            }
        }

        #[test]
        fn no_accepted_name_ever_leaves_the_folder(text in "\\PC{0,140}|[./\\\\a-z0-9_%~\u{0}-]{0,12}") {
            if let Ok(stem) = Stem::given(&text, "mp4") {
                let path = Path::new("/r/camera0").join(stem.with("mp4"));
                prop_assert_eq!(path.parent(), Some(Path::new("/r/camera0")));
                let plain = path.components().skip(1).all(|c| matches!(c, Component::Normal(_)));
                prop_assert!(plain);
                prop_assert!(!stem.as_str().starts_with('.'));
                prop_assert!(stem.with("mp4").len() < 255);
            }
        }
    }
}
