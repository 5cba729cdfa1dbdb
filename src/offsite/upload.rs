//! How a file is cut into parts, and what is written down of an upload that has begun, so that it goes on after a cut.
//!
//! S3 takes 10,000 parts of 5 MiB to 5 GiB each; only the last may be smaller (Amazon S3 User Guide, *Multipart upload
//! limits*).

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Id;
use super::copied::Stamp;
use crate::storage::quota::Kind;

/// The smallest part, and the largest object that goes in one piece. One part is in memory at a time.
pub const LEAST: u64 = 5 << 20;
/// Parts at most.
pub const MOST_PARTS: u64 = 10_000;

/// An upload in parts that the store knows of. Its form on the disk is JSON; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// The store.
    pub store: String,
    snapshot: bool,
    name: String,
    /// The object's name.
    pub object: String,
    /// The store's name for the upload.
    pub upload: String,
    /// Bytes of the file.
    pub size: u64,
    /// When it was written last, in nanoseconds since 1970.
    pub modified: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Bytes of each part but the last.
    part: u64,
    /// What the store called the parts it has, in order.
    etags: Vec<String>,
}

impl Begun {
    /// The store gave `upload` for this file.
    #[must_use]
    pub fn new(
        store: &str,
        (kind, stem): &Id,
        object: &str,
        upload: String,
        stamp: Stamp,
        sha256: &str,
    ) -> Self {
        Self {
            store: store.to_owned(),
            snapshot: *kind == Kind::Snapshot,
            name: stem.to_string(),
            object: object.to_owned(),
            upload,
            size: stamp.size,
            modified: stamp.modified,
            sha256: sha256.to_owned(),
            part: part_size(stamp.size),
            etags: Vec::new(),
        }
    }

    /// From its form on the disk; `None` where that is damaged or impossible.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let read: Self = serde_json::from_str(text).ok()?;
        let parts = u64::try_from(read.etags.len()).ok()?;
        let fits = read.part == part_size(read.size) && parts <= read.size.div_ceil(read.part);
        let hex = read.sha256.len() == 64 && read.sha256.bytes().all(|b| b.is_ascii_hexdigit());
        (fits && hex && read.id().is_some()).then_some(read)
    }

    /// Its form on the disk.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The file.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        let kind = match self.snapshot {
            true => Kind::Snapshot,
            false => Kind::Recording,
        };
        Some((kind, self.name.parse().ok()?))
    }

    /// Whether it is of that file as it is now, for that store.
    #[must_use]
    pub fn is_of(&self, store: &str, id: &Id, stamp: Stamp) -> bool {
        let now = Stamp {
            size: self.size,
            modified: self.modified,
        };
        self.store == store && self.id().as_ref() == Some(id) && now == stamp
    }

    /// The next part: its number from 0 on, and where it lies in the file. `None`: the store has all.
    #[must_use]
    pub fn next(&self) -> Option<(usize, Range<u64>)> {
        let number = self.etags.len();
        let from = u64::try_from(number).ok()?.checked_mul(self.part)?;
        (from < self.size).then(|| (number, from..(from + self.part).min(self.size)))
    }

    /// The store took the next part.
    pub fn took(&mut self, etag: String) {
        self.etags.push(etag);
    }

    /// What the store called the parts.
    #[must_use]
    pub fn etags(&self) -> &[String] {
        &self.etags
    }

    /// Bytes that the store has.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.next().map_or(self.size, |(_, range)| range.start)
    }
}

/// Bytes of a part: as small as can be, so that a cut costs little; whole MiB.
#[must_use]
pub const fn part_size(size: u64) -> u64 {
    const MIB: u64 = 1 << 20;
    let needed = size.div_ceil(MOST_PARTS).div_ceil(MIB) * MIB;
    if needed > LEAST { needed } else { LEAST }
}

/// Whether a file of that size goes in one piece.
#[must_use]
pub const fn is_single(size: u64) -> bool {
    size <= LEAST
}

#[cfg(test)]
mod tests {
    use super::super::tests::id;
    use super::*;
    use proptest::prelude::*;

    fn begun(size: u64) -> Begun {
        let stamp = Stamp { size, modified: 5 };
        let id = id(Kind::Recording, "party");
        Begun::new("here", &id, "o", "u1".to_owned(), stamp, &"0a".repeat(32))
    }

    proptest! {
        /// The parts of any file are the file, each as S3 wants it, across any number of restarts.
        #[test]
        fn parts_are_the_whole_file_and_s3_takes_them(size in LEAST + 1..200_000_000_000_u64) {
            prop_assert!(size.div_ceil(part_size(size)) <= MOST_PARTS);
            prop_assert!(part_size(size) >= LEAST && part_size(size) <= 20 * LEAST);
        }

        #[test]
        fn an_upload_goes_on_where_it_was(size in LEAST + 1..400_000_000_u64, restart in 0_usize..7) {
            let mut upload = begun(size);
            let mut end = 0;
            while let Some((number, range)) = upload.next() {
                prop_assert_eq!(range.start, end);
                let last = range.end == size;
                prop_assert!(last || range.end - range.start >= LEAST);
                prop_assert!(range.end > range.start);
                prop_assert_eq!(upload.sent(), end);
                end = range.end;
                upload.took(format!("e{number}"));
                if number % 7 == restart {
                    upload = Begun::parse(&upload.text()).unwrap();
                }
            }
            prop_assert_eq!(end, size);
            prop_assert_eq!(upload.sent(), size);
        }

        /// Nothing that a cut can leave behind is taken for an upload that it is not.
        #[test]
        fn half_a_note_is_none(cut in 0_usize..200) {
            let text = begun(30_000_000).text();
            let cut = cut.min(text.len() - 1);
            prop_assert_eq!(Begun::parse(&text[..cut]), None);
        }
    }

    #[test]
    fn a_file_that_was_changed_or_another_store_begins_anew() {
        let upload = begun(9 << 20);
        let party = id(Kind::Recording, "party");
        let stamp = Stamp {
            size: 9 << 20,
            modified: 5,
        };
        assert!(upload.is_of("here", &party, stamp));
        assert!(!upload.is_of("there", &party, stamp));
        assert!(!upload.is_of(
            "here",
            &party,
            Stamp {
                modified: 6,
                ..stamp
            }
        ));
        assert!(!upload.is_of("here", &id(Kind::Snapshot, "party"), stamp));
        let mut odd = upload.clone();
        odd.etags = vec![String::new(); 3];
        assert_eq!(
            Begun::parse(&odd.text()),
            None,
            "more parts than the file has"
        );
    }
}
