//! inotify(7). The kernel notes what happens to a folder before whoever did it goes on: who asks afterwards hears of it.

use std::collections::BTreeMap;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use crate::recording::index::notes::{Noted, Notes};
use crate::sys::inotify::{CONTENTS, NAMES};

/// A watch over one folder of recordings.
#[derive(Debug)]
pub struct Eyes {
    inotify: Inotify,
    root: WatchDescriptor,
    devices: BTreeMap<WatchDescriptor, String>,
}

impl Eyes {
    /// Watches `root` for devices' folders that come and go.
    ///
    /// # Errors
    /// The kernel's: it has no such folder, or no watch to give.
    pub fn open(root: &Path) -> nix::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let root = inotify.add_watch(root, NAMES)?;
        Ok(Self {
            inotify,
            root,
            devices: BTreeMap::new(),
        })
    }

    /// Watches a device's folder, too. One that was renamed is known by its new name from now on.
    ///
    /// # Errors
    /// As [`Eyes::open`].
    pub fn watch(&mut self, folder: &Path, device: &str) -> nix::Result<()> {
        let all = NAMES | CONTENTS | AddWatchFlags::IN_DONT_FOLLOW;
        let watch = self.inotify.add_watch(folder, all)?;
        self.devices.insert(watch, device.to_owned());
        Ok(())
    }

    /// A device's folder is gone.
    pub fn forget(&mut self, device: &str) {
        self.devices.retain(|_, known| known != device);
    }

    /// Takes down what was noted since the last call. Does not wait.
    pub fn look(&self, notes: &mut Notes) {
        loop {
            match self.inotify.read_events() {
                Ok(events) => {
                    for event in events {
                        self.word(event, notes);
                    }
                }
                Err(Errno::EAGAIN) => return,
                Err(Errno::EINTR) => {}
                Err(_) => return notes.take(Noted::Lost),
            }
        }
    }

    fn word(&self, event: InotifyEvent, notes: &mut Notes) {
        let is = |flags| event.mask.intersects(flags);
        let own = AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_UNMOUNT
            | AddWatchFlags::IN_IGNORED;
        if is(AddWatchFlags::IN_Q_OVERFLOW) {
            return notes.take(Noted::Lost);
        }
        let name = event
            .name
            .as_ref()
            .map(|n| n.to_string_lossy().into_owned());
        if event.wd == self.root {
            return match name {
                Some(name) if is(AddWatchFlags::IN_ISDIR) => notes.take(Noted::Folder(name)),
                Some(_) => {}
                None if is(own) => notes.take(Noted::Lost),
                None => {}
            };
        }
        let Some(device) = self.devices.get(&event.wd).cloned() else {
            return;
        };
        notes.take(match name {
            Some(name) => Noted::File {
                device,
                name,
                grows: !is(!(AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_ISDIR)),
            },
            None if is(own) => Noted::Folder(device),
            None => return,
        });
    }
}
