//! Snapshots: a camera's picture of now, as a JPEG file.
//!
//! The picture is the one viewers get: the camera's thread hands out the newest key frame it has sent, and everything
//! else (decoding, coding, writing) happens elsewhere. The stream notices one key frame more, no more.

pub mod io;
pub mod jpeg;

use std::path::PathBuf;

use crate::camera::CameraId;
use crate::clock::Wall;
use crate::error::Later;
use crate::storage::names::Stem;
use crate::storage::shelf::{Entry, Listing, Page};

/// The extension of snapshots.
pub const EXTENSION: &str = "jpg";

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
    /// Takes one of a camera, under the first free name after `name`; comes back when it is on the disk.
    fn take(&self, camera: CameraId, name: Option<Stem>) -> Later<Snapshot>;

    /// What lies on the disk.
    fn list(&self, page: Page) -> Later<Listing>;

    /// One of them.
    fn info(&self, stem: Stem) -> Later<Option<Entry>>;

    /// Deletes one; false where there is none.
    fn delete(&self, stem: Stem) -> Later<bool>;
}
