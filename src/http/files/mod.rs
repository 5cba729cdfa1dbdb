//! Recordings and snapshots over HTTP: `/files/recordings/{name}` and `/files/snapshots/{name}`, and stretches of time
//! of one camera: `/files/range/{device}`.
//!
//! [`name`] says what a name may be, [`permit`] signs links that work without a header, [`terms`]
//! reads conditions and ranges (RFC 9110 §13, §14), [`slots`] says how many may run at once, [`io`] finds, opens and
//! streams, `offer` is what is alike in every download; [`range`] is for stretches of time.

pub mod io;
pub mod name;
mod offer;
pub mod permit;
pub mod range;
pub mod slots;
pub mod terms;

use crate::access::Principal;
use crate::clock::Wall;
use crate::error::Later;

/// What is downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A recording.
    Recording,
    /// A snapshot.
    Snapshot,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Recording, Self::Snapshot];

    /// The word in parameters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Snapshot => "snapshot",
        }
    }

    /// The word in paths.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Recording => "recordings",
            Self::Snapshot => "snapshots",
        }
    }

    /// What its files end in, the usual one first.
    #[must_use]
    pub const fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Recording => &["mp4", "mkv", "ts"],
            Self::Snapshot => &["jpg", "jpeg", "png"],
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|k| k.as_str() == text).ok_or(())
    }
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Its name with its true extension.
    pub filename: String,
    /// Bytes, now.
    pub size: u64,
}

/// Where a file is to be had, for methods that hand out links.
pub trait Downloads: Send + Sync {
    /// Looks for a file by its stem or its whole name; `None` where there is none of that name.
    fn locate(&self, kind: Kind, name: &str) -> Later<Option<Located>>;

    /// Path and query that download `filename` without a header until `until`, and as long as the credential of
    /// `who` stands.
    fn link(&self, kind: Kind, filename: &str, who: &Principal, until: Wall) -> String;
}
