//! Raw pixels of every layout we take → planar 4:2:0 in limited range, which openh264 wants. Pure.
//!
//! 4:2:2 becomes 4:2:0 by averaging two lines of chroma. Full range (what JPEG cameras and some
//! ISPs deliver) is mapped to limited range, so that a stream never claims anything else. Odd
//! sizes lose their last column or line: 4:2:0 has none to give.

use crate::capture::{Format, PixelFormat, Range};
use crate::error::{Error, Kind, Result};

/// A planar 4:2:0 picture of even size, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planar {
    width: usize,
    height: usize,
    /// Luma, Cb, Cr.
    pub(super) planes: [Vec<u8>; 3],
}

impl Planar {
    /// A black picture of `width` × `height`, each rounded down to even.
    #[must_use]
    pub fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width & !1, height & !1);
        let chroma = vec![128; width * height / 4];
        Self {
            width,
            height,
            planes: [vec![16; width * height], chroma.clone(), chroma],
        }
    }

    /// Pixels per line, lines.
    #[must_use]
    pub const fn dimensions(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Luma, Cb and Cr samples.
    #[must_use]
    pub fn planes(&self) -> [&[u8]; 3] {
        [&self.planes[0], &self.planes[1], &self.planes[2]]
    }

    /// The same, to be written.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        self.planes.each_mut().map(Vec::as_mut_slice)
    }
}

/// Full-range luma as limited range: 0…255 → 16…235.
#[inline]
pub(crate) fn limit_luma(v: u8) -> u8 {
    over_255(u16::from(v) * 219 + 16 * 255)
}

/// Full-range chroma as limited range: 0…255 → 16…240 about 128.
#[inline]
pub(crate) fn limit_chroma(v: u8) -> u8 {
    over_255(u16::from(v) * 224 + 128 * (255 - 224))
}

/// `v / 255`, rounded; exact for every `v` that fits.
#[inline]
const fn over_255(v: u16) -> u8 {
    let v = v + 128;
    ((v + (v >> 8)) >> 8) as u8
}

/// Samples that are in limited range already.
pub(super) const fn as_is(v: u8) -> u8 {
    v
}

/// Converts one frame of `format` (not a compressed one) into `picture`.
///
/// # Errors
/// `Transient` when `data` is shorter than the format needs: the frame was cut off on its way.
/// `Internal` when `picture` was made for another size.
pub fn convert(format: &Format, data: &[u8], picture: &mut Planar) -> Result<()> {
    let layout = Layout::of(format);
    let needed = layout.needed();
    if data.len() < needed {
        return Err(Error::new(
            Kind::Transient,
            format!(
                "a {} frame of {} has {} bytes instead of {needed}",
                format.pixel,
                format.size,
                data.len()
            ),
        ));
    }
    let (width, height) = picture.dimensions();
    if (width, height) != (layout.width & !1, layout.height & !1) {
        return Err(Error::new(
            Kind::Internal,
            format!(
                "a picture of {width}x{height} for a frame of {}",
                format.size
            ),
        ));
    }
    if width == 0 || height == 0 {
        return Ok(());
    }
    match format.colour.range {
        Range::Limited => layout.run(data, picture, as_is, as_is),
        Range::Full => layout.run(data, picture, limit_luma, limit_chroma),
    }
    Ok(())
}

