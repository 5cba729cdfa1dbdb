//! Digests finished recordings, one at a time and slowly, and keeps the chain.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use ring::digest::{Context, SHA256};
use tokio::sync::{Notify, watch};
use tracing::{debug, info, warn};

use super::book::Stand;
use super::chain::Places;
use super::chain::io::Chain;
use super::figures::Figures;
use super::record::{Digest, NOTHING, What, hex};
use super::todo::Todo;
use super::{Deed, Witness};
use crate::clock::{self, Mono, Wall};
use crate::error::{Error, Kind, Result};
use crate::recording::disk::io as disk;
use crate::recording::fmp4::Memory;
use crate::storage::Protect;
use crate::storage::names::Stem;
use crate::storage::shelf::{Entry, Shelf};
use crate::supervise::blocking;
use crate::system::alarms::{About, Alarm};

/// Bytes a second that are read to be digested: sixteen cameras of 4 Mbit/s, and a tenth of a small board's core while
/// a long recording is sealed.
const RATE: u64 = 8 << 20;
/// Bytes read at once.
const PIECE: usize = 256 << 10;
/// A file that its writer has not closed is finished when nobody has written to it for so long.
const QUIET: Duration = Duration::from_secs(10);
/// Records that are written together.
const BATCH: usize = 256;

/// Keeps the chain. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Sealer(Arc<Inner>);

struct Inner {
    /// The folder itself: nobody stands before what is done through it.
    shelf: Arc<dyn Shelf>,
    running: Arc<dyn Protect>,
    places: Places,
    /// Read at the first use. Held while a file is deleted, so that none is sealed meanwhile.
    chain: Mutex<Option<Chain>>,
    todo: Mutex<Todo>,
    wake: Notify,
    halt: AtomicBool,
    done: Done,
    trouble: Mutex<Option<String>>,
}

/// What it has done since the service started.
#[derive(Debug, Default)]
struct Done {
    sealed: AtomicU64,
    bytes: AtomicU64,
}

/// How a file looked: another look means another content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look([i128; 4]);

impl Look {
    fn of(path: &Path) -> io::Result<Self> {
        let meta = path.symlink_metadata()?;
        Ok(Self([
            i128::from(meta.ino()),
            i128::from(meta.size()),
            i128::from(meta.mtime()),
            i128::from(meta.mtime_nsec()),
        ]))
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

/// Digests a file, `RATE` bytes a second at most, or as fast as it goes. `None`: `halt` was set.
///
/// # Errors
/// What reading brings.
pub fn digest_file(
    path: &Path,
    rate: Option<u64>,
    halt: &AtomicBool,
) -> io::Result<Option<Digest>> {
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; PIECE];
    let (begun, mut done) = (clock::mono(), 0_u64);
    loop {
        if halt.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let got = file.read(&mut piece)?;
        if got == 0 {
            break;
        }
        context.update(&piece[..got]);
        done += got as u64;
        if let Some(rate) = rate {
            // What is read here is read once: it must not push out of memory what players read.
            let from = i64::try_from(done - got as u64).unwrap_or(i64::MAX);
            let length = i64::try_from(got).unwrap_or(i64::MAX);
            let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
            let _ = posix_fadvise(&file, from, length, advice);
            let due = Duration::from_nanos(done.saturating_mul(1_000_000_000 / rate.max(1)));
            std::thread::sleep(due.saturating_sub(clock::mono().since(begun)));
        }
    }
    let mut digest = NOTHING;
    digest.copy_from_slice(context.finish().as_ref());
    Ok(Some(digest))
}

impl Sealer {
    /// Of the recordings in `shelf`, with the chain in `places`. Nothing is read or made before [`Sealer::run`] or the first
    /// deletion.
    #[must_use]
    pub fn new(shelf: Arc<dyn Shelf>, running: Arc<dyn Protect>, places: Places) -> Self {
        Self(Arc::new(Inner {
            places,
            shelf,
            running,
            chain: Mutex::default(),
            todo: Mutex::default(),
            wake: Notify::new(),
            halt: AtomicBool::new(false),
            done: Done::default(),
            trouble: Mutex::default(),
        }))
    }

