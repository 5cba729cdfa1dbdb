//! Where events pass: whoever has one announces it, whoever wants them all listens.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Announce, Event};

/// Hears every event. Called on the announcer's thread: it must not block.
pub type Listener = Box<dyn Fn(&Arc<Event>) + Send + Sync>;

/// Passes every event to every listener, and keeps none.
#[derive(Default)]
pub struct Bus {
    listeners: RwLock<Vec<Listener>>,
}

impl Bus {
    /// Calls `listener` with every event from now on.
    pub fn listen(&self, listener: Listener) {
        self.listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(listener);
    }
}

impl Announce for Bus {
    fn announce(&self, event: Event) {
        let event = Arc::new(event);
        let listeners = self.listeners.read();
        for listener in listeners.unwrap_or_else(PoisonError::into_inner).iter() {
            listener(&event);
        }
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}
