//! Puts a plain MP4 in the place of a finished fragmented one, beside it first and then by renaming.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::{info, warn};

use super::Plan;
use crate::clock;
use crate::error::{Error, Kind};
use crate::events::Topic;
use crate::recording::Format;
use crate::recording::fmp4::bad;
use crate::recording::io::Recorder;
use crate::recording::ledger::Session;
use crate::storage::names::Stem;
use crate::storage::shelf::UNFINISHED;
use crate::supervise::blocking;

/// Bytes copied between two looks at whether the service ends.
const PIECE: u64 = 8 << 20;
/// How long `stop_recording` waits for the plain file.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a file that nobody has closed is looked at after a restart, in case somebody still closes it.
const CLOSE: Duration = Duration::from_secs(4);
/// How often.
const GLANCE: Duration = Duration::from_millis(100);

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It is plain now, or was before.
    Plain,
    /// The service ends: it is as it was.
    Halted,
}

/// Makes the fragmented file at `path` a plain one, of the same name, mode and time. Waits for the disk.
///
/// # Errors
/// As [`Plan::of`]; `InvalidData` when somebody still writes the file or has replaced it; the disk's own. The file is as
/// it was then.
pub fn finalise(path: &Path, halt: &AtomicBool) -> io::Result<Made> {
    let mut source = File::open(path)?;
    let Some(plan) = Plan::of(&mut source)? else {
        return Ok(Made::Plain);
    };
    let folder = path.parent().ok_or_else(|| bad("it lies nowhere"))?;
    let begun = folder.join(format!("{UNFINISHED}{}", uuid::Uuid::new_v4().simple()));
    let made = write(&plan, &mut source, &begun, halt).and_then(|made| {
        if made == Made::Plain {
            let (read, now) = (source.metadata()?, path.symlink_metadata()?);
            let end = source.seek(SeekFrom::End(0))?;
            if (read.dev(), read.ino()) != (now.dev(), now.ino()) || end != plan.length {
                return Err(bad("it was changed meanwhile"));
            }
            fs::rename(&begun, path)?;
            File::open(folder)?.sync_all()?;
        }
        Ok(made)
    });
    if !matches!(made, Ok(Made::Plain)) {
        // What cannot be removed now is swept at the next start.
        let _ = fs::remove_file(&begun);
    }
    made
}

fn write(plan: &Plan, source: &mut File, begun: &Path, halt: &AtomicBool) -> io::Result<Made> {
    let before = source.metadata()?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(begun)?;
    file.write_all(&plan.head)?;
    for span in &plan.spans {
        source.seek(SeekFrom::Start(span.at))?;
        let mut left = span.length;
        while left > 0 {
            if halt.load(Ordering::Relaxed) {
                return Ok(Made::Halted);
            }
            // Between two files the kernel copies by itself (copy_file_range).
            let copied = io::copy(&mut Read::take(&mut *source, left.min(PIECE)), &mut file)?;
            if copied == 0 {
                return Err(bad("it became shorter meanwhile"));
            }
            left -= copied;
        }
    }
    file.set_permissions(before.permissions())?;
    // Lists go by this, and so does the retention policy.
    file.set_modified(before.modified()?)?;
    file.sync_all()?;
    Ok(Made::Plain)
}

/// What `stop_recording` says of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::recording) struct Delivered {
    pub format: Format,
    /// They become plain later.
    pub finalising: bool,
}

impl Recorder {
    /// Makes the files of an ended recording what was asked for. Comes back after [`PATIENCE`] at the latest; what is
    /// not done then goes on.
    pub(in crate::recording) async fn deliver(&self, device: &str, session: &Session) -> Delivered {
        let fragmented = |finalising| Delivered {
            format: Format::Fmp4,
            finalising,
        };
        if session.format == Format::Fmp4 {
            return fragmented(false);
        }
        let (this, device) = (self.clone(), device.to_owned());
        let files = session.files.clone();
        let work = tokio::spawn(async move {
            let mut all = true;
            for stem in files {
                all &= this.make_plain(&device, stem).await;
            }
            all
        });
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(Ok(true)) => Delivered {
                format: Format::Mp4,
                finalising: false,
            },
            // When the service ends, the next start goes on with it.
            Ok(_) => fragmented(self.is_halted()),
            Err(_) => fragmented(true),
        }
    }

    /// Makes the files plain that were left when the service ended.
    pub(in crate::recording) async fn make_rest_plain(self) {
        let rest = self.ledger().unfinished();
        for (stem, device) in rest {
            self.wait_closed(&stem).await;
            self.make_plain(&device, stem).await;
        }
    }

    async fn wait_closed(&self, stem: &Stem) {
        let asked = clock::mono();
        while clock::mono().since(asked) < CLOSE && !self.is_halted() {
            let (inner, stem) = (Arc::clone(&self.0), stem.clone());
            let closed = blocking(move || {
                let entry = inner.parts.shelf.find(&stem)?;
                Ok(entry.is_none_or(|entry| inner.measure(&entry).closed))
            });
            if closed.await.unwrap_or(true) {
                return;
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    fn is_halted(&self) -> bool {
        self.0.halt.load(Ordering::Relaxed)
    }

    /// Makes one file plain, one at a time of all; tells when it cannot be. Whether it is.
    async fn make_plain(&self, device: &str, stem: Stem) -> bool {
        let _one = self.0.finalising.lock().await;
        let (inner, name) = (Arc::clone(&self.0), stem.clone());
        let made = blocking(move || {
            let Some(entry) = inner.parts.shelf.find(&name)? else {
                return Ok(Made::Plain);
            };
            inner.parts.witness.rewriting(&entry, "made a plain MP4");
            finalise(&entry.path, &inner.halt).map_err(|e| {
                let what = format!("cannot make a plain MP4 of {}", entry.path.display());
                Error::new(Kind::Transient, what)
                    .because(e)
                    .action("the recording stays as fragmented MP4, which plays; see that the medium has room for it twice")
            })
        })
        .await;
        match &made {
            // It stays noted, for the next start.
            Ok(Made::Halted) => return false,
            Ok(Made::Plain) => info!(device, name = %stem, "the recording is a plain MP4"),
            Err(error) => {
                warn!(device, name = %stem, %error, "the recording stays as fragmented MP4");
                let said = [
                    ("filename", stem.as_str().into()),
                    (
                        "reason",
                        format!("it stays as fragmented MP4: {error}").into(),
                    ),
                ];
                self.tell(Topic::RecordingError, device, "ERROR", said);
            }
        }
        self.ledger().finalised(&stem);
        self.keep().await;
        made.is_ok()
    }
}