/// The planes of a `YU12` frame that needs no conversion at all: even, limited range, complete.
#[must_use]
pub fn planar_as_is<'a>(format: &Format, data: &'a [u8]) -> Option<([&'a [u8]; 3], usize, usize)> {
    let layout = Layout::of(format);
    let fits = layout.pixel == PixelFormat::Yu12
        && format.colour.range == Range::Limited
        && layout.width.is_multiple_of(2)
        && layout.height.is_multiple_of(2)
        && layout.stride.is_multiple_of(2)
        && data.len() >= layout.needed();
    let (luma, chroma) = (
        layout.stride * layout.height,
        layout.stride / 2 * (layout.height / 2),
    );
    let (y, rest) = fits.then(|| data.split_at_checked(luma)).flatten()?;
    let (cb, rest) = rest.split_at_checked(chroma)?;
    let cr = rest.get(..chroma)?;
    Some(([y, cb, cr], layout.stride, layout.stride / 2))
}

/// Chroma samples of a packed line taken at a time.
const BLOCK: usize = 512;

/// How a frame lies in memory.
#[derive(Debug, Clone, Copy)]
struct Layout {
    pixel: PixelFormat,
    width: usize,
    height: usize,
    stride: usize,
}

impl Layout {
    fn of(format: &Format) -> Self {
        let width = format.size.width as usize;
        let least = match format.pixel {
            PixelFormat::Yuyv | PixelFormat::Uyvy => width.div_ceil(2) * 4,
            _ => width,
        };
        Self {
            pixel: format.pixel,
            width,
            height: format.size.height as usize,
            stride: (format.stride as usize).max(least),
        }
    }

    /// Bytes from a chroma line to the next, chroma lines, bytes used in a chroma line.
    const fn chroma(&self) -> (usize, usize, usize) {
        let lines = self.height.div_ceil(2);
        match self.pixel {
            PixelFormat::Nv12 => (self.stride, lines, self.width.div_ceil(2) * 2),
            _ => (self.stride.div_ceil(2), lines, self.width.div_ceil(2)),
        }
    }

    /// The least number of bytes a whole frame has; padding after the last line is not asked for.
    fn needed(&self) -> usize {
        let (step, lines, used) = self.chroma();
        if self.width == 0 || self.height == 0 {
            return 0;
        }
        match self.pixel {
            PixelFormat::Yuyv | PixelFormat::Uyvy => {
                (self.height - 1) * self.stride + self.width.div_ceil(2) * 4
            }
            PixelFormat::Nv12 => self.height * self.stride + (lines - 1) * step + used,
            PixelFormat::Yu12 => self.height * self.stride + (2 * lines - 1) * step + used,
            PixelFormat::Mjpeg | PixelFormat::H264 => usize::MAX,
        }
    }

    #[inline]
    fn run(
        &self,
        data: &[u8],
        picture: &mut Planar,
        luma: impl Fn(u8) -> u8 + Copy,
        chroma: impl Fn(u8) -> u8 + Copy,
    ) {
        match self.pixel {
            PixelFormat::Yuyv => self.packed::<0>(data, picture, luma, chroma),
            PixelFormat::Uyvy => self.packed::<1>(data, picture, luma, chroma),
            PixelFormat::Nv12 => self.nv12(data, picture, luma, chroma),
            PixelFormat::Yu12 => self.yu12(data, picture, luma, chroma),
            PixelFormat::Mjpeg | PixelFormat::H264 => {}
        }
    }

    /// Packed 4:2:2; `FIRST` is where luma begins: 0 in YUYV, 1 in UYVY.
    #[inline]
    fn packed<const FIRST: usize>(
        &self,
        data: &[u8],
        picture: &mut Planar,
        luma: impl Fn(u8) -> u8,
        chroma: impl Fn(u8) -> u8,
    ) {
        let (width, half) = (picture.width, picture.width / 2);
        let [y, cb, cr] = &mut picture.planes;
        let pairs = y
            .chunks_exact_mut(2 * width)
            .zip(cb.chunks_exact_mut(half).zip(cr.chunks_exact_mut(half)));
        for ((y, (cb, cr)), source) in pairs.zip(data.chunks(2 * self.stride)) {
            let (upper, lower) = (&source[..2 * width], &source[self.stride..][..2 * width]);
            let (y0, y1) = y.split_at_mut(width);
            for (y, line) in [(y0, upper), (y1, lower)] {
                for (y, pair) in y.iter_mut().zip(line.as_chunks().0) {
                    *y = luma(half_of::<FIRST>(*pair));
                }
            }
            // Two steps of stride two instead of one of stride four, which compilers vectorise.
            let mut mixed = [0; BLOCK];
            let lines = upper.chunks(2 * BLOCK).zip(lower.chunks(2 * BLOCK));
            let targets = cb.chunks_mut(BLOCK / 2).zip(cr.chunks_mut(BLOCK / 2));
            for ((cb, cr), (a, b)) in targets.zip(lines) {
                let pairs = a.as_chunks().0.iter().zip(b.as_chunks().0);
                for (c, (a, b)) in mixed.iter_mut().zip(pairs) {
                    let (a, b) = match FIRST {
                        0 => (half_of::<1>(*a), half_of::<1>(*b)),
                        _ => (half_of::<0>(*a), half_of::<0>(*b)),
                    };
                    *c = chroma(mean(a, b));
                }
                separate(cb, cr, &mixed, as_is);
            }
        }
    }

    #[inline]
    fn nv12(
        &self,
        data: &[u8],
        picture: &mut Planar,
        luma: impl Fn(u8) -> u8,
        chroma: impl Fn(u8) -> u8,
    ) {
        let (width, half) = (picture.width, picture.width / 2);
        let (above, below) = data.split_at(self.stride * self.height);
        let [y, cb, cr] = &mut picture.planes;
        copy(y, width, above, self.stride, luma);
        let lines = cb.chunks_exact_mut(half).zip(cr.chunks_exact_mut(half));
        for ((cb, cr), source) in lines.zip(below.chunks(self.stride)) {
            separate(cb, cr, source, &chroma);
        }
    }

    #[inline]
    fn yu12(
        &self,
        data: &[u8],
        picture: &mut Planar,
        luma: impl Fn(u8) -> u8,
        chroma: impl Fn(u8) -> u8 + Copy,
    ) {
        let (step, lines, _) = self.chroma();
        let (above, below) = data.split_at(self.stride * self.height);
        let (first, second) = below.split_at(step * lines);
        let (width, half) = (picture.width, picture.width / 2);
        let [y, cb, cr] = &mut picture.planes;
        copy(y, width, above, self.stride, luma);
        copy(cb, half, first, step, chroma);
        copy(cr, half, second, step, chroma);
    }
}

/// Copies a plane line by line out of its padding.
#[inline]
fn copy(to: &mut [u8], width: usize, from: &[u8], stride: usize, map: impl Fn(u8) -> u8) {
    if width == 0 {
        return;
    }
    for (to, from) in to.chunks_exact_mut(width).zip(from.chunks(stride)) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = map(*from);
        }
    }
}

/// One byte of a pair, read as a whole number: that way the loop becomes wide loads and packs.
#[inline]
const fn half_of<const WHICH: usize>(pair: [u8; 2]) -> u8 {
    (u16::from_le_bytes(pair) >> (8 * WHICH) & 0xFF) as u8
}

/// Takes interleaved Cb and Cr apart.
#[inline]
fn separate(cb: &mut [u8], cr: &mut [u8], mixed: &[u8], map: impl Fn(u8) -> u8) {
    for ((cb, cr), pair) in cb.iter_mut().zip(cr).zip(mixed.chunks_exact(2)) {
        *cb = map(pair[0]);
        *cr = map(pair[1]);
    }
}

/// The mean of two, halves rounded up.
#[inline]
const fn mean(a: u8, b: u8) -> u8 {
    (a | b) - ((a ^ b) >> 1)
}

#[cfg(test)]
mod tests;
