//! Writes the first bytes: those of the first recording, but for tables, times and sample entries.

use std::io::Result;

use super::join::Out;
use crate::clock::Wall;
use crate::recording::fmp4::{bad, boxes, inside};
use crate::recording::plain::read::{Movie, Track};
use crate::recording::plain::samples::Tables;
use crate::recording::plain::write::plan;

/// From 1904, where MP4 begins to count, to 1970.
const SINCE_1904: u64 = 2_082_844_800;

/// A box (4.2); none that comes here is larger than what was read of one.
pub(super) fn boxed(kind: &[u8; 4], inner: &[u8]) -> Vec<u8> {
    let size = u32::try_from(inner.len() + 8).unwrap_or(u32::MAX);
    [&size.to_be_bytes()[..], kind, inner].concat()
}

/// The first bytes of a movie that begins at `begin`.
pub(super) fn written(moov: &[u8], tracks: &[Out], begin: Wall, bytes: u64) -> Result<Vec<u8>> {
    let damaged = || bad("its moov box is damaged");
    let mut traks = tracks.iter();
    let mut made = Vec::new();
    let mut movie = Vec::new();
    for (kind, inner) in boxes(moov) {
        match &kind {
            b"mvhd" => movie.extend(boxed(b"mvhd", &dated(inner, begin))),
            b"trak" => {
                let track = traks.next().ok_or_else(damaged)?;
                // A track that has nothing here would only puzzle players.
                if track.tables.first.is_none() {
                    continue;
                }
                let trak = described(&track.trak, &track.entries).ok_or_else(damaged)?;
                movie.extend(boxed(b"trak", &trak));
                made.push(Track {
                    scale: track.scale,
                    trak,
                    tables: Tables::clone(&track.tables),
                    traits: track.traits,
                });
            }
            // What is noted there is of the first recording alone.
            b"mvex" | b"udta" => {}
            _ => movie.extend(boxed(&kind, inner)),
        }
    }
    let movie = Movie {
        moov: movie,
        tracks: made,
        spans: Vec::new(),
        bytes,
        length: 0,
    };
    Ok(plan(&movie)?.head)
}

/// An `mvhd` (8.2.2) with the time of the first picture as that of its making.
fn dated(mvhd: &[u8], begin: Wall) -> Vec<u8> {
    let seconds = begin.as_secs().saturating_add(SINCE_1904);
    let mut dated = mvhd.to_vec();
    let narrow = mvhd.first() == Some(&0);
    let time = match (narrow, u32::try_from(seconds)) {
        (true, Ok(seconds)) => seconds.to_be_bytes().to_vec(),
        (true, Err(_)) => return dated,
        (false, _) => seconds.to_be_bytes().to_vec(),
    };
    if let Some(times) = dated.get_mut(4..4 + 2 * time.len()) {
        times.copy_from_slice(&[time.clone(), time].concat());
    }
    dated
}

/// A `trak` with these sample entries and without its edit list.
fn described(trak: &[u8], entries: &[Vec<u8>]) -> Option<Vec<u8>> {
    let stbl = inside(inside(inside(trak, b"mdia")?, b"minf")?, b"stbl")?;
    let head = inside(stbl, b"stsd")?.get(..4)?;
    let count = u32::try_from(entries.len()).ok()?;
    let stsd = [head, &count.to_be_bytes(), &entries.concat()].concat();
    Some(replaced(trak, &[b"mdia", b"minf", b"stbl", b"stsd"], &stsd))
}

fn replaced(bytes: &[u8], path: &[&[u8; 4]], new: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(bytes.len());
    for (kind, inner) in boxes(bytes).filter(|(kind, _)| kind != b"edts") {
        match path.split_first() {
            Some((first, rest)) if **first == kind => {
                let within = match rest {
                    [] => new.to_vec(),
                    rest => replaced(inner, rest, new),
                };
                made.extend(boxed(&kind, &within));
            }
            _ => made.extend(boxed(&kind, inner)),
        }
    }
    made
}
