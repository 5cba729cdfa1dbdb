//! The samples of a fragmented recording, from the fragment on in which a moment lies.

use std::io::{ErrorKind, Read, Result, Seek, SeekFrom};

use super::gather::Sink;
use super::source::Source;
use crate::recording::fmp4::{body, boxes, head, inside, u32_at};
use crate::recording::plain::fragment::{Traits, begin, samples_of};

/// Boxes looked at in one recording: a day of parts of 0.1 s has 1,728,000.
const MOST_BOXES: u32 = 2_000_000;
/// A stretch this short is gone through fragment by fragment.
const NEAR: u64 = 1 << 20;
/// How far a fragment is looked for from a place in the middle.
const FAR: usize = 8 << 20;
/// Read at once meanwhile.
const WINDOW: usize = 64 << 10;

/// Shows samples from the fragment at `at` on, until `sink` has enough or the last whole fragment is done.
pub(super) fn walk(
    file: &mut (impl Read + Seek),
    source: &Source,
    mut at: u64,
    sink: &mut impl Sink,
) -> Result<()> {
    let tracks: Vec<Traits> = source.tracks.iter().map(|t| t.traits).collect();
    let mut pending: Option<(Vec<u8>, u64)> = None;
    for _ in 0..MOST_BOXES {
        let Some(next) = head(file, at, source.length)? else {
            break;
        };
        match &next.kind {
            b"moof" => pending = Some((body(file, next)?, at)),
            b"mdat" => {
                if let Some((moof, from)) = pending.take() {
                    samples_of(&moof, from, next, &tracks, &mut |found| sink.show(found))?;
                    if sink.has_enough() {
                        break;
                    }
                }
            }
            _ => {}
        }
        at = next.end;
    }
    Ok(())
}

/// A fragment of which the leading track begins at or before `ticks`, and not much before; else the first one.
///
/// Halves the file. What it finds in the middle of one is taken for a fragment only if its boxes make sense, and if its
/// time lies between those of its neighbours.
pub(super) fn before(file: &mut (impl Read + Seek), source: &Source, ticks: u64) -> Result<u64> {
    let Some(track) = source.tracks.get(source.lead) else {
        return Ok(source.behind);
    };
    let id = track.traits.id;
    let (mut low, mut high) = ((source.behind, 0), (source.length, u64::MAX));
    while high.0 - low.0 > NEAR {
        let middle = low.0 + (high.0 - low.0) / 2;
        match find(file, source.length, id, middle, high.0)? {
            Some((at, time)) if time <= ticks && time >= low.1 => low = (at, time),
            Some((_, time)) if time > ticks && time <= high.1 => high = (middle, time),
            // None there, or nonsense: those before it are good all the same.
            _ => high.0 = middle,
        }
    }
    Ok(low.0)
}

/// The first fragment from `from` on, and when its leading track begins.
fn find(
    file: &mut (impl Read + Seek),
    length: u64,
    id: u32,
    from: u64,
    until: u64,
) -> Result<Option<(u64, u64)>> {
    let (mut at, mut looked) = (from, 0);
    while at < until && looked < FAR {
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        let read = file.take(WINDOW as u64).read_to_end(&mut bytes)?;
        if read < 8 {
            break;
        }
        for (place, four) in bytes.windows(4).enumerate().skip(4) {
            let begins = at + place as u64 - 4;
            if four == b"moof"
                && begins < until
                && let Some(time) = time_of(file, length, id, begins)?
            {
                return Ok(Some((begins, time)));
            }
        }
        // The last bytes again: the word may have been cut.
        let step = read.saturating_sub(7).max(1);
        (at, looked) = (at + step as u64, looked + step);
    }
    Ok(None)
}

/// When the leading track of the fragment at `at` begins; `None` where there is no whole one with that track.
fn time_of(file: &mut (impl Read + Seek), length: u64, id: u32, at: u64) -> Result<Option<u64>> {
    let mut looked = || -> Result<Option<u64>> {
        let Some(moof) = head(file, at, length)? else {
            return Ok(None);
        };
        let bytes = body(file, moof)?;
        let follows = head(file, moof.end, length)?;
        if inside(&bytes, b"mfhd").is_none() || follows.is_none_or(|next| &next.kind != b"mdat") {
            return Ok(None);
        }
        let is_lead = |traf: &&[u8]| {
            let tfhd = inside(traf, b"tfhd");
            tfhd.and_then(|tfhd| u32_at(tfhd, 4)) == Some(id)
        };
        let mut trafs = boxes(&bytes).filter(|(kind, _)| kind == b"traf");
        Ok(trafs.find_map(|(_, traf)| Some(traf).filter(is_lead).and_then(begin)))
    };
    match looked() {
        Err(e) if matches!(e.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => Ok(None),
        other => other,
    }
}
