//! Looks for samples in a recording without taking any.

use std::io::{Read, Result, Seek};

use super::gather::Sink;
use super::join::{BACK, ticks};
use super::source::Source;
use super::{fragments, table};
use crate::recording::plain::fragment::Found;

/// When the leading track begins, in its ticks; `None`: it has no sample.
pub(super) fn first(file: &mut (impl Read + Seek), source: &Source) -> Result<Option<u64>> {
    let mut look = Look {
        lead: source.lead,
        until: u64::MAX,
        any: true,
        seen: None,
        over: false,
    };
    match source.fragmented {
        true => fragments::walk(file, source, source.behind, &mut look)?,
        false => table::walk(source, &mut look)?,
    }
    Ok(look.seen)
}

/// A fragment before which nothing is needed for what begins at `from`.
pub(super) fn reach(
    file: &mut (impl Read + Seek),
    source: &Source,
    zero: i128,
    from: i128,
) -> Result<u64> {
    let scale = source.tracks.get(source.lead).map_or(1, |t| t.scale);
    let mut back = BACK;
    loop {
        let at = fragments::before(file, source, ticks(zero, from - back, scale))?;
        if at == source.behind {
            return Ok(at);
        }
        let mut look = Look {
            lead: source.lead,
            until: ticks(zero, from, scale),
            any: false,
            seen: None,
            over: false,
        };
        fragments::walk(file, source, at, &mut look)?;
        if look.seen.is_some() {
            return Ok(at);
        }
        back = back.saturating_mul(4);
    }
}

/// Looks for the first sample of the leading track, or the first sync sample, up to a time.
struct Look {
    lead: usize,
    until: u64,
    any: bool,
    seen: Option<u64>,
    over: bool,
}

impl Sink for Look {
    fn show(&mut self, found: Found) -> Result<()> {
        if found.track == self.lead && self.seen.is_none() {
            self.over |= found.time > self.until;
            if !self.over && (self.any || found.sample.sync) {
                self.seen = Some(found.time);
            }
        }
        Ok(())
    }

    fn has_enough(&self) -> bool {
        self.over || self.seen.is_some()
    }
}

/// Looks for the last sync sample up to a time, and how long it lasts.
pub(super) struct Latest {
    pub until: u64,
    pub seen: Option<(u64, u32)>,
    /// There are samples after that time.
    pub over: bool,
}

impl Sink for Latest {
    fn show(&mut self, found: Found) -> Result<()> {
        self.over |= found.time > self.until;
        if !self.over && found.sample.sync {
            self.seen = Some((found.time, found.sample.duration));
        }
        Ok(())
    }

    fn has_enough(&self) -> bool {
        self.over
    }
}
