//! Where files lie: the medium's folder, and the fallback's for the time that the medium cannot take any.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Where new files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Onto the medium.
    Medium,
    /// Into the fallback.
    Fallback,
    /// There is no place for them.
    Nowhere,
}

/// The two folders of one kind of files, and which is used; everybody asks the same.
#[derive(Debug)]
pub struct Roots {
    medium: PathBuf,
    fallback: Option<PathBuf>,
    place: AtomicU8,
    away: AtomicBool,
}

impl Roots {
    /// Files go onto the medium until somebody says otherwise.
    #[must_use]
    pub const fn new(medium: PathBuf, fallback: Option<PathBuf>) -> Self {
        Self {
            medium,
            fallback,
            place: AtomicU8::new(0),
            away: AtomicBool::new(false),
        }
    }

    /// The folder on the medium.
    #[must_use]
    pub fn medium(&self) -> &Path {
        &self.medium
    }

    /// The folder in the fallback, where there is one.
    #[must_use]
    pub fn fallback(&self) -> Option<&Path> {
        self.fallback.as_deref()
    }

    /// Where new files go.
    #[must_use]
    pub fn place(&self) -> Place {
        match self.place.load(Ordering::Acquire) {
            0 => Place::Medium,
            1 => Place::Fallback,
            _ => Place::Nowhere,
        }
    }

    /// The folder that new files go to; the medium's where there is no place for them.
    #[must_use]
    pub fn active(&self) -> &Path {
        match (self.place(), &self.fallback) {
            (Place::Fallback, Some(fallback)) => fallback,
            _ => &self.medium,
        }
    }

    /// The folder that they do not go to now, if there are two.
    #[must_use]
    pub fn other(&self) -> Option<&Path> {
        let fallback = self.fallback.as_deref()?;
        let medium = self.place() != Place::Fallback;
        Some(if medium { fallback } else { &self.medium })
    }

    /// The medium is not there: what is found at its path is something else, and must not be touched.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::Acquire)
    }

    /// Whether a file lies in the fallback.
    #[must_use]
    pub fn is_in_fallback(&self, path: &Path) -> bool {
        self.fallback().is_some_and(|root| path.starts_with(root))
    }

    /// From now on new files go there; `away` as [`Roots::is_away`] has it.
    pub fn set(&self, place: Place, away: bool) {
        self.away.store(away, Ordering::Release);
        let place = match place {
            Place::Medium => 0,
            Place::Fallback => 1,
            Place::Nowhere => 2,
        };
        self.place.store(place, Ordering::Release);
    }
}
