//! Deletes what the limits say: gathers the files, has them judged, and looks once more before each one goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

use super::due::Agenda;
use super::pace::Pace;
use super::{Case, File, Kind, Limits, Room, Verdict, judge};
use crate::clock::{self, Mono};
use crate::error::Result;
use crate::storage::concern::words;
use crate::storage::io::{Inner, listed};
use crate::storage::medium::io as medium;
use crate::storage::medium::roots::Place;
use crate::storage::names::Stem;
use crate::storage::shelf::Entry;
use crate::storage::space::Space;
use crate::storage::{Cleaned, Erased};

/// What is written in so long a time at the present rate is made room for ahead.
const AHEAD: Duration = Duration::from_secs(30);
/// Room that a file left is waited for so long: some file systems give it back later, and one that is being downloaded
/// goes when the download ends.
const OWED: Duration = Duration::from_secs(15);

/// What is remembered from one clean-up to the next.
#[derive(Debug, Default)]
pub(in crate::storage) struct Pass {
    agenda: Agenda,
    /// The medium as a whole, other programs included.
    medium: Pace,
    /// Each camera's and stream's files.
    devices: BTreeMap<String, Pace>,
    /// Bytes deleted since the medium was looked at last.
    freed: u64,
    /// Room that deleted files have not given back yet, and since when.
    owed: Option<(Mono, u64)>,
}

impl Pass {
    /// How much is free, and how much shall be: the limit, the threshold from which on no recording begins, and what
    /// comes in the next seconds.
    fn room(&self, space: Space, least: u64, block_percent: u32) -> Room {
        let ours = space.used.saturating_add(space.available);
        let threshold = u64::from(100_u32.saturating_sub(block_percent)) * (ours / 100);
        let ahead = self.coming(space);
        let owed = self.owed.map_or(0, |(_, bytes)| bytes);
        Room {
            free: space.available.saturating_add(owed),
            wanted: least.max(threshold).saturating_add(ahead).saturating_add(1),
        }
    }

    /// What comes in the next seconds. Bursts must not empty a small medium.
    fn coming(&self, space: Space) -> u64 {
        let ours = space.used.saturating_add(space.available);
        self.medium.ahead(AHEAD).min(ours / 8)
    }

    fn ahead(&self) -> BTreeMap<String, u64> {
        let all = self.devices.iter();
        all.map(|(device, pace)| (device.clone(), pace.ahead(AHEAD)))
            .collect()
    }

    /// Learns how fast each camera's files grow.
    fn follow(&mut self, files: &[File], now: Mono) {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for file in files {
            *sums.entry(&file.entry.device).or_default() += file.entry.size;
        }
        self.devices
            .retain(|device, _| sums.contains_key(device.as_str()));
        for (device, sum) in sums {
            self.devices
                .entry(device.to_owned())
                .or_default()
                .look(now, sum, 0);
        }
    }

    /// What was deleted is no fall: the next look begins below it.
    fn forget(&mut self, gone: &BTreeMap<String, u64>, files: &[File], now: Mono) {
        for (device, bytes) in gone {
            let left: u64 = files
                .iter()
                .filter(|file| file.entry.device == *device)
                .map(|file| file.entry.size)
                .sum();
            if let Some(pace) = self.devices.get_mut(device) {
                pace.settle(now, left.saturating_sub(*bytes));
            }
        }
    }
}

impl Inner {
    fn pass(&self) -> std::sync::MutexGuard<'_, Pass> {
        // What a panic left behind is a clean-up that comes sooner or a rate that is told lower.
        self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cleans up if it is time to, with the medium so full.
    pub(in crate::storage) fn clean_if_due(&self, space: Space) -> Result<Option<Cleaned>> {
        let limits = self.limits();
        let now = clock::mono();
        let mut pass = self.pass();
        let freed = std::mem::take(&mut pass.freed);
        pass.medium.look(now, space.used, freed);
        pass.owed = pass.owed.filter(|(since, _)| now.since(*since) < OWED);
        if !limits.is_any() {
            self.put_short(Vec::new());
            return Ok(None);
        }
        let wanting = limits.min_free.is_some_and(|least| {
            let room = pass.room(space, least, self.block_percent);
            // Not for each byte: half of what was made room for may be used up first.
            room.free.saturating_add(pass.coming(space) / 2) < room.wanted
        });
        if !pass.agenda.is_due(now, space.used, wanting) {
            return Ok(None);
        }
        self.clean_by(&limits, &mut pass).map(Some)
    }

    /// Cleans up now.
    pub(in crate::storage) fn clean(&self) -> Result<Cleaned> {
        let limits = self.limits();
        if !limits.is_any() {
            return Ok(Cleaned {
                message: "no retention policy is in force; set one with set_retention_policy"
                    .to_owned(),
                ..Cleaned::default()
            });
        }
        self.clean_by(&limits, &mut self.pass())
    }

