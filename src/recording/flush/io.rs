//! Flushes growing recordings from a thread of its own: a medium that hangs, hangs this thread and nothing else.
//!
//! The kernel says when a file appears and when it grows (inotify); a watch on a file stays with it when it is renamed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::libc::O_NOFOLLOW;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tracing::warn;

use super::Files;
use crate::clock::{self, Mono};
use crate::error::{Error, Kind, Result};
use crate::events::{Announce, Event, Topic};
use crate::recording::{EXTENSION, spool};
use crate::storage::medium::roots::{Place, Roots};
use crate::supervise::{Inbox, Post, Stop, Worker};
use crate::sys::lease;
use crate::system::alarms::{About, Alarm};

/// A flush that takes longer is told in health.
const HANGS: Duration = Duration::from_secs(5);
/// What a failed flush lost stays lost; it is told for so long.
const REMEMBERED: Duration = Duration::from_secs(600);
/// How long a folder that cannot be watched is waited for.
const AGAIN: Duration = Duration::from_secs(2);
/// From one look for files that do not grow any more to the next.
const SWEEP: Duration = Duration::from_secs(60);

/// What was done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Flushes that succeeded.
    pub flushes: u64,
    /// Flushes that failed.
    pub failures: u64,
    /// The longest of them.
    pub longest: Duration,
}

/// Keeps growing recordings flushed. Cheap to clone; all clones are one. [`Flusher::default`] flushes nothing.
#[derive(Debug, Clone, Default)]
pub struct Flusher(Option<Arc<Inner>>);

struct Inner {
    roots: Arc<Roots>,
    told: Option<Told>,
    every: Duration,
    post: Post<PathBuf>,
    /// Until the thread has it.
    inbox: Mutex<Option<Inbox<PathBuf>>>,
    state: State,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("roots", &self.roots).finish()
    }
}

/// What the kernel says of growing files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'a> {
    /// Something did not reach the medium: the folder or file.
    Failed(&'a Path),
    /// Whoever wrote a file of this device has closed it; where it lies.
    Closed(&'a str, &'a Path),
}

