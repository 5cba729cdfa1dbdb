//! The index as the recorder asks it, and the thread that looks after it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::book::io::Book;
use super::db::io::{Trouble, discard};
use super::{Inventory, Item, both};
use crate::clock::{self, Mono};
use crate::error::Result;
use crate::recording::examine::{Facts, examine};
use crate::storage::Protect;
use crate::storage::names::Stem;
use crate::storage::shelf::{Entry, Page, Shelf, cut};
use crate::supervise::{Stop, Worker, blocking};

/// How often the thread looks what has happened while nobody asks.
const TICK: u16 = 1000;
/// From one try to open the index, or to make a new one, to the next, when it fails.
const AGAIN: Duration = Duration::from_secs(60);
/// Files that are examined before the results are written down: one by one it would be many times the bytes.
const BATCH: usize = 256;
/// How long results wait to be written down at most.
const HELD: Duration = Duration::from_secs(5);
/// How far the thread gives way to all others (nice(7)).
const BEHIND_ALL: i32 = 19;

/// The index of the recordings on a shelf. Cheap to clone; all clones are one. While there is no index to be had, the
/// shelf is read: slower, and without [`Item::facts`], but as true.
#[derive(Clone)]
pub struct Index(Arc<Inner>);

struct Inner {
    shelf: Arc<dyn Shelf>,
    running: Arc<dyn Protect>,
    /// Absent until it has been compared with the folder, and while it cannot be believed.
    book: Mutex<Option<Book>>,
    tries: Mutex<Tries>,
    /// Of the fallback's folder, where there is one.
    beside: Option<Index>,
}

/// How it went with opening the index.
#[derive(Debug, Default)]
struct Tries {
    /// When it was tried last.
    last: Option<Mono>,
    /// It, or what came of it, failed: not at once again.
    failed: bool,
    /// Why, as it was said.
    said: String,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}

impl Index {
    /// An index of what is on `shelf`. Nothing is indexed before [`Index::run`]. Files that `running` names still grow
    /// and are not examined.
    #[must_use]
    pub fn new(shelf: Arc<dyn Shelf>, running: Arc<dyn Protect>) -> Self {
        Self::with(shelf, running, None)
    }

    /// The same, and beside it what `fallback` tells, which is always there: lists hold both.
    #[must_use]
    pub fn with(shelf: Arc<dyn Shelf>, running: Arc<dyn Protect>, fallback: Option<Self>) -> Self {
        Self(Arc::new(Inner {
            shelf,
            running,
            book: Mutex::new(None),
            tries: Mutex::default(),
            beside: fallback,
        }))
    }

    /// The index of the fallback, which is to be run, too.
    #[must_use]
    pub fn beside(&self) -> Option<&Self> {
        self.0.beside.as_ref()
    }

