//! Chooses the samples of one recording that belong to a stretch of time.

use std::io::Result;

use crate::recording::plain::fragment::Found;

/// Samples of other tracks that are kept while no picture has come that can begin.
const MOST_WAITING: usize = 4096;

/// Takes samples in the order of the file.
pub(super) trait Sink {
    /// One.
    ///
    /// # Errors
    /// Ends the reading.
    fn show(&mut self, found: Found) -> Result<()>;

    /// The rest of the file is of no use.
    fn has_enough(&self) -> bool;
}

/// Where a recording begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// With the last sync sample at or before this moment, or with the first one.
    AtOrBefore(i128),
    /// With the first sync sample at or after this moment.
    After(i128),
}

/// Moments are nanoseconds since 1970; before that, of a box without a clock, below zero.
pub(super) struct Gather<T, E> {
    pub lead: usize,
    pub from: From,
    pub until: i128,
    /// When a sample of a track begins.
    pub time: T,
    /// Takes what was chosen.
    pub each: E,
    /// What may have to begin.
    pub waiting: Vec<Found>,
    /// When the picture was taken that begins what waits.
    pub begun: Option<i128>,
    /// The beginning is known.
    pub open: bool,
    pub over: bool,
}

impl<T: Fn(usize, u64) -> i128, E: FnMut(Found) -> Result<()>> Gather<T, E> {
    pub(super) const fn new(lead: usize, from: From, until: i128, time: T, each: E) -> Self {
        Self {
            lead,
            from,
            until,
            time,
            each,
            waiting: Vec::new(),
            begun: None,
            open: false,
            over: false,
        }
    }

    fn pass(&mut self) -> Result<()> {
        self.open = true;
        let (waiting, lead) = (std::mem::take(&mut self.waiting), self.lead);
        // The leading track first: its first sample is where all begins.
        for found in waiting.iter().filter(|found| found.track == lead) {
            (self.each)(*found)?;
        }
        for found in waiting.iter().filter(|found| found.track != lead) {
            (self.each)(*found)?;
        }
        Ok(())
    }

    /// The file has no more samples.
    pub(super) fn finish(&mut self) -> Result<()> {
        let From::AtOrBefore(from) = self.from else {
            return match self.begun {
                Some(_) => self.pass(),
                None => Ok(()),
            };
        };
        let mut pictures = self.waiting.iter().rev();
        let last = pictures.find(|found| found.track == self.lead);
        let end =
            last.map(|l| (self.time)(l.track, l.time.saturating_add(l.sample.duration.into())));
        match self.begun.is_some() && end.is_some_and(|end| end > from) {
            true => self.pass(),
            // All of it was before.
            false => Ok(()),
        }
    }

    /// Whether a sync sample at this moment is where to begin.
    fn begins(&self, at: i128) -> bool {
        match self.from {
            From::AtOrBefore(from) => at <= from || self.begun.is_none(),
            From::After(from) => at >= from && self.begun.is_none(),
        }
    }
}

impl<T: Fn(usize, u64) -> i128, E: FnMut(Found) -> Result<()>> Sink for Gather<T, E> {
    fn show(&mut self, found: Found) -> Result<()> {
        let at = (self.time)(found.track, found.time);
        if at >= self.until {
            self.over |= found.track == self.lead;
            return Ok(());
        }
        if self.open {
            return (self.each)(found);
        }
        if found.track != self.lead {
            if self.begun.is_none_or(|begun| at >= begun) {
                if self.begun.is_none() && self.waiting.len() >= MOST_WAITING {
                    self.waiting.drain(..MOST_WAITING / 2);
                }
                self.waiting.push(found);
            }
            return Ok(());
        }
        if found.sample.sync && self.begins(at) {
            self.begun = Some(at);
            let mut waiting = std::mem::take(&mut self.waiting);
            waiting.retain(|w| w.track != self.lead && (self.time)(w.track, w.time) >= at);
            self.waiting = waiting;
        }
        if self.begun.is_none() {
            return Ok(());
        }
        self.waiting.push(found);
        let (From::AtOrBefore(from) | From::After(from)) = self.from;
        if at > from { self.pass() } else { Ok(()) }
    }

    fn has_enough(&self) -> bool {
        self.over
    }
}
