//! Judges a medium: is every sealed recording there, and as it was?
//!
//! Works on the chain's files, the recordings and a public key, nothing else. `walk` reads the chain, `media` looks at
//! the files.

pub mod io;
mod media;
mod walk;

use std::collections::BTreeSet;
use std::io::{BufRead, Result};

use serde_json::{Value, json};

use super::record::{Digest, Line, digest};

/// Findings that are kept; all are counted.
const MOST: usize = 1000;

/// A file in the recordings' folder that has the name of a recording.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The folder it is in.
    pub device: String,
    /// Its name without the extension.
    pub stem: String,
    /// Bytes.
    pub size: u64,
}

/// What is to be judged.
pub trait Tree {
    /// The numbers in the names of the chain's files, in order.
    fn parts(&self) -> Result<Vec<u64>>;

    /// One of them.
    fn part(&self, number: u64) -> Result<Box<dyn BufRead + '_>>;

    /// The recordings.
    fn files(&self) -> Result<Vec<Found>>;

    /// SHA-256 of one.
    fn digest(&self, device: &str, stem: &str) -> Result<Digest>;
}

/// What the owner knows.
#[derive(Default)]
pub struct Known {
    /// The public key, as records write it.
    pub key: Option<String>,
    /// The newest record that the box, or its owner, remembers: its line.
    pub head: Option<Vec<u8>>,
    /// So many records there were at least.
    pub records: Option<u64>,
    /// Records of a break whose cause the owner knows.
    pub breaks: BTreeSet<u64>,
}

impl Known {
    /// The number and digest of the newest record that is remembered.
    fn mark(&self) -> Option<(u64, Digest)> {
        let line = self.head.as_deref()?;
        Some((Line::read(line).ok()?.record.seq, digest(line)))
    }
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A recording or a record is not what it was.
    Altered,
    /// It is not there, and was not deleted by the service.
    Missing,
    /// It is there, and the box did not make it.
    Inserted,
    /// Records stand in another order, or a recording has another's name.
    Reordered,
    /// Records are missing at the end.
    CutOff,
    /// The box itself says that it could not go on where the chain ended.
    Broken,
    /// The whole chain is of another key than the owner's.
    ForeignKey,
    /// A file cannot be read.
    Unreadable,
}

impl Fault {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Missing => "missing",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::CutOff => "cut_off",
            Self::Broken => "broken",
            Self::ForeignKey => "foreign_key",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The number of the record it is about; 0 = the chain as a whole, [`u64::MAX`] = none.
    pub record: u64,
    /// What kind.
    pub fault: Fault,
    /// The recording's file beneath the folder, if it is about one.
    pub file: Option<String>,
    /// One sentence without a full stop.
    pub what: String,
    /// What to do next.
    pub action: String,
}

/// How many there are of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records of the chain whose signature is right.
    pub records: u64,
    /// Recordings that are there as they were sealed.
    pub proved: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Of these, sealed only after the service's next start.
    pub late: u64,
    /// Of these, older than the chain.
    pub found: u64,
    /// Deleted by the retention policy.
    pub retired: u64,
    /// Deleted because somebody asked for it.
    pub deleted: u64,
    /// Still being recorded, or not sealed when the power went: nothing is said of their content.
    pub unsealed: u64,
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What is wrong, the oldest first; `MOST` at most.
    pub findings: Vec<Finding>,
    /// How many there are in all.
    pub wrong: u64,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
    /// How many there are of what.
    pub counts: Counts,
    /// The last record's number.
    pub last: u64,
    /// When it was written.
    pub last_at: String,
    /// The key that signed it.
    pub key: String,
}

impl Report {
    fn find(
        &mut self,
        record: u64,
        fault: Fault,
        file: Option<String>,
        what: String,
        action: &str,
    ) {
        self.wrong += 1;
        if self.findings.len() < MOST {
            self.findings.push(Finding {
                record,
                fault,
                file,
                what,
                action: action.to_owned(),
            });
        }
    }

    /// Nothing is wrong.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.wrong == 0
    }

    /// For machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|f| {
                json!({
                    "fault": f.fault.as_str(),
                    "record": (f.record != u64::MAX).then_some(f.record),
                    "file": f.file,
                    "what": f.what,
                    "action": f.action,
                })
            })
            .collect();
        let c = &self.counts;
        json!({
            "good": self.is_good(),
            "findings": findings,
            "findings_total": self.wrong,
            "notes": self.notes,
            "records": c.records,
            "last_record": self.last,
            "last_record_at": self.last_at,
            "key": self.key,
            "recordings": {
                "proved": c.proved,
                "proved_bytes": c.bytes,
                "sealed_late": c.late,
                "older_than_the_chain": c.found,
                "deleted_by_retention": c.retired,
                "deleted_by_users": c.deleted,
                "not_sealed": c.unsealed,
            },
        })
    }

    /// For people; the last line says it all.
    #[must_use]
    pub fn to_text(&self) -> String {
        let c = &self.counts;
        let mut text = format!(
            "{} records, the last at {}, signed by {}\n{} recordings are as they were sealed ({} bytes; {} of them only after a restart, {} older than the chain); deleted: {} by the retention policy, {} by users; not sealed: {}\n",
            c.records,
            or_never(&self.last_at),
            or_never(&self.key),
            c.proved,
            c.bytes,
            c.late,
            c.found,
            c.retired,
            c.deleted,
            c.unsealed,
        );
        for note in &self.notes {
            text.push_str("note: ");
            text.push_str(note);
            text.push('\n');
        }
        match self.findings.first() {
            None => text.push_str("good: nothing was altered, taken away, inserted or reordered\n"),
            Some(first) => {
                text.push_str(&format!(
                    "{}: {}; {}\n",
                    first.fault.as_str(),
                    first.what,
                    first.action
                ));
                if self.wrong > 1 {
                    text.push_str(&format!(
                        "and {} further findings; --json lists them\n",
                        self.wrong - 1
                    ));
                }
            }
        }
        text
    }
}

fn or_never(text: &str) -> &str {
    if text.is_empty() { "nobody" } else { text }
}

/// Judges `tree`. `signed` says whether a line's signature is right: [`Line::is_signed`].
///
/// # Errors
/// What keeps the chain from being read. A recording that cannot be read is a finding.
pub fn verify(
    tree: &impl Tree,
    known: &Known,
    signed: &dyn Fn(&Line<'_>) -> bool,
) -> Result<Report> {
    let walked = walk::walk(tree, known, signed)?;
    let mut report = media::look(tree, walked)?;
    report
        .findings
        .sort_by_key(|f| (f.record, f.fault, f.file.clone()));
    Ok(report)
}

#[cfg(test)]
mod tests;
