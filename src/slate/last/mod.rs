//! The last picture of a group of pictures. Here is what is decided about it; [`io`] decodes.
//!
//! The bytes come from a camera, and a damaged or hostile one must cost no more than a slate without
//! a picture: what is out of bounds is refused before the decoder sees it.

pub mod io;

use crate::encode::convert::{Planar, limit_chroma, limit_luma};
use crate::encode::h264::{NalKind, nals};
use crate::encode::sps::Sps;

/// Samples of a picture at most: a frame of level 5.2 (H.264 Table A-1). openh264 holds the same
/// bound against the size before cropping; it keeps as many pictures as the stream asks for, 16 at
/// most.
const SAMPLES: u64 = 36_864 * 256;

/// What the group says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Samples are in full range and have to be mapped.
    pub full_range: bool,
}

/// Subset sequence parameter set (H.264 Table 7-1): scalable layers, which would be decoded in sizes
/// of their own. No camera of ours sends them.
const SUBSET_SPS: NalKind = NalKind::Other(15);

/// Looks through an access unit's parameter sets before it is decoded; `None` when one of them is
/// damaged, or announces a picture that is too large.
#[must_use]
pub fn check(unit: &[u8], before: Kept) -> Option<Kept> {
    let mut kept = before;
    for nal in nals(unit) {
        match NalKind::of(nal) {
            NalKind::Sps => {}
            SUBSET_SPS => return None,
            _ => continue,
        }
        let sps = Sps::parse(nal)?;
        if sps.size.pixels() > SAMPLES {
            return None;
        }
        kept.full_range = sps.colour.is_some_and(|colour| colour.full_range);
    }
    Some(kept)
}

/// One decoded plane: samples, and how many from a line to the next.
pub type Lines<'a> = (&'a [u8], usize);

/// Copies a decoded picture out of the decoder's memory into `last`, and into limited range if it is
/// not. A picture that has fewer samples than it says leaves `last` as it was.
pub fn copy(
    planes: [Lines<'_>; 3],
    (width, height): (usize, usize),
    kept: Kept,
    last: &mut Option<Planar>,
) {
    let (width, height) = (width & !1, height & !1);
    if width == 0 || height == 0 {
        return;
    }
    let whole = planes.iter().enumerate().all(|(i, (from, stride))| {
        let (width, height) = if i == 0 {
            (width, height)
        } else {
            (width / 2, height / 2)
        };
        let used = stride
            .checked_mul(height - 1)
            .and_then(|at| at.checked_add(width));
        *stride >= width && used.is_some_and(|used| from.len() >= used)
    });
    if !whole {
        return;
    }
    if last
        .as_ref()
        .is_none_or(|last| last.dimensions() != (width, height))
    {
        *last = Some(Planar::new(width, height));
    }
    let to = last.iter_mut().flat_map(Planar::planes_mut);
    for (i, (to, (from, stride))) in to.zip(planes).enumerate() {
        let width = if i == 0 { width } else { width / 2 };
        for (to, from) in to.chunks_exact_mut(width).zip(from.chunks(stride)) {
            to.copy_from_slice(&from[..width]);
            match (kept.full_range, i) {
                (false, _) => {}
                (true, 0) => to.iter_mut().for_each(|v| *v = limit_luma(*v)),
                (true, _) => to.iter_mut().for_each(|v| *v = limit_chroma(*v)),
            }
        }
    }
}
