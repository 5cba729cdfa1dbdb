//! Mends what a power cut left, before anybody else opens it. Waits for the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use nix::libc::O_NOFOLLOW;
use tokio::sync::{oneshot, watch};
use tracing::{debug, info, warn};

use super::{Mark, Scrubbed, Trust, Verdict, examine};
use crate::clock;
use crate::events::Topic;
use crate::recording::EXTENSION;
use crate::recording::disk::io as disk;
use crate::recording::io::Recorder;
use crate::recording::seal::{SERVICE, Witness};
use crate::recording::spool;
use crate::storage::names::Stem;
use crate::storage::shelf::Entry;
use crate::supervise::blocking;
use crate::sys::lease;

/// Where files go that nothing plays of; hidden, so they are no recordings any more.
const ASIDE: &str = ".quarantine";
/// How long recordings wait with going on for the files that were certainly open at the cut.
const PATIENCE: Duration = Duration::from_secs(3);
/// On a file system without leases: a file that is written to grows within this.
const GROWS: Duration = Duration::from_millis(1200);

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// As it was: it is good, or somebody writes it.
    Left,
    /// So many bytes were cut off.
    Cut(u64),
    /// It was put aside.
    Aside(&'static str),
}

/// Judges the file at `path`, a recording of `device` beneath `root`, and mends it. Nothing else writes it, or it is left
/// alone. `ours`: it was written by MediaMTX for certain, so what is no recording is put aside; else only what was begun as
/// one. What is done to a file that is listed is `told` first.
///
/// # Errors
/// The disk's own. The file is as it was, or as short as it shall be.
pub fn mend(
    root: &Path,
    device: &str,
    path: &Path,
    trust: Trust,
    ours: bool,
    told: Option<(&Entry, &dyn Witness)>,
) -> io::Result<Done> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(O_NOFOLLOW)
        .open(path);
    let mut file = match opened {
        // It has another name by now, and is found under that.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Done::Left),
        opened => opened?,
    };
    let before = file.metadata()?;
    if !before.is_file() {
        return Ok(Done::Left);
    }
    let verdict = examine(&mut file, trust)?;
    if verdict == Verdict::Sound || is_written(&file)? {
        return Ok(Done::Left);
    }
    match verdict {
        Verdict::Sound => Ok(Done::Left),
        Verdict::Cut { at, head } => {
            if let Some((entry, witness)) = told {
                witness.rewriting(entry, "its torn end is cut off");
            }
            // By the open file: its name may become another at any moment.
            let mut writer = OpenOptions::new()
                .write(true)
                .open(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))?;
            if let Some((place, bytes)) = head {
                writer.seek(SeekFrom::Start(place))?;
                writer.write_all(&vec![0; bytes])?;
            }
            writer.set_len(at)?;
            // Lists go by this, and so does the retention policy.
            writer.set_modified(before.modified()?)?;
            writer.sync_all()?;
            Ok(Done::Cut(before.len().saturating_sub(at)))
        }
        Verdict::Unplayable(_) if !ours && before.len() > 0 && !was_begun(&mut file)? => {
            Ok(Done::Left)
        }
        Verdict::Unplayable(why) => {
            let mut done = Ok(());
            let mut deed = || {
                done = put_aside(root, device, path);
                Ok(done.is_ok().then_some(before.len()))
            };
            match told {
                Some((entry, witness)) => {
                    witness.deleting(entry, SERVICE, "quarantined", &mut deed)
                }
                None => deed(),
            }
            .map_err(io::Error::other)?;
            done.map(|()| Done::Aside(why))
        }
    }
}

/// Whether somebody writes a file now.
fn is_written(file: &File) -> io::Result<bool> {
    if let Ok(written) = lease::is_open_for_writing(file) {
        return Ok(written);
    }
    let look = || Ok::<_, io::Error>((file.metadata()?.len(), file.metadata()?.modified()?));
    let before = look()?;
    std::thread::sleep(GROWS);
    Ok(look()? != before)
}

/// Whether it begins as a recording does, or was to.
fn was_begun(file: &mut File) -> io::Result<bool> {
    let mut first = [0; 8];
    file.seek(SeekFrom::Start(0))?;
    match io::Read::read_exact(file, &mut first) {
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(true),
        Err(e) => Err(e),
        Ok(()) => Ok(first == [0; 8] || first.ends_with(b"ftyp")),
    }
}

