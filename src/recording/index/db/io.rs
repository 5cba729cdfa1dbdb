//! SQLite.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::types::Value;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Params, params, params_from_iter,
};

use crate::recording::index::row::{Cells, Damaged, Row};
use crate::recording::index::schema::{
    self, AFTER, APPLICATION, COUNT, EXAMINED, IS_THERE, OBJECTS, OF_DEVICE, OF_STEM, ONE, PENDING,
    PUT, REMOVE, VERSION,
};
use crate::storage::names::Stem;
use crate::storage::shelf::Page;

/// The hidden folder beside the devices'.
pub const FOLDER: &str = ".index";
/// The database in it.
pub const FILE: &str = "recordings.sqlite3";

/// How the database is treated:
///
/// * It is a cache that a look at the folder heals, so what was written last may be lost at a power cut, but what is
///   left must be whole: a write-ahead log gives that without a flush for each change (`synchronous = NORMAL` flushes
///   only when the log is moved into the database, once for some 4 MB of changes).
/// * One process has it. Then the log needs no shared memory, which not every file system gives.
/// * The cache is 1 MiB, and nothing is mapped: a medium that is pulled would end the process (SIGBUS).
/// * A medium may come from a stranger: his schema is trusted with nothing.
const PRAGMAS: &str = "
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA journal_size_limit = 4194304;
    PRAGMA temp_store = MEMORY;
    PRAGMA mmap_size = 0;
    PRAGMA cache_size = -1024;
";

/// Why the database cannot be used.
#[derive(Debug)]
pub enum Trouble {
    /// It is not what was written: only a new one helps.
    Damaged(String),
    /// It cannot be read or written now: no room, no permission, somebody else has it.
    Unusable(String),
    /// The folder may be another one than it was compared with: it must be compared anew.
    Lost,
    /// The service ends.
    Halted,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Damaged(why) | Self::Unusable(why) => why,
            Self::Lost => "the folder may be another one",
            Self::Halted => "the service ends",
        })
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        let unusable = matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::CannotOpen
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::DiskFull
                    | ErrorCode::OutOfMemory
                    | ErrorCode::PermissionDenied
                    | ErrorCode::ReadOnly
            )
        );
        // An unreadable sector is damage: another file lies on other sectors. So is a table that is not there.
        match unusable {
            true => Self::Unusable(error.to_string()),
            false => Self::Damaged(error.to_string()),
        }
    }
}

impl From<Damaged> for Trouble {
    fn from(_: Damaged) -> Self {
        Self::Damaged("a row is not as it was written".to_owned())
    }
}

/// The database's result.
pub type Done<T> = Result<T, Trouble>;

/// What is to become of rows.
#[derive(Debug, Default)]
pub struct Changes {
    /// Written, over the ones before.
    pub put: Vec<Row>,
    /// Taken out: name and device.
    pub remove: Vec<(String, String)>,
}

/// Rows, and the cells of those that are damaged.
pub type Rows = Vec<Result<Row, Box<Cells>>>;

/// The database. Every call but the first needs it awake; one that is not is [`Trouble::Lost`].
#[derive(Debug)]
pub struct Db {
    connection: Option<Connection>,
    root: PathBuf,
    /// The file as it was left when it was closed.
    left: Option<Sight>,
}

/// A file as stat(2) tells it: file system, number, size, and when it was written last.
type Sight = (u64, u64, u64, Option<SystemTime>);

/// Where the database of the recordings in `root` lies.
#[must_use]
pub fn file(root: &Path) -> PathBuf {
    root.join(FOLDER).join(FILE)
}

/// Removes the database, which is made anew then.
///
/// # Errors
/// [`Trouble::Unusable`] when the medium does not let go of it.
pub fn discard(root: &Path) -> Done<()> {
    for rest in ["", "-wal", "-shm", "-journal"] {
        let mut path = file(root).into_os_string();
        path.push(rest);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(Trouble::Unusable(format!("cannot remove {path:?}: {e}")));
            }
            _ => {}
        }
    }
    Ok(())
}