    /// Looks after the index until the service stops, in a thread of its own that gives way to all others.
    ///
    /// # Errors
    /// `Internal` when the kernel gives no thread. What else fails is said, and tried again.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) -> Result<()> {
        let worker = Worker::spawn("index", move |stop| self.look_after(&stop))?;
        while !*stopping.borrow() {
            if stopping.changed().await.is_err() {
                break;
            }
        }
        // Waits for the file that is being examined, and for the database to be closed.
        blocking(move || {
            drop(worker);
            Ok(())
        })
        .await
    }

    /// A part of the list, where it is known without asking the disk. Does not wait.
    pub fn recall(&self, page: Page) -> Option<Arc<Inventory>> {
        if self.0.shelf.is_troubled() {
            return None;
        }
        // Where something lies in the fallback, both are asked, which waits.
        if let Some(beside) = &self.0.beside {
            let none = beside.recall(both::NONE)?;
            if none.total > 0 {
                return None;
            }
        }
        let mut book = match self.0.book.try_lock() {
            Ok(book) => book,
            Err(TryLockError::Poisoned(_) | TryLockError::WouldBlock) => return None,
        };
        match book.as_mut() {
            Some(book) => book.recall(page, clock::mono()),
            None => Some(unexamined(&self.0.shelf.recall()?, page)),
        }
    }

    /// A part of the list. May wait for the disk, as all below.
    ///
    /// # Errors
    /// The disk's own, with the path.
    pub fn list(&self, page: Page) -> Result<Arc<Inventory>> {
        let Some(beside) = &self.0.beside else {
            return self.list_here(page);
        };
        let there = beside.list_here(both::ALL)?;
        if there.total == 0 && !self.0.shelf.is_away() {
            // Asked for nothing more, it is known the next time.
            beside.list_here(both::NONE)?;
            return match self.list_here(page) {
                Err(error) if self.0.shelf.is_troubled() => {
                    debug!(%error, "the medium's recordings cannot be listed");
                    Ok(Arc::default())
                }
                listed => listed,
            };
        }
        let window = both::window(page, there.total);
        let here = match self.list_here(window) {
            Ok(here) if here.files.is_empty() && here.total > 0 && window.offset > 0 => {
                let last = both::last(here.total);
                return Ok(Arc::new(both::merge(
                    page,
                    last,
                    &*self.list_here(last)?,
                    &there,
                )));
            }
            Ok(here) => here,
            // What is in trouble is not listed for now.
            Err(error) => {
                debug!(%error, "the medium's recordings cannot be listed");
                Arc::default()
            }
        };
        Ok(Arc::new(both::merge(page, window, &here, &there)))
    }

    fn list_here(&self, page: Page) -> Result<Arc<Inventory>> {
        let indexed = self.ask(|book| {
            let now = clock::mono();
            // Of many who ask at once, the first has looked for all.
            if let Some(known) = book.recall(page, now) {
                return Ok(known);
            }
            book.refresh(true, now)?;
            book.page(page, now)
        });
        match indexed {
            Some(inventory) => Ok(inventory),
            None => Ok(unexamined(&self.0.shelf.sorted()?, page)),
        }
    }

    /// One recording, as its file is now.
    ///
    /// # Errors
    /// As [`Index::list`].
    pub fn find(&self, stem: &Stem) -> Result<Option<Item>> {
        let Some(beside) = &self.0.beside else {
            return self.find_here(stem);
        };
        match self.find_here(stem) {
            Ok(Some(item)) => Ok(Some(item)),
            Ok(None) => beside.find_here(stem),
            Err(error) => beside.find_here(stem)?.map(Some).ok_or(error),
        }
    }

    fn find_here(&self, stem: &Stem) -> Result<Option<Item>> {
        let indexed = self.ask(|book| {
            let now = clock::mono();
            book.refresh(true, now)?;
            book.find(stem, now)
        });
        if let Some(Some(item)) = indexed {
            return Ok(Some(item));
        }
        // What is not in the index may be on the disk all the same.
        let found = self.0.shelf.find(stem)?;
        Ok(found.map(|entry| Item { entry, facts: None }))
    }

    /// Whether the index is there, compared with the folder: lists come from it.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        self.lock().is_some()
    }

    /// Whether the index is compared with the folder, and nothing waits to be examined.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let complete = self.ask(|book| {
            book.refresh(true, clock::mono())?;
            Ok(book.pending(None, 1)?.is_empty())
        });
        complete == Some(true)
    }

    /// Asks the index, if it is there. One that fails is put away: the thread opens it again, or makes a new one.
    fn ask<T>(&self, ask: impl FnOnce(&mut Book) -> Result<T, Trouble>) -> Option<T> {
        let mut held = self.lock();
        if self.0.shelf.is_troubled() {
            // Whoever repairs it must be able to unmount it. It is compared anew when it is back.
            *held = None;
        }
        match ask(held.as_mut()?) {
            Ok(answer) => Some(answer),
            Err(trouble) => {
                *held = None;
                drop(held);
                self.failed(&trouble);
                None
            }
        }
    }

    /// Notes that there is no index for this reason, and says so, once.
    fn failed(&self, trouble: &Trouble) {
        if matches!(trouble, Trouble::Lost | Trouble::Halted) {
            return;
        }
        let mut tries = self.tries();
        tries.failed = true;
        let why = trouble.to_string();
        if tries.said != why {
            warn!(
                why,
                "there is no index of recordings for now; the folder is read each time, which is slower, and lists do not tell what files hold"
            );
            tries.said = why;
        }
    }

    fn tries(&self) -> MutexGuard<'_, Tries> {
        // Each of its parts is whole by itself.
        self.0.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Book>> {
        self.0.book.lock().unwrap_or_else(|poisoned| {
            // Whoever panicked may have left it half changed: it is compared anew.
            let mut held = poisoned.into_inner();
            *held = None;
            self.0.book.clear_poison();
            held
        })
    }

    /// The thread's work.
    pub fn look_after(&self, stop: &Stop) {
        crate::sys::nice::give_way(BEHIND_ALL);
        while !stop.is_given() {
            if self.lock().is_none() && self.is_due(clock::mono()) {
                self.open(stop);
            }
            self.ask(|book| book.refresh(false, clock::mono()));
            self.examine_pending(stop);
            self.let_go(clock::mono());
            let mut awaited = [PollFd::new(stop.fd(), PollFlags::POLLIN)];
            // A signal only makes it look earlier.
            let _ = poll(&mut awaited, PollTimeout::from(TICK));
        }
        // Closed here, where it may take its time.
        *self.lock() = None;
    }

    /// Lets go of a medium that nobody uses.
    fn let_go(&self, now: Mono) {
        self.ask(|book| {
            book.rest(now);
            Ok(())
        });
    }

    /// Whether to try to open it. What fails, or goes bad as soon as it is made, is not tried all the time.
    fn is_due(&self, now: Mono) -> bool {
        let tries = self.tries();
        !tries.failed || tries.last.is_none_or(|last| now.since(last) >= AGAIN)
    }

    /// Opens the index and compares it with the folder.
    fn open(&self, stop: &Stop) {
        let root = self.0.shelf.root();
        // It is made when the first recording comes. Until then there is nothing to index.
        if self.0.shelf.is_troubled() || !root.is_dir() {
            return;
        }
        let begin = clock::mono();
        {
            let mut tries = self.tries();
            (tries.last, tries.failed) = (Some(begin), false);
        }
        let halt = || stop.is_given();
        let opened = Book::open(&root, &halt, begin).or_else(|trouble| match trouble {
            Trouble::Damaged(why) => {
                warn!(why, folder = %root.display(), "the index of recordings is damaged and is made anew from the files; no recording is touched");
                discard(&root)?;
                Book::open(&root, &halt, begin)
            }
            other => Err(other),
        });
        match opened {
            Ok(book) => {
                let took = clock::mono().since(begin);
                info!(
                    recordings = book.total(),
                    took_ms = took.as_millis(),
                    "the recordings are indexed"
                );
                self.tries().said.clear();
                *self.lock() = Some(book);
            }
            Err(trouble) => self.failed(&trouble),
        }
    }

    /// Examines what has come or changed, the newest first.
    fn examine_pending(&self, stop: &Stop) {
        if self.ask(|book| Ok(book.take_pending())) != Some(true) {
            return;
        }
        let mut behind = None;
        // What runs is examined when it has ended.
        let mut all = true;
        loop {
            let next = self.ask(|book| {
                let rows = book.pending(behind.as_ref(), BATCH)?;
                Ok((rows, book.root().to_owned()))
            });
            let Some((rows, root)) = next else { return };
            if rows.is_empty() {
                if !all {
                    self.ask(|book| {
                        book.leave_pending();
                        Ok(())
                    });
                }
                return;
            }
            let begin = clock::mono();
            let mut done = Vec::with_capacity(rows.len());
            for mut row in rows {
                if stop.is_given() || clock::mono().since(begin) > HELD {
                    break;
                }
                behind = Some(row.clone());
                if self.0.running.is_running(&row.stem) {
                    all = false;
                    continue;
                }
                let facts = examine_unless(&row.path(&root), &|| stop.is_given());
                // One that was broken off is not known.
                if !stop.is_given() {
                    row.facts = Some(facts);
                    done.push(row);
                }
            }
            self.ask(|book| book.examined(&done));
            if stop.is_given() {
                return;
            }
        }
    }
}

/// What a file is; one that cannot be read is unplayable.
pub(in crate::recording) fn examine_at(path: &Path) -> Facts {
    examine_unless(path, &|| false)
}

/// What a file is, unless `halt` says meanwhile that nobody wants to know any more: a day's recording on a slow card
/// takes a while.
fn examine_unless(path: &Path, halt: &dyn Fn() -> bool) -> Facts {
    File::open(path)
        .and_then(|file| examine(&mut Patient { file, halt }))
        .unwrap_or_else(|_| Facts::unplayable())
}

/// A file that is read until somebody says stop.
struct Patient<'a> {
    file: File,
    halt: &'a dyn Fn() -> bool,
}

impl Read for Patient<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match (self.halt)() {
            true => Err(ErrorKind::TimedOut.into()),
            false => self.file.read(out),
        }
    }
}

impl Seek for Patient<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// A part of what the folder holds.
fn unexamined(all: &[Entry], page: Page) -> Arc<Inventory> {
    let part = cut(all, page);
    let item = |entry| Item { entry, facts: None };
    Arc::new(Inventory {
        files: part.files.into_iter().map(item).collect(),
        total: part.total,
    })
}

#[cfg(test)]
mod tests;
