//! The tables, and what is asked of them.

/// The version in the database's head. Another one is another service's: the index is made anew, which costs no more
/// than a look at each file, so there is nothing to migrate.
pub const VERSION: i64 = 2;
/// "CamR": tells file(1), and us, whose database it is.
pub const APPLICATION: i64 = 0x4361_6d52;

/// What the database consists of, to the letter and in the order of their names. A medium may come from a stranger:
/// triggers and views of his are not opened.
pub const OBJECTS: [(&str, &str); 3] = [
    (
        "newest",
        "CREATE INDEX newest ON recording (modified DESC, stem DESC, device DESC)",
    ),
    (
        "pending",
        "CREATE INDEX pending ON recording (modified DESC, stem DESC, device DESC) WHERE flags IS NULL",
    ),
    (
        "recording",
        "CREATE TABLE recording (stem TEXT NOT NULL, device TEXT NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL, inode INTEGER NOT NULL, created INTEGER, begun INTEGER, duration INTEGER, codec TEXT, width INTEGER, height INTEGER, gaps TEXT, flags INTEGER, whole INTEGER, checksum INTEGER NOT NULL, PRIMARY KEY (stem, device)) STRICT, WITHOUT ROWID",
    ),
];

/// The columns of a row, in their order.
macro_rules! columns {
    () => {
        "r.stem, r.device, r.size, r.modified, r.inode, r.created, r.begun, r.duration, r.codec, r.width, r.height, r.gaps, r.flags, r.whole, r.checksum"
    };
}

/// Of the newest but a few, so many behind so many. The places are counted in the index alone; only the page is looked
/// up.
#[must_use]
pub fn page(but: usize) -> String {
    format!(
        concat!(
            "SELECT ",
            columns!(),
            " FROM (SELECT stem, device FROM recording{} ORDER BY modified DESC, stem DESC, device DESC LIMIT ?1 OFFSET ?2) AS p \
             CROSS JOIN recording AS r ON r.stem = p.stem AND r.device = p.device \
             ORDER BY r.modified DESC, r.stem DESC, r.device DESC"
        ),
        except(" WHERE", 3, but)
    )
}

/// How many are newer than one, but for a few.
#[must_use]
pub fn newer(but: usize) -> String {
    format!(
        "SELECT count(*) FROM recording WHERE (modified, stem, device) > (?1, ?2, ?3){}",
        except(" AND", 4, but)
    )
}

/// `first`: the number of the first parameter that is free.
fn except(word: &str, first: usize, but: usize) -> String {
    let key = |number: usize| format!("(?{}, ?{})", first + 2 * number, first + 2 * number + 1);
    match but {
        0 => String::new(),
        _ => format!(
            "{word} (stem, device) NOT IN (VALUES {})",
            (0..but).map(key).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The rows behind one, in the order of names.
pub const AFTER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM recording AS r WHERE (r.stem, r.device) > (?1, ?2) ORDER BY r.stem, r.device LIMIT ?3"
);
/// Those of one device behind a name.
pub const OF_DEVICE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM recording AS r WHERE r.stem > ?1 AND r.device = ?2 ORDER BY r.stem LIMIT ?3"
);
/// Those of one name. Where two devices have it, the first device's is meant.
pub const OF_STEM: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM recording AS r WHERE r.stem = ?1 ORDER BY r.device"
);
/// One row.
pub const ONE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM recording AS r WHERE r.stem = ?1 AND r.device = ?2"
);
/// Whether there is a row.
pub const IS_THERE: &str = "SELECT 1 FROM recording WHERE stem = ?1 AND device = ?2";
/// Those that have not been examined, older than one, newest first.
pub const PENDING: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM recording AS r WHERE r.flags IS NULL AND (r.modified, r.stem, r.device) < (?1, ?2, ?3) \
     ORDER BY r.modified DESC, r.stem DESC, r.device DESC LIMIT ?4"
);
/// A row, new or in the place of the one before.
pub const PUT: &str = "INSERT OR REPLACE INTO recording (stem, device, size, modified, inode, created, begun, duration, codec, width, height, gaps, flags, whole, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
/// What a file is, if the row is still of the file that was examined. Writes no more pages than it must.
pub const EXAMINED: &str = "UPDATE recording SET begun = ?6, duration = ?7, codec = ?8, width = ?9, height = ?10, gaps = ?11, flags = ?12, whole = ?13, checksum = ?14 WHERE stem = ?1 AND device = ?2 AND size = ?3 AND modified = ?4 AND inode = ?5";
/// Takes a row out.
pub const REMOVE: &str = "DELETE FROM recording WHERE stem = ?1 AND device = ?2";
/// How many rows there are.
pub const COUNT: &str = "SELECT count(*) FROM recording";
