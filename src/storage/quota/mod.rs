//! Who falls victim to the limits: decides, from the files, what holds them, how full the medium is, and the clock.
//!
//! The oldest go first. What the service wrote last counts as newest whatever time its file carries: a file that was
//! written while the clock was wrong has a [`Place`] among the others instead.

pub mod due;
pub mod io;
pub mod pace;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::policy::Policy;
use super::shelf::Entry;
use super::trust::{Doubt, EARLIEST};
use crate::clock::Wall;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A recording.
    Recording,
    /// A snapshot.
    Snapshot,
}

/// Why a file is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Somebody asked for it.
    Asked,
    /// It is older than files may become.
    Age,
    /// It is older than files of its camera may become.
    CameraAge,
    /// Its camera's files take more than they may.
    CameraBytes,
    /// All files together take more than they may.
    Bytes,
    /// Less is free on the medium than shall be.
    MinFree,
}

impl Why {
    /// A word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Age => "max_age",
            Self::CameraAge => "camera_max_age",
            Self::CameraBytes => "camera_max_bytes",
            Self::Bytes => "max_bytes",
            Self::MinFree => "min_free",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Limits on the files of one camera or stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Bytes at most.
    pub bytes: Option<u64>,
    /// Not longer than so.
    pub age: Option<Duration>,
}

/// Everything that limits what is kept. `None` and empty: no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Recordings and snapshots together take so many bytes at most.
    pub bytes: Option<u64>,
    /// Nothing is kept longer than so.
    pub age: Option<Duration>,
    /// So many bytes of the medium stay free.
    pub min_free: Option<u64>,
    /// Each camera or stream.
    pub each: Share,
    /// Those that have limits of their own, in the place of [`Limits::each`].
    pub own: BTreeMap<String, Share>,
}

impl Limits {
    /// What holds: the configuration's limits, and the policy's where it is stricter. A policy that was set and is
    /// switched off or manual is the word of an administrator that nothing is deleted: then none of them holds.
    #[must_use]
    pub fn of(policy: Option<&Policy>, configured: &Self) -> Self {
        let Some(policy) = policy else {
            return configured.clone();
        };
        if !policy.is_in_force() {
            return Self::default();
        }
        Self {
            bytes: stricter(configured.bytes, policy.most_bytes()),
            age: stricter(configured.age, policy.longest()),
            ..configured.clone()
        }
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// Whether any of them is about age.
    #[must_use]
    pub fn has_age(&self) -> bool {
        let own = self.own.values().any(|share| share.age.is_some());
        self.age.is_some() || self.each.age.is_some() || own
    }

    /// Whether any of them is about the bytes of files.
    #[must_use]
    pub fn has_bytes(&self) -> bool {
        let own = self.own.values().any(|share| share.bytes.is_some());
        self.bytes.is_some() || self.each.bytes.is_some() || own
    }

    /// Those of one camera or stream.
    #[must_use]
    pub fn share(&self, device: &str) -> Share {
        self.own.get(device).copied().unwrap_or(self.each)
    }
}

fn stricter<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Where a file stands that was written while the clock was wrong: after everything written up to `after`, and among
/// its like in the order of `number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The last moment before it that can be believed.
    pub after: Wall,
    /// Its number.
    pub number: u64,
}

/// One file as it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The file.
    pub entry: Entry,
    /// What it is.
    pub kind: Kind,
    /// It runs, or it is protected: it stays.
    pub held: bool,
    /// Its off-site copy is still to be made: it stays unless the medium would be full.
    pub awaits: bool,
    /// Where it stands, if its own time says nothing.
    pub place: Option<Place>,
}

impl File {
    /// Orders: oldest first. Files with an impossible time of which nothing is known are taken for the newest.
    fn older(&self, other: &Self) -> Ordering {
        let key = |file: &Self| match file.place {
            Some(place) => (false, place.after, true, place.number),
            None => (!file.is_plausible(), file.entry.modified, false, 0),
        };
        (key(self), &self.entry.stem, self.kind).cmp(&(key(other), &other.entry.stem, other.kind))
    }

    fn is_plausible(&self) -> bool {
        self.entry.modified >= EARLIEST
    }

