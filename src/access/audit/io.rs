//! Keeps the log: one task owns the file, and takes entries from a bounded queue.
//!
//! Files lie in `<data_dir>/audit`, mode 0600 in a folder of 0700. Lines are written as they come and pushed to
//! the disk within a second and before a file is turned over; a power cut costs that second at most, and tears
//! at most the last line, which readers pass over.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot, watch};
use tracing::warn;

use super::rotation::{FILE_BYTES, FILES, Ledger, file_name, renames};
use super::{Audit, Entry, Page, Verdict, lost, page};
use crate::clock;
use crate::error::{Error, Kind, Later, Result};

/// Entries that may wait for the disk, some 100 KiB; more are counted and lost.
const WAITING: usize = 512;
/// Entries that are written in one go.
const AT_ONCE: usize = 64;

enum Order {
    Record(Entry),
    Read {
        limit: usize,
        offset: usize,
        reply: oneshot::Sender<Result<Page>>,
    },
}

/// The end that everybody holds.
#[derive(Debug, Clone)]
pub struct Log {
    queue: mpsc::Sender<Order>,
    lost: Arc<AtomicU64>,
}

/// The end that writes; run it as a task of its own with [`Writer::run`].
#[derive(Debug)]
pub struct Writer {
    queue: mpsc::Receiver<Order>,
    lost: Arc<AtomicU64>,
    book: Book,
}

/// Opens the log beneath `data_dir`, and goes on where it ended.
///
/// # Errors
/// `Config` when the folder or the file cannot be made or written.
pub fn open(data_dir: &Path) -> Result<(Log, Writer)> {
    let dir = data_dir.join("audit");
    let book = Book::open(&dir).map_err(|e| {
        Error::new(
            Kind::Config,
            format!("cannot open the audit log in {}", dir.display()),
        )
        .because(e)
        .action(format!(
            "make {} a directory that the service may write",
            data_dir.display()
        ))
    })?;
    let (sender, queue) = mpsc::channel(WAITING);
    let lost = Arc::new(AtomicU64::new(0));
    let log = Log {
        queue: sender,
        lost: Arc::clone(&lost),
    };
    Ok((log, Writer { queue, lost, book }))
}

/// Writes down what somebody did on the command line; see [`note`].
pub fn note_command(data_dir: &Path, verb: &str, target: Option<String>) {
    let done = Entry {
        at: clock::wall(),
        who: "command line".to_owned(),
        credential: None,
        from: None,
        method: verb.to_owned(),
        target,
        verdict: Verdict::Ok,
    };
    note(data_dir, &done);
}

/// Writes down one thing from outside the service, such as a token minted on the command line. Only where the
/// service has made the log already: a file of another user would keep the service from its own.
pub fn note(data_dir: &Path, entry: &Entry) {
    let path = data_dir.join("audit").join(file_name(0));
    let line = format!("{}\n", entry.to_json());
    let written = OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| {
            // One write of one line: what the service appends stays beside it.
            file.write_all(line.as_bytes())?;
            file.sync_all()
        });
    match written {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            warn!(error = %e, file = %path.display(), "this is not in the audit log");
        }
        _ => {}
    }
}

impl Audit for Log {
    fn record(&self, entry: Entry) {
        if self.queue.try_send(Order::Record(entry)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self, limit: usize, offset: usize) -> Later<Page> {
        let queue = self.queue.clone();
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let order = Order::Read {
                limit,
                offset,
                reply,
            };
            let gone = || {
                Error::new(Kind::Internal, "the audit log is not kept any more")
                    .action("the service is stopping; ask again when it is back")
            };
            queue.send(order).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        })
    }
}

