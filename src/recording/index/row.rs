//! What is kept of a file, and how it is known that nobody changed it: neither the file, nor the row.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Item;
use crate::clock::Wall;
use crate::recording::EXTENSION;
use crate::recording::examine::{Facts, Gap};
use crate::storage::names::Stem;
use crate::storage::shelf::Entry;
use crate::units::Size;

const CLOSED: i64 = 1;
const TORN: i64 = 2;
const UNPLAYABLE: i64 = 4;

/// What stat(2) tells of a file. While it is the same, so is the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Bytes.
    pub size: u64,
    /// When it was written last.
    pub modified: Wall,
    /// Its number in the file system: another file under the same name has another one.
    pub inode: u64,
    /// When it was made, where the file system remembers it.
    pub created: Option<Wall>,
}

impl Mark {
    /// Whether a file that was `self` may have been written or replaced since. A time of making that the file system
    /// does not tell this time says nothing.
    #[must_use]
    pub fn differs(&self, now: &Self) -> bool {
        (self.size, self.modified, self.inode) != (now.size, now.modified, now.inode)
    }
}

/// One recording in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its identifier.
    pub stem: Stem,
    /// The camera or stream: the folder it lies in.
    pub device: String,
    /// The file when it was looked at.
    pub mark: Mark,
    /// What it is; `None` until it has been examined.
    pub facts: Option<Facts>,
}

/// A row as the database holds it, in the order of `schema`'s columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cells {
    /// Identifier.
    pub stem: String,
    /// Folder.
    pub device: String,
    /// Bytes.
    pub size: i64,
    /// Nanoseconds since 1970, as all moments here.
    pub modified: i64,
    /// Bit by bit the file system's.
    pub inode: i64,
    /// Moment.
    pub created: Option<i64>,
    /// Moment of the first picture, where the file tells it.
    pub begun: Option<i64>,
    /// Nanoseconds.
    pub duration: Option<i64>,
    /// RFC 6381.
    pub codec: Option<String>,
    /// Pixels.
    pub width: Option<i64>,
    /// Pixels.
    pub height: Option<i64>,
    /// `at+length`, in nanoseconds, with a blank between each two; absent: none.
    pub gaps: Option<String>,
    /// 1: closed, 2: torn, 4: unplayable; absent: not examined.
    pub flags: Option<i64>,
    /// Bytes.
    pub whole: Option<i64>,
    /// Over all the others.
    pub checksum: i64,
}

/// A row that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

impl Row {
    /// A file that has not been examined.
    #[must_use]
    pub const fn fresh(stem: Stem, device: String, mark: Mark) -> Self {
        Self {
            stem,
            device,
            mark,
            facts: None,
        }
    }

    /// The greater, the earlier in a list: the newest first; of the same moment the greater name, then the greater device.
    #[must_use]
    pub fn order(&self) -> (Wall, &Stem, &str) {
        (self.mark.modified, &self.stem, &self.device)
    }

    /// Whether the file must be examined, again or for the first time, now that it is like this. What could not be read
    /// is tried again whenever there is an occasion: it may have been for want of a permission, or of a contact.
    #[must_use]
    pub fn is_outdated(&self, now: &Mark) -> bool {
        self.mark.differs(now) || self.facts.as_ref().is_some_and(|facts| facts.unplayable)
    }

    /// Where the file lies beneath `root`.
    #[must_use]
    pub fn path(&self, root: &Path) -> PathBuf {
        root.join(&self.device).join(self.stem.with(EXTENSION))
    }

    /// The file beneath `root`, as lists tell it.
    #[must_use]
    pub fn item(self, root: &Path) -> Item {
        let path = self.path(root);
        Item {
            entry: Entry {
                path,
                stem: self.stem,
                device: self.device,
                size: self.mark.size,
                modified: self.mark.modified,
                created: self.mark.created,
            },
            facts: self.facts,
        }
    }

