//! Writes the log file from a thread of its own.
//!
//! The law: whoever logs never waits. Lines go into a bounded queue; what does not fit is counted, and the count is
//! written once there is room again. Nothing is flushed line by line: after a power cut the last lines may be missing,
//! and none is torn by anything but that.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel,
};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::clock;
use crate::config::Logging;
use crate::error::{Error, Kind, Result};
use crate::log::rotate::{Bounds, LONGEST_LINE, Step, fit, moves, number, step};

/// Lines that may wait.
const QUEUE: usize = 1024;
/// Bytes of lines that may wait.
const QUEUE_BYTES: usize = 1 << 20;
/// A file that is flushed gets so many times the patience in all, as long as the disk takes lines.
const PATIENCES: u32 = 4;
/// A file that could not be opened or written is tried again after this long.
const AGAIN: Duration = Duration::from_secs(10);

/// What the thread is told beside lines.
enum Order {
    /// Write there from now on; `None` ends the file.
    Use(Option<Bounds>),
    /// Somebody moved the file away: open it anew.
    Reopen,
    /// Tell when everything before this is written.
    Flush(Sender<()>),
}

/// Where lines go in. Cheap to clone; never waits.
#[derive(Clone)]
pub struct Mouth {
    lines: SyncSender<Vec<u8>>,
    orders: Sender<Order>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Whether there is a file to write.
    open: AtomicBool,
    waiting: AtomicUsize,
    lost: AtomicU64,
    /// Lines that the thread is done with: what shows that it gets on.
    done: AtomicU64,
}

impl std::fmt::Debug for Mouth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mouth")
            .field("open", &self.is_open())
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

/// The file that `logging` asks for.
#[must_use]
pub fn bounds(logging: &Logging) -> Option<Bounds> {
    (!logging.file.as_os_str().is_empty()).then(|| Bounds {
        path: logging.file.clone(),
        size: logging.max_file_size.into(),
        files: logging.max_files,
    })
}

impl Mouth {
    /// Starts the thread.
    ///
    /// # Errors
    /// `Internal` when the kernel gives no thread.
    pub fn new(first: Option<Bounds>) -> Result<Self> {
        let (mouth, hand) = Self::with_hand(first);
        std::thread::Builder::new()
            .name("log file".to_owned())
            .spawn(move || hand.run())
            .map_err(|e| Error::new(Kind::Internal, "no thread for the log file").because(e))?;
        Ok(mouth)
    }

    fn with_hand(first: Option<Bounds>) -> (Self, Hand) {
        let (lines, queue) = sync_channel(QUEUE);
        let (orders, told) = channel();
        let counts = Arc::new(Counts::default());
        counts.open.store(first.is_some(), Ordering::Relaxed);
        let hand = Hand {
            queue,
            orders: told,
            counts: Arc::clone(&counts),
            bounds: first,
            file: None,
            retry: None,
            trouble: None,
        };
        let mouth = Self {
            lines,
            orders,
            counts,
        };
        (mouth, hand)
    }

