//! The record of copies: which files the store has. A cache over the store, which is asked where the record says nothing.
//!
//! One JSON object a line, appended and flushed when a copy is verified: a power cut takes the last line at most, and that
//! file is then found at the store. The first line names the store; a record of another store is not believed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Id;
use crate::storage::quota::Kind;

/// What a file was when it was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When it was written last, in nanoseconds since 1970.
    pub modified: u64,
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    store: String,
    files: BTreeMap<Id, Stamp>,
    /// Lines of the text that say nothing any more.
    stale: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    store: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    kind: String,
    name: String,
    size: u64,
    modified: u64,
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Recording => "recording",
        Kind::Snapshot => "snapshot",
    }
}

impl Copied {
    /// An empty one.
    #[must_use]
    pub fn new(store: &str) -> Self {
        Self {
            store: store.to_owned(),
            files: BTreeMap::new(),
            // It has no text yet: the first writing must be a whole one.
            stale: usize::MAX,
        }
    }

    /// Reads its text. What is damaged or of another store is left out, and so is found at the store.
    #[must_use]
    pub fn parse(text: &str, store: &str) -> Self {
        let mut read = Self::new(store);
        let mut lines = text.split_inclusive('\n');
        let head = lines
            .next()
            .and_then(|l| serde_json::from_str::<Head>(l).ok());
        if head.is_none_or(|head| head.store != store) {
            return read;
        }
        let mut stale = 0;
        for line in lines {
            let whole = line.ends_with('\n');
            let parsed = serde_json::from_str::<Line>(line).ok().filter(|_| whole);
            let file = parsed.and_then(|line| {
                let kind = [Kind::Recording, Kind::Snapshot]
                    .into_iter()
                    .find(|kind| word(*kind) == line.kind)?;
                let stamp = Stamp {
                    size: line.size,
                    modified: line.modified,
                };
                Some(((kind, line.name.parse().ok()?), stamp))
            });
            match file {
                Some((id, stamp)) => {
                    if read.files.insert(id, stamp).is_some() {
                        stale += 1;
                    }
                }
                // A line behind half a one would be lost with it.
                None => stale = usize::MAX / 2,
            }
        }
        read.stale = stale;
        read
    }

    /// Whether the store has a file of that name.
    #[must_use]
    pub fn has(&self, id: &Id) -> bool {
        self.files.contains_key(id)
    }

    /// Whether the store has that file as it is now.
    #[must_use]
    pub fn is(&self, id: &Id, stamp: Stamp) -> bool {
        self.files.get(id) == Some(&stamp)
    }

    /// The store has it; gives the line to append.
    pub fn add(&mut self, id: &Id, stamp: Stamp) -> String {
        if self.files.insert(id.clone(), stamp).is_some() {
            self.stale = self.stale.saturating_add(1);
        }
        Self::line(id, stamp)
    }

    /// Forgets files that are no more.
    pub fn retain(&mut self, there: impl Fn(&Id) -> bool) {
        let before = self.files.len();
        self.files.retain(|id, _| there(id));
        self.stale = self.stale.saturating_add(before - self.files.len());
    }

    /// Whether the text should be written whole: there is none, a part is damaged, or most of it says nothing any more.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale > self.files.len() + 1000
    }

    /// The whole text; it is on the disk when [`Copied::written`] is called.
    #[must_use]
    pub fn text(&self) -> String {
        let head = Head {
            store: self.store.clone(),
        };
        // Texts and numbers always have a JSON form.
        let mut text = serde_json::to_string(&head).unwrap_or_default() + "\n";
        for (id, stamp) in &self.files {
            text += &Self::line(id, *stamp);
        }
        text
    }

    /// The whole text is on the disk.
    pub fn written(&mut self) {
        self.stale = 0;
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.files.len()
    }

    fn line((kind, name): &Id, stamp: Stamp) -> String {
        let line = Line {
            kind: word(*kind).to_owned(),
            name: name.to_string(),
            size: stamp.size,
            modified: stamp.modified,
        };
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::id;
    use super::*;
    use proptest::prelude::*;

    const STAMP: Stamp = Stamp {
        size: 7,
        modified: 9,
    };

    #[test]
    fn what_was_appended_is_read_again_and_only_of_this_store() {
        let mut record = Copied::parse("", "here");
        assert!(record.is_stale(), "it is to be written whole first");
        let mut text = record.text();
        record.written();
        let a = id(Kind::Recording, "a");
        text += &record.add(&a, STAMP);
        text += &record.add(&id(Kind::Snapshot, "a"), STAMP);
        let read = Copied::parse(&text, "here");
        assert_eq!(read, record);
        assert!(read.is(&a, STAMP));
        assert!(
            !read.is(&a, Stamp { size: 8, ..STAMP }),
            "it was changed since"
        );
        assert_eq!(Copied::parse(&text, "there").count(), 0);
    }

    #[test]
    fn what_is_no_more_is_forgotten_and_the_text_does_not_grow_for_ever() {
        let mut record = Copied::new("here");
        record.written();
        for n in 0..3000 {
            record.add(&id(Kind::Recording, &format!("f{n}")), STAMP);
        }
        assert!(!record.is_stale());
        record.retain(|(_, stem)| stem.as_str() == "f7");
        assert!(record.is_stale());
        assert_eq!(record.text().lines().count(), 2);
    }

    proptest! {
        /// Wherever a cut tears the text, and whatever is in its place: no file is taken for copied that was not.
        #[test]
        fn a_torn_record_never_claims_more(cut in 0_usize..400, junk in ".{0,20}") {
            let mut record = Copied::new("here");
            let mut text = record.text();
            for n in 0..5 {
                text += &record.add(&id(Kind::Recording, &format!("f{n}")), STAMP);
            }
            let cut = cut.min(text.len());
            let torn = format!("{}{junk}", &text[..cut]);
            let read = Copied::parse(&torn, "here");
            for (id, stamp) in &read.files {
                prop_assert!(record.is(id, *stamp));
            }
            if cut < text.len() && read.count() < 5 && !torn.ends_with('\n') && cut > text.find('\n').unwrap() + 1 {
                prop_assert!(read.is_stale() || !torn.is_empty());
            }
        }
    }
}
