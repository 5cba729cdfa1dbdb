//! Compares the database with the folder, hears what happens there, answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::{Mono, Wall};
use crate::recording::EXTENSION;
use crate::recording::index::db::io::{Changes, Db, Done, Trouble};
use crate::recording::index::eyes::io::Eyes;
use crate::recording::index::notes::{Notes, is_device};
use crate::recording::index::row::{Mark, Row};
use crate::recording::index::{Inventory, Item, merge};
use crate::storage::names::Stem;
use crate::storage::shelf::Page;

/// Rows, or names, that are held at once.
const BATCH: usize = 512;
/// Names that are put in order before they are looked up. A file system gives them in no order, and rows that come as
/// they lie in the database touch the fewest pages, which is the fewest bytes for the card.
const SORTED: usize = 1 << 16;
/// After so long without a question or a change, the database is closed: a medium that nobody uses can be unmounted.
const REST: Duration = Duration::from_secs(10);
/// Files that grow at the same time and are not written down for it. Of more, each list writes the others down.
const MOST_GROWING: usize = 32;
/// How often the folders themselves are looked at, for what the kernel does not note: another machine's files on a network
/// drive, another medium mounted over the folder.
const GLANCE: Duration = Duration::from_secs(1);

/// A folder, as stat(2) tells it: file system, number, time of the last name that came or went.
type Sight = (u64, u64, i64, i64);

/// What there is under a name.
enum Seen {
    Gone,
    /// The disk does not say.
    Unknown,
    File(Mark),
}

/// The index of one folder.
#[derive(Debug)]
pub struct Book {
    root: PathBuf,
    db: Db,
    eyes: Eyes,
    notes: Notes,
    /// The recordings' folder itself.
    place: (u64, u64),
    /// The devices' folders when they were last gone through; `None`: something has been noted there since.
    folders: BTreeMap<String, Option<Sight>>,
    glanced: Mono,
    total: usize,
    /// Files that have grown since their rows were written, by name and device: as they are now.
    growing: BTreeMap<(Stem, String), Row>,
    /// There may be files that have not been examined.
    unexamined: bool,
    /// When the database was last needed.
    used: Mono,
    /// The last answer, for whoever asks the same while nothing happens.
    last: Option<(Page, Arc<Inventory>)>,
}

impl Book {
    /// Opens the index of the recordings in `root`, which must be there, or begins one, and compares it with the folder.
    /// Comes back when every file is in it; not all of them may have been examined. `halt` is asked now and then.
    ///
    /// # Errors
    /// As [`Trouble`] says, here and below.
    pub fn open(root: &Path, halt: &dyn Fn() -> bool, now: Mono) -> Done<Self> {
        // First known and watched, then read: what happens in between is noted, and if another folder comes into its
        // place meanwhile, the look at the end tells.
        let place = fs::metadata(root).map(|m| (m.dev(), m.ino()));
        let unwatched =
            |e: nix::Error| Trouble::Unusable(format!("{} cannot be watched: {e}", root.display()));
        let eyes = Eyes::open(root).map_err(unwatched)?;
        let mut book = Self {
            root: root.to_owned(),
            db: Db::open(root)?,
            eyes,
            notes: Notes::default(),
            place: place.map_err(|e| Trouble::Unusable(e.to_string()))?,
            folders: BTreeMap::new(),
            glanced: now,
            total: 0,
            growing: BTreeMap::new(),
            unexamined: true,
            used: now,
            last: None,
        };
        let devices = book.devices()?;
        for device in &devices {
            book.watch(device)?;
        }
        book.compare(None, halt)?;
        for device in &devices {
            book.go_through(device, halt)?;
        }
        book.total = book.db.count()?;
        book.refresh(true, now)?;
        Ok(book)
    }

