//! Reads the chain, line by line: does each record follow on the one before it, by the right key?

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read as _, Result};

use super::{Fault, Known, Report, Tree};
use crate::recording::seal::chain::part_name;
use crate::recording::seal::record::{
    Digest, LONGEST, Line, NOTHING, Record, What, digest, hex, is_torn,
};
use crate::storage::quota::Why;

const KEEP: &str = "keep the medium as it is, and compare it with a copy made before";

/// What the chain says of a recording that is not deleted.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// The record that says it.
    pub seq: u64,
    pub device: String,
    /// When that was written.
    pub at: String,
    /// Its content, once it is sealed.
    pub seal: Option<Seal>,
    /// It is older than the chain.
    pub found: bool,
}

/// What a recording's content is.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    pub size: u64,
    pub sha256: String,
    pub late: bool,
}

/// What the chain says.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub report: Report,
    pub standing: BTreeMap<String, Standing>,
    /// Recordings that the service deleted, as they were.
    pub gone: BTreeMap<String, Standing>,
}

/// Where the walk is.
struct Walker<'a> {
    known: &'a Known,
    signed: &'a dyn Fn(&Line<'_>) -> bool,
    out: Walked,
    mark: Option<(u64, Digest)>,
    /// The digest of the last line that stood at its place.
    prev: Digest,
    key: Option<String>,
    met_key: bool,
    /// Something was wrong just before: where the next record stands cannot be told.
    lost: bool,
    /// The first record and what it says of the one before it, if that is not the chain's beginning.
    begins: Option<(u64, String)>,
    pruned: BTreeMap<u64, String>,
    /// Numbers that were passed over, and those that came too late.
    gaps: Vec<(u64, u64)>,
    strays: BTreeSet<u64>,
}

