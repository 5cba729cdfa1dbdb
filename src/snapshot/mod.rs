//! Snapshots: the picture of now of a camera or an external stream, as a JPEG file.
//!
//! The picture is the one viewers get: the camera's thread hands out the newest key frame it has sent, and everything
//! else (decoding, coding, writing) happens elsewhere. The stream notices one key frame more, no more. The key frame of
//! an external stream comes from MediaMTX, which pulls it: [`pulled`].

pub mod io;
pub mod jpeg;
pub mod pulled;

use std::fmt;
use std::path::PathBuf;

use crate::camera::CameraId;
use crate::clock::Wall;
use crate::error::Later;
use crate::storage::names::Stem;
use crate::storage::shelf::{Entry, Listing, Page};

/// The extension of snapshots.
pub const EXTENSION: &str = "jpg";

/// What a snapshot is taken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// One of our cameras.
    Camera(CameraId),
    /// The external stream of this name.
    External(String),
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Camera(camera) => camera.fmt(f),
            Self::External(name) => f.write_str(name),
        }
    }
}

/// A snapshot that has been taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its identifier.
    pub stem: Stem,
    /// When its picture was taken.
    pub at: Wall,
    /// Bytes.
    pub size: u64,
    /// Where it lies.
    pub path: PathBuf,
}

/// Snapshots, as the methods ask for them.
pub trait Snapshots: Send + Sync {
    /// Takes one, under the first free name after `name`; comes back when it is on the disk.
    ///
    /// # Errors
    /// `Gone` while there is no picture; `Refused` when the stream's codec is not H.264; `Config` when the file cannot
    /// be written; `Reopen` when MediaMTX breaks off; `Transient` for what may be better the next time.
    fn take(&self, of: Of, name: Option<Stem>) -> Later<Snapshot>;

    /// What lies on the disk.
    fn list(&self, page: Page) -> Later<Listing>;

    /// One of them.
    fn info(&self, stem: Stem) -> Later<Option<Entry>>;

    /// Deletes one; false where there is none.
    fn delete(&self, stem: Stem) -> Later<bool>;
}