    /// Whether lines are wanted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.counts.open.load(Ordering::Relaxed)
    }

    /// Lines that found no room since this was told last in the file.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.counts.lost.load(Ordering::Relaxed)
    }

    /// Takes one line; where there is no room for it, it is counted and gone.
    pub fn say(&self, line: &[u8]) {
        let line = fit(line);
        let length = line.len();
        let waiting = self.counts.waiting.fetch_add(length, Ordering::Relaxed);
        if waiting + length > QUEUE_BYTES || self.lines.try_send(line).is_err() {
            self.counts.waiting.fetch_sub(length, Ordering::Relaxed);
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Another file, other bounds, or none.
    pub fn set(&self, bounds: Option<Bounds>) {
        self.counts.open.store(bounds.is_some(), Ordering::Relaxed);
        self.order(Order::Use(bounds));
    }

    /// Opens the file anew: whoever rotates logs has moved it away.
    pub fn reopen(&self) {
        self.order(Order::Reopen);
    }

    /// Waits until what was said before is written, but no longer than `patience` while the disk takes no line, and
    /// four times that in all: many lines may wait, and a busy disk is not one that hangs.
    pub fn flush(&self, patience: Duration) {
        let (done, written) = channel();
        self.order(Order::Flush(done));
        let mut before = self.counts.done.load(Ordering::Relaxed);
        for _ in 0..PATIENCES {
            match written.recv_timeout(patience) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.counts.done.load(Ordering::Relaxed);
            if now == before {
                return;
            }
            before = now;
        }
    }

    fn order(&self, order: Order) {
        // The thread ends only with the last mouth. An empty line wakes it; a full queue means that it is awake.
        let _ = self.orders.send(order);
        let _ = self.lines.try_send(Vec::new());
    }
}

impl io::Write for Mouth {
    /// One call is one line: `tracing_subscriber` writes each event at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.say(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the thread owns.
struct Hand {
    queue: Receiver<Vec<u8>>,
    orders: Receiver<Order>,
    counts: Arc<Counts>,
    bounds: Option<Bounds>,
    file: Option<(File, u64)>,
    retry: Option<clock::Mono>,
    trouble: Option<String>,
}

impl Hand {
    fn run(mut self) {
        let mut flushes: Vec<Sender<()>> = Vec::new();
        loop {
            while let Ok(order) = self.orders.try_recv() {
                match order {
                    Order::Flush(done) => flushes.push(done),
                    Order::Reopen => self.close(),
                    Order::Use(bounds) => {
                        self.close();
                        self.bounds = bounds;
                    }
                }
            }
            let line = match self.queue.try_recv() {
                Ok(line) => line,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {
                    self.tell_lost();
                    for done in flushes.drain(..) {
                        // Who gave up waiting needs no answer.
                        let _ = done.send(());
                    }
                    // An order that came meanwhile has left an empty line here.
                    match self.queue.recv() {
                        Ok(line) => line,
                        Err(mpsc::RecvError) => return,
                    }
                }
            };
            self.take(&line);
        }
    }

    fn close(&mut self) {
        self.file = None;
        self.retry = None;
    }

    fn take(&mut self, line: &[u8]) {
        self.counts.waiting.fetch_sub(line.len(), Ordering::Relaxed);
        if !line.is_empty() && self.bounds.is_some() {
            self.tell_lost();
            self.write(line);
        }
        self.counts.done.fetch_add(1, Ordering::Relaxed);
    }

    fn tell_lost(&mut self) {
        if self.bounds.is_none() || self.counts.lost.load(Ordering::Relaxed) == 0 {
            return;
        }
        let lost = self.counts.lost.swap(0, Ordering::Relaxed);
        let line = format!(
            "{} WARN {lost} line(s) of the log are missing here: the disk did not take them in time\n",
            clock::wall().rfc3339()
        );
        if !self.write(line.as_bytes()) {
            // This line has been counted with them.
            self.counts.lost.fetch_add(lost - 1, Ordering::Relaxed);
        }
    }

    /// Appends a line; false when it could not be.
    fn write(&mut self, line: &[u8]) -> bool {
        if self.retry.is_some_and(|at| at > clock::mono()) {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let Some(bounds) = self.bounds.clone() else {
            return true;
        };
        match self.append(&bounds, line) {
            Ok(()) => {
                self.retry = None;
                self.trouble = None;
                true
            }
            Err(error) => {
                self.file = None;
                self.retry = Some(clock::mono() + AGAIN);
                self.counts.lost.fetch_add(1, Ordering::Relaxed);
                let said = error.to_string();
                if self.trouble.as_ref() != Some(&said) {
                    // Not through the log: it would come back here.
                    eprintln!(
                        "camera-service: the log file {} cannot be written: {said} (it is tried again every {} s)",
                        bounds.path.display(),
                        AGAIN.as_secs()
                    );
                    self.trouble = Some(said);
                }
                false
            }
        }
    }

    fn append(&mut self, bounds: &Bounds, line: &[u8]) -> io::Result<()> {
        let (mut file, mut present) = match self.file.take() {
            Some(open) => open,
            None => open(bounds)?,
        };
        if step(bounds, present, line.len() as u64) == Step::Turn {
            drop(file);
            turn(bounds)?;
            (file, present) = open(bounds)?;
        }
        // One call for the whole line: a line that a crash or a full disk cuts off is the last one of its file.
        let before = present;
        if let Err(error) = file.write_all(line) {
            // A full disk may have taken half of it.
            let _ = file.set_len(before);
            return Err(error);
        }
        present += line.len() as u64;
        self.file = Some((file, present));
        Ok(())
    }
}

/// The present file and its length. What an unclean end left of a line is closed by a line end.
fn open(bounds: &Bounds) -> io::Result<(File, u64)> {
    if let Some(folder) = bounds.path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(folder)?;
        sweep(bounds, folder);
    }
    if bounds.path.is_file() {
        // It may have been written under wider bounds.
        shorten(&bounds.path, bounds.size)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o640)
        .open(&bounds.path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut length = meta.len();
    if length > 0 && !ends_line(&file, length)? {
        file.write_all(b"\n")?;
        length += 1;
    }
    Ok((file, length))
}

fn ends_line(file: &File, length: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let mut last = [0];
    file.read_exact_at(&mut last, length - 1)?;
    Ok(last == *b"\n")
}

/// Keeps the newest lines of a file that fit.
fn shorten(path: &Path, size: u64) -> io::Result<()> {
    use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
    let mut old = match File::open(path) {
        // Whoever rotates logs was quicker.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let length = old.metadata()?.len();
    if length <= size {
        return Ok(());
    }
    old.seek(SeekFrom::Start(length - size))?;
    let mut rest = BufReader::new(old);
    // The first one is cut, or was just before: a line of ours is never longer.
    let mut waste = Vec::with_capacity(LONGEST_LINE);
    rest.read_until(b'\n', &mut waste)?;
    let fresh = path.with_extension("short");
    let copied = File::create(&fresh).and_then(|mut new| io::copy(&mut rest, &mut new));
    copied.and_then(|_| fs::rename(&fresh, path))
}

/// Begins a new file.
fn turn(bounds: &Bounds) -> io::Result<()> {
    for (from, to) in moves(bounds) {
        match fs::rename(from, to) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    match fs::remove_file(&bounds.path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes files that narrower bounds leave over, and shortens those that are too long.
fn sweep(bounds: &Bounds, folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(n) = name.to_str().and_then(|name| number(&bounds.path, name)) else {
            continue;
        };
        // What cannot be removed now is tried at the next opening.
        let _ = if n >= bounds.files {
            fs::remove_file(entry.path())
        } else {
            shorten(&entry.path(), bounds.size)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn scratch(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("camera-service-log-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn bounded(folder: &Path, size: u64, files: u32) -> Bounds {
        Bounds {
            path: folder.join("box.log"),
            size,
            files,
        }
    }

    fn texts(folder: &Path) -> Vec<(String, String)> {
        let mut all: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|e| {
                let name = e.file_name().to_string_lossy().into_owned();
                (name, fs::read_to_string(e.path()).unwrap())
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn narrower_bounds_act_on_the_files_that_are_there() {
        let folder = scratch("narrow");
        let mouth = Mouth::new(Some(bounded(&folder, 1 << 20, 9))).unwrap();
        for n in 0..9 {
            fs::write(folder.join(format!("box.log.{n}")), "old\n".repeat(40_000)).unwrap();
        }
        mouth.set(Some(bounded(&folder, 65_536, 3)));
        mouth.say(b"now");
        mouth.flush(PATIENCE);
        let files = texts(&folder);
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        // box.log.0 is no name of ours.
        assert_eq!(names, ["box.log", "box.log.0", "box.log.1", "box.log.2"]);
        assert!(files[2..].iter().all(|(_, text)| text.len() <= 65_536));
        assert!(
            files[2..]
                .iter()
                .all(|(_, text)| text.lines().all(|l| l == "old"))
        );
        assert_eq!(files[0].1, "now\n");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_last_lines_reach_a_disk_that_is_slow_and_one_that_hangs_holds_up_the_end_once() {
        let folder = scratch("slow");
        let bounds = bounded(&folder, 1 << 20, 2);
        let (mouth, mut hand) = Mouth::with_hand(Some(bounds.clone()));
        for n in 0..8 {
            mouth.say(format!("{n}").as_bytes());
        }
        let patience = Duration::from_millis(400);
        // Each line takes so long that all together take longer than the patience.
        let disk = std::thread::spawn(move || {
            for _ in 0..8 {
                std::thread::sleep(patience / 4);
                let line = hand.queue.recv().unwrap();
                hand.take(&line);
            }
            hand.run();
        });
        mouth.flush(patience);
        assert_eq!(
            fs::read_to_string(&bounds.path).unwrap(),
            "0\n1\n2\n3\n4\n5\n6\n7\n"
        );
        drop(mouth);
        disk.join().unwrap();
        // Nobody takes anything here.
        let (mouth, _hangs) = Mouth::with_hand(Some(bounds));
        mouth.say(b"never written");
        let began = clock::mono();
        mouth.flush(patience);
        let took = clock::mono().since(began);
        assert!(took >= patience && took < patience * 3, "{took:?}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_moved_away_is_followed_after_a_reopening_only() {
        let folder = scratch("moved");
        let bounds = bounded(&folder, 1 << 20, 2);
        let mouth = Mouth::new(Some(bounds.clone())).unwrap();
        mouth.say(b"one");
        mouth.flush(PATIENCE);
        fs::rename(&bounds.path, folder.join("taken")).unwrap();
        mouth.say(b"two");
        mouth.flush(PATIENCE);
        mouth.reopen();
        mouth.say(b"three");
        mouth.flush(PATIENCE);
        let files = texts(&folder);
        assert_eq!(files[0], ("box.log".to_owned(), "three\n".to_owned()));
        assert_eq!(files[1], ("taken".to_owned(), "one\ntwo\n".to_owned()));
        mouth.set(None);
        assert!(!mouth.is_open());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_disk_that_hangs_stops_nobody_and_the_lost_lines_are_counted_and_told() {
        let folder = scratch("hangs");
        // The thread that writes hangs in the kernel: it does not even begin.
        let (mouth, hand) = Mouth::with_hand(Some(bounded(&folder, 1 << 30, 2)));
        let began = clock::mono();
        for n in 0..20_000 {
            mouth.say(format!("line {n} {}", "x".repeat(200)).as_bytes());
        }
        assert!(clock::mono().since(began) < Duration::from_secs(10));
        let lost = mouth.lost();
        assert!((10_000..20_000).contains(&lost), "{mouth:?}");
        let writer = std::thread::spawn(move || hand.run());
        mouth.say(b"again");
        mouth.flush(PATIENCE);
        let text = fs::read_to_string(folder.join("box.log")).unwrap();
        let told: u64 = text
            .lines()
            .filter(|l| l.ends_with("the disk did not take them in time"))
            .map(|l| l.split(' ').nth(2).unwrap().parse::<u64>().unwrap())
            .sum();
        let written = text.lines().filter(|l| l.starts_with("line ")).count() as u64;
        assert!(told >= lost && written + told >= 20_000, "{told} {written}");
        drop(mouth);
        writer.join().unwrap();
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_path_that_cannot_be_a_file_costs_the_lines_and_nothing_else() {
        let mouth = Mouth::new(Some(Bounds {
            path: "/dev/null".into(),
            size: 65_536,
            files: 2,
        }))
        .unwrap();
        for _ in 0..10 {
            mouth.say(b"gone");
        }
        mouth.flush(PATIENCE);
        assert!(mouth.lost() >= 10, "{mouth:?}");
    }
}
