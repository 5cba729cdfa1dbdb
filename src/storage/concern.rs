//! What people must know of the medium: decides it from what was seen, and tells each once.

use std::collections::BTreeSet;

use super::quota::{Short, Why};
use super::space::Space;
use crate::clock::Wall;
use crate::events::{Event, Topic};
use crate::system::alarms::{About, Alarm};

/// What was seen of the medium.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The folder of the recordings.
    pub folder: String,
    /// Why it cannot be asked, if so.
    pub silent: Option<String>,
    /// The file system that the folder lay on is not mounted any more.
    pub gone: bool,
    /// It is mounted read-only.
    pub read_only: bool,
    /// Why it does not keep what is written to it, if so.
    pub failing: Option<String>,
    /// The fallback's folder, where files go there now.
    pub fallback: Option<String>,
    /// How full it is where files go.
    pub space: Option<Space>,
    /// `storage.warn_percent`.
    pub warn_percent: u32,
    /// `storage.block_percent`.
    pub block_percent: u32,
    /// Limits that cannot be kept.
    pub short: Vec<Short>,
}

/// Something that is wrong with the medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// What it is about; `None` where it is no fault yet.
    pub about: Option<About>,
    /// The code in events.
    pub code: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub action: &'static str,
    /// Nothing can be written.
    pub stops: bool,
}

impl Concern {
    /// As health has it.
    #[must_use]
    pub fn alarm(&self) -> Option<Alarm> {
        Some(Alarm {
            about: self.about?,
            what: self.what.clone(),
            action: self.action.to_owned(),
        })
    }

    /// As subscribers hear of it.
    #[must_use]
    pub fn event(&self, at: Wall) -> Event {
        Event::new(Topic::SystemError, at)
            .with("component", "storage")
            .with("code", self.code)
            .with("reason", self.what.as_str())
            .with("action", self.action)
    }
}

/// What keeps files from the medium, if anything, and where they go instead.
fn trouble(seen: &Seen) -> Option<Concern> {
    let folder = &seen.folder;
    let (about, code, what, action, stops) = if let Some(why) = &seen.silent {
        let what = format!("the medium of {folder} cannot be asked: {why}");
        let action = "check its plug and its cable, and look for it with dmesg";
        (About::MediumGone, "storage_gone", what, action, true)
    } else if seen.gone {
        let what = format!("the medium of {folder} is not mounted any more");
        let action = match seen.fallback {
            None => "plug it in again and mount it; recordings begin again then",
            Some(_) => "plug it in again and mount it; recordings return to it then",
        };
        (About::MediumGone, "storage_gone", what, action, true)
    } else if seen.read_only {
        let what = match seen.fallback {
            None => format!("the medium of {folder} is read-only: nothing is recorded"),
            Some(_) => format!("the medium of {folder} is read-only"),
        };
        let action = "the kernel makes a damaged file system read-only: look with dmesg, repair it with fsck, or replace the medium";
        (
            About::MediumReadOnly,
            "storage_read_only",
            what,
            action,
            true,
        )
    } else {
        let why = seen.failing.as_ref()?;
        let what = format!("the medium of {folder} does not keep what is written to it: {why}");
        let action = "look for the disk in the kernel log (dmesg); a file system that has given up must be unmounted, checked with fsck and mounted again, or the medium replaced";
        (About::MediumFails, "storage_failing", what, action, true)
    };
    Some(Concern {
        about: Some(about),
        code,
        what: match &seen.fallback {
            None => what,
            Some(fallback) => format!("{what}; recordings go into {fallback} meanwhile"),
        },
        action,
        stops: stops && seen.fallback.is_none(),
    })
}

/// Everything that is wrong, worst first.
#[must_use]
pub fn concerns(seen: &Seen) -> Vec<Concern> {
    let folder = &seen.folder;
    let mut found = Vec::new();
    if let Some(trouble) = trouble(seen) {
        found.push(trouble);
    }
    if let Some(space) = seen.space.filter(|_| found.is_empty()) {
        let percent = space.percent();
        if space.is_beyond(seen.block_percent) {
            found.push(Concern {
                about: Some(About::MediumFull),
                code: "storage_blocked",
                what: format!(
                    "the medium of {folder} is {percent:.1} % full, and from {} % on no recording begins (storage.block_percent)",
                    seen.block_percent
                ),
                action: "delete recordings, or have the oldest deleted with set_retention_policy or storage.quota_min_free",
                stops: space.available == 0,
            });
        } else if space.is_beyond(seen.warn_percent) {
            found.push(Concern {
                about: None,
                code: "storage_low",
                what: format!(
                    "the medium of {folder} is {percent:.1} % full, more than storage.warn_percent ({} %)",
                    seen.warn_percent
                ),
                action: "delete recordings, or have the oldest deleted with set_retention_policy or storage.quota_min_free",
                stops: false,
            });
        }
    }
    if !seen.short.is_empty() {
        let all: Vec<String> = seen.short.iter().map(words).collect();
        found.push(Concern {
            about: Some(About::QuotaShort),
            code: "quota_short",
            what: format!(
                "a limit on what is kept cannot be held, for what is left is protected or runs, or waits for its off-site copy: {}",
                all.join("; ")
            ),
            action: "take the protection off recordings that are not needed, end a long recording and start it anew, see that off-site copies are made, or raise the limit",
            stops: false,
        });
    }
    found
}