    /// When it was written, where its own time can be believed.
    fn written(&self, now: Wall) -> Option<Wall> {
        let modified = self.entry.modified;
        (self.place.is_none() && self.is_plausible() && modified <= now).then_some(modified)
    }
}

/// How full the medium is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that may be written now.
    pub free: u64,
    /// So many shall be free, what will have been written before the next look included.
    pub wanted: u64,
}

/// What is judged.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// Every recording and snapshot.
    pub files: Vec<File>,
    /// What holds.
    pub limits: &'a Limits,
    /// How full the medium is, where it could be asked.
    pub room: Option<Room>,
    /// What each camera or stream will have written before the next look, in bytes.
    pub ahead: &'a BTreeMap<String, u64>,
    /// The wall clock.
    pub now: Wall,
    /// Whether that is believed.
    pub clock: Result<(), Doubt>,
}

/// A limit that cannot be kept: everything that is left is protected or runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// The limit.
    pub why: Why,
    /// Whose, if it is the limit of one.
    pub device: Option<String>,
    /// Bytes that it is exceeded by, without what will be written.
    pub bytes: u64,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Who goes, in this order, and why.
    pub victims: Vec<(File, Why)>,
    /// Why nothing was judged by its age although there is a limit.
    pub ageless: Option<Doubt>,
    /// The limits that cannot be kept.
    pub short: Vec<Short>,
    /// Bytes that may still be written before a limit on bytes is reached; `None` where there is none.
    pub slack: Option<u64>,
}

/// Judges. First age, then each camera's bytes, then the bytes of all, then the medium: what has gone for one limit counts
/// for the next. A file whose off-site copy is still to be made goes last of all, and only to keep the medium from being
/// full: the oldest first, of those that a limit wants gone, or of all where the limit is the medium's.
#[must_use]
pub fn judge(case: Case<'_>) -> Verdict {
    let mut files = case.files;
    files.sort_by(File::older);
    let mut court = Court {
        gone: vec![None; files.len()],
        spared: vec![None; files.len()],
        waiting: files.iter().any(|file| file.awaits),
        order: Vec::new(),
        files,
    };
    let mut verdict = Verdict::default();
    if case.limits.has_age() {
        match case.clock {
            Ok(()) => court.by_age(case.limits, case.now),
            Err(doubt) => verdict.ageless = Some(doubt),
        }
    }
    court.by_share(case.limits, case.ahead, &mut verdict);
    if let Some(most) = case.limits.bytes {
        let ahead = case.ahead.values().sum();
        court.by_bytes(Why::Bytes, None, most, ahead, &mut verdict);
    }
    if let Some(room) = case.room {
        court.by_room(room, case.limits.min_free, &mut verdict);
    }
    let Court { files, order, .. } = court;
    let mut files: Vec<Option<File>> = files.into_iter().map(Some).collect();
    let victims = order.into_iter();
    verdict.victims = victims
        .filter_map(|(at, why)| Some((files.get_mut(at)?.take()?, why)))
        .collect();
    verdict
}

/// The files, oldest first, and which of them have fallen.
struct Court {
    files: Vec<File>,
    gone: Vec<Option<Why>>,
    /// What a limit wants gone and what stays for its copy.
    spared: Vec<Option<Why>>,
    /// Some wait for their copies.
    waiting: bool,
    order: Vec<(usize, Why)>,
}

impl Court {
    fn fall(&mut self, at: usize, why: Why) {
        if let Some(gone) = self.gone.get_mut(at) {
            *gone = Some(why);
            self.order.push((at, why));
        }
    }

    /// It would have fallen, but for its copy.
    fn spare(&mut self, at: usize, why: Why) {
        if let Some(spared) = self.spared.get_mut(at) {
            *spared = Some(why);
        }
    }

