//! Watches the folder of the configuration file: editors and deployments replace files by renaming.
//!
//! The law: an event is only a reason to look. Whether the file changed is told by its bytes, so that links, renames
//! and storms of events in a busy folder all come to the same.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::Result;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tracing::{debug, warn};

use crate::clock;
use crate::error;
use crate::supervise::{Stop, Worker};

/// Milliseconds that it must be quiet before the file is looked at: whoever writes it may not be done.
const SETTLE: u16 = 200;
/// In a folder that is never quiet the file is looked at all the same after this long.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// Milliseconds after which a folder that cannot be watched, or no longer, is tried again.
const AGAIN: u16 = 5000;

/// Calls `touched` whenever the folders of `file` were touched and are quiet again, and once when the watch begins,
/// until the worker is dropped. The file need not exist, nor its folder.
///
/// # Errors
/// `Internal` when the kernel gives no thread or descriptor.
pub fn start(file: &Path, touched: impl Fn() + Send + 'static) -> error::Result<Worker> {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut folders = vec![folder(file)];
    // Where the file is a link, its target may be written in place.
    if let Ok(real) = std::fs::canonicalize(file) {
        folders.push(folder(&real));
    }
    Worker::spawn("config", move |stop| {
        let mut warned = false;
        while !stop.is_given() {
            match open(&folders) {
                Ok(eyes) => {
                    warned = false;
                    // It may have been touched while nobody looked.
                    touched();
                    let left = watch(&eyes, &stop, &touched);
                    debug!(?left, "the configuration's folder is watched no longer");
                }
                Err(error) if !warned => {
                    warn!(%error, "the configuration's folder cannot be watched; SIGHUP still reads it anew");
                    warned = true;
                }
                Err(_) => {}
            }
            // Either way the next round begins.
            let _ = poll(&mut [PollFd::new(stop.fd(), PollFlags::POLLIN)], AGAIN);
        }
    })
}

fn open(folders: &[PathBuf]) -> Result<Inotify> {
    let eyes = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    let flags = AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_ONLYDIR;
    for folder in folders {
        eyes.add_watch(folder, flags)?;
    }
    Ok(eyes)
}

/// Until the stop, or until a folder itself has gone.
fn watch(eyes: &Inotify, stop: &Stop, touched: &impl Fn()) -> Result<()> {
    while !stop.is_given() {
        if !heard(eyes, stop, PollTimeout::NONE)? {
            continue;
        }
        let began = clock::mono();
        while heard(eyes, stop, PollTimeout::from(SETTLE))?
            && clock::mono().since(began) < IMPATIENCE
        {}
        if !stop.is_given() {
            touched();
        }
    }
    Ok(())
}

/// Waits for events and takes all there are; false when none came.
fn heard(eyes: &Inotify, stop: &Stop, patience: PollTimeout) -> Result<bool> {
    let mut fds = [
        PollFd::new(stop.fd(), PollFlags::POLLIN),
        PollFd::new(eyes.as_fd(), PollFlags::POLLIN),
    ];
    match poll(&mut fds, patience) {
        Ok(0) => return Ok(false),
        Err(Errno::EINTR) | Ok(_) => {}
        Err(error) => return Err(error),
    }
    if stop.is_given() {
        return Ok(false);
    }
    match eyes.read_events() {
        Ok(events) => {
            let lost = AddWatchFlags::IN_IGNORED | AddWatchFlags::IN_MOVE_SELF;
            if events.iter().any(|e| e.mask.intersects(lost)) {
                return Err(Errno::ENOENT);
            }
            Ok(true)
        }
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::mpsc::{Receiver, channel};

    const PATIENCE: Duration = Duration::from_secs(20);

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!(
            "camera-service-watch-{name}-{}",
            std::process::id()
        ));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn watched(file: &Path) -> (Worker, Receiver<()>) {
        let (sender, touches) = channel();
        let worker = start(file, move || {
            let _ = sender.send(());
        })
        .unwrap();
        touches.recv_timeout(PATIENCE).expect("it begins");
        (worker, touches)
    }

    #[test]
    fn a_file_written_in_place_renamed_over_or_behind_a_link_is_noticed() {
        let folder = scratch("ways");
        let target = scratch("target");
        let file = folder.join("box.yaml");
        fs::write(target.join("real"), "1").unwrap();
        std::os::unix::fs::symlink(target.join("real"), &file).unwrap();
        let (worker, touches) = watched(&file);
        let soon = || touches.recv_timeout(PATIENCE).expect("it was touched");
        fs::write(target.join("real"), "2").unwrap();
        soon();
        fs::write(folder.join("new"), "3").unwrap();
        fs::rename(folder.join("new"), &file).unwrap();
        soon();
        assert_eq!(fs::read_to_string(&file).unwrap(), "3");
        let quiet = touches.recv_timeout(Duration::from_millis(500));
        assert!(quiet.is_err(), "nothing happened and it was told");
        drop(worker);
        fs::remove_dir_all(folder).unwrap();
        fs::remove_dir_all(target).unwrap();
    }

    #[test]
    fn a_folder_that_goes_and_comes_back_is_watched_again() {
        let folder = scratch("gone");
        let file = folder.join("box.yaml");
        let (worker, touches) = watched(&file);
        fs::remove_dir_all(&folder).unwrap();
        let early = touches.recv_timeout(Duration::from_millis(300));
        assert!(early.is_err(), "there is nothing to look at");
        fs::create_dir_all(&folder).unwrap();
        touches.recv_timeout(PATIENCE).expect("it is there again");
        drop(worker);
        fs::remove_dir_all(folder).unwrap();
    }
}
