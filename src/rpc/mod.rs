//! JSON-RPC 2.0 over WebSocket, without the socket: text in, text out.
//!
//! [`dispatch::accept`] takes one message and the connection's [`session::Session`], checks it in
//! the contract's order ([`guard`] has it) against the one [`table`], and
//! hands back a [`dispatch::Turn`]: the answer, or a future that will be it. Nothing here waits,
//! reads a clock or knows of sockets; `http/ws/io.rs` does that, and [`io`] waits for cameras.

pub mod discover;
pub mod dispatch;
pub mod envelope;
pub mod error;
pub mod guard;
pub mod io;
pub mod links;
pub mod media;
pub mod methods;
pub mod notify;
pub mod params;
pub mod schema;
pub mod session;
pub mod table;

use std::fmt;
use std::sync::Arc;

use crate::access::Office;
use crate::camera::Directory;
use crate::config::live::Configuration;
use crate::events::Announce;
use crate::events::subscriptions::Registry;
use crate::external::Streams;
use crate::http::files::Downloads;
use crate::http::files::range::Ranges;
use crate::offsite::Offsite;
use crate::recording::Recordings;
use crate::recording::modes::Moding;
use crate::snapshot::Snapshots;
use crate::storage::Storage;
use crate::storage::wear::Wearing;
use crate::system::System;
use crate::viewing::Viewing;
use guard::Guard;
use media::MediaServer;
use session::Verify;

/// What every method may look at. Built once by the wiring and shared by all connections. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    /// The cameras.
    pub directory: Arc<Directory>,
    /// Judges tokens.
    pub verifier: Arc<dyn Verify>,
    /// Gives credentials out and takes them back.
    pub office: Arc<dyn Office>,
    /// What is known of MediaMTX; must answer from memory.
    pub media: Arc<dyn MediaServer>,
    /// Where recordings and snapshots are to be had.
    pub downloads: Arc<dyn Downloads>,
    /// Stretches of time over the recordings of one camera.
    pub ranges: Arc<dyn Ranges>,
    /// The configuration: what holds, and the way to read it anew.
    pub configuration: Arc<dyn Configuration>,
    /// Takes what happened, for whoever subscribed.
    pub events: Arc<dyn Announce>,
    /// Starts, stops and lists recordings.
    pub recordings: Arc<dyn Recordings>,
    /// When cameras are recorded by themselves.
    pub modes: Arc<dyn Moding>,
    /// Takes and lists snapshots.
    pub snapshots: Arc<dyn Snapshots>,
    /// Looks after the medium.
    pub storage: Arc<dyn Storage>,
    /// How the disks wear.
    pub wear: Arc<dyn Wearing>,
    /// Off-site copies.
    pub offsite: Arc<dyn Offsite>,
    /// Streams of somebody else.
    pub external: Arc<dyn Streams>,
    /// Who said that they watch what, and how fast streams are.
    pub viewing: Arc<Viewing>,
    /// How the machine and the service are.
    pub system: Arc<System>,
    /// Counts who subscribed to what.
    pub registry: Arc<Registry>,
    /// The port MediaMTX serves RTSP on, for links.
    pub rtsp_port: u16,
    /// Whose box it is, how often one may ask, what is written down.
    pub guard: Guard,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("directory", &self.directory)
            .field("rtsp_port", &self.rtsp_port)
            .finish_non_exhaustive()
    }
}
