//! One piece of news for many sockets: its text is made once, and once for each name of the box
//! where it holds links; every socket then sends the same bytes.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::camera::Camera;
use crate::events::Event;
use crate::events::subscriptions::Subscriptions;
use crate::rpc::Desk;
use crate::rpc::links::Reached;
use crate::rpc::notify;

/// A box has few names. Beyond so many the text is made for each socket, and nothing grows.
const NAMES_KEPT: usize = 16;

/// What there is to tell.
#[derive(Debug)]
enum What {
    /// Of a camera, to everybody.
    Camera(Box<Camera>),
    /// The same text to everybody.
    Everybody(Utf8Bytes),
    /// To whom subscribed to it.
    Topic(Arc<Event>),
}

/// One piece of news.
#[derive(Debug)]
pub struct News {
    what: What,
    text: OnceLock<Utf8Bytes>,
    by_name: Mutex<Vec<(Reached, Utf8Bytes)>>,
}

impl News {
    fn new(what: What) -> Self {
        Self {
            what,
            text: OnceLock::new(),
            by_name: Mutex::default(),
        }
    }

    /// A camera as it is now.
    #[must_use]
    pub fn camera(camera: &Camera) -> Self {
        Self::new(What::Camera(Box::new(camera.clone())))
    }

    /// An event for its subscribers.
    #[must_use]
    pub fn topic(event: &Arc<Event>) -> Self {
        Self::new(What::Topic(Arc::clone(event)))
    }

    /// What an event means for everybody, if it does.
    #[must_use]
    pub fn for_everybody(event: &Arc<Event>) -> Option<Self> {
        let text = notify::recording_status_update(event)?;
        Some(Self::new(What::Everybody(text.into())))
    }

    /// What to send to a client that wants `wanted` and reached us at `reached`.
    pub fn text(
        &self,
        desk: &Desk,
        reached: &Reached,
        wanted: &Subscriptions,
    ) -> Option<Utf8Bytes> {
        match &self.what {
            What::Camera(camera) => Some(self.named(desk, reached, camera)),
            What::Everybody(text) => Some(text.clone()),
            What::Topic(event) if !wanted.want(event) => None,
            What::Topic(event) => {
                let text = self.text.get_or_init(|| notify::topic(event).into());
                Some(text.clone())
            }
        }
    }

    fn named(&self, desk: &Desk, reached: &Reached, camera: &Camera) -> Utf8Bytes {
        let mut names = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = names.iter().find(|(name, _)| name == reached) {
            return text.clone();
        }
        let text = Utf8Bytes::from(notify::camera_status_update(desk, reached, camera));
        if names.len() < NAMES_KEPT {
            names.push((reached.clone(), text.clone()));
        }
        text
    }
}

#[cfg(test)]
mod tests;
