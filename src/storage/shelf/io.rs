//! The folder on the disk.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirEntry, File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use super::memory::io::Memory;
use super::{Entry, Happened, Shelf, UNFINISHED, Watcher, Weight, sort};
use crate::clock::Wall;
use crate::error::{Error, Kind, Result};
use crate::storage::marks;
use crate::storage::medium::roots::{Place, Roots};
use crate::storage::names::Stem;
use crate::storage::quota::Why;

/// A [`Shelf`] on the disk.
pub struct Folder {
    root: PathBuf,
    extension: &'static str,
    /// Held from the choice of a name until the file has it.
    naming: Mutex<()>,
    memory: Memory,
    watchers: RwLock<Vec<Watcher>>,
    /// Tells whether the medium is there; absent where it always is.
    roots: Option<Arc<Roots>>,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Folder").field(&self.root).finish()
    }
}

impl Folder {
    /// The folder at `root`; it is made when the first file comes.
    #[must_use]
    pub fn new(root: PathBuf, extension: &'static str) -> Self {
        Self {
            root,
            extension,
            naming: Mutex::new(()),
            memory: Memory::default(),
            watchers: RwLock::default(),
            roots: None,
        }
    }

    /// The same on a medium that may be pulled: while it is away, the folder is empty and takes nothing.
    #[must_use]
    pub fn of(mut self, roots: Arc<Roots>) -> Self {
        self.roots = Some(roots);
        self
    }

    fn tell(&self, happened: Happened<'_>) {
        let watchers = self.watchers.read().unwrap_or_else(PoisonError::into_inner);
        for watcher in &*watchers {
            watcher(happened);
        }
    }

    /// Removes what a power cut left half written. Call it before the first file is written.
    pub fn sweep(&self) -> Result<()> {
        for folder in self.devices()? {
            let begun = |entry: &DirEntry| {
                let name = entry.file_name();
                name.to_str().is_some_and(|n| n.starts_with(UNFINISHED))
            };
            for entry in entries(&folder)?.into_iter().filter(begun) {
                gone_is_fine(fs::remove_file(entry.path()))
                    .map_err(|e| at("cannot remove", &entry.path(), e))?;
            }
        }
        Ok(())
    }

    /// One folder for each camera or stream.
    fn devices(&self) -> Result<Vec<PathBuf>> {
        if self.is_away() {
            return Ok(Vec::new());
        }
        let folders = entries(&self.root)?.into_iter().filter(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_dir())
                && entry
                    .file_name()
                    .to_str()
                    .is_some_and(|n| !n.starts_with('.'))
        });
        let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
        // Where two have a file of one name, the first is meant, each time.
        folders.sort_unstable();
        Ok(folders)
    }

    fn is_there(&self) -> Result<()> {
        if !self.is_away() {
            return Ok(());
        }
        Err(Error::new(
            Kind::Gone,
            format!("the medium of {} is away", self.root.display()),
        )
        .action("plug it in again and mount it"))
    }

    fn stem_of(&self, name: &OsStr) -> Option<Stem> {
        let stem = name
            .to_str()?
            .strip_suffix(self.extension)?
            .strip_suffix('.')?;
        stem.parse().ok()
    }

    fn entry(stem: Stem, path: PathBuf, found: &Metadata) -> Entry {
        let wall = |time: io::Result<SystemTime>| {
            let since_epoch = time.ok()?.duration_since(UNIX_EPOCH).ok()?;
            Some(Wall::from_nanos(
                u64::try_from(since_epoch.as_nanos()).ok()?,
            ))
        };
        let modified = wall(found.modified()).unwrap_or_default();
        let device = path.parent().and_then(Path::file_name).unwrap_or_default();
        Entry {
            stem,
            device: device.to_string_lossy().into_owned(),
            size: found.len(),
            modified,
            created: wall(found.created()),
            path,
        }
    }

    /// Gives `from` the first free name after `wish`. The file may still be written.
    fn settle(&self, device: &str, wish: &Stem, from: &Path) -> Result<Entry> {
        self.is_there()?;
        let folder = self.root.join(device);
        make(&folder)?;
        // Poisoned: some call panicked between two names; none of them is lost by going on.
        let naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        // A mark whose recording is away keeps its name: it may come back, and another one must not inherit it.
        let marks = self.root.join(marks::FOLDER);
        let folders = self.devices()?;
        let taken = |stem: &Stem| {
            let name = stem.with(self.extension);
            folders
                .iter()
                .chain([&marks])
                .any(|f| f.join(&name).symlink_metadata().is_ok())
        };
        let stem = wish.free(taken);
        let path = folder.join(stem.with(self.extension));
        fs::rename(from, &path).map_err(|e| at("cannot give its name to", &path, e))?;
        drop(naming);
        sync(&folder).map_err(|e| at("cannot flush", &folder, e))?;
        let found = path
            .symlink_metadata()
            .map_err(|e| at("cannot look at", &path, e))?;
        let entry = Self::entry(stem, path, &found);
        self.tell(Happened::New(&entry));
        Ok(entry)
    }
}