impl Writer {
    /// Writes until `stopping`, and then what still waits.
    ///
    /// # Errors
    /// None of its own: a disk that is full or broken is told in the log, counted, and tried again.
    pub async fn run(mut self, mut stopping: watch::Receiver<bool>) -> Result<()> {
        let mut orders = Vec::new();
        loop {
            let sync_at = self.book.ledger.sync_at();
            let sync = async {
                match sync_at {
                    Some(at) => tokio::time::sleep(at.since(clock::mono())).await,
                    None => std::future::pending().await,
                }
            };
            let ended = tokio::select! {
                biased;
                count = self.queue.recv_many(&mut orders, AT_ONCE) => count == 0,
                () = sync => false,
                _ = stopping.wait_for(|stop| *stop) => true,
            };
            let missing = self.lost.swap(0, Ordering::Relaxed);
            let batch = std::mem::take(&mut orders);
            // The file goes to a thread that may wait for the disk, and comes back.
            let mut book = self.book;
            let done = tokio::task::spawn_blocking(move || {
                book.carry_out(batch, missing, ended);
                book
            });
            self.book = done.await.map_err(|e| {
                Error::new(Kind::Internal, "the audit log's writer panicked").because(e)
            })?;
            if ended {
                return Ok(());
            }
        }
    }
}

/// The open file.
#[derive(Debug)]
struct Book {
    dir: PathBuf,
    file: File,
    ledger: Ledger,
    /// What could not be written, told once the disk takes lines again.
    unwritten: u64,
}

impl Book {
    fn open(dir: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let (file, bytes) = append_to(&dir.join(file_name(0)))?;
        File::open(dir)?.sync_all()?;
        Ok(Self {
            dir: dir.to_owned(),
            file,
            ledger: Ledger::of(bytes),
            unwritten: 0,
        })
    }

    fn carry_out(&mut self, orders: Vec<Order>, missing: u64, last: bool) {
        if missing > 0 {
            warn!(
                missing,
                "audit entries were lost: more came than could be written"
            );
            self.unwritten += missing;
        }
        for order in orders {
            match order {
                Order::Record(entry) => self.keep(&entry),
                Order::Read {
                    limit,
                    offset,
                    reply,
                } => {
                    // Whoever asked may have gone.
                    let _ = reply.send(self.read(limit, offset));
                }
            }
        }
        let now = clock::mono();
        if last || self.ledger.sync_at().is_some_and(|at| now >= at) {
            match self.file.sync_data() {
                Ok(()) => {}
                Err(error) => warn!(%error, "the audit log could not be pushed to the disk"),
            }
            // After a failure, too: the next line tries again.
            self.ledger.synced();
        }
    }

    fn keep(&mut self, entry: &Entry) {
        let kept = (|| {
            if self.unwritten > 0 {
                self.write(&lost(self.unwritten, clock::wall()).to_string())?;
                self.unwritten = 0;
            }
            self.write(&entry.to_json().to_string())
        })();
        if let Err(error) = kept {
            self.unwritten += 1;
            warn!(%error, folder = %self.dir.display(), "an audit entry could not be written");
        }
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{line}\n");
        let bytes = line.len() as u64;
        if self.ledger.is_full_for(bytes) {
            self.turn_over()?;
        }
        self.file.write_all(line.as_bytes())?;
        self.ledger.wrote(bytes, clock::mono());
        Ok(())
    }

