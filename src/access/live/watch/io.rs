//! Waits until the files of credentials may have changed.

use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::statfs::statfs;

use super::{every, is_told};
use crate::access::store::io::Files;
use crate::clock;
use crate::supervise::Stop;
use crate::sys::inotify::{CONTENTS, NAMES};

/// Milliseconds from the first word of a change to the look: whoever writes a file in place may not be done.
const SETTLE: u16 = 20;

/// What is watched.
#[derive(Debug, Default)]
pub(in crate::access::live) struct Eyes {
    eyes: Option<Inotify>,
    /// Every change will be told.
    told: bool,
}

impl Eyes {
    /// Watches the folders as they are now. What changes from here on ends [`Eyes::wait`], or is too strange to be told.
    pub(in crate::access::live) fn open(&mut self, files: &Files) {
        self.told = self.watch(files).unwrap_or(false);
    }

    /// Whether every change will be told.
    fn watch(&mut self, files: &Files) -> io::Result<bool> {
        let eyes = match self.eyes.take() {
            Some(eyes) => eyes,
            None => Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?,
        };
        let eyes = self.eyes.insert(eyes);
        let mut told = !files.is_linked();
        let folder = files.folder();
        // One that is not there yet is made in the one above it.
        let mut watch = |folder: &Path| -> io::Result<bool> {
            // Watching once more what is watched changes nothing.
            match eyes.add_watch(folder, NAMES | CONTENTS) {
                Ok(_) => {}
                Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            let own = fs::symlink_metadata(folder)?.is_dir();
            // The word is signed and of 32 bits on some machines.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let kind = i64::from(statfs(folder)?.filesystem_type().0 as u32);
            told &= own && is_told(kind);
            Ok(true)
        };
        if watch(folder)? {
            watch(&files.trusted())?;
        } else if let Some(above) = folder.parent()
            // It may have been made just before the one above was watched.
            && (!watch(above)? || folder.exists())
        {
            told = false;
        }
        // A file that has another name elsewhere, or is mounted here from elsewhere, may be changed there.
        for file in files.files() {
            match eyes.add_watch(&file, CONTENTS) {
                Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(told)
    }

    /// Until something was told, which is true; until the stop is given, or it is time to look in any case.
    pub(in crate::access::live) fn wait(&mut self, stop: &Stop) -> bool {
        let now = clock::mono();
        let every = every(self.told);
        self.wait_for((now + every / 8).up_to(every).since(now), stop)
    }

    fn wait_for(&mut self, patience: Duration, stop: &Stop) -> bool {
        let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut awaited = vec![PollFd::new(stop.fd(), PollFlags::POLLIN)];
        if let Some(eyes) = &self.eyes {
            awaited.push(PollFd::new(eyes.as_fd(), PollFlags::POLLIN));
        }
        // A signal only makes it look earlier.
        let _ = poll(&mut awaited, patience);
        let rung = |fd: &PollFd<'_>| fd.any() == Some(true);
        if stop.is_given() || !awaited.get(1).is_some_and(rung) {
            return false;
        }
        awaited.truncate(1);
        let _ = poll(&mut awaited, SETTLE);
        // Folders may have come and gone, or words been lost: all is watched anew.
        let stale = AddWatchFlags::IN_ISDIR
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_UNMOUNT
            | AddWatchFlags::IN_IGNORED
            | AddWatchFlags::IN_Q_OVERFLOW;
        let keeps = |eyes: &Inotify| loop {
            match eyes.read_events() {
                Ok(events) if events.iter().any(|e| e.mask.intersects(stale)) => return false,
                Ok(_) => {}
                Err(Errno::EINTR) => {}
                Err(error) => return error == Errno::EAGAIN,
            }
        };
        self.eyes = self.eyes.take().filter(keeps);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let process = std::process::id();
            let path = std::env::temp_dir().join(format!("camera-service-eyes-{name}-{process}"));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn whatever_is_done_to_the_files_is_told() {
        let data = Folder::new("ways");
        let (files, stop) = (Files::beneath(&data.0), Stop::new().unwrap());
        let (access, document) = (files.folder().to_owned(), files.document());
        let (other, key) = (data.0.join("other"), files.trusted().join("a.pem"));
        let mut eyes = Eyes::default();
        let mut told = |what: &str, act: &dyn Fn()| {
            eyes.open(&files);
            act();
            let told = eyes.wait_for(Duration::from_secs(20), &stop);
            assert!(told, "nobody told that {what}");
            // What is left of it, and of watching a new folder.
            eyes.open(&files);
            while eyes.wait_for(Duration::from_millis(100), &stop) {
                eyes.open(&files);
            }
        };
        told("the folder was made", &|| fs::create_dir(&access).unwrap());
        told("the document was made", &|| {
            fs::write(&document, "1").unwrap();
        });
        told("the document was written in place", &|| {
            fs::write(&document, "2").unwrap();
        });
        told("the document was replaced", &|| {
            fs::write(access.join("new"), "3").unwrap();
            fs::rename(access.join("new"), &document).unwrap();
        });
        told("others may read it", &|| {
            fs::set_permissions(&document, fs::Permissions::from_mode(0o644)).unwrap();
        });
        told("the folder of keys was made", &|| {
            fs::create_dir(files.trusted()).unwrap();
        });
        told("a key came", &|| fs::write(&key, "1").unwrap());
        told("a key was changed", &|| fs::write(&key, "2").unwrap());
        told("a key went", &|| fs::remove_file(&key).unwrap());
        told("the folder was swapped", &|| {
            fs::rename(&access, &other).unwrap();
            fs::create_dir(&access).unwrap();
        });
        told("the new folder has a document", &|| {
            fs::write(&document, "4").unwrap();
        });
        let name = data.0.join("name");
        told("the document has another name", &|| {
            fs::hard_link(&document, &name).unwrap();
        });
        told("the document was written by its other name", &|| {
            fs::write(&name, "5").unwrap();
        });
        told("the folder went", &|| fs::remove_dir_all(&access).unwrap());
        told("the folder is back", &|| fs::create_dir(&access).unwrap());
    }

    #[test]
    fn a_document_behind_a_link_is_looked_at_as_if_nothing_were_told() {
        let data = Folder::new("link");
        let files = Files::beneath(&data.0);
        fs::create_dir(files.folder()).unwrap();
        fs::write(data.0.join("elsewhere"), "1").unwrap();
        std::os::unix::fs::symlink(data.0.join("elsewhere"), files.document()).unwrap();
        let mut eyes = Eyes::default();
        eyes.open(&files);
        assert!(!eyes.told);
    }

    #[test]
    fn the_stop_ends_the_wait() {
        let data = Folder::new("stop");
        let (files, stop) = (Files::beneath(&data.0), Stop::new().unwrap());
        let mut eyes = Eyes::default();
        eyes.open(&files);
        stop.give();
        let begin = clock::mono();
        assert!(!eyes.wait(&stop));
        assert!(clock::mono().since(begin) < super::super::UNTOLD_EVERY / 2);
    }
}