/// Moves a file where it is in nobody's way, under a name that is free there.
fn put_aside(root: &Path, device: &str, path: &Path) -> io::Result<()> {
    let folder = root.join(ASIDE).join(device);
    fs::create_dir_all(&folder)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let named = |n: u32| match n {
        1 => folder.join(format!("{name}.{EXTENSION}")),
        n => folder.join(format!("{name}-{n}.{EXTENSION}")),
    };
    let free = (1..).map(named).find(|to| to.symlink_metadata().is_err());
    let to = free.ok_or(ErrorKind::AlreadyExists)?;
    fs::rename(path, to)?;
    let touched = [
        Some(folder.as_path()),
        folder.parent(),
        Some(root),
        path.parent(),
    ];
    for folder in touched.into_iter().flatten() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// How many files lie aside.
fn aside(root: &Path) -> u64 {
    let of = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = of(&root.join(ASIDE));
    folders
        .map(|folder| of(&folder.path()).count() as u64)
        .sum()
}

/// One file to look into.
struct Candidate {
    device: String,
    path: PathBuf,
    trust: Trust,
    ours: bool,
    /// As it is listed; `None` where it has no name yet.
    entry: Option<Entry>,
}

impl Recorder {
    /// Looks into everything that may have been open when the service ended. Comes back when the files are mended that
    /// certainly were, or after [`PATIENCE`]; the rest goes on behind, and nothing is made plain until it is done.
    pub(in crate::recording) async fn scrub(&self) {
        let (send, first) = oneshot::channel();
        let this = self.clone();
        tokio::spawn(async move {
            let _one = this.0.finalising.lock().await;
            let again = this.clone();
            let done = blocking(move || Ok(again.scrub_all(send))).await;
            match done {
                Ok(done) if done.cut + done.aside + done.failed > 0 => {
                    warn!(
                        examined = done.examined,
                        cut = done.cut,
                        bytes = done.bytes,
                        quarantined = done.aside,
                        failed = done.failed,
                        took_ms = done.took.as_millis(),
                        "recordings that an interruption had torn were mended"
                    );
                }
                Ok(done) => info!(
                    examined = done.examined,
                    took_ms = done.took.as_millis(),
                    "no recording is torn"
                ),
                Err(error) => warn!(%error, "recordings were not looked into"),
            }
            this.0.counts.looked.send_replace(true);
        });
        if tokio::time::timeout(PATIENCE, first).await.is_err() {
            info!("recordings go on while the ones of the last run are still being looked into");
        }
    }

    fn scrub_all(&self, first: oneshot::Sender<()>) -> Scrubbed {
        let (begin, now) = (clock::mono(), clock::wall());
        let root = self.0.parts.shelf.root();
        let mut done = Scrubbed::default();
        let mark = self.mark();
        self.put_mark(mark.begun());
        let open = self.noted().into_iter().filter(|entry| {
            // Of itself, each is the newest.
            mark.trust(entry.modified, entry.modified, now) != Trust::Clean
        });
        let open = open.map(|entry| Candidate {
            entry: Some(entry.clone()),
            ..suspect(entry.device, entry.path)
        });
        for candidate in self.unnamed(&root).into_iter().chain(open) {
            self.mend_one(&root, &candidate, &mut done);
        }
        // Nobody may wait any more.
        let _ = first.send(());
        let all = self.0.parts.shelf.all().unwrap_or_else(|error| {
            warn!(%error, "recordings cannot be looked into");
            done.failed += 1;
            Vec::new()
        });
        let newest = all
            .iter()
            .map(|entry| entry.modified)
            .max()
            .unwrap_or_default();
        for entry in all {
            if self.0.halt.load(Relaxed) {
                done.failed += 1;
                break;
            }
            let trust = mark.trust(entry.modified, newest, now);
            if trust != Trust::Clean {
                let candidate = Candidate {
                    device: entry.device.clone(),
                    path: entry.path.clone(),
                    trust,
                    ours: false,
                    entry: Some(entry),
                };
                self.mend_one(&root, &candidate, &mut done);
            }
        }
        self.0.counts.aside.store(aside(&root), Relaxed);
        if done.failed == 0 {
            self.put_mark(Mark::scrubbed(now));
            self.0.counts.scrubbed.store(true, Relaxed);
        }
        done.took = clock::mono().since(begin);
        done
    }

    /// The files that MediaMTX had begun and nobody had named.
    fn unnamed(&self, root: &Path) -> Vec<Candidate> {
        let devices = disk::devices(&spool::all(root)).into_iter();
        let files = devices.flat_map(|device| {
            let entries = fs::read_dir(spool::folder(root, &device))
                .into_iter()
                .flatten()
                .flatten();
            let files = entries.map(|entry| entry.path());
            let files = files.filter(|path| path.extension().is_some_and(|e| e == EXTENSION));
            files.map(move |path| (device.clone(), path))
        });
        files.map(|(device, path)| suspect(device, path)).collect()
    }

    /// The files of recordings that ran.
    fn noted(&self) -> Vec<Entry> {
        let stems = self.ledger().files();
        let found = stems.iter().filter_map(|stem| {
            let entry = self.0.parts.shelf.find(stem);
            entry.ok().flatten()
        });
        found.collect()
    }

    fn mark(&self) -> Mark {
        let text = self.0.parts.mark.read().ok().flatten();
        text.map_or_else(Mark::default, |text| Mark::of(&text))
    }

    fn put_mark(&self, mark: Option<Mark>) {
        let Some(mark) = mark else { return };
        if let Err(error) = self.0.parts.mark.write(&mark.to_text()) {
            debug!(%error, "the next start looks into more recordings than it must");
        }
    }

    /// Turns true when nothing is mended any more.
    #[must_use]
    pub fn looked(&self) -> watch::Receiver<bool> {
        self.0.counts.looked.subscribe()
    }

    /// Everything recorded is on the medium, and nobody records any more: the next start need not look. Waits for the disk.
    pub fn ended(&self) {
        if self.0.parts.flush.is_on() && self.0.counts.scrubbed.load(Relaxed) {
            self.put_mark(self.mark().ended(clock::wall()));
        }
    }

    /// Looks into a recording whose file was closed: the last fragment that MediaMTX tried to write to a full or failing
    /// medium, or wrote when it died, is torn, and foreign readers refuse the whole file for it.
    pub(in crate::recording) async fn mend_closed(&self, stem: Stem) {
        let _one = self.0.mending.lock().await;
        let this = self.clone();
        let looked = blocking(move || {
            let shelf = &this.0.parts.shelf;
            if let Some(entry) = shelf.find(&stem)? {
                let candidate = Candidate {
                    entry: Some(entry.clone()),
                    trust: Trust::Closed,
                    ..suspect(entry.device, entry.path)
                };
                this.mend_one(&shelf.root(), &candidate, &mut Scrubbed::default());
            }
            Ok(())
        });
        if let Err(error) = looked.await {
            warn!(%error, "a recording that was closed was not looked into");
        }
    }

    fn mend_one(&self, root: &Path, file: &Candidate, done: &mut Scrubbed) {
        done.examined += 1;
        let (device, path) = (&file.device, &file.path);
        // What cannot be played is put aside on the medium it lies on.
        let own = file
            .entry
            .as_ref()
            .and_then(|entry| entry.path.ancestors().nth(2));
        let root = own.unwrap_or(root);
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let witness = &*self.0.parts.witness;
        let told = file.entry.as_ref().map(|entry| (entry, witness));
        let reason = match mend(root, device, path, file.trust, file.ours, told) {
            Ok(Done::Left) => return,
            Ok(Done::Cut(bytes)) => {
                done.cut += 1;
                done.bytes += bytes;
                self.0.counts.repaired.fetch_add(1, Relaxed);
                format!(
                    "its end was torn by an interruption: the last {bytes} bytes, which do not play, were cut off"
                )
            }
            Ok(Done::Aside(why)) => {
                done.aside += 1;
                format!("{why}: nothing of it plays, and it lies in {ASIDE}/{device} now")
            }
            Err(error) => {
                done.failed += 1;
                return warn!(file = %path.display(), %error, "a recording may be torn at its end, and cannot be mended");
            }
        };
        warn!(device, name = %name, reason, "mended");
        let said = [
            ("filename", name.as_ref().into()),
            ("reason", reason.into()),
        ];
        self.tell(Topic::RecordingError, device, "ERROR", said);
    }

    /// Keeps the files flushed of recordings that ran: somebody else's MediaMTX may go on writing them.
    pub(in crate::recording) async fn keep_flushed(&self) {
        let this = self.clone();
        let work = blocking(move || {
            for entry in this.noted() {
                this.0.parts.flush.named(&entry.path);
            }
            Ok(())
        });
        if let Err(error) = work.await {
            warn!(%error, "recordings that go on are not flushed");
        }
    }
}

const fn suspect(device: String, path: PathBuf) -> Candidate {
    Candidate {
        device,
        path,
        trust: Trust::Suspect,
        ours: true,
        entry: None,
    }
}