    /// Hears what has happened and writes it down; of files that only grow, if `growing`.
    pub fn refresh(&mut self, growing: bool, now: Mono) -> Done<()> {
        self.eyes.look(&mut self.notes);
        if self.notes.is_lost() {
            return Err(Trouble::Lost);
        }
        for device in self.notes.folders() {
            self.used = now;
            self.scan(&device)?;
        }
        self.forget_sights();
        let files = self.notes.files(growing);
        for part in files.chunks(BATCH) {
            self.wake(now)?;
            let mut changes = Changes::default();
            for (device, stem, grows) in part {
                self.judge(device, stem, *grows, &mut changes)?;
            }
            self.change(&changes)?;
        }
        if now.since(self.glanced) >= GLANCE {
            self.glanced = now;
            self.glance()?;
        }
        // Last, because all that was looked at was looked at by its path: the word that this has become another folder
        // may come late, and from a mount does not come at all.
        let place = fs::metadata(&self.root).map(|m| (m.dev(), m.ino()));
        match place.ok() == Some(self.place) {
            true => Ok(()),
            false => Err(Trouble::Lost),
        }
    }

    /// The last answer, if it was to the same question and nothing has happened since. Does not ask the disk.
    pub fn recall(&mut self, page: Page, now: Mono) -> Option<Arc<Inventory>> {
        self.eyes.look(&mut self.notes);
        let certain = self.notes.is_quiet() && now.since(self.glanced) < GLANCE;
        let (asked, answer) = self.last.as_ref().filter(|_| certain)?;
        (*asked == page).then(|| Arc::clone(answer))
    }

    /// A part of the list.
    pub fn page(&mut self, page: Page, now: Mono) -> Done<Arc<Inventory>> {
        self.wake(now)?;
        let mut growing: Vec<&Row> = self.growing.values().collect();
        growing.sort_unstable_by(|a, b| b.order().cmp(&a.order()));
        let ahead = growing.iter().map(|row| self.db.newer(row, &growing));
        let cut = merge::cut(page, &ahead.collect::<Done<Vec<_>>>()?);
        let mut rows = self.db.page(cut.rest, &growing)?;
        if !cut.growing.is_empty() {
            rows.extend(growing[cut.growing].iter().map(|row| (*row).clone()));
            rows.sort_unstable_by(|a, b| b.order().cmp(&a.order()));
        }
        let rows = rows.into_iter();
        let inventory = Arc::new(Inventory {
            files: rows.map(|row| row.item(&self.root)).collect(),
            total: self.total,
        });
        self.last = Some((page, Arc::clone(&inventory)));
        Ok(inventory)
    }

    /// The recording of a name, as its file is now. Where two devices have the name, the first device's.
    pub fn find(&mut self, stem: &Stem, now: Mono) -> Done<Option<Item>> {
        self.wake(now)?;
        for mut row in self.db.of_stem(stem)? {
            if let Seen::File(now) = look(&row.path(&self.root)) {
                if row.is_outdated(&now) {
                    row.facts = None;
                }
                row.mark = now;
                return Ok(Some(row.item(&self.root)));
            }
        }
        Ok(None)
    }

    /// Files that have not been examined, older than one, newest first.
    pub fn pending(&mut self, behind: Option<&Row>, limit: usize) -> Done<Vec<Row>> {
        self.db.wake()?;
        self.db.pending(behind, limit)
    }

    /// Takes down what files are, if they are still those that were examined.
    pub fn examined(&mut self, rows: &[Row]) -> Done<()> {
        self.last = None;
        self.db.wake()?;
        self.db.examined(rows)
    }

    /// Whether there may be files to examine. Whoever asks goes through [`Book::pending`] now, and says
    /// [`Book::leave_pending`] if some stay: what comes meanwhile is told the next time.
    pub const fn take_pending(&mut self) -> bool {
        std::mem::replace(&mut self.unexamined, false)
    }

    /// Some have not been examined.
    pub const fn leave_pending(&mut self) {
        self.unexamined = true;
    }