    /// Seals what was finished and not sealed when the service ended, then what is finished, until it stops.
    ///
    /// # Errors
    /// Never: what fails is told and tried again.
    pub async fn run(
        self,
        mut mended: watch::Receiver<bool>,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<()> {
        let this = Arc::clone(&self.0);
        let looked = async {
            // What is sealed is not to be mended any more. Nobody mends whose sender is gone.
            let _ = mended.wait_for(|done| *done).await;
            let work = blocking(move || this.look());
            if let Err(error) = work.await {
                warn!(%error, "recordings from before the start are not sealed yet");
                self.0.todo().rescan = true;
                self.0.todo().refuse(clock::mono());
            }
        };
        tokio::select! {
            _ = stopping.changed() => {
                self.0.halt.store(true, Ordering::Relaxed);
                return Ok(());
            }
            () = looked => {}
        }
        loop {
            let this = Arc::clone(&self.0);
            let work = blocking(move || {
                this.work();
                Ok(())
            });
            tokio::select! {
                _ = stopping.changed() => {
                    self.0.halt.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                worked = work => if let Err(error) = worked {
                    warn!(%error, "the evidence is behind");
                    self.0.todo().refuse(clock::mono());
                }
            }
            let wake = self.0.todo().wake();
            tokio::select! {
                _ = stopping.changed() => {
                    self.0.halt.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                () = self.0.wake.notified() => {}
                () = until(wake) => {}
            }
        }
    }

    /// What is wrong, for the component `security` of health.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        let trouble = self.trouble().into_iter();
        let folder = self.0.places.chain.display();
        trouble
            .map(|trouble| Alarm {
                about: About::Evidence,
                what: format!(
                    "the evidence chain in {folder} is not as this box left it: {trouble}"
                ),
                action: "keep the medium, and run `camera-service verify` on it; recording goes on"
                    .to_owned(),
            })
            .collect()
    }

    /// What it has done, from memory.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            sealed: self.0.done.sealed.load(Ordering::Relaxed),
            bytes: self.0.done.bytes.load(Ordering::Relaxed),
            waiting: self.0.todo().waiting() as u64,
            broken: self.trouble().is_some(),
        }
    }

    /// What is wrong with the chain, from memory.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let trouble = &self.0.trouble;
        trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn until(at: Option<Mono>) {
    match at {
        Some(at) => tokio::time::sleep(at.since(clock::mono())).await,
        None => std::future::pending().await,
    }
}

impl Inner {
    fn todo(&self) -> MutexGuard<'_, Todo> {
        // Every change of it is one insertion or removal.
        self.todo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the chain. After a failure it is read anew from the medium, which may be another one.
    fn with<T>(&self, work: impl FnOnce(&mut Chain) -> Result<T>) -> Result<T> {
        if self.shelf.is_troubled() {
            return Err(self.away());
        }
        let mut held = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        self.held(&mut held, work)
    }

    /// Nothing is begun anew beneath the place of a medium that is away, and nothing is tried on one that fails.
    fn away(&self) -> Error {
        let folder = self.places.chain.display();
        Error::new(Kind::Gone, format!("the medium of {folder} is in trouble"))
            .action("health tells what is wrong with it; what waits is written when it is well")
    }

    fn held<T>(
        &self,
        held: &mut Option<Chain>,
        work: impl FnOnce(&mut Chain) -> Result<T>,
    ) -> Result<T> {
        let mut chain = match held.take() {
            Some(chain) => chain,
            None => {
                let chain = Chain::open(self.places.clone())?;
                if let Some(trouble) = chain.trouble.clone() {
                    let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
                    known.get_or_insert(trouble);
                }
                chain
            }
        };
        let done = work(&mut chain)?;
        *held = Some(chain);
        Ok(done)
    }

