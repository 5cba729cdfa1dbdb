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
        }
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
        self.memory.learn(&self.root, || self.devices(), read)
    }

    fn recall(&self) -> Option<Arc<[Entry]>> {
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
mod tests {
    use super::*;
    use crate::clock;
    use crate::storage::shelf::{Page, page};

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("shelf-{name}-{}", uuid::Uuid::new_v4()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn stem(text: &str) -> Stem {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_is_taken_once_in_the_whole_folder_and_nothing_is_overwritten() {
        let scratch = Scratch::new("names");
        let shelf = Folder::new(scratch.0.clone(), "jpg");
        let names: Vec<String> = ["camera0", "camera1", "camera0"]
            .iter()
            .map(|device| {
                shelf
                    .put(device, &stem("party"), device.as_bytes())
                    .unwrap()
                    .stem
                    .to_string()
            })
            .collect();
        assert_eq!(names, ["party", "party-2", "party-3"]);
        let second = shelf.find(&stem("party-2")).unwrap().unwrap();
        assert_eq!((second.device.as_str(), second.size), ("camera1", 7));
        assert_eq!(fs::read(&second.path).unwrap(), b"camera1");
        assert_eq!(shelf.delete(&stem("party-2"), Why::Asked).unwrap(), Some(7));
        assert_eq!(shelf.delete(&stem("party-2"), Why::Asked).unwrap(), None);
        assert_eq!(shelf.all().unwrap().len(), 2);
    }

    #[test]
    fn strangers_links_and_half_written_files_are_no_recordings() {
        let scratch = Scratch::new("strangers");
        let shelf = Folder::new(scratch.0.clone(), "mp4");
        let camera = scratch.0.join("camera0");
        fs::create_dir_all(camera.join("folder.mp4")).unwrap();
        fs::create_dir_all(scratch.0.join(".recording/camera0")).unwrap();
        for stranger in [
            "camera0/a.txt",
            "camera0/ä.mp4",
            ".recording/camera0/b.mp4",
            "loose.mp4",
        ] {
            fs::write(scratch.0.join(stranger), "x").unwrap();
        }
        fs::write(camera.join(format!("{UNFINISHED}1")), "x").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", camera.join("secret.mp4")).unwrap();
        assert_eq!(shelf.all().unwrap(), []);
        assert_eq!(shelf.find(&stem("secret")).unwrap(), None);
        shelf.sweep().unwrap();
        assert!(!camera.join(format!("{UNFINISHED}1")).exists());
        assert!(camera.join("a.txt").exists());
        assert_eq!(weight(&scratch.0).unwrap().bytes, 4);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_empty_and_one_that_cannot_be_read_is_an_error() {
        let scratch = Scratch::new("absent");
        let shelf = Folder::new(scratch.0.join("not/yet"), "mp4");
        assert_eq!(shelf.all().unwrap(), []);
        let file = scratch.0.join("file");
        fs::write(&file, "x").unwrap();
        let said = Folder::new(file.clone(), "mp4")
            .all()
            .unwrap_err()
            .to_string();
        assert!(said.contains(&file.display().to_string()), "{said}");
    }

    #[test]
    fn a_file_that_is_still_written_can_be_adopted() {
        let scratch = Scratch::new("adopt");
        let shelf = Folder::new(scratch.0.clone(), "mp4");
        let raw = scratch.0.join("raw");
        let mut pen = File::create(&raw).unwrap();
        pen.write_all(b"one").unwrap();
        let entry = shelf.adopt("camera0", &stem("running"), &raw).unwrap();
        pen.write_all(b"two").unwrap();
        drop(pen);
        assert_eq!(shelf.find(&entry.stem).unwrap().unwrap().size, 6);
        assert!(!raw.exists());
    }

    #[test]
    fn a_list_is_remembered_until_anything_happens_behind_our_back() {
        let scratch = Scratch::new("memory");
        let root = scratch.0.join("recordings");
        let shelf = Folder::new(root.clone(), "mp4");
        let names = |list: &[Entry]| -> Vec<(String, u64)> {
            let of = |e: &Entry| (e.stem.to_string(), e.size);
            list.iter().map(of).collect()
        };
        let camera = root.join("camera0");
        let file = camera.join("a.mp4");
        type Step<'a> = (&'a str, &'a dyn Fn(), &'a [(&'a str, u64)]);
        let steps: [Step<'_>; 8] = [
            ("nothing is there", &|| (), &[]),
            (
                "the folder is made",
                &|| fs::create_dir(&root).unwrap(),
                &[],
            ),
            ("a camera's, too", &|| fs::create_dir(&camera).unwrap(), &[]),
            (
                "a file comes",
                &|| fs::write(&file, "1").unwrap(),
                &[("a", 1)],
            ),
            (
                "it grows while somebody else has it open",
                &|| {
                    let mut pen = OpenOptions::new().append(true).open(&file).unwrap();
                    pen.write_all(b"23").unwrap();
                },
                &[("a", 3)],
            ),
            (
                "it gets another name",
                &|| fs::rename(&file, camera.join("b.mp4")).unwrap(),
                &[("b", 3)],
            ),
            (
                "it goes",
                &|| fs::remove_file(camera.join("b.mp4")).unwrap(),
                &[],
            ),
            (
                "another folder takes the place of ours",
                &|| {
                    fs::rename(&root, scratch.0.join("old")).unwrap();
                    fs::create_dir_all(&camera).unwrap();
                    fs::write(camera.join("c.mp4"), "").unwrap();
                },
                &[("c", 0)],
            ),
        ];
        for (what, step, there) in steps {
            let before = shelf.sorted().unwrap();
            step();
            let there: Vec<(String, u64)> =
                there.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect();
            if let Some(list) = shelf.recall() {
                assert!(names(&before) == there && names(&list) == there, "{what}");
            }
            assert_eq!(names(&shelf.sorted().unwrap()), there, "{what}");
            // Nothing happens, and the disk need not be asked, but for a machine that stands still for a second.
            let again = (0..10).find_map(|_| {
                shelf.sorted().unwrap();
                shelf.recall()
            });
            assert_eq!(names(&again.expect("it is remembered")), there, "{what}");
        }
    }

    #[test]
    fn what_files_take_agrees_with_du_where_there_are_holes_links_and_half_blocks() {
        let scratch = Scratch::new("du");
        let camera = scratch.0.join("camera0");
        fs::create_dir_all(scratch.0.join(".recording/camera0")).unwrap();
        fs::create_dir_all(&camera).unwrap();
        fs::write(camera.join("a.mp4"), vec![1; 12_345]).unwrap();
        fs::write(scratch.0.join(".recording/camera0/b.mp4"), "x").unwrap();
        fs::write(camera.join("empty.mp4"), "").unwrap();
        let sparse = File::create(camera.join("sparse.mp4")).unwrap();
        sparse.set_len(5_000_000_001).unwrap();
        drop(sparse);
        fs::hard_link(camera.join("a.mp4"), scratch.0.join("again.mp4")).unwrap();
        std::os::unix::fs::symlink(camera.join("a.mp4"), camera.join("link.mp4")).unwrap();
        let du = |of: &str| -> u64 {
            let files = format!("find '{}' -type f -print0", scratch.0.display());
            let sum = format!("{files} | du {of} -c --files0-from=- | tail -n1 | cut -f1");
            let said = std::process::Command::new("sh").args(["-c", &sum]).output();
            let said = String::from_utf8(said.unwrap().stdout).unwrap();
            said.trim().parse().unwrap()
        };
        let weight = weight(&scratch.0).unwrap();
        assert_eq!(weight.bytes, 5_000_000_001 + 12_345 + 1);
        assert_eq!((weight.bytes, weight.allocated), (du("-b"), du("-B1")));
        assert!(weight.allocated < 100_000, "{weight:?}");
    }

    #[test]
    fn whoever_watches_hears_of_each_file_that_comes_and_why_one_goes() {
        let scratch = Scratch::new("watch");
        let shelf = Folder::new(scratch.0.clone(), "mp4");
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let ear = Arc::clone(&heard);
        shelf.watch(Box::new(move |happened| {
            let said = match happened {
                Happened::New(entry) => format!("new {}", entry.stem),
                Happened::Deleted(entry, why) => format!("{} gone: {why}", entry.stem),
            };
            ear.lock().unwrap().push(said);
        }));
        shelf.put("camera0", &stem("a"), b"1").unwrap();
        shelf.delete(&stem("a"), Why::MinFree).unwrap();
        shelf.delete(&stem("a"), Why::Asked).unwrap();
        assert_eq!(*heard.lock().unwrap(), ["new a", "a gone: min_free"]);
    }

    #[test]
    fn a_mark_whose_recording_is_away_is_not_inherited() {
        let scratch = Scratch::new("inherit");
        let shelf = Folder::new(scratch.0.clone(), "mp4");
        let marks = scratch.0.join(marks::FOLDER);
        fs::create_dir_all(&marks).unwrap();
        fs::write(marks.join("party.mp4"), "").unwrap();
        let entry = shelf.put("camera0", &stem("party"), b"1").unwrap();
        assert_eq!(entry.stem.as_str(), "party-2");
    }

    #[test]
    fn ten_thousand_files_are_listed_well_within_a_second() {
        let scratch = Scratch::new("many");
        let shelf = Folder::new(scratch.0.clone(), "mp4");
        for device in 0..4 {
            let folder = scratch.0.join(format!("camera{device}"));
            fs::create_dir_all(&folder).unwrap();
            for number in 0..2500 {
                File::create(folder.join(format!("camera{device}_{number:05}.mp4"))).unwrap();
            }
        }
        let begin = clock::mono();
        let part = page(
            shelf.all().unwrap(),
            Page {
                limit: 50,
                offset: 9_980,
            },
        );
        let took = clock::mono().since(begin);
        println!("10,000 files listed in {took:?}");
        assert_eq!((part.total, part.files.len()), (10_000, 20));
        assert!(took.as_millis() < 1000, "{took:?}");
    }
}