pub(super) fn walk(
    tree: &impl Tree,
    known: &Known,
    signed: &dyn Fn(&Line<'_>) -> bool,
) -> Result<Walked> {
    let mut walker = Walker {
        known,
        signed,
        out: Walked::default(),
        mark: known.mark(),
        prev: NOTHING,
        key: None,
        met_key: false,
        lost: false,
        begins: None,
        pruned: BTreeMap::new(),
        gaps: Vec::new(),
        strays: BTreeSet::new(),
    };
    let parts = tree.parts()?;
    for (at, number) in parts.iter().enumerate() {
        walker.part(&mut tree.part(*number)?, *number, at + 1 == parts.len())?;
    }
    walker.end();
    Ok(walker.out)
}

impl Walker<'_> {
    fn find(&mut self, record: u64, fault: Fault, what: String, action: &str) {
        self.out.report.find(record, fault, None, what, action);
    }

    /// The number that the next record has if nothing is missing.
    fn next(&self) -> u64 {
        self.out.report.last.saturating_add(1)
    }

    fn part(&mut self, from: &mut dyn BufRead, number: u64, last: bool) -> Result<()> {
        let (mut line, mut first) = (Vec::new(), true);
        loop {
            line.clear();
            (&mut *from)
                .take(LONGEST as u64)
                .read_until(b'\n', &mut line)?;
            if line.is_empty() {
                break;
            }
            if std::mem::take(&mut first) {
                let begins = Line::read(line.strip_suffix(b"\n").unwrap_or(&line));
                let differs = begins.is_ok_and(|l| l.record.seq != number);
                if differs {
                    let what = format!(
                        "the chain's file {} does not begin with record {number}",
                        part_name(number)
                    );
                    self.find(number, Fault::Altered, what, KEEP);
                }
            }
            match line.strip_suffix(b"\n") {
                Some(whole) => self.line(whole),
                None => self.unended(&line, number, last),
            }
        }
        if first && !last {
            let what = format!("the chain's file {} is empty", part_name(number));
            self.find(number, Fault::Altered, what, KEEP);
        }
        Ok(())
    }

    /// Bytes without a line end.
    fn unended(&mut self, bytes: &[u8], number: u64, last: bool) {
        let next = self.next();
        let record = Line::read(bytes).is_ok_and(|l| {
            (self.signed)(&l) && l.record.seq == next && l.record.prev == hex(&self.prev)
        });
        let remembered = self.mark.is_some_and(|(seq, _)| seq >= next);
        let name = part_name(number);
        if record && last && !remembered {
            self.line(bytes);
            let note = "the last record lacks its line end, as after a power cut";
            self.out.report.notes.push(note.to_owned());
        } else if last && !record && is_torn(bytes, next, &self.prev) {
            let note = "the chain ends in a piece of a record, as after a power cut; the box writes it anew at its next start";
            self.out.report.notes.push(note.to_owned());
        } else if record {
            self.line(bytes);
            let what = format!("the line of record {next} has lost its end in {name}");
            self.find(next, Fault::Altered, what, KEEP);
        } else {
            let what = format!(
                "{} bytes in {name} after record {} are no record",
                bytes.len(),
                next - 1
            );
            self.find(next, Fault::Altered, what, KEEP);
            self.lost = true;
        }
    }

    fn line(&mut self, line: &[u8]) {
        let (next, of) = (self.next(), digest(line));
        let read = match Line::read(line) {
            Ok(read) if (self.signed)(&read) => read,
            odd => {
                let why = match odd {
                    Ok(_) => "its signature does not match",
                    Err(why) => why,
                };
                let what = format!("record {next} of the chain was altered: {why}");
                self.find(next, Fault::Altered, what, KEEP);
                self.lost = true;
                return;
            }
        };
        let record = &read.record;
        if self.is_foreign(record) {
            let what = format!(
                "a record with the number {} before record {next} is signed by a foreign key",
                record.seq
            );
            self.find(next, Fault::Inserted, what, KEEP);
            return;
        }
        if !self.stands(record) {
            return;
        }
        if self
            .mark
            .is_some_and(|(seq, mark)| seq == record.seq && mark != of)
        {
            let what = format!("record {} is not the one that is remembered", record.seq);
            self.find(record.seq, Fault::Altered, what, KEEP);
        }
        self.prev = of;
        let report = &mut self.out.report;
        report.last = record.seq;
        report.last_at.clone_from(&record.at);
        report.key.clone_from(&record.key);
        report.counts.records += 1;
        self.met_key |= self.known.key.as_ref() == Some(&record.key);
        self.take(read.record);
    }

    /// Whether a record that is signed is signed by a key that we do not follow.
    fn is_foreign(&mut self, record: &Record) -> bool {
        match &self.key {
            None => {
                self.key = Some(record.key.clone());
                false
            }
            Some(key) if *key == record.key => false,
            Some(_) if !matches!(record.what, What::Break { .. }) => true,
            Some(_) => {
                // What the owner's key says is told, and judged, where its content is.
                if self.known.breaks.contains(&record.seq)
                    || self.known.key.as_ref() == Some(&record.key)
                {
                    self.key = Some(record.key.clone());
                    return false;
                }
                let what = format!(
                    "from record {} on another key signs, and the former one does not say so",
                    record.seq
                );
                let action = format!(
                    "if the box lost its data partition then, add --known {}; otherwise the rest is not its own",
                    record.seq
                );
                self.find(record.seq, Fault::Broken, what, &action);
                true
            }
        }
    }

    /// Whether a record stands where it should, or after something that is missing: then it counts.
    fn stands(&mut self, record: &Record) -> bool {
        let (next, seq) = (self.next(), record.seq);
        let begin = next == 1;
        if begin && seq > 1 && !matches!(record.what, What::Break { lost: Some(_), .. }) {
            self.begins = Some((seq, record.prev.clone()));
            return true;
        }
        if seq < next {
            self.strays.insert(seq);
            return false;
        }
        let lost = std::mem::take(&mut self.lost);
        let follows = record.prev == hex(&self.prev);
        if let What::Break {
            lost: Some([from, to]),
            ..
        } = record.what
            && (from, to.checked_add(1)) == (next, Some(seq))
            && (follows || lost)
        {
            return true;
        }
        if seq > next {
            // What was altered took the place of one.
            let from = next + u64::from(lost);
            if from < seq {
                self.gaps.push((from, seq - 1));
            }
        } else if !follows && !lost {
            let what = format!("record {seq} does not follow on the record before it");
            self.find(seq, Fault::Altered, what, KEEP);
        }
        true
    }

    fn take(&mut self, record: Record) {
        let (seq, at) = (record.seq, record.at);
        match record.what {
            What::Begin {
                device,
                stem,
                found,
            } => {
                let standing = Standing {
                    seq,
                    device,
                    at,
                    seal: None,
                    found,
                };
                self.out.gone.remove(&stem);
                if let Some(before) = self.out.standing.insert(stem.clone(), standing)
                    && before.seal.is_some()
                {
                    let file = format!("{}/{stem}.mp4", before.device);
                    let what = format!(
                        "{file}, sealed by record {}, was taken away before record {seq} gave its name to another",
                        before.seq
                    );
                    let report = &mut self.out.report;
                    report.find(before.seq, Fault::Missing, Some(file), what, KEEP);
                }
            }
            What::Seal {
                device,
                stem,
                size,
                sha256,
                late,
                ..
            } => {
                let found = self.out.standing.get(&stem).is_some_and(|s| s.found);
                let seal = Some(Seal { size, sha256, late });
                self.out.gone.remove(&stem);
                self.out.standing.insert(
                    stem,
                    Standing {
                        seq,
                        device,
                        at,
                        seal,
                        found,
                    },
                );
            }
            What::Reopen { stem, .. } => {
                if let Some(standing) = self.out.standing.get_mut(&stem) {
                    (standing.seal, standing.seq) = (None, seq);
                }
            }
            What::Delete { stem, why, .. } => {
                let counts = &mut self.out.report.counts;
                if why == Why::Asked.as_str() {
                    counts.deleted += 1;
                } else {
                    counts.retired += 1;
                }
                if let Some(mut was) = self.out.standing.remove(&stem) {
                    was.seq = seq;
                    self.out.gone.insert(stem, was);
                }
            }
            What::Rotate { next } => {
                let note = format!("record {seq} hands over to the key {next}");
                self.out.report.notes.push(note);
                self.key = Some(next);
            }
            What::Prune { through, sha256 } => {
                self.pruned.insert(through, sha256);
            }
            What::Break { why, .. } if self.known.breaks.contains(&seq) => {
                let note = format!("record {seq} is a break that you know of: {why}");
                self.out.report.notes.push(note);
            }
            What::Break { why, .. } => {
                let what = format!(
                    "the box could not go on where the chain ended, at {at} (record {seq}): {why}"
                );
                let action = format!(
                    "if the medium was changed or the box set up anew then, add --known {seq}; otherwise somebody took evidence away"
                );
                self.find(seq, Fault::Broken, what, &action);
            }
        }
    }

    /// What only the end tells.
    fn end(&mut self) {
        if let Some((first, prev)) = self.begins.take() {
            if self.pruned.get(&(first - 1)) == Some(&prev) {
                let note = format!(
                    "records 1 to {} were removed by the box itself, because none of their recordings was left",
                    first - 1
                );
                self.out.report.notes.push(note);
            } else {
                self.gaps.push((1, first - 1));
            }
        }
        let mut strays = std::mem::take(&mut self.strays);
        for (from, to) in std::mem::take(&mut self.gaps) {
            let moved: Vec<u64> = strays.range(from..=to).copied().collect();
            let (fault, what) = match moved.first() {
                Some(seq) => (
                    Fault::Reordered,
                    format!("record {seq} of the chain stands behind later ones"),
                ),
                None => (Fault::Missing, format!("{} in the chain", span(from, to))),
            };
            strays.retain(|seq| !moved.contains(seq));
            self.find(from, fault, what, KEEP);
        }
        for seq in strays {
            let what = format!("record {seq} of the chain stands there once more");
            self.find(seq, Fault::Inserted, what, KEEP);
        }
        let last = self.out.report.last;
        let remembered = self
            .mark
            .map(|(seq, _)| seq)
            .into_iter()
            .chain(self.known.records)
            .max();
        if let Some(seq) = remembered.filter(|seq| *seq > last) {
            let what = format!("{} at the end of the chain", span(last + 1, seq));
            self.find(last + 1, Fault::CutOff, what, KEEP);
        }
        if self.known.key.is_some() && !self.met_key && last > 0 {
            let what = "no record is signed by the key that was given".to_owned();
            self.find(
                0,
                Fault::ForeignKey,
                what,
                "give the key that `camera-service evidence key` prints on that box; if you did, this is not its chain",
            );
        }
        if self.known.key.is_none() {
            let note = "no --key was given: that the chain is your box's own is not proved, only that it is one";
            self.out.report.notes.push(note.to_owned());
        }
        if remembered.is_none() {
            let note = "neither --head nor --records was given: newest records that were cut off together with their recordings are not noticed";
            self.out.report.notes.push(note.to_owned());
        }
    }
}

fn span(from: u64, to: u64) -> String {
    match from == to {
        true => format!("record {from} is missing"),
        false => format!("records {from} to {to} are missing"),
    }
}