    /// Compares the folder with the chain: what is ours and finished is to be sealed.
    fn look(&self) -> Result<()> {
        let entries = self.shelf.all()?;
        let (mut begin, mut late, mut strangers, mut standing) =
            (Vec::new(), Vec::new(), Vec::new(), 0);
        let (fresh, known) = self.with(|chain| {
            for entry in &entries {
                let runs = self.running.is_running(&entry.stem);
                match chain.book.stand(entry.stem.as_str()) {
                    Some(Stand::Open) if !runs => late.push(entry.stem.clone()),
                    None if runs => begin.push(entry),
                    None => strangers.push(entry),
                    Some(_) => {}
                }
                standing += usize::from(chain.book.stand(entry.stem.as_str()).is_some());
            }
            Ok((chain.fresh, chain.book.len()))
        })?;
        if standing < known {
            warn!(
                gone = known - standing,
                "recordings are gone that nobody asked the service to delete; `camera-service verify` names them"
            );
        }
        let found = |entry: &&Entry, found| What::Begin {
            device: entry.device.clone(),
            stem: entry.stem.to_string(),
            found,
        };
        let mut records: Vec<What> = begin.iter().map(|e| found(e, false)).collect();
        if fresh {
            records.extend(strangers.iter().map(|e| found(e, true)));
            late.extend(strangers.iter().map(|e| e.stem.clone()));
            if !strangers.is_empty() {
                info!(
                    recordings = strangers.len(),
                    "the evidence chain begins; what is here already is sealed as it is now"
                );
            }
        } else if let Some(first) = strangers.first() {
            warn!(
                files = strangers.len(),
                first = %first.path.display(),
                "files are in the recordings' folder that this box did not record; they are not sealed"
            );
        }
        self.with(|chain| {
            for some in records.chunks(BATCH) {
                chain.append(some.to_vec(), clock::wall())?;
            }
            Ok(())
        })?;
        if !fresh && !late.is_empty() {
            info!(
                recordings = late.len(),
                "were finished and not sealed when the service ended; they are sealed now"
            );
        }
        self.todo().ended(&late, true, clock::mono());
        Ok(())
    }

    /// Writes what is due, and seals what is finished.
    fn work(&self) {
        loop {
            if self.shelf.is_troubled() {
                // What was recorded there is sealed when it is back.
                return self.todo().refuse(clock::mono());
            }
            let rescan = self.todo().take_rescan(clock::mono());
            if rescan && let Err(error) = self.look() {
                warn!(%error, "the recordings' folder is to be read again");
                self.todo().rescan = true;
                return self.todo().refuse(clock::mono());
            }
            self.write_news();
            if self.halt.load(Ordering::Relaxed) {
                return;
            }
            let due = self.todo().due(clock::mono());
            let Some((stem, late)) = due else {
                return;
            };
            if let Err(error) = self.seal(&stem, late) {
                warn!(name = %stem, %error, "is not sealed yet");
                let mut todo = self.todo();
                todo.again(stem, late, clock::mono());
                todo.refuse(clock::mono());
            }
        }
    }

    fn write_news(&self) {
        let news = self.todo().news(clock::mono());
        let Some((owed, began)) = news else {
            return;
        };
        if owed.is_empty() && began.is_empty() {
            return;
        }
        let written = self.with(|chain| {
            let mut records = owed.clone();
            for stem in &began {
                if chain.book.stand(stem.as_str()).is_some() {
                    continue;
                }
                if let Some(entry) = self.shelf.find(stem)? {
                    records.push(What::Begin {
                        device: entry.device,
                        stem: stem.to_string(),
                        found: false,
                    });
                }
            }
            match records.is_empty() {
                true => Ok(()),
                false => chain.append(records, clock::wall()),
            }
        });
        if let Err(error) = written {
            warn!(%error, "the evidence is behind; it is tried again");
            self.todo().give_back(owed, &began, clock::mono());
        }
    }

