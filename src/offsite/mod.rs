//! Off-site copy: finished recordings and snapshots are copied to a store that speaks S3.
//!
//! The disk is the queue: what is to be copied is what lies there and is not in the record of copies ([`copied`]), which is
//! a cache of what the store has. Nothing is spooled. [`queue`] decides which file is next and when, [`hold`] whether the
//! link and the hour allow it, [`upload`] how a file is cut into parts and what is written down of an upload that has begun,
//! [`cause`] what a failure means, [`bucket`] how fast bytes may go. [`io`] goes round, and [`deed`] copies one file.

pub mod bucket;
pub mod cause;
pub mod copied;
pub mod deed;
pub mod files;
pub mod hold;
pub mod io;
pub mod queue;
pub mod secret;
pub mod state;
pub mod store;
pub mod upload;
pub mod wire;

use std::path::PathBuf;

use crate::storage::names::Stem;
use crate::storage::quota::Kind;
pub use hold::{Metered, Window};
pub use state::{Report, State, Trouble};

/// What one file is called here: recordings and snapshots may share a stem.
pub type Id = (Kind, Stem);

/// Which files are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// Every finished recording, and every snapshot if snapshots are wanted.
    All,
    /// Those that are protected, or whose name fits `offsite.names`.
    Marked,
}

impl Pick {
    /// All that can be asked for.
    pub const ALL: [Self; 2] = [Self::All, Self::Marked];

    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Marked => "marked",
        }
    }
}

/// Where copies go, which, how fast and when. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `https://host[:port]`; empty: AWS's own for the region.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// What object names begin with; empty: with the kind of file.
    pub prefix: String,
    /// The file with the access key; empty: systemd's credential `offsite`, else the environment.
    pub credentials: PathBuf,
    /// The certificate authorities that the store's certificate may be from, as PEM.
    pub authorities: PathBuf,
    /// Which files.
    pub pick: Pick,
    /// Names that count as marked, with `*` for anything.
    pub names: Vec<String>,
    /// Snapshots as well as recordings.
    pub snapshots: bool,
    /// Bytes a second at most; `None` = no limit.
    pub rate: Option<u64>,
    /// The only hours in which copies are made.
    pub window: Option<Window>,
    /// What happens while the way to the network is a metered link.
    pub metered: Metered,
    /// The interfaces that are metered, with `*` for anything.
    pub metered_links: Vec<String>,
    /// Limits on what is kept wait for the copy.
    pub keep: bool,
}

impl Settings {
    /// Whether such a file shall have a copy.
    #[must_use]
    pub fn wants(&self, id: &Id, protected: bool) -> bool {
        let (kind, stem) = id;
        if *kind == Kind::Snapshot && !self.snapshots {
            return false;
        }
        match self.pick {
            Pick::All => true,
            Pick::Marked => {
                protected
                    || self
                        .names
                        .iter()
                        .any(|wanted| hold::fits(wanted, stem.as_str()))
            }
        }
    }

    /// The store for people: `bucket/prefix at https://…`.
    #[must_use]
    pub fn shown(&self) -> String {
        let prefix = self.prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("{}{slash}{prefix} at {}", self.bucket, self.address())
    }

    /// The address that is asked.
    #[must_use]
    pub fn address(&self) -> String {
        match self.endpoint.trim_end_matches('/') {
            "" => format!("https://s3.{}.amazonaws.com", self.region),
            endpoint => endpoint.to_owned(),
        }
    }

    /// The name of a file's object; `mark` tells it from another content of the same name.
    #[must_use]
    pub fn object(&self, id: &Id, device: &str, mark: Option<&str>) -> String {
        let (kind, stem) = id;
        let (folder, extension) = match kind {
            Kind::Recording => ("recordings", crate::recording::EXTENSION),
            Kind::Snapshot => ("snapshots", crate::snapshot::EXTENSION),
        };
        let prefix = self.prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        let mark = mark.map(|mark| format!(".{mark}")).unwrap_or_default();
        format!("{prefix}{slash}{folder}/{device}/{stem}{mark}.{extension}")
    }
}

/// How far the copy of one file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// None is to be made.
    None,
    /// It is still to be made, or being made.
    Waiting,
    /// The store has it.
    Copied,
}

impl Stand {
    /// The words on the wire.
    pub const WORDS: &'static [&'static str] = &["none", "waiting", "copied"];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Waiting => "waiting",
            Self::Copied => "copied",
        }
    }
}

/// Copies, as the methods ask for them; answers from memory.
pub trait Offsite: Send + Sync {
    /// How things are; `None` where no store is configured.
    fn report(&self) -> Option<Report>;

    /// How far the copy of one file is.
    fn stand(&self, id: &Id) -> Stand;
}

/// No store is configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unset;

impl Offsite for Unset {
    fn report(&self) -> Option<Report> {
        None
    }

    fn stand(&self, _: &Id) -> Stand {
        Stand::None
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn settings() -> Settings {
        Settings {
            endpoint: "https://store.example:9000/".to_owned(),
            region: "eu-central-1".to_owned(),
            bucket: "cameras".to_owned(),
            prefix: "/barn/".to_owned(),
            credentials: PathBuf::new(),
            authorities: PathBuf::new(),
            pick: Pick::All,
            names: Vec::new(),
            snapshots: true,
            rate: None,
            window: None,
            metered: Metered::Pause,
            metered_links: vec!["wwan*".to_owned()],
            keep: false,
        }
    }

    pub(crate) fn id(kind: Kind, stem: &str) -> Id {
        (kind, stem.parse().unwrap())
    }

    #[test]
    fn what_is_marked_is_what_somebody_protected_or_named_so() {
        let mut settings = settings();
        let [party, alarm] = ["party", "alarm-7"].map(|stem| id(Kind::Recording, stem));
        assert!(settings.wants(&party, false));
        settings.pick = Pick::Marked;
        settings.names = vec!["alarm-*".to_owned()];
        assert!(!settings.wants(&party, false));
        assert!(settings.wants(&party, true));
        assert!(settings.wants(&alarm, false));
        settings.snapshots = false;
        assert!(!settings.wants(&id(Kind::Snapshot, "alarm-7"), false));
    }

    #[test]
    fn an_object_is_called_after_its_file_and_another_content_of_that_name_is_told_apart() {
        let mut settings = settings();
        let party = id(Kind::Recording, "party");
        assert_eq!(
            settings.object(&party, "camera0", None),
            "barn/recordings/camera0/party.mp4"
        );
        settings.prefix = String::new();
        assert_eq!(
            settings.object(&party, "camera0", Some("0a1b2c3d")),
            "recordings/camera0/party.0a1b2c3d.mp4"
        );
        assert_eq!(settings.shown(), "cameras at https://store.example:9000");
    }
}