    fn clean_by(&self, limits: &Limits, pass: &mut Pass) -> Result<Cleaned> {
        let begun = clock::mono();
        // Where it cannot be read what is protected, nothing is deleted.
        let protected = self.marks.read()?;
        let (mut recordings, mut snapshots) = (self.recordings.all()?, self.snapshots.all()?);
        let roots = self.lookout.recordings();
        let spare = roots.place() == Place::Fallback;
        if !spare {
            self.chronicle.listed(&listed(&recordings, &snapshots)?);
        } else {
            // What lies on a medium in trouble is neither counted nor touched.
            let shots = self.lookout.snapshots();
            recordings.retain(|entry| roots.is_in_fallback(&entry.path));
            snapshots.retain(|entry| shots.is_in_fallback(&entry.path));
        }
        let clock = self.look_at_clock();
        let files = self.files(recordings, snapshots, &protected);
        pass.follow(&files, begun);
        let space = medium::ask(&self.recordings.root())?.space;
        // Without a limit on what stays free, the medium counts only for files that wait for their copies.
        let awaits = files.iter().any(|file| file.awaits);
        let room = (limits.min_free.is_some() || awaits)
            .then(|| pass.room(space, limits.min_free.unwrap_or(0), self.block_percent));
        let (ahead, now) = (pass.ahead(), clock::wall());
        let judged = |files: Vec<File>, limits: &Limits, room| {
            judge(Case {
                files,
                limits,
                room,
                ahead: &ahead,
                now,
                clock,
            })
        };
        let elsewhere = |file: &File| roots.is_in_fallback(&file.entry.path) != spare;
        let verdict = if files.iter().any(elsewhere) {
            // What lies elsewhere counts for every limit but the medium's room, which it does not take.
            let roomless = Limits {
                min_free: None,
                ..limits.clone()
            };
            let mut verdict = judged(files.clone(), &roomless, None);
            let gone = |file: &File| {
                let same = |(victim, _): &(File, _)| victim.entry.path == file.entry.path;
                verdict.victims.iter().any(same)
            };
            let freed: u64 = files
                .iter()
                .filter(|file| gone(file) && !elsewhere(file))
                .map(|file| file.entry.size)
                .sum();
            let here = files.iter().filter(|file| !elsewhere(file) && !gone(file));
            let room = room.map(|room| Room {
                free: room.free.saturating_add(freed),
                ..room
            });
            let only = Limits {
                min_free: limits.min_free,
                ..Limits::default()
            };
            let more = judged(here.cloned().collect(), &only, room);
            verdict.victims.extend(more.victims);
            verdict.short.extend(more.short);
            // None: there is no such limit.
            verdict.slack = verdict.slack.into_iter().chain(more.slack).min();
            verdict
        } else {
            judged(files.clone(), limits, room)
        };
        let mut done = self.carry_out(&verdict, pass, &files)?;
        let now = clock::mono();
        let after = medium::ask(&self.recordings.root())?.space;
        let gone = space.used.saturating_sub(after.used);
        if done.bytes > gone {
            pass.owed = Some((now, done.bytes - gone));
        }
        pass.agenda
            .done(now, now.since(begun), verdict.slack, after.used);
        done.message += &remarks(&verdict);
        self.put_short(verdict.short);
        Ok(done)
    }

    fn files(
        &self,
        recordings: Vec<Entry>,
        snapshots: Vec<Entry>,
        protected: &BTreeSet<Stem>,
    ) -> Vec<File> {
        let file = |kind, held, entry: Entry| File {
            place: self.chronicle.place(&(kind, entry.stem.clone())),
            awaits: (self.copies.get()).is_some_and(|copies| copies.awaits(kind, &entry.stem)),
            entry,
            kind,
            held,
        };
        let recordings = recordings.into_iter().map(|entry| {
            let held = protected.contains(&entry.stem) || self.runs(&entry.stem);
            file(Kind::Recording, held, entry)
        });
        let snapshots = snapshots.into_iter();
        recordings
            .chain(snapshots.map(|entry| file(Kind::Snapshot, false, entry)))
            .collect()
    }

    fn carry_out(&self, verdict: &Verdict, pass: &mut Pass, files: &[File]) -> Result<Cleaned> {
        let mut done = Cleaned {
            executed: true,
            ..Cleaned::default()
        };
        let mut gone: BTreeMap<String, u64> = BTreeMap::new();
        let mut failure = None;
        for (victim, why) in &verdict.victims {
            let stem = &victim.entry.stem;
            let deleted = match victim.kind {
                // It may have begun to run since, or have been protected.
                Kind::Recording if self.runs(stem) => Ok(None),
                Kind::Recording => self
                    .erase(stem, *why, "service")
                    .map(|erased| match erased {
                        Erased::Done(bytes) => Some(bytes),
                        _ => None,
                    }),
                Kind::Snapshot => self.snapshots.delete(stem, *why),
            };
            match deleted {
                Ok(Some(bytes)) => {
                    done.files += 1;
                    done.bytes += bytes;
                    *gone.entry(victim.entry.device.clone()).or_default() += bytes;
                }
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        pass.freed = pass.freed.saturating_add(done.bytes);
        pass.forget(&gone, files, clock::mono());
        done.message = format!("{} files deleted, {} bytes freed", done.files, done.bytes);
        match failure {
            Some(error) if done.files == 0 => Err(error),
            Some(error) => {
                done.message += &format!("; not all could be: {error}");
                Ok(done)
            }
            None => Ok(done),
        }
    }
}

/// What could not be done, for people.
fn remarks(verdict: &Verdict) -> String {
    let mut text = String::new();
    if let Some(doubt) = verdict.ageless {
        text += &format!(
            "; nothing was deleted by its age, because {}",
            doubt.words()
        );
    }
    for short in &verdict.short {
        text += &format!(
            "; {}, and what is left is protected or runs, or waits for its off-site copy",
            words(short)
        );
    }
    text
}