    fn seal(&self, stem: &Stem, late: bool) -> Result<()> {
        let Some(entry) = self.shelf.find(stem)? else {
            return Ok(());
        };
        if self.running.is_running(stem) {
            // Whoever goes on with it says when it ends.
            return Ok(());
        }
        let failed = |e: io::Error| {
            Error::new(
                Kind::Transient,
                format!("cannot digest {}", entry.path.display()),
            )
            .because(e)
            .action("look at the medium with dmesg")
        };
        let told = disk::measure(&entry.path, &mut Memory::default());
        let quiet =
            Duration::from_nanos(clock::wall().as_nanos().abs_diff(entry.modified.as_nanos()));
        if !told.closed && quiet < QUIET {
            self.todo().again(stem.clone(), late, clock::mono());
            return Ok(());
        }
        let before = Look::of(&entry.path).map_err(failed)?;
        let begun = clock::mono();
        let Some(digest) = digest_file(&entry.path, Some(RATE), &self.halt).map_err(failed)? else {
            return Ok(());
        };
        let disk = || crate::recording::begun(entry.created, entry.modified, told.duration);
        let begin = told.begun.unwrap_or_else(disk);
        let played = u64::try_from(told.duration.as_nanos()).unwrap_or(u64::MAX);
        let end = Wall::from_nanos(begin.as_nanos().saturating_add(played));
        let sealed = self.with(|chain| {
            let same = Look::of(&entry.path).is_ok_and(|now| now == before);
            if !same || chain.book.stand(stem.as_str()) == Some(Stand::Sealed) {
                return Ok(same);
            }
            let what = What::Seal {
                device: entry.device.clone(),
                stem: stem.to_string(),
                size: entry.size,
                sha256: hex(&digest),
                begin: begin.rfc3339(),
                end: end.rfc3339(),
                late,
            };
            chain.append(vec![what], clock::wall())?;
            Ok(true)
        })?;
        if !sealed {
            // It was written to, or deleted; looked at again, it is found or not.
            self.todo().again(stem.clone(), late, clock::mono());
            return Ok(());
        }
        self.done.sealed.fetch_add(1, Ordering::Relaxed);
        self.done.bytes.fetch_add(entry.size, Ordering::Relaxed);
        let took = clock::mono().since(begun);
        debug!(name = %stem, bytes = entry.size, took_ms = took.as_millis(), "sealed");
        Ok(())
    }
}

impl Witness for Sealer {
    fn changed(&self, began: &[Stem], ended: &[Stem]) {
        if began.is_empty() && ended.is_empty() {
            return;
        }
        let mut todo = self.0.todo();
        todo.began(began);
        todo.ended(ended, false, clock::mono());
        drop(todo);
        self.0.wake.notify_one();
    }

    fn rewriting(&self, entry: &Entry, why: &str) {
        let stem = &entry.stem;
        let written = self.0.with(|chain| {
            if chain.book.stand(stem.as_str()) != Some(Stand::Sealed) {
                return Ok(());
            }
            let what = What::Reopen {
                device: entry.device.clone(),
                stem: stem.to_string(),
                why: why.to_owned(),
            };
            chain.append(vec![what], clock::wall())
        });
        if let Err(error) = written {
            warn!(name = %stem, %error, "the evidence does not tell that the service changes it");
        }
    }

    fn deleting(&self, entry: &Entry, by: &str, why: &str, deed: Deed<'_>) -> Result<Option<u64>> {
        let (stem, now) = (entry.stem.as_str(), clock::mono());
        let what = What::Delete {
            device: entry.device.clone(),
            stem: stem.to_owned(),
            // As long as a record can hold, whatever a token names its user.
            by: by.chars().take(120).collect(),
            why: why.to_owned(),
        };
        let mut held = self.0.chain.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.shelf.is_troubled() || self.0.todo().is_blocked(now) {
            let done = deed()?;
            self.0.todo().owe(what);
            return Ok(done);
        }
        let written = self.0.held(&mut held, |chain| {
            if chain.book.stand(stem).is_none() {
                return Ok(false);
            }
            chain.append(vec![what.clone()], clock::wall())?;
            Ok(true)
        });
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                warn!(name = stem, %error, "is deleted before the evidence tells of it; that is tried again");
                let done = deed()?;
                let mut todo = self.0.todo();
                todo.owe(what);
                todo.refuse(now);
                return Ok(done);
            }
        };
        let done = deed();
        drop(held);
        if written && done.is_err() {
            // It is still there: it is sealed anew.
            let stems = [entry.stem.clone()];
            self.changed(&stems, &stems);
        }
        done
    }
}

#[cfg(test)]
mod tests;