    /// Those that are still there, oldest first.
    fn left<'a>(&'a self, device: Option<&'a str>) -> impl Iterator<Item = (usize, &'a File)> {
        let all = self.files.iter().zip(&self.gone).enumerate();
        all.filter(move |(_, (file, gone))| {
            gone.is_none() && device.is_none_or(|device| file.entry.device == device)
        })
        .map(|(at, (file, _))| (at, file))
    }

    fn by_age(&mut self, limits: &Limits, now: Wall) {
        let mut fallen = Vec::new();
        // From the newest on: one whose own time says nothing is at least as old as the next one that tells.
        let mut written = now;
        for (at, file) in self.files.iter().enumerate().rev() {
            if let Some(told) = file.written(now) {
                written = told;
            }
            let age = Duration::from_nanos(now.as_nanos().saturating_sub(written.as_nanos()));
            let over = |most: Option<Duration>| most.is_some_and(|most| age > most);
            let why = if over(limits.age) {
                Why::Age
            } else if over(limits.share(&file.entry.device).age) {
                Why::CameraAge
            } else {
                continue;
            };
            if !file.held {
                fallen.push((at, why, file.awaits));
            }
        }
        for (at, why, awaits) in fallen.into_iter().rev() {
            if awaits {
                self.spare(at, why);
            } else {
                self.fall(at, why);
            }
        }
    }

    fn by_share(&mut self, limits: &Limits, ahead: &BTreeMap<String, u64>, verdict: &mut Verdict) {
        if limits.each.bytes.is_none() && limits.own.is_empty() {
            return;
        }
        let mut devices: Vec<String> = self.files.iter().map(|f| f.entry.device.clone()).collect();
        devices.sort_unstable();
        devices.dedup();
        for device in devices {
            if let Some(most) = limits.share(&device).bytes {
                let ahead = ahead.get(&device).copied().unwrap_or(0);
                self.by_bytes(Why::CameraBytes, Some(&device), most, ahead, verdict);
            }
        }
    }

    fn by_bytes(
        &mut self,
        why: Why,
        device: Option<&str>,
        most: u64,
        ahead: u64,
        verdict: &mut Verdict,
    ) {
        // A limit that is small against what is written must not empty the medium.
        let ahead = ahead.min(most / 4);
        let mut sum: u64 = self.left(device).map(|(_, file)| file.entry.size).sum();
        let mut fallen = Vec::new();
        let free = |(_, file): &(usize, &File)| !file.held && !file.awaits;
        for (at, file) in self.left(device).filter(free) {
            if sum.saturating_add(ahead) <= most {
                break;
            }
            sum = sum.saturating_sub(file.entry.size);
            fallen.push(at);
        }
        let (mut rest, mut spared) = (sum, Vec::new());
        let waits = |(_, file): &(usize, &File)| !file.held && file.awaits;
        let waiting = self.left(device).filter(waits);
        for (at, file) in waiting.take(if self.waiting { usize::MAX } else { 0 }) {
            if rest.saturating_add(ahead) <= most {
                break;
            }
            rest = rest.saturating_sub(file.entry.size);
            spared.push(at);
        }
        for at in fallen {
            self.fall(at, why);
        }
        for at in spared {
            self.spare(at, why);
        }
        if sum > most {
            verdict.short.push(Short {
                why,
                device: device.map(str::to_owned),
                bytes: sum - most,
            });
        }
        let slack = most.saturating_sub(sum);
        verdict.slack = Some(verdict.slack.map_or(slack, |least| least.min(slack)));
    }

    fn by_room(&mut self, room: Room, least: Option<u64>, verdict: &mut Verdict) {
        let going = self.order.iter().filter_map(|(at, _)| self.files.get(*at));
        let freed: u64 = going.map(|file| file.entry.size).sum();
        let mut free = room.free.saturating_add(freed);
        let mut fallen = Vec::new();
        // Whose copy is still to be made goes last.
        for awaits in [false, true] {
            if awaits && !self.waiting {
                break;
            }
            let may = |(at, file): &(usize, &File)| {
                !file.held
                    && file.awaits == awaits
                    && (least.is_some() || self.spared.get(*at).is_some_and(Option::is_some))
            };
            for (at, file) in self.left(None).filter(may) {
                if free >= room.wanted {
                    break;
                }
                free = free.saturating_add(file.entry.size);
                fallen.push(at);
            }
        }
        for at in fallen {
            let spared = self.spared.get(at).copied().flatten();
            self.fall(at, spared.unwrap_or(Why::MinFree));
        }
        let Some(least) = least else {
            return;
        };
        if free < least {
            verdict.short.push(Short {
                why: Why::MinFree,
                device: None,
                bytes: least - free,
            });
        }
    }
}

#[cfg(test)]
mod tests;