    /// Closes the database, if nobody has needed it for a while and nothing is left to do.
    pub fn rest(&mut self, now: Mono) {
        if !self.unexamined && now.since(self.used) > REST {
            self.db.rest();
        }
    }

    fn wake(&mut self, now: Mono) -> Done<()> {
        self.used = now;
        self.db.wake()
    }

    /// The recordings' folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Recordings in all.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    fn change(&mut self, changes: &Changes) -> Done<()> {
        if !changes.put.is_empty() || !changes.remove.is_empty() {
            let more = self.db.change(changes)?;
            self.unexamined |= !changes.put.is_empty();
            self.total = self.total.saturating_add_signed(more);
            self.last = None;
        }
        Ok(())
    }

    /// What follows from what a file is now. One that only `grows` is not written down each time.
    fn judge(&mut self, device: &str, stem: &Stem, grows: bool, changes: &mut Changes) -> Done<()> {
        let place = (stem.clone(), device.to_owned());
        self.growing.remove(&place);
        self.last = None;
        let row = self.db.one(stem, device)?;
        let path = self.root.join(device).join(stem.with(EXTENSION));
        match (row, look(&path)) {
            (Some(row), Seen::File(now)) if !row.is_outdated(&now) => {}
            // One whose time alone was set is done: the kernel calls that writing, too, and nobody will close it.
            (Some(row), Seen::File(now))
                if grows && row.mark.size != now.size && self.growing.len() < MOST_GROWING =>
            {
                let now = Row::fresh(stem.clone(), device.to_owned(), now);
                self.growing.insert(place, now);
            }
            (_, Seen::File(now)) => {
                let fresh = Row::fresh(stem.clone(), device.to_owned(), now);
                changes.put.push(fresh);
            }
            (Some(_), Seen::Gone) => {
                let key = (stem.as_str().to_owned(), device.to_owned());
                changes.remove.push(key);
            }
            (None, Seen::Gone) | (_, Seen::Unknown) => {}
        }
        Ok(())
    }

    /// Looks whether the devices' folders are as they were left.
    fn glance(&mut self) -> Done<()> {
        let mut suspects = BTreeSet::new();
        for (device, sight) in &mut self.folders {
            let now = sight_of(&self.root.join(device));
            match (*sight, now) {
                (None, Some(now)) => *sight = Some(now),
                (Some(before), Some(now)) if before == now => {}
                _ => {
                    suspects.insert(device.clone());
                }
            }
        }
        if !suspects.is_empty() {
            // What has been noted by now needs no going through: it is looked at next time, name by name.
            self.eyes.look(&mut self.notes);
            self.forget_sights();
            for device in suspects {
                if !matches!(self.folders.get(&device), Some(None)) {
                    self.scan(&device)?;
                }
            }
        }
        Ok(())
    }

    fn forget_sights(&mut self) {
        for device in self.notes.stirred() {
            if let Some(sight) = self.folders.get_mut(&device) {
                *sight = None;
            }
        }
    }

    /// Goes through one device's folder, which may be new, or gone.
    fn scan(&mut self, device: &str) -> Done<()> {
        self.db.wake()?;
        if sight_of(&self.root.join(device)).is_some() {
            self.watch(device)?;
        } else {
            self.eyes.forget(device);
            self.folders.remove(device);
        }
        self.growing.retain(|(_, of), _| of != device);
        self.compare(Some(device), &|| false)?;
        self.go_through(device, &|| false)
    }

    fn watch(&mut self, device: &str) -> Done<()> {
        let folder = self.root.join(device);
        match self.eyes.watch(&folder, device) {
            Ok(()) => {
                self.folders.insert(device.to_owned(), sight_of(&folder));
                Ok(())
            }
            Err(nix::Error::ENOENT | nix::Error::ENOTDIR) => Ok(()),
            Err(e) => Err(Trouble::Unusable(format!(
                "{} cannot be watched: {e}",
                folder.display()
            ))),
        }
    }

    /// Rows whose files are gone or others now, of one device or of all.
    fn compare(&mut self, device: Option<&str>, halt: &dyn Fn() -> bool) -> Done<()> {
        let mut behind = (String::new(), String::new());
        loop {
            if halt() {
                return Err(Trouble::Halted);
            }
            let rows = self.db.after((&behind.0, &behind.1), device, BATCH)?;
            let mut changes = Changes::default();
            for row in &rows {
                let row = match row {
                    Ok(row) => row,
                    // The file, if there is one, is found by its name again.
                    Err(cells) => {
                        behind = (cells.stem.clone(), cells.device.clone());
                        changes.remove.push(behind.clone());
                        continue;
                    }
                };
                behind = (row.stem.as_str().to_owned(), row.device.clone());
                match look(&row.path(&self.root)) {
                    Seen::File(now) if row.is_outdated(&now) => {
                        let fresh = Row::fresh(row.stem.clone(), row.device.clone(), now);
                        changes.put.push(fresh);
                    }
                    Seen::Gone => changes.remove.push(behind.clone()),
                    Seen::File(_) | Seen::Unknown => {}
                }
            }
            self.change(&changes)?;
            if rows.len() < BATCH {
                return Ok(());
            }
        }
    }

    /// Files of a device that have no row.
    fn go_through(&mut self, device: &str, halt: &dyn Fn() -> bool) -> Done<()> {
        let folder = self.root.join(device);
        let unreadable =
            |e: std::io::Error| Trouble::Unusable(format!("cannot read {}: {e}", folder.display()));
        let mut names = match fs::read_dir(&folder) {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(());
            }
            other => other.map_err(unreadable)?,
        };
        loop {
            let mut stems = Vec::new();
            let mut last = true;
            for name in names.by_ref().take(SORTED) {
                last = false;
                let name = name.map_err(unreadable)?.file_name();
                let stem = name
                    .to_str()
                    .and_then(|n| n.strip_suffix(EXTENSION)?.strip_suffix('.'));
                stems.extend(stem.and_then(|s| s.parse::<Stem>().ok()));
            }
            if last {
                return Ok(());
            }
            stems.sort_unstable();
            for part in stems.chunks(BATCH) {
                if halt() {
                    return Err(Trouble::Halted);
                }
                let mut changes = Changes::default();
                for stem in self.db.missing(device, part)? {
                    if let Seen::File(now) = look(&folder.join(stem.with(EXTENSION))) {
                        changes
                            .put
                            .push(Row::fresh(stem.clone(), device.to_owned(), now));
                    }
                }
                self.change(&changes)?;
            }
        }
    }

    fn devices(&self) -> Done<Vec<String>> {
        let unreadable = |e: std::io::Error| {
            Trouble::Unusable(format!("cannot read {}: {e}", self.root.display()))
        };
        let mut devices = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().into_string().unwrap_or_default();
            if is_device(&name) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                devices.push(name);
            }
        }
        Ok(devices)
    }
}

fn look(path: &Path) -> Seen {
    match path.symlink_metadata() {
        Ok(found) if found.is_file() => Seen::File(mark(&found)),
        // A link, or a folder: none of ours.
        Ok(_) => Seen::Gone,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Seen::Gone,
        Err(_) => Seen::Unknown,
    }
}

fn mark(found: &Metadata) -> Mark {
    let wall = |time: std::io::Result<SystemTime>| {
        let nanos = time.ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        Some(Wall::from_nanos(u64::try_from(nanos).ok()?))
    };
    Mark {
        size: found.len(),
        modified: wall(found.modified()).unwrap_or_default(),
        inode: found.ino(),
        created: wall(found.created()),
    }
}

fn sight_of(folder: &Path) -> Option<Sight> {
    let found = folder.symlink_metadata().ok().filter(Metadata::is_dir)?;
    Some((found.dev(), found.ino(), found.mtime(), found.mtime_nsec()))
}