    fn turn_over(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        for (from, to) in renames() {
            match fs::rename(self.dir.join(from), self.dir.join(to)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        let (file, bytes) = append_to(&self.dir.join(file_name(0)))?;
        self.file = file;
        self.ledger = Ledger::of(bytes);
        File::open(&self.dir)?.sync_all()
    }

    fn read(&self, limit: usize, offset: usize) -> Result<Page> {
        let mut files = Vec::new();
        for age in 0..FILES {
            let path = self.dir.join(file_name(age));
            let mut bytes = Vec::new();
            match File::open(&path).and_then(|f| f.take(2 * FILE_BYTES).read_to_end(&mut bytes)) {
                Ok(_) => files.push(String::from_utf8_lossy(&bytes).into_owned()),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => {
                    return Err(Error::new(
                        Kind::Internal,
                        format!("cannot read {}", path.display()),
                    )
                    .because(e)
                    .action("see to it that the service's user owns the file"));
                }
            }
        }
        Ok(page(files.iter().map(String::as_str), limit, offset))
    }
}

/// Opens for appending; a torn last line is ended, so that the next one stands alone.
fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let mut bytes = file.metadata()?.len();
    if bytes > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
            bytes += 1;
        }
    }
    Ok((file, bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::access::audit::Verdict;
    use crate::clock::Wall;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("audit-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn entry(n: u64) -> Entry {
        Entry {
            at: Wall::from_secs(1_790_000_000),
            who: format!("user{n}"),
            credential: None,
            from: None,
            method: "set_video".to_owned(),
            target: Some("x".repeat(100)),
            verdict: Verdict::Ok,
        }
    }

    fn who(page: &Page) -> Vec<String> {
        let who = |e: &serde_json::Value| e["who"].as_str().unwrap().to_owned();
        page.entries.iter().map(who).collect()
    }

    #[tokio::test]
    async fn what_was_recorded_is_read_back_newest_first_even_after_a_restart() {
        let dir = Dir::new("restart");
        for round in 0..2 {
            let (log, writer) = open(&dir.0).unwrap();
            let (stop, stopping) = watch::channel(false);
            let writing = tokio::spawn(writer.run(stopping));
            for n in 0..3 {
                log.record(entry(round * 10 + n));
            }
            let page = log.read(2, 1).await.unwrap();
            assert_eq!(
                who(&page),
                [
                    format!("user{}", round * 10 + 1),
                    format!("user{}", round * 10)
                ]
            );
            assert_eq!(page.total as u64, 3 + round * 3);
            stop.send(true).unwrap();
            writing.await.unwrap().unwrap();
        }
        let file = dir.0.join("audit/audit.jsonl");
        assert_eq!(
            fs::metadata(file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn the_log_never_outgrows_four_megabytes_and_keeps_the_newest() {
        let dir = Dir::new("bounded");
        let mut book = Book::open(&dir.0).unwrap();
        for n in 0..25_000 {
            book.keep(&entry(n));
        }
        let sizes: Vec<u64> = fs::read_dir(&dir.0)
            .unwrap()
            .map(|e| e.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(sizes.len(), FILES);
        assert!(sizes.iter().all(|s| *s <= FILE_BYTES), "{sizes:?}");
        let page = book.read(2, 0).unwrap();
        assert_eq!(who(&page), ["user24999", "user24998"]);
        assert!(page.total > 10_000, "{}", page.total);
    }

    #[test]
    fn a_line_that_the_power_cut_tore_spoils_no_other() {
        let dir = Dir::new("torn");
        drop(Book::open(&dir.0).map(|mut b| b.keep(&entry(1))));
        let file = dir.0.join(file_name(0));
        let mut torn = OpenOptions::new().append(true).open(&file).unwrap();
        torn.write_all(b"{\"time\":\"20").unwrap();
        let mut book = Book::open(&dir.0).unwrap();
        book.keep(&entry(2));
        assert_eq!(who(&book.read(9, 0).unwrap()), ["user2", "user1"]);
    }

    #[tokio::test]
    async fn a_queue_that_overflows_says_in_the_file_how_many_it_lost() {
        let dir = Dir::new("lost");
        let (log, writer) = open(&dir.0).unwrap();
        // Nobody writes yet.
        for n in 0..WAITING as u64 + 7 {
            log.record(entry(n));
        }
        let (_stop, stopping) = watch::channel(false);
        let writing = tokio::spawn(writer.run(stopping));
        let page = log.read(2000, 0).await.unwrap();
        let lines: Vec<_> = page
            .entries
            .iter()
            .filter(|e| e["result"] == "lost")
            .collect();
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0]["reason"]
                .as_str()
                .unwrap()
                .starts_with("7 entries"),
            "{}",
            lines[0]
        );
        assert_eq!(page.total, WAITING + 1);
        writing.abort();
    }
}
