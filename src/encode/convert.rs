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
}

/// Full-range luma as limited range: 0…255 → 16…235.
#[inline]
pub(super) fn limit_luma(v: u8) -> u8 {
    over_255(u16::from(v) * 219 + 16 * 255)
}

/// Full-range chroma as limited range: 0…255 → 16…240 about 128.
#[inline]
pub(super) fn limit_chroma(v: u8) -> u8 {
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
                for (y, s) in y.chunks_exact_mut(2).zip(line.chunks_exact(4)) {
                    y[0] = luma(s[FIRST]);
                    y[1] = luma(s[FIRST + 2]);
                }
            }
            let lines = upper.chunks_exact(4).zip(lower.chunks_exact(4));
            for ((cb, cr), (a, b)) in cb.iter_mut().zip(cr).zip(lines) {
                *cb = chroma(mean(a[1 - FIRST], b[1 - FIRST]));
                *cr = chroma(mean(a[3 - FIRST], b[3 - FIRST]));
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
            for ((cb, cr), pair) in cb.iter_mut().zip(cr).zip(source.chunks_exact(2)) {
                *cb = chroma(pair[0]);
                *cr = chroma(pair[1]);
            }
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

#[inline]
fn mean(a: u8, b: u8) -> u8 {
    u8::midpoint(a, b) + ((a ^ b) & 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Colour, Matrix};
    use crate::units::{Rate, Size};
    use proptest::prelude::*;

    fn format(pixel: PixelFormat, width: u32, height: u32, stride: u32, range: Range) -> Format {
        Format {
            pixel,
            size: Size::new(width, height),
            stride,
            rate: Rate::fps(30),
            colour: Colour {
                matrix: Matrix::Bt601,
                range,
                srgb: true,
            },
        }
    }

    fn converted(format: &Format, data: &[u8]) -> Planar {
        let mut picture = Planar::new(format.size.width as usize, format.size.height as usize);
        convert(format, data, &mut picture).unwrap();
        picture
    }

    /// Two lines of four pixels: luma 10…17; chroma of the upper line 100, 110, of the lower 103, 110.
    const YUYV: [u8; 20] = [
        10, 100, 11, 200, 12, 110, 13, 210, 0, 0, 14, 103, 15, 204, 16, 110, 17, 210, 0, 0,
    ];

    fn assert_sample(picture: &Planar) {
        let [y, cb, cr] = picture.planes();
        assert_eq!(y, [10, 11, 12, 13, 14, 15, 16, 17]);
        assert_eq!(cb, [102, 110], "101.5 rounds up");
        assert_eq!(cr, [202, 210]);
    }

    #[test]
    fn packed_4_2_2_is_taken_apart_and_two_lines_share_their_chroma() {
        let yuyv = format(PixelFormat::Yuyv, 4, 2, 10, Range::Limited);
        assert_sample(&converted(&yuyv, &YUYV));
        let mut swapped = YUYV;
        swapped.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
        let uyvy = format(PixelFormat::Uyvy, 4, 2, 10, Range::Limited);
        assert_sample(&converted(&uyvy, &swapped));
    }

    #[test]
    fn planar_layouts_lose_their_padding() {
        let nv12 = [10, 11, 12, 13, 0, 14, 15, 16, 17, 0, 102, 202, 110, 210, 0];
        let format_nv12 = format(PixelFormat::Nv12, 4, 2, 5, Range::Limited);
        assert_sample(&converted(&format_nv12, &nv12));
        let yu12 = [
            10, 11, 12, 13, 0, 0, 14, 15, 16, 17, 0, 0, 102, 110, 0, 202, 210, 0,
        ];
        let format_yu12 = format(PixelFormat::Yu12, 4, 2, 6, Range::Limited);
        assert_sample(&converted(&format_yu12, &yu12));
        let ([y, cb, cr], ..) = planar_as_is(&format_yu12, &yu12).unwrap();
        assert_eq!((y.len(), cb, cr), (12, &yu12[12..15], &yu12[15..]));
        assert!(
            planar_as_is(&format_yu12, &yu12[..17]).is_none(),
            "openh264 wants whole lines"
        );
    }

    #[test]
    fn full_range_becomes_limited_range_exactly() {
        for v in 0..=255_u8 {
            let luma = 16.0 + f64::from(v) * 219.0 / 255.0;
            let chroma = 128.0 + (f64::from(v) - 128.0) * 224.0 / 255.0;
            assert_eq!(f64::from(limit_luma(v)), luma.round(), "luma {v}");
            assert_eq!(f64::from(limit_chroma(v)), chroma.round(), "chroma {v}");
        }
        let full = format(PixelFormat::Nv12, 2, 2, 2, Range::Full);
        let picture = converted(&full, &[0, 255, 255, 0, 0, 255]);
        assert_eq!(picture.planes(), [&[16, 235, 235, 16][..], &[16], &[240]]);
        assert!(planar_as_is(&full, &[0; 64]).is_none());
    }

    #[test]
    fn odd_sizes_lose_the_last_column_and_line() {
        let odd = format(PixelFormat::Yuyv, 5, 3, 12, Range::Limited);
        let picture = converted(&odd, &[50; 36]);
        assert_eq!(picture.dimensions(), (4, 2));
        assert!(picture.planes()[0].iter().all(|v| *v == 50));
    }

    #[test]
    fn the_shortest_whole_frame_is_taken_and_one_byte_less_is_refused() {
        for (pixel, length) in [
            (PixelFormat::Yuyv, 20 + 16),
            (PixelFormat::Uyvy, 20 + 16),
            (PixelFormat::Nv12, 2 * 20 + 8),
            (PixelFormat::Yu12, 2 * 20 + 10 + 4),
        ] {
            let format = format(pixel, 8, 2, 20, Range::Limited);
            let mut picture = Planar::new(8, 2);
            convert(&format, &vec![1; length], &mut picture).unwrap();
            let error = convert(&format, &vec![1; length - 1], &mut picture).unwrap_err();
            assert_eq!(error.kind(), Kind::Transient, "{pixel}");
        }
    }

    proptest! {
        #[test]
        fn no_size_stride_or_length_panics(
            which in 0..PixelFormat::ALL.len(), w in 0..70_u32, h in 0..40_u32, stride in 0..200_u32,
            full: bool, length in 0..20_000_usize,
        ) {
            let range = if full { Range::Full } else { Range::Limited };
            let format = format(PixelFormat::ALL[which], w, h, stride, range);
            let data = vec![7; length];
            let mut picture = Planar::new(w as usize, h as usize);
            let _ = convert(&format, &data, &mut picture);
            let _ = planar_as_is(&format, &data);
        }
    }
}