impl Db {
    /// Opens the database of the recordings in `root`, which must be there, or begins one; looks at every page of it.
    ///
    /// # Errors
    /// As [`Trouble`] says.
    pub fn open(root: &Path) -> Done<Self> {
        let unusable =
            |e: std::io::Error| Trouble::Unusable(format!("{}: {e}", root.join(FOLDER).display()));
        match fs::create_dir(root.join(FOLDER)) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(unusable(e)),
            _ => {}
        }
        let mut db = Self {
            connection: None,
            root: root.to_owned(),
            left: None,
        };
        db.connect()?;
        db.check()?;
        Ok(db)
    }

    /// Lets go of the file, so that its medium can be unmounted.
    pub fn rest(&mut self) {
        if self.connection.take().is_some() {
            self.left = sight(&file(&self.root));
        }
    }

    /// Opens it again, if it is the file that was left, as it was left.
    ///
    /// # Errors
    /// As [`Trouble`] says, here and below.
    pub fn wake(&mut self) -> Done<()> {
        if self.connection.is_some() {
            return Ok(());
        }
        if self.left.is_none() || sight(&file(&self.root)) != self.left {
            return Err(Trouble::Lost);
        }
        self.connect()
    }

    fn connect(&mut self) -> Done<()> {
        // SQLite follows no link beneath its file, so none may be above it.
        let root = self.root.canonicalize();
        let root = root.map_err(|e| Trouble::Unusable(e.to_string()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(file(&root), flags)?;
        connection.execute_batch(PRAGMAS)?;
        self.connection = Some(connection);
        Ok(())
    }

    fn open_now(&self) -> Done<&Connection> {
        self.connection.as_ref().ok_or(Trouble::Lost)
    }

    /// Whether it is ours and whole; an empty one becomes ours.
    fn check(&self) -> Done<()> {
        let number = |pragma: &str| -> Done<i64> {
            let open = self.open_now()?;
            Ok(open.pragma_query_value(None, pragma, |row| row.get(0))?)
        };
        let (application, version) = (number("application_id")?, number("user_version")?);
        let objects = self.objects()?;
        if (application, version) == (0, 0) && objects.is_empty() {
            return self.begin();
        }
        if (application, version) != (APPLICATION, VERSION) {
            return Err(Trouble::Damaged(format!(
                "it is of another kind or version ({application:#x}, {version})"
            )));
        }
        let ours = OBJECTS
            .iter()
            .map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned()));
        if !ours.eq(objects) {
            return Err(Trouble::Damaged("its tables are not ours".to_owned()));
        }
        let said: String = self
            .open_now()?
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        match said.as_str() {
            "ok" => Ok(()),
            _ => Err(Trouble::Damaged(said)),
        }
    }

    fn objects(&self) -> Done<Vec<(String, String)>> {
        // SQLite's own, made for a primary key, have no text.
        let mut ask = self
            .open_now()?
            .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")?;
        let found = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn begin(&self) -> Done<()> {
        let tables: Vec<&str> = OBJECTS.iter().rev().map(|(_, sql)| *sql).collect();
        self.open_now()?.execute_batch(&format!(
            "BEGIN; {}; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;",
            tables.join("; ")
        ))?;
        Ok(())
    }

    /// How many rows there are. Counts them.
    pub fn count(&self) -> Done<usize> {
        let count: i64 = self.open_now()?.query_row(COUNT, [], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// A part of the list without `but`, newest first.
    pub fn page(&self, page: Page, but: &[&Row]) -> Done<Vec<Row>> {
        let mut values: Vec<Value> = vec![most(page.limit).into(), most(page.offset).into()];
        values.extend(keys(but));
        self.rows(&schema::page(but.len()), params_from_iter(values))
    }

    /// How many rows are newer than one, not counting `but`.
    pub fn newer(&self, row: &Row, but: &[&Row]) -> Done<usize> {
        let mut values: Vec<Value> = vec![
            modified(row).into(),
            row.stem.as_str().to_owned().into(),
            row.device.clone().into(),
        ];
        values.extend(keys(but));
        let count: i64 = self.open_now()?.query_row(
            &schema::newer(but.len()),
            params_from_iter(values),
            |found| found.get(0),
        )?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Rows behind a name and device, by name, those of one device or all. A damaged one comes as its cells.
    pub fn after(&self, behind: (&str, &str), device: Option<&str>, limit: usize) -> Done<Rows> {
        let (stem, last) = behind;
        let all = match device {
            Some(device) => self.cells(OF_DEVICE, params![stem, device, most(limit)]),
            None => self.cells(AFTER, params![stem, last, most(limit)]),
        }?;
        let row = |cells: Cells| cells.clone().row().map_err(|_| Box::new(cells));
        Ok(all.into_iter().map(row).collect())
    }

    /// Rows of one name.
    pub fn of_stem(&self, stem: &Stem) -> Done<Vec<Row>> {
        self.rows(OF_STEM, params![stem.as_str()])
    }

    /// One row.
    pub fn one(&self, stem: &Stem, device: &str) -> Done<Option<Row>> {
        Ok(self.rows(ONE, params![stem.as_str(), device])?.pop())
    }

    /// Those names of a device's that have no row.
    pub fn missing<'a>(&self, device: &str, names: &'a [Stem]) -> Done<Vec<&'a Stem>> {
        let mut ask = self.open_now()?.prepare(IS_THERE)?;
        let mut missing = Vec::new();
        for stem in names {
            let there: Option<i64> = ask
                .query_row(params![stem.as_str(), device], |row| row.get(0))
                .optional()?;
            if there.is_none() {
                missing.push(stem);
            }
        }
        Ok(missing)
    }

    /// Rows without facts, older than one, newest first.
    pub fn pending(&self, behind: Option<&Row>, limit: usize) -> Done<Vec<Row>> {
        match behind {
            // A blob is greater than every text.
            None => self.rows(
                PENDING,
                params![i64::MAX, Value::Blob(Vec::new()), "", most(limit)],
            ),
            Some(row) => self.rows(
                PENDING,
                params![modified(row), row.stem.as_str(), row.device, most(limit)],
            ),
        }
    }

    /// Writes and takes out rows, all or none. How many more there are then.
    pub fn change(&mut self, Changes { put, remove }: &Changes) -> Done<isize> {
        if put.is_empty() && remove.is_empty() {
            return Ok(0);
        }
        let change = self
            .connection
            .as_mut()
            .ok_or(Trouble::Lost)?
            .transaction()?;
        let mut more = 0;
        {
            let mut take = change.prepare(REMOVE)?;
            for (stem, device) in remove {
                more -= take.execute(params![stem, device])?.cast_signed();
            }
            let (mut there, mut write) = (change.prepare(IS_THERE)?, change.prepare(PUT)?);
            for row in put {
                let c = row.cells();
                if !there.exists(params![c.stem, c.device])? {
                    more += 1;
                }
                write.execute(params![
                    c.stem, c.device, c.size, c.modified, c.inode, c.created, c.begun, c.duration,
                    c.codec, c.width, c.height, c.gaps, c.flags, c.whole, c.checksum
                ])?;
            }
        }
        change.commit()?;
        Ok(more)
    }

    /// Writes what files are into rows that are still of those files.
    pub fn examined(&mut self, rows: &[Row]) -> Done<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let change = self
            .connection
            .as_mut()
            .ok_or(Trouble::Lost)?
            .transaction()?;
        {
            let mut write = change.prepare(EXAMINED)?;
            for row in rows {
                let c = row.cells();
                write.execute(params![
                    c.stem, c.device, c.size, c.modified, c.inode, c.begun, c.duration, c.codec,
                    c.width, c.height, c.gaps, c.flags, c.whole, c.checksum
                ])?;
            }
        }
        Ok(change.commit()?)
    }

    fn rows(&self, sql: &str, values: impl Params) -> Done<Vec<Row>> {
        let cells = self.cells(sql, values)?.into_iter();
        Ok(cells.map(Cells::row).collect::<Result<_, _>>()?)
    }

    fn cells(&self, sql: &str, values: impl Params) -> Done<Vec<Cells>> {
        let mut ask = self.open_now()?.prepare(sql)?;
        let found = ask.query_map(values, |row| {
            Ok(Cells {
                stem: row.get(0)?,
                device: row.get(1)?,
                size: row.get(2)?,
                modified: row.get(3)?,
                inode: row.get(4)?,
                created: row.get(5)?,
                begun: row.get(6)?,
                duration: row.get(7)?,
                codec: row.get(8)?,
                width: row.get(9)?,
                height: row.get(10)?,
                gaps: row.get(11)?,
                flags: row.get(12)?,
                whole: row.get(13)?,
                checksum: row.get(14)?,
            })
        })?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}

fn sight(file: &Path) -> Option<Sight> {
    let found = file.symlink_metadata().ok()?;
    let written = found.modified().ok();
    Some((found.dev(), found.ino(), found.len(), written))
}

fn keys(rows: &[&Row]) -> impl Iterator<Item = Value> {
    let key = |row: &&Row| [row.stem.as_str().to_owned(), row.device.clone()];
    rows.iter().flat_map(key).map(Value::from)
}

fn modified(row: &Row) -> i64 {
    i64::try_from(row.mark.modified.as_nanos()).unwrap_or(i64::MAX)
}

fn most(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
