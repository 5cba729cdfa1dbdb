//! Whoever looks at the medium and moves files to the fallback and back.

pub mod io;

use crate::storage::space::Space;

use super::choice::Trouble;
use super::roots::Place;

/// What one look brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Glance {
    /// Where files go now.
    pub place: Place,
    /// They went elsewhere before.
    pub moved: bool,
    /// What is wrong with the medium, or was until it has held for a while.
    pub trouble: Option<Trouble>,
    /// How full it is where files go now; `None` where there is no place for them.
    pub space: Option<Space>,
}

/// Told that something could not be written, or that a file was closed that should have gone on: there may be something
/// wrong with the medium, and it is looked at now. Does not wait.
pub trait Distrust: Send + Sync {
    /// A write or a flush failed.
    fn failed(&self);

    /// Something happened that may be the medium's fault.
    fn look_now(&self);
}
