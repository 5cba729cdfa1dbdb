//! The tables of one track's samples, as they grow fragment by fragment (ISO/IEC 14496-12, 8.6.1, 8.6.2, 8.7).

use std::io::Result;

use crate::recording::fmp4::bad;

/// Samples a track may have: a day at 240 pictures per second.
const MOST: usize = 24 * 3600 * 240;

/// A part of the fragmented file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub at: u64,
    /// Bytes.
    pub length: u64,
}

/// Samples that lie one after the other: one `trun`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::recording) struct Chunk {
    /// Where it begins, counted from the first sample of the plain file.
    pub at: u64,
    pub samples: u32,
    /// Which of the track's `stsd` entries.
    pub description: u32,
}

/// One sample, as a fragment tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::recording) struct Sample {
    pub duration: u32,
    pub size: u32,
    /// From decoding to composition; may be below zero.
    pub shift: i64,
    pub sync: bool,
}

/// The tables of one track.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::recording) struct Tables {
    /// Decode time of the first sample, in the fragments' count.
    pub first: Option<u64>,
    /// Where the last sample begins and how long it lasts.
    last: (u64, u32),
    /// Runs of equal durations, all samples but the last.
    durations: Vec<(u32, u32)>,
    /// Runs of equal shifts.
    pub shifts: Vec<(u32, i64)>,
    pub sizes: Vec<u32>,
    /// Numbers of the sync samples, from 1 on.
    pub syncs: Vec<u32>,
    pub chunks: Vec<Chunk>,
}

impl Tables {
    /// A sample that is decoded at `time`, which must not be before the one before it.
    ///
    /// # Errors
    /// `InvalidData`: it is, or there are too many.
    pub(in crate::recording) fn push(&mut self, time: u64, sample: Sample) -> Result<()> {
        if self.sizes.len() >= MOST {
            return Err(bad("it has too many samples"));
        }
        if self.first.is_some() {
            // A hole between two fragments lengthens the sample before it: stts knows no holes (8.6.1.2).
            let lasts = time
                .checked_sub(self.last.0)
                .and_then(|lasts| u32::try_from(lasts).ok())
                .ok_or_else(|| bad("its fragments are not in the order of time"))?;
            run(&mut self.durations, lasts);
        } else {
            self.first = Some(time);
        }
        self.last = (time, sample.duration);
        run(&mut self.shifts, sample.shift);
        self.sizes.push(sample.size);
        if sample.sync {
            // No more than MOST.
            self.syncs
                .push(u32::try_from(self.sizes.len()).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    /// When the last sample begins and how long it lasts; `None` without one.
    pub(in crate::recording) fn last(&self) -> Option<(u64, u32)> {
        self.first.map(|_| self.last)
    }

    /// Takes the last sample back; its bytes.
    pub(in crate::recording) fn pop(&mut self) -> Option<u32> {
        let size = self.sizes.pop()?;
        let left = self.sizes.len();
        unrun(&mut self.shifts);
        self.syncs.pop_if(|number| *number as usize > left);
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.samples = chunk.samples.saturating_sub(1);
        }
        self.chunks.pop_if(|chunk| chunk.samples == 0);
        match unrun(&mut self.durations) {
            Some(lasts) => self.last = (self.last.0.saturating_sub(lasts.into()), lasts),
            None => self.first = None,
        }
        Some(size)
    }

    /// Runs of equal durations: how many, how long.
    pub(in crate::recording) fn durations(&self) -> Vec<(u32, u32)> {
        let mut all = self.durations.clone();
        if self.first.is_some() {
            run(&mut all, self.last.1);
        }
        all
    }

    /// From the first sample's beginning to the last one's end (8.4.2.3).
    pub(in crate::recording) fn duration(&self) -> u64 {
        let end = self.last.0.saturating_add(u64::from(self.last.1));
        end.saturating_sub(self.first.unwrap_or(end))
    }
}

fn run<T: PartialEq>(runs: &mut Vec<(u32, T)>, value: T) {
    match runs.last_mut() {
        Some((count, of)) if *of == value => *count += 1,
        _ => runs.push((1, value)),
    }
}

fn unrun<T: Copy>(runs: &mut Vec<(u32, T)>) -> Option<T> {
    let (count, value) = runs.last_mut()?;
    let value = *value;
    *count -= 1;
    runs.pop_if(|(count, _)| *count == 0);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_taken_back_was_never_there(
            kept in proptest::collection::vec((1_u32..4, 0_u32..9, -1_i64..2, any::<bool>()), 0..12),
            more in proptest::collection::vec((1_u32..4, 0_u32..9, -1_i64..2, any::<bool>()), 0..12),
        ) {
            let (mut tables, mut time) = (Tables::default(), 7);
            let push = |tables: &mut Tables, time: &mut u64, (duration, size, shift, sync)| {
                tables.push(*time, Sample { duration, size, shift, sync }).unwrap();
                *time += u64::from(duration);
            };
            for sample in &kept {
                push(&mut tables, &mut time, *sample);
            }
            let before = tables.clone();
            for sample in &more {
                push(&mut tables, &mut time, *sample);
            }
            for sample in more.iter().rev() {
                prop_assert_eq!(tables.pop(), Some(sample.1));
            }
            prop_assert_eq!((tables.durations(), tables.last()), (before.durations(), before.last()));
            prop_assert_eq!((tables.shifts, tables.sizes, tables.syncs), (before.shifts, before.sizes, before.syncs));
        }
    }
}
