//! The watcher of a build without V4L2: no camera ever comes or goes.

use std::os::fd::{AsFd as _, BorrowedFd};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::change::Change;
use crate::error::{Error, Kind, Result};

/// Watches for nothing.
#[derive(Debug)]
pub struct Watcher {
    silent: EventFd,
}

impl Watcher {
    /// A watcher whose descriptor is never readable.
    ///
    /// # Errors
    /// `Internal` when the kernel gives no descriptor.
    pub fn open() -> Result<Self> {
        let silent = EventFd::from_flags(EfdFlags::EFD_CLOEXEC)
            .map_err(|e| Error::new(Kind::Internal, "no event descriptor").because(e))?;
        Ok(Self { silent })
    }

    /// Never readable.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.silent.as_fd()
    }

    /// Finds nothing.
    pub fn scan(&mut self) -> Vec<Change> {
        Vec::new()
    }

    /// Brings nothing.
    ///
    /// # Errors
    /// None.
    pub fn read(&mut self) -> Result<Vec<Change>> {
        Ok(Vec::new())
    }
}
