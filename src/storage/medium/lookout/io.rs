//! Looks at the medium and tells everybody where files go.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::{Distrust, Glance};
use crate::clock;
use crate::error::Result;
use crate::storage::medium::Home;
use crate::storage::medium::choice::{Choice, Trouble};
use crate::storage::medium::io::{ask, try_to_write};
use crate::storage::medium::roots::{Place, Roots};
use crate::storage::note::Note;
use crate::storage::space::Space;
use crate::supervise::Worker;

/// Looks at the medium. Every look may wait for the disk.
pub struct Lookout {
    recordings: Arc<Roots>,
    snapshots: Arc<Roots>,
    /// Where it is kept over a restart where the medium was mounted.
    note: Option<Box<dyn Note>>,
    state: Mutex<State>,
    /// A write failed since the last look.
    failed: AtomicBool,
    call: Notify,
    moves: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    home: Home,
    kept: Option<String>,
    choice: Choice,
}

impl std::fmt::Debug for Lookout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookout")
            .field("recordings", &self.recordings)
            .finish_non_exhaustive()
    }
}

impl Distrust for Lookout {
    fn failed(&self) {
        self.failed.store(true, Ordering::Release);
        self.call.notify_one();
    }

    fn look_now(&self) {
        self.call.notify_one();
    }
}

impl Lookout {
    /// Of the medium that recordings lie on; `note` remembers over restarts where it was mounted. Snapshots follow where
    /// they lie on the same one.
    #[must_use]
    pub fn new(recordings: Arc<Roots>, snapshots: Arc<Roots>, note: Option<Box<dyn Note>>) -> Self {
        let kept = note.as_ref().and_then(|note| {
            note.read().unwrap_or_else(|error| {
                warn!(%error, "it is not known where the recordings' medium was mounted");
                None
            })
        });
        let home = kept.as_deref().map_or_else(Home::default, |text| {
            Home::from_text(text, recordings.medium())
        });
        Self {
            recordings,
            snapshots,
            note,
            state: Mutex::new(State {
                home,
                kept,
                choice: Choice::default(),
            }),
            failed: AtomicBool::new(false),
            call: Notify::new(),
            moves: watch::Sender::new(0),
        }
    }

    /// Of a folder without a fallback, and without a memory.
    #[must_use]
    pub fn plain(recordings: &Path) -> Self {
        let roots = || Arc::new(Roots::new(recordings.to_owned(), None));
        Self::new(roots(), roots(), None)
    }

    /// The folders of recordings.
    #[must_use]
    pub const fn recordings(&self) -> &Arc<Roots> {
        &self.recordings
    }

    /// The folders of snapshots.
    #[must_use]
    pub const fn snapshots(&self) -> &Arc<Roots> {
        &self.snapshots
    }

    /// Another number each time that files go elsewhere.
    #[must_use]
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.moves.subscribe()
    }

    /// Comes back when somebody wants it to be looked at.
    pub async fn called(&self) {
        self.call.notified().await;
    }

    /// Has it looked at when something is mounted or unmounted, until the worker is dropped.
    ///
    /// # Errors
    /// `Internal` when the kernel gives no thread.
    pub fn watch_mounts(self: &Arc<Self>) -> Result<Worker> {
        let this = Arc::downgrade(self);
        Worker::spawn("mounts", move |stop| {
            let table = match std::fs::File::open("/proc/self/mountinfo") {
                Ok(table) => table,
                Err(error) => {
                    return warn!(%error, "that a medium is pulled is seen two seconds later");
                }
            };
            while !stop.is_given() {
                let mut waits = [
                    PollFd::new(table.as_fd(), PollFlags::POLLPRI),
                    PollFd::new(stop.fd(), PollFlags::POLLIN),
                ];
                // Interrupted is as good as a change.
                let _ = poll(&mut waits, PollTimeout::NONE);
                match this.upgrade() {
                    Some(lookout) => lookout.look_now(),
                    None => return,
                }
            }
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panic left behind is a look that is made again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One look. No file goes into a fallback that is fuller than `block_percent`.
    pub fn look(&self, block_percent: u32) -> Glance {
        let failed = self.failed.swap(false, Ordering::AcqRel);
        let root = self.recordings.medium();
        let asked = ask(root);
        let (mut trouble, doubted) = {
            let mut state = self.state();
            let trouble = match &asked {
                Err(error) => Some(Trouble::Silent(error.to_string())),
                Ok(asked) if state.home.is_gone(&asked.mounted) => Some(Trouble::Gone),
                Ok(asked) if asked.read_only => Some(Trouble::ReadOnly),
                Ok(_) => None,
            };
            if trouble.is_none() {
                self.remember(&mut state);
            }
            (trouble, failed || state.choice.trouble().is_some())
        };
        // Nothing is written just to see whether it can be, but where there is doubt. Nobody waits for this meanwhile.
        if trouble.is_none() && doubted {
            trouble = try_to_write(root)
                .err()
                .map(|error| Trouble::Fails(error.to_string()));
        }
        self.decide(trouble, asked.ok().map(|a| a.space), block_percent)
    }

    /// The medium does not answer at all.
    pub fn hangs(&self, why: &str, block_percent: u32) -> Glance {
        let trouble = Some(Trouble::Silent(why.to_owned()));
        self.decide(trouble, None, block_percent)
    }

    fn decide(&self, trouble: Option<Trouble>, space: Option<Space>, block_percent: u32) -> Glance {
        let mut state = self.state();
        let away = trouble.as_ref().is_some_and(Trouble::is_away);
        let wanted = trouble.is_some() || state.choice.trouble().is_some();
        let spare = self.recordings.fallback().filter(|_| wanted);
        let spare = spare.and_then(|folder| ask(folder).ok());
        let usable = spare
            .as_ref()
            .filter(|s| !s.read_only && !s.space.is_beyond(block_percent));
        let before = self.recordings.place();
        let place = state.choice.look(trouble, usable.is_some(), clock::mono());
        self.recordings.set(place, away);
        // What lies beneath the same mount point shares its fate.
        let shared = state
            .home
            .mounted()
            .is_some_and(|home| self.snapshots.medium().starts_with(home));
        match shared {
            true => self.snapshots.set(place, away),
            false => self.snapshots.set(Place::Medium, false),
        }
        if place != before {
            info!(from = ?before, to = ?place, trouble = ?state.choice.trouble(), "new files go elsewhere");
            self.moves.send_modify(|number| *number += 1);
        }
        Glance {
            place,
            moved: place != before,
            trouble: state.choice.trouble().cloned(),
            space: match place {
                Place::Medium => space,
                Place::Fallback => spare.map(|s| s.space),
                Place::Nowhere => None,
            },
        }
    }

    /// Keeps where the medium is mounted, where that is news.
    fn remember(&self, state: &mut State) {
        let Some(note) = &self.note else { return };
        let text = state.home.to_text(self.recordings.medium());
        if text == state.kept {
            return;
        }
        match text.as_deref().map(|text| note.write(text)) {
            Some(Err(error)) => {
                warn!(%error, "a medium that is missing at the next start would not be missed");
            }
            _ => state.kept = text,
        }
    }
}
