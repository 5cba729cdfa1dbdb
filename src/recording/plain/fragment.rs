//! The samples of one fragment (ISO/IEC 14496-12, 8.8).

use std::io::Result;

use super::samples::Sample;
use crate::recording::fmp4::{Head, bad, boxes, inside, u32_at, u64_at};

/// `sample_is_non_sync_sample` (8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// A track, and what `trex` or `tfhd` say of its samples that say nothing themselves (8.8.3, 8.8.7).
#[derive(Debug, Clone, Copy)]
pub(in crate::recording) struct Traits {
    pub id: u32,
    pub description: u32,
    pub duration: u32,
    pub size: u32,
    pub flags: u32,
}

impl Traits {
    /// Nothing is said.
    pub(in crate::recording) const fn of(id: u32) -> Self {
        Self {
            id,
            description: 0,
            duration: 0,
            size: 0,
            flags: 0,
        }
    }

    /// What a `trex` (8.8.3) says.
    pub(in crate::recording) fn told(trex: &[u8]) -> Option<Self> {
        Some(Self {
            id: u32_at(trex, 4)?,
            description: u32_at(trex, 8)?,
            duration: u32_at(trex, 12)?,
            size: u32_at(trex, 16)?,
            flags: u32_at(trex, 20)?,
        })
    }
}

/// A sample, and where it is.
#[derive(Debug, Clone, Copy)]
pub(in crate::recording) struct Found {
    /// Which of the tracks.
    pub track: usize,
    /// When it is decoded, in the track's ticks.
    pub time: u64,
    pub sample: Sample,
    /// Where in the file its bytes begin.
    pub at: u64,
    /// Which of the track's `stsd` entries.
    pub description: u32,
    /// It is the first of its `trun`.
    pub begins_run: bool,
}

/// Reads numbers one after the other.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn u32(&mut self) -> Option<u32> {
        let value = u32_at(self.bytes, self.at)?;
        self.at += 4;
        Some(value)
    }

    fn u64(&mut self) -> Option<u64> {
        let value = u64_at(self.bytes, self.at)?;
        self.at += 8;
        Some(value)
    }
}

fn damaged() -> std::io::Error {
    bad("one of its fragments is damaged")
}

/// When a `traf` begins (8.8.12).
pub(in crate::recording) fn begin(traf: &[u8]) -> Option<u64> {
    let tfdt = inside(traf, b"tfdt")?;
    match tfdt.first()? {
        0 => u32_at(tfdt, 4).map(u64::from),
        _ => u64_at(tfdt, 4),
    }
}

/// Shows each sample of a whole fragment in the order of its tables: the body of the `moof` that stands at `from`, and
/// the `mdat` behind it, in which every sample must lie.
///
/// # Errors
/// `InvalidData` for what is damaged; what `each` brings.
pub(in crate::recording) fn samples_of(
    moof: &[u8],
    from: u64,
    mdat: Head,
    tracks: &[Traits],
    each: &mut dyn FnMut(Found) -> Result<()>,
) -> Result<()> {
    // Where the samples of a traf without a base begin: behind those of the one before it (8.8.7.1).
    let mut behind = from;
    for (_, traf) in boxes(moof).filter(|(kind, _)| kind == b"traf") {
        let tfhd = inside(traf, b"tfhd").ok_or_else(damaged)?;
        let (track, base, traits) =
            track_head(tfhd, from, behind, tracks).ok_or_else(damaged)??;
        let truns = || boxes(traf).filter(|(kind, _)| kind == b"trun");
        if truns().next().is_none() {
            continue;
        }
        let mut run = Run {
            track,
            traits,
            base,
            at: base,
            time: begin(traf).ok_or_else(damaged)?,
            mdat,
        };
        for (_, trun) in truns() {
            run.read(trun, each)?;
        }
        behind = run.at;
    }
    Ok(())
}

/// A `tfhd` (8.8.7): the track, where its data begins, and what its samples are.
fn track_head(
    tfhd: &[u8],
    moof: u64,
    behind: u64,
    tracks: &[Traits],
) -> Option<Result<(usize, u64, Traits)>> {
    let mut fields = Fields { bytes: tfhd, at: 0 };
    let (flags, id) = (fields.u32()?, fields.u32()?);
    let base = if flags & 0x1 != 0 {
        fields.u64()?
    } else if flags & 0x2_0000 != 0 {
        moof
    } else {
        behind
    };
    let Some(index) = tracks.iter().position(|t| t.id == id) else {
        return Some(Err(bad(
            "one of its fragments is of a track it does not have",
        )));
    };
    let mut traits = *tracks.get(index)?;
    for (flag, field) in [
        (0x2, &mut traits.description),
        (0x8, &mut traits.duration),
        (0x10, &mut traits.size),
        (0x20, &mut traits.flags),
    ] {
        if flags & flag != 0 {
            *field = fields.u32()?;
        }
    }
    Some(Ok((index, base, traits)))
}

/// Goes through the runs of one `traf`.
struct Run {
    track: usize,
    traits: Traits,
    base: u64,
    /// Where the next sample's bytes begin, if the run does not say.
    at: u64,
    /// When the next sample is decoded.
    time: u64,
    mdat: Head,
}

impl Run {
    /// A `trun` (8.8.8).
    fn read(&mut self, trun: &[u8], each: &mut dyn FnMut(Found) -> Result<()>) -> Result<()> {
        let mut fields = Fields { bytes: trun, at: 0 };
        let flags = fields.u32().ok_or_else(damaged)?;
        let count = fields.u32().ok_or_else(damaged)?;
        if flags & 0x1 != 0 {
            let offset = fields.u32().ok_or_else(damaged)?;
            let at = self
                .base
                .checked_add_signed(i64::from(offset.cast_signed()));
            self.at = at.ok_or_else(damaged)?;
        }
        let first_flags = if flags & 0x4 != 0 {
            Some(fields.u32().ok_or_else(damaged)?)
        } else {
            None
        };
        // Where neither a row nor a byte of data stands for a sample, any count could be told (8.8.8.1).
        if flags & 0xF00 == 0 && self.traits.size == 0 && count > 0 {
            return Err(bad("one of its fragments has samples without a byte"));
        }
        for n in 0..count {
            let mut field = |flag: u32, otherwise: u32| match flags & flag {
                0 => Ok(otherwise),
                _ => fields.u32().ok_or_else(damaged),
            };
            let duration = field(0x100, self.traits.duration)?;
            let size = field(0x200, self.traits.size)?;
            let own = match first_flags {
                Some(first) if n == 0 => first,
                _ => self.traits.flags,
            };
            let own = field(0x400, own)?;
            let shift = field(0x800, 0)?;
            let end = self.at.checked_add(u64::from(size)).ok_or_else(damaged)?;
            // Checked as it grows, so that an absurd count ends here.
            if self.at < self.mdat.body || end > self.mdat.end {
                return Err(bad("the samples of one of its fragments lie outside it"));
            }
            each(Found {
                track: self.track,
                time: self.time,
                sample: Sample {
                    duration,
                    size,
                    shift: match flags >> 24 {
                        0 => i64::from(shift),
                        _ => i64::from(shift.cast_signed()),
                    },
                    sync: own & NON_SYNC == 0,
                },
                at: self.at,
                description: self.traits.description,
                begins_run: n == 0,
            })?;
            self.at = end;
            let next = self.time.checked_add(u64::from(duration));
            self.time = next.ok_or_else(damaged)?;
        }
        Ok(())
    }
}