    /// As the database holds it.
    #[must_use]
    pub fn cells(&self) -> Cells {
        let facts = self.facts.as_ref();
        let mut cells = Cells {
            stem: self.stem.as_str().to_owned(),
            device: self.device.clone(),
            size: number(self.mark.size),
            modified: moment(self.mark.modified),
            inode: self.mark.inode.cast_signed(),
            created: self.mark.created.map(moment),
            begun: facts.and_then(|f| f.begun).map(moment),
            duration: facts.map(|f| nanos(f.duration)),
            codec: facts.and_then(|f| f.codec.clone()),
            width: facts.and_then(|f| f.size).map(|s| s.width.into()),
            height: facts.and_then(|f| f.size).map(|s| s.height.into()),
            gaps: facts
                .filter(|f| !f.gaps.is_empty())
                .map(|f| gaps_text(&f.gaps)),
            flags: facts.map(flags),
            whole: facts.map(|f| number(f.whole)),
            checksum: 0,
        };
        cells.checksum = cells.sum();
        cells
    }
}

impl Cells {
    /// What they mean.
    ///
    /// # Errors
    /// [`Damaged`] when they are not what was written.
    pub fn row(self) -> Result<Row, Damaged> {
        if self.sum() != self.checksum {
            return Err(Damaged);
        }
        let whole = |n: i64| u64::try_from(n).map_err(|_| Damaged);
        let side = |n: Option<i64>| n.map(u32::try_from).transpose().map_err(|_| Damaged);
        let facts = match self.flags {
            None => None,
            Some(flags) => Some(Facts {
                duration: Duration::from_nanos(whole(self.duration.ok_or(Damaged)?)?),
                codec: self.codec,
                size: side(self.width)?
                    .zip(side(self.height)?)
                    .map(|(width, height)| Size::new(width, height)),
                gaps: gaps_of(self.gaps.as_deref().unwrap_or_default()).ok_or(Damaged)?,
                closed: flags & CLOSED != 0,
                torn: flags & TORN != 0,
                unplayable: flags & UNPLAYABLE != 0,
                whole: whole(self.whole.ok_or(Damaged)?)?,
                begun: self.begun.map(whole).transpose()?.map(Wall::from_nanos),
            }),
        };
        let is_folder = !self.device.starts_with('.') && !self.device.contains('/');
        Ok(Row {
            stem: self.stem.parse().map_err(|_| Damaged)?,
            device: Some(self.device).filter(|_| is_folder).ok_or(Damaged)?,
            mark: Mark {
                size: whole(self.size)?,
                modified: Wall::from_nanos(whole(self.modified)?),
                inode: self.inode.cast_unsigned(),
                created: self.created.map(whole).transpose()?.map(Wall::from_nanos),
            },
            facts,
        })
    }