impl Shelf for Folder {
    fn extension(&self) -> &'static str {
        self.extension
    }

    fn root(&self) -> PathBuf {
        self.root.clone()
    }

    fn all(&self) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        for folder in self.devices()? {
            for entry in entries(&folder)? {
                let Some(stem) = self.stem_of(&entry.file_name()) else {
                    continue;
                };
                // Neither follows a link; a file that has just been deleted is none.
                let Ok(found) = entry.metadata() else {
                    continue;
                };
                if found.is_file() {
                    all.push(Self::entry(stem, entry.path(), &found));
                }
            }
        }
        Ok(all)
    }

    fn sorted(&self) -> Result<Arc<[Entry]>> {
        let read = || {
            let mut all = self.all()?;
            sort(&mut all);
            Ok(all)
        };
        if self.is_away() {
            return Ok(Arc::default());
        }
        self.memory.learn(&self.root, || self.devices(), read)
    }

    fn is_away(&self) -> bool {
        self.roots.as_ref().is_some_and(|roots| roots.is_away())
    }

    fn is_troubled(&self) -> bool {
        let troubled = |roots: &Arc<Roots>| roots.place() != Place::Medium;
        self.is_away() || self.roots.as_ref().is_some_and(troubled)
    }

    fn recall(&self) -> Option<Arc<[Entry]>> {
        if self.is_away() {
            return None;
        }
        self.memory.recall()
    }

    fn find(&self, stem: &Stem) -> Result<Option<Entry>> {
        let name = stem.with(self.extension);
        for folder in self.devices()? {
            let path = folder.join(&name);
            match path.symlink_metadata() {
                Ok(found) if found.is_file() => {
                    return Ok(Some(Self::entry(stem.clone(), path, &found)));
                }
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(at("cannot look at", &path, e)),
            }
        }
        Ok(None)
    }

    fn delete(&self, stem: &Stem, why: Why) -> Result<Option<u64>> {
        let Some(entry) = self.find(stem)? else {
            return Ok(None);
        };
        match fs::remove_file(&entry.path) {
            Ok(()) => {
                tracing::info!(file = %entry.path.display(), bytes = entry.size, %why, "deleted");
                self.tell(Happened::Deleted(&entry, why));
                // What somebody was told to be gone does not come back after a power cut.
                if why == Why::Asked
                    && let Some(folder) = entry.path.parent()
                {
                    sync(folder).map_err(|e| at("cannot flush", folder, e))?;
                }
                Ok(Some(entry.size))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(at("cannot delete", &entry.path, e)),
        }
    }

    fn watch(&self, watcher: Watcher) {
        let mut watchers = self
            .watchers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        watchers.push(watcher);
    }

    fn adopt(&self, device: &str, wish: &Stem, finished: &Path) -> Result<Entry> {
        self.settle(device, wish, finished)
    }

    fn put(&self, device: &str, wish: &Stem, bytes: &[u8]) -> Result<Entry> {
        self.is_there()?;
        let folder = self.root.join(device);
        make(&folder)?;
        let begun = folder.join(format!("{UNFINISHED}{}", uuid::Uuid::new_v4().simple()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&begun)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            })
            .map_err(|e| at("cannot write", &begun, e))
            .and_then(|()| self.settle(device, wish, &begun));
        if written.is_err() {
            // What cannot be removed now is swept at the next start.
            let _ = fs::remove_file(&begun);
        }
        written
    }
}

fn at(what: &str, path: &Path, source: io::Error) -> Error {
    let kind = match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Kind::Transient,
        _ => Kind::Config,
    };
    let action = match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "delete recordings or snapshots that are not needed"
        }
        ErrorKind::PermissionDenied => "let the service's user own the folder",
        ErrorKind::ReadOnlyFilesystem => {
            "the medium has been made read-only: look at it with dmesg and fsck"
        }
        _ => "look at the medium with df and dmesg",
    };
    Error::new(kind, format!("{what} {}", path.display()))
        .because(source)
        .action(action)
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| at("cannot make the folder", folder, e))
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn gone_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// What is in a folder; nothing when it is not there.
fn entries(folder: &Path) -> Result<Vec<DirEntry>> {
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(at("cannot read the folder", folder, e)),
    };
    read.collect::<io::Result<_>>()
        .map_err(|e| at("cannot read the folder", folder, e))
}

/// How much everything beneath `folder` takes, files included that are no recordings. Links are not followed; a file with
/// several names counts once, as du(1) counts.
pub fn weight(folder: &Path) -> Result<Weight> {
    let mut sum = Weight::default();
    weigh(folder, &mut sum, &mut BTreeSet::new())?;
    Ok(sum)
}

fn weigh(folder: &Path, sum: &mut Weight, counted: &mut BTreeSet<(u64, u64)>) -> Result<()> {
    for entry in entries(folder)? {
        let is = |kind: fn(&FileType) -> bool| entry.file_type().is_ok_and(|t| kind(&t));
        if is(FileType::is_dir) {
            weigh(&entry.path(), sum, counted)?;
        } else if is(FileType::is_file) {
            // One that has just been deleted weighs nothing.
            let Ok(found) = entry.metadata() else {
                continue;
            };
            if found.nlink() > 1 && !counted.insert((found.dev(), found.ino())) {
                continue;
            }
            sum.bytes = sum.bytes.saturating_add(found.len());
            // st_blocks counts in 512 bytes whatever the file system (stat(2)).
            let allocated = found.blocks().saturating_mul(512);
            sum.allocated = sum.allocated.saturating_add(allocated);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