/// Is told them, and must not wait.
pub type Told = Box<dyn Fn(News<'_>) + Send + Sync>;

/// What others may know.
#[derive(Debug, Default)]
struct State {
    flushes: AtomicU64,
    failures: AtomicU64,
    longest_nanos: AtomicU64,
    /// When the flush that goes on began; 0: none does.
    busy_nanos: AtomicU64,
    /// The kernel does not say when files grow.
    blind: AtomicBool,
    trouble: Mutex<Option<(String, Mono)>>,
}

impl Flusher {
    /// Of the recordings beneath `root`, each at most once in `every`; zero flushes nothing.
    ///
    /// # Errors
    /// `Internal` when the kernel gives no descriptor.
    pub fn new(root: PathBuf, every: Duration) -> Result<Self> {
        Self::of(Arc::new(Roots::new(root, None)), every, None)
    }

    /// The same of the recordings beneath both of `roots`, while they are there; `told` hears what happens to them.
    ///
    /// # Errors
    /// As [`Flusher::new`].
    pub fn of(roots: Arc<Roots>, every: Duration, told: Option<Told>) -> Result<Self> {
        if every.is_zero() {
            return Ok(Self::default());
        }
        let (post, inbox) = Inbox::new()?;
        Ok(Self(Some(Arc::new(Inner {
            roots,
            told,
            every,
            post,
            inbox: Mutex::new(Some(inbox)),
            state: State::default(),
        }))))
    }

    /// Whether anything is flushed.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Starts the thread; it ends with the worker, after a last flush. `None` where nothing is to be flushed.
    ///
    /// # Errors
    /// `Internal` when the kernel gives no thread.
    pub fn start(&self, events: Arc<dyn Announce>) -> Result<Option<Worker>> {
        let Some(inner) = self.0.clone() else {
            return Ok(None);
        };
        let inbox = locked(&inner.inbox).take();
        let Some(inbox) = inbox else {
            return Ok(None);
        };
        Worker::spawn("flush", move |stop| watch(&inner, &events, &inbox, &stop)).map(Some)
    }

    /// A file has this name now, and may grow.
    pub(in crate::recording) fn named(&self, path: &Path) {
        if let Some(inner) = &self.0 {
            // Refused only when the thread has ended, with the service. As many as recordings begin.
            let _ = inner.post.urge(path.to_owned());
        }
    }

    /// Files go elsewhere now, perhaps onto a medium that has just come.
    pub(in crate::recording) fn moved(&self) {
        if let Some(inner) = &self.0 {
            let _ = inner.post.urge(spool::all(inner.roots.active()));
        }
    }

    /// What was done so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let Some(inner) = &self.0 else {
            return Figures::default();
        };
        Figures {
            flushes: inner.state.flushes.load(Relaxed),
            failures: inner.state.failures.load(Relaxed),
            longest: Duration::from_nanos(inner.state.longest_nanos.load(Relaxed)),
        }
    }

    /// What is wrong at `now`, from memory.
    #[must_use]
    pub fn alarms(&self, now: Mono) -> Vec<Alarm> {
        let Some(inner) = &self.0 else {
            return Vec::new();
        };
        let state = &inner.state;
        let mut found = Vec::new();
        let busy = state.busy_nanos.load(Relaxed);
        let hangs = now.since(Mono::from_nanos(busy));
        if busy != 0 && hangs > HANGS {
            let what = format!(
                "the medium of the recordings has not taken a flush for {} s: a power cut would cost as much",
                hangs.as_secs()
            );
            found.push(what);
        }
        if let Some((what, at)) = &*locked(&state.trouble)
            && now.since(*at) < REMEMBERED
        {
            found.push(what.clone());
        }
        if state.blind.load(Relaxed) {
            let what = format!(
                "growing recordings beneath {} cannot be watched, so they are not flushed",
                inner.roots.medium().display()
            );
            found.push(what);
        }
        let action = "look for the disk in the kernel log (dmesg), and replace the card if it is one; recording goes on";
        let alarm = |what| Alarm {
            about: About::RecordingFlush,
            what,
            action: action.to_owned(),
        };
        found.into_iter().map(alarm).collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each holds one value that is whole whoever panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread.
struct Watch<'a> {
    inner: &'a Inner,
    events: &'a Arc<dyn Announce>,
    eyes: Inotify,
    /// The spool, and one folder for each device that MediaMTX has written for.
    folders: BTreeMap<WatchDescriptor, PathBuf>,
    files: Files<WatchDescriptor>,
    open: BTreeMap<WatchDescriptor, Growing>,
    /// Folders whose entries changed.
    entries: BTreeSet<PathBuf>,
}

struct Growing {
    file: File,
    device: String,
    /// A failure of this one was told.
    told: bool,
}

fn watch(inner: &Inner, events: &Arc<dyn Announce>, inbox: &Inbox<PathBuf>, stop: &Stop) {
    let eyes = match Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC) {
        Ok(eyes) => eyes,
        Err(error) => {
            inner.state.blind.store(true, Relaxed);
            return warn!(%error, "growing recordings are not flushed: the kernel watches no more files; raise fs.inotify.max_user_instances");
        }
    };
    let mut watch = Watch {
        inner,
        events,
        eyes,
        folders: BTreeMap::new(),
        files: Files::new(inner.every),
        open: BTreeMap::new(),
        entries: BTreeSet::new(),
    };
    watch.rescan();
    let mut swept = clock::mono();
    while !stop.is_given() {
        let blind = inner.state.blind.load(Relaxed);
        let now = clock::mono();
        let rest = if blind { AGAIN } else { SWEEP };
        let wait = watch
            .files
            .wake()
            .map_or(rest, |at| at.since(now).min(rest));
        // Rounded up: a flush that is due in half a millisecond is not asked for a hundred times.
        let wait =
            PollTimeout::try_from(wait + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
        let mut waits = [
            PollFd::new(watch.eyes.as_fd(), PollFlags::POLLIN),
            PollFd::new(inbox.fd(), PollFlags::POLLIN),
            PollFd::new(stop.fd(), PollFlags::POLLIN),
        ];
        // Interrupted is as good as too early.
        let _ = poll(&mut waits, wait);
        while let Some(path) = inbox.next() {
            if path == spool::all(inner.roots.active()) {
                watch.rescan();
                continue;
            }
            // Its folder, and the one that this was perhaps made in.
            watch
                .entries
                .extend(path.ancestors().skip(1).take(2).map(Path::to_owned));
            watch.file(&path);
        }
        watch.look();
        if blind {
            watch.rescan();
        }
        for key in watch.files.due(clock::mono()) {
            watch.flush(key);
        }
        watch.flush_entries();
        if clock::mono().since(swept) > SWEEP {
            swept = clock::mono();
            for key in watch.files.idle(swept) {
                watch.forget(key);
            }
        }
    }
    watch.look();
    for key in watch.files.dirty() {
        watch.flush(key);
    }
    watch.flush_entries();
}

