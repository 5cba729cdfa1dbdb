//! Looks at the recordings: is each that the chain knows there, and as it was, and no other?

use std::collections::{BTreeMap, BTreeSet};
use std::io::Result;

use super::walk::{Seal, Standing, Walked};
use super::{Fault, Found, Report, Tree};
use crate::recording::seal::record::hex;

const COPY: &str =
    "keep the medium as it is, and look whether a copy of the recording exists elsewhere";
const STRANGER: &str = "ask who put it there; the box has not recorded it under this name";

pub(super) fn look(tree: &impl Tree, walked: Walked) -> Result<Report> {
    let Walked {
        mut report,
        standing,
        gone,
    } = walked;
    let mut files: BTreeMap<(String, String), u64> = tree
        .files()?
        .into_iter()
        .map(|Found { device, stem, size }| ((device, stem), size))
        .collect();
    let mut altered = Vec::new();
    let mut missing: BTreeMap<(String, String), &Standing> = BTreeMap::new();
    for (stem, stand) in &standing {
        let there = files.remove(&(stand.device.clone(), stem.clone()));
        match (there, &stand.seal) {
            (Some(_), None) => {
                report.counts.unsealed += 1;
                if report.counts.unsealed <= 10 {
                    report.notes.push(format!(
                        "{} began at {} and is not sealed: it was still being recorded, or the power went; its content is not proved",
                        path(stand, stem),
                        stand.at
                    ));
                }
            }
            (None, None) => {
                let what = format!(
                    "{} began at {}, was never sealed and is not there",
                    path(stand, stem),
                    stand.at
                );
                report.find(
                    stand.seq,
                    Fault::Missing,
                    Some(path(stand, stem)),
                    what,
                    COPY,
                );
            }
            (None, Some(seal)) => {
                missing.insert((seal.sha256.clone(), stem.clone()), stand);
            }
            (Some(size), Some(seal)) => {
                judge(tree, &mut report, &mut altered, stem, stand, (size, seal));
            }
        }
    }
    tell_altered(&mut report, &standing, altered);
    let sizes: BTreeSet<u64> = missing
        .values()
        .filter_map(|stand| Some(stand.seal.as_ref()?.size))
        .collect();
    for ((device, stem), size) in files {
        let was = gone.get(&stem).filter(|was| was.device == device);
        let sealed = was.and_then(|was| was.seal.as_ref());
        let compare = sizes.contains(&size) || sealed.is_some_and(|seal| seal.size == size);
        let content = match compare {
            true => tree.digest(&device, &stem).ok().map(|digest| hex(&digest)),
            false => None,
        };
        let file = format!("{device}/{stem}.mp4");
        if let (Some(seal), Some(content)) = (sealed, &content)
            && seal.sha256 == *content
        {
            report.notes.push(format!(
                "{file} is there, as it was sealed, though the box was about to delete it"
            ));
        } else if let Some(((_, former), stand)) = content.and_then(|c| take(&mut missing, &c)) {
            let what = format!(
                "{} (record {}) is called {file} now",
                path(stand, &former),
                stand.seq
            );
            let action = "give it its name back, and ask who took it";
            report.find(stand.seq, Fault::Reordered, Some(file), what, action);
        } else {
            let what = format!("{file} is there and stands in no record");
            report.find(u64::MAX, Fault::Inserted, Some(file), what, STRANGER);
        }
    }
    for ((_, stem), stand) in missing {
        let file = path(stand, &stem);
        let what = format!(
            "{file} (record {}, sealed at {}) is not there, and the box did not delete it",
            stand.seq, stand.at
        );
        report.find(stand.seq, Fault::Missing, Some(file), what, COPY);
    }
    Ok(report)
}

/// A recording that is there and does not match its seal: its content, where that was read.
type Altered<'a> = (&'a str, &'a Standing, Option<String>, u64);

fn judge<'a>(
    tree: &impl Tree,
    report: &mut Report,
    altered: &mut Vec<Altered<'a>>,
    stem: &'a str,
    stand: &'a Standing,
    (size, seal): (u64, &Seal),
) {
    let content = match tree.digest(&stand.device, stem) {
        Ok(digest) => hex(&digest),
        Err(e) => {
            let what = format!("{} cannot be read: {e}", path(stand, stem));
            let action =
                "look at the medium with dmesg; copy it with ddrescue before anything else";
            report.find(
                stand.seq,
                Fault::Unreadable,
                Some(path(stand, stem)),
                what,
                action,
            );
            return;
        }
    };
    if content != seal.sha256 || size != seal.size {
        altered.push((stem, stand, Some(content), size));
        return;
    }
    report.counts.proved += 1;
    report.counts.bytes += size;
    report.counts.late += u64::from(seal.late);
    report.counts.found += u64::from(stand.found);
}

fn tell_altered(
    report: &mut Report,
    standing: &BTreeMap<String, Standing>,
    altered: Vec<Altered<'_>>,
) {
    if altered.is_empty() {
        return;
    }
    let owners: BTreeMap<&str, (&String, &Standing)> = standing
        .iter()
        .filter_map(|(stem, stand)| Some((stand.seal.as_ref()?.sha256.as_str(), (stem, stand))))
        .collect();
    for (stem, stand, content, size) in altered {
        let sealed = stand.seal.as_ref().map_or(0, |seal| seal.size);
        let owner = content.and_then(|content| owners.get(content.as_str()).copied());
        let (fault, what) = match owner {
            Some((other, of)) => (
                Fault::Reordered,
                format!(
                    "{} (record {}) holds what was sealed as {}",
                    path(stand, stem),
                    stand.seq,
                    path(of, other)
                ),
            ),
            None => (
                Fault::Altered,
                format!(
                    "{} is not what record {} sealed at {}: {}",
                    path(stand, stem),
                    stand.seq,
                    stand.at,
                    match size == sealed {
                        true => "it is as long, and its content is another".to_owned(),
                        false => format!("it has {size} bytes instead of {sealed}"),
                    }
                ),
            ),
        };
        report.find(stand.seq, fault, Some(path(stand, stem)), what, COPY);
    }
}

/// Takes one that has this content.
fn take<'a>(
    missing: &mut BTreeMap<(String, String), &'a Standing>,
    content: &str,
) -> Option<((String, String), &'a Standing)> {
    let from = (content.to_owned(), String::new());
    let found = missing.range(from..).next()?.0.clone();
    if found.0 != content {
        return None;
    }
    let stand = missing.remove(&found)?;
    Some((found, stand))
}

fn path(stand: &Standing, stem: &str) -> String {
    format!("{}/{stem}.mp4", stand.device)
}
