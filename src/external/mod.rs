//! Streams of somebody else, such as drones and network cameras: kept in a list, pulled by MediaMTX, found in the network.
//!
//! ```text
//! added by a client ─► book (a file) ─► mediamtx::paths ─► MediaMTX pulls ─► viewers, recordings
//! discovery: ranges of the configuration ─► probe (OPTIONS, DESCRIBE) ─► finds
//! ```
//!
//! `io.rs` has the file, the scans and the wishes. What it knows is asked for through [`Streams`].

pub mod book;
pub mod discovery;
pub mod io;
pub mod probe;
pub mod url;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Wall;
use crate::error::{Error, Kind as Failure, Later};
use book::Book;
use discovery::{Find, Scan};
use url::StreamUrl;

/// What kind of thing sends a stream; the contract's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A Skydio drone: MPEG-TS after STANAG 4609.
    Skydio,
    /// Anything that speaks RTSP.
    Generic,
}

impl Kind {
    /// Every word on the wire.
    pub const WORDS: &[&str] = &["skydio_stanag4609", "generic_rtsp"];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skydio => "skydio_stanag4609",
            Self::Generic => "generic_rtsp",
        }
    }

    /// From the word on the wire.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Skydio, Self::Generic]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// One stream of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Its name, and that of its MediaMTX path.
    pub name: String,
    /// Where it comes from.
    pub url: StreamUrl,
    /// What it is.
    pub kind: Kind,
    /// When it was added.
    pub added: Wall,
    /// Whether MediaMTX gets it, as far as was seen.
    pub seen: Seen,
}

/// Whether MediaMTX gets a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// It does now.
    pub ready: bool,
    /// Since when it is as it is.
    pub since: Wall,
    /// When it last did.
    pub last: Option<Wall>,
}

/// Why a stream was not added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Another one has the name.
    Name,
    /// Another one has the address; its name.
    Url(String),
    /// The list is full; how many it takes.
    Full(usize),
}

/// What the control plane asks about streams of somebody else. All but the `Later`s answer from memory.
pub trait Streams: Send + Sync {
    /// The list in order of names.
    fn list(&self) -> Vec<Stream>;

    /// One stream of the list.
    fn get(&self, name: &str) -> Option<Stream>;

    /// Adds one: it is in the file when this is answered, and MediaMTX pulls it as soon as it runs.
    ///
    /// # Errors
    /// `Refused` with MediaMTX's words when it does not take it; `Config` when the file cannot be written.
    fn add(
        &self,
        name: &str,
        url: StreamUrl,
        kind: Kind,
        now: Wall,
    ) -> Later<Result<Stream, Refusal>>;

    /// Removes the one with this address, whatever credentials are in it; `None` when there is none.
    ///
    /// # Errors
    /// `Config` when the file cannot be written.
    fn remove(&self, url: &StreamUrl) -> Later<Option<Stream>>;

    /// Whether the configuration allows looking for streams.
    fn is_discovery_on(&self) -> bool;

    /// What was found in the network so far, added or not.
    fn finds(&self) -> Vec<Find>;

    /// Looks for streams, or waits for the look that is under way, or gives a fresh one's result unless `force`.
    /// Answers within the configured time.
    ///
    /// Ask [`Streams::is_discovery_on`] first.
    ///
    /// # Errors
    /// `Internal` when the search broke off.
    fn discover(&self, force: bool) -> Later<Arc<Scan>>;

    /// From the end of one look to the next; zero looks on demand only. Until the service starts anew.
    fn set_interval(&self, every: Duration);
}

/// The list in memory only, without MediaMTX, file and searches: what tests of others stand on.
#[derive(Debug, Default)]
pub struct Fixed(pub Mutex<Book>);

impl Fixed {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams for Fixed {
    fn list(&self) -> Vec<Stream> {
        self.book().streams().cloned().collect()
    }

    fn get(&self, name: &str) -> Option<Stream> {
        self.book().get(name).cloned()
    }

    fn add(
        &self,
        name: &str,
        url: StreamUrl,
        kind: Kind,
        now: Wall,
    ) -> Later<Result<Stream, Refusal>> {
        let added = self.book().add(name, url, kind, now);
        Box::pin(std::future::ready(Ok(added)))
    }

    fn remove(&self, url: &StreamUrl) -> Later<Option<Stream>> {
        let removed = self.book().remove(url);
        Box::pin(std::future::ready(Ok(removed)))
    }

    fn is_discovery_on(&self) -> bool {
        false
    }

    fn finds(&self) -> Vec<Find> {
        Vec::new()
    }

    fn discover(&self, _: bool) -> Later<Arc<Scan>> {
        let off = Error::new(Failure::Refused, "nothing is searched for here");
        Box::pin(std::future::ready(Err(off)))
    }

    fn set_interval(&self, _: Duration) {}
}