/// A limit that cannot be kept, for people.
#[must_use]
pub fn words(short: &Short) -> String {
    let bytes = short.bytes;
    match (&short.device, short.why) {
        (Some(device), _) => format!("the files of {device} take {bytes} bytes too many"),
        (None, Why::MinFree) => format!("{bytes} bytes more should be free"),
        (None, _) => format!("all files together take {bytes} bytes too many"),
    }
}

/// Which of them are news, by code; what was told stays told until it is over.
#[derive(Debug, Default)]
pub struct Told(BTreeSet<&'static str>);

impl Told {
    /// The news, and the codes of what is over.
    pub fn look<'a>(&mut self, found: &'a [Concern]) -> (Vec<&'a Concern>, Vec<&'static str>) {
        let now: BTreeSet<&'static str> = found.iter().map(|c| c.code).collect();
        let news = found.iter().filter(|c| !self.0.contains(c.code)).collect();
        let over = self.0.difference(&now).copied().collect();
        self.0 = now;
        (news, over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(used: u64) -> Seen {
        Seen {
            folder: "/media/recordings".to_owned(),
            space: Some(Space::of(1, 100, 100 - used, 100 - used)),
            warn_percent: 80,
            block_percent: 90,
            ..Seen::default()
        }
    }

    #[test]
    fn thresholds_are_told_once_each_and_again_when_they_come_again() {
        let mut told = Told::default();
        let mut heard = Vec::new();
        for used in [10, 79, 80, 85, 90, 100, 85, 70, 81] {
            let found = concerns(&seen(used));
            let (news, over) = told.look(&found);
            let news: Vec<&str> = news.iter().map(|c| c.code).collect();
            heard.push((used, news, over));
        }
        assert_eq!(
            heard,
            [
                (10, vec![], vec![]),
                (79, vec![], vec![]),
                (80, vec!["storage_low"], vec![]),
                (85, vec![], vec![]),
                (90, vec!["storage_blocked"], vec!["storage_low"]),
                (100, vec![], vec![]),
                (85, vec!["storage_low"], vec!["storage_blocked"]),
                (70, vec![], vec!["storage_low"]),
                (81, vec!["storage_low"], vec![]),
            ]
        );
        assert!(concerns(&seen(100))[0].stops && !concerns(&seen(95))[0].stops);
    }

    #[test]
    fn a_medium_that_is_away_or_read_only_says_so_and_nothing_of_how_full_it_is() {
        for (change, code) in [
            (
                Seen {
                    gone: true,
                    ..seen(95)
                },
                "storage_gone",
            ),
            (
                Seen {
                    read_only: true,
                    ..seen(95)
                },
                "storage_read_only",
            ),
            (
                Seen {
                    silent: Some("EIO".into()),
                    ..seen(95)
                },
                "storage_gone",
            ),
            (
                Seen {
                    failing: Some("EIO".into()),
                    ..seen(95)
                },
                "storage_failing",
            ),
        ] {
            let elsewhere = Seen {
                fallback: Some("/spare".into()),
                ..change.clone()
            };
            let found = concerns(&elsewhere);
            assert_eq!((found.len(), found[0].code), (1, code));
            assert!(!found[0].stops && found[0].what.contains("go into /spare"));
            assert!(!found[0].what.contains("nothing is recorded"));
            let found = concerns(&change);
            assert_eq!((found.len(), found[0].code), (1, code));
            assert!(found[0].stops && found[0].what.contains("/media/recordings"));
            let alarm = found[0].alarm().unwrap();
            assert!(alarm.action.len() > 20, "{alarm:?}");
            let event = found[0].event(Wall::from_secs(1));
            assert_eq!(event.data["component"], "storage");
        }
    }
}