impl Watch<'_> {
    /// Watches the spool and everything in it, however much of that is watched already.
    fn rescan(&mut self) {
        if self.inner.roots.place() == Place::Nowhere {
            // Nothing is made beneath the place of a medium that is away.
            return;
        }
        let spool = spool::all(self.inner.roots.active());
        let done = fs::create_dir_all(&spool).and_then(|()| {
            self.folder(&spool)?;
            for entry in fs::read_dir(&spool)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    self.folder(&entry.path())?;
                }
            }
            Ok(())
        });
        let was = self.inner.state.blind.swap(done.is_err(), Relaxed);
        if let Err(error) = done
            && !was
        {
            warn!(folder = %spool.display(), %error, "growing recordings are not flushed: the folder cannot be watched");
            self.tell(News::Failed(&spool));
        }
    }

    fn tell(&self, news: News<'_>) {
        if let Some(told) = &self.inner.told {
            told(news);
        }
    }

    /// Watches a folder, and the files in it. First watched, then read: what happens in between is noted.
    fn folder(&mut self, folder: &Path) -> io::Result<()> {
        let news = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_ONLYDIR;
        let key = self.eyes.add_watch(folder, news)?;
        self.folders.insert(key, folder.to_owned());
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                self.file(&entry.path());
            }
        }
        Ok(())
    }

    /// Watches a file.
    fn file(&mut self, path: &Path) {
        if path.extension().is_none_or(|e| e != EXTENSION) {
            return;
        }
        let device = path.parent().and_then(Path::file_name).unwrap_or_default();
        let device = device.to_string_lossy().into_owned();
        // Gone again is a recording that failed, or has its name by now and is told under that.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(O_NOFOLLOW)
            .open(path);
        let Ok(file) = opened else {
            return;
        };
        let news =
            AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_ATTRIB;
        match self.eyes.add_watch(itself(&file).as_path(), news) {
            Ok(key) if self.files.knows(key) => {}
            Ok(key) => {
                if self.files.appeared(key, clock::mono()) {
                    // The entries of all folders above it, up to the one that people see.
                    let above = path.ancestors().skip(1);
                    let roots = &self.inner.roots;
                    let root = match roots.is_in_fallback(path) {
                        true => roots.fallback().unwrap_or(roots.medium()),
                        false => roots.medium(),
                    };
                    let ours = above.take_while(|folder| folder.starts_with(root));
                    self.entries.extend(ours.map(Path::to_owned));
                    let told = false;
                    let growing = Growing { file, device, told };
                    // Watched first: it may have been closed before.
                    let grows = lease::is_open_for_writing(&growing.file).unwrap_or(true);
                    self.open.insert(key, growing);
                    if !grows {
                        self.flush(key);
                        self.forget(key);
                    }
                } else {
                    let _ = self.eyes.rm_watch(key);
                    self.fail(&device, path, "too many recordings grow at once");
                }
            }
            Err(error) => self.fail(&device, path, &error.to_string()),
        }
    }

    /// Takes what the kernel says.
    fn look(&mut self) {
        while let Ok(news) = self.eyes.read_events() {
            for one in news {
                self.take(&one);
            }
        }
    }

    fn take(&mut self, news: &InotifyEvent) {
        let said = |flag| news.mask.contains(flag);
        if said(AddWatchFlags::IN_Q_OVERFLOW) {
            self.files.all_grew();
            return self.rescan();
        }
        if let Some(folder) = self.folders.get(&news.wd).cloned() {
            if said(AddWatchFlags::IN_IGNORED) {
                self.folders.remove(&news.wd);
                return self.rescan();
            }
            if said(AddWatchFlags::IN_MOVED_FROM) {
                self.entries.insert(folder);
            } else if let Some(name) = &news.name {
                let path = folder.join(name);
                if !said(AddWatchFlags::IN_ISDIR) {
                    self.file(&path);
                } else if self.folder(&path).is_err() {
                    // Gone again, or not to be watched, which is tried anew.
                    self.rescan();
                }
            }
            return;
        }
        if said(AddWatchFlags::IN_MODIFY) {
            self.files.grew(news.wd, clock::mono());
        }
        let deleted = |growing: &Growing| growing.file.metadata().is_ok_and(|m| m.nlink() == 0);
        if said(AddWatchFlags::IN_ATTRIB) && self.open.get(&news.wd).is_some_and(deleted) {
            // Kept open, it would keep its place on the medium.
            self.forget(news.wd);
        }
        if said(AddWatchFlags::IN_CLOSE_WRITE) {
            self.files.grew(news.wd, clock::mono());
            // Before the flush, which a medium in trouble may hold up.
            if let Some(growing) = self.open.get(&news.wd) {
                let path = fs::read_link(itself(&growing.file)).unwrap_or_default();
                self.tell(News::Closed(&growing.device, &path));
            }
            self.flush(news.wd);
            self.forget(news.wd);
        }
    }

    fn forget(&mut self, key: WatchDescriptor) {
        self.files.remove(key);
        if self.open.remove(&key).is_some() {
            // It may have gone with its file.
            let _ = self.eyes.rm_watch(key);
        }
    }

    fn flush(&mut self, key: WatchDescriptor) {
        let Some(growing) = self.open.get(&key) else {
            return;
        };
        let began = clock::mono();
        self.inner
            .state
            .busy_nanos
            .store(began.as_nanos().max(1), Relaxed);
        let flushed = growing.file.sync_data();
        self.inner.state.busy_nanos.store(0, Relaxed);
        let done = clock::mono();
        self.files.flushed(key, began, done);
        let took = u64::try_from(done.since(began).as_nanos()).unwrap_or(u64::MAX);
        self.inner.state.longest_nanos.fetch_max(took, Relaxed);
        match flushed {
            Ok(()) => {
                self.inner.state.flushes.fetch_add(1, Relaxed);
            }
            Err(error) => {
                let path = fs::read_link(itself(&growing.file)).unwrap_or_default();
                let (device, told) = (growing.device.clone(), growing.told);
                self.tell(News::Failed(&path));
                if told {
                    self.inner.state.failures.fetch_add(1, Relaxed);
                    let why = format!("{}: {error}", path.display());
                    *locked(&self.inner.state.trouble) = Some((why, done));
                } else {
                    self.fail(&device, &path, &error.to_string());
                    if let Some(growing) = self.open.get_mut(&key) {
                        growing.told = true;
                    }
                }
            }
        }
    }

    /// Makes durable that files are where they are.
    fn flush_entries(&mut self) {
        for folder in std::mem::take(&mut self.entries) {
            let began = clock::mono();
            self.inner
                .state
                .busy_nanos
                .store(began.as_nanos().max(1), Relaxed);
            let flushed = File::open(&folder).and_then(|folder| folder.sync_all());
            self.inner.state.busy_nanos.store(0, Relaxed);
            match flushed {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    let device = folder.file_name().unwrap_or_default().to_string_lossy();
                    self.tell(News::Failed(&folder));
                    self.fail(&device, &folder, &e.to_string());
                }
                _ => {}
            }
        }
    }

    /// Tells that something is not on the medium.
    fn fail(&self, device: &str, path: &Path, why: &str) {
        self.inner.state.failures.fetch_add(1, Relaxed);
        let what = format!("{} could not be flushed: {why}", path.display());
        let error = Error::new(Kind::Transient, what.clone())
            .action("look for the disk in the kernel log (dmesg); recording goes on");
        warn!(device, %error, "what was recorded last may be lost");
        *locked(&self.inner.state.trouble) = Some((what.clone(), clock::mono()));
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let event = Event::new(Topic::RecordingError, clock::wall())
            .of(device)
            .with("status", "ERROR")
            .with("filename", name.as_ref())
            .with("reason", what);
        self.events.announce(event);
    }
}

/// A path to an open file that holds whatever its name becomes.
fn itself(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()).into()
}

#[cfg(test)]
mod tests;