    /// FNV-1a of 64 bits over all but the sum: not against malice, which could as well change the file, but against a
    /// worn card that gives back other bits than it was given.
    fn sum(&self) -> i64 {
        let mut sum = 0xcbf2_9ce4_8422_2325_u64;
        let mut take = |bytes: &[u8]| {
            for byte in bytes {
                sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        let words = [Some(&self.stem), Some(&self.device)];
        for word in words
            .into_iter()
            .chain([self.codec.as_ref(), self.gaps.as_ref()])
        {
            // No text holds this byte, so no two rows run into the same bytes.
            take(word.map_or(&[][..], |w| w.as_bytes()));
            take(&[if word.is_some() { 0xff } else { 0xfe }]);
        }
        let numbers = [Some(self.size), Some(self.modified), Some(self.inode)];
        let more = [
            self.created,
            self.begun,
            self.duration,
            self.width,
            self.height,
            self.flags,
            self.whole,
        ];
        for number in numbers.into_iter().chain(more) {
            take(&[u8::from(number.is_some())]);
            take(&number.unwrap_or(0).to_le_bytes());
        }
        sum.cast_signed()
    }
}

fn flags(facts: &Facts) -> i64 {
    let bit = |is: bool, bit: i64| if is { bit } else { 0 };
    bit(facts.closed, CLOSED) | bit(facts.torn, TORN) | bit(facts.unplayable, UNPLAYABLE)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn moment(at: Wall) -> i64 {
    number(at.as_nanos())
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn gaps_text(gaps: &[Gap]) -> String {
    let each = |gap: &Gap| format!("{}+{}", nanos(gap.at), nanos(gap.length));
    gaps.iter().map(each).collect::<Vec<_>>().join(" ")
}

fn gaps_of(text: &str) -> Option<Vec<Gap>> {
    let each = |word: &str| {
        let (at, length) = word.split_once('+')?;
        Some(Gap {
            at: Duration::from_nanos(at.parse().ok()?),
            length: Duration::from_nanos(length.parse().ok()?),
        })
    };
    text.split_whitespace().map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(facts: Option<Facts>) -> Row {
        let mark = Mark {
            size: 5,
            modified: Wall::from_secs(9),
            inode: u64::MAX,
            created: None,
        };
        Row {
            facts,
            ..Row::fresh("a".parse().unwrap(), "camera0".to_owned(), mark)
        }
    }

    fn facts() -> impl Strategy<Value = Facts> {
        let gap = (0_u64..1 << 60, 0_u64..1 << 60).prop_map(|(at, length)| Gap {
            at: Duration::from_nanos(at),
            length: Duration::from_nanos(length),
        });
        let gaps = prop::collection::vec(gap, 0..4);
        let size = prop::option::of((1_u32..9999, 1_u32..9999));
        let codec = prop::option::of("[a-z0-9.]{0,12}");
        (gaps, size, codec, 0_u64..1 << 60, 0_u64..1 << 60, 0_u8..8).prop_map(
            |(gaps, size, codec, whole, nanos, bits)| Facts {
                duration: Duration::from_nanos(nanos),
                codec,
                size: size.map(|(width, height)| Size::new(width, height)),
                gaps,
                closed: bits & 1 != 0,
                torn: bits & 2 != 0,
                unplayable: bits & 4 != 0,
                whole,
                begun: (bits & 1 != 0).then(|| Wall::from_nanos(whole)),
            },
        )
    }

    proptest! {
        #[test]
        fn a_row_comes_back_as_it_was_written(facts in prop::option::of(facts())) {
            let row = row(facts);
            prop_assert_eq!(row.cells().row(), Ok(row));
        }

        #[test]
        fn a_number_that_another_one_stands_for_is_noticed(facts in facts(), which in 0_usize..9, by in 1_i64..1 << 40) {
            let mut cells = row(Some(facts)).cells();
            let cell = match which {
                0 => &mut cells.size,
                1 => &mut cells.modified,
                2 => &mut cells.inode,
                3 => cells.created.get_or_insert_default(),
                4 => cells.begun.get_or_insert(i64::MAX),
                5 => cells.duration.get_or_insert_default(),
                6 => cells.flags.get_or_insert_default(),
                7 => cells.whole.get_or_insert_default(),
                _ => &mut cells.checksum,
            };
            *cell = cell.wrapping_add(by);
            prop_assert_eq!(cells.row(), Err(Damaged));
        }
    }

    #[test]
    fn a_row_that_would_lead_out_of_the_folder_is_damaged_even_with_its_sum() {
        for (stem, device) in [("a", ".."), ("a", "../etc"), ("a", ".index"), ("../a", "b")] {
            let mut cells = row(None).cells();
            (cells.stem, cells.device) = (stem.to_owned(), device.to_owned());
            cells.checksum = cells.sum();
            assert_eq!(cells.row(), Err(Damaged), "{device}/{stem}");
        }
    }

    #[test]
    fn a_file_is_the_same_while_nobody_wrote_or_replaced_it() {
        let before = row(None).mark;
        let changed = [
            Mark { size: 6, ..before },
            Mark { inode: 1, ..before },
            Mark {
                modified: Wall::from_secs(8),
                ..before
            },
        ];
        assert!(!before.differs(&before) && changed.iter().all(|now| before.differs(now)));
    }
}
