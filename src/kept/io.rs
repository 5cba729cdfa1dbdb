//! The file `cameras.json` beneath the data folder, written whole by a thread of its own.
//!
//! The law: no camera waits for the disk. Changes are gathered for a second, written to a temporary file, flushed,
//! and moved into place; what cannot be written now is tried again. A file that cannot be understood is set aside.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::{info, warn};

use super::{Book, Remembered, Shelf};
use crate::camera::change::Identity;
use crate::clock::{self, Mono};
use crate::durable;
use crate::error::Result;
use crate::supervise::{Inbox, Post, Stop, Worker};

/// The file's name beneath the data folder.
pub const NAME: &str = "cameras.json";
/// From the first change to the writing: what is set together is written together.
const GATHER: Duration = Duration::from_secs(1);
/// From a failed writing to the next.
const AGAIN: Duration = Duration::from_secs(30);
/// Bytes of a file that is read; ours has some tens of kilobytes at most.
const LONGEST: u64 = 4 << 20;

/// Something was set.
#[derive(Debug)]
struct News;

/// The settings of all cameras. What was set is on the disk when this was dropped.
#[derive(Debug)]
pub struct Store {
    line: Arc<Line>,
    _writer: Worker,
}

/// How cameras reach it.
#[derive(Debug)]
struct Line {
    book: Mutex<Book>,
    post: Post<News>,
}

impl Line {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf for Line {
    fn find(&self, camera: &Identity) -> Remembered {
        self.book().find(camera).cloned().unwrap_or_default()
    }

    fn put(&self, camera: &Identity, what: Remembered) {
        if self.book().put(camera, what) {
            // A full inbox wakes the writer just as well.
            let _ = self.post.send(News);
        }
    }
}

impl Store {
    /// Reads the file beneath `folder`, if there is one.
    ///
    /// # Errors
    /// `Internal` when the kernel gives no thread or descriptor. A missing or damaged file is none.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let book = read(&path).unwrap_or_else(|why| {
            set_aside(&path, &why);
            Book::default()
        });
        if !book.is_empty() {
            info!(cameras = book.len(), file = %path.display(), "settings of cameras are remembered");
        }
        let (post, inbox) = Inbox::new()?;
        let line = Arc::new(Line {
            book: Mutex::new(book),
            post,
        });
        let theirs = Arc::clone(&line);
        let writer = Worker::spawn("settings", move |stop| write(&path, &theirs, &inbox, &stop))?;
        Ok(Self {
            line,
            _writer: writer,
        })
    }

    /// Where cameras find their settings.
    #[must_use]
    pub fn shelf(&self) -> Arc<dyn Shelf> {
        Arc::<Line>::clone(&self.line)
    }
}

/// The book in the file; an empty one where there is no file.
fn read(path: &Path) -> std::result::Result<Book, String> {
    let mut text = String::new();
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Book::default()),
        other => other.map_err(|e| e.to_string())?,
    };
    let taken = file.take(LONGEST + 1).read_to_string(&mut text);
    if taken.map_err(|e| e.to_string())? as u64 > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    Book::parse(&text)
}

/// Keeps a file that cannot be understood for whoever wants to know why.
fn set_aside(path: &Path, why: &str) {
    let aside = path.with_extension("json.damaged");
    match fs::rename(path, &aside) {
        Ok(()) => warn!(
            file = %path.display(),
            why,
            aside = %aside.display(),
            "the settings of cameras cannot be read and are set aside; cameras begin as the configuration asks"
        ),
        Err(error) => warn!(
            file = %path.display(),
            why,
            %error,
            "the settings of cameras can neither be read nor set aside; the next one that is made replaces them"
        ),
    }
}

fn write(path: &Path, line: &Line, inbox: &Inbox<News>, stop: &Stop) {
    let mut due: Option<Mono> = None;
    let mut trouble = false;
    loop {
        let now = clock::mono();
        let wait = due.map_or(PollTimeout::NONE, |at| {
            let millis = at.since(now).as_millis() + 1;
            PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
        });
        let mut fds = [
            PollFd::new(stop.fd(), PollFlags::POLLIN),
            PollFd::new(inbox.fd(), PollFlags::POLLIN),
        ];
        // Interrupted or not, what there is to do is looked up below.
        let _ = poll(&mut fds, wait);
        while let Some(News) = inbox.next() {
            due.get_or_insert(clock::mono() + GATHER);
        }
        let ends = stop.is_given();
        if due.is_some_and(|at| ends || at <= clock::mono()) {
            let text = line.book().render();
            due = match durable::replace(path, text.as_bytes(), 0o600) {
                Ok(()) => {
                    if trouble {
                        info!(file = %path.display(), "the settings of cameras are written again");
                    }
                    trouble = false;
                    None
                }
                Err(error) => {
                    if !trouble {
                        warn!(file = %path.display(), %error, "the settings of cameras cannot be written and would be lost at a restart; it is tried again every {} s", AGAIN.as_secs());
                    }
                    trouble = true;
                    Some(clock::mono() + AGAIN)
                }
            };
        }
        if ends {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("camera-service-kept-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    fn camera() -> Identity {
        Identity {
            driver: "uvcvideo".to_owned(),
            bus: "usb-1".to_owned(),
            card: "Desk camera".to_owned(),
            index: 0,
        }
    }

    fn bright(value: i64) -> Remembered {
        Remembered {
            controls: [("brightness".to_owned(), value)].into(),
            ..Remembered::default()
        }
    }

    #[test]
    fn what_was_set_a_moment_before_the_end_is_there_after_the_next_start() {
        let folder = scratch("end");
        let store = Store::open(&folder).unwrap();
        assert_eq!(store.shelf().find(&camera()), Remembered::default());
        for value in 0..200 {
            store.shelf().put(&camera(), bright(value));
        }
        drop(store);
        let again = Store::open(&folder).unwrap();
        assert_eq!(again.shelf().find(&camera()), bright(199));
        let others: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert_eq!(others.len(), 1, "no temporary file is left: {others:?}");
        drop(again);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_a_fresh_one_begun() {
        let folder = scratch("damaged");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(NAME), "{\"version\":1,\"cameras\":[{\"dri").unwrap();
        let store = Store::open(&folder).unwrap();
        assert_eq!(store.shelf().find(&camera()), Remembered::default());
        store.shelf().put(&camera(), bright(7));
        drop(store);
        let aside = fs::read_to_string(folder.join("cameras.json.damaged")).unwrap();
        assert!(aside.ends_with("{\"dri"), "{aside}");
        let again = Store::open(&folder).unwrap();
        assert_eq!(again.shelf().find(&camera()), bright(7));
        drop(again);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_written_stops_nobody() {
        let store = Store::open(Path::new("/proc/self/nowhere")).unwrap();
        store.shelf().put(&camera(), bright(7));
        assert_eq!(store.shelf().find(&camera()), bright(7));
    }
}
