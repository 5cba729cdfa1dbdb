//! The medium: how full it is, when that is too full, and what is deleted for it.
//!
//! Nothing is deleted unless an administrator set a policy. A running recording never is, and nothing is deleted by its
//! age while the clock is obviously wrong.

pub mod io;
pub mod names;
pub mod note;
pub mod policy;
pub mod shelf;
pub mod space;
pub mod wear;

use policy::Policy;
use space::Space;

use crate::error::Later;

/// `get_storage_info`.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// The file system recordings lie on.
    pub space: Space,
    /// Bytes of everything in the recordings' folder.
    pub recordings: u64,
    /// Bytes of everything in the snapshots' folder.
    pub snapshots: u64,
    /// What is deleted, and when.
    pub policy: Policy,
    /// `storage.warn_percent`.
    pub warn_percent: u32,
    /// `storage.block_percent`.
    pub block_percent: u32,
}

impl Figures {
    /// The medium is fuller than `storage.warn_percent`.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.space.is_beyond(self.warn_percent)
    }

    /// The medium is so full that no recording may begin.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.space.is_beyond(self.block_percent)
    }
}

/// What a clean-up did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// A policy was in force.
    pub executed: bool,
    /// Files deleted.
    pub files: u64,
    /// Bytes they had.
    pub bytes: u64,
    /// One sentence for people.
    pub message: String,
}

/// Who looks after the medium.
pub trait Storage: Send + Sync {
    /// How full it is now.
    fn figures(&self) -> Later<Figures>;

    /// Whether a recording may begin: `None`, or why not.
    fn refusal(&self) -> Later<Option<String>>;

    /// Puts a policy in force and keeps it over restarts.
    fn set_policy(&self, policy: Policy) -> Later<()>;

    /// Deletes what the policy in force says, now.
    fn clean(&self) -> Later<Cleaned>;
}

/// Tells which files must stay whatever a policy says; answers from memory.
pub trait Protect: Send + Sync {
    /// Whether this recording runs.
    fn is_running(&self, stem: &names::Stem) -> bool;
}
